//! A login that a module makes itself, in place of the mail core: at an auth server if one
//! is to be asked, and at a backend.

use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_ETIMEDOUT, NGX_OK, ngx_add_timer, ngx_addr_t, ngx_connection_t, ngx_del_timer, ngx_event_t,
    ngx_handle_read_event, ngx_handle_write_event, ngx_msec_t, ngx_post_event, ngx_posted_events,
};

use crate::address::Address;
use crate::backend::Connected;
use crate::bindings::ngx_mail_session_t;
use crate::client::Client;
use crate::connect::{connect, send_header};
use crate::connection::Connection;
use crate::heap::Boxed;
use crate::place::Place;
use crate::record::End;
use crate::session::{Handler, Session};
use crate::socket::take_error;
use crate::upstream::{Phase, Purpose, Upstream};

/// What has become of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is connected, and has the PROXY protocol's header if it is to have one.
    Connected,
    /// The TLS handshake is over.
    Secured,
    /// It has sent something, or closed its side.
    Readable,
    /// It takes more of what is to be sent, if that was [waited for](Login::wait_to_send).
    Writable,
    /// There is none any more, and the reason has been logged at level error.
    Failed,
}

/// A module that makes its logins at backends itself.
pub trait Authenticator: Handler {
    /// Something has become of the backend. It has to be said how the login goes on,
    /// by a method that takes the [`Login`]; so it is for the others.
    fn backend(login: Login<'_, Self>, event: Event);

    /// Something has become of the auth server ([`Login::ask`]).
    fn auth_server(login: Login<'_, Self>, event: Event);

    /// The name of a backend was looked up ([`Login::resolve`]), and has an address; if
    /// it has not, the reason has been logged at level error.
    fn resolved(login: Login<'_, Self>, found: bool);

    /// The time of [`Login::sleep`] is over, or that of the session.
    fn awake(login: Login<'_, Self>);

    /// The client has reset its connection: the session ends behind this.
    fn abandoned(_login: &mut Login<'_, Self>) {}
}

/// A session whose login is under way. Until that is over nobody reads
/// what the client sends; a client that resets its connection ends the session.
pub struct Login<'a, M> {
    pub(crate) session: Session<'a, M>,
}

impl<'a, M: Authenticator> Session<'a, M> {
    /// Begins a login with the attempt that is shown ([`Client::show_attempt`]). Gives
    /// nothing if the session has ended: it has no attempt, or output of it still waits.
    pub fn begin_login(self) -> Option<Login<'a, M>> {
        let mut session = self.begin_attempt()?;
        let connection = session.connection();
        // SAFETY: the session is live, and has the attempt's buffer. What is done here
        // is what ngx_mail_auth() does before it asks the auth server.
        unsafe {
            let raw = connection.session();
            (*raw).args.nelts = 0;
            (*raw).state = 0;
            (*raw).login_attempt = (*raw).login_attempt.wrapping_add(1);
            let read = connection.read();
            if (*read).timer_set() != 0 {
                ngx_del_timer(read);
            }
            (*read).handler = Some(client_event::<M>);
        }
        Some(Login { session })
    }
}

impl<'a, M: Authenticator> Login<'a, M> {
    /// # Safety
    ///
    /// `backend` is the connection to a backend of a live session, whose login was begun
    /// and nothing else uses for `'a`.
    pub(crate) unsafe fn of(backend: *mut ngx_connection_t) -> Self {
        // SAFETY: the caller's promise; such a connection has its session as its data.
        unsafe {
            let session = (*backend).data.cast::<ngx_mail_session_t>();
            Self { session: Session::from_raw((*session).connection) }
        }
    }

    pub(crate) fn upstream(&mut self) -> Option<&mut Upstream> {
        // SAFETY: the session is live, and `&mut self`.
        unsafe { Place::<M>::upstream(self.session.connection().session()) }
    }

    /// nginx's pointer to the connection to the backend.
    pub(crate) fn raw(&mut self) -> Option<NonNull<ngx_connection_t>> {
        self.upstream().and_then(|upstream| NonNull::new(upstream.connection))
    }

    /// The configuration of the session's server.
    pub fn conf(&self) -> &'a M::ServerConf {
        self.session.conf()
    }

    /// The server that is connected, if there is one, the client, and what the module
    /// keeps of the session.
    pub fn parts(&mut self) -> (Option<Connected<'_, M>>, Connection<'_, M>, &mut M::State) {
        let server = self.upstream().and_then(|upstream| {
            let raw = NonNull::new(upstream.connection)?;
            Some((raw, upstream.purpose, upstream.address))
        });
        let (connection, state) = self.session.parts();
        // SAFETY: the session is live, and `&mut self`. The connection is live as long as
        // the upstream is in its place, which none but a method of the login takes away;
        // its address is as long as the session.
        let server = server.map(|(raw, purpose, address)| unsafe {
            Connected::new(Connection::new(connection.raw()), raw, purpose, address.as_ref())
        });
        (server, connection, state)
    }

    /// Connects to a backend (ngx_mail_proxy_init()), in place of one that there was;
    /// [`Authenticator::backend`] is called when that is done. It has a share of the
    /// time that is left to the session: it is one of so many.
    ///
    /// # Errors
    ///
    /// It is known at once to be in vain, and has been logged.
    pub fn connect(self, address: Address, shares: usize) -> Result<(), Self> {
        self.connect_to(address.raw(), shares)
    }

    /// As [`Login::connect`], to one of the addresses that the session was told of.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn connect_learnt(mut self, index: usize, shares: usize) -> Result<(), Self> {
        let learnt = self.session.connection().shown().learnt.as_mut();
        match learnt.and_then(|learnt| learnt.raw(index)) {
            Some(address) => self.connect_to(address, shares),
            None => Err(self),
        }
    }

    fn connect_to(mut self, address: NonNull<ngx_addr_t>, shares: usize) -> Result<(), Self> {
        self.drop_backend();
        let connection = self.session.connection();
        let boxed = connection.logged(Boxed::new(Upstream::new(Purpose::Backend, address)));
        let Ok(upstream) = boxed else { return Err(self) };
        connection.shown().upstream = Some(upstream);
        if let Some(record) = connection.record() {
            // SAFETY: the address is live as long as the session is in this login.
            record.connect(unsafe { address.as_ref() }.name.as_bytes());
        }
        let session = connection.session();
        // SAFETY: the session is live, in a login, and has an upstream.
        if !unsafe { connect::<M>(session) } {
            self.drop_backend();
            return Err(self);
        }
        let time = connection.time_left().checked_div(shares).unwrap_or(0);
        self.watch(time);
        Ok(())
    }

    /// Has the events of a connection that is being made come to the module, and fail
    /// after so many milliseconds.
    pub(crate) fn watch(&mut self, time: ngx_msec_t) {
        let connecting =
            self.upstream().is_some_and(|upstream| upstream.phase == Phase::Connecting);
        let Some(raw) = self.raw() else { return };
        // SAFETY: the connection is live, and its events are.
        unsafe {
            let (read, write) = ((*raw.as_ptr()).read, (*raw.as_ptr()).write);
            (*read).handler = Some(upstream_event::<M>);
            (*write).handler = Some(upstream_event::<M>);
            ngx_add_timer(read, time);
            // There may be no other event where it is connected at once.
            if connecting && (*write).ready() != 0 {
                ngx_post_event(write, &raw mut ngx_posted_events);
            }
            (*self.session.connection().read()).handler = Some(client_event::<M>);
        }
    }

    /// Has the server fail after so many milliseconds from now on.
    pub fn restart_timer(&mut self, time: usize) {
        let time: ngx_msec_t = self.session.connection().time_left().min(time);
        if let Some(raw) = self.raw() {
            // SAFETY: the connection is live, and its event is.
            unsafe { ngx_add_timer((*raw.as_ptr()).read, time) };
        }
    }

    /// Waits until the backend has sent something.
    pub fn wait(mut self) {
        if let Some(upstream) = self.upstream() {
            upstream.sending = false;
        }
        self.listen();
    }

    fn listen(mut self) {
        let Some(raw) = self.raw() else { return self.session.close() };
        // SAFETY: the connection is live, and its event is.
        let rc = unsafe {
            let read = (*raw.as_ptr()).read;
            if (*read).ready() != 0 {
                ngx_post_event(read, &raw mut ngx_posted_events);
            }
            ngx_handle_read_event(read, 0)
        };
        if rc != NGX_OK as isize {
            self.session.close();
        }
    }

    /// Waits until the server takes more, or has sent something.
    pub fn wait_to_send(mut self) {
        let Some(raw) = self.raw() else { return self.session.close() };
        if let Some(upstream) = self.upstream() {
            upstream.sending = true;
        }
        // SAFETY: the connection is live, and its event is.
        if unsafe { ngx_handle_write_event((*raw.as_ptr()).write, 0) } == NGX_OK as isize {
            self.listen();
        } else {
            self.session.close();
        }
    }

    /// Goes back to the dialogue with the client, without a backend.
    pub fn leave(mut self) -> Session<'a, M> {
        self.drop_backend();
        self.session.connection().shown().learnt = None;
        self.session.take_input();
        self.session.connection().start_timer();
        self.session
    }

    /// Closes.
    pub fn close(self) {
        self.session.close();
    }

    pub(crate) fn drop_backend(&mut self) {
        let connection = self.session.connection();
        connection.shown().upstream = None;
        // SAFETY: the session is live, and has no upstream: nginx's context for it is in vain.
        unsafe { (*connection.session()).proxy = ptr::null_mut() };
    }

    /// Hands an event on to the module.
    pub(crate) fn call(mut self, event: Event) {
        let purpose = self.upstream().map(|upstream| upstream.purpose);
        self.hand_on(purpose, event);
    }

    pub(crate) fn failed(mut self) {
        let purpose = self.upstream().map(|upstream| upstream.purpose);
        self.drop_backend();
        self.hand_on(purpose, Event::Failed);
    }

    fn hand_on(self, purpose: Option<Purpose>, event: Event) {
        match purpose {
            Some(Purpose::AuthServer) => M::auth_server(self, event),
            _ => M::backend(self, event),
        }
    }

    /// Logs at level error that the server has not answered in time, if that matters.
    pub(crate) fn log_timeout(&mut self) {
        if self.upstream().is_some_and(|upstream| upstream.dispensable) {
            return;
        }
        if let (Some(server), ..) = self.parts() {
            server.log_failure(NGX_ETIMEDOUT as _, c"timed out");
        }
    }
}

/// The handler of both events of a connection that is not the client's.
pub(crate) unsafe extern "C" fn upstream_event<M: Authenticator>(event: *mut ngx_event_t) {
    // SAFETY: watch() sets it on connections of sessions that are live; nginx does
    // nothing more with the session after this call.
    let mut login = unsafe { Login::<M>::of((*event).data.cast()) };
    // SAFETY: as above.
    let (closing, timed_out, written) = unsafe {
        let raw = (*event).data.cast::<ngx_connection_t>();
        ((*raw).close() != 0, (*event).timedout() != 0, (*event).write() != 0)
    };
    if login.session.connection().over() || closing {
        return login.close();
    }
    if timed_out {
        login.log_timeout();
        return login.failed();
    }
    match login.upstream().map(|upstream| (upstream.phase, upstream.sending)) {
        Some((Phase::Connecting, _)) => connecting(login),
        Some((Phase::Open, _)) if !written => login.call(Event::Readable),
        Some((Phase::Open, true)) => login.call(Event::Writable),
        // SAFETY: the event is of a connection that is live.
        _ => unsafe {
            if ngx_handle_write_event(event, 0) != NGX_OK as isize {
                login.close();
            }
        },
    }
}

/// Goes on to connect.
fn connecting<M: Authenticator>(mut login: Login<'_, M>) {
    let Some(raw) = login.raw() else { return login.failed() };
    // SAFETY: the connection is live, and its events are.
    let error = unsafe {
        let (read, write) = ((*raw.as_ptr()).read, (*raw.as_ptr()).write);
        if (*write).ready() == 0 {
            if ngx_handle_read_event(read, 0) != NGX_OK as isize {
                login.failed();
            }
            return;
        }
        // A connection that fails is ready to be read as well, and at its end.
        let failed = (*read).ready() != 0 && (*read).pending_eof() != 0;
        if failed { take_error(raw.as_ptr()) } else { 0 }
    };
    if error != 0 {
        if let (Some(server), ..) = login.parts() {
            server.log_unconnected(error);
        }
        return login.failed();
    }
    let session = login.session.connection().session();
    // SAFETY: the connection and its session are live. nginx has a context of its own
    // for a backend.
    let (done, waiting) = unsafe {
        let proxy = (*session).proxy;
        if proxy.is_null() || (*proxy).proxy_protocol == 0 {
            (true, false)
        } else {
            let sent = send_header::<M>(session);
            (sent, sent && (*proxy).proxy_protocol != 0)
        }
    };
    if !done {
        return login.failed();
    }
    if waiting {
        return;
    }
    if let Some(upstream) = login.upstream() {
        upstream.phase = Phase::Open;
    }
    login.call(Event::Connected);
}

/// The handler of the client's read event.
pub(crate) unsafe extern "C" fn client_event<M: Authenticator>(event: *mut ngx_event_t) {
    // SAFETY: begin_login() sets it on sessions that are live; nginx does nothing more
    // with the session after this call.
    let mut session: Session<'_, M> = unsafe { Session::from_event(event) };
    if session.connection().over() {
        return session.close();
    }
    // SAFETY: the connection is live, and so is its event.
    let (error, rc) =
        unsafe { (take_error(session.connection().as_ptr()), ngx_handle_read_event(event, 0)) };
    if error != 0 {
        session.connection().error_log().info(error, c"client closed connection during login");
        session.connection().note_end(End::Client);
        let mut login = Login { session };
        M::abandoned(&mut login);
        return login.close();
    }
    if rc != NGX_OK as isize {
        session.close();
    }
}
