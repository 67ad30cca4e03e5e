//! The connection to a client, of a session that is live.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_AGAIN, NGX_ERROR, NGX_ETIMEDOUT, NGX_OK, NGX_USE_CLEAR_EVENT, ngx_add_timer,
    ngx_connection_t, ngx_connection_tcp_nodelay_e_NGX_TCP_NODELAY_UNSET as NODELAY_UNSET,
    ngx_current_msec, ngx_event_actions, ngx_event_flags, ngx_event_t, ngx_handle_write_event,
    ngx_msec_t, ngx_random, ngx_slprintf, ngx_str_t, ngx_tcp_nodelay, ngx_time,
};
use pop3::Method;

use super::attempt::Attempt;
use super::heap::Bytes;
use super::log::Log;
use super::mail::{
    NGX_MAIL_AUTH_APOP, NGX_MAIL_AUTH_CRAM_MD5, NGX_MAIL_AUTH_EXTERNAL, NGX_MAIL_AUTH_PLAIN,
    NGX_RS_CLEAR_EVENT, NGX_RS_WRITE_EVENT, ngx_mail_core_srv_conf_t, ngx_mail_salt,
    ngx_mail_session_t,
};
use super::protocol::read_event;
use super::{Fault, NoMemory};
use crate::conf::ServerConf;
use crate::module;

/// What can be done with a client's connection while its session goes on.
pub struct Connection<'a> {
    /// Live, and so is its session, of a server that has our configuration, as
    /// long as this is reached through a [`Session`](super::session::Session).
    raw: NonNull<ngx_connection_t>,
    live: PhantomData<&'a mut ngx_connection_t>,
}

/// What came of reading.
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The client has closed its side.
    End,
}

impl<'a> Connection<'a> {
    /// # Safety
    ///
    /// `raw` is that of a live session of a server that has our configuration.
    pub const unsafe fn new(raw: NonNull<ngx_connection_t>) -> Self {
        Self { raw, live: PhantomData }
    }

    /// The same connection, for as long as this one is left alone.
    pub const fn reborrow(&mut self) -> Connection<'_> {
        Connection { raw: self.raw, live: PhantomData }
    }

    /// nginx's pointer to the session.
    pub const fn session(&self) -> *mut ngx_mail_session_t {
        // SAFETY: the invariant; the mail core has its session as the data of
        // the client's connection.
        unsafe { (*self.raw.as_ptr()).data.cast() }
    }

    /// nginx's pointer to the connection.
    pub const fn as_ptr(&self) -> *mut ngx_connection_t {
        self.raw.as_ptr()
    }

    /// The configuration of the session's server.
    pub fn conf(&self) -> &'a ServerConf {
        // SAFETY: the invariant; a configuration outlives the callbacks of its
        // sessions.
        unsafe { &*(*(*self.session()).srv_conf.add(module::ctx_index())).cast() }
    }

    /// The log of the client's connection.
    pub const fn log(&self) -> Log<'a> {
        // SAFETY: the invariant; a connection that is live has a log.
        unsafe { Log::from_raw(NonNull::new_unchecked((*self.raw.as_ptr()).log)) }
    }

    /// Its read event.
    pub const fn read(&self) -> *mut ngx_event_t {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).read }
    }

    fn core_conf(&self) -> *const ngx_mail_core_srv_conf_t {
        // SAFETY: the invariant; the configuration holds that of each module.
        unsafe { (*(*self.session()).srv_conf.add(module::core_ctx_index())).cast() }
    }

    /// Whether the session has to be closed, and logs why: the time before the
    /// login is over, or a worker that shuts down has waited for long enough
    /// (worker_shutdown_timeout).
    pub fn over(&self) -> bool {
        // SAFETY: the invariant.
        unsafe {
            if (*self.read()).timedout() != 0 {
                self.note_timeout();
                return true;
            }
            if (*self.raw.as_ptr()).close() != 0 {
                self.log().info(0, c"shutdown timeout");
                return true;
            }
        }
        false
    }

    fn note_timeout(&self) {
        self.log().info(NGX_ETIMEDOUT as _, c"client timed out");
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).set_timedout(1) };
    }

    /// Whether the client's bytes come through TLS.
    pub const fn tls(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { !(*self.raw.as_ptr()).ssl.is_null() }
    }

    /// Whether there may be something to read.
    pub fn ready(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.read()).ready() != 0 }
    }

    /// Tells nginx that there may be something to read: what is held already
    /// raises no event.
    pub fn set_ready(&mut self) {
        // SAFETY: the invariant.
        unsafe { (*self.read()).set_ready(1) };
    }

    /// Whether nginx has still to send what was handed to
    /// [`Connection::send_later`].
    pub const fn sending(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.session()).out.len != 0 }
    }

    /// Makes the challenge of the greeting, for APOP: with its CRLF, as it goes
    /// there, and as long as the session (ngx_mail_salt()).
    pub fn make_greeting_challenge(&mut self) -> Result<&[u8], NoMemory> {
        // SAFETY: the invariant.
        unsafe {
            let session = self.session();
            let rc = ngx_mail_salt(session, self.raw.as_ptr(), self.core_conf().cast_mut());
            if rc == NGX_OK as isize { Ok((*session).salt.as_bytes()) } else { Err(NoMemory) }
        }
    }

    /// Makes a challenge of the same form, for one exchange.
    pub fn make_challenge(&self) -> Result<Bytes, NoMemory> {
        // Of the numbers, and what is around them.
        const REST: usize = "<18446744073709551615.-9223372036854775808@>\r\n".len();

        // SAFETY: the invariant; the configuration's text stays.
        let name = unsafe { (*self.core_conf()).server_name };
        let mut challenge = Bytes::with_capacity(name.len.saturating_add(REST), self.log())?;
        let room = challenge.room().as_mut_ptr_range();
        // SAFETY: it writes no further than the end of the room; "%ul" takes an
        // unsigned long, "%T" a time_t and "%V" a string.
        let end = unsafe {
            ngx_slprintf(
                room.start,
                room.end,
                c"<%ul.%T@%V>\r\n".as_ptr(),
                ngx_random(),
                ngx_time(),
                &raw const name,
            )
        };
        challenge.grow(end.addr().saturating_sub(room.start.addr()));

        Ok(challenge)
    }

    /// Reads from the client.
    pub fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        let connection = self.raw.as_ptr();
        // SAFETY: the invariant; `recv` of a live connection is set, which nginx
        // does not look for either, and writes to the memory that it is given.
        let n = unsafe {
            let recv = (*connection).recv.unwrap_unchecked();
            recv(connection, memory.as_mut_ptr(), memory.len())
        };

        match usize::try_from(n) {
            Ok(0) => Ok(Received::End),
            Ok(n) => Ok(Received::Bytes(n)),
            Err(_) if n == NGX_AGAIN as isize => Ok(Received::Nothing),
            Err(_) => Err(Fault::Broken),
        }
    }

    /// Sends to the client; gives how many bytes have gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let connection = self.raw.as_ptr();
        // SAFETY: as in receive(); `send` only reads the bytes.
        let n = unsafe {
            let send = (*connection).send.unwrap_unchecked();
            send(connection, bytes.as_ptr().cast_mut(), bytes.len())
        };

        match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) if n == NGX_ERROR as isize => Err(Fault::Broken),
            Err(_) => Ok(0),
        }
    }

    /// Has `unsent` from `at` on sent when the client reads again; then nginx
    /// calls the read handler (ngx_mail_send()). It has to stay until
    /// [`Connection::sending`] tells that it has gone.
    pub fn send_later(&mut self, unsent: &Bytes, at: usize) -> Result<(), Fault> {
        let rest = unsent.as_slice().get(at..).unwrap_or_default();
        let out = ngx_str_t { data: rest.as_ptr().cast_mut(), len: rest.len() };
        // SAFETY: the invariant; nginx only reads the bytes.
        let rc = unsafe {
            let session = self.session();
            let write = (*self.raw.as_ptr()).write;
            (*session).out = out;
            (*session).set_blocked(1);
            ngx_add_timer(write, (*self.core_conf()).timeout);
            ngx_handle_write_event(write, 0)
        };
        if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
    }

    /// Has what is sent leave at once from now on (TCP_NODELAY).
    #[inline(always)]
    pub fn send_without_delay(&mut self) -> Result<(), Fault> {
        // SAFETY: the invariant.
        if unsafe { (*self.raw.as_ptr()).tcp_nodelay() } == NODELAY_UNSET {
            return self.set_nodelay();
        }
        Ok(())
    }

    #[cold]
    fn set_nodelay(&mut self) -> Result<(), Fault> {
        // SAFETY: the invariant.
        let rc = unsafe { ngx_tcp_nodelay(self.raw.as_ptr()) };
        if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
    }

    /// Has the time that the client has to log in (`timeout`) end when it is over,
    /// counted from when it connected.
    pub fn start_timer(&mut self) {
        // SAFETY: the invariant.
        unsafe { ngx_add_timer(self.read(), self.time_left()) };
    }

    /// The same when nginx has started the whole time anew, as it does behind a
    /// TLS handshake and a login that failed. Gives whether there is any left, and
    /// logs it if there is none.
    pub fn restart_timer(&mut self) -> bool {
        if self.time_left() == 0 {
            self.note_timeout();
            return false;
        }
        self.start_timer();
        true
    }

    fn time_left(&self) -> ngx_msec_t {
        // SAFETY: the invariant; nginx writes its time between two events.
        unsafe {
            let elapsed = ngx_current_msec.wrapping_sub((*self.raw.as_ptr()).start_time);
            (*self.core_conf()).timeout.saturating_sub(elapsed)
        }
    }

    /// No longer waits until the client takes output, once that has gone: an event
    /// of the client, which epoll reports together with that, would have nginx
    /// send the reply to a login that failed before Auth-Wait is over.
    pub fn drop_write_interest(&mut self) -> Result<(), Fault> {
        // SAFETY: the invariant; nginx sets the actions before it has sessions.
        unsafe {
            let write = (*self.raw.as_ptr()).write;
            if (*write).active() == 0 || ngx_event_flags & NGX_USE_CLEAR_EVENT as usize == 0 {
                return Ok(());
            }
            // As in ngx_handle_write_event(): what remains of the connection's
            // registration is edge-triggered as well.
            let rc = ngx_event_actions.del.map_or(NGX_OK as isize, |del| {
                del(write, NGX_RS_WRITE_EVENT as isize, NGX_RS_CLEAR_EVENT as usize)
            });
            if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
        }
    }

    /// Has the read handler called for input from now on: nginx had another
    /// one there.
    pub fn take_input(&mut self) {
        // SAFETY: the invariant.
        unsafe { (*self.read()).handler = Some(read_event) };
    }

    /// Sets what is said in log lines after the word "while".
    pub const fn set_action(&mut self, action: &'static CStr) {
        // SAFETY: the invariant; nginx only reads the text.
        unsafe { (*(*self.raw.as_ptr()).log).action = action.as_ptr().cast_mut() };
    }

    /// Shows a kept login to the mail core: in log lines. It has to stay until
    /// another one is shown.
    pub fn show_login(&mut self, login: &Bytes) {
        let login = login.as_slice();
        let login = ngx_str_t { data: login.as_ptr().cast_mut(), len: login.len() };
        // SAFETY: the invariant; nginx only reads it.
        unsafe { (*self.session()).login = login };
    }

    /// Shows a login attempt to the mail core: to the auth server and, after
    /// the login, to the backend. It has to stay until it is hidden.
    pub fn show_attempt(&mut self, method: Method, attempt: &mut Attempt) {
        let method = match method {
            Method::Plain => NGX_MAIL_AUTH_PLAIN,
            Method::Apop => NGX_MAIL_AUTH_APOP,
            Method::CramMd5 => NGX_MAIL_AUTH_CRAM_MD5,
            Method::External => NGX_MAIL_AUTH_EXTERNAL,
        };
        // SAFETY: as in show_login().
        unsafe {
            let session = self.session();
            (*session).login = attempt.login();
            (*session).passwd = attempt.secret();
            (*session).set_auth_method(method);
            (*session).buffer = attempt.buffer();
            attempt.keep_greeting((*session).salt);
            if attempt.challenge().len != 0 {
                (*session).salt = attempt.challenge();
            }
        }
    }

    /// Takes back from the mail core whatever was shown of a login attempt.
    pub const fn hide_attempt(&mut self, attempt: &Attempt) {
        self.hide_login();
        // SAFETY: the invariant.
        unsafe { (*self.session()).salt = attempt.greeting() };
    }

    /// Takes back from the mail core whatever was shown of a login, and the
    /// buffer to relay through.
    pub const fn hide_login(&mut self) {
        // SAFETY: the invariant.
        unsafe {
            let session = self.session();
            (*session).login = ngx_str_t::empty();
            (*session).passwd = ngx_str_t::empty();
            (*session).buffer = ptr::null_mut();
        }
    }
}
