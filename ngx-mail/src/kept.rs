//! Connections to a server that are kept for the next one who needs one.

use core::cell::Cell;
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_OK, ngx_close_connection, ngx_connection_t, ngx_cycle, ngx_del_timer, ngx_event_t,
    ngx_exiting, ngx_handle_read_event, ngx_pool_cleanup_add,
};

use crate::address::Address;
use crate::conf::Conf;
use crate::error::NoMemory;
use crate::socket::is_quiet;

/// Connections that a worker keeps. None of them has anything to be read: neither when
/// it is put here nor when it is taken.
#[derive(Clone, Copy)]
pub struct Kept {
    /// `count` of them, live as long as the configuration.
    slots: NonNull<Slot>,
    count: usize,
}

/// A connection that is owned here, if there is one, and whose it is.
#[derive(Default)]
struct Slot(Cell<Option<(NonNull<ngx_connection_t>, Address)>>);

impl Conf<'_> {
    /// Makes room for so many connections.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn kept(&mut self, count: usize) -> Result<Kept, NoMemory> {
        let slots = self.allocate(size_of::<Slot>().checked_mul(count).ok_or(NoMemory)?);
        let slots = NonNull::new(slots.cast::<Slot>()).ok_or(NoMemory)?;
        let kept = Kept { slots, count };
        // SAFETY: the memory is new and has room; the pool is live.
        unsafe {
            for index in 0..count {
                slots.add(index).write(Slot::default());
            }
            let cleanup = ngx_pool_cleanup_add(self.pool(), size_of::<Kept>());
            let cleanup = NonNull::new(cleanup).ok_or(NoMemory)?.as_ptr();
            (*cleanup).data.cast::<Kept>().write(kept);
            (*cleanup).handler = Some(close_all);
        }

        Ok(kept)
    }
}

impl Kept {
    fn slots(&self) -> &[Slot] {
        // SAFETY: the invariant; they are written to through cells.
        unsafe { slice::from_raw_parts(self.slots.as_ptr(), self.count) }
    }

    /// Takes a connection, which is the caller's then, and the server's address.
    pub(crate) fn take(self) -> Option<(NonNull<ngx_connection_t>, Address)> {
        for slot in self.slots() {
            let Some((connection, address)) = slot.0.take() else { continue };
            // SAFETY: it was owned here, and is live.
            unsafe {
                if is_quiet(connection.as_ptr()) {
                    (*connection.as_ptr()).set_idle(0);
                    return Some((connection, address));
                }
                ngx_close_connection(connection.as_ptr());
            }
        }
        None
    }

    /// Takes a connection over: keeps it, or closes it if it is of no use any more or
    /// there is no room. A worker that ends has closed what was idle already
    /// (ngx_close_idle_connections()).
    ///
    /// # Safety
    ///
    /// `connection` is live and the caller's, without TLS.
    pub(crate) unsafe fn put(self, connection: NonNull<ngx_connection_t>, address: Address) {
        let raw = connection.as_ptr();
        // SAFETY: the caller's promise; what nginx points to is the process's own, and
        // the slot is live as long as the configuration, which closes it.
        unsafe {
            let free = self.slots().iter().find(|slot| slot.0.get().is_none());
            // What the last read had room for was all that there was.
            let quiet = (*(*raw).read).ready() == 0 || is_quiet(raw);
            let Some(slot) = free.filter(|_| ngx_exiting == 0 && quiet) else {
                return ngx_close_connection(raw);
            };
            let (read, write) = ((*raw).read, (*raw).write);
            for event in [read, write] {
                if (*event).timer_set() != 0 {
                    ngx_del_timer(event);
                }
                (*event).log = (*ngx_cycle).log;
            }
            (*raw).log = (*ngx_cycle).log;
            (*raw).pool = ptr::null_mut();
            (*raw).data = ptr::from_ref(slot).cast_mut().cast();
            (*read).handler = Some(ended);
            (*write).handler = Some(nothing);
            (*raw).set_idle(1);
            if ngx_handle_read_event(read, 0) != NGX_OK as isize {
                return ngx_close_connection(raw);
            }
            slot.0.set(Some((connection, address)));
        }
    }
}

/// Whatever a server sends to nobody, or that it closes: the connection is of no use.
/// nginx calls this, too, when a worker that shuts down closes what is idle.
unsafe extern "C" fn ended(event: *mut ngx_event_t) {
    // SAFETY: put() sets it on connections that are owned by a slot, which is live.
    unsafe {
        let raw = (*event).data.cast::<ngx_connection_t>();
        let slot = &*(*raw).data.cast::<Slot>();
        slot.0.set(None);
        ngx_close_connection(raw);
    }
}

unsafe extern "C" fn nothing(_event: *mut ngx_event_t) {}

unsafe extern "C" fn close_all(kept: *mut c_void) {
    // SAFETY: kept() registered it with what is live as long as the pool.
    let kept = unsafe { kept.cast::<Kept>().read() };
    for slot in kept.slots() {
        if let Some((connection, _)) = slot.0.take() {
            // SAFETY: it is owned by the slot.
            unsafe { ngx_close_connection(connection.as_ptr()) };
        }
    }
}
