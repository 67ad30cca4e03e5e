//! Looking for the backend that a session was told of, by the resolver of the
//! configuration.

use core::ffi::CStr;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, NGX_RESOLVE_TIMEDOUT, ngx_resolve_name, ngx_resolve_start, ngx_resolver_ctx_t,
    ngx_resolver_strerror, ngx_str_t,
};

use crate::bindings::ngx_mail_session_t;
use crate::client::Client;
use crate::error::NoMemory;
use crate::heap::Boxed;
use crate::learnt::Learnt;
use crate::log::Log;
use crate::login::{Authenticator, Login};
use crate::place::Place;
use crate::session::Session;

/// What a session was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// An address of IP.
    Address,
    /// A name, which has to be looked up ([`Login::resolve`]).
    Name,
}

/// No resolver can look up a name (`resolver`).
const NO_RESOLVER: *mut ngx_resolver_ctx_t = ptr::without_provenance_mut(usize::MAX);

impl<M: Authenticator> Login<'_, M> {
    /// Takes where the backend is: an address of IP without brackets, or a name, and the
    /// port.
    ///
    /// # Errors
    ///
    /// There is no memory, which has been logged.
    pub fn learn(&mut self, server: &[u8], port: u16) -> Result<Told, NoMemory> {
        let connection = self.session.connection();
        let learnt = connection
            .copy(server)
            .and_then(|server| Learnt::new(connection.error_log(), server, port))
            .and_then(Boxed::new);
        let learnt = connection.logged(learnt)?;
        let told = if learnt.is_name { Told::Name } else { Told::Address };
        connection.shown().learnt = Some(learnt);

        Ok(told)
    }

    /// How many addresses of the backend are known.
    pub fn learnt(&mut self) -> usize {
        self.session.connection().shown().learnt.as_ref().map_or(0, |learnt| learnt.count())
    }

    /// Whether names can be looked up.
    pub fn has_resolver(&mut self) -> bool {
        // SAFETY: the configuration is live.
        unsafe {
            let resolver = (*self.session.connection().core_conf()).resolver;
            !resolver.is_null() && (*resolver).connections.nelts != 0
        }
    }

    /// Looks up the name of the backend that the session was told of;
    /// [`Authenticator::resolved`] is called when that is done.
    ///
    /// # Errors
    ///
    /// It is known at once to be in vain.
    pub fn resolve(mut self) -> Result<(), Self> {
        let connection = self.session.connection();
        let session = connection.session();
        let time_left = connection.time_left();
        let conf = connection.core_conf();
        let log = connection.error_log().as_ptr();
        let Some(learnt) = connection.shown().learnt.as_mut() else { return Err(self) };
        let name = &mut learnt.name;
        let name = ngx_str_t { data: name.as_mut_ptr(), len: name.as_slice().len() };
        // SAFETY: the configuration and the session are live. The name is, too, as long
        // as the query, which is freed before it; nginx may call the handler at once, with
        // what it remembers, and frees the query if it fails.
        unsafe {
            let resolver = (*conf).resolver;
            if resolver.is_null() {
                return Err(self);
            }
            if time_left == 0 {
                let log = Log::from_raw(NonNull::new_unchecked(log));
                log_unresolved(log, learnt, NGX_RESOLVE_TIMEDOUT as isize);
                return Err(self);
            }
            let query = ngx_resolve_start(resolver, ptr::null_mut());
            if query.is_null() || query == NO_RESOLVER {
                return Err(self);
            }
            (*query).name = name;
            (*query).handler = Some(resolved::<M>);
            (*query).data = session.cast();
            // Of 0 nginx makes no time at all.
            (*query).timeout = match (*conf).resolver_timeout {
                0 => time_left,
                time => time.min(time_left),
            };
            learnt.query = query;
            if ngx_resolve_name(query) == NGX_OK as isize {
                return Ok(());
            }
        }
        if let Some(learnt) = self.session.connection().shown().learnt.as_mut() {
            learnt.query = ptr::null_mut();
        }
        Err(self)
    }
}

/// Logs why a name has no address, by nginx's number for that.
fn log_unresolved(log: Log<'_>, learnt: &Learnt, state: isize) {
    // SAFETY: nginx has a text that stays for each number.
    let reason = unsafe { CStr::from_ptr(ngx_resolver_strerror(state)) };
    log.unresolved(learnt.name.as_slice(), state, reason);
}

/// The handler of a name that was looked up.
unsafe extern "C" fn resolved<M: Authenticator>(query: *mut ngx_resolver_ctx_t) {
    // SAFETY: resolve() sets it for sessions that are live, which end the query before
    // they go; nginx does nothing more with it after this call. What was found is copied
    // before the query ends.
    unsafe {
        let session = (*query).data.cast::<ngx_mail_session_t>();
        let mut login = Login { session: Session::<M>::from_raw((*session).connection) };
        let place = Place::<M>::of(session, M::ctx_index());
        let Some(learnt) = (*place).shown.learnt.as_deref_mut() else { return };
        let state = (*query).state;
        let mut added = Ok(());
        if state == NGX_OK as isize {
            for index in 0..(*query).naddrs {
                let found = (*query).addrs.add(index);
                added = added.and(learnt.add((*found).sockaddr, (*found).socklen));
            }
        } else {
            log_unresolved(login.session.connection().error_log(), learnt, state);
        }
        learnt.end_query();
        let found = login.session.connection().logged(added).is_ok() && learnt.count() > 0;
        M::resolved(login, found);
    }
}
