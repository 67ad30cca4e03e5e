//! A login at a backend: the steps are those that a slow look at each byte tells, in
//! the order of the commands, however the input is cut.
//!
//! Input: four bytes that choose the options, the length of a long line and the cuts,
//! a line with the login, one with the password, then the backend's turns (see
//! [`turns`]).

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use pop3::backend::{Broken, Command, Endpoint, Facts, MAX_LINE, Options, Proof, Xclient};
use pop3::sasl::{oauthbearer, xoauth2};
use pop3::{Login, OAuth, ResponseCode, credentials};
use pop3_fuzz::backend::{Noted, log_in};
use pop3_fuzz::{contains, cuts, is_line, is_ok, turn_bytes, turns};

fuzz_target!(|data: &[u8]| {
    let Some(([chosen, fill, seed @ ..], text)) = data.split_first_chunk::<4>() else { return };
    let mut lines = text.splitn(3, |&byte| byte == b'\n');
    let (Some(login), Some(password), Some(bytes)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let proof = match chosen >> 4 & 7 {
        3 => Proof::PipelinedPassword,
        4 => Proof::Token(OAuth::Xoauth2),
        5 => Proof::Token(OAuth::Oauthbearer),
        6 => Proof::LongToken(OAuth::Xoauth2),
        7 => Proof::LongToken(OAuth::Oauthbearer),
        _ => Proof::Password,
    };
    let options = Options { starttls: chosen & 1 != 0, xclient: chosen & 2 != 0, proof };
    let turns = turns(bytes, *fill);

    let steps = log_in(&turns, options, |_| vec![]);
    assert_eq!(log_in(&turns, options, |length| cuts(*seed, length)), steps);
    assert_eq!(log_in(&turns, options, turn_bytes), steps);

    assert_eq!(steps, expected(&turns, options));
    for step in &steps {
        check_texts(step);
    }

    let secret = match proof {
        Proof::Password | Proof::PipelinedPassword => credentials::password(password),
        _ => credentials::token(password),
    };
    if let (Ok(login), Ok(secret)) = (credentials::login(login), secret) {
        let tls = chosen & 4 != 0;
        let end = Endpoint { address: b"192.0.2.1", port: b"110" };
        let client = (chosen & 8 != 0).then_some(end);
        let xclient = Some(Xclient { client, server: Some(end), session: b"1", tls });
        let facts = Facts { login, secret, xclient };
        for step in &steps {
            check_command(step, &facts);
        }
    }
});

/// The steps of a backend that sends these turns.
fn expected(turns: &[Vec<u8>], options: Options) -> Vec<Noted> {
    let offered = turns.first().is_some_and(|line| contains(line, b"[XCLIENT]"));
    let (begin, end) = match options.proof {
        Proof::Password => (Some(Command::User), Command::Pass),
        Proof::PipelinedPassword => (None, Command::UserAndPass),
        Proof::Token(mechanism) => (None, Command::AuthWithToken(mechanism)),
        Proof::LongToken(mechanism) => (Some(Command::Auth(mechanism)), Command::Token(mechanism)),
    };
    let commands = [
        options.starttls.then_some(Command::Stls),
        (options.xclient && offered).then_some(Command::Xclient),
        begin,
        Some(end),
    ];
    let mut sent = [None].into_iter().chain(commands.into_iter().flatten().map(Some)).peekable();
    let mut steps = vec![];
    let mut turns = turns.iter();

    while let Some(command) = sent.next() {
        steps.extend(command.map(Noted::Send));
        let Some(turn) = turns.next() else { return steps };
        let asks = matches!(command, Some(Command::Auth(_)));
        let token = matches!(command, Some(Command::AuthWithToken(_) | Command::Token(_)));
        let pair = command == Some(Command::UserAndPass);
        let first = turn.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let is_first =
            pair && matches!(read(&turn[..first], false, MAX_LINE), Some(Ok((b"+OK", _))));
        let (turn, most) = if is_first {
            (&turn[first..], MAX_LINE - first)
        } else if pair && first > 0 {
            (&turn[..first], MAX_LINE)
        } else {
            (&turn[..], MAX_LINE)
        };
        match read(turn, asks || token, most) {
            None => return steps,
            Some(Ok((b"+", text))) if token => {
                return challenged(steps, options, text, turns.next());
            }
            Some(Ok((b"+OK", _))) if command == Some(Command::Stls) => steps.push(Noted::StartTls),
            Some(Ok((b"+OK", _))) if sent.peek().is_none() => {
                steps.push(Noted::LoggedIn(turn.to_vec()));
            }
            Some(Ok((b"+OK", _))) if !asks => {}
            Some(Ok((b"+", _))) => {}
            Some(outcome) => {
                steps.push(ended(command, outcome));
                return steps;
            }
        }
    }
    steps
}

/// Behind the steps up to a challenge, and with the turn that follows.
fn challenged(
    mut steps: Vec<Noted>,
    options: Options,
    text: &[u8],
    turn: Option<&Vec<u8>>,
) -> Vec<Noted> {
    let (Proof::Token(mechanism) | Proof::LongToken(mechanism)) = options.proof else {
        panic!("a password is challenged")
    };
    let answer = Command::Answer(mechanism);
    steps.push(Noted::Challenged(answer, text.into()));
    steps.extend(
        turn.and_then(|turn| read(turn, false, MAX_LINE)).map(|read| ended(Some(answer), read)),
    );
    steps
}

/// How a dialogue ends with what a backend has sent after this command.
fn ended(command: Option<Command>, read: Result<(&[u8], &[u8]), Broken>) -> Noted {
    match read {
        Ok((b"-ERR", text)) => refused(command, text),
        Ok(_) => Noted::Broken(Broken::NoReply, vec![]),
        Err(why) => Noted::Broken(why, vec![]),
    }
}

fn refused(command: Option<Command>, text: &[u8]) -> Noted {
    let why = match command {
        None => Broken::GreetingRefused,
        Some(Command::Stls) => Broken::StlsRefused,
        Some(Command::Xclient) => Broken::XclientRefused,
        Some(_) => {
            return Noted::Refused(ResponseCode::split(text).0, fit(text));
        }
    };
    Noted::Broken(why, fit(text))
}

/// Without a control character of the upper half, written with two bytes in UTF-8 and with
/// one in what is none.
fn fit(text: &[u8]) -> Vec<u8> {
    let upper = |byte: &u8| (0x80..0xa0).contains(byte);
    let unfit = match String::from_utf8(text.to_vec()) {
        Ok(_) => text.windows(2).any(|pair| pair[0] == 0xc2 && upper(&pair[1])),
        Err(_) => text.iter().any(upper),
    };
    if unfit { vec![] } else { text.to_vec() }
}

/// A reply, read byte by byte: what it begins with and its text; what is wrong at the
/// first byte that cannot be; or nothing if it has not ended. It has so many bytes at most.
fn read(turn: &[u8], challenge: bool, most: usize) -> Option<Result<(&[u8], &[u8]), Broken>> {
    if most == 0 {
        return Some(Err(Broken::LineTooLong));
    }
    let words = if challenge { &["+OK", "-ERR", "+"][..] } else { &["+OK", "-ERR"] };
    for (at, &byte) in turn.iter().enumerate() {
        let head = &turn[..=at];
        let begun = words.iter().any(|word| {
            let word = word.as_bytes();
            let behind = head.strip_prefix(word).and_then(<[u8]>::first);
            word.starts_with(head) || behind.is_some_and(|byte| b" \r\n".contains(byte))
        });
        let after_cr = at > 0 && turn[at - 1] == b'\r';
        let bare = after_cr != (byte == b'\n');
        let control = byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n');

        if !begun {
            return Some(Err(Broken::NoReply));
        }
        if bare || control {
            return Some(Err(Broken::ControlCharacter));
        }
        if at + 1 == most && byte != b'\n' {
            return Some(Err(Broken::LineTooLong));
        }
        if byte == b'\n' {
            let line = &turn[..at - 1];
            let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let (word, text) = line.split_at(end);
            return Some(if at + 1 < turn.len() {
                Err(Broken::AheadOfTurn)
            } else {
                Ok((word, text.get(1..).unwrap_or_default()))
            });
        }
    }

    None
}

/// What others get to read is one line and text.
fn check_texts(step: &Noted) {
    match step {
        Noted::LoggedIn(line) => assert!(is_ok(line)),
        Noted::Broken(_, text) => assert!(!text.iter().any(u8::is_ascii_control)),
        Noted::Refused(code, text) => {
            for text in [ResponseCode::split(text).1, b""] {
                let mut reply = vec![];
                code.write(text, |piece| reply.extend_from_slice(piece));
                assert!(reply.starts_with(b"-ERR [") && is_line(&reply));

                let written = ResponseCode::split(&reply[5..reply.len() - 2]);
                assert!(written.0 == *code && (text.is_empty() || written.1 == text));
            }
        }
        Noted::Challenged(Command::Answer(mechanism), error) => {
            let mut line = vec![];
            mechanism.write_challenge(error, |piece| line.extend_from_slice(piece));
            assert!(line.starts_with(b"+ ") && is_line(&line));
        }
        Noted::Challenged(..) => panic!("{step:?}"),
        Noted::Send(_) | Noted::StartTls => {}
    }
}

/// A command is one line, and the password is in PASS alone, a token in its message.
fn check_command(step: &Noted, facts: &Facts<'_>) {
    let (Noted::Send(command) | Noted::Challenged(command, _)) = step else { return };
    let mut line = vec![];
    command.write(facts, |piece| line.extend_from_slice(piece));

    if *command == Command::UserAndPass {
        let expected = [b"USER ", facts.login, b"\r\nPASS ", facts.secret.expose(), b"\r\n"];
        return assert_eq!(line, expected.concat());
    }
    let Some(text) = line.strip_suffix(b"\r\n") else { panic!("{command:?}") };
    assert!(!text.iter().any(|byte| b"\r\n\0".contains(byte)));
    match command {
        Command::Stls => assert_eq!(text, b"STLS"),
        Command::User => assert_eq!(text.strip_prefix(b"USER "), Some(facts.login)),
        Command::Pass => assert_eq!(text.strip_prefix(b"PASS "), Some(facts.secret.expose())),
        Command::UserAndPass => panic!("{line:?}"),
        Command::AuthWithToken(mechanism) => {
            let head = [b"AUTH ", mechanism.name(), b" "].concat();
            let message = text.strip_prefix(&head[..]).unwrap_or_default();
            check_message(*mechanism, message, facts);
            // It is as long as it is, and the caller says whether that is too long.
            let fits = Proof::token(*mechanism, facts.login, facts.secret);
            assert_eq!(fits == Proof::Token(*mechanism), line.len() <= 255);
        }
        Command::Auth(mechanism) => assert_eq!(text, [b"AUTH ", mechanism.name()].concat()),
        Command::Token(mechanism) => check_message(*mechanism, text, facts),
        Command::Answer(OAuth::Xoauth2) => assert_eq!(text, b""),
        Command::Answer(OAuth::Oauthbearer) => assert_eq!(text, b"AQ=="),
        Command::Xclient => {
            let fields = text.split(|&byte| byte == b' ').skip(1);
            assert!(text.starts_with(b"XCLIENT ") && fields.clone().count() >= 4);
            for field in fields {
                let mut parts = field.split(|&byte| byte == b'=');
                assert!(parts.all(|part| !part.is_empty()) && field.contains(&b'='));
            }
        }
    }
}

/// A message is read as what it was made of.
fn check_message(mechanism: OAuth, text: &[u8], facts: &Facts<'_>) {
    let Ok(mut message) = STANDARD.decode(text) else { panic!("no base64") };
    let read = match mechanism {
        OAuth::Xoauth2 => xoauth2::credentials(&message),
        OAuth::Oauthbearer => oauthbearer::credentials(&mut message),
    };
    let Ok(read) = read else { panic!("{read:?}") };
    assert_eq!(read.login, Login::Given(facts.login));
    assert!(read.secret == facts.secret);
}
