//! Failed logins of an address, and the delay that comes of them.

use core::mem::swap;

/// For how long failures are kept, in milliseconds from the last one.
pub const FORGOTTEN_AFTER: u64 = 30 * 60 * 1000;

/// The delay after one failure; each further one doubles it.
const FIRST_DELAY: u64 = 1000;

/// When the credentials of an attempt may be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// At once.
    Now,
    /// In so many milliseconds.
    After(u64),
    /// Not while the session may wait.
    TooLate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    pub count: u32,
    /// When the last one was.
    pub last: u64,
    /// When the last attempt may be checked.
    pub scheduled: u64,
    /// The last ones that differ, the last one first; `count` of them, if that is less.
    pub pairs: [u64; 4],
}

impl Failures {
    /// Adds one, unless its pair is known.
    pub fn add(&mut self, now: u64, pair: u64) {
        self.forget_old(now);

        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if !self.pairs.iter().take(count).any(|&known| known == pair) {
            self.count = self.count.saturating_add(1);
        }
        self.last = now;
        self.put_first(pair);
    }

    /// Gives an attempt its turn, behind that of the last one. One that cannot wait for it
    /// takes none, so those who wait are no more than their sessions may last.
    pub fn attempt(&mut self, now: u64, most: u64, left: u64) -> Attempt {
        self.forget_old(now);
        if self.count == 0 {
            return Attempt::Now;
        }

        let scheduled = self.scheduled.max(now).saturating_add(self.delay(most));
        let after = scheduled.saturating_sub(now);
        if after > left {
            return Attempt::TooLate;
        }
        self.scheduled = scheduled;
        Attempt::After(after)
    }

    fn delay(&self, most: u64) -> u64 {
        let doubled = 2_u64.saturating_pow(self.count.saturating_sub(1));
        FIRST_DELAY.saturating_mul(doubled).min(most)
    }

    fn forget_old(&mut self, now: u64) {
        if now.saturating_sub(self.last) >= FORGOTTEN_AFTER {
            *self = Self::default();
        }
    }

    /// Those before the place that it had, or all, go one further.
    fn put_first(&mut self, pair: u64) {
        let mut before = pair;
        for known in &mut self.pairs {
            swap(known, &mut before);
            if before == pair {
                break;
            }
        }
    }
}
