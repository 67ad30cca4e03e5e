//! Passwords that nginx's own crypt checks.

use core::ffi::CStr;
use core::mem;
use core::ptr::{self, NonNull};

use nginx_sys::{NGX_OK, dlsym, ngx_create_pool, ngx_destroy_pool, ngx_int_t, ngx_pool_t, u_char};

use crate::client::Client;
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
        let terminated = |text: &[u8]| {
            let mut copy = self.allocate(text.len().saturating_add(1))?;
            copy.append(text)?;
            copy.append(b"\0")?;
            Ok(copy)
        };
        let (mut password, mut stored) = (terminated(password)?, terminated(stored)?);
        // SAFETY: the connection's log is live; the texts end with NULs, and what nginx
        // makes of them is such a text in the pool, which is copied before that goes.
        unsafe {
            let pool = ngx_create_pool(1024, self.error_log().as_ptr());
            let pool = self.logged(NonNull::new(pool).ok_or(NoMemory))?;
            let mut made = ptr::null_mut();
            let (key, salt) = (password.as_mut_ptr(), stored.as_mut_ptr());
            let rc = (crypt.0)(pool.as_ptr(), key, salt, &raw mut made);
            let copy = if rc == NGX_OK as isize && !made.is_null() {
                self.copy(CStr::from_ptr(made.cast_const().cast()).to_bytes())
            } else {
                Err(NoMemory)
            };
            ngx_destroy_pool(pool.as_ptr());
            copy
        }
    }
}
