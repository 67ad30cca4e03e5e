//! What can be done with the connection to a client while its session goes on.

use core::ffi::CStr;

use crate::attempt::Attempt;
use crate::endpoint::{Endpoint, Short};
use crate::error::{Fault, NoMemory};
use crate::heap::Bytes;
use crate::log::Refused;
use crate::record::End;

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The client has closed its side.
    End,
}

/// The connection to a client. nginx's is
/// [`Connection`](crate::connection::Connection): a module that is written for any
/// can be tested without nginx.
///
/// Nothing here ends the session: what may is in
/// [`Session`](crate::session::Session).
pub trait Client: Sized {
    /// The same for a while: [`Client::reborrow`].
    type Reborrowed<'b>: Client
    where
        Self: 'b;

    /// The same connection, for as long as this one is left alone: it is as wide as
    /// a pointer, where a reference to it would be a pointer to one.
    fn reborrow(&mut self) -> Self::Reborrowed<'_>;

    /// Whether the client's bytes come through TLS.
    fn tls(&self) -> bool;

    /// Where the client is, if that is an address of IP.
    fn client_endpoint(&self) -> Option<Endpoint>;

    /// Where the client has connected to, if that is an address of IP.
    fn server_endpoint(&self) -> Option<Endpoint>;

    /// The session's name: the numbers of process and connection, as they stand in the
    /// error log.
    fn name(&self) -> Short;

    /// Notes the attempt that is shown, by a method that the module calls so, if that is of
    /// interest.
    fn note_attempt(&mut self, method: &'static CStr);

    /// Notes why the session ends, if that is of interest; what was noted first stays.
    fn note_end(&mut self, end: End);

    /// Whether there may be something to read.
    fn ready(&self) -> bool;

    /// Reads from the client (`recv` of ngx_connection_t).
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault>;

    /// Sends to the client (`send` of ngx_connection_t); gives how many bytes have
    /// gone.
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault>;

    /// Sends all of it, what the client does not take now as [`Client::send_later`]
    /// does; gives whether all has gone. It is not for use while something has
    /// still to be sent ([`Client::sending`]).
    ///
    /// # Errors
    ///
    /// The connection is broken, as it is if there is no memory for what is behind
    /// the bytes that have gone: nothing else can follow those. Or there is no memory,
    /// and nothing has gone.
    #[inline]
    fn send_all(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        if bytes.is_empty() {
            return Ok(true);
        }
        if self.tls() {
            return send_through_tls(self, bytes);
        }
        match self.send(bytes)? {
            count if count >= bytes.len() => Ok(true),
            count => send_rest(self, bytes.get(count..).unwrap_or_default()),
        }
    }

    /// Has `unsent` from `at` on sent when the client reads again. The read handler
    /// is called then, and sooner if the client sends something (ngx_mail_send()).
    /// Output that still waits is dropped for it, nginx's own, too: see
    /// [`Client::sending`].
    ///
    /// # Errors
    ///
    /// The connection is broken.
    fn send_later(&mut self, unsent: Bytes, at: usize) -> Result<(), Fault>;

    /// Whether something has still to be sent: what was handed to
    /// [`Client::send_later`], or a reply of the mail core's own.
    fn sending(&self) -> bool;

    /// Gives the memory back of what has been sent.
    fn forget_sent(&mut self);

    /// Has the time that the client has to log in (`timeout`) end when it is over,
    /// counted from when it connected: nginx starts it anew behind a TLS handshake
    /// and a login that failed. Gives whether there is any left, and logs it if
    /// there is none.
    fn restart_timer(&mut self) -> bool;

    /// Takes room for so many bytes, and logs it if there is none.
    ///
    /// # Errors
    ///
    /// There is no memory.
    fn allocate(&self, capacity: usize) -> Result<Bytes, NoMemory> {
        self.logged(Bytes::with_capacity(capacity))
    }

    /// Takes a copy, and logs it if there is no memory.
    ///
    /// # Errors
    ///
    /// There is no memory.
    fn copy(&self, bytes: &[u8]) -> Result<Bytes, NoMemory> {
        self.logged(Bytes::copy_of(bytes))
    }

    /// Logs it if there was no memory.
    ///
    /// # Errors
    ///
    /// That of `result`.
    fn logged<T>(&self, result: Result<T, NoMemory>) -> Result<T, NoMemory>;

    /// Makes the session's challenge, with its CRLF: it stays (ngx_mail_salt()).
    ///
    /// # Errors
    ///
    /// There is no memory.
    fn make_session_challenge(&mut self) -> Result<&[u8], NoMemory>;

    /// Makes a challenge of the same form, for one exchange.
    ///
    /// # Errors
    ///
    /// There is no memory.
    fn make_challenge(&self) -> Result<Bytes, NoMemory>;

    /// Shows a login in log lines from now on, in place of an earlier one. It must
    /// not be able to forge a line.
    fn show_login(&mut self, login: Bytes);

    /// The login that is shown; empty if there is none.
    fn login(&self) -> &[u8];

    /// Shows no login any more.
    fn hide_login(&mut self);

    /// Shows a login attempt to the mail core, in place of a login. For
    /// [`Session::begin_login`](crate::session::Session::begin_login).
    fn show_attempt(&mut self, attempt: Attempt);

    /// The login attempt that is shown.
    fn attempt(&self) -> Option<&Attempt>;

    /// Puts what the client has sent ahead into the buffer of the attempt that is shown
    /// ([`Attempt::put_ahead`]), if there is one.
    ///
    /// # Errors
    ///
    /// There is no memory.
    fn put_ahead(&mut self, ahead: &[u8]) -> Result<(), NoMemory>;

    /// Takes back a login attempt, with what stands in its buffer.
    fn take_attempt(&mut self) -> Option<Attempt>;

    /// Logs at level info what the client did, and in which command if that is
    /// known.
    fn log(&self, did: &CStr, command: Option<&CStr>);

    /// Logs that a login is refused. The words of others must not be able to forge a line.
    fn log_refused(&self, refused: &Refused<'_>);

    /// Logs bytes at level debug, if nginx has that, with a text before them. They
    /// must not be able to forge a line.
    fn debug(&self, text: &CStr, bytes: &[u8]);
}

#[cold]
#[inline(never)]
fn send_rest(client: &mut impl Client, rest: &[u8]) -> Result<bool, Fault> {
    let rest = client.copy(rest).map_err(|NoMemory| Fault::Broken)?;
    client.send_later(rest, 0)?;

    Ok(false)
}

/// OpenSSL wants a write that could not be completed to be tried again from the same
/// memory, as nginx does not set SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER.
#[inline(never)]
fn send_through_tls(client: &mut impl Client, bytes: &[u8]) -> Result<bool, Fault> {
    let bytes = client.copy(bytes)?;
    let count = client.send(bytes.as_slice())?;
    let all = count >= bytes.as_slice().len();
    if !all {
        client.send_later(bytes, count)?;
    }

    Ok(all)
}
