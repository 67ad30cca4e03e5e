//! The buffer that nginx's proxy module relays client bytes through after the
//! login (ngx_mail_proxy_handler()).

use core::mem::{self, size_of};
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{explicit_bzero, free, ngx_alloc, ngx_buf_t};

use super::NoMemory;
use super::conf::page_size;
use super::log::Log;

/// An `ngx_buf_t` and its memory in one block.
pub struct Relay {
    /// A live block from malloc(): an `ngx_buf_t`, and the memory from its
    /// `start` to its `end`, of which what is between `pos` and `last` is
    /// initialized. As nginx keeps the pointer, no reference is made to it.
    buf: NonNull<ngx_buf_t>,
    /// How many bytes the client had sent ahead.
    ahead: usize,
}

impl Relay {
    /// Takes a buffer of a page at least that holds `input`, what the client
    /// has sent ahead of the login's outcome.
    pub fn new(input: &[u8], log: Log<'_>) -> Result<Self, NoMemory> {
        let room = input.len().max(page_size());
        let size = room.checked_add(size_of::<ngx_buf_t>()).ok_or(NoMemory)?;
        // SAFETY: ngx_alloc() takes any size and a live log.
        let block = unsafe { ngx_alloc(size, log.as_ptr()) };
        let buf = NonNull::new(block).ok_or(NoMemory)?.cast::<ngx_buf_t>();

        // SAFETY: the block is new, aligned for any type, and has `room` bytes
        // behind an ngx_buf_t, of which all zeros are a valid value.
        unsafe {
            let start = buf.add(1).cast::<u8>().as_ptr();
            start.copy_from_nonoverlapping(input.as_ptr(), input.len());
            let mut fields: ngx_buf_t = mem::zeroed();
            fields.start = start;
            fields.pos = start;
            fields.last = start.add(input.len());
            fields.end = start.add(room);
            fields.set_temporary(1);
            buf.write(fields);
        }

        Ok(Self { buf, ahead: input.len() })
    }

    /// What stands in the buffer.
    pub fn bytes(&mut self) -> &[u8] {
        // SAFETY: nginx moves `pos` and `last` within the buffer only, `pos`
        // up to `last`, and initializes what it moves `last` over.
        unsafe {
            let buf = self.buf.as_ptr();
            let length = (*buf).last.offset_from((*buf).pos);
            slice::from_raw_parts((*buf).pos, usize::try_from(length).unwrap_or(0))
        }
    }

    /// nginx's pointer.
    pub const fn as_ptr(&self) -> *mut ngx_buf_t {
        self.buf.as_ptr()
    }
}

impl Drop for Relay {
    /// A password may be in what was sent ahead. What follows a login is none.
    fn drop(&mut self) {
        // SAFETY: the block's invariant; it came from malloc() and is not used
        // again.
        unsafe {
            explicit_bzero((*self.buf.as_ptr()).start.cast(), self.ahead);
            free(self.buf.as_ptr().cast());
        }
    }
}
