//! The table of addresses: a hash table with chains, and a queue of those places that may be
//! given to another address, for they have no sessions.
//!
//! Place 0 is of no address. It is both ends of the queue: the one younger than it is the
//! oldest of all, and the one older than it the youngest.

use core::iter::successors;

use crate::Address;
use crate::place::{Place, WORDS};
use crate::word::index;

pub struct Places<'a> {
    words: &'a mut [u64],
    count: u32,
    factor: u64,
}

impl<'a> Places<'a> {
    /// Takes the words of so many places, and a number that no client knows: it cannot
    /// choose addresses that are in one chain.
    pub const fn new(words: &'a mut [u64], count: u32, secret: u64) -> Self {
        Self { words, count, factor: secret | 1 }
    }

    /// How many addresses there is room for.
    pub const fn capacity(&self) -> u32 {
        self.count.saturating_sub(1)
    }

    /// What is in a place: nothing in one that is not there.
    pub fn get(&self, at: u32) -> Place {
        let words = self.words.chunks_exact(WORDS).nth(index(at)).and_then(<[u64]>::first_chunk);
        words.map(Place::from_words).unwrap_or_default()
    }

    /// Changes a place, and nothing of how it is tied to others.
    pub fn update<R>(&mut self, at: u32, update: impl FnOnce(&mut Place) -> R) -> R {
        let mut place = self.get(at);
        let result = update(&mut place);
        let words = self.words.chunks_exact_mut(WORDS).nth(index(at));
        if let Some(words) = words.and_then(<[u64]>::first_chunk_mut) {
            *words = place.words();
        }
        result
    }

    pub fn find(&self, address: Address) -> Option<u32> {
        self.chain(address).find(|&at| self.get(at).address == Some(address))
    }

    /// Gives an address the place of the oldest one. A change has to follow: nothing is kept
    /// of it yet.
    pub fn take(&mut self, address: Address) -> Option<u32> {
        let at = self.get(0).younger;
        // Whoever has sessions is not in the queue, unless that is half done.
        if at == 0 || self.get(at).sessions > 0 {
            return None;
        }
        self.forget(at);
        self.link(at, address);
        Some(at)
    }

    /// Changes what an address has. That makes it the youngest, and if nothing is left to be
    /// kept, its place is free.
    pub fn change<R>(&mut self, at: u32, change: impl FnOnce(&mut Place) -> R) -> R {
        if self.get(at).sessions == 0 {
            self.dequeue(at);
        }
        let result = self.update(at, change);
        self.settle(at);
        result
    }

    /// Ties the taken places into chains anew, whatever was there before, and takes all
    /// sessions from them. To be followed by [`queue_all`](Self::queue_all).
    pub fn link_all(&mut self) {
        for at in 0..self.count {
            self.update(at, |place| (place.first, place.next, place.sessions) = (0, 0, 0));
        }
        for at in 1..self.count {
            if let Some(address) = self.get(at).address.filter(|&it| self.find(it).is_none()) {
                self.link(at, address);
            }
        }
    }

    /// Puts those without sessions into the queue anew, in the order of their places. One
    /// whose address has another place, too, is free.
    pub fn queue_all(&mut self) {
        self.update(0, |ends| (ends.older, ends.younger) = (0, 0));
        for at in 1..self.count {
            if self.get(at).address.and_then(|address| self.find(address)) != Some(at) {
                self.update(at, |place| place.address = None);
            }
            self.settle(at);
        }
    }

    /// Puts a place that is not in the queue to where it belongs.
    fn settle(&mut self, at: u32) {
        let Place { address, sessions, failures, .. } = self.get(at);
        if sessions > 0 {
            return;
        }
        if address.is_some() && failures.count > 0 {
            self.queue_behind(self.get(0).older, at);
        } else {
            self.forget(at);
            self.queue_behind(0, at);
        }
    }

    /// Takes a place from its address.
    fn forget(&mut self, at: u32) {
        if let Some(address) = self.get(at).address {
            self.unlink(at, address);
        }
        self.update(at, |place| {
            place.address = None;
            place.failures = Default::default();
        });
    }

    /// The places of those addresses that have the same hash. A chain that is a circle ends
    /// nevertheless.
    fn chain(&self, address: Address) -> impl Iterator<Item = u32> {
        let first = self.get(self.chain_of(address)).first;
        successors(Some(first), |&at| Some(self.get(at).next))
            .take_while(|&at| at != 0)
            .take(index(self.count))
    }

    /// The number of its chain, by multiplicative hashing: the product's upper bits, as a
    /// part of so many.
    fn chain_of(&self, address: Address) -> u32 {
        let hash = u128::from(address.word().wrapping_mul(self.factor));
        let scaled = hash.wrapping_mul(self.count.into()) >> u64::BITS;
        u32::try_from(scaled).unwrap_or_default()
    }

    fn link(&mut self, at: u32, address: Address) {
        let chain = self.chain_of(address);
        let next = self.get(chain).first;
        self.update(at, |place| (place.address, place.next) = (Some(address), next));
        self.update(chain, |chain| chain.first = at);
    }

    fn unlink(&mut self, at: u32, address: Address) {
        let chain = self.chain_of(address);
        let next = self.get(at).next;
        let before = self.chain(address).find(|&before| self.get(before).next == at);
        match before {
            Some(before) => self.update(before, |place| place.next = next),
            None => self.update(chain, |chain| chain.first = next),
        }
    }

    fn queue_behind(&mut self, older: u32, at: u32) {
        let younger = self.get(older).younger;
        self.update(at, |place| (place.older, place.younger) = (older, younger));
        self.update(older, |place| place.younger = at);
        self.update(younger, |place| place.older = at);
    }

    fn dequeue(&mut self, at: u32) {
        let Place { older, younger, .. } = self.get(at);
        self.update(older, |place| place.younger = younger);
        self.update(younger, |place| place.older = older);
    }
}
