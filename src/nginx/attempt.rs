//! A login attempt: what nginx's mail core is shown of it, and the buffer that
//! the proxy module relays client bytes through after the login
//! (ngx_mail_proxy_handler()).

use core::mem::{self, size_of};
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{explicit_bzero, free, ngx_alloc, ngx_buf_t, ngx_str_t};

use super::NoMemory;
use super::heap::Bytes;
use super::log::Log;

/// The size in bytes of the buffer to relay through. What a client sends after its
/// login are short commands: more would take memory for as long as the session
/// is relayed.
const RELAY: usize = 512;

/// Login, secret, challenge and relay buffer in one block, wiped before it is given
/// back.
pub struct Attempt {
    /// A live block from malloc(): a `Head`, behind it the login, the secret, the
    /// challenge and [`RELAY`] bytes, to each of which it points. `buf` is within
    /// those or `large`, and its bytes from `pos` to `last` are initialized. nginx keeps pointers
    /// into the block: once it is at work with them (ngx_mail_auth()), no
    /// reference is made to the head.
    head: NonNull<Head>,
}

struct Head {
    buf: ngx_buf_t,
    login: ngx_str_t,
    /// Its pointer is null if there is none.
    secret: ngx_str_t,
    /// That of CRAM-MD5, with its CRLF; empty for other methods.
    challenge: ngx_str_t,
    /// The session's own, that of the greeting.
    greeting: ngx_str_t,
    /// How many bytes behind the head are in use: login, secret, challenge, and
    /// what the client has sent ahead if that is there.
    used: usize,
    /// The memory of `buf` in place of that, if they are too many for it.
    large: Option<Bytes>,
}

impl Attempt {
    /// Takes copies of the login, of the secret and of the challenge, each of which
    /// is empty if the method has none.
    pub fn new(
        login: &[u8],
        secret: &[u8],
        challenge: &[u8],
        log: Log<'_>,
    ) -> Result<Self, NoMemory> {
        let used = login.len().checked_add(secret.len()).ok_or(NoMemory)?;
        let used = used.checked_add(challenge.len()).ok_or(NoMemory)?;
        let size = size_of::<Head>().saturating_add(used).saturating_add(RELAY);
        // SAFETY: ngx_alloc() takes any size and a live log.
        let block = unsafe { ngx_alloc(size, log.as_ptr()) };
        let head = NonNull::new(block).ok_or(NoMemory)?.cast::<Head>();

        // SAFETY: the block is new, aligned for any type, and has room for what
        // is written; all zeros are a valid ngx_buf_t.
        unsafe {
            let login = put(head.add(1).cast().as_ptr(), login);
            let start = login.data.add(login.len);
            let secret = if secret.is_empty() { ngx_str_t::empty() } else { put(start, secret) };
            let challenge = put(start.add(secret.len), challenge);
            let start = challenge.data.add(challenge.len);
            let mut buf: ngx_buf_t = mem::zeroed();
            buf.start = start;
            buf.pos = start;
            buf.last = start;
            buf.end = start.add(RELAY);
            buf.set_temporary(1);
            let greeting = ngx_str_t::empty();
            head.write(Head { buf, login, secret, challenge, greeting, used, large: None });
        }

        Ok(Self { head })
    }

    /// Puts what the client has sent ahead of the outcome into the buffer.
    pub fn put_ahead(&mut self, ahead: &[u8], log: Log<'_>) -> Result<(), NoMemory> {
        // SAFETY: the block's invariant; nginx is not at work with it yet.
        let head = unsafe { self.head.as_mut() };
        if ahead.len() > RELAY {
            let large = head.large.insert(Bytes::copy_of(ahead, log)?);
            head.buf.start = large.as_mut_ptr();
            // SAFETY: the bytes are as many.
            head.buf.end = unsafe { head.buf.start.add(ahead.len()) };
        } else {
            // SAFETY: there is room for them.
            unsafe { head.buf.start.copy_from_nonoverlapping(ahead.as_ptr(), ahead.len()) };
            head.used = head.used.saturating_add(ahead.len());
        }
        head.buf.pos = head.buf.start;
        // SAFETY: as above.
        head.buf.last = unsafe { head.buf.start.add(ahead.len()) };

        Ok(())
    }

    /// The login.
    pub const fn login(&self) -> ngx_str_t {
        // SAFETY: the block's invariant.
        unsafe { (*self.head.as_ptr()).login }
    }

    /// The secret; its pointer is null if there is none.
    pub const fn secret(&self) -> ngx_str_t {
        // SAFETY: the block's invariant.
        unsafe { (*self.head.as_ptr()).secret }
    }

    /// The challenge that the secret answers, with its CRLF; empty if that is the
    /// greeting's, or if there is none.
    pub const fn challenge(&self) -> ngx_str_t {
        // SAFETY: the block's invariant.
        unsafe { (*self.head.as_ptr()).challenge }
    }

    /// Keeps the greeting's challenge while nginx is shown the other one.
    pub const fn keep_greeting(&mut self, challenge: ngx_str_t) {
        // SAFETY: the block's invariant.
        unsafe { (*self.head.as_ptr()).greeting = challenge };
    }

    /// The greeting's challenge, if it was kept.
    pub const fn greeting(&self) -> ngx_str_t {
        // SAFETY: the block's invariant.
        unsafe { (*self.head.as_ptr()).greeting }
    }

    /// What stands in the buffer.
    pub fn bytes(&mut self) -> &[u8] {
        // SAFETY: nginx moves `pos` and `last` within the buffer only, `pos`
        // up to `last`, and initializes what it moves `last` over.
        unsafe {
            let buf = self.buffer();
            let length = (*buf).last.offset_from((*buf).pos);
            slice::from_raw_parts((*buf).pos, usize::try_from(length).unwrap_or(0))
        }
    }

    /// nginx's pointer to the buffer.
    pub const fn buffer(&self) -> *mut ngx_buf_t {
        // SAFETY: the block's invariant.
        unsafe { &raw mut (*self.head.as_ptr()).buf }
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
