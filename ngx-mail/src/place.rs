//! What stands in a connection's pool for each session.

use core::ffi::c_void;
use core::mem::align_of;
use core::ptr::{self, NonNull};

use nginx_sys::{ngx_pool_cleanup_add, ngx_str_t};

use crate::attempt::Attempt;
use crate::bindings::{NGX_RS_ALIGNMENT, ngx_mail_session_t};
use crate::error::NoMemory;
use crate::heap::{Boxed, Bytes};
use crate::learnt::Learnt;
use crate::record::Record;
use crate::registered::Registered;
use crate::upstream::Upstream;

/// The module's state, and what nginx has been shown: that is owned here, so that
/// it stays as long as nginx points to it.
pub(crate) struct Place<M: Registered> {
    pub session: *mut ngx_mail_session_t,
    pub shown: Owned,
    pub state: M::State,
}

/// What nginx has pointers into.
#[derive(Default)]
pub(crate) struct Owned {
    /// `login` of the session, for log lines.
    pub login: Option<Bytes>,
    /// The login attempt under way.
    pub attempt: Option<Attempt>,
    /// `out` of the session, which it sends when the client reads.
    pub unsent: Option<Bytes>,
    /// The connection to a backend, or to the auth server.
    pub upstream: Option<Boxed<Upstream>>,
    /// Where the backend is: nginx has it in log lines while it relays.
    pub learnt: Option<Boxed<Learnt>>,
    /// What is noted for the end of the session, if anything is.
    pub record: Option<Boxed<Record>>,
}

impl<M: Registered> Place<M> {
    /// nginx's pools align what they give for a long.
    const ALIGNED: () = assert!(align_of::<Self>() <= NGX_RS_ALIGNMENT as usize);

    /// Makes that of a new session.
    ///
    /// # Safety
    ///
    /// `session` is live, of a server that has the module's configuration, and has
    /// none yet.
    pub unsafe fn make(session: *mut ngx_mail_session_t) -> Result<(), NoMemory> {
        let () = Self::ALIGNED;
        // SAFETY: the caller's promise: the session's connection and pool are
        // live, and its ctx array has a place for each mail module. The pool
        // runs the cleanup before it frees that memory.
        unsafe {
            let pool = (*(*session).connection).pool;
            let cleanup = NonNull::new(ngx_pool_cleanup_add(pool, size_of::<Self>()))
                .ok_or(NoMemory)?
                .as_ptr();
            let place = (*cleanup).data.cast::<Self>();
            place.write(Self { session, shown: Owned::default(), state: M::State::default() });
            *(*session).ctx.add(M::ctx_index()) = place.cast();
            (*cleanup).handler = Some(drop_place::<M>);
        }

        Ok(())
    }

    /// That of a session.
    ///
    /// # Safety
    ///
    /// `session` is live and [`Place::make`] was called for it.
    #[inline(always)]
    pub const unsafe fn of(session: *mut ngx_mail_session_t, ctx_index: usize) -> *mut Self {
        // SAFETY: the caller's promise.
        unsafe { (*(*session).ctx.add(ctx_index)).cast() }
    }

    /// Where the backend is that a session was told of.
    ///
    /// # Safety
    ///
    /// As for [`Place::of`], and it is not written to for the life of the result.
    pub unsafe fn learnt<'a>(session: *mut ngx_mail_session_t) -> Option<&'a Learnt> {
        // SAFETY: the caller's promise.
        unsafe {
            let learnt = &raw const (*Self::of(session, M::ctx_index())).shown.learnt;
            (*learnt).as_deref()
        }
    }

    /// The upstream of a session.
    ///
    /// # Safety
    ///
    /// As for [`Place::of`], and nothing else refers to the upstream for the life of
    /// the result.
    pub unsafe fn upstream<'a>(session: *mut ngx_mail_session_t) -> Option<&'a mut Upstream> {
        // SAFETY: the caller's promise.
        unsafe {
            let upstream = &raw mut (*Self::of(session, M::ctx_index())).shown.upstream;
            (*upstream).as_deref_mut()
        }
    }
}

/// Frees a place when its connection's pool goes, and takes back what nginx was
/// shown of it.
unsafe extern "C" fn drop_place<M: Registered>(place: *mut c_void) {
    // SAFETY: make() registered it with a Place, and nginx calls it once, while
    // the memory of place and session is still there.
    unsafe {
        let place = place.cast::<Place<M>>();
        if let Some(record) = (*place).shown.record.as_deref_mut() {
            Record::finish(record);
        }
        let session = (*place).session;
        (*session).login = ngx_str_t::empty();
        (*session).out = ngx_str_t::empty();
        (*session).buffer = ptr::null_mut();
        place.drop_in_place();
    }
}
