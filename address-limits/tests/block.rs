//! What is where in a block, for what no call tells.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use address_limits::{Address, Entered, Limits};

mod support;

use support::{KEY, address, words_for};

const NOW: u64 = 5_000_000;

/// Where the places are, and how many words one has.
const PLACES: usize = 3 + 512;
const PLACE: usize = 10;

/// Which words of a place have its first and next one in a chain, and its neighbours in the
/// queue.
const CHAIN: usize = 1;
const QUEUE: usize = 2;

/// Which chains have addresses, of those from anywhere: there is a chain for each place.
fn chains(key: [u64; 2], addresses: u32) -> Vec<bool> {
    let room = usize::try_from(addresses).unwrap();
    let mut words = vec![0; words_for(room)];
    let mut limits = Limits::format(&mut words, key).unwrap();
    for number in 0..addresses {
        let address = number.wrapping_mul(0x9e37_79b1);
        limits.failed(Address::v4(address.to_be_bytes()), NOW, 1);
    }
    let places = words[PLACES..].chunks(PLACE).take(room + 1);
    places.map(|place| place[CHAIN] >> 32 != 0).collect()
}

#[test]
fn addresses_are_spread_by_the_key() {
    let one = chains(KEY, 1000);
    let other = chains([KEY[0], 0x9e37_79b9_7f4a_7c15], 1000);
    for chains in [&one, &other] {
        let used = chains.iter().filter(|&&used| used).count();
        // By chance it would be 632.
        assert!(used > 500, "{used}");
    }
    assert_ne!(one, other);
    assert_eq!(chains(KEY, 1000), one);
}

#[test]
fn who_has_sessions_stays_in_a_queue_that_is_half_done() {
    let mut words = vec![0; words_for(1)];
    let mut limits = Limits::format(&mut words, KEY).unwrap();
    let [one, other] = [7, 8].map(|pid| limits.register(pid, |_| true).unwrap());
    // One dies as it enters: its address has a session, and its place is in the queue.
    let ends = PLACES + QUEUE;
    let queue = words[ends];
    let mut limits = Limits::open(&mut words).unwrap();
    assert!(matches!(limits.enter(address(1), one, None), Entered::Counted(_)));
    words[ends] = queue;

    let mut limits = Limits::open(&mut words).unwrap();
    assert!(matches!(limits.enter(address(1), other, None), Entered::Counted(_)));
    assert_eq!(limits.enter(address(2), other, None), Entered::Uncounted);
    limits.failed(address(2), NOW, 1);
    assert_eq!([1, 2].map(|number| limits.sessions(address(number))), [2, 0]);
    limits.reclaim_dead(|pid| pid == 8);
    assert_eq!([1, 2].map(|number| limits.sessions(address(number))), [1, 0]);
}
