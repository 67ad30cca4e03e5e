//! Lines of a configuration's other files.

use core::ffi::CStr;

use nginx_sys::{NGX_LOG_EMERG, ngx_conf_log_error};

use crate::conf::{Conf, Refused, printable};
use crate::text::Text;

impl Conf<'_> {
    /// Refuses a line of another file: says what is wrong with it, in two texts with the
    /// number of another line between them if there is one.
    pub fn refuse_line(
        &mut self,
        path: Text,
        line: usize,
        before: &CStr,
        other: Option<(usize, &CStr)>,
    ) -> Refused {
        let path = printable(path.as_bytes());
        let format = if other.is_some() { c"\"%*s\":%ui: %s%ui%s" } else { c"\"%*s\":%ui: %s" };
        let (other, after) = other.unwrap_or_default();
        // SAFETY: the invariant; "%*s" takes a length and a pointer to as many bytes, "%ui"
        // an ngx_uint_t, "%s" a string. A value too many is not looked at.
        unsafe {
            ngx_conf_log_error(
                NGX_LOG_EMERG as usize,
                self.as_ptr(),
                0,
                format.as_ptr(),
                path.len(),
                path.as_ptr(),
                line,
                before.as_ptr(),
                other,
                after.as_ptr(),
            );
        }
        Refused::Logged
    }

    /// The same with a reason between the two texts.
    pub fn refuse_line_for(
        &mut self,
        path: Text,
        line: usize,
        before: &CStr,
        reason: &CStr,
        after: &CStr,
    ) -> Refused {
        let path = printable(path.as_bytes());
        // SAFETY: as in refuse_line().
        unsafe {
            ngx_conf_log_error(
                NGX_LOG_EMERG as usize,
                self.as_ptr(),
                0,
                c"\"%*s\":%ui: %s%s%s".as_ptr(),
                path.len(),
                path.as_ptr(),
                line,
                before.as_ptr(),
                reason.as_ptr(),
                after.as_ptr(),
            );
        }
        Refused::Logged
    }
}
