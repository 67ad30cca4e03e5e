//! A client's session with nginx's mail core.
//!
//! Many calls into nginx may free the session: here, each of them takes the
//! [`Session`] by value, so that nothing can be done with it afterwards.

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_AGAIN, NGX_ERROR, NGX_ETIMEDOUT, NGX_OK, ngx_add_timer, ngx_connection_t, ngx_event_t,
    ngx_handle_read_event, ngx_handle_write_event, ngx_palloc, ngx_pool_cleanup_add,
    ngx_post_event, ngx_posted_events, ngx_posted_next_events, ngx_str_t, ngx_tcp_nodelay,
};

use super::log::Log;
use super::mail::{
    NGX_MAIL_AUTH_APOP, NGX_MAIL_AUTH_CRAM_MD5, NGX_MAIL_AUTH_EXTERNAL, NGX_MAIL_AUTH_PLAIN,
    ngx_mail_auth, ngx_mail_close_connection, ngx_mail_core_srv_conf_t, ngx_mail_salt,
    ngx_mail_session_internal_server_error, ngx_mail_session_t, ngx_mail_starttls_handler,
};
use super::protocol::{handshake_event, read_event};
use super::{Fault, NoMemory};
use crate::conf::ServerConf;
use crate::dialogue::State;
use crate::module;

/// A session that is live.
pub struct Session<'a> {
    /// Live, with its connection and its [`State`], until a method takes the
    /// Session by value.
    raw: NonNull<ngx_mail_session_t>,
    conf: &'a ServerConf,
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

impl<'a> Session<'a> {
    /// Gives a new session its [`State`].
    ///
    /// # Safety
    ///
    /// `raw` is a live session of a server that has our configuration, in its
    /// init_session callback. Nothing else uses it for `'a`.
    pub unsafe fn start(raw: NonNull<ngx_mail_session_t>) -> Result<Self, NoMemory> {
        // SAFETY: the caller's promise: the session's connection and pool are
        // live, and its ctx array has a place for each mail module. The pool
        // aligns what it gives for any type, and runs the cleanup before it
        // frees that memory.
        unsafe {
            let session = raw.as_ptr();
            let pool = (*(*session).connection).pool;
            let state = NonNull::new(ngx_palloc(pool, size_of::<State>()).cast::<State>())
                .ok_or(NoMemory)?;
            let cleanup = NonNull::new(ngx_pool_cleanup_add(pool, 0)).ok_or(NoMemory)?.as_ptr();
            state.write(State::default());
            *(*session).ctx.add(module::ctx_index()) = state.as_ptr().cast();
            (*cleanup).data = session.cast();
            (*cleanup).handler = Some(drop_state);

            Ok(Self::from_raw(raw))
        }
    }

    /// # Safety
    ///
    /// `raw` is a live session that was given to [`Session::start`]. Nothing
    /// else uses it for `'a`.
    unsafe fn from_raw(raw: NonNull<ngx_mail_session_t>) -> Self {
        // SAFETY: the caller's promise; a configuration outlives the
        // callbacks of its sessions.
        let conf = unsafe { &*(*(*raw.as_ptr()).srv_conf.add(module::ctx_index())).cast() };
        Self { raw, conf }
    }

    /// # Safety
    ///
    /// `event` is that of the client's connection of a live session that was
    /// given to [`Session::start`]. Nothing else uses it for `'a`.
    pub unsafe fn from_event(event: *mut ngx_event_t) -> Self {
        // SAFETY: the caller's promise; nginx's mail core has its session as
        // the data of the client's connection.
        unsafe {
            let connection = (*event).data.cast::<ngx_connection_t>();
            Self::from_raw(NonNull::new_unchecked((*connection).data.cast()))
        }
    }

    /// The configuration of the session's server.
    pub const fn conf(&self) -> &'a ServerConf {
        self.conf
    }

    /// What the module keeps of the session.
    pub fn state(&mut self) -> &mut State {
        // SAFETY: the invariant; start() put it there.
        unsafe { &mut *(*(*self.raw.as_ptr()).ctx.add(module::ctx_index())).cast() }
    }

    /// The log of the client's connection.
    pub const fn log(&self) -> Log<'a> {
        // SAFETY: the invariant; a connection that is live has a log.
        unsafe { Log::from_raw(NonNull::new_unchecked((*self.connection()).log)) }
    }

    const fn connection(&self) -> *mut ngx_connection_t {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).connection }
    }

    const fn read(&self) -> *mut ngx_event_t {
        // SAFETY: the invariant.
        unsafe { (*self.connection()).read }
    }

    fn core_conf(&self) -> *const ngx_mail_core_srv_conf_t {
        // SAFETY: the invariant; the configuration holds that of each module.
        unsafe { (*(*self.raw.as_ptr()).srv_conf.add(module::core_ctx_index())).cast() }
    }

    /// Sets what is said in log lines after the word "while".
    pub const fn set_action(&mut self, action: &'static CStr) {
        // SAFETY: the invariant; nginx only reads the text.
        unsafe { (*(*self.connection()).log).action = action.as_ptr().cast_mut() };
    }

    /// Whether the session has to be closed, and logs why: the time before the
    /// login is over, or a worker that shuts down has waited for long enough
    /// (worker_shutdown_timeout).
    pub fn over(&self) -> bool {
        // SAFETY: the invariant.
        unsafe {
            if (*self.read()).timedout() != 0 {
                self.log().info(NGX_ETIMEDOUT as _, c"client timed out");
                (*self.connection()).set_timedout(1);
                return true;
            }
            if (*self.connection()).close() != 0 {
                self.log().info(0, c"shutdown timeout");
                return true;
            }
        }
        false
    }

    /// Whether the client's bytes come through TLS.
    pub const fn tls(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { !(*self.connection()).ssl.is_null() }
    }

    /// Whether there may be something to read.
    pub fn ready(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.read()).ready() != 0 }
    }

    /// Whether nginx has still to send what was handed to
    /// [`Session::send_later`].
    pub const fn sending(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).out.len != 0 }
    }

    /// Makes the challenge of APOP and CRAM-MD5.
    pub fn make_challenge(&mut self) -> Result<(), NoMemory> {
        // SAFETY: the invariant.
        let rc = unsafe {
            ngx_mail_salt(self.raw.as_ptr(), self.connection(), self.core_conf().cast_mut())
        };
        if rc == NGX_OK as isize { Ok(()) } else { Err(NoMemory) }
    }

    /// The challenge with its CRLF, as it goes into the greeting; empty if
    /// none was made.
    pub fn challenge(&self) -> &[u8] {
        // SAFETY: the invariant; ngx_mail_salt() set it or nobody.
        unsafe { (*self.raw.as_ptr()).salt.as_bytes() }
    }

    /// Reads from the client.
    pub fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        let connection = self.connection();
        // SAFETY: the invariant; `recv` of a live connection is set, and
        // writes to the memory that it is given.
        let n = unsafe {
            let recv = (*connection).recv.ok_or(Fault::Broken)?;
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
        let connection = self.connection();
        // SAFETY: the invariant; `send` of a live connection is set, and only
        // reads the bytes.
        let n = unsafe {
            let send = (*connection).send.ok_or(Fault::Broken)?;
            send(connection, bytes.as_ptr().cast_mut(), bytes.len())
        };

        match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) if n == NGX_ERROR as isize => Err(Fault::Broken),
            Err(_) => Ok(0),
        }
    }

    /// Has [`State::unsent`] from `at` on sent when the client reads again;
    /// then nginx calls the read handler (ngx_mail_send()).
    pub fn send_later(&mut self, at: usize) -> Result<(), Fault> {
        let unsent = self.state().unsent.as_ref().and_then(|unsent| unsent.as_slice().get(at..));
        let out = unsent.map_or(ngx_str_t::empty(), |unsent| ngx_str_t {
            data: unsent.as_ptr().cast_mut(),
            len: unsent.len(),
        });
        // SAFETY: the invariant; `unsent` stays until nginx has sent it, which
        // sending() tells.
        let rc = unsafe {
            let session = self.raw.as_ptr();
            let write = (*self.connection()).write;
            (*session).out = out;
            (*session).set_blocked(1);
            ngx_add_timer(write, (*self.core_conf()).timeout);
            ngx_handle_write_event(write, 0)
        };
        if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
    }

    /// Has what is sent leave at once from now on (TCP_NODELAY).
    pub fn send_without_delay(&mut self) {
        // SAFETY: the invariant. If it fails, nginx has logged it, and replies
        // come later than they could.
        unsafe { ngx_tcp_nodelay(self.connection()) };
    }

    /// Has the read handler called once the output is sent.
    pub fn wait_for_sending(self) {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).set_blocked(1) };
        self.wait_for_input();
    }

    /// Starts the time that the client has to log in.
    pub fn start_timer(&mut self) {
        // SAFETY: the invariant.
        unsafe { ngx_add_timer(self.read(), (*self.core_conf()).timeout) };
    }

    /// Has the read handler called for input from now on: nginx had another
    /// one there.
    pub fn take_input(&mut self) {
        // SAFETY: the invariant.
        unsafe { (*self.read()).handler = Some(read_event) };
    }

    /// Waits for input.
    pub fn wait_for_input(self) {
        // SAFETY: the invariant.
        if unsafe { ngx_handle_read_event(self.read(), 0) } != NGX_OK as isize {
            self.close();
        }
    }

    /// Has the read handler called in the next round of the event loop, after
    /// the other connections have had their turn.
    pub fn read_next_round(self) {
        // SAFETY: the invariant; a connection that is closed is taken out of
        // the queue by nginx.
        unsafe { ngx_post_event(self.read(), &raw mut ngx_posted_next_events) };
        self.wait_for_input();
    }

    /// Has the read handler called when the present event is done, whether
    /// nginx knows of input or not: after a TLS handshake it does not.
    pub fn read_soon(self) {
        // SAFETY: as in read_next_round().
        unsafe {
            (*self.read()).set_ready(1);
            ngx_post_event(self.read(), &raw mut ngx_posted_events);
        }
        self.wait_for_input();
    }

    /// Shows the kept login to the mail core: in log lines, and to the auth
    /// server if one is asked.
    pub fn publish_login(&mut self) {
        let login = self.state().login.as_ref().map_or(c"".to_bytes(), |login| login.as_slice());
        let login = ngx_str_t { data: login.as_ptr().cast_mut(), len: login.len() };
        // SAFETY: the invariant; nginx only reads it, and it is published
        // anew before the kept login goes.
        unsafe { (*self.raw.as_ptr()).login = login };
    }

    /// Shows the password to the mail core; EXTERNAL has none.
    pub fn publish_secret(&mut self, method: pop3::Method) {
        let secret = self.state().secret.as_ref().map_or(ngx_str_t::empty(), |secret| ngx_str_t {
            data: secret.as_slice().as_ptr().cast_mut(),
            len: secret.as_slice().len(),
        });
        let method = match method {
            pop3::Method::Plain => NGX_MAIL_AUTH_PLAIN,
            pop3::Method::Apop => NGX_MAIL_AUTH_APOP,
            pop3::Method::CramMd5 => NGX_MAIL_AUTH_CRAM_MD5,
            pop3::Method::External => NGX_MAIL_AUTH_EXTERNAL,
        };
        // SAFETY: as in publish_login().
        unsafe {
            (*self.raw.as_ptr()).passwd = secret;
            (*self.raw.as_ptr()).set_auth_method(method);
        }
    }

    /// Asks the auth server (ngx_mail_auth()), which goes on to the backend.
    /// If the login fails and the session is kept, `auth_state` is called
    /// after the reply has been sent.
    pub fn authenticate(mut self) {
        let buffer = self.state().relay.as_mut().map_or(ptr::null_mut(), |relay| relay.buf());
        if buffer.is_null() {
            return self.internal_error();
        }
        // SAFETY: the invariant; the relay buffer stays until the session
        // ends or auth_state is called.
        unsafe {
            let session = self.raw.as_ptr();
            (*session).buffer = buffer;
            (*session).set_blocked(1);
            ngx_mail_auth(session, self.connection());
        }
    }

    /// Takes the relay buffer back from the mail core.
    pub const fn take_buffer_back(&mut self) {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).buffer = ptr::null_mut() };
    }

    /// Has the TLS handshake made when the client begins it.
    pub fn wait_for_handshake(self) {
        // SAFETY: the invariant.
        let rc = unsafe {
            let read = self.read();
            (*read).handler = Some(handshake_event);
            if (*read).ready() != 0 {
                ngx_post_event(read, &raw mut ngx_posted_events);
            }
            ngx_handle_read_event(read, 0)
        };
        if rc != NGX_OK as isize {
            self.close();
        }
    }

    /// Makes the TLS handshake; nginx calls `init_protocol` when it is done.
    pub fn handshake(self) {
        // SAFETY: the invariant.
        unsafe { ngx_mail_starttls_handler(self.read()) };
    }

    /// Sends the reply for an error of ours and closes.
    pub fn internal_error(self) {
        // SAFETY: the invariant.
        unsafe { ngx_mail_session_internal_server_error(self.raw.as_ptr()) };
    }

    /// Closes.
    pub fn close(self) {
        // SAFETY: the invariant.
        unsafe { ngx_mail_close_connection(self.connection()) };
    }
}

/// Frees a [`State`] when its connection's pool goes, and what the mail core
/// was shown of it.
unsafe extern "C" fn drop_state(session: *mut c_void) {
    // SAFETY: start() registered it with a session that has a State, and nginx
    // calls it once, while the session's memory is still there.
    unsafe {
        let session = session.cast::<ngx_mail_session_t>();
        (*session).login = ngx_str_t::empty();
        (*session).passwd = ngx_str_t::empty();
        (*session).out = ngx_str_t::empty();
        (*session).buffer = ptr::null_mut();
        (*(*session).ctx.add(module::ctx_index())).cast::<State>().drop_in_place();
    }
}
