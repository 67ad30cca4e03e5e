//! TLS to a backend that nginx may free while it relays (nginx-patches/), as a stock one does
//! not.

use core::ffi::{c_char, c_int, c_long};
use core::ptr;

use nginx_sys::{
    BIO, BIO_CB_FREE, BIO_get_callback_arg, BIO_set_callback_arg, BIO_set_callback_ex,
    SSL_get_rbio, ngx_connection_t,
};

use crate::place::Place;
use crate::registered::Registered;
use crate::upstream::Upstream;

/// Has the upstream forget its TLS if nginx frees that: what OpenSSL has of the socket goes
/// with it.
///
/// # Safety
///
/// The upstream is that of a session that is live and has a [`Place`], and is in TLS.
pub(crate) unsafe fn watch<M: Registered>(upstream: &Upstream) {
    // SAFETY: the caller's promise; the BIO lives as long as the SSL.
    unsafe {
        let socket = SSL_get_rbio(upstream.ssl);
        BIO_set_callback_arg(socket, upstream.connection.cast());
        BIO_set_callback_ex(socket, Some(socket_event::<M>));
    }
}

/// What OpenSSL calls before and after it does something with the socket.
unsafe extern "C" fn socket_event<M: Registered>(
    socket: *mut BIO,
    operation: c_int,
    _argp: *const c_char,
    _len: usize,
    _argi: c_int,
    _argl: c_long,
    result: c_int,
    _processed: *mut usize,
) -> c_long {
    if operation == BIO_CB_FREE as c_int {
        // SAFETY: watch() sets it, with the connection of a session that is live: nginx
        // frees TLS before it closes that. The upstream itself takes it away before it does.
        unsafe {
            let connection = BIO_get_callback_arg(socket).cast::<ngx_connection_t>();
            if let Some(upstream) = Place::<M>::upstream((*connection).data.cast()) {
                upstream.ssl = ptr::null_mut();
            }
        }
    }
    c_long::from(result)
}
