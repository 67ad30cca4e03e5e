//! nginx's clock, which stands still while an event is at work.

use nginx_sys::{ngx_cached_http_log_iso8601, ngx_cached_time, ngx_current_msec};

/// The local time as ISO 8601 has it (ngx_cached_http_log_iso8601).
pub fn iso8601() -> [u8; 25] {
    let mut text = [0; 25];
    // SAFETY: nginx has a text of that length there, and makes the next one elsewhere.
    unsafe {
        let cached = ngx_cached_http_log_iso8601;
        text.as_mut_ptr().copy_from_nonoverlapping(cached.data, text.len().min(cached.len));
    }
    text
}

/// Milliseconds since 1970 (ngx_timeofday()).
pub fn milliseconds() -> u64 {
    // SAFETY: nginx sets it before it reads a configuration.
    let now = unsafe { *ngx_cached_time };
    let seconds = u64::try_from(now.sec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(now.msec.try_into().unwrap_or(0))
}

/// Milliseconds of a clock that is never put back, and the same to all processes of this
/// machine (ngx_current_msec).
pub fn monotonic() -> u64 {
    // SAFETY: nginx writes it between two events.
    unsafe { ngx_current_msec as u64 }
}
