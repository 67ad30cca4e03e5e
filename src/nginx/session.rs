//! A client's session with nginx's mail core.
//!
//! Many calls into nginx may free the session: here, each of them takes the
//! [`Session`] by value, so that nothing can be done with it afterwards.

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, ngx_event_t, ngx_handle_read_event, ngx_pool_cleanup_add, ngx_post_event,
    ngx_posted_events, ngx_posted_next_events, ngx_str_t,
};

use super::NoMemory;
use super::connection::Connection;
use super::mail::{
    ngx_mail_auth, ngx_mail_close_connection, ngx_mail_session_internal_server_error,
    ngx_mail_session_t, ngx_mail_starttls_handler,
};
use super::protocol::handshake_event;
use crate::dialogue::State;
use crate::module;

/// A session that is live.
pub struct Session<'a> {
    /// Live, with its session and its [`State`], until a method takes the
    /// Session by value.
    connection: Connection<'a>,
}

impl<'a> Session<'a> {
    /// Gives a new session its [`State`].
    ///
    /// # Safety
    ///
    /// `session` is a live session of a server that has our configuration, in its
    /// init_session callback. Nothing else uses it for `'a`.
    pub unsafe fn start(session: *mut ngx_mail_session_t) -> Result<Self, NoMemory> {
        // SAFETY: the caller's promise: the session's connection and pool are
        // live, and its ctx array has a place for each mail module. The pool
        // aligns what it gives for any type, and runs the cleanup before it
        // frees that memory.
        unsafe {
            let pool = (*(*session).connection).pool;
            let cleanup = NonNull::new(ngx_pool_cleanup_add(pool, size_of::<Place>()))
                .ok_or(NoMemory)?
                .as_ptr();
            let place = (*cleanup).data.cast::<Place>();
            place.write(Place { session, state: State::default() });
            *(*session).ctx.add(module::ctx_index()) = (&raw mut (*place).state).cast();
            (*cleanup).handler = Some(drop_state);

            Ok(Self { connection: Connection::new(NonNull::new_unchecked((*session).connection)) })
        }
    }

    /// # Safety
    ///
    /// `event` is that of the client's connection of a live session that was
    /// given to [`Session::start`]. Nothing else uses it for `'a`.
    pub const unsafe fn from_event(event: *mut ngx_event_t) -> Self {
        // SAFETY: the caller's promise; nginx has the connection as the data of
        // its events.
        unsafe {
            Self { connection: Connection::new(NonNull::new_unchecked((*event).data.cast())) }
        }
    }

    /// The connection.
    pub const fn connection(&mut self) -> &mut Connection<'a> {
        &mut self.connection
    }

    /// The connection, and what the module keeps of the session.
    pub fn parts(&mut self) -> (Connection<'_>, &mut State) {
        // SAFETY: the invariant; start() has put the State there, and nobody
        // else knows of it.
        let state = unsafe {
            &mut *(*(*self.connection.session()).ctx.add(module::ctx_index())).cast::<State>()
        };
        (self.connection.reborrow(), state)
    }

    /// Waits for input.
    #[inline]
    pub fn wait_for_input(self) {
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
        self.wait_for_input();
    }

    /// Has the read handler called when the present event is done, whether
    /// nginx knows of input or not: after a TLS handshake it does not.
    pub fn read_soon(mut self) {
        self.connection.set_ready();
        // SAFETY: as in read_next_round().
        unsafe { ngx_post_event(self.connection.read(), &raw mut ngx_posted_events) };
        self.wait_for_input();
    }

    /// Asks the auth server (ngx_mail_auth()), which goes on to the backend.
    /// If the login fails and the session is kept, `auth_state` is called after
    /// Auth-Wait, even if not all of the reply has been sent by then.
    pub fn authenticate(mut self) {
        if self.connection.drop_write_interest().is_err() {
            return self.close();
        }
        let connection = self.connection;
        // SAFETY: the invariant.
        unsafe {
            let session = connection.session();
            (*session).set_blocked(1);
            ngx_mail_auth(session, connection.as_ptr());
        }
    }

    /// Has the TLS handshake made when the client begins it.
    pub fn wait_for_handshake(self) {
        // SAFETY: the invariant.
        let rc = unsafe {
            let read = self.connection.read();
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
        unsafe { ngx_mail_starttls_handler(self.connection.read()) };
    }

    /// Sends the reply for an error of ours and closes.
    pub fn internal_error(self) {
        // SAFETY: the invariant.
        unsafe { ngx_mail_session_internal_server_error(self.connection.session()) };
    }

    /// Closes.
    pub fn close(self) {
        // SAFETY: the invariant.
        unsafe { ngx_mail_close_connection(self.connection.as_ptr()) };
    }
}

/// A [`State`] in the pool of its connection.
struct Place {
    session: *mut ngx_mail_session_t,
    state: State,
}

/// Frees a [`State`] when its connection's pool goes, and what the mail core
/// was shown of it.
unsafe extern "C" fn drop_state(place: *mut c_void) {
    // SAFETY: start() registered it with a Place, and nginx calls it once, while
    // the memory of place and session is still there.
    unsafe {
        let place = place.cast::<Place>();
        let session = (*place).session;
        (*session).login = ngx_str_t::empty();
        (*session).passwd = ngx_str_t::empty();
        (*session).out = ngx_str_t::empty();
        (*session).salt = ngx_str_t::empty();
        (*session).buffer = ptr::null_mut();
        place.drop_in_place();
    }
}
