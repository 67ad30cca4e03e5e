//! The block of memory, and what is asked of it.

use crate::failures::Failures;
use crate::owners::{Owner, Owners};
use crate::place::WORDS;
use crate::places::Places;
use crate::sessions::{Session, Sessions};
use crate::{Address, Attempt};

/// What a block begins with that can be used, but for its length.
const FORMAT: u64 = u64::from_be_bytes(*b"limits 1");

/// Slots for sessions, for each place: an address may have more than that as long as others
/// have fewer.
const SLOTS: usize = 4;

/// One of them is of no address.
const MIN_PLACES: usize = 2;

/// How many places can be told by numbers of 32 bits, and all the slots, too.
const MAX_PLACES: usize = 1 << 29;

/// What becomes of a session that begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is counted, until [`Limits::leave`].
    Counted(Session),
    /// The address has as many as it may, without this one.
    TooMany,
    /// There is no room. It may go on, and has nothing to leave.
    Uncounted,
}

/// A block, by who has the lock of it. Time is in milliseconds, by a clock that all have in
/// common.
pub struct Limits<'a> {
    key: [u64; 2],
    owners: Owners<'a>,
    places: Places<'a>,
    sessions: Sessions<'a>,
}

impl<'a> Limits<'a> {
    /// Makes a block of memory that may hold anything, if it is large enough. The key is to
    /// be random.
    pub fn format(words: &'a mut [u64], [first, second]: [u64; 2]) -> Option<Self> {
        words.fill(0);
        let format = format_of(words);
        *words.first_chunk_mut()? = [format, first, second];

        let mut limits = Self::open(words)?;
        limits.repair();
        Some(limits)
    }

    /// Takes a block that [`format`](Self::format) has made.
    pub fn open(words: &'a mut [u64]) -> Option<Self> {
        let expected = format_of(words);
        let (&mut [format, first, second], words) = words.split_first_chunk_mut()?;
        let (pids, words) = words.split_first_chunk_mut()?;

        let count = (words.len() / (WORDS + SLOTS)).min(MAX_PLACES);
        if format != expected || count < MIN_PLACES {
            return None;
        }
        let (places, words) = words.split_at_mut_checked(count.checked_mul(WORDS)?)?;
        let (slots, _) = words.split_at_mut_checked(count.checked_mul(SLOTS)?)?;
        Some(Self {
            key: [first, second],
            owners: Owners::new(pids),
            places: Places::new(places, u32::try_from(count).ok()?, second),
            sessions: Sessions::new(slots),
        })
    }

    /// The key of the block, for [`pair`](crate::pair).
    pub const fn key(&self) -> [u64; 2] {
        self.key
    }

    /// Adds a process by its id (not 0), once in its life, after
    /// [`reclaim_dead`](Self::reclaim_dead): who had that id before it is dead. Without an
    /// owner no session can be counted.
    pub fn register(&mut self, pid: u32, mut alive: impl FnMut(u32) -> bool) -> Option<Owner> {
        self.reclaim_dead(|other| other != pid && alive(other));
        self.owners.add(pid)
    }

    /// Takes out those processes that are not alive, and their sessions. If there are any, all
    /// that ties the block together is made anew, as the lock may have been theirs. Which of
    /// the idle addresses is the oldest is lost by that.
    pub fn reclaim_dead(&mut self, alive: impl FnMut(u32) -> bool) {
        if self.owners.mark_dead(alive) {
            self.repair();
            self.owners.remove_dead();
        }
    }

    /// Takes out a process that ends, and the sessions that it still has.
    pub fn release(&mut self, owner: Owner) {
        for session in self.sessions.all() {
            self.leave(session, owner);
        }
        self.owners.remove(owner);
    }

    /// Begins a session of an address, which may have so many.
    pub fn enter(&mut self, address: Address, owner: Owner, limit: Option<u32>) -> Entered {
        if limit.is_some_and(|limit| self.sessions(address) >= limit) {
            return Entered::TooMany;
        }
        self.count(address, owner).map_or(Entered::Uncounted, Entered::Counted)
    }

    /// Ends a session, which its owner has begun.
    pub fn leave(&mut self, session: Session, owner: Owner) {
        if let Some(at) = self.sessions.end(session, owner) {
            self.places.change(at, |place| place.sessions = place.sessions.saturating_sub(1));
        }
    }

    /// Asks when the credentials of a login may be checked. The delay is at most `most`, and
    /// the session has `left`.
    pub fn attempt(&mut self, address: Address, now: u64, most: u64, left: u64) -> Attempt {
        match self.places.find(address) {
            Some(at) => self.places.change(at, |place| place.failures.attempt(now, most, left)),
            None => Attempt::Now,
        }
    }

    /// Notes that a login has failed, by this [`pair`](crate::pair). If each place has
    /// sessions of other addresses, it is not noted.
    pub fn failed(&mut self, address: Address, now: u64, pair: u64) {
        if let Some(at) = self.places.find(address).or_else(|| self.places.take(address)) {
            self.places.change(at, |place| place.failures.add(now, pair));
        }
    }

    /// Notes that a login has succeeded: the failures are forgotten.
    pub fn succeeded(&mut self, address: Address) {
        if let Some(at) = self.places.find(address) {
            self.places.change(at, |place| place.failures = Failures::default());
        }
    }

    /// How many sessions an address has.
    pub fn sessions(&self, address: Address) -> u32 {
        self.places.find(address).map_or(0, |at| self.places.get(at).sessions)
    }

    /// How many failed logins an address has.
    pub fn failures(&self, address: Address) -> u32 {
        self.places.find(address).map_or(0, |at| self.places.get(at).failures.count)
    }

    /// How many addresses there is room for.
    pub const fn capacity(&self) -> u32 {
        self.places.capacity()
    }

    fn count(&mut self, address: Address, owner: Owner) -> Option<Session> {
        // Nobody is to lose a place for nothing.
        if !self.sessions.has_room() {
            return None;
        }
        let at = self.places.find(address).or_else(|| self.places.take(address))?;
        self.places.change(at, |place| place.sessions = place.sessions.saturating_add(1));
        self.sessions.begin(owner, at)
    }

    /// Makes all the rest anew of the owners, the addresses with their failures, and where
    /// each session is.
    fn repair(&mut self) {
        let Self { owners, places, sessions, .. } = self;
        places.link_all();
        sessions.retain(|owner, at| {
            let address = places.get(at).address.filter(|_| owners.has(owner))?;
            let at = places.find(address)?;
            places.update(at, |place| place.sessions = place.sessions.saturating_add(1));
            Some(at)
        });
        places.queue_all();
    }
}

/// What a block begins with that can be used: it has this length.
fn format_of(words: &[u64]) -> u64 {
    FORMAT ^ u64::try_from(words.len()).unwrap_or(u64::MAX)
}
