//! Whole sessions: what must hold for whatever a client sends.
//!
//! Input: seven bytes that choose the policy and the cuts (see [`Setting`]),
//! then what the client sends.

#![no_main]

use core::ops::ControlFlow::{Break, Continue};

use libfuzzer_sys::fuzz_target;
use pop3::command::Keyword;
use pop3::reply::{EMPTY_CHALLENGE, OK, PASSWORD_PROMPT, USERNAME_PROMPT};
use pop3::sasl::cram_md5;
use pop3::{Capabilities, Method, Methods, OAuth, Policy, Refusal, Session, StartTls, capability};
use pop3_fuzz::support::{Noted, Notes, play};
use pop3_fuzz::{assert_fit, cuts, lines, single_bytes};

fuzz_target!(|data: &[u8]| {
    let Some((head, bytes)) = data.split_first_chunk() else { return };
    let Setting { policy, tls, seed } = Setting::from(*head);

    let noted = play(bytes, &[], &policy, tls);
    for cuts in [cuts(seed, bytes.len()), single_bytes(bytes.len())] {
        assert_eq!(play(bytes, &cuts, &policy, tls), noted, "cuts: {cuts:?}");
    }

    check_lines(bytes, &noted, &policy);
    check_logins(&lines(bytes, policy.max_line), &noted, &policy, tls);
    for action in &noted {
        check_reply(action, &policy, tls);
    }

    let conversation = converse(bytes, &policy, tls);
    check_limits(&conversation, &policy);
    check_start_tls(bytes, &conversation, &noted, &policy);
});

/// What the head of the input chooses. Readable characters do, so that seeds
/// can be written by hand: `?1~__..` is a server that allows everything, `@`
/// is a limit of 0, `A` of 1, and `_` no limit.
struct Setting {
    policy: Policy,
    tls: bool,
    seed: [u8; 2],
}

impl From<[u8; 7]> for Setting {
    fn from([methods, tls, line, errors, commands, seed @ ..]: [u8; 7]) -> Self {
        let limit = |byte: u8| match byte & 31 {
            31 => u32::MAX,
            limit => limit.into(),
        };

        Self {
            policy: Policy {
                methods: Methods {
                    plain: methods & 1 != 0,
                    apop: methods & 2 != 0,
                    cram_md5: methods & 4 != 0,
                    external: methods & 8 != 0,
                    xoauth2: methods & 16 != 0,
                    oauthbearer: methods & 32 != 0,
                },
                starttls: [StartTls::Off, StartTls::On, StartTls::Only][usize::from(tls % 3)],
                max_line: usize::from(line) * 2 + Keyword::ALONE,
                max_errors: limit(errors),
                max_commands: limit(commands),
            },
            tls: tls % 6 > 2,
            seed,
        }
    }
}

/// Each line has one action, and only a line over the limit is too long.
fn check_lines(bytes: &[u8], noted: &[Noted], policy: &Policy) {
    let lines = lines(bytes, policy.max_line);
    assert_eq!(lines.len(), noted.len());

    for (line, action) in lines.iter().zip(noted) {
        let too_long = refusal(action) == Some(Refusal::LineTooLong);
        let request = *action == Noted::Close(Refusal::HttpRequest);
        // The answer to a challenge may be anything.
        let answer = matches!(action, Noted::Refusal(_));
        assert!(line.is_none() == too_long || request || answer, "{action:?}");
    }
}

/// Credentials come out as they came in, by a method that is on, after TLS
/// where it is required, and with a kept login only where one is in force.
fn check_logins(lines: &[Option<&[u8]>], noted: &[Noted], policy: &Policy, tls: bool) {
    let mut kept = None;
    let mut challenged = false;

    for (line, action) in lines.iter().zip(noted) {
        assert_fit(action);
        assert_eq!(matches!(action, Noted::Refusal(_)), challenged, "{action:?}");
        challenged = has_token(action);

        let login = matches!(action, Noted::KeepLogin(..) | Noted::Authenticate(..));
        assert!(!(login && tls_required(policy, tls)), "login before TLS: {action:?}");

        match action {
            Noted::KeepLogin(name, reply) => {
                if *reply == OK {
                    let argument = argument(*line, b"USER ").trim_ascii_start();
                    assert_eq!(name, argument);
                } else {
                    assert_eq!(*reply, PASSWORD_PROMPT);
                }
                kept = Some(*reply);
            }
            Noted::Authenticate(method, login, secret) => {
                let on = match method {
                    Method::User | Method::Plain | Method::Login => true,
                    Method::Apop => policy.methods.apop,
                    Method::CramMd5 => policy.methods.cram_md5,
                    Method::External => policy.methods.external,
                    Method::Xoauth2 => policy.methods.xoauth2,
                    Method::Oauthbearer => policy.methods.oauthbearer,
                };
                assert!(on, "{method:?} is off");

                if login.is_none() {
                    assert!(
                        matches!(method, Method::User | Method::Login),
                        "{method:?} gives a login"
                    );
                    assert_ne!(kept, None, "no login is kept");
                }
                if login.is_none() && kept == Some(OK) {
                    assert_eq!(secret, argument(*line, b"PASS "));
                }
                if *method == Method::Apop {
                    let words = argument(*line, b"APOP ").split(|&byte| byte == b' ');
                    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
                    assert_eq!(words, [login.as_deref().unwrap_or_default(), secret]);
                }
                kept = None;
            }
            // Between USER and PASS, but not between the two messages of LOGIN.
            Noted::Reply(OK) | Noted::Capabilities | Noted::Mechanisms if kept == Some(OK) => {}
            _ => kept = None,
        }
    }
}

/// What follows the keyword, which ends in a space.
fn argument<'a>(line: Option<&'a [u8]>, keyword: &[u8]) -> &'a [u8] {
    let (head, argument) = line.unwrap_or_default().split_at_checked(5).unwrap_or_default();
    assert!(head.eq_ignore_ascii_case(keyword), "{head:?}");
    argument
}

/// A reply is one line, or a list that ends with a dot. It announces only what
/// can be used, and STLS is answered only where it is announced.
fn check_reply(action: &Noted, policy: &Policy, tls: bool) {
    let stls = !tls && policy.starttls != StartTls::Off;

    let mut bytes = vec![];
    let mut put = |piece: &[u8]| bytes.extend_from_slice(piece);

    match action {
        Noted::Reply(line) | Noted::KeepLogin(_, line) => put(line),
        Noted::Capabilities => {
            let names = capability::DEFAULT.into_iter();
            let starttls = policy.starttls;
            Capabilities { names, methods: &policy.methods, starttls }.write(tls, put);

            let tags = check_list(&bytes);
            assert!(tags.iter().any(|tag| tag == "AUTH-RESP-CODE"));
            assert_eq!(tags.iter().any(|tag| tag == "STLS"), stls);
            assert_eq!(tags.iter().any(|tag| tag == "USER"), !tls_required(policy, tls));
            assert!(!(tags.iter().any(|tag| tag == "SASL") && tls_required(policy, tls)));
            return;
        }
        Noted::Mechanisms => {
            assert!(!tls_required(policy, tls), "methods listed before TLS");
            capability::write_mechanisms(policy.methods.mechanisms(), put);
            check_list(&bytes);
            return;
        }
        Noted::Challenge => {
            assert!(policy.methods.cram_md5, "CRAM-MD5 is off");
            cram_md5::write_challenge(b"<1896.697170952@mail.example>", put);
        }
        Noted::Refuse(reason) | Noted::Close(reason) => {
            put(reason.reply());
            assert!(bytes.starts_with(b"-ERR "), "{action:?}");
        }
        Noted::StartTls => return assert!(stls, "STLS where there is none"),
        Noted::Authenticate(method, ..) => match OAuth::of(*method) {
            Some(mechanism) => mechanism.write_challenge(b"", put),
            None => return,
        },
        Noted::Refusal(_) | Noted::Quit => return,
    }

    check_line(&bytes);
}

fn check_line(line: &[u8]) {
    let text = line.strip_suffix(b"\r\n").unwrap_or_default();
    let known = [&b"+OK"[..], b"+ ", b"-ERR "].iter().any(|head| text.starts_with(head));
    assert!(known && !text.iter().any(u8::is_ascii_control), "{line:?}");
}

/// Gives the first word of each item.
fn check_list(list: &[u8]) -> Vec<String> {
    let text = list.strip_suffix(b"\r\n.\r\n").map(String::from_utf8_lossy).unwrap_or_default();
    let mut lines = text.split("\r\n");
    assert!(lines.next().is_some_and(|first| first.starts_with("+OK ")), "{text}");

    lines
        .map(|line| {
            let fits = !line.is_empty() && !line.starts_with('.') && line != "SASL";
            assert!(fits && !line.contains(|c: char| c.is_ascii_control()), "{text}");
            line.split(' ').next().unwrap_or_default().into()
        })
        .collect()
}

/// Plays the client as `src/client/dialogue.rs` serves it: up to the end of the
/// session, inside TLS after STLS. Each byte comes alone, so that there is
/// nothing to throw away with STLS.
fn converse(bytes: &[u8], policy: &Policy, tls: bool) -> Vec<Noted> {
    let mut session = Session::default();
    let mut held = vec![];
    let mut server = Notes { noted: vec![], policy, tls };

    for &byte in bytes {
        held.push(byte);
        let next = session.next(&mut held, &mut server);
        if server.has_token() {
            session.expect_answer();
        }
        held = match next {
            Break(rest) => rest.to_vec(),
            Continue(rest) => {
                let rest = rest.to_vec();
                match server.noted.last() {
                    Some(Noted::StartTls) => server.tls = true,
                    Some(Noted::Close(_) | Noted::Refusal(true) | Noted::Quit) => break,
                    _ => {}
                }
                rest
            }
        };
    }

    server.noted
}

/// What has been counted in a conversation.
#[derive(Default)]
struct Counted {
    errors: u32,
    commands: u32,
    /// Whether the next line is a message and no command.
    exchange: bool,
}

impl Counted {
    fn count(&mut self, action: &Noted) {
        let refusal = refusal(action);
        let command = !self.exchange && refusal != Some(Refusal::LineTooLong);

        self.commands += u32::from(command);
        let error = refusal.is_some_and(|reason| reason != Refusal::Cancelled);
        self.errors += u32::from(error || matches!(action, Noted::Refusal(_)));
        self.exchange = has_token(action)
            || matches!(
                action,
                Noted::Reply(EMPTY_CHALLENGE | USERNAME_PROMPT)
                    | Noted::Challenge
                    | Noted::KeepLogin(_, PASSWORD_PROMPT)
            );
    }
}

/// Every `-ERR` but for a cancelled exchange counts, as does every command,
/// and the session ends at the limit, neither before nor after.
fn check_limits(conversation: &[Noted], policy: &Policy) {
    let mut counted = Counted::default();

    for action in conversation {
        let in_exchange = counted.exchange;
        counted.count(action);

        let errors_end = counted.errors >= policy.max_errors.max(1);
        let commands_end = counted.commands > policy.max_commands;
        match action {
            Noted::Close(Refusal::TooManyCommands) => assert!(commands_end),
            Noted::Close(Refusal::HttpRequest) => assert_eq!(conversation.len(), 1),
            Noted::Close(reason) => assert!(errors_end && !commands_end, "{reason:?}"),
            Noted::Refusal(close) => assert_eq!(*close, errors_end),
            Noted::Refuse(Refusal::Cancelled) => assert!(in_exchange, "nothing to cancel"),
            _ => assert!(!errors_end && !commands_end, "{action:?} over a limit"),
        }
    }
}

/// A session after STLS is a new one, but for what counts towards the limits.
fn check_start_tls(bytes: &[u8], conversation: &[Noted], noted: &[Noted], policy: &Policy) {
    let start = conversation.iter().position(|action| *action == Noted::StartTls);
    let start = start.map_or(conversation.len(), |at| at + 1);
    let (before, after) = conversation.split_at(start);
    assert_eq!(before, &noted[..start]);
    if after.is_empty() {
        return;
    }

    let mut counted = Counted::default();
    before.iter().for_each(|action| counted.count(action));
    let limit = |limit, counted| if limit == u32::MAX { limit } else { limit - counted };
    let rest = Policy {
        max_errors: limit(policy.max_errors.max(1), counted.errors),
        max_commands: limit(policy.max_commands, counted.commands).saturating_add(1),
        ..*policy
    };

    // What follows is not the first line: that one is NOOP here.
    let inside = bytes.split_inclusive(|&byte| byte == b'\n').skip(start);
    let inside: Vec<u8> = [&b"NOOP\r\n"[..]].into_iter().chain(inside).flatten().copied().collect();
    let expected = &play(&inside, &[], &rest, true)[1..];
    assert_eq!(after, &expected[..after.len()]);
}

/// Whether a login has to wait for TLS.
fn tls_required(policy: &Policy, tls: bool) -> bool {
    policy.starttls == StartTls::Only && !tls
}

/// Whether it is a login with a token, which is refused with a challenge here.
fn has_token(action: &Noted) -> bool {
    matches!(action, Noted::Authenticate(Method::Xoauth2 | Method::Oauthbearer, ..))
}

fn refusal(action: &Noted) -> Option<Refusal> {
    match action {
        Noted::Refuse(reason) | Noted::Close(reason) => Some(*reason),
        _ => None,
    }
}
