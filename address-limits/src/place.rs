//! A place of the table: what an address has, and what ties the place to others. A place is
//! named by its number; 0 is none.

use crate::Address;
use crate::failures::Failures;
use crate::word::{join, split};

/// How many words it takes.
pub const WORDS: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Whose it is, if it is taken.
    pub address: Option<Address>,
    /// The first place of the chain that has this number, whatever is in this place.
    pub first: u32,
    /// The next place in the chain that this one is in.
    pub next: u32,
    /// The neighbours in the queue, if there are no sessions.
    pub older: u32,
    pub younger: u32,
    pub sessions: u32,
    pub failures: Failures,
}

impl Place {
    pub fn from_words(
        &[address, chain, queue, counts, last, scheduled, a, b, c, d]: &[u64; WORDS],
    ) -> Self {
        let [first, next] = split(chain);
        let [older, younger] = split(queue);
        let [sessions, count] = split(counts);
        let failures = Failures { count, last, scheduled, pairs: [a, b, c, d] };
        let address = Address::from_word(address);
        Self { address, first, next, older, younger, sessions, failures }
    }

    pub fn words(&self) -> [u64; WORDS] {
        let address = self.address.map_or(0, Address::word);
        let chain = join([self.first, self.next]);
        let queue = join([self.older, self.younger]);
        let Failures { count, last, scheduled, pairs: [a, b, c, d] } = self.failures;
        let counts = join([self.sessions, count]);
        [address, chain, queue, counts, last, scheduled, a, b, c, d]
    }
}
