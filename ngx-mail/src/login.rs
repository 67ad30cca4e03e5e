//! A login at a backend that a module makes itself, in place of the mail core's
//! dialogue. TLS to it is in [`handshake`](crate::handshake), and how nginx relays behind
//! it in [`relay`](crate::relay).

use core::ptr::NonNull;

use nginx_sys::{
    NGX_ETIMEDOUT, NGX_OK, ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_t,
    ngx_handle_read_event, ngx_handle_write_event, ngx_post_event, ngx_posted_events,
};

use crate::address::Address;
use crate::backend::Connected;
use crate::bindings::ngx_mail_session_t;
use crate::client::Client;
use crate::connect::{connect, forget, send_header};
use crate::connection::Connection;
use crate::heap::Boxed;
use crate::place::Place;
use crate::session::{Handler, Session};
use crate::socket::take_error;
use crate::upstream::{Phase, Upstream};

/// What has become of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is connected, and has the PROXY protocol's header if it is to have one.
    Connected,
    /// The TLS handshake is over.
    Secured,
    /// It has sent something, or closed its side.
    Readable,
    /// There is none any more, and the reason has been logged at level error.
    Failed,
}

/// A module that makes its logins at backends itself.
pub trait Authenticator: Handler {
    /// Something has become of the backend. It has to be said how the login goes on,
    /// by a method that takes the [`Login`].
    fn backend(login: Login<'_, Self>, event: Event);
}

/// A session whose login at a backend is under way. Until that is over nobody reads
/// what the client sends; a client that resets its connection ends the session.
pub struct Login<'a, M> {
    pub(crate) session: Session<'a, M>,
}

impl<'a, M: Authenticator> Session<'a, M> {
    /// Begins a login with the attempt that is shown ([`Client::show_attempt`]). Gives
    /// nothing if the session has ended, for the reasons of [`Session::authenticate`].
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

    /// The backend, if there is one, the client, and what the module keeps of the session.
    pub fn parts(&mut self) -> (Option<Connected<'_, M>>, Connection<'_, M>, &mut M::State) {
        let raw = self.raw();
        let (connection, state) = self.session.parts();
        // SAFETY: the session is live, and `&mut self`. The backend's connection is live
        // as long as the upstream is in its place, which none but a method of the login
        // takes away.
        let backend =
            raw.map(|raw| unsafe { Connected::new(Connection::new(connection.raw()), raw) });
        (backend, connection, state)
    }

    /// Connects to a backend (ngx_mail_proxy_init()), in place of one that there was;
    /// [`Authenticator::backend`] is called when that is done. It has a share of the
    /// time that is left to the session: it is one of so many.
    ///
    /// # Errors
    ///
    /// It is known at once to be in vain, and has been logged.
    pub fn connect(mut self, address: Address, shares: usize) -> Result<(), Self> {
        self.drop_backend();
        let connection = self.session.connection();
        let boxed = connection.logged(Boxed::new(Upstream::new(address.raw())));
        let Ok(upstream) = boxed else { return Err(self) };
        connection.shown().upstream = Some(upstream);
        let session = connection.session();
        // SAFETY: the session is live, in a login, and has an upstream.
        if !unsafe { connect::<M>(session) } {
            self.drop_backend();
            return Err(self);
        }
        let time = connection.time_left().checked_div(shares).unwrap_or(0);
        if let Some(raw) = self.raw() {
            // SAFETY: the connection is live, and its events are.
            unsafe {
                let (read, write) = ((*raw.as_ptr()).read, (*raw.as_ptr()).write);
                (*read).handler = Some(backend_event::<M>);
                (*write).handler = Some(backend_event::<M>);
                ngx_add_timer(read, time);
                // nginx's own handler was called where it is connected at once.
                if (*write).ready() != 0 {
                    ngx_post_event(write, &raw mut ngx_posted_events);
                }
                (*self.session.connection().read()).handler = Some(client_event::<M>);
            }
        }
        Ok(())
    }

    /// Waits until the backend has sent something.
    pub fn wait(mut self) {
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

    /// Goes back to the dialogue with the client, without a backend.
    pub fn leave(mut self) -> Session<'a, M> {
        self.drop_backend();
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
        // SAFETY: the session is live, and has no upstream.
        unsafe { forget(connection.session()) };
    }

    pub(crate) fn failed(mut self) {
        self.drop_backend();
        M::backend(self, Event::Failed);
    }
}

/// The handler of both events of a backend.
pub(crate) unsafe extern "C" fn backend_event<M: Authenticator>(event: *mut ngx_event_t) {
    // SAFETY: connect() sets it on backends of sessions that are live; nginx does
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
        login.session.connection().error_log().error(NGX_ETIMEDOUT as _, c"upstream timed out");
        return login.failed();
    }
    match login.upstream().map(|upstream| upstream.phase) {
        Some(Phase::Connecting) => connecting(login),
        Some(Phase::Open) if !written => M::backend(login, Event::Readable),
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
        // What has sent something is connected.
        let greeted = (*read).ready() != 0 && (*read).pending_eof() == 0;
        if greeted { 0 } else { take_error(raw.as_ptr()) }
    };
    if error != 0 {
        login.session.connection().error_log().error(error, c"connect() failed");
        return login.failed();
    }
    // SAFETY: the connection and its session are live, with nginx's own context.
    let (done, waiting) = unsafe {
        let session = login.session.connection().session();
        let sent = (*(*session).proxy).proxy_protocol == 0 || send_header::<M>(session);
        (sent, sent && (*(*session).proxy).proxy_protocol != 0)
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
    M::backend(login, Event::Connected);
}

/// The handler of the client's read event.
unsafe extern "C" fn client_event<M: Authenticator>(event: *mut ngx_event_t) {
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
        return session.close();
    }
    if rc != NGX_OK as isize {
        session.close();
    }
}
