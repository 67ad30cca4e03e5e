//! What nginx waits for with a client, and for how long.

use nginx_sys::{
    NGX_ETIMEDOUT, ngx_add_timer, ngx_connection_t, ngx_current_msec, ngx_del_timer, ngx_msec_t,
};

use crate::client::Client;
use crate::connection::Connection;
use crate::record::End;
use crate::registered::Registered;

impl<M: Registered> Connection<'_, M> {
    /// Whether there is time left to log in (`timeout`).
    pub fn has_time(&self) -> bool {
        self.time_left() > 0
    }

    /// Whether the session has to be closed, and logs why: the time before the
    /// login is over, a worker that shuts down has waited for long enough
    /// (worker_shutdown_timeout), or there is no connection left for another session
    /// (worker_connections).
    pub(crate) fn over(&mut self) -> bool {
        // SAFETY: the invariant.
        unsafe {
            if (*self.read()).timedout() != 0 {
                self.note_timeout();
                return true;
            }
            if (*self.as_ptr()).close() != 0 {
                // ngx_shutdown_timer_handler() sets this flag as well.
                if (*self.as_ptr()).error() != 0 {
                    self.error_log().info(0, c"shutdown timeout");
                    self.note_end(End::Shutdown);
                } else {
                    self.make_room();
                    self.note_end(End::Limit);
                }
                return true;
            }
        }
        false
    }

    /// Readies the session to be closed for another one: at once, where in TLS nginx would
    /// keep the connection until the client, which is silent, takes leave as well.
    #[cold]
    fn make_room(&self) {
        self.error_log().info(0, c"closed to make room for another connection");
        // SAFETY: the invariant; what there is of TLS lives as long as the connection.
        unsafe {
            if let Some(tls) = (*self.as_ptr()).ssl.as_mut() {
                tls.set_no_wait_shutdown(1);
            }
        }
    }

    pub(crate) fn note_timeout(&mut self) {
        self.error_log().info(NGX_ETIMEDOUT as _, c"client timed out");
        self.note_end(End::Timeout);
        // SAFETY: the invariant.
        unsafe { (*self.as_ptr()).set_timedout(1) };
    }

    /// Has the time that the client has to log in end when it is over
    /// ([`Client::restart_timer`]).
    pub(crate) fn start_timer(&mut self) {
        // SAFETY: the invariant.
        unsafe { ngx_add_timer(self.read(), self.time_left()) };
    }

    /// How many milliseconds that is.
    pub fn time_left(&self) -> ngx_msec_t {
        // SAFETY: the invariant.
        unsafe { (*self.core_conf()).timeout.saturating_sub(self.elapsed()) }
    }

    /// For how many milliseconds there has been the connection.
    pub(crate) fn elapsed(&self) -> ngx_msec_t {
        // SAFETY: the invariant.
        elapsed(unsafe { &*self.as_ptr() })
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
}

/// For how many milliseconds there has been a connection.
pub(crate) fn elapsed(connection: &ngx_connection_t) -> ngx_msec_t {
    // SAFETY: nginx writes its time between two events.
    unsafe { ngx_current_msec.wrapping_sub(connection.start_time) }
}
