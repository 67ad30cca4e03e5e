//! Logins up to the auth server, and behind one that has failed.

use ngx_mail::heap::Bytes;
use pop3::Method;

use super::fake::{Fake, Take};
use crate::client::state::Next;

/// Login, secret and challenge.
fn attempted(fake: &Fake) -> (&[u8], &[u8], &[u8]) {
    let attempt = fake.attempt.as_ref().unwrap();
    let challenge = fake.state.kept.challenge.as_ref().map_or(&[][..], Bytes::as_slice);
    (attempt.login(), attempt.secret(), challenge)
}

const USER: Next = Next::Authenticate(Method::User);

#[test]
fn each_method_is_handed_over_as_it_is() {
    let digest = b"c4c9334bac560ecc979e58001b3e22fb";
    for (lines, method, expected) in [
        (&b"USER bob\r\nPASS a b\r\n"[..], Method::User, (&b"bob"[..], &b"a b"[..], &b""[..])),
        (b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n", Method::Plain, (b"bob", b"secret", b"")),
        (b"AUTH LOGIN Ym9i\r\nc2VjcmV0\r\n", Method::Login, (b"bob", b"secret", b"")),
        (b"AUTH EXTERNAL =\r\n", Method::External, (b"", b"", b"")),
        (b"APOP bob c4c9334bac560ecc979e58001b3e22fb\r\n", Method::Apop, (b"bob", digest, b"")),
        (
            b"AUTH CRAM-MD5\r\nYm9iIGM0YzkzMzRiYWM1NjBlY2M5NzllNTgwMDFiM2UyMmZi\r\n",
            Method::CramMd5,
            (b"bob", digest, b"<1@fake>\r\n"),
        ),
        (
            b"AUTH XOAUTH2 dXNlcj1ib2IBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n",
            Method::Xoauth2,
            (b"bob", b"token", b""),
        ),
        (
            b"AUTH OAUTHBEARER\r\nbixhPWJvYiwBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n",
            Method::Oauthbearer,
            (b"bob", b"token", b""),
        ),
    ] {
        let mut fake = Fake::default();
        assert_eq!(fake.event(lines), Next::Authenticate(method));
        assert_eq!(attempted(&fake), expected);
        assert!(fake.login.is_none());
    }
}

#[test]
fn each_exchange_of_cram_md5_has_a_challenge_of_its_own() {
    let mut fake = Fake::default();
    fake.event(b"AUTH CRAM-MD5\r\n*\r\nAUTH CRAM-MD5\r\n");
    assert_eq!(
        fake.sent(),
        "+ PDFAZmFrZT4=\r\n-ERR authentication cancelled\r\n+ PDJAZmFrZT4=\r\n"
    );
    assert_eq!(fake.state.kept.challenge.as_ref().unwrap().as_slice(), b"<2@fake>\r\n");
}

#[test]
fn a_challenge_is_no_part_of_another_login() {
    let mut fake = Fake::default();
    fake.event(b"AUTH CRAM-MD5\r\n*\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n");
    assert_eq!(attempted(&fake), (&b"bob"[..], &b"secret"[..], &b""[..]));
}

#[test]
fn a_login_takes_the_place_of_a_challenge() {
    let mut fake = Fake::default();
    fake.event(b"AUTH CRAM-MD5\r\n*\r\nUSER bob\r\n");
    assert!(fake.state.kept.challenge.is_none());
}

#[test]
fn an_exchange_takes_the_place_of_a_login_that_was_begun() {
    let mut fake = Fake::default();
    fake.event(b"USER bob\r\n");
    assert_eq!(fake.login.as_ref().unwrap().as_slice(), b"bob");
    fake.event(b"AUTH CRAM-MD5\r\n");
    assert!(fake.login.is_none());
}

#[test]
fn behind_a_failed_login_what_was_sent_ahead_is_answered() {
    for ahead in [0, 1, 100, 600, 2000] {
        let mut fake = Fake::default();
        fake.policy(|policy| policy.max_commands = 10_000);
        let lines = b"NOOP\r\n".repeat(ahead);
        let input = [&b"USER bob\r\nPASS wrong\r\n"[..], &lines, b"NO"].concat();
        assert_eq!(fake.event(&input), USER);

        fake.hand_on().unwrap();
        assert_eq!(fake.attempt.as_ref().unwrap().ahead(), [&lines[..], b"NO"].concat());

        assert_eq!(fake.refuse_login(), Next::Read);
        assert_eq!(fake.event(b"OP\r\n"), Next::Read);
        assert!(fake.attempt.is_none());
        let replies = "+OK\r\n".repeat(ahead + 1);
        assert_eq!(fake.sent(), ["+OK\r\n-ERR refused\r\n", &replies].concat());
    }
}

#[test]
fn what_is_ahead_is_put_in_place_of_what_was_before() {
    let mut fake = Fake::default();
    fake.event(b"USER bob\r\nPASS wrong\r\n");
    let attempt = fake.attempt.as_mut().unwrap();
    for ahead in [&[b'x'; 512][..], b"short", &[b'y'; 5000], b"", &[b'z'; 512]] {
        attempt.put_ahead(ahead).unwrap();
        assert_eq!(attempt.ahead(), ahead);
    }
    assert_eq!((attempt.login(), attempt.secret()), (&b"bob"[..], &b"wrong"[..]));
}

#[test]
fn a_second_login_may_follow_one_that_failed() {
    let mut fake = Fake::default();
    fake.event(b"USER bob\r\nPASS wrong\r\nUSER ann\r\nPASS right\r\nSTAT\r\n");
    fake.hand_on().unwrap();
    assert_eq!(fake.refuse_login(), USER);
    fake.hand_on().unwrap();
    assert_eq!(attempted(&fake), (&b"ann"[..], &b"right"[..], &b""[..]));
    assert_eq!(fake.attempt.as_ref().unwrap().ahead(), b"STAT\r\n");
}

#[test]
fn a_login_that_a_backend_refuses_counts_as_an_error() {
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_errors = 3);
    fake.event(b"foo\r\n");
    assert_eq!(fake.refuse(b"-ERR first\r\n"), Next::Read);
    assert_eq!(fake.refuse(b"-ERR second\r\n"), Next::Close);
    assert_eq!(fake.sent(), "-ERR invalid command\r\n-ERR first\r\n-ERR second\r\n");
    assert_eq!(
        *fake.logged.borrow(),
        ["client sent unknown command", "client failed to log in too often"]
    );
}

#[test]
fn a_login_that_fails_when_time_is_over_ends_the_session_behind_the_reply() {
    let mut fake = Fake { time_over: true, ..Fake::default() };
    assert_eq!(fake.refuse(b"-ERR too late\r\n"), Next::Close);
    assert_eq!(fake.sent(), "-ERR too late\r\n");
    assert!(fake.logged.borrow().is_empty());
}

#[test]
fn behind_a_refusal_that_waits_the_session_goes_on() {
    let mut fake = Fake::default();
    fake.takes.push_back(Take::Some(3));
    assert_eq!(fake.refuse(b"-ERR no\r\n"), Next::Send);
    assert_eq!(fake.state.kept.undone.as_ref().unwrap().next, Next::Read);

    fake.policy(|policy| policy.max_errors = 2);
    fake.unsent = None;
    fake.takes.push_back(Take::Some(3));
    assert_eq!(fake.refuse(b"-ERR no\r\n"), Next::Send);
    assert_eq!(fake.state.kept.undone.as_ref().unwrap().next, Next::Close);
}

#[test]
fn without_memory_a_refusal_fails() {
    let mut fake = Fake::default();
    fake.memory.set(0);
    fake.takes.push_back(Take::Some(3));
    assert_eq!(fake.refuse(b"-ERR no\r\n"), Next::Drop);
}

/// A token of bob's was refused, which the client is told in a challenge.
fn challenged(last: bool) -> Fake {
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_errors = 2);
    fake.event(b"AUTH XOAUTH2 dXNlcj1ib2IBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n");
    assert_eq!(fake.challenge(b"+ e30=\r\n", b"-ERR [AUTH] no\r\n", last), Next::Read);
    assert_eq!(fake.sent(), "+ e30=\r\n");
    fake.received.clear();
    fake
}

#[test]
fn a_refusal_follows_the_answer_to_its_challenge() {
    for answer in [&b"\r\n"[..], b"AQ==\r\n", b"*\r\n", b"QUIT\r\n", &[b'x'; 5000]] {
        let mut fake = challenged(false);
        for piece in answer.chunks(4096) {
            assert_eq!(fake.event(piece), Next::Read);
        }
        if !answer.ends_with(b"\n") {
            assert_eq!(fake.sent(), "");
            fake.event(b"\r\n");
        }
        assert_eq!(fake.sent(), "-ERR [AUTH] no\r\n");
        assert!(fake.state.kept.login.is_none());
        assert_eq!(fake.event(b"NOOP\r\nfoo\r\nNOOP\r\n"), Next::Close, "it has counted");
        assert_eq!(fake.sent(), "-ERR [AUTH] no\r\n+OK\r\n-ERR invalid command\r\n");
    }
}

#[test]
fn a_last_refusal_ends_the_session_behind_its_challenge() {
    let mut fake = challenged(true);
    assert_eq!(fake.event(b"\r\nNOOP\r\n"), Next::Close);
    assert_eq!(fake.sent(), "-ERR [AUTH] no\r\n");
}

#[test]
fn an_answer_that_was_sent_ahead_is_one() {
    let mut fake = Fake::default();
    fake.event(b"AUTH XOAUTH2 dXNlcj1ib2IBYXV0aD1CZWFyZXIgdG9rZW4BAQ==\r\n\r\nNOOP\r\n");
    fake.hand_on().unwrap();
    fake.challenge(b"+ e30=\r\n", b"-ERR [AUTH] no\r\n", false);
    assert_eq!(fake.go_on(), Next::Read);
    assert_eq!(fake.sent(), "+ e30=\r\n-ERR [AUTH] no\r\n+OK\r\n");
}
