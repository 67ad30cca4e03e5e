//! Memory that all sessions of a worker share, one after the other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::error::NoMemory;
use crate::heap::Bytes;

/// What is read from a client in one go, in bytes.
pub const READ: usize = 16 * 1024;

/// What is sent to a client in one go, in bytes.
pub const OUTPUT: usize = 16 * 1024;

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
        if SHARED.taken.swap(true, Ordering::Acquire) { None } else { Some(Self { large: None }) }
    }

    /// Gives the memory for input, with room for what is held and [`READ`]
    /// bytes behind it, and the memory for output. The first holds anything.
    ///
    /// # Errors
    ///
    /// There is no memory for what is held.
    pub fn memory(
        &mut self,
        held: Option<&Bytes>,
    ) -> Result<(&mut [u8], &mut [u8; OUTPUT]), NoMemory> {
        // SAFETY: `taken` was false when this Lease was made and is true until it
        // is dropped, so there is no other one; and `&mut self`.
        let scratch = unsafe { &mut *SHARED.scratch.get() };
        let size = held.map_or(0, |held| held.as_slice().len()).saturating_add(READ);
        let input = match scratch.input.get_mut(..size) {
            Some(input) => input,
            None => self.large.insert(Bytes::with_capacity(size)?).room(),
        };

        Ok((input, &mut scratch.output))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        SHARED.taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lease_at_a_time() {
        let mut lease = Lease::take().unwrap();
        assert!(Lease::take().is_none());
        assert!(Lease::take().is_none());
        assert!(lease.memory(None).unwrap().0.len() >= READ);

        let held = Bytes::copy_of(&[b'x'; 100_000]).unwrap();
        assert_eq!(lease.memory(Some(&held)).unwrap().0.len(), 100_000 + READ);

        drop(lease);
        assert!(Lease::take().is_some());
    }
}
