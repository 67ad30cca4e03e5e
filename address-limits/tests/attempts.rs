//! Failed logins, and when the next attempt is checked.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use address_limits::{Address, Attempt, FORGOTTEN_AFTER, Limits, pair};

mod support;

use support::{KEY, address, words_for};

const ONE: Address = Address::v4([192, 0, 2, 1]);
const OTHER: Address = Address::v4([192, 0, 2, 2]);
const MOST: u64 = 30_000;
const LEFT: u64 = 60_000;
const NOW: u64 = 5_000_000;

struct Block(Vec<u64>);

impl Block {
    fn new(addresses: usize) -> Self {
        let mut words = vec![0; words_for(addresses)];
        Limits::format(&mut words, KEY).unwrap();
        Self(words)
    }

    fn limits(&mut self) -> Limits<'_> {
        Limits::open(&mut self.0).unwrap()
    }

    fn fail(&mut self, address: Address, pairs: &[u64]) {
        pairs.iter().for_each(|&pair| self.limits().failed(address, NOW, pair));
    }
}

#[test]
fn without_failures_nobody_waits() {
    let mut block = Block::new(1);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, LEFT), Attempt::Now);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, 0), Attempt::Now);
    block.fail(ONE, &[1]);
    assert_eq!(block.limits().attempt(OTHER, NOW, MOST, 0), Attempt::Now);
}

#[test]
fn each_failure_doubles_the_delay() {
    let mut block = Block::new(1);
    let mut now = NOW;
    for (pair, seconds) in (1..).zip([1, 2, 4, 8, 16, 30, 30]) {
        block.limits().failed(ONE, now, pair);
        assert_eq!(block.limits().failures(ONE), u32::try_from(pair).unwrap());
        let after = seconds * 1000;
        assert_eq!(block.limits().attempt(ONE, now, MOST, LEFT), Attempt::After(after));
        now += after;
    }
}

#[test]
fn delays_have_no_bound_but_that_which_is_set() {
    let mut block = Block::new(1);
    block.fail(ONE, &(0..100).collect::<Vec<_>>());
    let most = u64::MAX - NOW;
    assert_eq!(block.limits().attempt(ONE, NOW, most, most), Attempt::After(most));
    // The turn after the last one that there is.
    assert_eq!(block.limits().attempt(ONE, NOW, u64::MAX, most), Attempt::After(most));
    assert_eq!(block.limits().attempt(ONE, NOW, 0, most - 1), Attempt::TooLate);

    block.limits().succeeded(ONE);
    block.fail(ONE, &[1]);
    assert_eq!(block.limits().attempt(ONE, NOW, 0, 0), Attempt::After(0));
}

#[test]
fn attempts_at_the_same_time_queue_up() {
    let mut block = Block::new(1);
    block.fail(ONE, &[1, 2]);
    for seconds in [2, 4, 6] {
        let attempt = block.limits().attempt(ONE, NOW, MOST, 7_000);
        assert_eq!(attempt, Attempt::After(seconds * 1000));
    }
    // One that cannot wait leaves its turn to others.
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, 7_000), Attempt::TooLate);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, 7_999), Attempt::TooLate);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, 8_000), Attempt::After(8_000));
    assert_eq!(block.limits().attempt(ONE, NOW + 7_999, MOST, LEFT), Attempt::After(2_001));
    assert_eq!(block.limits().attempt(ONE, NOW + 20_000, MOST, LEFT), Attempt::After(2_000));
}

#[test]
fn a_success_clears_all() {
    let mut block = Block::new(1);
    block.fail(ONE, &[1, 2, 3]);
    block.limits().attempt(ONE, NOW, MOST, LEFT);
    block.limits().succeeded(ONE);
    assert_eq!(block.limits().failures(ONE), 0);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, LEFT), Attempt::Now);
    block.fail(ONE, &[1]);
    assert_eq!(block.limits().attempt(ONE, NOW, MOST, LEFT), Attempt::After(1_000));
    block.limits().succeeded(OTHER);
    assert_eq!(block.limits().failures(ONE), 1);
}

#[test]
fn half_an_hour_clears_all() {
    assert_eq!(FORGOTTEN_AFTER, 1_800_000);
    let mut block = Block::new(1);
    block.fail(ONE, &[1, 2]);
    let last = NOW + FORGOTTEN_AFTER - 1;
    assert_eq!(block.limits().attempt(ONE, last, MOST, LEFT), Attempt::After(2_000));
    assert_eq!(block.limits().attempt(ONE, last + 1, MOST, LEFT), Attempt::Now);
    assert_eq!(block.limits().failures(ONE), 0);

    block.fail(ONE, &[1, 2]);
    block.limits().failed(ONE, NOW + FORGOTTEN_AFTER, 2);
    assert_eq!(block.limits().failures(ONE), 1);

    // Another process may be a bit behind.
    block.limits().failed(ONE, NOW, 3);
    assert_eq!(block.limits().attempt(ONE, NOW - 5, MOST, LEFT), Attempt::After(2_000));
}

#[test]
fn one_of_the_last_four_pairs_adds_nothing() {
    let mut block = Block::new(2);
    block.fail(ONE, &[1, 1, 1]);
    assert_eq!(block.limits().failures(ONE), 1);
    block.fail(ONE, &[2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(block.limits().failures(ONE), 4);
    // 1 is what has not failed for longest.
    block.fail(ONE, &[5, 2, 3, 4, 5]);
    assert_eq!(block.limits().failures(ONE), 5);
    block.fail(ONE, &[1]);
    assert_eq!(block.limits().failures(ONE), 6);
    block.fail(ONE, &[2]);
    assert_eq!(block.limits().failures(ONE), 7);
    // Pairs are those of an address.
    block.fail(OTHER, &[2]);
    assert_eq!(block.limits().failures(OTHER), 1);
}

#[test]
fn any_number_may_be_a_pair() {
    let mut block = Block::new(1);
    block.fail(ONE, &[0, 0]);
    assert_eq!(block.limits().failures(ONE), 1);
    block.fail(ONE, &[u64::MAX, 0, u64::MAX, 0]);
    assert_eq!(block.limits().failures(ONE), 2);
    let key = block.limits().key();
    assert_eq!(key, KEY);
    block.fail(ONE, &[pair(key, b"bob", b"secret"), pair(key, b"bob", b"secret")]);
    assert_eq!(block.limits().failures(ONE), 3);
}

#[test]
fn a_pair_again_counts_as_the_last_failure() {
    let mut block = Block::new(1);
    block.fail(ONE, &[1]);
    block.limits().failed(ONE, NOW + FORGOTTEN_AFTER - 1, 1);
    let attempt = block.limits().attempt(ONE, NOW + FORGOTTEN_AFTER, MOST, LEFT);
    assert_eq!(attempt, Attempt::After(1_000));
}

#[test]
fn the_one_that_was_used_last_stays() {
    let mut block = Block::new(3);
    (1..=3).for_each(|number| block.fail(address(number), &[1]));
    block.limits().attempt(address(1), NOW, MOST, LEFT);
    block.fail(address(2), &[1]);
    for (number, gone) in [(4, 3), (5, 1), (6, 2), (7, 4)] {
        assert_eq!(block.limits().failures(address(gone)), 1);
        block.fail(address(number), &[1]);
        assert_eq!(block.limits().failures(address(gone)), 0);
    }
}

#[test]
fn what_is_forgotten_takes_no_room() {
    let mut block = Block::new(2);
    block.fail(address(1), &[1]);
    block.fail(address(2), &[1]);
    block.limits().succeeded(address(2));
    block.fail(address(3), &[1]);
    assert_eq!(block.limits().failures(address(1)), 1);
    let later = NOW + FORGOTTEN_AFTER;
    block.limits().failed(address(1), later, 1);
    block.limits().attempt(address(3), later, MOST, LEFT);
    block.limits().failed(address(4), later, 1);
    assert_eq!(block.limits().failures(address(1)), 1);
}
