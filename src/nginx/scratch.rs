//! Memory that all sessions of a worker share, one after the other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::NoMemory;
use super::heap::Bytes;
use super::log::Log;
use crate::output::OUTPUT;
use crate::transfer::READ;

/// Room for input in bytes: what is read in one go behind an incomplete line of
/// the usual length. For a longer one there is memory of its own.
const INPUT: usize = 20 * 1024;

struct Shared {
    /// Whether a [`Lease`] is out.
    taken: AtomicBool,
    scratch: UnsafeCell<Scratch>,
}

/// Room for the bytes of one event.
struct Scratch {
    input: [u8; INPUT],
    output: [u8; OUTPUT],
}

// SAFETY: `taken` lets only one Lease at a time reach the scratch memory.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    taken: AtomicBool::new(false),
    scratch: UnsafeCell::new(Scratch { input: [0; INPUT], output: [0; OUTPUT] }),
};

/// The right to use the scratch memory.
pub struct Lease {
    /// Room for input that the scratch memory has not.
    large: Option<Bytes>,
}

impl Lease {
    /// Takes the memory. It is in use only if an event is handled inside of
    /// another, which does not happen in nginx.
    pub fn take() -> Option<Self> {
        // A worker has one thread.
        if SHARED.taken.load(Ordering::Relaxed) {
            return None;
        }
        SHARED.taken.store(true, Ordering::Relaxed);

        Some(Self { large: None })
    }

    /// Gives the memory for input, with room for what is held and [`READ`]
    /// bytes behind it, and the memory for output. The first holds anything.
    pub fn memory(
        &mut self,
        held: Option<&Bytes>,
        log: Log<'_>,
    ) -> Result<(&mut [u8], &mut [u8; OUTPUT]), NoMemory> {
        // SAFETY: there is no other Lease, and `&mut self`.
        let scratch = unsafe { &mut *SHARED.scratch.get() };
        let size = held.map_or(0, |held| held.as_slice().len()).saturating_add(READ);
        let input = match scratch.input.get_mut(..size) {
            Some(input) => input,
            None => self.large.insert(Bytes::with_capacity(size, log)?).room(),
        };

        Ok((input, &mut scratch.output))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        SHARED.taken.store(false, Ordering::Relaxed);
    }
}
