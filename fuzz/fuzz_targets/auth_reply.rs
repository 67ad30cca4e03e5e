//! An auth server's reply: whatever the cuts it says the same, what is taken of it is
//! fit, and a connection is used again only behind what another parser reads alike.
//!
//! Input: two bytes that choose the cuts, then what the auth server sends.

#![no_main]

use auth_http::reply::{MAX_HEAD, parse};
use auth_http::{Answer, Body, Parsed, Unfit};
use libfuzzer_sys::fuzz_target;
use pop3_fuzz::{cuts, single_bytes};

fuzz_target!(|data: &[u8]| {
    let Some((seed, bytes)) = data.split_first_chunk::<2>() else { return };

    let whole = parse(bytes);
    check_cuts(bytes, &whole, &cuts(*seed, bytes.len()));
    if bytes.len() < 512 {
        check_cuts(bytes, &whole, &single_bytes(bytes.len()));
    }

    match whole {
        Ok(Parsed::Incomplete) => assert!(bytes.len() < MAX_HEAD),
        Ok(Parsed::Complete(reply)) => {
            let (head, behind) = bytes.split_at(reply.length);
            assert!(head.len() <= MAX_HEAD && head.ends_with(b"\n"));
            check_answer(&reply.answer);
            check_body(head, reply.body);
            check_end(reply.body, behind.len() as u64);
        }
        Err(unfit) => assert!(!unfit.log_text().is_empty()),
    }
});

/// What has come up to any cut is either too little or says what all of it does.
fn check_cuts(bytes: &[u8], whole: &Result<Parsed<'_>, Unfit>, cuts: &[usize]) {
    for &cut in cuts {
        let part = parse(&bytes[..cut]);
        assert!(part == Ok(Parsed::Incomplete) || part == *whole, "{part:?}, not {whole:?}");
        if let Ok(Parsed::Complete(reply)) = whole {
            assert_eq!(part == Ok(Parsed::Incomplete), cut < reply.length);
        }
    }
}

fn check_answer(answer: &Answer<'_>) {
    let control = |text: &[u8]| text.iter().any(u8::is_ascii_control);
    let line = |text: &[u8]| !text.iter().any(|byte| b"\r\n\0".contains(byte));

    match answer {
        Answer::Wait(_) => {}
        Answer::Refused(refusal) => {
            let tabs = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
            assert!(!refusal.text.iter().any(tabs));
            assert!(line(refusal.challenge.unwrap_or_default()));
        }
        Answer::Route(route) => {
            assert!(route.port > 0 && !route.server.is_empty() && route.server.len() < 256);
            assert!(route.server.iter().all(u8::is_ascii_graphic));
            assert!(route.login.is_none_or(|login| !login.is_empty() && !control(login)));
            assert!(route.password.is_none_or(|password| line(password.expose())));
        }
    }
}

/// What may be used again, another parser has found to end there as well.
fn check_body(head: &[u8], body: Body) {
    let mut room = [httparse::EMPTY_HEADER; MAX_HEAD / 3];
    let (mut response, mut left) = (httparse::Response::new(&mut room), head);
    let (code, version) = loop {
        match response.parse(left) {
            Ok(httparse::Status::Complete(length)) => left = &left[length..],
            Ok(httparse::Status::Partial) => panic!("{body:?}"),
            // It knows one form of a status line, and no control character but HTAB.
            Err(_) => return,
        }
        let code = response.code.unwrap_or_default();
        if !(100..200).contains(&code) || code == 101 {
            break (code, response.version);
        }
        response = httparse::Response::new(&mut room);
    };
    assert!(left.is_empty());
    if body == Body::Unknown {
        return;
    }

    let values = |name: &str| -> Vec<_> {
        let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        let text =
            |header: &httparse::Header<'_>| String::from_utf8_lossy(header.value).to_string();
        response.headers.iter().filter(named).map(text).collect()
    };
    let connection = values("connection").join(",").to_ascii_lowercase();
    let says = |token| connection.split(',').any(|item| item.trim() == token);
    assert!(code != 101 && values("transfer-encoding").is_empty() && !says("close"));
    assert!(version == Some(1) || says("keep-alive"));

    match (values("content-length").as_slice(), body) {
        ([], Body::Ended) => assert!(matches!(code, 204 | 304)),
        ([length], Body::Ended) => assert_eq!(length.parse(), Ok(0)),
        ([length], Body::Length(bytes)) => assert!(bytes > 0 && length.parse() == Ok(bytes)),
        lengths => panic!("{lengths:?}"),
    }
}

/// It has ended when so much has come as there should be, and not when more has.
fn check_end(body: Body, come: u64) {
    let due = match body {
        Body::Ended => 0,
        Body::Length(length) => length,
        Body::Unknown => u64::MAX,
    };
    let taken = body.take(come);

    assert_eq!(taken == Body::Ended, body != Body::Unknown && come == due);
    assert_eq!(taken == Body::Unknown, body == Body::Unknown || come > due);
    assert_eq!(body.take(come / 2).take(come - come / 2), taken);
}
