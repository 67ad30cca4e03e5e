//! The dialogue without nginx: a client that takes and gives bytes as a test says.

#![expect(clippy::arithmetic_side_effects, reason = "a test may overflow")]

pub mod fake;
mod logins;
mod memory;
mod notes;
mod output;

use fake::{Fake, play};

use super::state::Next;

#[test]
fn a_greeting_announces_apop_where_it_is_on() {
    let mut fake = Fake::default();
    assert_eq!(fake.greet(), Next::Read);
    assert_eq!(fake.sent(), "+OK POP3 ready <session@fake>\r\n");

    let mut fake = Fake::without_apop();
    assert_eq!(fake.greet(), Next::Read);
    assert_eq!(fake.sent(), "+OK POP3 ready\r\n");
}

#[test]
fn commands_are_answered_in_one_send() {
    let mut fake = Fake::default();
    assert_eq!(fake.event(b"NOOP\r\nCAPA\r\nAUTH\r\nfoo\r\n"), Next::Read);
    assert_eq!(
        fake.sent(),
        "+OK\r\n+OK in plain\r\n.\r\n+OK methods\r\n.\r\n-ERR invalid command\r\n"
    );
    assert_eq!(fake.sends, 1);
    assert_eq!(*fake.logged.borrow(), ["client sent unknown command"]);
}

#[test]
fn capabilities_are_those_of_tls_in_tls() {
    let mut fake = Fake { tls: true, ..Fake::default() };
    fake.event(b"CAPA\r\n");
    assert_eq!(fake.sent(), "+OK in TLS\r\n.\r\n");
}

#[test]
fn wherever_input_is_cut_the_replies_are_the_same() {
    let input = b"USER bob\r\nCAPA\r\nAUTH PLAIN\r\n*\r\nXYZ\nAUTH LOGIN\r\nYm9i\r\n*\r\nNOOP\r\n";
    let whole = play(&[input]);
    assert_eq!(whole.matches("\r\n").count(), 10);

    for first in 0..input.len() {
        for second in first..input.len() {
            let cut = [&input[..first], &input[first..second], &input[second..]];
            assert_eq!(play(&cut), whole, "{first} {second}");
        }
    }
    let single: Vec<_> = input.chunks(1).collect();
    assert_eq!(play(&single), whole);
}

#[test]
fn nothing_to_read_changes_nothing() {
    let mut fake = Fake::default();
    assert_eq!(fake.event(b"NO"), Next::Read);
    fake.input.push_back(fake::Input::Nothing);
    assert_eq!(fake.read(), Next::Read);
    assert_eq!(fake.event(b"OP\r\n"), Next::Read);
    assert_eq!(fake.sent(), "+OK\r\n");
}

#[test]
fn a_client_that_has_closed_its_side_is_answered_and_then_closed() {
    let mut fake = Fake::default();
    assert_eq!(fake.event(b"NOOP\r\nNO"), Next::Read);
    fake.input.push_back(fake::Input::End);
    assert_eq!(fake.read(), Next::Close);
    assert_eq!(fake.sent(), "+OK\r\n");
}

#[test]
fn a_broken_connection_is_dropped() {
    let mut fake = Fake::default();
    fake.input.push_back(fake::Input::Broken);
    assert_eq!(fake.read(), Next::Drop);

    let mut fake = Fake::default();
    fake.takes.push_back(fake::Take::Broken);
    assert_eq!(fake.event(b"NOOP\r\n"), Next::Drop);
}

#[test]
fn what_follows_quit_a_limit_or_stls_is_thrown_away() {
    for (line, next) in [
        (&b"QUIT\r\n"[..], Next::Close),
        (b"GET / HTTP/1.1\r\n", Next::Close),
        (b"STLS\r\n", Next::StartTls),
    ] {
        let mut fake = Fake::default();
        assert_eq!(fake.event(&[line, b"NOOP\r\nUSER bob\r\n"].concat()), next);
        assert_eq!(fake.sent().matches("\r\n").count(), 1, "{}", fake.sent());
        assert!(fake.state.kept.undone.is_none());
    }
}

#[test]
fn rfc_2595_tls_forgets_what_was_learnt_before() {
    let mut fake = Fake::default();
    fake.event(b"USER bob\r\nSTLS\r\n");
    assert!(fake.login.is_some());
    fake.forget();
    assert!(fake.login.is_none() && fake.state.kept.challenge.is_none());
    fake.tls = true;
    fake.event(b"PASS x\r\n");
    assert_eq!(fake.sent(), "+OK\r\n+OK\r\n-ERR command not valid in this state\r\n");
}

#[test]
fn a_long_line_is_skipped_and_a_large_one_held() {
    let mut fake = Fake::default();
    fake.policy(|policy| policy.max_line = 100_000);
    for _ in 0..9 {
        assert_eq!(fake.event(&[b'x'; 10_000]), Next::Read);
    }
    assert!(fake.state.kept.undone.as_ref().unwrap().input.is_some());
    fake.event(&[b'x'; 10_001]);
    assert!(fake.state.kept.undone.is_none(), "nothing is held of a line that is too long");
    fake.event(b"x\r\nNOOP\r\n");
    assert_eq!(fake.sent(), "-ERR line too long\r\n+OK\r\n");
}
