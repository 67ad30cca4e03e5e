//! A session that has ended, and what is known of it then.

use core::ffi::CStr;
use core::ptr::NonNull;

use nginx_sys::{ngx_connection_t, ngx_exiting, ngx_terminate};

use crate::bindings::ngx_mail_session_t;
use crate::endpoint::Endpoint;
use crate::heap::Bytes;
use crate::place::Owned;
use crate::record::{End, Record, Status, TlsNames};
use crate::registered::Registered;
use crate::timer::elapsed;
use crate::upstream::Upstream;

/// A session that has ended, or that ends with its process.
pub struct Ended<'a, M: Registered> {
    /// Live for `'a`, and so is its connection's memory, if not the connection: the
    /// descriptor may be closed, and TLS gone.
    session: NonNull<ngx_mail_session_t>,
    record: &'a Record,
    shown: &'a Owned,
    state: &'a mut M::State,
}

impl<'a, M: Registered> Ended<'a, M> {
    /// # Safety
    ///
    /// `session` is live for `'a`, or its connection's pool is just being destroyed; the
    /// others are its own.
    pub(crate) const unsafe fn new(
        session: NonNull<ngx_mail_session_t>,
        record: &'a Record,
        shown: &'a Owned,
        state: &'a mut M::State,
    ) -> Self {
        Self { session, record, shown, state }
    }

    /// What the module has kept of the session.
    pub const fn state(&mut self) -> &mut M::State {
        self.state
    }

    const fn connection(&self) -> &ngx_connection_t {
        // SAFETY: the invariant.
        unsafe { &*(*self.session.as_ptr()).connection }
    }

    /// The configuration of the session's server.
    pub fn conf(&self) -> &'a M::ServerConf {
        // SAFETY: the invariant; the configuration outlives the session.
        unsafe { &*(*(*self.session.as_ptr()).srv_conf.add(M::ctx_index())).cast() }
    }

    /// The connection's number, as it stands in the error log.
    pub const fn number(&self) -> usize {
        self.connection().number as usize
    }

    /// The client's address, without its port.
    pub fn address(&self) -> &[u8] {
        self.connection().addr_text.as_bytes()
    }

    /// Where the client was, if that is an address of IP.
    pub fn client_endpoint(&self) -> Option<Endpoint> {
        let connection = self.connection();
        // SAFETY: the invariant: the address is of the connection's pool.
        unsafe { Endpoint::of(connection.sockaddr, connection.socklen) }
    }

    /// Where the client had connected to, if that is an address of IP.
    pub fn server_endpoint(&self) -> Option<Endpoint> {
        let connection = self.connection();
        // SAFETY: as above.
        unsafe { Endpoint::of(connection.local_sockaddr, connection.local_socklen) }
    }

    /// Who has tried to log in last, or was about to; empty if nobody was.
    pub fn login(&self) -> &[u8] {
        let login = self.record.login.as_ref().or(self.shown.login.as_ref());
        login.map_or(&[], Bytes::as_slice)
    }

    /// How, as the module calls it; empty if nobody has.
    pub const fn method(&self) -> &'static CStr {
        self.record.method
    }

    /// What has come of that.
    pub const fn status(&self) -> Status {
        self.record.status
    }

    /// How many logins were begun.
    pub fn login_attempts(&self) -> usize {
        // SAFETY: the invariant.
        unsafe { (*self.session.as_ptr()).login_attempt }
    }

    /// The client's TLS.
    pub const fn tls(&self) -> TlsNames {
        self.record.tls
    }

    /// The address of the backend that was connected to last; empty if none was.
    pub fn upstream(&self) -> &[u8] {
        self.record.upstream.as_ref().map_or(&[], Bytes::as_slice)
    }

    /// The TLS to that.
    pub const fn upstream_tls(&self) -> TlsNames {
        self.record.upstream_tls
    }

    /// How many bytes have come from the client, without those of TLS itself.
    pub const fn received(&self) -> u64 {
        self.record.received
    }

    /// How many have gone to it, likewise.
    pub fn sent(&self) -> u64 {
        self.connection().sent.try_into().unwrap_or(0)
    }

    /// How long the client had been connected when it was logged in, in milliseconds, if it
    /// was.
    pub fn login_time(&self) -> Option<u64> {
        self.record.login_time.map(|time| time as u64)
    }

    /// How long it was connected, in milliseconds.
    pub fn session_time(&self) -> u64 {
        elapsed(self.connection()) as u64
    }

    /// Who or what has ended the session.
    pub fn end(&self) -> End {
        let connection = self.connection();
        // What nginx waits for last is the client's end of TLS, and that may be in vain.
        if let Some(end) = self.record.end {
            return end;
        }
        // SAFETY: nginx's own numbers. The events of a connection are live as long as its
        // worker.
        unsafe {
            // The event alone tells it of a handshake.
            if connection.timedout() != 0 || (*connection.read).timedout() != 0 {
                return End::Timeout;
            }
            match self.shown.upstream.as_deref().and_then(relayed) {
                Some(upstream) if (*upstream.read).timedout() != 0 => return End::Timeout,
                Some(upstream) if upstream.close() != 0 => return End::Shutdown,
                _ => {}
            }
            if connection.close() != 0 || ngx_exiting != 0 || ngx_terminate != 0 {
                End::Shutdown
            } else if (*connection.write).error() != 0 {
                End::Client
            } else {
                End::Error
            }
        }
    }
}

/// The connection to the backend that nginx has relayed to, which it closes just before that
/// to the client; nothing if it is another's meanwhile.
fn relayed(upstream: &Upstream) -> Option<&ngx_connection_t> {
    // SAFETY: its worker has all connections in an array that stays.
    let connection = unsafe { upstream.connection.as_ref() };
    connection.filter(|connection| connection.number == upstream.number)
}
