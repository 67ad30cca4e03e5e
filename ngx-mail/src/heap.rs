//! Memory of a session that comes and goes with need. nginx's pools give
//! memory back only with the connection, so this comes from malloc(), as that of
//! ngx_alloc() does.

use core::ffi::c_void;
use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{explicit_bzero, free, malloc, max_align_t};

use crate::error::NoMemory;

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
    /// Takes room for `capacity` bytes, which are zeroed.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn with_capacity(capacity: usize) -> Result<Self, NoMemory> {
        let mut bytes = Self::allocate(capacity)?;
        // SAFETY: the block is new, and has room for so many bytes.
        unsafe { bytes.data().write_bytes(0, capacity) };
        bytes.set_length(0);

        Ok(bytes)
    }

    /// Takes a copy of `bytes`.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn copy_of(bytes: &[u8]) -> Result<Self, NoMemory> {
        let copy = Self::allocate(bytes.len())?;
        // SAFETY: the block is new, and has room for so many bytes.
        unsafe { copy.data().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };

        Ok(copy)
    }

    /// Takes a block whose bytes are all counted, and still to be initialized.
    fn allocate(capacity: usize) -> Result<Self, NoMemory> {
        let size = size_of::<Header>().checked_add(capacity).ok_or(NoMemory)?;
        let size = size.try_into().map_err(|_| NoMemory)?;
        // SAFETY: malloc() takes any size.
        let block = NonNull::new(unsafe { malloc(size) }).ok_or(NoMemory)?.cast::<Header>();
        // SAFETY: the block is new, of `size` bytes, and malloc() aligns it for
        // any type.
        unsafe { block.write(Header { length: capacity, capacity }) };

        Ok(Self { block })
    }

    const fn set_length(&mut self, length: usize) {
        // SAFETY: the block's invariant, and `&mut self`.
        unsafe { (*self.block.as_ptr()).length = length };
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
        self.set_length(length.saturating_add(count).min(capacity));
    }

    /// Makes room for more bytes where there is none, up to so many in all.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn make_room(&mut self, most: usize) -> Result<(), NoMemory> {
        if self.room().is_empty() && self.capacity() < most {
            let mut larger = Self::with_capacity(most)?;
            larger.append(self.as_slice())?;
            *self = larger;
        }
        Ok(())
    }

    /// How many bytes there is room for in all.
    pub const fn capacity(&self) -> usize {
        self.header().capacity
    }

    /// Takes all bytes away, which makes them room.
    pub const fn clear(&mut self) {
        self.set_length(0);
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    ///
    /// There is no room for all, and none is added.
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

/// A value on the heap. One pointer wide.
pub struct Boxed<T> {
    /// A live block that holds a `T`, which nothing else refers to.
    block: NonNull<T>,
}

impl<T> Boxed<T> {
    // malloc() aligns for any type of C.
    const ALIGNED: () = assert!(align_of::<T>() <= align_of::<max_align_t>());

    /// Takes memory for the value.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn new(value: T) -> Result<Self, NoMemory> {
        let () = Self::ALIGNED;
        // One byte at least: malloc() may give null for none.
        let size = size_of::<T>().max(1).try_into().map_err(|_| NoMemory)?;
        // SAFETY: malloc() takes any size.
        let block = NonNull::new(unsafe { malloc(size) }).ok_or(NoMemory)?.cast::<T>();
        // SAFETY: the block is new, and has the size and the alignment.
        unsafe { block.write(value) };

        Ok(Self { block })
    }
}

impl<T> Deref for Boxed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the block's invariant.
        unsafe { self.block.as_ref() }
    }
}

impl<T> DerefMut for Boxed<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the block's invariant, and `&mut self`.
        unsafe { self.block.as_mut() }
    }
}

impl<T> Drop for Boxed<T> {
    fn drop(&mut self) {
        // SAFETY: the block's invariant; it came from malloc() and is not used again.
        unsafe {
            self.block.drop_in_place();
            free(self.block.as_ptr().cast());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_within_their_room() {
        let mut bytes = Bytes::with_capacity(4).unwrap();
        assert_eq!(bytes.as_slice(), b"");
        assert_eq!(bytes.room().len(), 4);
        assert_eq!(bytes.append(b"abc"), Ok(()));
        assert_eq!(bytes.append(b"de"), Err(NoMemory));
        assert_eq!(bytes.as_slice(), b"abc");
        bytes.grow(100);
        assert_eq!(bytes.as_slice(), b"abc\0");
        assert!(bytes.room().is_empty());
        bytes.clear();
        assert_eq!((bytes.as_slice(), bytes.capacity()), (&b""[..], 4));
    }

    #[test]
    fn a_copy_has_no_room() {
        let mut copy = Bytes::copy_of(b"abc").unwrap();
        assert_eq!(copy.as_slice(), b"abc");
        assert!(copy.room().is_empty());
        assert_eq!(Bytes::copy_of(b"").unwrap().as_slice(), b"");
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        assert!(Bytes::with_capacity(usize::MAX).is_err());
        assert!(Bytes::with_capacity(usize::MAX / 2).is_err());
    }
}
