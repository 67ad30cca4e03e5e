//! The hand-over to nginx's relay, and what is to be done while it relays: the memory that
//! the backend's bytes pass through, TLS to the backend, and notes for the end of the session.
//!
//! nginx's relay knows nothing of TLS to a backend: it reads and writes through
//! `recv` and `send` of the connection, which TLS has made its own, and closes the
//! descriptor. It is here that close_notify goes before. An nginx that does know of it
//! (nginx-patches/) frees it as well.

use core::ffi::c_int;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    BIO_ctrl, NGX_AGAIN, NGX_ERROR, SSL_CTRL_MODE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_ctrl,
    SSL_get_wbio, ngx_add_timer, ngx_connection_t, ngx_recv_pt, u_char,
};

use crate::bindings::ngx_mail_session_t;
use crate::client::Client as _;
use crate::error::NoMemory;
use crate::freed;
use crate::heap::Bytes;
use crate::kind::last_state;
use crate::log::Log;
use crate::login::{Authenticator, Login};
use crate::passing;
use crate::place::{Owned, Place};
use crate::record::{End, Record};
use crate::session::Handler;
use crate::upstream::{Phase, Upstream};

/// BIO_CTRL_GET_KTLS_SEND, which the headers of OpenSSL have from 3.0 on.
const GET_KTLS_SEND: c_int = 73;

impl<M: Authenticator> Login<'_, M> {
    /// Has nginx relay between client and backend: the client has logged in. It is sent
    /// this line of the backend first. It is an error of ours if that is not one that
    /// nginx would relay behind, or longer than 4 KB, and without an attempt.
    pub fn relay(mut self, line: Bytes) {
        let raw = self.raw();
        let shown = self.session.connection().attempt().is_some();
        // SAFETY: the table is static.
        let state = last_state(unsafe { (*M::protocol()).type_ }, line.as_slice());
        let fits = self.ready_memory().is_ok_and(|room| line.as_slice().len() <= room);
        let (Some(state), Some(raw), true) = (state, raw, shown && fits) else {
            return self.session.internal_error();
        };
        let time = self.session.connection().elapsed();
        let Owned { attempt, record, .. } = self.session.connection().shown();
        if let Some(attempt) = attempt {
            attempt.wipe_secret();
            if let Some(record) = record {
                record.logged_in(attempt.login(), time);
            }
        }
        if let Some(upstream) = self.upstream() {
            upstream.line = Some(line);
        }
        // SAFETY: the session is live and has an upstream that is open; nginx takes the
        // timer away without a look. An attempt is shown, with its buffer.
        unsafe {
            let read = (*raw.as_ptr()).read;
            if (*read).timer_set() == 0 {
                ngx_add_timer(read, 0);
            }
            let session = self.session.connection().session();
            let buffer = (*session).buffer;
            if (*buffer).pos == (*buffer).last {
                (*buffer).pos = (*buffer).start;
                (*buffer).last = (*buffer).start;
            }
            hand_over::<M>(session, state);
        }
    }

    /// Readies nginx's buffer for what the backend sends; gives how much it has room for. It
    /// stays with the session where what was given to a send may be needed behind that: with
    /// TLS in the kernel, OpenSSL takes the bytes from there when it tries again, wherever
    /// they have been moved to; and before the client is ready nginx sends nothing.
    fn ready_memory(&mut self) -> Result<usize, NoMemory> {
        let connection = self.session.connection();
        let client = connection.as_ptr();
        // SAFETY: the session is live, and nginx has begun to proxy: its buffer was taken
        // over, and nothing is in it.
        unsafe {
            let Some(buffer) = (*connection.session()).proxy.as_ref().map(|proxy| proxy.buffer)
            else {
                return Ok(0);
            };
            if (*(*client).write).ready() == 0 || is_in_kernel_tls(client) {
                let Some(upstream) = connection.shown().upstream.as_deref_mut() else {
                    return Ok(0);
                };
                let stays = passing::stay(buffer, &mut upstream.memory);
                connection.logged(stays)?;
            }
            Ok((*buffer).end.addr().saturating_sub((*buffer).start.addr()))
        }
    }
}

/// Whether the kernel encrypts what is sent (kTLS, `ssl_conf_command Options KTLS`).
///
/// # Safety
///
/// The connection is live.
unsafe fn is_in_kernel_tls(connection: *const ngx_connection_t) -> bool {
    // SAFETY: the caller's promise; the command (BIO_get_ktls_send()) has no arguments, and
    // an OpenSSL that does not know it says 0.
    unsafe {
        (*connection).ssl.as_ref().is_some_and(|tls| {
            let bio = SSL_get_wbio(tls.connection);
            BIO_ctrl(bio, GET_KTLS_SEND, 0, ptr::null_mut()) == 1
        })
    }
}

/// Has nginx read the upstream's `line` from the backend, and relay from then on. What
/// the upstream has beyond TLS goes with it.
///
/// # Safety
///
/// `session` is live, has a [`Place`] and an upstream that is open, whose timer for
/// reading is set, and an attempt that nginx is shown. It may be gone afterwards.
unsafe fn hand_over<M: Handler>(session: *mut ngx_mail_session_t, state: usize) {
    // SAFETY: the caller's promise; nginx's handler of the read event is its own.
    unsafe {
        let Some(upstream) = Place::<M>::upstream(session) else { return };
        let connection = upstream.connection;
        let Some(read) = upstream.read else { return };
        upstream.phase = Phase::Relayed;
        upstream.number = (*connection).number;
        upstream.receive = (*connection).recv;
        if !upstream.ssl.is_null() {
            freed::watch::<M>(upstream);
        }
        (*connection).recv = Some(receive_line::<M>);
        (*session).mail_state = state;
        read((*connection).read);
    }
}

/// `recv` of the backend, for once.
unsafe extern "C" fn receive_line<M: Handler>(
    connection: *mut ngx_connection_t,
    memory: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: hand_over() sets it for a session as it is promised one; nginx gives as
    // much memory as it says.
    unsafe {
        let session = (*connection).data.cast::<ngx_mail_session_t>();
        let Some(upstream) = Place::<M>::upstream(session) else { return NGX_ERROR as isize };
        let line = upstream.line.take();
        let line = line.as_ref().map_or(&[][..], Bytes::as_slice);
        let line = line.get(..size).unwrap_or(line);
        memory.copy_from_nonoverlapping(line.as_ptr(), line.len());

        watch::<M>(session, connection);
        isize::try_from(line.len()).unwrap_or(0)
    }
}

/// Has what client and backend send, and their end, come by here from now on.
///
/// # Safety
///
/// `session` is live, has a [`Place`], an upstream over `connection`, and an attempt that
/// nginx is shown.
unsafe fn watch<M: Handler>(session: *mut ngx_mail_session_t, connection: *mut ngx_connection_t) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(upstream) = Place::<M>::upstream(session) else { return };
        let client = (*session).connection;
        upstream.send = (*connection).send;
        upstream.client_receive = (*client).recv;
        upstream.client_send = (*client).send;
        (*connection).recv = Some(receive::<M>);
        (*connection).send = Some(send::<M>);
        (*client).recv = Some(client_receive::<M>);
        (*client).send = Some(client_send::<M>);
        if let (Some(tls), false) = ((*client).ssl.as_ref(), upstream.memory.stays()) {
            // What the client has not taken is moved.
            SSL_ctrl(
                tls.connection,
                SSL_CTRL_MODE as c_int,
                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER.into(),
                ptr::null_mut(),
            );
        }

        let ahead = &*(*session).buffer;
        let length = ahead.last.addr().saturating_sub(ahead.pos.addr());
        note::<M>(session, |record| record.relay(slice::from_raw_parts(ahead.pos, length)));
    }
}

/// `recv` of the backend, once the client has all that came before. It is there that the end
/// is answered, as nothing can be sent behind it any more.
unsafe extern "C" fn receive<M: Handler>(
    connection: *mut ngx_connection_t,
    memory: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: watch() sets it for a session as it is promised one, which is live while
    // nginx relays.
    unsafe {
        let session = (*connection).data.cast::<ngx_mail_session_t>();
        let buffer = (*(*session).proxy).buffer;
        if (*(*(*session).connection).write).ready() == 0 || (*buffer).pos != (*buffer).last {
            // It stays with the backend: nginx would keep it in memory that is everybody's.
            return NGX_AGAIN as isize;
        }
        let n = call(own::<M>(session, |upstream| upstream.receive), connection, memory, size);
        if n == 0 {
            end_tls::<M>(session);
        }
        if n == 0 || n == NGX_ERROR as isize {
            note::<M>(session, |record| {
                let leaving = record.tell_last_words(M::is_leaving);
                record.end(if leaving { End::Client } else { End::Backend });
            });
        }
        n
    }
}

/// `send` of the backend. nginx closes it behind the last bytes of a client that has
/// ended.
unsafe extern "C" fn send<M: Handler>(
    connection: *mut ngx_connection_t,
    bytes: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: as in receive().
    unsafe {
        let session = (*connection).data.cast::<ngx_mail_session_t>();
        let n = call(own::<M>(session, |upstream| upstream.send), connection, bytes, size);
        if usize::try_from(n) == Ok(size) && (*(*(*session).connection).read).eof() != 0 {
            end_tls::<M>(session);
        }
        if n == NGX_ERROR as isize {
            note::<M>(session, |record| record.end(End::Backend));
        }
        n
    }
}

/// `recv` of the client. nginx closes the backend at its end, once the client's bytes
/// have gone there.
unsafe extern "C" fn client_receive<M: Handler>(
    client: *mut ngx_connection_t,
    memory: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: as in receive(); nginx has set a buffer for the client's bytes.
    unsafe {
        let session = (*client).data.cast::<ngx_mail_session_t>();
        let n = call(own::<M>(session, |upstream| upstream.client_receive), client, memory, size);
        let buffer = (*session).buffer;
        let ended = n == 0 || n == NGX_ERROR as isize;
        if ended && !buffer.is_null() && (*buffer).pos == (*buffer).last {
            end_tls::<M>(session);
        }
        note::<M>(session, |record| match usize::try_from(n) {
            Ok(count) if count > 0 => {
                record.add_received(count);
                record.relay(slice::from_raw_parts(memory, count));
            }
            _ if ended => record.end(End::Client),
            _ => {}
        });
        n
    }
}

/// `send` of the client. nginx closes the session at an error.
unsafe extern "C" fn client_send<M: Handler>(
    client: *mut ngx_connection_t,
    bytes: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: as in receive(). The bytes are those of nginx's buffer for what the backend
    // has sent, which was taken over.
    unsafe {
        let session = (*client).data.cast::<ngx_mail_session_t>();
        let n = call(own::<M>(session, |upstream| upstream.client_send), client, bytes, size);
        let Some(upstream) = Place::<M>::upstream(session) else { return NGX_ERROR as isize };
        let sent = usize::try_from(n).unwrap_or(0);
        let end = if n == NGX_ERROR as isize {
            End::Client
        } else {
            match passing::go_on((*(*session).proxy).buffer, sent, &mut upstream.memory) {
                Ok(true) => return n,
                // There is nothing for nginx to count.
                Ok(false) => return NGX_AGAIN as isize,
                Err(NoMemory) => {
                    Log::from_raw(NonNull::new_unchecked((*client).log)).no_memory();
                    End::Error
                }
            }
        };
        upstream.end_tls();
        note::<M>(session, |record| record.end(end));
        NGX_ERROR as isize
    }
}

/// The function in whose place one of these stands. The upstream is left alone while
/// that is at work: OpenSSL may give it a session.
///
/// # Safety
///
/// `session` is live and has a [`Place`].
unsafe fn own<M: Handler>(
    session: *mut ngx_mail_session_t,
    function: impl FnOnce(&Upstream) -> ngx_recv_pt,
) -> ngx_recv_pt {
    // SAFETY: the caller's promise.
    unsafe { Place::<M>::upstream(session) }.and_then(|upstream| function(upstream))
}

/// Notes something for the end of the session, if anything is noted.
///
/// # Safety
///
/// As for [`own`].
unsafe fn note<M: Handler>(session: *mut ngx_mail_session_t, note: impl FnOnce(&mut Record)) {
    // SAFETY: the caller's promise; nothing else refers to the record.
    unsafe {
        let record = &raw mut (*Place::<M>::of(session, M::ctx_index())).shown.record;
        if let Some(record) = (*record).as_deref_mut() {
            note(record);
        }
    }
}

/// # Safety
///
/// As for [`own`].
unsafe fn end_tls<M: Handler>(session: *mut ngx_mail_session_t) {
    // SAFETY: the caller's promise.
    if let Some(upstream) = unsafe { Place::<M>::upstream(session) } {
        upstream.end_tls();
    }
}

/// # Safety
///
/// `function` is one that nginx has set on the connection, which is live; the memory
/// is as long as `size` says.
unsafe fn call(
    function: ngx_recv_pt,
    connection: *mut ngx_connection_t,
    memory: *mut u_char,
    size: usize,
) -> isize {
    // SAFETY: the caller's promise.
    function.map_or(NGX_ERROR as isize, |function| unsafe { function(connection, memory, size) })
}
