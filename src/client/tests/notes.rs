//! What is noted for the session log.

use ngx_mail::record::End;

use super::fake::{Fake, Input};
use crate::client::state::Next;

#[test]
fn a_login_is_noted_by_its_method_when_it_is_begun() {
    for (lines, method) in [
        (&b"USER bob\r\nPASS secret\r\n"[..], c"user"),
        (b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n", c"plain"),
        (b"AUTH LOGIN\r\nYm9i\r\nc2VjcmV0\r\n", c"login"),
        (b"APOP bob ffffffffffffffffffffffffffffffff\r\n", c"apop"),
        (b"AUTH CRAM-MD5\r\nYm9iIGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm\r\n", c"cram-md5"),
        (b"AUTH EXTERNAL Ym9i\r\n", c"external"),
        (b"AUTH XOAUTH2 dXNlcj1ib2IBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n", c"xoauth2"),
        (b"AUTH OAUTHBEARER bixhPWJvYiwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n", c"oauthbearer"),
    ] {
        let mut fake = Fake { tls: true, ..Fake::default() };
        fake.greet();
        fake.event(lines);
        assert_eq!(fake.methods, [method], "{}", fake.sent());
        assert_eq!(fake.end, None);
    }
}

#[test]
fn each_login_of_a_session_is_noted() {
    let mut fake = Fake::default();
    fake.event(b"USER bob\r\nPASS wrong\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n");
    fake.hand_on().unwrap();
    fake.refuse_login();
    assert_eq!(fake.methods, [c"user", c"plain"]);
}

#[test]
fn what_is_refused_for_its_form_is_no_login() {
    let mut fake = Fake::default();
    fake.event(b"PASS x\r\nUSER \x01\r\nAUTH PLAIN =\r\nAUTH PLAIN\r\n*\r\nAPOP bob x\r\n");
    assert!(fake.methods.is_empty(), "{}", fake.sent());
}

#[test]
fn limits_are_noted_as_such() {
    for (line, max_errors, max_commands) in
        [(&b"foo\r\n"[..], 3, 1000), (b"NOOP\r\n", 1000, 2), (b"GET / HTTP/1.1\r\n", 1000, 1000)]
    {
        let mut fake = Fake::default();
        fake.policy(|policy| {
            (policy.max_errors, policy.max_commands) = (max_errors, max_commands);
        });
        assert_eq!(fake.event(&line.repeat(3)), Next::Close);
        assert_eq!(fake.end, Some(End::Limit), "{line:?}");
    }

    let mut fake = Fake::default();
    assert_eq!(fake.turn_away(), Next::Close);
    assert_eq!(fake.end, Some(End::Limit));
}

#[test]
fn a_login_that_fails_is_no_end_unless_it_is_one_too_many() {
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_errors = 2);
    assert_eq!(fake.refuse(b"-ERR no\r\n"), Next::Read);
    assert_eq!(fake.end, None);
    assert_eq!(fake.refuse(b"-ERR no\r\n"), Next::Close);
    assert_eq!(fake.end, Some(End::Limit));
}

#[test]
fn a_client_that_goes_leaves_that_to_whoever_closes() {
    let mut fake = Fake::default();
    assert_eq!(fake.event(b"QUIT\r\n"), Next::Close);
    assert_eq!(fake.end, None);

    let mut fake = Fake::default();
    fake.input.push_back(Input::End);
    assert_eq!(fake.read(), Next::Close);
    assert_eq!(fake.end, None);
}
