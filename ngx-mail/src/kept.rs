//! Connections to a server that are kept for the next one who needs one.

use core::cell::Cell;
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_OK, ngx_close_connection, ngx_connection_t, ngx_current_msec, ngx_cycle, ngx_del_timer,
    ngx_event_t, ngx_exiting, ngx_handle_read_event, ngx_handle_write_event, ngx_msec_t,
    ngx_pool_cleanup_add,
};

use crate::address::Address;
use crate::client::Received;
use crate::conf::Conf;
use crate::error::NoMemory;
use crate::log::{Log, Subject};
use crate::socket::peek;

/// Connections that a worker keeps. None of them has anything to be read: neither when
/// it is put here nor when it is taken. If one ever has, none is kept any more: what its
/// server sends unasked would be taken for the reply to whoever comes next.
#[derive(Clone, Copy)]
pub struct Kept {
    /// `count` of them, live as long as the configuration.
    slots: NonNull<Slot>,
    count: usize,
    /// Live as long.
    distrusted: NonNull<Cell<bool>>,
}

struct Slot {
    /// A connection that is owned here, if there is one, and whose it is.
    held: Cell<Option<(NonNull<ngx_connection_t>, Address)>>,
    /// When it came.
    since: Cell<ngx_msec_t>,
    /// What it is one of.
    kept: Kept,
}

impl Conf<'_> {
    /// Makes room for so many connections.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn kept(&mut self, count: usize) -> Result<Kept, NoMemory> {
        let slots = self.allocate(size_of::<Slot>().checked_mul(count).ok_or(NoMemory)?);
        let slots = NonNull::new(slots.cast::<Slot>()).ok_or(NoMemory)?;
        let distrusted = self.allocate(size_of::<Cell<bool>>()).cast::<Cell<bool>>();
        let distrusted = NonNull::new(distrusted).ok_or(NoMemory)?;
        let kept = Kept { slots, count, distrusted };
        // SAFETY: the memory is new and has room; the pool is live.
        unsafe {
            distrusted.write(Cell::new(false));
            for index in 0..count {
                slots.add(index).write(Slot { held: Cell::new(None), since: Cell::new(0), kept });
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

    fn distrusted(&self) -> &Cell<bool> {
        // SAFETY: the invariant.
        unsafe { self.distrusted.as_ref() }
    }

    /// Keeps none any more, and logs at level error why: this server has sent what nobody
    /// has asked for.
    pub(crate) fn distrust(self, address: Address) {
        if self.distrusted().replace(true) {
            return;
        }
        self.close();
        // SAFETY: nginx's own log is live, and so is the address.
        unsafe {
            let name = (*address.raw().as_ptr()).name;
            let log = Log::from_raw(NonNull::new_unchecked((*ngx_cycle).log));
            let did = c"sent more than replies: its connections are no longer kept";
            log.failure(0, Subject::AuthServer(name.as_bytes()), did, b"");
        }
    }

    fn close(&self) {
        for slot in self.slots() {
            slot.close();
        }
    }

    /// Takes a connection, which is the caller's then, and the server's address: the one
    /// that has been idle for longest, as of that most is known.
    pub(crate) fn take(self) -> Option<(NonNull<ngx_connection_t>, Address)> {
        while let Some(slot) = self.oldest() {
            let (connection, address) = slot.held.get()?;
            // SAFETY: it is owned here, and is live.
            if unsafe { slot.is_quiet(connection, address) } {
                slot.held.set(None);
                // SAFETY: as above.
                unsafe { (*connection.as_ptr()).set_idle(0) };
                return Some((connection, address));
            }
            slot.close();
        }
        None
    }

    fn oldest(&self) -> Option<&Slot> {
        // SAFETY: nginx writes its time between two events.
        let now = unsafe { ngx_current_msec };
        let held = self.slots().iter().filter(|slot| slot.held.get().is_some());
        held.max_by_key(|slot| now.wrapping_sub(slot.since.get()))
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
        let free = self.slots().iter().find(|slot| slot.held.get().is_none());
        // SAFETY: the caller's promise; what nginx points to is the process's own, and
        // the slot is live as long as the configuration, which closes it.
        unsafe {
            let Some(slot) = free.filter(|_| ngx_exiting == 0 && !self.distrusted().get()) else {
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
            slot.held.set(Some((connection, address)));
            slot.since.set(ngx_current_msec);
            // What the last read had room for was all that there was.
            let quiet = (*read).ready() == 0 || slot.is_quiet(connection, address);
            if !quiet || ngx_handle_read_event(read, 0) != NGX_OK as isize {
                slot.close();
            }
        }
    }
}

impl Slot {
    /// Whether a connection is open and nothing has come, which it must not.
    ///
    /// # Safety
    ///
    /// It is live.
    unsafe fn is_quiet(&self, connection: NonNull<ngx_connection_t>, address: Address) -> bool {
        // SAFETY: the caller's promise.
        match unsafe { peek(connection.as_ptr()) } {
            Received::Nothing => true,
            Received::Bytes(_) => {
                self.kept.distrust(address);
                false
            }
            Received::End => false,
        }
    }

    fn close(&self) {
        if let Some((connection, _)) = self.held.take() {
            // SAFETY: it was owned here, and is live.
            unsafe { ngx_close_connection(connection.as_ptr()) };
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
        if let Some((connection, address)) = slot.held.get() {
            slot.is_quiet(connection, address);
        }
        slot.close();
    }
}

/// The write handler, which some methods call for a connection that takes something.
unsafe extern "C" fn nothing(event: *mut ngx_event_t) {
    // SAFETY: put() sets it on connections that are owned by a slot, which is live.
    unsafe {
        if ngx_handle_write_event(event, 0) != NGX_OK as isize {
            ended((*(*event).data.cast::<ngx_connection_t>()).read);
        }
    }
}

unsafe extern "C" fn close_all(kept: *mut c_void) {
    // SAFETY: kept() registered it with what is live as long as the pool.
    unsafe { kept.cast::<Kept>().read() }.close();
}
