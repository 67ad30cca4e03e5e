//! Memory that all sessions of a worker share, one after the other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::NoMemory;
use super::heap::Bytes;
use super::log::Log;

/// What is sent to a client in one go, in bytes.
pub const OUTPUT: usize = 16 * 1024;

struct Shared {
    /// Whether a [`Lease`] is out.
    taken: AtomicBool,
    scratch: UnsafeCell<Scratch>,
}

/// Room for the bytes of one event.
struct Scratch {
    /// Made on first use; as large as any server's lines have needed yet.
    input: Option<Bytes>,
    output: [u8; OUTPUT],
}

// SAFETY: `taken` lets only one Lease at a time reach the scratch memory.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    taken: AtomicBool::new(false),
    scratch: UnsafeCell::new(Scratch { input: None, output: [0; OUTPUT] }),
};

/// The right to use the scratch memory.
pub struct Lease(());

impl Lease {
    /// Takes the memory, with room for `input` bytes of input.
    ///
    /// # Errors
    ///
    /// There is no memory for as much; or it is in use, which would be an
    /// event handled inside of another and does not happen in nginx.
    pub fn take(input: usize, log: Log<'_>) -> Result<Self, NoMemory> {
        if SHARED.taken.swap(true, Ordering::Acquire) {
            return Err(NoMemory);
        }

        let mut lease = Self(());
        let scratch = lease.scratch();
        if scratch.input.as_ref().is_none_or(|bytes| bytes.capacity() < input) {
            scratch.input = None;
            scratch.input = Some(Bytes::with_capacity(input, log)?);
        }

        Ok(lease)
    }

    /// Gives the memory for input, which holds anything, and for output.
    pub fn memory(&mut self) -> (&mut [u8], &mut [u8]) {
        let scratch = self.scratch();
        let input = scratch.input.as_mut().map(|bytes| {
            bytes.clear();
            bytes.room()
        });

        (input.unwrap_or_default(), &mut scratch.output)
    }

    const fn scratch(&mut self) -> &mut Scratch {
        // SAFETY: there is no other Lease, and `&mut self`.
        unsafe { &mut *SHARED.scratch.get() }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        SHARED.taken.store(false, Ordering::Release);
    }
}
