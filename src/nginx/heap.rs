//! Memory of a session that comes and goes with need. nginx's pools give
//! memory back only with the connection, so this comes from the heap.

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{explicit_bzero, free, ngx_alloc, ngx_calloc};

use super::NoMemory;
use super::log::Log;

/// Bytes on the heap, wiped before they are given back. One pointer wide.
pub struct Bytes {
    /// A live block of `Header` and `capacity` bytes, all initialized, that
    /// nothing else refers to; `length` is at most `capacity`.
    block: NonNull<Header>,
}

/// 0, but in the build by which tools/sanitize shows that it finds more.
const OVERREAD: usize = if cfg!(overread) { 1 } else { 0 };

struct Header {
    length: usize,
    capacity: usize,
}

impl Bytes {
    /// Takes room for `capacity` bytes.
    pub fn with_capacity(capacity: usize, log: Log<'_>) -> Result<Self, NoMemory> {
        let size = size_of::<Header>().checked_add(capacity).ok_or(NoMemory)?;
        // SAFETY: ngx_calloc() takes any size and a live log.
        let block = NonNull::new(unsafe { ngx_calloc(size, log.as_ptr()) }).ok_or(NoMemory)?.cast();
        // SAFETY: the block is new, of `size` zeroed bytes, and malloc() aligns
        // it for any type.
        unsafe { block.write(Header { length: 0, capacity }) };

        Ok(Self { block })
    }

    /// Takes a copy of `bytes`.
    pub fn copy_of(bytes: &[u8], log: Log<'_>) -> Result<Self, NoMemory> {
        let capacity = bytes.len();
        let size = size_of::<Header>().checked_add(capacity).ok_or(NoMemory)?;
        // Not ngx_calloc(): of memory that is written to anyway, the C library
        // has some sooner at hand.
        // SAFETY: ngx_alloc() takes any size and a live log.
        let block = NonNull::new(unsafe { ngx_alloc(size, log.as_ptr()) }).ok_or(NoMemory)?.cast();
        // SAFETY: the block is new, of `size` bytes, and malloc() aligns it for
        // any type.
        unsafe {
            block.write(Header { length: capacity, capacity });
            let data = block.add(1).cast::<u8>().as_ptr();
            data.copy_from_nonoverlapping(bytes.as_ptr(), capacity);
        }

        Ok(Self { block })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        let length = self.header().length.saturating_add(OVERREAD);
        // SAFETY: the block's invariant; OVERREAD breaks it in no build but the
        // one that is to be found at fault.
        unsafe { slice::from_raw_parts(self.data(), length) }
    }

    /// The room behind the bytes.
    pub fn room(&mut self) -> &mut [u8] {
        let Header { length, capacity } = *self.header();
        // SAFETY: the block's invariant, and `&mut self`.
        unsafe {
            slice::from_raw_parts_mut(self.data().add(length), capacity.saturating_sub(length))
        }
    }

    /// Counts the first `count` bytes of the room as bytes.
    pub fn grow(&mut self, count: usize) {
        let Header { length, capacity } = *self.header();
        let length = length.saturating_add(count).min(capacity);
        // SAFETY: the block's invariant, and `&mut self`.
        unsafe { (*self.block.as_ptr()).length = length };
    }

    /// How many bytes there is room for in all.
    pub const fn capacity(&self) -> usize {
        self.header().capacity
    }

    /// Takes all bytes away, which makes them room.
    pub const fn clear(&mut self) {
        // SAFETY: the block's invariant, and `&mut self`.
        unsafe { (*self.block.as_ptr()).length = 0 };
    }

    /// Adds bytes at the end; nothing is added if there is no room for all.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), NoMemory> {
        let room = self.room().get_mut(..bytes.len()).ok_or(NoMemory)?;
        room.copy_from_slice(bytes);
        self.grow(bytes.len());

        Ok(())
    }

    const fn header(&self) -> &Header {
        // SAFETY: the block's invariant.
        unsafe { self.block.as_ref() }
    }

    /// A pointer to the bytes, through which they may be written to.
    pub const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.data()
    }

    const fn data(&self) -> *mut u8 {
        // SAFETY: the block's invariant: the bytes follow the header.
        unsafe { self.block.as_ptr().add(1).cast() }
    }
}

impl Drop for Bytes {
    #[inline(never)]
    fn drop(&mut self) {
        let capacity = self.header().capacity;
        // SAFETY: the block's invariant; it came from malloc() and is not used
        // again.
        unsafe {
            explicit_bzero(self.data().cast::<c_void>(), capacity);
            free(self.block.as_ptr().cast());
        }
    }
}
