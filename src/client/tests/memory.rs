//! Allocations that fail.

use super::fake::{Fake, Take};
use crate::client::state::Next;

/// Plays to the end with so many allocations that succeed. Gives whether one failed.
fn runs_out(memory: usize, tls: bool, partly: bool) -> bool {
    let mut fake = Fake { tls, ..Fake::default() };
    fake.memory.set(memory);
    if partly {
        fake.takes.extend([Take::Some(3), Take::Some(0), Take::Some(5)]);
    }

    let mut next = fake.greet();
    for input in [
        &b"USER bob\r\nCAPA\r\nAU"[..],
        b"TH CRAM-MD5\r\n*\r\nUSER bob\r\nAUTH CRAM-MD5\r\n\
          Ym9iIGM0YzkzMzRiYWM1NjBlY2M5NzllNTgwMDFiM2UyMmZi\r\nAUTH LOGIN Ym9i\r\nc2VjcmV0\r\nNOOP\r\nST",
        b"AT\r\nUSER ann\r\nPASS x\r\nRE",
    ] {
        loop {
            match next {
                Next::Send => {
                    fake.take_unsent();
                    next = fake.read();
                }
                Next::Authenticate(_) => {
                    if fake.hand_on().is_err() {
                        return true;
                    }
                    next = fake.refuse_login();
                }
                Next::Fail | Next::Drop => return true,
                next => {
                    assert_eq!(next, Next::Read);
                    break;
                }
            }
        }
        next = fake.event(input);
    }
    assert!(memory > 0);
    false
}

#[test]
fn each_allocation_may_fail() {
    for tls in [false, true] {
        for partly in [false, true] {
            let needed = (0..100).find(|&memory| !runs_out(memory, tls, partly)).unwrap();
            assert!(needed > 5, "{needed}");
            assert!((needed..needed + 5).all(|memory| !runs_out(memory, tls, partly)));
        }
    }
}

#[test]
fn without_memory_for_a_reply_in_tls_none_is_sent() {
    let mut fake = Fake { tls: true, ..Fake::default() };
    fake.memory.set(1);
    assert_eq!(fake.event(b"NOOP\r\n"), Next::Fail);
    assert_eq!(fake.sent(), "");
}

#[test]
fn nothing_follows_a_part_of_a_reply_but_the_rest_of_it() {
    let mut fake = Fake::default();
    fake.memory.set(1);
    fake.takes.push_back(Take::Some(2));
    assert_eq!(fake.event(b"NOOP\r\n"), Next::Drop);
    assert_eq!(fake.sent(), "+O");
}
