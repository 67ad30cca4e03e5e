//! A login attempt: who logs in and with what, and the buffer that the proxy module
//! relays client bytes through after the login (ngx_mail_proxy_handler()).

use core::mem::{self, size_of};
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{explicit_bzero, free, malloc, max_align_t, ngx_buf_t, ngx_str_t};

use crate::error::NoMemory;
use crate::heap::Bytes;

/// The size in bytes of the buffer to relay through. What a client sends after its
/// login are short commands: more would take memory for as long as the session
/// is relayed.
const RELAY: usize = 512;

/// Login, secret and relay buffer in one block, wiped before it is given
/// back.
pub struct Attempt {
    /// A live block from malloc(): a `Head`, behind it the login, the secret and
    /// [`RELAY`] bytes, to each of which it points. `buf` is within those or `large`, and
    /// its bytes from `pos` to `last` are initialized. nginx keeps pointers into the
    /// block: once it is at work with them (ngx_mail_proxy_handler()), no reference is
    /// made to the head.
    head: NonNull<Head>,
}

struct Head {
    buf: ngx_buf_t,
    login: ngx_str_t,
    secret: ngx_str_t,
    /// How many bytes behind the head are in use: login, secret, and what the client
    /// has sent ahead if that is there.
    used: usize,
    /// The memory of `buf` in place of that, if they are too many for it.
    large: Option<Bytes>,
}

// malloc() aligns for any type of C.
const _: () = assert!(align_of::<Head>() <= align_of::<max_align_t>());

impl Attempt {
    /// Takes copies of the login and of the secret, each of which may be empty.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(login: &[u8], secret: &[u8]) -> Result<Self, NoMemory> {
        let used = login.len().checked_add(secret.len()).ok_or(NoMemory)?;
        let size = size_of::<Head>().saturating_add(used).saturating_add(RELAY);
        let size = size.try_into().map_err(|_| NoMemory)?;
        // SAFETY: malloc() takes any size.
        let block = unsafe { malloc(size) };
        let head = NonNull::new(block).ok_or(NoMemory)?.cast::<Head>();

        // SAFETY: the block is new, aligned for any type, and has room for what
        // is written; all zeros are a valid ngx_buf_t.
        unsafe {
            let login = put(head.add(1).cast().as_ptr(), login);
            let secret = put(login.data.add(login.len), secret);
            let start = secret.data.add(secret.len);
            let mut buf: ngx_buf_t = mem::zeroed();
            buf.start = start;
            buf.pos = start;
            buf.last = start;
            buf.end = start.add(RELAY);
            buf.set_temporary(1);
            head.write(Head { buf, login, secret, used, large: None });
        }

        Ok(Self { head })
    }

    /// Puts what the client has sent ahead of the outcome into the buffer, in place
    /// of what stands there.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn put_ahead(&mut self, ahead: &[u8]) -> Result<(), NoMemory> {
        let large = if ahead.len() > RELAY { Some(Bytes::copy_of(ahead)?) } else { None };
        // SAFETY: the block's invariant; nginx is not at work with it while there is
        // a `&mut self`.
        unsafe {
            let head = &mut *self.head.as_ptr();
            let start = head.secret.data.add(head.secret.len);
            head.large = large;
            head.buf.start = match &mut head.large {
                Some(large) => large.as_mut_ptr(),
                None => {
                    start.copy_from_nonoverlapping(ahead.as_ptr(), ahead.len());
                    head.used = head.used.max(head.known().saturating_add(ahead.len()));
                    start
                }
            };
            head.buf.end = head.buf.start.add(ahead.len().max(RELAY));
            head.buf.pos = head.buf.start;
            head.buf.last = head.buf.start.add(ahead.len());
        }

        Ok(())
    }

    /// The login.
    pub fn login(&self) -> &[u8] {
        self.head().login.as_bytes()
    }

    /// The secret; empty if there is none.
    pub fn secret(&self) -> &[u8] {
        self.head().secret.as_bytes()
    }

    /// What stands in the buffer.
    pub fn ahead(&self) -> &[u8] {
        let buf = &self.head().buf;
        // SAFETY: nginx moves `pos` and `last` within the buffer only, `pos`
        // up to `last`, and initializes what it moves `last` over.
        unsafe {
            let length = buf.last.offset_from(buf.pos);
            slice::from_raw_parts(buf.pos, usize::try_from(length).unwrap_or(0))
        }
    }

    const fn head(&self) -> &Head {
        // SAFETY: the block's invariant; nginx is not at work with it while there is
        // a reference to the attempt.
        unsafe { self.head.as_ref() }
    }

    /// The login, for nginx.
    pub(crate) const fn raw_login(&self) -> ngx_str_t {
        self.head().login
    }

    /// The buffer, for nginx.
    pub(crate) const fn raw_buffer(&self) -> *mut ngx_buf_t {
        // SAFETY: the block's invariant.
        unsafe { &raw mut (*self.head.as_ptr()).buf }
    }

    /// Wipes the secret: it has done its work.
    pub(crate) fn wipe_secret(&mut self) {
        // SAFETY: the block's invariant.
        unsafe {
            let ngx_str_t { data, len } = (*self.head.as_ptr()).secret;
            if len != 0 {
                explicit_bzero(data.cast(), len as _);
            }
        }
    }
}

impl Head {
    /// How many bytes behind the head are known from the start.
    const fn known(&self) -> usize {
        self.login.len.saturating_add(self.secret.len)
    }
}

/// Puts `bytes` there.
///
/// # Safety
///
/// There is room for them.
const unsafe fn put(at: *mut u8, bytes: &[u8]) -> ngx_str_t {
    // SAFETY: the caller's promise.
    unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    ngx_str_t { data: at, len: bytes.len() }
}

impl Drop for Attempt {
    /// A password may be in what was sent ahead. What follows a login is none.
    fn drop(&mut self) {
        // SAFETY: the block's invariant; it came from malloc() and is not used
        // again.
        unsafe {
            let Head { used, large, .. } = self.head.read();
            explicit_bzero(self.head.as_ptr().add(1).cast(), used);
            free(self.head.as_ptr().cast());
            drop(large);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wiped_is_what_was_put_there() {
        let mut attempt = Attempt::new(b"bob", b"secret").unwrap();
        assert_eq!(attempt.head().used, 9);
        for (ahead, used) in
            [(RELAY, 9 + RELAY), (RELAY, 9 + RELAY), (3, 9 + RELAY), (RELAY + 1, 9 + RELAY)]
        {
            let ahead = &[b'x'; RELAY + 1][..ahead];
            attempt.put_ahead(ahead).unwrap();
            assert_eq!(attempt.ahead(), ahead);
            assert_eq!(attempt.head().used, used);
        }
        assert_eq!((attempt.login(), attempt.secret()), (&b"bob"[..], &b"secret"[..]));
    }

    #[test]
    fn there_need_not_be_any_of_it() {
        let attempt = Attempt::new(b"", b"").unwrap();
        assert_eq!(
            (attempt.login(), attempt.secret(), attempt.ahead()),
            (&b""[..], &b""[..], &b""[..])
        );
        assert_eq!(attempt.raw_login().len, 0);
        assert!(!attempt.raw_buffer().is_null());
    }
}
