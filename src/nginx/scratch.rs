//! Memory that all sessions of a worker share, one after the other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::NoMemory;
use super::heap::Bytes;
use super::log::Log;
use crate::output::OUTPUT;

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
    /// Takes the memory, with room for `input` bytes of input.
    ///
    /// # Errors
    ///
    /// There is no memory for as much; or it is in use, which would be an
    /// event handled inside of another and does not happen in nginx.
    pub fn take(input: usize, log: Log<'_>) -> Result<Self, NoMemory> {
        let large = if input > INPUT { Some(Bytes::with_capacity(input, log)?) } else { None };

        // A worker has one thread.
        if SHARED.taken.load(Ordering::Relaxed) {
            return Err(NoMemory);
        }
        SHARED.taken.store(true, Ordering::Relaxed);
        Ok(Self { large })
    }

    /// Gives the memory for input, which holds anything, and for output.
    pub fn memory(&mut self) -> (&mut [u8], &mut [u8; OUTPUT]) {
        // SAFETY: there is no other Lease, and `&mut self`.
        let scratch = unsafe { &mut *SHARED.scratch.get() };
        let input = self.large.as_mut().map_or(&mut scratch.input[..], Bytes::room);

        (input, &mut scratch.output)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        SHARED.taken.store(false, Ordering::Relaxed);
    }
}
