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
pub const ROOM: usize = 32 * 1024;

struct Passage(UnsafeCell<[u8; ROOM]>);

// SAFETY: nginx has one thread. Nothing refers to the memory: it is reached by pointers,
// from the time that bytes of a session are read until they have been sent or moved, which
// is within one call of nginx's handler.
unsafe impl Sync for Passage {}

static PASSAGE: Passage = Passage(UnsafeCell::new([0; ROOM]));

/// Has nginx's buffer be in the worker's memory, in place of that which it was made with.
///
/// # Safety
///
/// The buffer is live and empty, and its memory, if there is any, of the pool.
pub unsafe fn take_over(buffer: *mut ngx_buf_t, pool: *mut ngx_pool_t) {
    // SAFETY: the caller's promise; memory that the pool cannot give back, it keeps.
    unsafe {
        ngx_pfree(pool, (*buffer).start.cast());
        lend(buffer, 0);
    }
}

/// Goes on behind a send: `sent` bytes of the buffer's have gone, which nginx is still to
/// count. What is left is moved to the session's memory, `kept`, unless it is there; and if
/// nothing is, that is given back.
///
/// # Errors
///
/// There is no memory.
///
/// # Safety
///
/// [`take_over`] was called for the buffer, which is live; `kept` is its session's, and has
/// been written to by nothing else.
pub unsafe fn go_on(
    buffer: *mut ngx_buf_t,
    sent: usize,
    kept: &mut Option<Bytes>,
) -> Result<(), NoMemory> {
    // SAFETY: the caller's promise. nginx has read what is between `pos` and `last`.
    unsafe {
        let left = (*buffer).last.addr().saturating_sub((*buffer).pos.addr());
        match kept {
            Some(_) if sent == left => {
                lend(buffer, sent);
                *kept = None;
            }
            None if sent < left => {
                let bytes = ptr::slice_from_raw_parts((*buffer).pos, left);
                let moved = kept.insert(Bytes::copy_of(&*bytes)?).as_mut_ptr();
                (*buffer).start = moved;
                (*buffer).pos = moved;
                (*buffer).last = moved.add(left);
                (*buffer).end = (*buffer).last;
            }
            _ => {}
        }
    }
    Ok(())
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
