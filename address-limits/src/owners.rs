//! The processes that have sessions.

use crate::word::index;

/// How many there may be, those that end after a reload with the others.
pub const MAX_OWNERS: usize = 512;

/// The mark of one that is dead: no id.
const DEAD: u64 = u64::MAX;

/// A process. Its number is from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

pub struct Owners<'a> {
    /// The ids of those that there are; 0 is none, or [`DEAD`].
    pids: &'a mut [u64; MAX_OWNERS],
}

impl Owner {
    pub(crate) const fn number(self) -> u32 {
        self.0
    }
}

impl<'a> Owners<'a> {
    pub const fn new(pids: &'a mut [u64; MAX_OWNERS]) -> Self {
        Self { pids }
    }

    pub fn add(&mut self, pid: u32) -> Option<Owner> {
        let (number, free) = (1..).zip(self.pids.iter_mut()).find(|(_, pid)| **pid == 0)?;
        *free = pid.into();
        Some(Owner(number))
    }

    pub fn remove(&mut self, owner: Owner) {
        if let Some(pid) = owner.0.checked_sub(1).and_then(|at| self.pids.get_mut(index(at))) {
            *pid = 0;
        }
    }

    /// Marks those that are not alive; gives whether there are any marks. Who ends before
    /// they are [removed](Self::remove_dead) leaves them to the next one.
    pub fn mark_dead(&mut self, mut alive: impl FnMut(u32) -> bool) -> bool {
        let mut found = false;
        for pid in self.pids.iter_mut().filter(|pid| **pid != 0) {
            if !u32::try_from(*pid).is_ok_and(&mut alive) {
                *pid = DEAD;
                found = true;
            }
        }
        found
    }

    pub fn remove_dead(&mut self) {
        self.pids.iter_mut().filter(|pid| **pid == DEAD).for_each(|pid| *pid = 0);
    }

    pub fn has(&self, number: u32) -> bool {
        let pid = number.checked_sub(1).and_then(|at| self.pids.get(index(at)));
        pid.is_some_and(|pid| !matches!(*pid, 0 | DEAD))
    }
}
