//! The buffer that nginx's proxy module relays client bytes through after the
//! login (ngx_mail_proxy_handler()).

use core::mem::size_of;

use nginx_sys::ngx_buf_t;

use super::NoMemory;
use super::conf::page_size;
use super::heap::Bytes;
use super::log::Log;

/// An `ngx_buf_t` and its memory in one block.
pub struct Relay {
    /// Its memory starts with an `ngx_buf_t` whose pointers stay within the
    /// rest. As nginx keeps them, no reference is made to it, only pointers.
    block: Bytes,
}

impl Relay {
    /// Takes a buffer of a page at least that holds `input`, what the client
    /// has sent ahead of the login's outcome.
    pub fn new(input: &[u8], log: Log<'_>) -> Result<Self, NoMemory> {
        let size = input.len().max(page_size());
        let block =
            Bytes::with_capacity(size.checked_add(size_of::<ngx_buf_t>()).ok_or(NoMemory)?, log)?;

        let mut relay = Self { block };
        let buf = relay.buf();
        // SAFETY: the block starts with zeroed room for an ngx_buf_t, aligned
        // for any type, and has `size` bytes behind it; `input` fits in them.
        unsafe {
            let start = buf.add(1).cast::<u8>();
            start.copy_from_nonoverlapping(input.as_ptr(), input.len());
            (*buf).start = start;
            (*buf).pos = start;
            (*buf).last = start.add(input.len());
            (*buf).end = start.add(size);
            (*buf).set_temporary(1);
        }

        Ok(relay)
    }

    /// What stands in the buffer.
    pub fn bytes(&mut self) -> &[u8] {
        let buf = self.buf();
        // SAFETY: nginx moves `pos` and `last` within the buffer only, `pos`
        // up to `last`.
        unsafe {
            let length = (*buf).last.offset_from((*buf).pos);
            core::slice::from_raw_parts((*buf).pos, usize::try_from(length).unwrap_or(0))
        }
    }

    /// nginx's pointer.
    pub fn buf(&mut self) -> *mut ngx_buf_t {
        self.block.as_mut_ptr().cast()
    }
}
