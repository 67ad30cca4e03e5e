//! Passwords that nginx's own crypt checks.

use core::ffi::CStr;
use core::mem;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, dlsym, ngx_create_pool, ngx_destroy_pool, ngx_int_t, ngx_log_t, ngx_pool_t, u_char,
};

use crate::client::Client;
use crate::conf::Conf;
use crate::connection::Connection;
use crate::error::NoMemory;
use crate::heap::Bytes;
use crate::registered::Registered;

type Function =
    unsafe extern "C" fn(*mut ngx_pool_t, *mut u_char, *mut u_char, *mut *mut u_char) -> ngx_int_t;

/// ngx_crypt(), which is there where ngx_http_auth_basic_module was built.
#[derive(Clone, Copy)]
pub struct Crypt(Function);

impl Crypt {
    /// Looks for it.
    pub fn find() -> Option<Self> {
        // SAFETY: the name ends with a NUL, and is that of a function of this type.
        unsafe {
            let function = dlsym(ptr::null_mut(), c"ngx_crypt".as_ptr());
            (!function.is_null()).then(|| Self(mem::transmute::<*mut _, Function>(function)))
        }
    }
}

impl<M: Registered> Connection<'_, M> {
    /// What crypt makes of a password, by the form, the salt and the rounds of this text.
    /// Neither holds a NUL. It takes its time.
    ///
    /// # Errors
    ///
    /// There is no memory, or crypt cannot do it, which nginx has logged.
    pub fn crypt(&self, crypt: Crypt, password: &[u8], stored: &[u8]) -> Result<Bytes, NoMemory> {
        self.logged(make(crypt, self.error_log().as_ptr(), password, stored))?.ok_or(NoMemory)
    }
}

impl Conf<'_> {
    /// Whether crypt can make such a hash: not every system's knows all forms. The text is
    /// as for [`Connection::crypt`].
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn knows_hash(&mut self, crypt: Crypt, stored: &[u8]) -> Result<bool, NoMemory> {
        // SAFETY: the configuration is live, and has a log.
        let log = unsafe { (*self.as_ptr()).log };
        let made = make(crypt, log, b"any password", stored)?;
        // crypt(3): "*0" or "*1" if nothing was made.
        Ok(made.is_some_and(|made| !made.as_slice().starts_with(b"*")))
    }
}

/// Nothing if crypt cannot make it, which nginx has logged.
fn make(
    crypt: Crypt,
    log: *mut ngx_log_t,
    password: &[u8],
    stored: &[u8],
) -> Result<Option<Bytes>, NoMemory> {
    let (mut password, mut stored) = (terminated(password)?, terminated(stored)?);
    // SAFETY: the callers' logs are live; the texts end with NULs, and what nginx makes of
    // them is such a text in the pool, which is copied before that goes.
    unsafe {
        let pool = NonNull::new(ngx_create_pool(1024, log)).ok_or(NoMemory)?;
        let mut made = ptr::null_mut();
        let (key, salt) = (password.as_mut_ptr(), stored.as_mut_ptr());
        let rc = (crypt.0)(pool.as_ptr(), key, salt, &raw mut made);
        let copy = if rc == NGX_OK as isize && !made.is_null() {
            Bytes::copy_of(CStr::from_ptr(made.cast_const().cast()).to_bytes()).map(Some)
        } else {
            Ok(None)
        };
        ngx_destroy_pool(pool.as_ptr());
        copy
    }
}

/// A copy with a NUL at its end.
fn terminated(text: &[u8]) -> Result<Bytes, NoMemory> {
    let mut copy = Bytes::with_capacity(text.len().saturating_add(1))?;
    copy.append(text)?;
    copy.append(b"\0")?;
    Ok(copy)
}
