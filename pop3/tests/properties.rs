//! What holds for whatever a client or a backend sends, however it is cut.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

#[path = "support/backend.rs"]
mod backend;
mod support;

use backend::log_in;
use pop3::backend::{Command, MAX_LINE, Options};
use pop3::{Policy, Refusal, ResponseCode, StartTls};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Noted, POLICY, play};

/// Bytes that get somewhere: words of the protocol with noise between them.
fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            &b"USER"[..], b"PASS", b"APOP", b"AUTH", b"CAPA", b"NOOP", b"QUIT", b"STLS", b"STAT",
            b"PLAIN", b"LOGIN", b"CRAM-MD5", b"EXTERNAL", b"bob", b"=", b"*",
            b"AGJvYgBzZWNyZXQ=", b"Ym9i", b"c2VjcmV0", b"AGJvYgBhDQpi", b"YQ0KYg==",
            b"Ym9iIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
            b"c4c9334bac560ecc979e58001b3e22fb",
        ])
        .prop_map(<[u8]>::to_vec),
        6 => Just(b"\r\n".to_vec()),
        6 => Just(b" ".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => vec(any::<u8>(), 0..80),
    ];

    vec(word, 0..40).prop_map(|words| words.concat())
}

fn cuts(length: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..=length, 0..12).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

fn cut_dialogue() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    dialogue().prop_flat_map(|bytes| {
        let length = bytes.len();
        (Just(bytes), cuts(length))
    })
}

/// What a backend sends at each of its turns: mostly a reply.
fn turns() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            &b"+OK"[..], b"-ERR", b" ", b"\r\n", b"\r", b"\n", b"\0", b"[XCLIENT]", b"[IN-USE]",
            b"[", b"]", b"ready", b"\xe9",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
        1 => (MAX_LINE - 20..MAX_LINE + 2).prop_map(|length| vec![b'a'; length]),
    ];
    let any = vec(word.clone(), 0..8).prop_map(|words| words.concat());
    let reply = (prop::sample::select(vec!["+OK", "+OK ", "+OK ", "+OK ", "-ERR "]), word)
        .prop_map(|(head, text)| [head.as_bytes(), &text, b"\r\n"].concat());

    vec(prop_oneof![1 => any, 8 => reply], 0..7)
}

fn options() -> impl Strategy<Value = Options> {
    any::<(bool, bool)>().prop_map(|(starttls, xclient)| Options {
        starttls,
        xclient,
        ..Options::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn every_cut_gives_the_same_actions((bytes, cuts) in cut_dialogue(), tls: bool) {
        let single: Vec<usize> = (0..bytes.len()).collect();
        let whole = play(&bytes, &[], &POLICY, tls);

        prop_assert_eq!(&play(&bytes, &cuts, &POLICY, tls), &whole);
        prop_assert_eq!(&play(&bytes, &single, &POLICY, tls), &whole);
    }

    #[test]
    fn every_line_has_one_action(bytes in dialogue(), tls: bool) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        prop_assert_eq!(play(&bytes, &[], &POLICY, tls).len(), lines);
    }

    #[test]
    fn no_credential_can_end_a_line(bytes in dialogue()) {
        for noted in play(&bytes, &[], &POLICY, false) {
            let (login, secret) = match noted {
                Noted::KeepLogin(login, _) => (login, vec![]),
                Noted::Authenticate(_, login, secret) => (login.unwrap_or_default(), secret),
                _ => continue,
            };
            prop_assert!(!login.iter().any(u8::is_ascii_control));
            prop_assert!(!secret.iter().any(|byte| b"\r\n\0".contains(byte)));
        }
    }

    #[test]
    fn nobody_logs_in_before_tls_where_it_is_required(bytes in dialogue()) {
        let policy = Policy { starttls: StartTls::Only, ..POLICY };
        for noted in play(&bytes, &[], &policy, false) {
            let login = matches!(noted, Noted::KeepLogin(..) | Noted::Authenticate(..));
            prop_assert!(!login && noted != Noted::Mechanisms);
        }
    }

    #[test]
    fn errors_end_the_session_at_the_limit(bytes in dialogue(), max_errors in 1..8_u32) {
        let policy = Policy { max_errors, ..POLICY };
        let mut errors = 0;
        for noted in play(&bytes, &[], &policy, false) {
            match noted {
                Noted::Refuse(Refusal::Cancelled) => {}
                Noted::Refuse(_) => {
                    errors += 1;
                    prop_assert!(errors < max_errors);
                }
                Noted::Close(Refusal::HttpRequest) => errors += 1,
                Noted::Close(_) => {
                    errors += 1;
                    prop_assert!(errors >= max_errors);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_refusal_is_one_line(bytes in dialogue()) {
        for noted in play(&bytes, &[], &POLICY, false) {
            if let Noted::Refuse(reason) = noted {
                let reply = reason.reply();
                prop_assert!(reply.starts_with(b"-ERR ") && reply.ends_with(b"\r\n"));
                let text = &reply[..reply.len() - 2];
                prop_assert!(!text.iter().any(u8::is_ascii_control));
            }
        }
    }

    #[test]
    fn every_cut_of_a_backends_turns_gives_the_same_steps(
        turns in turns(),
        options in options(),
        places in vec(0..MAX_LINE + 4, 0..12),
    ) {
        let whole = log_in(&turns, options, |_| vec![]);
        let cuts = |length: usize| {
            let mut cuts: Vec<_> =
                places.iter().map(|place| place % (length + 1)).chain([0, length]).collect();
            cuts.extend(length.saturating_sub(6)..length);
            cuts.sort_unstable();
            cuts
        };

        prop_assert_eq!(&log_in(&turns, options, cuts), &whole);
        if turns.iter().all(|turn| turn.len() < 200) {
            prop_assert_eq!(&log_in(&turns, options, |length| (0..length).collect()), &whole);
        }
    }

    #[test]
    fn a_login_takes_a_good_reply_to_each_command(turns in turns(), options in options()) {
        let steps = log_in(&turns, options, |_| vec![]);
        let asked = |command| steps.contains(&backend::Noted::Send(command));
        let good = |turn: &&Vec<u8>| is_ok(turn);
        let logged_in = matches!(steps.last(), Some(backend::Noted::LoggedIn(_)));
        let replies = 3 + usize::from(asked(Command::Stls)) + usize::from(asked(Command::Xclient));
        let all_good = turns.iter().take(replies).filter(good).count() == replies;

        prop_assert_eq!(logged_in, all_good && asked(Command::Pass));
        prop_assert_eq!(asked(Command::Stls), options.starttls && turns.first().is_some_and(|turn| good(&turn)));
        prop_assert!(!asked(Command::Xclient) || options.xclient);
    }

    #[test]
    fn no_text_of_a_backend_can_end_a_line(turns in turns(), options in options()) {
        for noted in log_in(&turns, options, |_| vec![]) {
            match noted {
                backend::Noted::LoggedIn(line) => prop_assert!(is_ok(&line)),
                backend::Noted::Refused(code, text) => {
                    let mut reply = vec![];
                    code.write(ResponseCode::split(&text).1, |piece| reply.extend_from_slice(piece));
                    prop_assert!(reply.starts_with(b"-ERR [") && clean(&reply));
                }
                backend::Noted::Broken(_, text) => prop_assert!(!text.iter().any(u8::is_ascii_control)),
                _ => {}
            }
        }
    }
}

/// Whether it is all that a backend that goes on may send at a turn.
fn is_ok(bytes: &[u8]) -> bool {
    let separated = [&b"+OK "[..], b"+OK\r\n"].iter().any(|head| bytes.starts_with(head));
    separated && bytes.len() <= MAX_LINE && clean(bytes)
}

/// Whether it ends in the only CRLF that it holds, and there is no other control character.
fn clean(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\r\n").is_some_and(|text| !text.iter().any(u8::is_ascii_control))
}
