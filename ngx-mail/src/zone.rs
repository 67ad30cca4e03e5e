//! Memory that all processes of nginx share.

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_ERROR, NGX_OK, NGX_PROCESS_SINGLE, ngx_cycle, ngx_int_t, ngx_pagesize, ngx_process,
    ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock, ngx_shmtx_unlock, ngx_slab_alloc,
    ngx_slab_pool_t,
};

use crate::conf::{Conf, Refused};
use crate::error::NoMemory;
use crate::list::for_each;
use crate::text::string;

/// Memory that all processes of nginx share, as numbers, which are 0 at first. It stays over
/// a reload, unless its size is another one then.
#[derive(Clone, Copy)]
pub struct Zone {
    /// Live as long as the configuration. Its `data` is a [`Block`] once that is in force.
    raw: NonNull<ngx_shm_zone_t>,
    kept: PhantomData<*const u64>,
}

/// What stands at the head of the memory.
struct Block {
    /// How many numbers stand behind it, which are used with the lock of the zone alone.
    count: usize,
}

/// How many bytes a number has.
const NUMBER: usize = size_of::<u64>();

/// The least that a zone may have, in bytes: what nginx asks for its own.
pub fn least() -> usize {
    const PAGES: usize = 8;

    // SAFETY: nginx sets it when it starts.
    unsafe { ngx_pagesize.saturating_mul(PAGES) }
}

impl Zone {
    /// Does something with the numbers, which no other process does meanwhile: it has to be
    /// short, and not to do the same within. Nothing is done before the configuration is in
    /// force.
    pub fn lock<T>(&self, act: impl FnOnce(&mut [u64]) -> T) -> Option<T> {
        if !self.is_there() {
            return None;
        }
        // SAFETY: the invariant; a zone that is in force has its pool at its head, and who
        // has the lock of that is the only one to use the numbers.
        unsafe {
            let raw = self.raw.as_ptr();
            let block = NonNull::new((*raw).data.cast::<Block>())?;
            let mutex = &raw mut (*(*raw).shm.addr.cast::<ngx_slab_pool_t>()).mutex;
            ngx_shmtx_lock(mutex);
            let numbers = block.add(1).cast::<u64>();
            let done = act(slice::from_raw_parts_mut(numbers.as_ptr(), block.as_ref().count));
            ngx_shmtx_unlock(mutex);
            Some(done)
        }
    }

    /// Whether the memory is there. A process without workers (`master_process off`) gives it
    /// back when a configuration comes into force that has none of that size, while sessions
    /// of the one before go on.
    fn is_there(&self) -> bool {
        // SAFETY: nginx has decided what the process is before it serves anybody.
        if unsafe { ngx_process } != NGX_PROCESS_SINGLE as usize {
            return true;
        }
        let mut found = false;
        // SAFETY: the invariant; the cycle is live, and so are its zones.
        unsafe {
            let own = &*self.raw.as_ptr();
            for_each(&raw const (*ngx_cycle).shared_memory, |zone: *mut ngx_shm_zone_t| {
                let Some(zone) = zone.as_ref() else { return };
                found |= zone.tag == own.tag
                    && zone.data == own.data
                    && zone.shm.addr == own.shm.addr
                    && zone.shm.size == own.shm.size;
            });
        }
        found
    }
}

impl Conf<'_> {
    /// Takes a zone of so many bytes (ngx_shared_memory_add()), of which there is one of a
    /// name.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn zone(&mut self, name: &'static CStr, size: usize) -> Result<Zone, Refused> {
        let mut name = string(name);
        // SAFETY: the configuration is live; nginx keeps the name, which is static.
        unsafe {
            let tag = (&raw const TAG).cast_mut().cast::<c_void>();
            let raw = ngx_shared_memory_add(self.as_ptr(), &raw mut name, size, tag);
            let raw = NonNull::new(raw).ok_or(NoMemory)?;
            (*raw.as_ptr()).init = Some(init);
            Ok(Zone { raw, kept: PhantomData })
        }
    }
}

/// Its address tells the zones of this file of the module from those of another one, which
/// may use them in another way.
static TAG: u8 = 0;

/// `init` of ngx_shm_zone_t.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx gives a zone with its pool, which nobody else uses yet, or that of the
    // configuration before, with its data.
    unsafe {
        if !old.is_null() {
            (*zone).data = old;
            return NGX_OK as ngx_int_t;
        }
        let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        let size = (*pool).pfree.saturating_mul(ngx_pagesize);
        let block = ngx_slab_alloc(pool, size).cast::<Block>();
        let Some(block) = NonNull::new(block) else { return NGX_ERROR as ngx_int_t };
        let count = size.saturating_sub(size_of::<Block>()) / NUMBER;
        block.write(Block { count });
        ptr::write_bytes(block.add(1).cast::<u64>().as_ptr(), 0, count);
        (*zone).data = block.as_ptr().cast();
        NGX_OK as ngx_int_t
    }
}
