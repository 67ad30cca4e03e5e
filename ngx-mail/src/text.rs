//! Texts that belong to a configuration.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{ngx_array_push, ngx_array_t, ngx_str_t};

use crate::error::NoMemory;

/// Bytes that stay as long as the configuration that they are of. It has no way
/// out of there: as it is neither `Send` nor `Sync`, no static can hold it, and a
/// configuration outlives its sessions. (`thread_local!` could, but is of `std`, which
/// [`module!`](crate::module!) leaves no room for where a panic aborts.)
#[derive(Clone, Copy)]
pub struct Text {
    /// Live as long as the configuration, and never written to.
    raw: ngx_str_t,
    kept: PhantomData<*const u8>,
}

impl Default for Text {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Text {
    /// A text without a byte.
    pub const EMPTY: Self = Self::fixed(b"");

    /// A text that is part of the program.
    pub const fn fixed(bytes: &'static [u8]) -> Self {
        let raw = ngx_str_t { data: bytes.as_ptr().cast_mut(), len: bytes.len() };
        Self { raw, kept: PhantomData }
    }

    /// # Safety
    ///
    /// The bytes stay as long as the configuration, and nothing writes to them.
    pub(crate) const unsafe fn from_raw(raw: ngx_str_t) -> Self {
        Self { raw, kept: PhantomData }
    }

    /// nginx's form of it; nothing writes to the bytes.
    pub(crate) const fn as_raw(self) -> ngx_str_t {
        self.raw
    }

    /// The same without its last byte, which stays where it is.
    pub(crate) const fn without_last(mut self) -> Self {
        self.raw.len = self.raw.len.saturating_sub(1);
        self
    }

    /// What is behind its first bytes, if it begins with these.
    pub fn behind(mut self, prefix: &[u8]) -> Option<Self> {
        self.raw.len = self.as_bytes().strip_prefix(prefix)?.len();
        self.raw.data = self.raw.data.wrapping_add(prefix.len());
        Some(self)
    }

    /// The bytes.
    #[inline]
    pub const fn as_bytes(&self) -> &[u8] {
        if self.raw.len == 0 {
            return &[];
        }
        // SAFETY: the invariant.
        unsafe { slice::from_raw_parts(self.raw.data, self.raw.len) }
    }
}

/// A list of [`Text`]s.
pub struct Texts {
    /// An array of ngx_str_t, live as long as the configuration.
    array: NonNull<ngx_array_t>,
}

impl Texts {
    /// # Safety
    ///
    /// `array` is one of ngx_str_t, which nothing else uses, and stays as long as
    /// the configuration. What is put into it does, too.
    pub(crate) const unsafe fn from_raw(array: NonNull<ngx_array_t>) -> Self {
        Self { array }
    }

    /// Adds a text at the end.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn push(&mut self, text: Text) -> Result<(), NoMemory> {
        // SAFETY: the invariant.
        let place = unsafe { ngx_array_push(self.array.as_ptr()) };
        let place = NonNull::new(place.cast::<ngx_str_t>()).ok_or(NoMemory)?;
        // SAFETY: ngx_array_push() gives the place of a new element.
        unsafe { place.write(text.as_raw()) };

        Ok(())
    }

    /// The texts' bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        // SAFETY: the invariant; nothing is pushed while `self` is borrowed.
        let texts = unsafe { self.array.as_ref().as_slice::<ngx_str_t>() };
        texts.iter().map(ngx_str_t::as_bytes)
    }
}

/// A text as nginx's tables have it; the NUL behind it is for strcmp().
pub(crate) const fn string(text: &'static CStr) -> ngx_str_t {
    ngx_str_t { data: text.as_ptr().cast_mut().cast(), len: text.count_bytes() }
}
