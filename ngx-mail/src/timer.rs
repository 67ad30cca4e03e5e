//! What nginx waits for with a client, and for how long.

use nginx_sys::{
    NGX_ETIMEDOUT, NGX_OK, NGX_USE_CLEAR_EVENT, ngx_add_timer, ngx_current_msec, ngx_del_timer,
    ngx_event_actions, ngx_event_flags, ngx_msec_t,
};

use crate::bindings::{NGX_RS_CLEAR_EVENT, NGX_RS_WRITE_EVENT};
use crate::connection::Connection;
use crate::error::Fault;
use crate::registered::Registered;

impl<M: Registered> Connection<'_, M> {
    /// Whether there is time left to log in (`timeout`).
    pub fn has_time(&self) -> bool {
        self.time_left() > 0
    }

    /// Whether the session has to be closed, and logs why: the time before the
    /// login is over, or a worker that shuts down has waited for long enough
    /// (worker_shutdown_timeout).
    pub(crate) fn over(&self) -> bool {
        // SAFETY: the invariant.
        unsafe {
            if (*self.read()).timedout() != 0 {
                self.note_timeout();
                return true;
            }
            if (*self.as_ptr()).close() != 0 {
                self.error_log().info(0, c"shutdown timeout");
                return true;
            }
        }
        false
    }

    pub(crate) fn note_timeout(&self) {
        self.error_log().info(NGX_ETIMEDOUT as _, c"client timed out");
        // SAFETY: the invariant.
        unsafe { (*self.as_ptr()).set_timedout(1) };
    }

    /// Has the time that the client has to log in end when it is over
    /// ([`Client::restart_timer`]).
    pub(crate) fn start_timer(&mut self) {
        // SAFETY: the invariant.
        unsafe { ngx_add_timer(self.read(), self.time_left()) };
    }

    pub(crate) fn time_left(&self) -> ngx_msec_t {
        // SAFETY: the invariant; nginx writes its time between two events.
        unsafe {
            let elapsed = ngx_current_msec.wrapping_sub((*self.as_ptr()).start_time);
            (*self.core_conf()).timeout.saturating_sub(elapsed)
        }
    }

    /// No longer closes a client that does not take output in time: there is none.
    pub(crate) fn drop_write_timer(&mut self) {
        // SAFETY: the invariant.
        unsafe {
            let write = (*self.as_ptr()).write;
            if (*write).timer_set() != 0 {
                ngx_del_timer(write);
            }
        }
    }

    /// No longer waits until the client takes output, once that has gone: such an
    /// event, which epoll reports together with any other of the client, would have
    /// nginx send the reply to a login that failed before Auth-Wait is over.
    pub(crate) fn drop_write_interest(&mut self) -> Result<(), Fault> {
        // SAFETY: the invariant; nginx sets the actions before it has sessions.
        unsafe {
            let write = (*self.as_ptr()).write;
            if (*write).active() == 0 {
                return Ok(());
            }
            // As in ngx_handle_write_event(): what remains of the connection's
            // registration is edge-triggered as before.
            let clear = ngx_event_flags & NGX_USE_CLEAR_EVENT as usize != 0;
            let flags = if clear { NGX_RS_CLEAR_EVENT as usize } else { 0 };
            let rc = ngx_event_actions
                .del
                .map_or(NGX_OK as isize, |del| del(write, NGX_RS_WRITE_EVENT as isize, flags));
            if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
        }
    }
}
