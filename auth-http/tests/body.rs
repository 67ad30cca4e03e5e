//! Whether a connection may be used again.

use auth_http::reply::parse;
use auth_http::{Body, Parsed};

fn body_of(head: &str) -> Option<Body> {
    match parse(head.as_bytes()) {
        Ok(Parsed::Complete(reply)) => Some(reply.body),
        _ => None,
    }
}

/// The body behind a status line and headers.
fn check(status: &str, headers: &[&str], body: Body) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("HTTP/{status}\r\nAuth-Status: no\r\n{headers}\r\n");
    assert_eq!(body_of(&head), Some(body), "{head:?}");
}

#[test]
fn without_a_body() {
    for status in ["1.1 204 No Content", "1.1 204", "1.1 204 ", "1.1 304 Not Modified"] {
        check(status, &[], Body::Ended);
        check(status, &["Content-Length: 0"], Body::Ended);
        // It has none, but the server may send it.
        check(status, &["Content-Length: 1"], Body::Unknown);
        check(status, &["Content-Length: x"], Body::Unknown);
        check(status, &["Transfer-Encoding: chunked"], Body::Unknown);
    }
    check("1.1 200 OK", &["Content-Length: 0"], Body::Ended);
}

#[test]
fn with_a_length() {
    for status in ["1.1 200 OK", "1.1 403", "1.1 205 Reset Content", "1.1 500 x", "1.1 999 x"] {
        check(status, &["Content-Length: 1"], Body::Length(1));
        check(status, &["content-length:\t0012 "], Body::Length(12));
        check(status, &["Content-Length: 18446744073709551615"], Body::Length(u64::MAX));
    }
}

#[test]
fn with_a_length_that_is_none() {
    for text in
        ["", "x", "-1", "+1", "0x10", "1 1", "1,1", "1, 1", "0,0", "1.0", "18446744073709551616"]
    {
        check("1.1 200 OK", &[&format!("Content-Length: {text}")], Body::Unknown);
    }
    check("1.1 200 OK", &["Content-Length: 1", "Content-Length: 1"], Body::Unknown);
    check("1.1 200 OK", &["Content-Length: 0", "Content-Length: 0"], Body::Unknown);
    check("1.1 200 OK", &["Content-Length: 0", "Content-Length: x"], Body::Unknown);
    check("1.1 200 OK", &["Content-Length: x", "Content-Length: 0"], Body::Unknown);
    check("1.1 204 x", &["Content-Length: 0", "Content-Length: 0"], Body::Unknown);
    check("1.1 200 OK", &[], Body::Unknown);
}

#[test]
fn encoded() {
    for coding in ["chunked", "gzip, chunked", "identity", "", "x"] {
        let header = format!("Transfer-Encoding: {coding}");
        check("1.1 200 OK", &[&header], Body::Unknown);
        check("1.1 200 OK", &[&header, "Content-Length: 0"], Body::Unknown);
        check("1.1 200 OK", &["Content-Length: 0", &header], Body::Unknown);
    }
}

#[test]
fn the_server_closes() {
    const EMPTY: &str = "Content-Length: 0";
    for header in [
        "Connection: close",
        "connection: CLOSE",
        "Connection: keep-alive, close",
        "Connection: close ,x",
        "Connection: x,\tclose",
    ] {
        check("1.1 200 OK", &[header, EMPTY], Body::Unknown);
        check("1.1 204 No Content", &[EMPTY, header], Body::Unknown);
        check("1.1 200 OK", &["Connection: keep-alive", EMPTY, header], Body::Unknown);
        check("1.0 200 OK", &["Connection: keep-alive", EMPTY, header], Body::Unknown);
    }
    for header in
        ["Connection: closed", "Connection: upgrade, keep-alive", "Connection:", "X: close"]
    {
        check("1.1 200 OK", &[header, EMPTY], Body::Ended);
    }
}

#[test]
fn http_1_0_closes_unless_it_says_otherwise() {
    for (status, ended) in [("1.0 200 OK", Body::Length(3)), ("1.0 500 x", Body::Length(3))] {
        check(status, &["Content-Length: 3"], Body::Unknown);
        check(status, &["Content-Length: 3", "Connection: x"], Body::Unknown);
        check(status, &["Content-Length: 3", "Connection: keep-alive"], ended);
        check(status, &["Content-Length: 3", "Connection: x, Keep-Alive"], ended);
    }
    check("1.0 204 No Content", &[], Body::Unknown);
    check("1.0 204 No Content", &["Connection: keep-alive"], Body::Ended);
}

#[test]
fn what_the_status_line_leaves_open() {
    for status in [
        "",
        "1.1",
        "1.1 ",
        "1.1 20",
        "1.1 2000",
        "1.1 2x0 OK",
        "1.1 OK",
        "1.1  200 OK",
        "1.1\t200 OK",
        "1.1 200\tOK",
        "1.2 200 OK",
        "2 200 OK",
        "2.0 200 OK",
        "1.10 200 OK",
        "01.1 200 OK",
        " 1.1 200 OK",
        "1,1 200 OK",
    ] {
        check(status, &["Content-Length: 0", "Connection: keep-alive"], Body::Unknown);
    }
}

#[test]
fn what_comes_is_taken_off() {
    assert_eq!(Body::Ended.take(0), Body::Ended);
    assert_eq!(Body::Ended.take(1), Body::Unknown);
    assert_eq!(Body::Length(3).take(0), Body::Length(3));
    assert_eq!(Body::Length(3).take(2), Body::Length(1));
    assert_eq!(Body::Length(3).take(3), Body::Ended);
    assert_eq!(Body::Length(3).take(4), Body::Unknown);
    assert_eq!(Body::Length(u64::MAX).take(u64::MAX), Body::Ended);
    assert_eq!(Body::Unknown.take(0), Body::Unknown);
    assert_eq!(Body::Unknown.take(1), Body::Unknown);
}

#[test]
fn a_body_says_nothing_of_itself() {
    let head = "HTTP/1.1 200 OK\r\nAuth-Status: no\r\nContent-Length: 30\r\n\r\n";
    for body in
        ["Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n"]
    {
        assert_eq!(body_of(&format!("{head}{body}")), Some(Body::Length(30)));
    }
}
