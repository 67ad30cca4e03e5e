//! Replies of auth servers.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use core::num::NonZeroU32;

use auth_http::reply::{MAX_HEAD, parse};
use auth_http::{Answer, Body, Parsed, Password, Refusal, Reply, Route, Unfit};

const OK: &str = "Auth-Status: OK\r\nAuth-Server: 192.0.2.1\r\nAuth-Port: 110\r\n";

/// The reply with these headers; the status line is nothing to it.
fn reply(head: &str) -> Result<Reply<'_>, Unfit> {
    match parse(head.as_bytes())? {
        Parsed::Complete(reply) => Ok(reply),
        Parsed::Incomplete => panic!("incomplete: {head:?}"),
    }
}

fn check_answer(headers: &str, expected: Result<&Answer<'_>, Unfit>) {
    let head = format!("HTTP/1.0 200 OK\r\n{headers}\r\n");
    let reply = reply(&head);
    assert_eq!(reply.as_ref().map(|reply| &reply.answer).map_err(|unfit| *unfit), expected);
}

fn route(headers: &str, login: Option<&str>, password: Option<&str>) {
    let head = format!("HTTP/1.0 200 OK\r\n{OK}{headers}\r\n");
    let Answer::Route(route) = reply(&head).unwrap().answer else { panic!("no route") };
    assert_eq!((route.server, route.port), (&b"192.0.2.1"[..], 110));
    assert_eq!(route.login, login.map(str::as_bytes));
    assert_eq!(route.password.map(Password::expose), password.map(str::as_bytes));
}

fn refused(headers: &str, text: &str, wait: u32) {
    let refusal = Refusal { text: text.as_bytes(), wait: NonZeroU32::new(wait), challenge: None };
    check_answer(headers, Ok(&Answer::Refused(refusal)));
}

fn waits(headers: &str, seconds: u32) {
    check_answer(headers, Ok(&Answer::Wait(NonZeroU32::new(seconds))));
}

fn unfit(headers: &str, unfit: Unfit) {
    check_answer(headers, Err(unfit));
}

#[test]
fn a_login_is_let_in() {
    route("", None, None);
    route("Auth-User: alice\r\nAuth-Pass: secret\r\n", Some("alice"), Some("secret"));
    // As nginx: what is there, holds.
    route("Auth-Pass:\r\n", None, Some(""));
    // Not letters alone, and spaces inside.
    route(
        "Auth-User: b\u{fc}b @x\r\nAuth-Pass: a \t\u{1}b\r\n",
        Some("b\u{fc}b @x"),
        Some("a \t\u{1}b"),
    );
    // No business of a login that succeeds.
    route("Auth-Wait: x\r\nAuth-Error-SASL: x\r\nAuth-Error-Code: x\r\n", None, None);
}

#[test]
fn without_a_status_the_server_lets_in() {
    let headers = "Auth-Port: 995\r\nAuth-Server: mail.example.org\r\n";
    let route = Route { server: b"mail.example.org", port: 995, login: None, password: None };
    check_answer(headers, Ok(&Answer::Route(route)));
}

#[test]
fn a_name_is_in_any_case_and_a_value_without_spaces_around_it() {
    let headers = "auth-status:OK\r\nAUTH-SERVER:\t 192.0.2.1 \t\r\naUTH-pORT:  0110\r\n";
    let route = Route { server: b"192.0.2.1", port: 110, login: None, password: None };
    check_answer(headers, Ok(&Answer::Route(route)));
}

#[test]
fn a_line_ends_with_crlf_or_lf() {
    let with_lf = format!("HTTP/1.0 200 OK\r\n{OK}\r\n").replace("\r\n", "\n");
    let with_crlf = format!("HTTP/1.0 200 OK\r\n{OK}\r\n");
    assert_eq!(reply(&with_lf).unwrap().answer, reply(&with_crlf).unwrap().answer);
    assert_eq!(reply(&with_lf).unwrap().length, with_lf.len());
}

#[test]
fn the_status_line_is_ignored() {
    for status in [
        "1.0 200 OK",
        "1.1 500 Internal Server Error",
        "1.1 403",
        "1.1 404 ",
        "2 200",
        "1.0 OK",
        "",
        "1.1 1xx",
        "\u{1}\t",
        "9.9 100 Continue",
    ] {
        let head = format!("HTTP/{status}\r\n{OK}\r\n");
        assert!(matches!(reply(&head).unwrap().answer, Answer::Route(_)), "{status:?}");
    }
}

#[test]
fn what_is_no_http() {
    for head in [
        "ICY 200 OK\r\n",
        "http/1.0 200 OK\r\n",
        "\r\nHTTP/1.0 200 OK\r\n",
        "Auth-Status: OK\r\n",
        "H\r\n",
        "HTTP\r\n",
    ] {
        assert_eq!(parse(head.as_bytes()), Err(Unfit::NotHttp), "{head:?}");
    }
}

#[test]
fn a_refusal() {
    refused("Auth-Status: Invalid login or password\r\n", "Invalid login or password", 0);
    refused("Auth-Status: [IN-USE] later\r\nAuth-Wait: 3\r\n", "[IN-USE] later", 3);
    // What has no other word is a refusal.
    for text in ["", "ok", "Ok", "OK OK", "wait", "WAIT 1", "O", "\u{fc}"] {
        refused(&format!("{OK}Auth-Status: {text}\r\n"), text, 0);
    }
    // The login is of no matter then.
    refused("Auth-Status: no\r\nAuth-User:\r\nAuth-Port: x\r\nAuth-Server: \u{1}\r\n", "no", 0);
}

#[test]
fn a_challenge_comes_with_a_refusal() {
    for challenge in ["eyJzdGF0dXMiOiI0MDEifQ==", "", "no\tbase64"] {
        let headers = format!("Auth-Status: no\r\nAuth-Error-SASL: {challenge}\r\n");
        let refusal = Refusal { text: b"no", wait: None, challenge: Some(challenge.as_bytes()) };
        check_answer(&headers, Ok(&Answer::Refused(refusal)));
    }
}

#[test]
fn to_be_asked_again() {
    waits("Auth-Status: WAIT\r\n", 0);
    waits("Auth-Status: WAIT\r\nAuth-Wait: 5\r\n", 5);
    waits(&format!("Auth-Status: WAIT\r\nAuth-Wait: 5\r\n{OK}"), 5);
}

#[test]
fn seconds_are_a_number() {
    for (text, seconds) in [
        ("0", 0),
        ("00", 0),
        ("007", 7),
        ("4294967295", u32::MAX),
        ("4294967296", u32::MAX),
        ("18446744073709551615", u32::MAX),
        ("18446744073709551616", 0),
        ("99999999999999999999999", 0),
        ("", 0),
        ("-1", 0),
        ("+1", 0),
        ("1s", 0),
        ("1 0", 0),
        ("1.5", 0),
        ("x", 0),
        ("\u{661}", 0),
    ] {
        waits(&format!("Auth-Status: WAIT\r\nAuth-Wait: {text}\r\n"), seconds);
        refused(&format!("Auth-Status: no\r\nAuth-Wait: {text}\r\n"), "no", seconds);
    }
}

#[test]
fn of_two_the_last_one_holds() {
    route("Auth-User: a\r\nAuth-User: b\r\nAuth-Pass: c\r\nAuth-Pass: d\r\n", Some("b"), Some("d"));
    let headers = format!("Auth-Server: x\r\nAuth-Port: x\r\n{OK}");
    let route = Route { server: b"192.0.2.1", port: 110, login: None, password: None };
    check_answer(&headers, Ok(&Answer::Route(route)));
    unfit(&format!("{OK}Auth-Server:\r\n"), Unfit::NoServer);
    unfit(&format!("{OK}Auth-Port:\r\n"), Unfit::NoServer);
    refused("Auth-Status: a\r\nAuth-Status: b\r\n", "b", 0);
    waits("Auth-Status: WAIT\r\nAuth-Wait: 1\r\nAuth-Wait: 2\r\n", 2);
    waits("Auth-Status: WAIT\r\nAuth-Wait: 1\r\nAuth-Wait: 0\r\n", 0);
    // One that is no number is none at all.
    waits("Auth-Status: WAIT\r\nAuth-Wait: 1\r\nAuth-Wait: x\r\n", 1);
}

#[test]
fn a_status_that_refuses_holds_against_any_other() {
    for (one, other) in [("no", "OK"), ("no", "WAIT"), ("", "OK")] {
        refused(&format!("{OK}Auth-Status: {one}\r\nAuth-Status: {other}\r\n"), one, 0);
        refused(&format!("{OK}Auth-Status: {other}\r\nAuth-Status: {one}\r\n"), one, 0);
    }
    waits("Auth-Status: WAIT\r\nAuth-Status: OK\r\n", 0);
    waits("Auth-Status: OK\r\nAuth-Status: WAIT\r\n", 0);
}

#[test]
fn where_to_is_missing() {
    for headers in [
        "",
        "Auth-Status: OK\r\n",
        "Auth-Server: 192.0.2.1\r\n",
        "Auth-Port: 110\r\n",
        "Auth-Server:\r\nAuth-Port: 110\r\n",
        "Auth-Server: 192.0.2.1\r\nAuth-Port: \r\n",
        "XAuth-Server: 192.0.2.1\r\nAuth-Port2: 110\r\n",
    ] {
        unfit(headers, Unfit::NoServer);
    }
}

#[test]
fn a_server_is_printable_ascii() {
    for byte in 0x01..=u8::MAX {
        let mut head = b"HTTP/1.0 200 OK\r\nAuth-Port: 110\r\nAuth-Server: a".to_vec();
        head.extend([byte, b'b']);
        head.extend(b"\r\n\r\n");
        let expected = match byte {
            b'!'..=b'~' => Ok(()),
            b'\r' => Err(Unfit::NulOrCr),
            b'\n' => Err(Unfit::Header),
            _ => Err(Unfit::Server),
        };
        assert_eq!(parse(&head).map(|_| ()), expected, "{byte:#x}");
    }

    let name = "a".repeat(255);
    let headers = format!("Auth-Server: {name}\r\nAuth-Port: 1\r\n");
    let route = Route { server: name.as_bytes(), port: 1, login: None, password: None };
    check_answer(&headers, Ok(&Answer::Route(route)));
    unfit(&format!("Auth-Server: a{name}\r\nAuth-Port: 1\r\n"), Unfit::Server);
}

#[test]
fn a_port_is_a_number_below_65536() {
    for (text, port) in [("1", 1), ("00110", 110), ("65535", 65535)] {
        let headers = format!("Auth-Server: a\r\nAuth-Port: {text}\r\n");
        let route = Route { server: b"a", port, login: None, password: None };
        check_answer(&headers, Ok(&Answer::Route(route)));
    }
    for text in ["0", "65536", "-1", "110x", "pop3", "1 1", "18446744073709551726", "\u{661}"] {
        unfit(&format!("Auth-Server: a\r\nAuth-Port: {text}\r\n"), Unfit::Port);
    }
}

#[test]
fn a_control_character_reaches_no_one() {
    for byte in 0..=u8::MAX {
        let found = |name: &str| {
            let mut head = format!("HTTP/1.0 200 OK\r\n{OK}{name}: a").into_bytes();
            head.extend([byte, b'b']);
            head.extend(b"\r\n\r\n");
            parse(&head).map(|_| ())
        };
        let unless_line = |expected| match byte {
            b'\r' | 0 => Err(Unfit::NulOrCr),
            b'\n' => Err(Unfit::Header),
            _ => expected,
        };
        let control = |unfit| if byte.is_ascii_control() { Err(unfit) } else { Ok(()) };

        let status = if byte == b'\t' { Ok(()) } else { control(Unfit::Status) };
        assert_eq!(found("Auth-Status"), unless_line(status), "{byte:#x}");
        assert_eq!(found("Auth-User"), unless_line(control(Unfit::Login)), "{byte:#x}");
        assert_eq!(found("Auth-Pass"), unless_line(Ok(())), "{byte:#x}");
        assert_eq!(found("X"), unless_line(Ok(())), "{byte:#x}");
    }
}

#[test]
fn an_empty_login_is_none() {
    unfit(&format!("{OK}Auth-User: \r\n"), Unfit::Login);
}

#[test]
fn what_is_no_header() {
    for line in [
        "x",
        ":",
        ": x",
        " x: y",
        "\tx: y",
        "x : y",
        "x\t: y",
        "x y: z",
        "\u{fc}: y",
        "x(y): z",
        " folded",
        "\tfolded",
        " ",
        "HTTP/1.0 200 OK",
    ] {
        unfit(&format!("{OK}{line}\r\n"), Unfit::Header);
        unfit(&format!("{line}\r\n{OK}"), Unfit::Header);
    }
    for line in ["x:", "x::", "x_y: z", "0: ", "!#$%&'*+-.^_`|~: y"] {
        route(&format!("{line}\r\n"), None, None);
    }
    assert_eq!(parse(b"HTTP/1.0 200\0OK\r\n"), Err(Unfit::NulOrCr));
    assert_eq!(parse(b"HTTP/1.0 200\rOK\r\n"), Err(Unfit::NulOrCr));
    unfit(&format!("{OK}Auth-Pass: x\r\r\n"), Unfit::NulOrCr);
}

#[test]
fn a_head_has_a_bound() {
    let head = |length: usize| {
        let rest = format!("HTTP/1.0 200 OK\r\n{OK}x: \r\n\r\n").len();
        format!("HTTP/1.0 200 OK\r\n{OK}x: {}\r\n\r\n", "y".repeat(length - rest))
    };
    let longest = head(MAX_HEAD);
    assert_eq!(longest.len(), MAX_HEAD);
    assert_eq!(reply(&longest).unwrap().length, MAX_HEAD);
    assert_eq!(reply(&format!("{longest}body")).unwrap().length, MAX_HEAD);

    let too_long = head(MAX_HEAD + 1);
    assert_eq!(parse(&too_long.as_bytes()[..MAX_HEAD - 1]), Ok(Parsed::Incomplete));
    assert_eq!(parse(&too_long.as_bytes()[..MAX_HEAD]), Err(Unfit::HeadTooLong));
    assert_eq!(parse(too_long.as_bytes()), Err(Unfit::HeadTooLong));
    // Those that are read over count.
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{}", head(MAX_HEAD));
    assert_eq!(parse(interim.as_bytes()), Err(Unfit::HeadTooLong));
}

#[test]
fn interim_replies_are_read_over() {
    for interim in ["1.1 100 Continue", "1.1 102", "1.0 103 Early Hints", "1.1 199 x"] {
        let before = format!("HTTP/{interim}\r\nAuth-Status: no\r\nConnection: close\r\n\r\n");
        let head = format!("{before}{before}HTTP/1.1 204 No Content\r\n{OK}\r\n");
        let reply = reply(&head).unwrap();
        assert!(matches!(reply.answer, Answer::Route(_)), "{interim}");
        assert_eq!((reply.length, reply.body), (head.len(), Body::Ended));
        assert_eq!(parse(before.as_bytes()), Ok(Parsed::Incomplete));
        assert_eq!(parse(format!("{before}x").as_bytes()), Err(Unfit::NotHttp));
    }
    // No other head follows this one.
    let switching = format!("HTTP/1.1 101 Switching Protocols\r\n{OK}Content-Length: 0\r\n\r\n");
    let reply = reply(&switching).unwrap();
    assert_eq!((reply.length, reply.body), (switching.len(), Body::Unknown));
}

#[test]
fn no_password_in_debug_output() {
    let head = format!("HTTP/1.0 200 OK\r\n{OK}Auth-Pass: tanstaaf\r\n\r\n");
    let shown = format!("{:?}", parse(head.as_bytes()));
    assert!(shown.contains("Password(..)") && !shown.contains("tanstaaf"));
    assert!(!shown.contains(&format!("{:?}", b"tanstaaf")));
}

#[test]
fn each_fault_has_a_text_of_its_own() {
    let all = [
        Unfit::NotHttp,
        Unfit::HeadTooLong,
        Unfit::NulOrCr,
        Unfit::Header,
        Unfit::Status,
        Unfit::NoServer,
        Unfit::Server,
        Unfit::Port,
        Unfit::Login,
    ];
    let texts: std::collections::BTreeSet<_> = all.iter().map(|unfit| unfit.log_text()).collect();
    assert_eq!(texts.len(), all.len());
    let says_what_it_did = |text: &[u8]| text.starts_with(b"sent ") || text.starts_with(b"did ");
    assert!(texts.iter().all(|text| says_what_it_did(text.to_bytes())));
}
