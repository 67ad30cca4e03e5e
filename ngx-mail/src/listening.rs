//! The sockets on which clients come.

use core::ffi::{c_int, c_void};
use core::mem::size_of_val;

use nginx_sys::{
    AF_INET6, AF_UNIX, IPPROTO_TCP, TCP_NODELAY, ngx_cycle_t, ngx_listening_t, setsockopt,
};

use crate::bindings::{
    ngx_mail_addr_conf_t, ngx_mail_in_addr_t, ngx_mail_in6_addr_t, ngx_mail_init_connection,
    ngx_mail_port_t,
};
use crate::cycle::Cycle;
use crate::registered::Registered;

/// Has what is sent to a client leave at once, whatever of it the client has acknowledged:
/// what Nagle's algorithm holds back until it does is late by its delay, 40 ms. It is set on
/// the sockets that listen, of which a connection inherits it: a system call for each is
/// saved. A socket that another protocol's server has after a reload keeps it.
///
/// # Safety
///
/// `cycle` is live, its configuration complete, and its sockets are open or -1.
pub unsafe fn send_without_delay<M: Registered>(cycle: &Cycle<'_, M>, raw: *const ngx_cycle_t) {
    // SAFETY: the caller's promise; nginx has an array of ngx_listening_t there, each with an
    // address.
    unsafe {
        for listening in (*raw).listening.as_slice::<ngx_listening_t>() {
            let family = c_int::from((*listening.sockaddr).sa_family);
            if family == AF_UNIX as c_int || !serves::<M>(listening, family) {
                continue;
            }
            let on: c_int = 1;
            let rc = setsockopt(
                listening.fd,
                IPPROTO_TCP as c_int,
                TCP_NODELAY as c_int,
                (&raw const on).cast::<c_void>(),
                size_of_val(&on) as _,
            );
            if rc == 0 {
                cycle.log().debug(c"sends without delay", listening.addr_text.as_bytes());
            }
        }
    }
}

/// Whether it is a socket of a server that has the module's protocol.
///
/// # Safety
///
/// It is one of a cycle that is live, whose configuration is complete, and its address of
/// that family.
unsafe fn serves<M: Registered>(listening: &ngx_listening_t, family: c_int) -> bool {
    let mail = ngx_mail_init_connection as unsafe extern "C" fn(_);
    if listening.handler.is_none_or(|handler| handler as usize != mail as usize) {
        return false;
    }
    // SAFETY: the caller's promise. A socket of mail has such a port, whose addresses are of
    // its family, and each the configuration of its server.
    unsafe {
        let port = &*listening.servers.cast::<ngx_mail_port_t>();
        let is_own = |address: &ngx_mail_addr_conf_t| Cycle::<M>::own(address.ctx).is_some();
        if family == AF_INET6 as c_int {
            let addresses = port.addrs.cast::<ngx_mail_in6_addr_t>();
            (0..port.naddrs).any(|index| is_own(&(*addresses.add(index)).conf))
        } else {
            let addresses = port.addrs.cast::<ngx_mail_in_addr_t>();
            (0..port.naddrs).any(|index| is_own(&(*addresses.add(index)).conf))
        }
    }
}
