//! The connection to a backend, from ngx_mail_proxy_init() until nginx relays.

use core::ffi::c_int;
use core::ptr::{self, NonNull};

use nginx_sys::{
    BIO_set_callback_ex, ERR_clear_error, SSL, SSL_RECEIVED_SHUTDOWN, SSL_SENT_SHUTDOWN, SSL_free,
    SSL_get_rbio, SSL_set_shutdown, SSL_shutdown, ngx_addr_t, ngx_atomic_uint_t,
    ngx_close_connection, ngx_connection_t, ngx_event_handler_pt, ngx_recv_pt, ngx_send_pt,
};

use crate::heap::Bytes;
use crate::passing::Memory;
use crate::tls_sessions::TlsSessions;

/// A connection to a backend, or to the auth server. It is closed with this, unless
/// nginx relays, which closes it itself.
pub(crate) struct Upstream {
    /// What it is for.
    pub purpose: Purpose,
    /// Null while there is none.
    pub connection: *mut ngx_connection_t,
    pub phase: Phase,
    /// Live as long as the session.
    pub address: NonNull<ngx_addr_t>,
    /// Where the TLS session is kept, if it is; live as long as the configuration.
    pub sessions: Option<TlsSessions>,
    /// Null, or owned here: a stock nginx frees that of a client alone. One that frees this
    /// as well while it relays makes it null.
    pub ssl: *mut SSL,
    /// nginx's own handlers.
    pub read: ngx_event_handler_pt,
    pub write: ngx_event_handler_pt,
    /// Those functions in whose place relay.rs has put others.
    pub receive: ngx_recv_pt,
    pub send: ngx_send_pt,
    pub client_receive: ngx_recv_pt,
    pub client_send: ngx_send_pt,
    /// Whether the module waits to send more.
    pub sending: bool,
    /// Whether what is waited for can be done without.
    pub dispensable: bool,
    /// What nginx is to read first when it relays.
    pub line: Option<Bytes>,
    /// Where nginx has what a backend has sent, while it relays.
    pub memory: Memory,
    /// Whether nginx has failed, and closed the connection.
    pub failed: bool,
    /// That of the connection while nginx relays.
    pub number: ngx_atomic_uint_t,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The backend of a login.
    Backend,
    /// The server that is asked about one.
    AuthServer,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is being made, and the PROXY protocol's header sent.
    Connecting,
    /// It is there.
    Open,
    /// nginx relays.
    Relayed,
}

impl Upstream {
    /// None yet, to this address.
    pub const fn new(purpose: Purpose, address: NonNull<ngx_addr_t>) -> Self {
        Self {
            purpose,
            connection: ptr::null_mut(),
            phase: Phase::Connecting,
            address,
            sessions: None,
            ssl: ptr::null_mut(),
            read: None,
            write: None,
            receive: None,
            send: None,
            client_receive: None,
            client_send: None,
            sending: false,
            dispensable: false,
            line: None,
            memory: Memory::new(),
            failed: false,
            number: 0,
        }
    }

    /// Ends TLS with close_notify, if it has begun. Nothing can be sent behind it.
    pub fn end_tls(&mut self) {
        // SAFETY: what is owned here is live, and so is the connection in TLS. OpenSSL's
        // queue is emptied: nginx would take an error in it for one of its next call.
        unsafe {
            if !self.ssl.is_null() && (*(*self.connection).ssl).handshaked() != 0 {
                SSL_shutdown(self.ssl);
                ERR_clear_error();
            }
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if !self.connection.is_null() && self.phase != Phase::Relayed {
            self.end_tls();
            // SAFETY: it was connected, and nobody has closed it.
            unsafe { ngx_close_connection(self.connection) };
        }
        if !self.ssl.is_null() {
            // SAFETY: it is owned here. Its descriptor may be closed, and another's by
            // now: nothing is sent. Without the flags OpenSSL would not use the
            // session again.
            unsafe {
                BIO_set_callback_ex(SSL_get_rbio(self.ssl), None);
                SSL_set_shutdown(self.ssl, (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) as c_int);
                SSL_free(self.ssl);
            }
        }
    }
}
