//! Lines for syslog.

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_ERROR, NGX_LOG_ALERT, ngx_array_t, ngx_cycle, ngx_errno, ngx_log_error_core, ngx_pcalloc,
    ngx_str_t, ngx_syslog_add_header, ngx_syslog_peer_t, ngx_syslog_process_conf, ngx_syslog_send,
};

use crate::alert::Alert;
use crate::conf::{Conf, Refused, outcome};
use crate::error::NoMemory;
use crate::text::{Text, string};

/// The longest line in bytes.
const LINE: usize = 4096;

/// Room for what stands before it: priority, time, the host's name and a tag of 32 bytes.
const HEADER: usize = 512;

/// How far nginx may read behind what it looks at.
const BEHIND: usize = 16;

/// A syslog server.
#[derive(Clone, Copy)]
pub struct Syslog {
    /// Live as long as the configuration.
    peer: NonNull<ngx_syslog_peer_t>,
    alert: Alert,
}

impl Syslog {
    /// Sends a line; what is behind its first 4096 bytes is left out.
    pub fn log(&self, line: &[u8]) {
        let line = line.get(..LINE).unwrap_or(line);
        let mut message = [0; HEADER + LINE];
        let start = message.as_mut_ptr();
        // SAFETY: the invariant; the header is shorter than its room, and the line than its
        // own. The cycle is live, and has a log; "%V" takes a string.
        unsafe {
            let peer = self.peer.as_ptr();
            let end = ngx_syslog_add_header(peer, start);
            end.copy_from_nonoverlapping(line.as_ptr(), line.len());
            let length = end.addr().saturating_sub(start.addr()).saturating_add(line.len());
            let sent = ngx_syslog_send(peer, start, length);
            if usize::try_from(sent) == Ok(length) || !self.alert.is_due() {
                return;
            }
            let errno = if sent == NGX_ERROR as isize { ngx_errno() } else { 0 };
            ngx_log_error_core(
                NGX_LOG_ALERT as usize,
                (*ngx_cycle).log,
                errno,
                c"send() to syslog server \"%V\" failed: lines are lost".as_ptr(),
                &raw const (*peer).server.name,
            );
        }
    }
}

impl Conf<'_> {
    /// Takes a syslog server, as nginx's directives have it: `syslog:server=...`, and what
    /// may stand behind (ngx_syslog_process_conf()).
    ///
    /// # Errors
    ///
    /// What is wrong with it, which nginx has logged; or there is no memory.
    pub fn syslog(&mut self, value: Text) -> Result<Syslog, Refused> {
        // nginx writes into it, and looks for words that are longer than what is there.
        let mut copy = self
            .text(&|put| {
                put(value.as_bytes());
                put(&[0; BEHIND]);
            })?
            .as_raw();
        copy.len = value.as_bytes().len();
        let alert = self.alert()?;

        let mut words = [string(c""), copy];
        let mut args = ngx_array_t {
            elts: words.as_mut_ptr().cast::<c_void>(),
            nelts: words.len(),
            size: size_of::<ngx_str_t>(),
            nalloc: words.len(),
            pool: self.pool(),
        };
        // SAFETY: the configuration is live; nginx keeps the text and the peer, which are of
        // its pool, and not the array. All zeros are a valid peer.
        unsafe {
            let peer = ngx_pcalloc(self.pool(), size_of::<ngx_syslog_peer_t>());
            let peer = NonNull::new(peer.cast::<ngx_syslog_peer_t>()).ok_or(NoMemory)?;
            let kept = ptr::replace(&raw mut (*self.as_ptr()).args, &raw mut args);
            let result = ngx_syslog_process_conf(self.as_ptr(), peer.as_ptr());
            (*self.as_ptr()).args = kept;
            outcome(result)?;
            keep_quiet(peer.as_ptr());
            Ok(Syslog { peer, alert })
        }
    }
}

/// Keeps nginx from logging each line that cannot be sent.
///
/// # Safety
///
/// The peer is live.
#[cfg(ngx_syslog_log)]
unsafe fn keep_quiet(peer: *mut ngx_syslog_peer_t) {
    unsafe extern "C" fn add_nothing(
        _log: *mut nginx_sys::ngx_log_t,
        end: *mut u8,
        _room: usize,
    ) -> *mut u8 {
        end
    }

    // SAFETY: the caller's promise. With a handler nginx takes this log, whose level lets
    // nothing through, and no copy of another.
    unsafe { (*peer).log.handler = Some(add_nothing) };
}

#[cfg(not(ngx_syslog_log))]
const unsafe fn keep_quiet(_peer: *mut ngx_syslog_peer_t) {}
