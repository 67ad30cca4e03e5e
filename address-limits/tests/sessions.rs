//! Sessions that are counted, and the processes that have them.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test may panic")]

use std::cell::Cell;

use address_limits::{Address, Entered, Limits, MAX_OWNERS, Owner, Session};

mod support;

use support::{KEY, address, words_for};

const NOW: u64 = 5_000_000;

fn block(addresses: usize) -> Vec<u64> {
    let mut words = vec![u64::MAX; words_for(addresses)];
    Limits::format(&mut words, KEY).unwrap();
    words
}

fn counted(limits: &mut Limits<'_>, address: Address, owner: Owner) -> Session {
    match limits.enter(address, owner, None) {
        Entered::Counted(session) => session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn as_many_as_are_allowed() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    assert_eq!(limits.enter(address(1), owner, Some(0)), Entered::TooMany);
    assert_eq!(limits.sessions(address(1)), 0);
    let Entered::Counted(first) = limits.enter(address(1), owner, Some(2)) else { panic!() };
    assert!(matches!(limits.enter(address(1), owner, Some(2)), Entered::Counted(_)));
    assert_eq!(limits.enter(address(1), owner, Some(2)), Entered::TooMany);
    assert_eq!(limits.sessions(address(1)), 2);
    assert!(matches!(limits.enter(address(2), owner, Some(2)), Entered::Counted(_)));
    limits.leave(first, owner);
    assert_eq!(limits.sessions(address(1)), 1);
    assert!(matches!(limits.enter(address(1), owner, Some(2)), Entered::Counted(_)));
}

#[test]
fn a_session_ends_by_its_owner() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let [one, other] = [7, 8].map(|pid| limits.register(pid, |_| true).unwrap());
    assert_ne!(one, other);
    let session = counted(&mut limits, address(1), one);
    limits.leave(session, other);
    assert_eq!(limits.sessions(address(1)), 1);
    limits.release(other);
    assert_eq!(limits.sessions(address(1)), 1);
    limits.release(one);
    assert_eq!(limits.sessions(address(1)), 0);
}

#[test]
fn nobody_is_refused_for_want_of_room() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    limits.failed(address(3), NOW, 1);
    let first = counted(&mut limits, address(1), owner);
    // Who is idle goes, who has sessions stays.
    counted(&mut limits, address(2), owner);
    assert_eq!(limits.failures(address(3)), 0);
    assert_eq!(limits.enter(address(3), owner, Some(1)), Entered::Uncounted);
    limits.failed(address(3), NOW, 1);
    assert_eq!(limits.failures(address(3)), 0);
    assert_eq!(limits.enter(address(1), owner, Some(1)), Entered::TooMany);
    limits.leave(first, owner);
    counted(&mut limits, address(3), owner);
}

#[test]
fn sessions_may_be_more_than_there_is_room_for() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    limits.failed(address(2), NOW, 1);
    // Four for each place, but for one.
    let mut sessions: Vec<_> = (0..11).map(|_| counted(&mut limits, address(1), owner)).collect();
    for number in [1, 2, 3] {
        assert_eq!(limits.enter(address(number), owner, Some(12)), Entered::Uncounted);
    }
    assert_eq!(limits.sessions(address(1)), 11);
    // Nobody has lost a place for that.
    assert_eq!(limits.failures(address(2)), 1);
    limits.leave(sessions.pop().unwrap(), owner);
    counted(&mut limits, address(3), owner);
    assert_eq!(limits.failures(address(2)), 0);
}

#[test]
fn failures_outlive_sessions() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    let session = counted(&mut limits, address(1), owner);
    limits.failed(address(1), NOW, 1);
    limits.leave(session, owner);
    assert_eq!([limits.sessions(address(1)), limits.failures(address(1))], [0, 1]);
    limits.failed(address(2), NOW, 1);
    // The session's end was the last use of the first address, until then.
    limits.failed(address(3), NOW, 1);
    assert_eq!([1, 2, 3].map(|number| limits.failures(address(number))), [0, 1, 1]);
}

#[test]
fn sessions_of_the_dead_are_taken_out() {
    let mut words = block(3);
    let mut limits = Limits::open(&mut words).unwrap();
    let [one, other] = [7, 8].map(|pid| limits.register(pid, |_| true).unwrap());
    counted(&mut limits, address(1), one);
    let session = counted(&mut limits, address(1), other);
    counted(&mut limits, address(2), one);
    limits.failed(address(2), NOW, 1);
    let counts = |limits: &Limits<'_>| [1, 2].map(|number| limits.sessions(address(number)));

    limits.reclaim_dead(|_| true);
    assert_eq!(counts(&limits), [2, 1]);
    limits.reclaim_dead(|pid| pid == 8);
    assert_eq!(counts(&limits), [1, 0]);
    assert_eq!(limits.failures(address(2)), 1);
    limits.leave(session, other);
    assert_eq!(counts(&limits), [0, 0]);

    // They are asked for no more.
    limits.reclaim_dead(|pid| pid != 7);
    let asked = Cell::new(0);
    limits.reclaim_dead(|_| asked.replace(asked.get() + 1) < 9);
    assert_eq!(asked.get(), 1);
}

#[test]
fn who_begins_takes_out_the_dead_and_who_had_its_id() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    for pid in [7, 8, 9] {
        let owner = limits.register(pid, |_| true).unwrap();
        counted(&mut limits, address(1), owner);
    }
    limits.register(7, |pid| pid != 8).unwrap();
    assert_eq!(limits.sessions(address(1)), 1);
}

#[test]
fn so_many_processes_and_no_more() {
    let mut words = block(2);
    let mut limits = Limits::open(&mut words).unwrap();
    let most = u32::try_from(MAX_OWNERS).unwrap();
    let owners: Vec<_> = (1..=most).map(|pid| limits.register(pid, |_| true).unwrap()).collect();
    assert_eq!(limits.register(u32::MAX, |_| true), None);
    let last = *owners.last().unwrap();
    counted(&mut limits, address(1), last);
    counted(&mut limits, address(1), owners[0]);
    limits.reclaim_dead(|pid| pid == most);
    assert_eq!(limits.sessions(address(1)), 1);
    assert_eq!(limits.register(u32::MAX, |_| true), Some(owners[0]));

    limits.release(last);
    assert_eq!(limits.sessions(address(1)), 0);
    assert!((1..most).all(|pid| limits.register(pid, |_| true).is_some_and(|it| it != owners[0])));
    assert_eq!(limits.register(most, |_| true), None);
}

#[test]
fn a_block_is_used_as_it_was_made() {
    let mut words = block(2);
    assert!(Limits::open(&mut words).is_some());
    assert!(Limits::open(&mut words[1..]).is_none());
    for length in 0..words.len() {
        assert!(Limits::open(&mut words[..length]).is_none(), "{length}");
    }
    assert!(Limits::open(&mut vec![0; words_for(2)]).is_none());
    assert!(Limits::open(&mut []).is_none());

    let mut limits = Limits::open(&mut words).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    counted(&mut limits, address(1), owner);
    let limits = Limits::open(&mut words).unwrap();
    assert_eq!((limits.sessions(address(1)), limits.key()), (1, KEY));
    let limits = Limits::format(&mut words, [3, 4]).unwrap();
    assert_eq!((limits.sessions(address(1)), limits.key()), (0, [3, 4]));
}

#[test]
fn a_block_that_is_too_small() {
    for length in [0, 1, 2, 3, 514, 515, words_for(1) - 1] {
        assert!(Limits::format(&mut vec![0; length], KEY).is_none(), "{length}");
    }
    for (length, room) in [(words_for(1), 1), (words_for(2) - 1, 1), (words_for(2), 2)] {
        let mut words = vec![0; length];
        assert_eq!(Limits::format(&mut words, KEY).unwrap().capacity(), room);
    }
}

#[test]
fn an_address_costs_less_than_200_bytes() {
    let mut words = vec![0; (1 << 20) / size_of::<u64>()];
    let mut limits = Limits::format(&mut words, KEY).unwrap();
    let owner = limits.register(7, |_| true).unwrap();
    assert_eq!(limits.capacity(), 9324);
    assert!((1 << 20) / limits.capacity() < 120);
    for number in 0..limits.capacity() {
        let address = Address::v4(number.to_be_bytes());
        counted(&mut limits, address, owner);
        limits.failed(address, NOW, 1);
    }
    assert_eq!(limits.enter(Address::v4([255; 4]), owner, None), Entered::Uncounted);
    for number in 0..limits.capacity() {
        let address = Address::v4(number.to_be_bytes());
        assert_eq!([limits.sessions(address), limits.failures(address)], [1, 1]);
    }
}
