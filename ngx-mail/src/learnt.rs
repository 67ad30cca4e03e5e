//! Where a backend is that a session was told of.

use core::mem::{self, size_of};
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, ngx_addr_t, ngx_create_pool, ngx_destroy_pool, ngx_inet_set_port, ngx_parse_addr,
    ngx_resolve_name_done, ngx_resolver_ctx_t, ngx_sock_ntop, ngx_str_t, sockaddr, sockaddr_in6,
};

use crate::bindings::NGX_RS_SOCKADDR_STRLEN;
use crate::certificate::ServerName;
use crate::error::NoMemory;
use crate::heap::{Boxed, Bytes};
use crate::log::Log;

/// Of more addresses of a name the rest is not tried.
const MOST: usize = 8;

/// Where a backend is that a session was told of: its addresses are live as long as this.
pub(crate) struct Learnt {
    /// An address of IP without brackets, or a name: nginx's resolver makes it lower-case.
    pub name: Bytes,
    pub port: u16,
    /// Whether it is a name.
    pub is_name: bool,
    /// Null, or the look-up of the name that is under way.
    pub query: *mut ngx_resolver_ctx_t,
    addresses: [Option<Boxed<Block>>; MOST],
}

/// nginx's address points to what stands beside it.
struct Block {
    address: ngx_addr_t,
    socket: sockaddr_in6,
    name: [u8; NGX_RS_SOCKADDR_STRLEN as usize],
}

impl Learnt {
    /// Takes an address of IP, without brackets (ngx_parse_addr()), or a name.
    pub fn new(log: Log<'_>, name: Bytes, port: u16) -> Result<Self, NoMemory> {
        let mut learnt = Self {
            name,
            port,
            is_name: true,
            query: ptr::null_mut(),
            addresses: [const { None }; MOST],
        };
        // SAFETY: the log is live. What nginx makes of the text is copied before its pool
        // goes; it only reads the text.
        unsafe {
            let pool = NonNull::new(ngx_create_pool(512, log.as_ptr())).ok_or(NoMemory)?;
            let mut address: ngx_addr_t = mem::zeroed();
            let (text, length) = (learnt.name.as_mut_ptr(), learnt.name.as_slice().len());
            let rc = ngx_parse_addr(pool.as_ptr(), &raw mut address, text, length);
            let mut added = Ok(());
            if rc == NGX_OK as isize {
                learnt.is_name = false;
                added = learnt.add(address.sockaddr, address.socklen);
            }
            ngx_destroy_pool(pool.as_ptr());
            added?;
        }
        Ok(learnt)
    }

    /// How many addresses there are.
    pub fn count(&self) -> usize {
        self.addresses.iter().flatten().count()
    }

    /// nginx's address, as long as this lives.
    pub fn raw(&mut self, index: usize) -> Option<NonNull<ngx_addr_t>> {
        let block = self.addresses.get_mut(index)?.as_mut()?;
        Some(NonNull::from(&mut block.address))
    }

    /// What its certificate has to name: a name without the dot that may stand at its end
    /// in DNS (RFC 6066, section 3).
    pub fn server_name(&self) -> ServerName<'_> {
        let name = self.name.as_slice();
        if self.is_name {
            ServerName::Name(name.strip_suffix(b".").unwrap_or(name))
        } else {
            ServerName::Address(name)
        }
    }

    /// Takes a copy of an address, with the port, if there is room for it.
    ///
    /// # Safety
    ///
    /// `from` is live and has `length` bytes.
    pub unsafe fn add(&mut self, from: *const sockaddr, length: u32) -> Result<(), NoMemory> {
        let port = self.port;
        let Some(slot) = self.addresses.iter_mut().find(|slot| slot.is_none()) else {
            return Ok(());
        };
        if length as usize > size_of::<sockaddr_in6>() {
            return Ok(());
        }
        // SAFETY: all zeros are valid; the caller's promise, and there is room.
        unsafe {
            let block = Block {
                address: mem::zeroed(),
                socket: mem::zeroed(),
                name: [0; NGX_RS_SOCKADDR_STRLEN as usize],
            };
            let block = slot.insert(Boxed::new(block)?);
            let socket = ptr::from_mut(&mut block.socket).cast::<sockaddr>();
            socket.cast::<u8>().copy_from_nonoverlapping(from.cast(), length as usize);
            ngx_inet_set_port(socket, port);
            let name = block.name.as_mut_ptr();
            let written = ngx_sock_ntop(socket, length, name, block.name.len(), 1);
            block.address = ngx_addr_t {
                sockaddr: socket,
                socklen: length,
                name: ngx_str_t { data: name, len: written },
            };
        }
        Ok(())
    }

    /// Ends the look-up, if there is one. What nginx found in it is gone then.
    pub fn end_query(&mut self) {
        let query = mem::replace(&mut self.query, ptr::null_mut());
        if !query.is_null() {
            // SAFETY: it is owned here, and under way or done.
            unsafe { ngx_resolve_name_done(query) };
        }
    }
}

impl Drop for Learnt {
    fn drop(&mut self) {
        self.end_query();
    }
}
