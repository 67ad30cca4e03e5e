//! What several servers of a configuration have in common.

use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{ngx_array_create, ngx_array_push, ngx_array_t};

use crate::bindings::NGX_RS_ALIGNMENT;
use crate::conf::Conf;
use crate::error::NoMemory;

/// A value that stays as long as the configuration; like a [`Text`](crate::text::Text) it
/// has no way out of there. It is never dropped.
pub struct Shared<T> {
    /// Live as long as the configuration; there are only shared references to it.
    value: NonNull<T>,
    kept: PhantomData<*const T>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the invariant.
        unsafe { self.value.as_ref() }
    }
}

/// A list of values that stays as long as the configuration. They are never dropped.
pub struct List<T> {
    /// An array of `T`, live as long as the configuration.
    array: NonNull<ngx_array_t>,
    of: PhantomData<T>,
}

impl<T> List<T> {
    /// nginx's pools align what they give for a long.
    const ALIGNED: () = assert!(align_of::<T>() <= NGX_RS_ALIGNMENT as usize);

    /// Adds a value at the end.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn push(&mut self, value: T) -> Result<(), NoMemory> {
        // SAFETY: the invariant; ngx_array_push() gives the place of a new element.
        unsafe {
            let place = ngx_array_push(self.array.as_ptr());
            NonNull::new(place.cast::<T>()).ok_or(NoMemory)?.write(value);
        }
        Ok(())
    }

    /// The values, in order.
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: the invariant; nothing is pushed while `self` is borrowed.
        unsafe {
            let ngx_array_t { elts, nelts, .. } = *self.array.as_ptr();
            if nelts == 0 { &[] } else { slice::from_raw_parts(elts.cast(), nelts) }
        }
    }
}

/// Numbers that stay as long as the configuration.
pub struct Numbers {
    /// `count` of them, live as long as the configuration, and nobody else's.
    numbers: NonNull<u32>,
    count: usize,
}

impl Numbers {
    /// All of them.
    pub fn as_slice(&self) -> &[u32] {
        // SAFETY: the invariant.
        unsafe { slice::from_raw_parts(self.numbers.as_ptr(), self.count) }
    }

    /// All of them, to be written to.
    pub fn as_mut_slice(&mut self) -> &mut [u32] {
        // SAFETY: the invariant, and `&mut self`.
        unsafe { slice::from_raw_parts_mut(self.numbers.as_ptr(), self.count) }
    }
}

impl Conf<'_> {
    /// Has a value stay as long as the configuration.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn share<T>(&mut self, value: T) -> Result<Shared<T>, NoMemory> {
        let () = List::<T>::ALIGNED;
        let place = NonNull::new(self.allocate(size_of::<T>()).cast::<T>()).ok_or(NoMemory)?;
        // SAFETY: the memory is new, aligned and has room.
        unsafe { place.write(value) };
        Ok(Shared { value: place, kept: PhantomData })
    }

    /// Makes an empty list.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn list<T>(&mut self) -> Result<List<T>, NoMemory> {
        let () = List::<T>::ALIGNED;
        // SAFETY: the configuration's pool is live.
        let array = unsafe { ngx_array_create(self.pool(), 4, size_of::<T>()) };
        NonNull::new(array).map(|array| List { array, of: PhantomData }).ok_or(NoMemory)
    }

    /// Makes so many numbers, all 0.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn numbers(&mut self, count: usize) -> Result<Numbers, NoMemory> {
        let size = size_of::<u32>().checked_mul(count).ok_or(NoMemory)?;
        let numbers = NonNull::new(self.allocate(size).cast::<u32>()).ok_or(NoMemory)?;
        // SAFETY: the memory is new and has room.
        unsafe { ptr::write_bytes(numbers.as_ptr(), 0, count) };
        Ok(Numbers { numbers, count })
    }
}
