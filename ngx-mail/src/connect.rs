//! Connecting to a backend through nginx's proxy module, which is kept from ending the
//! session when it fails.

use core::ptr;

use nginx_sys::{ngx_connection_t, u_char};

use crate::bindings::{ngx_mail_proxy_init, ngx_mail_session_t};
use crate::passing;
use crate::place::Place;
use crate::registered::Registered;

/// Calls what may have nginx tell the client of an error and close the session, and
/// keeps it from both: it looks to nginx as if the client had taken the reply. Gives
/// whether all went well; else nginx has closed the connection, if there was one.
///
/// # Safety
///
/// `session` is live, and has a [`Place`] and an upstream; `call` does with it what
/// nginx's functions do in a login.
unsafe fn withhold<M: Registered>(session: *mut ngx_mail_session_t, call: impl FnOnce()) -> bool {
    // SAFETY: the caller's promise. A session is closed in a login for nothing but such
    // an error, behind the reply, so that it is live afterwards.
    unsafe {
        let client = (*session).connection;
        let send = (*client).send;
        (*client).send = Some(take_reply::<M>);
        (*session).set_blocked(0);
        call();
        (*client).send = send;

        let Some(upstream) = Place::<M>::upstream(session) else { return false };
        if upstream.failed {
            upstream.connection = ptr::null_mut();
        }
        !upstream.failed
    }
}

/// In place of `send` of the client.
unsafe extern "C" fn take_reply<M: Registered>(
    client: *mut ngx_connection_t,
    _bytes: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: withhold() sets it for a session as it is promised one.
    unsafe {
        let session = (*client).data.cast::<ngx_mail_session_t>();
        (*session).set_quit(0);
        if let Some(upstream) = Place::<M>::upstream(session) {
            upstream.failed = true;
        }
    }
    isize::try_from(size).unwrap_or(isize::MAX)
}

/// Connects (ngx_mail_proxy_init()). Gives whether that goes well so far.
///
/// # Safety
///
/// `session` is live, in a login, and has a [`Place`] and a new upstream.
pub(crate) unsafe fn connect<M: Registered>(session: *mut ngx_mail_session_t) -> bool {
    // SAFETY: the caller's promise; nginx only reads the address.
    unsafe {
        let Some(upstream) = Place::<M>::upstream(session) else { return false };
        let address = upstream.address.as_ptr();
        let connected = withhold::<M>(session, || ngx_mail_proxy_init(session, address));
        if let Some(buffer) = (*session).proxy.as_ref().and_then(|proxy| proxy.buffer.as_mut()) {
            passing::take_over(buffer, (*(*session).connection).pool);
        }
        if !connected {
            return false;
        }
        let Some(upstream) = Place::<M>::upstream(session) else { return false };
        let connection = (*(*session).proxy).upstream.connection;
        upstream.connection = connection;
        upstream.read = (*(*connection).read).handler;
        upstream.write = (*(*connection).write).handler;
    }
    true
}

/// Sends the PROXY protocol's header, if the configuration has it
/// (ngx_mail_proxy_write_handler()). Gives whether that goes well so far; `proxy_protocol`
/// of nginx's context stays set until all of it has gone.
///
/// # Safety
///
/// `session` is live, has a [`Place`], and an upstream that has connected.
pub(crate) unsafe fn send_header<M: Registered>(session: *mut ngx_mail_session_t) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(upstream) = Place::<M>::upstream(session) else { return false };
        let (Some(write), connection) = (upstream.write, upstream.connection) else {
            return false;
        };
        withhold::<M>(session, || write((*connection).write))
    }
}
