//! Output that the client does not take, or not at once.

use super::fake::{Fake, Take};
use crate::client::state::Next;
use pop3::Method;

#[test]
fn what_is_not_taken_is_sent_later_and_nothing_overtakes_it() {
    for count in 0..15 {
        let mut fake = Fake::default();
        fake.takes.push_back(Take::Some(count));
        assert_eq!(fake.event(b"NOOP\r\nNOOP\r\nNOOP\r\n"), Next::Send);
        assert_eq!(fake.sent().len(), count);

        // An event in between: nothing is read, and nothing answered.
        assert_eq!(fake.event(b"foo\r\n"), Next::Send);
        assert_eq!(fake.input.len(), 1);

        fake.take_unsent();
        assert_eq!(fake.read(), Next::Read);
        assert_eq!(fake.sent(), "+OK\r\n+OK\r\n+OK\r\n-ERR invalid command\r\n");
    }
}

#[test]
fn the_end_waits_for_the_last_reply() {
    let mut fake = Fake::default();
    fake.takes.push_back(Take::Some(0));
    assert_eq!(fake.event(b"QUIT\r\n"), Next::Send);
    assert_eq!(fake.read(), Next::Send);
    fake.take_unsent();
    assert_eq!(fake.read(), Next::Close);
    assert_eq!(fake.sent(), "+OK\r\n");
}

#[test]
fn a_tls_handshake_waits_for_the_reply_to_stls() {
    let mut fake = Fake::default();
    fake.takes.push_back(Take::Some(2));
    assert_eq!(fake.event(b"STLS\r\nNOOP\r\n"), Next::Send);
    fake.take_unsent();
    assert_eq!(fake.read(), Next::StartTls);
    assert_eq!(fake.sent(), "+OK\r\n");
}

#[test]
fn a_login_waits_for_the_replies_before_it() {
    let mut fake = Fake::default();
    fake.takes.push_back(Take::Some(1));
    assert_eq!(fake.event(b"USER bob\r\nPASS secret\r\nSTAT\r\n"), Next::Send);
    assert_eq!(fake.read(), Next::Send);
    fake.take_unsent();
    assert_eq!(fake.read(), Next::Authenticate(Method::User));
    fake.hand_on().unwrap();
    assert_eq!(fake.attempt.as_ref().unwrap().ahead(), b"STAT\r\n");
}

#[test]
fn tls_is_tried_again_from_the_same_memory() {
    let mut fake = Fake { tls: true, ..Fake::default() };
    fake.takes.push_back(Take::Some(0));
    assert_eq!(fake.event(b"NOOP\r\n"), Next::Send);
    let (unsent, at) = fake.unsent.as_ref().unwrap();
    assert_eq!((unsent.as_slice().as_ptr(), *at), (fake.tried_from, 0));
}

#[test]
fn more_than_there_is_room_for_goes_in_several_sends() {
    let commands = 16 * 1024 / "CAPA\r\n".len();
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_commands = 100_000);
    assert_eq!(fake.event(&b"CAPA\r\n".repeat(commands)), Next::Read);
    assert_eq!(fake.sent(), "+OK in plain\r\n.\r\n".repeat(commands));
    assert!(fake.sends > 1);

    // The second one is not taken: the input behind it waits.
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_commands = 100_000);
    fake.takes.extend([Take::Some(usize::MAX), Take::Some(1)]);
    assert_eq!(fake.event(&b"CAPA\r\n".repeat(commands)), Next::Send);
    let before = fake.sent().len();
    assert_eq!(fake.read(), Next::Send);
    assert_eq!(fake.sent().len(), before);
    fake.take_unsent();
    assert_eq!(fake.read(), Next::Read);
    assert_eq!(fake.sent(), "+OK in plain\r\n.\r\n".repeat(commands));
}

#[test]
fn a_session_whose_time_is_over_is_closed_when_it_is_taken_up() {
    let mut fake = Fake::default();
    assert_eq!(fake.event(b"NO"), Next::Read);
    fake.time_over = true;
    assert_eq!(fake.event(b"OP\r\n"), Next::Close);
    assert_eq!(fake.sent(), "");
}
