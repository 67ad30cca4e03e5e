//! TLS sessions with servers, kept to be used again.

use core::cell::Cell;
use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{SSL_SESSION, SSL_SESSION_free, ngx_addr_t, ngx_pool_cleanup_add, sockaddr_un};

use crate::conf::Conf;
use crate::error::NoMemory;

/// How many there can be.
const SLOTS: usize = 32;

/// In how many of them that of an address can be.
const ROW: usize = 4;

/// The longest address.
const LONGEST: usize = size_of::<sockaddr_un>();

/// TLS sessions by the address of a server: one of each, of as many servers as there is
/// room for.
#[derive(Clone, Copy)]
pub(crate) struct TlsSessions {
    /// [`SLOTS`] of them, live as long as the configuration.
    slots: NonNull<Slot>,
}

/// A place for a session.
struct Slot {
    address: Cell<[u8; LONGEST]>,
    /// Null, or owned here.
    session: Cell<*mut SSL_SESSION>,
}

impl TlsSessions {
    /// Makes room for them in the configuration's pool; they are freed with it.
    pub fn new(cf: &Conf<'_>) -> Result<Self, NoMemory> {
        let slots = cf.allocate(size_of::<[Slot; SLOTS]>()).cast::<Slot>();
        let slots = NonNull::new(slots).ok_or(NoMemory)?;
        // SAFETY: the memory is new and has room, and all zeros are slots without a
        // session; the pool is live.
        unsafe {
            slots.write_bytes(0, SLOTS);
            let cleanup = ngx_pool_cleanup_add(cf.pool(), 0);
            let cleanup = NonNull::new(cleanup).ok_or(NoMemory)?.as_ptr();
            (*cleanup).data = slots.as_ptr().cast();
            (*cleanup).handler = Some(free_sessions);
        }

        Ok(Self { slots })
    }

    /// The session with the server at an address; null if there is none.
    pub fn get(self, address: &ngx_addr_t) -> *mut SSL_SESSION {
        let key = key(address);
        self.row(&key)
            .iter()
            .find(|slot| slot.address.get() == key)
            .map_or(ptr::null_mut(), |slot| slot.session.get())
    }

    /// Forgets the session with the server at an address.
    pub fn forget(self, address: &ngx_addr_t) {
        let key = key(address);
        if let Some(slot) = self.row(&key).iter().find(|slot| slot.address.get() == key) {
            slot.keep(ptr::null_mut());
        }
    }

    /// Takes a session over, in place of the one that there is.
    pub fn keep(self, address: &ngx_addr_t, session: *mut SSL_SESSION) {
        let key = key(address);
        let row = self.row(&key);
        let known = row.iter().find(|slot| slot.address.get() == key);
        let free = || row.iter().find(|slot| slot.session.get().is_null());
        match known.or_else(free).or(row.first()) {
            Some(slot) => {
                slot.address.set(key);
                slot.keep(session);
            }
            // SAFETY: it was handed over.
            None => unsafe { SSL_SESSION_free(session) },
        }
    }

    /// Where that of an address can be.
    fn row(&self, key: &[u8; LONGEST]) -> &[Slot] {
        // SAFETY: the invariant; they are written to through cells.
        let slots = unsafe { slice::from_raw_parts(self.slots.as_ptr(), SLOTS) };
        let start = hash(key).checked_rem(SLOTS / ROW).unwrap_or(0).wrapping_mul(ROW);
        slots.get(start..).and_then(|slots| slots.get(..ROW)).unwrap_or_default()
    }
}

impl Slot {
    fn keep(&self, session: *mut SSL_SESSION) {
        let old = self.session.replace(session);
        // SAFETY: it was owned here; freeing null does nothing.
        unsafe { SSL_SESSION_free(old) };
    }
}

unsafe extern "C" fn free_sessions(slots: *mut c_void) {
    // SAFETY: new() registered it with as many slots of the same pool, which nothing
    // uses any more.
    let slots = unsafe { slice::from_raw_parts(slots.cast::<Slot>(), SLOTS) };
    for slot in slots {
        slot.keep(ptr::null_mut());
    }
}

/// The address as it is, with zeros behind it.
fn key(address: &ngx_addr_t) -> [u8; LONGEST] {
    let mut key = [0; LONGEST];
    let length = (address.socklen as usize).min(LONGEST);
    // SAFETY: an address of nginx's has that length.
    let bytes = unsafe { slice::from_raw_parts(address.sockaddr.cast::<u8>(), length) };
    for (to, from) in key.iter_mut().zip(bytes) {
        *to = *from;
    }
    key
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> usize {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash >> 32).unwrap_or(0)
}
