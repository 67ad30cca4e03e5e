//! TLS to a backend, with what OpenSSL needs for it.

use nginx_sys::{
    NGX_AGAIN, NGX_LOG_ERR, NGX_OK, NGX_SSL_CLIENT, ngx_connection_t, ngx_ssl_create_connection,
    ngx_ssl_error, ngx_ssl_get_session, ngx_ssl_handshake, ngx_ssl_set_session, ngx_tcp_nodelay,
};

use crate::certificate::ServerName;
use crate::learnt::Learnt;
use crate::login::{Authenticator, Event, Login, upstream_event};
use crate::place::Place;
use crate::record::TlsNames;
use crate::registered::Registered;
use crate::tls::Tls;

impl<M: Authenticator> Login<'_, M> {
    /// Makes the TLS handshake; [`Authenticator::backend`] is called when it is over.
    ///
    /// # Errors
    ///
    /// It has failed at once, and the reason has been logged.
    pub fn secure(mut self, tls: &Tls, host: Option<ServerName<'_>>) -> Result<(), Self> {
        self.session.connection().set_action(c"SSL handshaking to upstream");
        match self.handshake(tls, host) {
            Some(rc) if rc == NGX_AGAIN as isize => Ok(()),
            Some(rc) if rc == NGX_OK as isize => {
                if let Some(raw) = self.raw() {
                    // SAFETY: the connection is live, and its handshake is over; it is
                    // this call that goes on with the session.
                    unsafe { handshaked::<M>(raw.as_ptr()) };
                }
                Ok(())
            }
            _ => {
                self.drop_backend();
                Err(self)
            }
        }
    }

    /// Gives what ngx_ssl_handshake() does.
    fn handshake(&mut self, tls: &Tls, host: Option<ServerName<'_>>) -> Option<isize> {
        let raw = self.raw()?.as_ptr();
        // SAFETY: the connection is live, and that of the session's upstream.
        unsafe {
            let host = host.unwrap_or_else(|| told_host::<M>(raw));
            begin_tls::<M>(raw, tls, host)?;
            // Of two commands in a row the second would wait until the first is
            // acknowledged, which takes the backend's delay.
            if ngx_tcp_nodelay(raw) != NGX_OK as isize {
                return None;
            }
            let rc = ngx_ssl_handshake(raw);
            (*(*raw).ssl).handler = Some(handshaked::<M>);
            Some(rc)
        }
    }

    /// Says whether the backend, which is known by this name, or by what the session was
    /// told, is who it has to be, and logs at level error why it is not.
    pub fn verify(&mut self, tls: &Tls, host: Option<ServerName<'_>>) -> bool {
        let Some(upstream) = self.upstream() else { return false };
        if upstream.ssl.is_null() {
            return false;
        }
        // SAFETY: the connection is that of the upstream, which is in TLS.
        let host = host.unwrap_or_else(|| unsafe { told_host::<M>(upstream.connection) });
        // SAFETY: the upstream owns it, and its handshake is over.
        let verified = unsafe { tls.verify(upstream.ssl, host) };
        let Err(unverified) = verified else { return true };
        if let Some(sessions) = upstream.sessions.take() {
            // SAFETY: the address is live as long as the session.
            sessions.forget(unsafe { upstream.address.as_ref() });
        }
        let log = self.session.connection().error_log();
        log.unverified(unverified.reason, unverified.expected);
        false
    }
}

/// Who the backend is by what the session was told.
///
/// # Safety
///
/// `raw` is the connection to the backend of a session that is live and has a [`Place`];
/// what it was told is not replaced for the life of the result.
unsafe fn told_host<'a, M: Registered>(raw: *const ngx_connection_t) -> ServerName<'a> {
    // SAFETY: the caller's promise.
    let learnt = unsafe { Place::<M>::learnt((*raw).data.cast()) };
    learnt.map_or(ServerName::Unknown, Learnt::server_name)
}

/// The handler of a TLS handshake that is over.
unsafe extern "C" fn handshaked<M: Authenticator>(raw: *mut ngx_connection_t) {
    // SAFETY: as in upstream_event(); handshake() sets it.
    let mut login = unsafe { Login::<M>::of(raw) };
    // SAFETY: the connection is live, and in TLS.
    let (done, closing, timed_out) = unsafe {
        (*(*raw).read).handler = Some(upstream_event::<M>);
        (*(*raw).write).handler = Some(upstream_event::<M>);
        let done = (*(*raw).ssl).handshaked() != 0;
        (done, (*raw).close() != 0, (*(*raw).read).timedout() != 0)
    };
    if done {
        if let Some(record) = login.session.connection().record() {
            // SAFETY: the handshake is over.
            record.upstream_tls = unsafe { TlsNames::of((*(*raw).ssl).connection) };
        }
        return M::backend(login, Event::Secured);
    }
    // A worker that shuts down does not wait for it any more.
    if closing {
        return login.close();
    }
    // Else nginx has logged it.
    if timed_out {
        login.log_timeout();
    }
    login.failed();
}

/// Readies a connection for the handshake (ngx_ssl_create_connection()); what OpenSSL
/// makes is the upstream's. Gives nothing if there is no memory, say.
///
/// # Safety
///
/// `raw` is live: the connection of the upstream of a session that is live and has a
/// [`Place`].
unsafe fn begin_tls<M: Registered>(
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
