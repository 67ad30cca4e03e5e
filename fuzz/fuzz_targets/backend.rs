//! A login at a backend: the steps are those that a slow look at each byte tells, in
//! the order of the commands, however the input is cut.
//!
//! Input: four bytes that choose the options, the length of a long line and the cuts,
//! a line with the login, one with the password, then the backend's turns (see
//! [`turns`]).

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::backend::{Broken, Command, Endpoint, Facts, MAX_LINE, Options, Xclient};
use pop3::{ResponseCode, credentials};
use pop3_fuzz::backend::{Noted, log_in};
use pop3_fuzz::{contains, cuts, is_line, is_ok, turn_bytes, turns};

fuzz_target!(|data: &[u8]| {
    let Some(([chosen, fill, seed @ ..], text)) = data.split_first_chunk::<4>() else { return };
    let mut lines = text.splitn(3, |&byte| byte == b'\n');
    let (Some(login), Some(password), Some(bytes)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let options = Options { starttls: chosen & 1 != 0, xclient: chosen & 2 != 0 };
    let turns = turns(bytes, *fill);

    let steps = log_in(&turns, options, |_| vec![]);
    assert_eq!(log_in(&turns, options, |length| cuts(*seed, length)), steps);
    assert_eq!(log_in(&turns, options, turn_bytes), steps);

    assert_eq!(steps, expected(&turns, options));
    for step in &steps {
        check_texts(step);
    }

    if let (Ok(login), Ok(secret)) = (credentials::login(login), credentials::password(password)) {
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
    let commands = [
        options.starttls.then_some(Command::Stls),
        (options.xclient && offered).then_some(Command::Xclient),
        Some(Command::User),
        Some(Command::Pass),
    ];
    let sent: Vec<_> = [None].into_iter().chain(commands.into_iter().flatten().map(Some)).collect();
    let mut steps = vec![];

    for (command, turn) in sent.iter().zip(turns) {
        steps.extend(command.map(Noted::Send));
        match read(turn) {
            None => return steps,
            Some(Ok((true, _))) if *command == Some(Command::Stls) => steps.push(Noted::StartTls),
            Some(Ok((true, _))) => {}
            Some(Ok((false, text))) => {
                steps.push(refused(*command, text));
                return steps;
            }
            Some(Err(why)) => {
                steps.push(Noted::Broken(why, vec![]));
                return steps;
            }
        }
    }

    match (sent.get(turns.len()), turns.get(sent.len() - 1)) {
        (Some(command), _) => steps.extend(command.map(Noted::Send)),
        (None, last) => steps.extend(last.cloned().map(Noted::LoggedIn)),
    }
    steps
}

fn refused(command: Option<Command>, text: &[u8]) -> Noted {
    let why = match command {
        None => Broken::GreetingRefused,
        Some(Command::Stls) => Broken::StlsRefused,
        Some(Command::Xclient) => Broken::XclientRefused,
        Some(Command::User | Command::Pass) => {
            let (code, text) = ResponseCode::split(text);
            return Noted::Refused(code, fit(text));
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

/// A reply, read byte by byte: whether it is good and its text; what is wrong at the
/// first byte that cannot be; or nothing if it has not ended.
fn read(turn: &[u8]) -> Option<Result<(bool, &[u8]), Broken>> {
    for (at, &byte) in turn.iter().enumerate() {
        let head = &turn[..=at];
        let begun = ["+OK", "-ERR"].iter().any(|word| {
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
        if at + 1 == MAX_LINE && byte != b'\n' {
            return Some(Err(Broken::LineTooLong));
        }
        if byte == b'\n' {
            let line = &turn[..at - 1];
            let (word, text) = line.split_at(if line[0] == b'+' { 3 } else { 4 });
            return Some(if at + 1 < turn.len() {
                Err(Broken::AheadOfTurn)
            } else {
                Ok((word == b"+OK", text.get(1..).unwrap_or_default()))
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
            for text in [&text[..], b""] {
                let mut reply = vec![];
                code.write(text, |piece| reply.extend_from_slice(piece));
                assert!(reply.starts_with(b"-ERR [") && is_line(&reply));

                let written = ResponseCode::split(&reply[5..reply.len() - 2]);
                assert!(written.0 == *code && (text.is_empty() || written.1 == text));
            }
        }
        Noted::Send(_) | Noted::StartTls => {}
    }
}

/// A command is one line, and the password is in PASS alone.
fn check_command(step: &Noted, facts: &Facts<'_>) {
    let Noted::Send(command) = step else { return };
    let mut line = vec![];
    command.write(facts, |piece| line.extend_from_slice(piece));

    let Some(text) = line.strip_suffix(b"\r\n") else { panic!("{command:?}") };
    assert!(!text.iter().any(|byte| b"\r\n\0".contains(byte)));
    match command {
        Command::Stls => assert_eq!(text, b"STLS"),
        Command::User => assert_eq!(text.strip_prefix(b"USER "), Some(facts.login)),
        Command::Pass => assert_eq!(text.strip_prefix(b"PASS "), Some(facts.secret.expose())),
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
