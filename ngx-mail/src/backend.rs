//! What can be done with the connection to a backend while a login there goes on.

use core::ffi::{CStr, c_int};
use core::marker::PhantomData;
use core::ptr::NonNull;

use nginx_sys::{NGX_ERROR, ngx_add_timer, ngx_addr_t, ngx_connection_t};

use crate::client::Received;
use crate::connection::Connection;
use crate::error::Fault;
use crate::log::Subject;
use crate::owner::proxy_flag;
use crate::registered::Registered;
use crate::socket;
use crate::upstream::Purpose;

/// The connection to a backend. nginx's is [`Connected`]: a module that is written for
/// any can be tested without nginx.
pub trait Backend {
    /// Reads from the backend (`recv` of ngx_connection_t).
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault>;

    /// Sends to the backend (`send` of ngx_connection_t); gives how many bytes have gone.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault>;

    /// Sends all of it.
    ///
    /// # Errors
    ///
    /// The connection is broken, as it is taken to be if not all has gone: a backend
    /// that waits for a command has room for it.
    fn send_all(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = self.send(rest)?;
            if count == 0 {
                self.log_error(c"does not read a command", b"");
                return Err(Fault::Broken);
            }
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Gives the backend a share of the time that is left to the session: it is one of
    /// so many.
    fn set_timer(&mut self, shares: usize);

    /// Sets what is said in log lines after the word "while".
    fn set_action(&mut self, action: &'static CStr);

    /// Logs at level error what the backend did, and its own words if there are any.
    /// They must not be able to forge a line.
    fn log_error(&self, did: &CStr, text: &[u8]);

    /// Whether the backend's own words go to the client (`proxy_pass_error_message`).
    fn passes_error_message(&self) -> bool;
}

/// nginx's connection to a backend.
pub struct Connected<'a, M> {
    client: Connection<'a, M>,
    /// Live for `'a`.
    raw: NonNull<ngx_connection_t>,
    live: PhantomData<&'a mut ngx_connection_t>,
    purpose: Purpose,
    address: &'a ngx_addr_t,
}

impl<'a, M: Registered> Connected<'a, M> {
    /// # Safety
    ///
    /// `raw` is live for `'a`: the connection to a backend of the client's session.
    pub(crate) const unsafe fn new(
        client: Connection<'a, M>,
        raw: NonNull<ngx_connection_t>,
        purpose: Purpose,
        address: &'a ngx_addr_t,
    ) -> Self {
        Self { client, raw, live: PhantomData, purpose, address }
    }

    /// Logs at level error how the server has failed, with the error of a call if that is
    /// not 0.
    pub(crate) fn log_failure(&self, errno: c_int, how: &CStr) {
        self.client.error_log().failure(errno, self.subject(), how, b"");
    }

    /// Logs at level error that the server cannot be connected to, with the error of the
    /// call.
    pub(crate) fn log_unconnected(&self, errno: c_int) {
        let subject = match self.subject() {
            Subject::Upstream => Subject::Connecting,
            subject => subject,
        };
        self.client.error_log().failure(errno, subject, c"connect() failed", b"");
    }

    fn subject(&self) -> Subject<'_> {
        match self.purpose {
            Purpose::Backend => Subject::Upstream,
            Purpose::AuthServer => Subject::AuthServer(self.address.name.as_bytes()),
        }
    }
}

impl<M: Registered> Backend for Connected<'_, M> {
    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        // SAFETY: the invariant.
        unsafe { socket::receive(self.raw.as_ptr(), memory) }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        // What came before TLS has failed was read; nginx has logged the failure.
        // SAFETY: the invariant.
        let failed = unsafe { (*self.raw.as_ptr()).ssl.as_ref() }
            .is_some_and(|ssl| ssl.last == NGX_ERROR as isize);
        if failed {
            return Err(Fault::Broken);
        }
        // SAFETY: the invariant.
        unsafe { socket::send(self.raw.as_ptr(), bytes) }
    }

    fn set_timer(&mut self, shares: usize) {
        let time = self.client.time_left().checked_div(shares).unwrap_or(0);
        // SAFETY: the invariant.
        unsafe { ngx_add_timer((*self.raw.as_ptr()).read, time) };
    }

    fn set_action(&mut self, action: &'static CStr) {
        self.client.set_action(action);
    }

    fn log_error(&self, did: &CStr, text: &[u8]) {
        self.client.error_log().failure(0, self.subject(), did, text);
    }

    fn passes_error_message(&self) -> bool {
        // SAFETY: the invariant; the configuration holds that of each module.
        unsafe { proxy_flag(self.client.session(), c"proxy_pass_error_message") }
    }
}
