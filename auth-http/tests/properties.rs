//! What holds for replies of any kind.

#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use auth_http::reply::parse;
use auth_http::{Answer, Body, Parsed};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 100 Continue",
    "HTTP/1.1 304",
    "HTTP/2 OK",
    "HTTP/",
    "Auth-Status: OK",
];

const HEADERS: &[&str] = &[
    "Auth-Status: OK",
    "Auth-Status: WAIT",
    "Auth-Status: no",
    "Auth-Status:",
    "Auth-Server: 192.0.2.1",
    "Auth-Server: mail",
    "Auth-Server:",
    "Auth-Port: 110",
    "Auth-Port: x",
    "Auth-User: bob",
    "Auth-User:",
    "Auth-Pass: secret",
    "Auth-Pass:",
    "Auth-Wait: 3",
    "Auth-Error-SASL: e30=",
    "Content-Length: 0",
    "Content-Length: 4",
    "Content-Length: x",
    "Connection: close",
    "Connection: keep-alive",
    "Transfer-Encoding: chunked",
    "X: y",
    " folded",
    "no colon",
    "",
];

fn line(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n")];
    (select(texts), end).prop_map(|(text, end)| format!("{text}{end}"))
}

fn head() -> impl Strategy<Value = String> {
    (line(STATUS_LINES), vec(line(HEADERS), 0..8))
        .prop_map(|(status, headers)| format!("{status}{}\r\n", headers.concat()))
}

/// Replies, and what becomes of them if a byte or two change.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    (vec(head(), 1..3), "[ -~]{0,8}", changes).prop_map(|(heads, body, changes)| {
        let mut bytes = (heads.concat() + &body).into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn is_complete(parsed: &Result<Parsed<'_>, auth_http::Unfit>) -> bool {
    matches!(parsed, Ok(Parsed::Complete(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_cut_gives_the_same(input in input()) {
        let whole = parse(&input);
        for end in 0..input.len() {
            let part = parse(&input[..end]);
            prop_assert!(part == Ok(Parsed::Incomplete) || part == whole, "{end}: {part:?}");
            if let Ok(Parsed::Complete(reply)) = &whole {
                prop_assert_eq!(is_complete(&part), end >= reply.length);
            }
        }
    }

    #[test]
    fn bytes_of_any_kind(bytes: Vec<u8>) {
        let input = [b"HTTP/1.1 200 OK\r\nAuth-Status: no\r\n", &bytes[..], b"\r\n\r\n"].concat();
        prop_assert_ne!(parse(&input), Ok(Parsed::Incomplete));
    }

    #[test]
    fn what_is_given_is_fit(input in input()) {
        let control = |text: &[u8]| text.iter().any(u8::is_ascii_control);
        if let Ok(Parsed::Complete(reply)) = parse(&input) {
            prop_assert!(input[..reply.length].ends_with(b"\n"));
            prop_assert_ne!(reply.body, Body::Length(0));
            match reply.answer {
                Answer::Wait(_) => {}
                Answer::Refused(refusal) => prop_assert!(!control(refusal.text)),
                Answer::Route(route) => {
                    let login = route.login.unwrap_or(b"x");
                    prop_assert!(!login.is_empty() && !control(login));
                    prop_assert!(route.port > 0 && !route.server.is_empty());
                    let password = route.password.map_or(&b""[..], |password| password.expose());
                    prop_assert!(!password.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                }
            }
        }
    }

    #[test]
    fn a_body_ends_in_any_pieces(pieces in vec(0_u64..9, 0..6), more in 0_u64..9) {
        let total: u64 = pieces.iter().sum();
        let taken = |body: Body| pieces.iter().fold(body, |body, &piece| body.take(piece));
        let length = |length| if length == 0 { Body::Ended } else { Body::Length(length) };

        prop_assert_eq!(taken(length(total + more)), length(more));
        if total > 0 {
            prop_assert_eq!(taken(length(total - 1)), Body::Unknown);
        }
    }
}
