//! A client's session with nginx's mail core, and what that calls.
//!
//! Many calls into nginx may free the session: here, each of them takes the
//! [`Session`] by value, so that nothing can be done with it afterwards.

use core::ffi::c_void;
use core::ptr::NonNull;

use nginx_sys::{
    NGX_OK, ngx_connection_t, ngx_event_t, ngx_handle_read_event, ngx_post_event,
    ngx_posted_events, ngx_posted_next_events, ngx_reusable_connection,
};

use crate::bindings::{
    ngx_mail_close_connection, ngx_mail_session_internal_server_error, ngx_mail_session_t,
    ngx_mail_starttls_handler,
};
use crate::client::Client;
use crate::connection::Connection;
use crate::cycle::Cycle;
use crate::ended::Ended;
use crate::kind::Kind;
use crate::place::Place;
use crate::record::End;
use crate::registered::Registered;

/// What a module does when nginx calls it. Each of these may end the session, and has
/// to say how it goes on: by a method that takes the [`Session`].
///
/// The time that a client has (`timeout`) runs from its connection on. A session whose
/// time is over is closed, and the module is not called for it; so it is when a worker
/// that shuts down has waited for long enough (`worker_shutdown_timeout`), and with the
/// session that has [waited](Session::wait_for_input) for longest when there is no
/// connection left for another one (`worker_connections`).
pub trait Handler: Registered {
    /// A client has connected, and TLS, if the port has it, is up (`init_session`
    /// of ngx_mail_protocol_t). What came along with that, or with a PROXY protocol
    /// header, raises no event: [`Session::read_soon`] looks for it.
    fn connected(session: Session<'_, Self>);

    /// The client has sent something, or output that was waited for has gone.
    fn readable(session: Session<'_, Self>);

    /// The TLS handshake after [`Session::wait_for_handshake`] is done
    /// (`init_protocol`).
    fn secured(session: Session<'_, Self>) {
        session.read_soon();
    }

    /// Whether something is to be done at the end of a server's sessions
    /// ([`Handler::ended`]), for which what they do is noted.
    fn is_recorded(_conf: &Self::ServerConf) -> bool {
        false
    }

    /// Whether a client whose last bytes these are, 16 at most, while nginx relays, is about
    /// to go: that its backend is the first to close the connection is for no other reason
    /// then.
    fn is_leaving(_bytes: &[u8]) -> bool {
        false
    }

    /// A session that was recorded has ended, or ends with its process.
    fn ended(_session: &mut Ended<'_, Self>) {}

    /// The process ends, and all of its sessions have.
    fn exiting(_cycle: &Cycle<'_, Self>) {}

    /// A configuration has come into force (`init_module` of ngx_module_t).
    fn started(_cycle: &Cycle<'_, Self>) {}
}

/// A session that is live.
pub struct Session<'a, M> {
    /// Live, with its session, until a method takes the Session by value.
    connection: Connection<'a, M>,
}

impl<'a, M: Registered> Session<'a, M> {
    /// # Safety
    ///
    /// `connection` is that of a live session that has a [`Place`]. Nothing else
    /// uses it for `'a`.
    pub(crate) const unsafe fn from_raw(connection: *mut ngx_connection_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self { connection: Connection::new(NonNull::new_unchecked(connection)) } }
    }

    /// # Safety
    ///
    /// `event` is that of a connection as in [`Session::from_raw`].
    #[inline(always)]
    pub(crate) const unsafe fn from_event(event: *mut ngx_event_t) -> Self {
        // SAFETY: the caller's promise; nginx has the connection as the data of
        // its events.
        unsafe { Self::from_raw((*event).data.cast()) }
    }

    /// The configuration of the session's server.
    pub fn conf(&self) -> &'a M::ServerConf {
        self.connection.conf()
    }

    /// The connection.
    pub const fn connection(&mut self) -> &mut Connection<'a, M> {
        &mut self.connection
    }

    /// The connection, and what the module keeps of the session.
    #[inline(always)]
    pub fn parts(&mut self) -> (Connection<'_, M>, &mut M::State) {
        // SAFETY: the invariant, and `&mut self`; the connection makes references
        // to other fields of the place alone.
        let state = unsafe { &mut (*self.connection.place()).state };
        (self.connection.reborrow(), state)
    }

    /// Waits for input (ngx_handle_read_event()); like the others that wait, closes the
    /// session if nginx cannot. What is there already raises no event: while the
    /// connection is [ready](Client::ready), [`Session::read_next_round`] is the one to
    /// call.
    ///
    /// Until the client's next event nginx may close the session to make room for another.
    #[inline]
    pub fn wait_for_input(self) {
        // SAFETY: the invariant. nginx then calls the read handler while another session's
        // event is handled; that handler closes this one, for which it needs nothing that
        // sessions share.
        unsafe { ngx_reusable_connection(self.connection.as_ptr(), 1) };
        self.listen();
    }

    /// Waits until output has gone that is still [to be sent](Client::sending), as
    /// [`Session::wait_for_input`] does for input.
    #[cold]
    pub fn wait_until_sent(self) {
        // SAFETY: the invariant.
        if unsafe { (*self.connection.session()).quit() } == 0 {
            return self.wait_for_input();
        }
        // It is the mail core's last reply, behind which that closes the session.
        self.listen();
    }

    #[inline]
    fn listen(self) {
        // SAFETY: the invariant.
        if unsafe { ngx_handle_read_event(self.connection.read(), 0) } != NGX_OK as isize {
            self.close();
        }
    }

    /// Has the read handler called in the next round of the event loop, after
    /// the other connections have had their turn.
    pub fn read_next_round(self) {
        // SAFETY: the invariant; a connection that is closed is taken out of
        // the queue by nginx.
        unsafe { ngx_post_event(self.connection.read(), &raw mut ngx_posted_next_events) };
        self.listen();
    }

    /// Has the read handler called when the present event is done, whether
    /// nginx knows of input or not: after a TLS handshake it does not.
    pub fn read_soon(self) {
        // SAFETY: as in read_next_round().
        unsafe {
            let read = self.connection.read();
            (*read).set_ready(1);
            ngx_post_event(read, &raw mut ngx_posted_events);
        }
        self.listen();
    }

    /// Readies the session for a login with the attempt that is shown; gives nothing if
    /// it has ended. Without an attempt, or with a protocol that has no logins
    /// ([`Kind::Other`]), it is an error of ours. While output waits the session is
    /// closed instead: it may be the mail core's last reply, behind which it closes the
    /// session without a look at who is at work with it.
    pub(crate) fn begin_attempt(mut self) -> Option<Self> {
        // SAFETY: the table is static.
        let kind = unsafe { (*M::protocol()).type_ };
        if kind == Kind::Other.as_raw() || self.connection.attempt().is_none() {
            self.internal_error();
            return None;
        }
        if self.connection.sending() {
            self.close();
            return None;
        }
        self.connection.drop_write_timer();
        Some(self)
    }

    /// Sends the reply for an error of ours and closes
    /// (ngx_mail_session_internal_server_error()).
    pub fn internal_error(mut self) {
        self.connection.note_end(End::Error);
        self.connection.drop_upstream();
        // SAFETY: the invariant.
        unsafe { ngx_mail_session_internal_server_error(self.connection.session()) };
    }

    /// Closes (ngx_mail_close_connection()).
    pub fn close(mut self) {
        self.connection.drop_upstream();
        // SAFETY: the invariant.
        unsafe { ngx_mail_close_connection(self.connection.as_ptr()) };
    }
}

impl<M: Handler> Session<'_, M> {
    /// Has [`Handler::readable`] called for input from now on: nginx had another
    /// handler there.
    pub(crate) fn take_input(&mut self) {
        // SAFETY: the invariant.
        unsafe { (*self.connection.read()).handler = Some(read_event::<M>) };
    }

    /// Makes the TLS handshake when the client begins it (ngx_mail_starttls_handler());
    /// [`Handler::secured`] is called when it is done. In TLS already it is an error
    /// of ours.
    pub fn wait_for_handshake(self) {
        if self.connection.tls() {
            return self.internal_error();
        }
        // SAFETY: the invariant.
        let rc = unsafe {
            let read = self.connection.read();
            (*read).handler = Some(handshake_event::<M>);
            if (*read).ready() != 0 {
                ngx_post_event(read, &raw mut ngx_posted_events);
            }
            ngx_handle_read_event(read, 0)
        };
        if rc != NGX_OK as isize {
            self.close();
        }
    }
}

/// `init_session` of ngx_mail_protocol_t.
pub(crate) unsafe extern "C" fn init_session<M: Handler>(
    s: *mut ngx_mail_session_t,
    c: *mut ngx_connection_t,
) {
    // SAFETY: the mail core gives a live session of a server whose protocol
    // is the module's, with its connection, and does nothing more with it after
    // this call.
    let mut session: Session<'_, M> = unsafe {
        match Place::<M>::make(s) {
            Ok(()) => Session::from_raw(c),
            Err(_) => return ngx_mail_session_internal_server_error(s),
        }
    };
    if session.connection.over() {
        return session.close();
    }
    if M::is_recorded(session.conf()) && session.connection.begin_record(finish::<M>).is_err() {
        return session.internal_error();
    }
    session.take_input();
    session.connection.start_timer();
    M::connected(session);
}

/// Ends the record of a session.
unsafe fn finish<M: Handler>(place: *mut c_void) {
    // SAFETY: init_session() gives it with the place of a session that is live, or whose
    // connection's pool is just being destroyed.
    unsafe {
        let Place { session, shown, state } = &mut *place.cast::<Place<M>>();
        if let (Some(session), Some(record)) = (NonNull::new(*session), &shown.record) {
            M::ended(&mut Ended::new(session, record, shown, state));
        }
    }
}

/// `init_protocol` of ngx_mail_protocol_t.
pub(crate) unsafe extern "C" fn init_protocol<M: Handler>(event: *mut ngx_event_t) {
    // SAFETY: the mail core gives the read event of a session for which
    // init_session was called, and does nothing more with it after this call.
    let mut session: Session<'_, M> = unsafe { Session::from_event(event) };
    session.connection.note_tls();
    session.take_input();
    M::secured(session);
}

/// A read handler of a client's connection.
unsafe extern "C" fn read_event<M: Handler>(event: *mut ngx_event_t) {
    // SAFETY: take_input() sets this handler on sessions for which init_session
    // was called; nginx does nothing more with the session after this call.
    let mut session: Session<'_, M> = unsafe { Session::from_event(event) };
    // SAFETY: the session is live. From here on it is not to be closed by nginx, until
    // wait_for_input() says that it may be.
    unsafe { ngx_reusable_connection(session.connection.as_ptr(), 0) };
    if session.connection.over() {
        return session.close();
    }
    M::readable(session);
}

/// Another one, after the client was told to begin a TLS handshake.
unsafe extern "C" fn handshake_event<M: Handler>(event: *mut ngx_event_t) {
    // SAFETY: as in read_event(), but that wait_for_handshake() sets it.
    let mut session: Session<'_, M> = unsafe { Session::from_event(event) };
    if session.connection.over() {
        return session.close();
    }
    // SAFETY: the session is live; nothing is done with it after this call.
    unsafe { ngx_mail_starttls_handler(session.connection.read()) };
}
