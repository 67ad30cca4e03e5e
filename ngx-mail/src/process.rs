//! The processes of nginx.

use core::ffi::c_int;

use nginx_sys::{ESRCH, kill, ngx_errno, ngx_pid};

/// The number of this one.
pub fn id() -> u32 {
    // SAFETY: nginx writes it when the process begins.
    unsafe { ngx_pid.unsigned_abs() }
}

/// Whether there is a process of that number.
pub fn is_alive(id: u32) -> bool {
    let Ok(id) = c_int::try_from(id) else { return false };
    // SAFETY: without a signal nothing is done to it.
    unsafe { kill(id, 0) == 0 || ngx_errno() != ESRCH as c_int }
}
