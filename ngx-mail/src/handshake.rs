//! What OpenSSL needs for TLS to a backend.

use nginx_sys::{
    NGX_LOG_ERR, NGX_OK, NGX_SSL_CLIENT, ngx_connection_t, ngx_ssl_create_connection,
    ngx_ssl_error, ngx_ssl_get_session, ngx_ssl_set_session,
};

use crate::place::Place;
use crate::registered::Registered;
use crate::tls::{ServerName, Tls};

/// Readies a connection for the handshake (ngx_ssl_create_connection()); what OpenSSL
/// makes is the upstream's. Gives nothing if there is no memory, say.
///
/// # Safety
///
/// `raw` is live: the connection of the upstream of a session that is live and has a
/// [`Place`].
pub(crate) unsafe fn begin_tls<M: Registered>(
    raw: *mut ngx_connection_t,
    tls: &Tls,
    host: ServerName<'_>,
) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let upstream = Place::<M>::upstream((*raw).data.cast())?;
        if (*raw).ssl.is_null() {
            let flags = NGX_SSL_CLIENT as usize;
            if ngx_ssl_create_connection(tls.as_ptr(), raw, flags) != NGX_OK as isize {
                return None;
            }
            upstream.ssl = (*(*raw).ssl).connection;
        }
        if tls.prepare(upstream.ssl, host).is_err() {
            // It takes the reason out of OpenSSL's queue, where it would look like a
            // fault of the next one who uses that.
            let text = c"upstream cannot be verified".as_ptr().cast_mut();
            ngx_ssl_error(NGX_LOG_ERR as usize, (*raw).log, 0, text);
            return None;
        }
        let Some(sessions) = tls.sessions() else { return Some(()) };
        upstream.sessions = Some(sessions);
        (*(*raw).ssl).save_session = Some(save_session::<M>);
        let session = sessions.get(upstream.address.as_ref());
        if session.is_null() || ngx_ssl_set_session(raw, session) == NGX_OK as isize {
            Some(())
        } else {
            None
        }
    }
}

/// Keeps a TLS session to use it again (ngx_ssl_get_session()).
unsafe extern "C" fn save_session<M: Registered>(raw: *mut ngx_connection_t) {
    // SAFETY: begin_tls() sets it on backends of sessions that are live, as long as
    // there is an upstream; the session is handed over.
    unsafe {
        if let Some(upstream) = Place::<M>::upstream((*raw).data.cast())
            && let Some(sessions) = upstream.sessions
        {
            let session = ngx_ssl_get_session(raw);
            if !session.is_null() {
                sessions.keep(upstream.address.as_ref(), session);
            }
        }
    }
}
