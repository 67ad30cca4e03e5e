//! nginx's error log.

use core::ffi::{CStr, c_int};
use core::marker::PhantomData;
use core::ptr::NonNull;

use nginx_sys::{
    ENOMEM, NGX_LOG_EMERG, NGX_LOG_ERR, NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN,
    ngx_log_error_core, ngx_log_t,
};

/// Who has failed.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// The backend: its address is in each line of the session's.
    Upstream,
    /// The backend, by what the session is said to do.
    Connecting,
    /// An auth server, by its address.
    AuthServer(&'a [u8]),
}

/// A login that somebody refuses.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    /// Whether it is for its credentials: that is logged at level notice, all else at info.
    pub credentials: bool,
    /// How the client has logged in.
    pub method: &'static CStr,
    /// Who refuses it.
    pub by: &'static CStr,
    /// As much of that one's words as may be logged.
    pub words: &'a [u8],
}

/// The log of a session or of a cycle.
#[derive(Clone, Copy)]
pub struct Log<'a> {
    /// A log that is live for `'a`.
    raw: NonNull<ngx_log_t>,
    live: PhantomData<&'a ngx_log_t>,
}

impl<'a> Log<'a> {
    /// # Safety
    ///
    /// `raw` is live for `'a`.
    pub(crate) const unsafe fn from_raw(raw: NonNull<ngx_log_t>) -> Self {
        Self { raw, live: PhantomData }
    }

    /// nginx's pointer.
    pub(crate) const fn as_ptr(self) -> *mut ngx_log_t {
        self.raw.as_ptr()
    }

    /// Logs at warn level what is wrong with a file.
    pub fn warn_of_file(self, path: &CStr, wrong: &CStr) {
        self.write(NGX_LOG_WARN, 0, c"\"", path, wrong);
    }

    /// Logs a message at warn level.
    pub fn warn(self, text: &CStr) {
        self.write(NGX_LOG_WARN, 0, text, c"", c"");
    }

    /// Logs a message at notice level.
    pub fn notice(self, text: &CStr) {
        self.write(NGX_LOG_NOTICE, 0, text, c"", c"");
    }

    /// Logs a message at info level; `errno` adds the text of a system error
    /// if it is not 0.
    pub fn info(self, errno: c_int, text: &CStr) {
        self.write(NGX_LOG_INFO, errno, text, c"", c"");
    }

    /// Logs at info level what there is at an address: what, how, and with which text,
    /// without a control character.
    pub fn listens(self, what: &CStr, address: &[u8], how: &CStr, text: &[u8]) {
        // SAFETY: the log is live, "%s" takes a string, "%*s" a length and a pointer to
        // as many bytes.
        unsafe {
            if (*self.as_ptr()).log_level >= NGX_LOG_INFO as usize {
                ngx_log_error_core(
                    NGX_LOG_INFO as usize,
                    self.as_ptr(),
                    0,
                    c"%s%*s%s%*s".as_ptr(),
                    what.as_ptr(),
                    address.len(),
                    address.as_ptr(),
                    how.as_ptr(),
                    text.len(),
                    text.as_ptr(),
                );
            }
        }
    }

    /// Logs at error level how a server has failed: which one that is, if its address is
    /// not in each line of the session's; `errno` adds the text of a system error if it
    /// is not 0; its own words are in quotes, and must not be able to forge a line.
    pub(crate) fn failure(self, errno: c_int, server: Subject<'_>, how: &CStr, words: &[u8]) {
        let (subject, name) = match server {
            Subject::Connecting => (c"", &[][..]),
            Subject::Upstream => (c"upstream ", &[][..]),
            Subject::AuthServer(name) => (c"auth http server ", name),
        };
        let joint = if name.is_empty() { c"" } else { c" " };
        let words = Words::of(words);
        let words = words.as_bytes();
        let (before, after) = if words.is_empty() { (c"", c"") } else { (c": \"", c"\"") };
        // SAFETY: the log is live, "%s" takes a string, "%*s" a length and a pointer to
        // as many bytes.
        unsafe {
            if (*self.as_ptr()).log_level >= NGX_LOG_ERR as usize {
                ngx_log_error_core(
                    NGX_LOG_ERR as usize,
                    self.as_ptr(),
                    errno,
                    c"%s%*s%s%s%s%*s%s".as_ptr(),
                    subject.as_ptr(),
                    name.len(),
                    name.as_ptr(),
                    joint.as_ptr(),
                    how.as_ptr(),
                    before.as_ptr(),
                    words.len(),
                    words.as_ptr(),
                    after.as_ptr(),
                );
            }
        }
    }

    /// Logs that a login is refused. What bans addresses reads this line: only words without
    /// a quote may stand before nginx's own fields, of which the client's address comes
    /// before the login, and too few of them to get that cut off.
    pub(crate) fn refused(self, refused: &Refused<'_>) {
        let (level, what) = if refused.credentials {
            (NGX_LOG_NOTICE as usize, c"login failed")
        } else {
            (NGX_LOG_INFO as usize, c"login refused")
        };
        let words = Words::of(refused.words);
        let words = words.as_bytes();
        let (before, after) = if words.is_empty() { (c"", c"") } else { (c": \"", c"\"") };
        // SAFETY: as in failure().
        unsafe {
            if (*self.as_ptr()).log_level >= level {
                ngx_log_error_core(
                    level,
                    self.as_ptr(),
                    0,
                    c"%s (method: %s, by: %s)%s%*s%s".as_ptr(),
                    what.as_ptr(),
                    refused.method.as_ptr(),
                    refused.by.as_ptr(),
                    before.as_ptr(),
                    words.len(),
                    words.as_ptr(),
                    after.as_ptr(),
                );
            }
        }
    }

    /// Logs at error level that a certificate is not what it has to be: why, and whom
    /// it should name.
    pub(crate) fn unverified(self, reason: &CStr, expected: &[u8]) {
        // SAFETY: as in failure().
        unsafe {
            if (*self.as_ptr()).log_level >= NGX_LOG_ERR as usize {
                ngx_log_error_core(
                    NGX_LOG_ERR as usize,
                    self.as_ptr(),
                    0,
                    c"upstream SSL certificate verify error: (%s), it has to be valid for \"%*s\""
                        .as_ptr(),
                    reason.as_ptr(),
                    expected.len(),
                    expected.as_ptr(),
                );
            }
        }
    }

    /// Logs at level error that a name has not been found: nginx's number and text of the
    /// reason (ngx_resolver_strerror()).
    pub(crate) fn unresolved(self, name: &[u8], number: isize, reason: &CStr) {
        // SAFETY: as in failure(); "%i" takes an ngx_int_t.
        unsafe {
            if (*self.as_ptr()).log_level >= NGX_LOG_ERR as usize {
                ngx_log_error_core(
                    NGX_LOG_ERR as usize,
                    self.as_ptr(),
                    0,
                    c"upstream \"%*s\" could not be resolved (%i: %s)".as_ptr(),
                    name.len(),
                    name.as_ptr(),
                    number,
                    reason.as_ptr(),
                );
            }
        }
    }

    /// Logs what the client did, and in which command if that is known.
    pub fn client(self, did: &CStr, command: Option<&CStr>) {
        match command {
            Some(command) => self.write(NGX_LOG_INFO, 0, did, c" in ", command),
            None => self.info(0, did),
        }
    }

    fn write(self, level: u32, errno: c_int, text: &CStr, joint: &CStr, tail: &CStr) {
        let level = level as usize;
        // SAFETY: the log is live, and each "%s" takes one of the strings.
        unsafe {
            if (*self.as_ptr()).log_level >= level {
                ngx_log_error_core(
                    level,
                    self.as_ptr(),
                    errno,
                    c"%s%s%s".as_ptr(),
                    text.as_ptr(),
                    joint.as_ptr(),
                    tail.as_ptr(),
                );
            }
        }
    }

    /// Logs that there was no memory for something.
    pub fn no_memory(self) {
        self.write(NGX_LOG_EMERG, ENOMEM as _, c"malloc() failed", c"", c"");
    }

    /// Logs bytes at debug level, with a text before them, where nginx is built
    /// with debug logs. They must not be able to forge a line.
    pub fn debug(self, text: &CStr, bytes: &[u8]) {
        #[cfg(ngx_debug)]
        // SAFETY: the log is live, "%*s" takes a length and a pointer to as
        // many bytes.
        unsafe {
            if (*self.as_ptr()).log_level & nginx_sys::NGX_LOG_DEBUG_MAIL as usize != 0 {
                ngx_log_error_core(
                    nginx_sys::NGX_LOG_DEBUG as usize,
                    self.as_ptr(),
                    0,
                    c"%s: \"%*s\"".as_ptr(),
                    text.as_ptr(),
                    bytes.len(),
                    bytes.as_ptr(),
                );
            }
        }

        #[cfg(not(ngx_debug))]
        let _ = (text, bytes);
    }
}

/// Words of others for a log line, which has other fields behind them.
struct Words {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Words {
    const ROOM: usize = 256;

    /// As many of them as there is room for, with other quotes.
    fn of(words: &[u8]) -> Self {
        let mut copy = Self { bytes: [0; Self::ROOM], length: words.len().min(Self::ROOM) };
        for (to, &from) in copy.bytes.iter_mut().zip(words) {
            *to = if from == b'"' { b'\'' } else { from };
        }
        copy
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_end_no_field() {
        assert_eq!(Words::of(b"no\", client: 192.0.2.1").as_bytes(), b"no', client: 192.0.2.1");
        assert_eq!(Words::of(&[b'x'; 1000]).as_bytes(), [b'x'; Words::ROOM]);
        assert_eq!(Words::of(b"").as_bytes(), b"");
    }
}
