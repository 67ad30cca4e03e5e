//! The memory that a backend's bytes pass through on their way to a client, once nginx
//! relays (`buffer` of its ngx_mail_proxy_ctx_t).
//!
//! nginx has a buffer for each session (`proxy_buffer`), which is small for a mailbox
//! and idle most of the time. Here it is one of the worker's, and large; what a client does
//! not take at once is moved to memory of the session's.

use core::cell::UnsafeCell;
use core::ptr;

use nginx_sys::{ngx_buf_t, ngx_pfree, ngx_pool_t};

use crate::error::NoMemory;
use crate::heap::Bytes;

/// How much of what a backend sends nginx reads in one go, in bytes.
const ROOM: usize = 32 * 1024;

/// The same where it stays in memory of the session's.
const OWN_ROOM: usize = 4 * 1024;

struct Passage(UnsafeCell<[u8; ROOM]>);

// SAFETY: nginx has one thread. Nothing refers to the memory: it is reached by pointers,
// from the time that bytes of a session are read until they have been sent or moved, which
// is within one call of nginx's handler: nothing is read into it while the client's
// connection is not ready for a send, and nobody keeps a pointer to what was sent.
unsafe impl Sync for Passage {}

static PASSAGE: Passage = Passage(UnsafeCell::new([0; ROOM]));

/// Where nginx's buffer of a session is.
pub(crate) struct Memory {
    /// In these bytes, which the client has not taken; else in the worker's memory.
    kept: Option<Bytes>,
    /// Whether it is there whatever the client takes: see [`stay`].
    stays: bool,
}

impl Memory {
    /// In the worker's memory.
    pub const fn new() -> Self {
        Self { kept: None, stays: false }
    }

    /// Whether the buffer stays where it is.
    pub const fn stays(&self) -> bool {
        self.stays
    }
}

/// Has nginx's buffer be in the worker's memory, in place of that which it was made with.
///
/// # Safety
///
/// The buffer is live and empty, and its memory, if there is any, of the pool.
pub(crate) unsafe fn take_over(buffer: *mut ngx_buf_t, pool: *mut ngx_pool_t) {
    // SAFETY: the caller's promise; memory that the pool cannot give back, it keeps.
    unsafe {
        ngx_pfree(pool, (*buffer).start.cast());
        lend(buffer, 0);
    }
}

/// Has the buffer stay in memory of the session's, as it has to where bytes may wait behind
/// a send for others than [`go_on`] to know.
///
/// # Errors
///
/// There is no memory.
///
/// # Safety
///
/// [`take_over`] was called for the buffer, which is live and empty, and `memory` is its
/// session's, still the worker's.
pub(crate) unsafe fn stay(buffer: *mut ngx_buf_t, memory: &mut Memory) -> Result<(), NoMemory> {
    let mut own = Bytes::with_capacity(OWN_ROOM)?;
    // SAFETY: the caller's promise. `memory` keeps the bytes as long as the session.
    unsafe {
        (*buffer).start = own.as_mut_ptr();
        (*buffer).pos = (*buffer).start;
        (*buffer).last = (*buffer).start;
        (*buffer).end = (*buffer).start.add(OWN_ROOM);
    }
    *memory = Memory { kept: Some(own), stays: true };
    Ok(())
}

/// Goes on behind a send: `sent` bytes of the buffer's have gone. What is left is moved to
/// the session's memory, unless it is there; and if nothing is, that is given back. Gives
/// whether nginx is still to count what has gone.
///
/// # Errors
///
/// There is no memory.
///
/// # Safety
///
/// [`take_over`] was called for the buffer, which is live, and is where `memory`, its
/// session's, says.
pub(crate) unsafe fn go_on(
    buffer: *mut ngx_buf_t,
    sent: usize,
    memory: &mut Memory,
) -> Result<bool, NoMemory> {
    if memory.stays {
        return Ok(true);
    }
    // SAFETY: the caller's promise. nginx has read what is between `pos` and `last`.
    unsafe {
        let left = (*buffer).last.addr().saturating_sub((*buffer).pos.addr());
        match memory.kept {
            Some(_) if sent == left => {
                lend(buffer, sent);
                memory.kept = None;
            }
            None if sent < left => {
                let rest = left.saturating_sub(sent);
                let bytes = ptr::slice_from_raw_parts((*buffer).pos.add(sent), rest);
                let mut kept = Bytes::copy_of(&*bytes)?;
                (*buffer).start = kept.as_mut_ptr();
                (*buffer).pos = (*buffer).start;
                (*buffer).last = (*buffer).start.add(rest);
                (*buffer).end = (*buffer).last;
                memory.kept = Some(kept);
                return Ok(false);
            }
            _ => {}
        }
    }
    Ok(true)
}

/// Has the buffer be in the worker's memory, with so many bytes, which are nobody's.
///
/// # Safety
///
/// It is live, and the bytes are no more than [`ROOM`].
unsafe fn lend(buffer: *mut ngx_buf_t, length: usize) {
    let start = PASSAGE.0.get().cast::<u8>();
    // SAFETY: the caller's promise.
    unsafe {
        (*buffer).start = start;
        (*buffer).pos = start;
        (*buffer).last = start.add(length);
        (*buffer).end = start.add(ROOM);
    }
}
