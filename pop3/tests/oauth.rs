//! Exchanges of XOAUTH2 and OAUTHBEARER with known answers.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use pop3::reply::{EMPTY_CHALLENGE, OK};
use pop3::sasl::base64;
use pop3::{Method, Methods, Policy, Refusal, StartTls};
use support::{Noted, POLICY, play};

const LONG: Policy = Policy { max_line: 4096, ..POLICY };

/// A message of each mechanism: `bob` with the token `t`.
const MESSAGES: [(&str, &str, Method); 2] = [
    ("XOAUTH2", "dXNlcj1ib2IBYXV0aD1CZWFyZXIgdAEB", Method::Xoauth2),
    ("OAUTHBEARER", "bixhPWJvYiwBYXV0aD1CZWFyZXIgdAEB", Method::Oauthbearer),
];

fn authenticate(method: Method, login: &str, token: &str) -> Noted {
    Noted::Authenticate(method, Some(login.into()), token.into())
}

/// What comes of a login that is refused, and what follows.
fn refused(answer: &str, policy: &Policy) -> Vec<Vec<Noted>> {
    let login = |(name, message, method)| {
        let bytes = format!("AUTH {name} {message}\r\n{answer}\r\nNOOP\r\n");
        let noted = play(bytes.as_bytes(), &[], policy, false);
        let every: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(play(bytes.as_bytes(), &every, policy, false), noted);
        let (first, rest) = noted.split_first().unwrap();
        assert_eq!(*first, authenticate(method, "bob", "t"));
        rest.to_vec()
    };
    MESSAGES.map(login).to_vec()
}

#[test]
fn rfc_7628_with_and_without_initial_response() {
    let message = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9\
                   QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB";
    let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
    let login = authenticate(Method::Oauthbearer, "user@example.com", token);

    let line = format!("AUTH OAUTHBEARER {message}\r\n");
    assert_eq!(play(line.as_bytes(), &[], &LONG, false), std::slice::from_ref(&login));
    let lines = format!("auth oauthbearer\r\n{message}\r\n");
    let noted = play(lines.as_bytes(), &[], &LONG, false);
    assert_eq!(noted, [Noted::Reply(EMPTY_CHALLENGE), login]);
}

#[test]
fn googles_example_with_and_without_initial_response() {
    let message = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNS\
                   bGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
    let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
    let login = authenticate(Method::Xoauth2, "someuser@example.com", token);

    let line = format!("AUTH XOAUTH2 {message}\r\n");
    assert_eq!(play(line.as_bytes(), &[], &LONG, false), std::slice::from_ref(&login));
    let lines = format!("auth xoauth2\r\n{message}\r\n");
    let noted = play(lines.as_bytes(), &[], &LONG, false);
    assert_eq!(noted, [Noted::Reply(EMPTY_CHALLENGE), login]);
}

#[test]
fn a_token_is_as_long_as_a_line_lets_it() {
    let line = |initial: &str, length| {
        let token = "t".repeat(length);
        let mut line = format!("AUTH XOAUTH2{initial}").into_bytes();
        let message = format!("user=bob\x01auth=Bearer {token}\x01\x01");
        base64::encode(message.as_bytes(), |piece| line.extend_from_slice(piece));
        line.extend_from_slice(b"\r\n");
        (line, token)
    };
    for (initial, length) in [(" ", 3036), ("\r\n", 3046)] {
        let (bytes, token) = line(initial, length);
        let last = play(&bytes, &[], &LONG, false).pop();
        assert_eq!(last, Some(authenticate(Method::Xoauth2, "bob", &token)));

        let (bytes, _) = line(initial, length + 3);
        let last = play(&bytes, &[], &LONG, false).pop();
        assert_eq!(last, Some(Noted::Refuse(Refusal::LineTooLong)));
    }
}

#[test]
fn a_refusal_follows_the_answer_to_its_challenge_whatever_that_is() {
    let long = "a".repeat(200);
    for answer in ["AQ==", "", "*", "=", "QUIT", "USER a", "no base64", &long] {
        for noted in refused(answer, &POLICY) {
            assert_eq!(noted, [Noted::Refusal(false), Noted::Reply(OK)], "{answer}");
        }
    }
}

#[test]
fn a_refusal_with_a_challenge_counts_as_one_error() {
    for (max_errors, closes) in [(1, true), (2, false)] {
        for answer in ["AQ==", "*", &"a".repeat(200)] {
            for noted in refused(answer, &Policy { max_errors, ..POLICY }) {
                assert_eq!(noted[0], Noted::Refusal(closes), "{answer} {max_errors}");
            }
        }
    }

    let policy = Policy { max_errors: 3, ..POLICY };
    let (name, message, _) = MESSAGES[0];
    let login = format!("AUTH {name} {message}\r\n\r\n");
    let noted = play(format!("{login}bad\r\n{login}").as_bytes(), &[], &policy, false);
    assert_eq!(noted[1], Noted::Refusal(false));
    assert_eq!(noted[2], Noted::Refuse(Refusal::UnknownCommand));
    assert_eq!(noted[4], Noted::Refusal(true));
}

#[test]
fn the_answer_is_no_command() {
    let policy = Policy { max_commands: 2, ..POLICY };
    for noted in refused("*", &policy) {
        assert_eq!(noted, [Noted::Refusal(false), Noted::Reply(OK)]);
    }
}

#[test]
fn there_is_no_challenge_for_a_wrong_message() {
    for (name, ..) in MESSAGES {
        for (message, reason) in [
            ("=", Refusal::InvalidMessage),
            ("AQ==", Refusal::InvalidMessage),
            ("x", Refusal::InvalidBase64),
            ("bixhPWJvYiw", Refusal::InvalidMessage),
        ] {
            let bytes = format!("AUTH {name} {message}\r\nAUTH {name}\r\n{message}\r\nNOOP\r\n");
            assert_eq!(
                play(bytes.as_bytes(), &[], &POLICY, false),
                [
                    Noted::Refuse(reason),
                    Noted::Reply(EMPTY_CHALLENGE),
                    Noted::Refuse(reason),
                    Noted::Reply(OK),
                ]
            );
        }
    }
}

#[test]
fn a_client_may_cancel_instead_of_its_message() {
    let policy = Policy { max_errors: 1, ..POLICY };
    for (name, ..) in MESSAGES {
        let bytes = format!("AUTH {name}\r\n*\r\nNOOP\r\n");
        assert_eq!(
            play(bytes.as_bytes(), &[], &policy, false)[1..],
            [Noted::Refuse(Refusal::Cancelled), Noted::Reply(OK)]
        );
    }
}

#[test]
fn each_is_switched_on_by_itself_and_waits_for_tls() {
    let none = Methods::default();
    let each = [Methods { xoauth2: true, ..none }, Methods { oauthbearer: true, ..none }];
    for (name, message, method) in MESSAGES {
        let line = format!("AUTH {name} {message}\r\n");
        for methods in each {
            let on = methods.xoauth2 == (method == Method::Xoauth2);
            let noted = play(line.as_bytes(), &[], &Policy { methods, ..POLICY }, false);
            let off = Noted::Refuse(Refusal::UnsupportedMethod);
            assert_eq!(noted, [if on { authenticate(method, "bob", "t") } else { off }]);
        }
        let policy = Policy { starttls: StartTls::Only, ..POLICY };
        let noted = play(line.as_bytes(), &[], &policy, false);
        assert_eq!(noted, [Noted::Refuse(Refusal::TlsRequired)]);
        assert_eq!(play(line.as_bytes(), &[], &policy, true), [authenticate(method, "bob", "t")]);
    }
}
