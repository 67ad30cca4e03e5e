//! Dialogues with known answers.

mod support;

use pop3::reply::{EMPTY_CHALLENGE, OK, PASSWORD_PROMPT, USERNAME_PROMPT};
use pop3::{Method, Methods, Policy, Refusal, Session, StartTls};
use support::{Noted, Notes, POLICY, play};

fn play_whole(bytes: &[u8]) -> Vec<Noted> {
    play(bytes, &[], &POLICY, false)
}

fn authenticate(method: Method, login: Option<&str>, secret: &str) -> Noted {
    Noted::Authenticate(method, login.map(|login| login.into()), secret.into())
}

fn keep(login: &str, reply: &'static [u8]) -> Noted {
    Noted::KeepLogin(login.into(), reply)
}

#[test]
fn rfc_1939_user_and_pass() {
    assert_eq!(
        play_whole(b"USER mrose\r\nPASS secret\r\n"),
        [keep("mrose", OK), authenticate(Method::User, None, "secret")]
    );
}

#[test]
fn rfc_1939_apop() {
    let policy = Policy { max_line: 255, ..POLICY };
    assert_eq!(
        play(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n", &[], &policy, false),
        [authenticate(Method::Apop, Some("mrose"), "c4c9334bac560ecc979e58001b3e22fb")]
    );
}

#[test]
fn rfc_5034_plain_with_and_without_initial_response() {
    let login = || authenticate(Method::Plain, Some("test"), "test");
    assert_eq!(play_whole(b"AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\n"), [login()]);
    assert_eq!(
        play_whole(b"auth plain\r\ndGVzdAB0ZXN0AHRlc3Q=\r\n"),
        [Noted::Reply(EMPTY_CHALLENGE), login()]
    );
}

#[test]
fn rfc_5034_cancelling() {
    for exchange in ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5", "AUTH EXTERNAL"] {
        let noted = play_whole(format!("{exchange}\r\n*\r\nNOOP\r\n").as_bytes());
        assert_eq!(noted[1..], [Noted::Refuse(Refusal::Cancelled), Noted::Reply(OK)]);
    }
    assert_eq!(
        play_whole(b"AUTH LOGIN Ym9i\r\n*\r\n"),
        [keep("bob", PASSWORD_PROMPT), Noted::Refuse(Refusal::Cancelled)]
    );
}

#[test]
fn login_in_two_messages() {
    assert_eq!(
        play_whole(b"AUTH LOGIN\r\nYm9i\r\nc2VjcmV0\r\n"),
        [
            Noted::Reply(USERNAME_PROMPT),
            keep("bob", PASSWORD_PROMPT),
            authenticate(Method::Login, None, "secret"),
        ]
    );
}

#[test]
fn rfc_2195_cram_md5() {
    let response = b"AUTH CRAM-MD5\r\ndGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n";
    assert_eq!(
        play_whole(response),
        [
            Noted::Challenge,
            authenticate(Method::CramMd5, Some("tim"), "b913a602c7eda7a495b4e6e7334d3890"),
        ]
    );
    assert_eq!(play_whole(b"AUTH CRAM-MD5 dGlt\r\n"), [Noted::Refuse(Refusal::InvalidArguments)]);
}

#[test]
fn rfc_4422_external() {
    assert_eq!(
        play_whole(b"AUTH EXTERNAL =\r\nAUTH EXTERNAL Ym9i\r\nAUTH EXTERNAL\r\n\r\n"),
        [
            authenticate(Method::External, Some(""), ""),
            authenticate(Method::External, Some("bob"), ""),
            Noted::Reply(USERNAME_PROMPT),
            authenticate(Method::External, Some(""), ""),
        ]
    );
}

#[test]
fn an_empty_initial_response_is_no_login() {
    assert_eq!(
        play_whole(b"AUTH PLAIN =\r\nAUTH LOGIN =\r\n"),
        [Noted::Refuse(Refusal::InvalidMessage), Noted::Refuse(Refusal::InvalidLogin)]
    );
}

#[test]
fn quirk_an_equals_sign_as_an_empty_answer() {
    for (exchange, outcome) in [
        ("AUTH EXTERNAL\r\n=", authenticate(Method::External, Some(""), "")),
        ("AUTH PLAIN\r\n=", Noted::Refuse(Refusal::InvalidMessage)),
        ("AUTH LOGIN\r\n=", Noted::Refuse(Refusal::InvalidLogin)),
        ("AUTH LOGIN Ym9i\r\n=", Noted::Refuse(Refusal::InvalidPassword)),
        ("AUTH CRAM-MD5\r\n=", Noted::Refuse(Refusal::InvalidMessage)),
        ("AUTH EXTERNAL\r\n==", Noted::Refuse(Refusal::InvalidBase64)),
    ] {
        let noted = play_whole(format!("{exchange}\r\n").as_bytes());
        assert_eq!(noted.last(), Some(&outcome), "{exchange}");
    }
}

#[test]
fn methods_that_are_off() {
    let policy = Policy { methods: Methods::default(), ..POLICY };
    let off = Noted::Refuse(Refusal::UnsupportedMethod);
    assert_eq!(
        play(
            b"APOP a c4c9334bac560ecc979e58001b3e22fb\r\nAUTH CRAM-MD5\r\nAUTH EXTERNAL =\r\n\
              AUTH EXTERNAL\r\nAUTH GSSAPI\r\nAUTH PLAIN\r\n",
            &[],
            &policy,
            false
        ),
        [off.clone(), off.clone(), off.clone(), off.clone(), off, Noted::Reply(EMPTY_CHALLENGE)]
    );
}

#[test]
fn user_takes_the_rest_of_the_line_and_pass_all_of_it() {
    assert_eq!(
        play_whole(b"USER   a b \r\nPASS  c d \r\n"),
        [keep("a b ", OK), authenticate(Method::User, None, " c d ")]
    );
}

#[test]
fn commands_between_user_and_pass() {
    assert_eq!(
        play_whole(b"USER a\r\nNOOP\r\nCAPA\r\nAUTH\r\nPASS b\r\nPASS c\r\n"),
        [
            keep("a", OK),
            Noted::Reply(OK),
            Noted::Capabilities,
            Noted::Mechanisms,
            authenticate(Method::User, None, "b"),
            Noted::Refuse(Refusal::InvalidState),
        ]
    );
}

#[test]
fn a_login_takes_the_place_of_one_that_was_begun() {
    assert_eq!(
        play_whole(b"USER a\r\nUSER b\r\nPASS c\r\n"),
        [keep("a", OK), keep("b", OK), authenticate(Method::User, None, "c")]
    );
    assert_eq!(
        play_whole(b"USER a\r\nAUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\nPASS c\r\n")[1..],
        [authenticate(Method::Plain, Some("test"), "test"), Noted::Refuse(Refusal::InvalidState)]
    );
    assert_eq!(
        play_whole(b"USER a\r\nAUTH LOGIN Ym9i\r\nc2VjcmV0\r\nPASS c\r\n")[1..],
        [
            keep("bob", PASSWORD_PROMPT),
            authenticate(Method::Login, None, "secret"),
            Noted::Refuse(Refusal::InvalidState),
        ]
    );
    let policy = Policy { max_line: 255, ..POLICY };
    let apop = b"USER a\r\nAPOP mrose c4c9334bac560ecc979e58001b3e22fb\r\nPASS c\r\n";
    assert_eq!(
        play(apop, &[], &policy, false)[1..],
        [
            authenticate(Method::Apop, Some("mrose"), "c4c9334bac560ecc979e58001b3e22fb"),
            Noted::Refuse(Refusal::InvalidState),
        ]
    );
}

#[test]
fn an_http_request_ends_the_session_if_it_comes_first() {
    let request = b"POST / HTTP/1.1\r\nUSER a\r\n";
    assert_eq!(play_whole(request)[0], Noted::Close(Refusal::HttpRequest));

    for before in ["NOOP", "bad", "AUTH PLAIN\r\n*"] {
        let noted = play_whole(format!("{before}\r\nGET / HTTP/1.1\r\n").as_bytes());
        assert_eq!(noted.last(), Some(&Noted::Refuse(Refusal::UnknownCommand)), "{before}");
    }
    assert_eq!(play_whole(b"USER a HTTP/1.1\r\n"), [keep("a HTTP/1.1", OK)]);
}

#[test]
fn an_http_request_may_be_longer_than_a_line() {
    for target in [45, 46, 50, 55, 64, 200] {
        let request = format!("POST /{} HTTP/1.1\r\nUSER a\r\n", "a".repeat(target));
        let every: Vec<usize> = (0..request.len()).collect();
        for cuts in [&[][..], &[10], &[60], &[70], &[90], &every] {
            let cuts: Vec<_> = cuts.iter().copied().filter(|&cut| cut < request.len()).collect();
            let noted = play(request.as_bytes(), &cuts, &POLICY, false);
            assert_eq!(noted[0], Noted::Close(Refusal::HttpRequest), "{target} {cuts:?}");
        }
    }
    let long = "x".repeat(100);
    for line in [format!("USER {long}"), format!("a b c {long}"), long.clone()] {
        assert_eq!(
            play_whole(format!("{line}\r\n").as_bytes()),
            [Noted::Refuse(Refusal::LineTooLong)],
            "{line}"
        );
    }
    assert_eq!(
        play_whole(format!("NOOP\r\nGET /{long} HTTP/1.1\r\n").as_bytes())[1],
        Noted::Refuse(Refusal::LineTooLong)
    );
}

#[test]
fn a_command_may_come_in_pieces() {
    let noop = Noted::Reply(OK);
    assert_eq!(play(b"NOOP\r\nNOOP\r\n", &[2, 7], &POLICY, false), [noop.clone(), noop]);
}

#[test]
fn the_rest_of_a_long_line_is_no_command() {
    let head = [b'x'; POLICY.max_line];
    let bytes = [&head[..], b"NOOP\r\nCAPA\r\n"].concat();
    assert_eq!(
        play(&bytes, &[head.len()], &POLICY, false),
        [Noted::Refuse(Refusal::LineTooLong), Noted::Capabilities]
    );
}

#[test]
fn starttls_only_has_no_login_before_tls() {
    let policy = Policy { starttls: StartTls::Only, ..POLICY };
    for (login, after_tls) in [
        ("USER a", keep("a", OK)),
        (
            "APOP a c4c9334bac560ecc979e58001b3e22fb",
            authenticate(Method::Apop, Some("a"), "c4c9334bac560ecc979e58001b3e22fb"),
        ),
        ("AUTH", Noted::Mechanisms),
        ("AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=", authenticate(Method::Plain, Some("test"), "test")),
    ] {
        let line = format!("{login}\r\n");
        let refused = Noted::Refuse(Refusal::TlsRequired);
        assert_eq!(play(line.as_bytes(), &[], &policy, false), [refused], "{login}");
        assert_eq!(play(line.as_bytes(), &[], &policy, true), [after_tls], "{login}");
    }
}

#[test]
fn rfc_2595_stls_forgets_the_user() {
    assert_eq!(
        play_whole(b"USER a\r\nSTLS\r\nPASS b\r\n"),
        [keep("a", OK), Noted::StartTls, Noted::Refuse(Refusal::InvalidState)]
    );
    assert_eq!(play(b"STLS\r\n", &[], &POLICY, true), [Noted::Refuse(Refusal::TlsUnavailable)]);
    let off = Policy { starttls: StartTls::Off, ..POLICY };
    assert_eq!(play(b"STLS\r\n", &[], &off, false), [Noted::Refuse(Refusal::TlsUnavailable)]);
}

#[test]
fn commands_that_tolerate_an_argument() {
    assert_eq!(
        play_whole(b"CAPA x\r\nNOOP x y z\r\nSTLS now\r\nQUIT bye\r\n"),
        [Noted::Capabilities, Noted::Reply(OK), Noted::StartTls, Noted::Quit,]
    );
}

#[test]
fn commands_are_limited() {
    let policy = Policy { max_commands: 2, ..POLICY };
    assert_eq!(
        play(b"NOOP\r\nAUTH PLAIN\r\n*\r\nNOOP\r\n", &[], &policy, false),
        [
            Noted::Reply(OK),
            Noted::Reply(EMPTY_CHALLENGE),
            Noted::Refuse(Refusal::Cancelled),
            Noted::Close(Refusal::TooManyCommands),
        ]
    );
}

#[test]
fn a_cancelled_exchange_is_no_error() {
    let policy = Policy { max_errors: 1, ..POLICY };
    assert_eq!(
        play(b"AUTH PLAIN\r\n*\r\nbad\r\n", &[], &policy, false)[1..],
        [Noted::Refuse(Refusal::Cancelled), Noted::Close(Refusal::UnknownCommand)]
    );
}

#[test]
fn a_login_that_has_failed_counts_as_an_error() {
    let failed =
        |session: &mut Session, max_errors| session.count_error(&Policy { max_errors, ..POLICY });
    let mut session = Session::default();
    assert!(!failed(&mut session, 3));
    assert!(!failed(&mut session, 3));
    assert!(failed(&mut session, 3));
    for max_errors in [0, 1] {
        assert!(failed(&mut Session::default(), max_errors));
    }

    let policy = Policy { max_errors: 3, ..POLICY };
    let mut server = Notes { noted: vec![], policy: &policy, tls: false };
    let mut session = Session::default();
    assert!(session.next(&mut b"bad\r\n".to_vec(), &mut server).is_continue());
    assert!(!failed(&mut session, 3));
    assert!(session.next(&mut b"bad\r\n".to_vec(), &mut server).is_continue());
    assert_eq!(
        server.noted,
        [Noted::Refuse(Refusal::UnknownCommand), Noted::Close(Refusal::UnknownCommand)]
    );
}

#[test]
fn quirk_spaces_at_the_end_of_a_message() {
    assert_eq!(
        play_whole(b"AUTH PLAIN\r\n*  \r\nAUTH LOGIN \r\nYm9i  \r\n")[1..],
        [
            Noted::Refuse(Refusal::Cancelled),
            Noted::Reply(USERNAME_PROMPT),
            keep("bob", PASSWORD_PROMPT),
        ]
    );
}
