//! Directives of nginx's own modules: those that a module reads before them, and those
//! whose values are nowhere else to be found.

use core::ffi::{CStr, c_void};
use core::mem::size_of;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_CONF_FLAG, NGX_CONF_TAKE1, NGX_CONF_TAKE2, ngx_array_t, ngx_command_t, ngx_flag_t,
    ngx_module_t, ngx_str_t,
};

use crate::bindings::{ngx_mail_auth_http_module, ngx_mail_proxy_module, ngx_mail_session_t};
use crate::conf::{Conf, Refused, outcome};
use crate::text::string;

/// The directive of a module.
///
/// # Safety
///
/// `module` is one of nginx's own that has directives.
unsafe fn command(module: *const ngx_module_t, name: &[u8]) -> Option<NonNull<ngx_command_t>> {
    // SAFETY: the caller's promise; a table of directives ends with an empty name.
    unsafe {
        let mut command = (*module).commands;
        while (*command).name.len != 0 {
            if (*command).name.as_bytes() == name {
                return NonNull::new(command);
            }
            command = command.add(1);
        }
    }
    None
}

/// The value of a directive of ngx_mail_proxy_module that is on or off, in the session's
/// server: its table of directives says where in its configuration that stands.
///
/// # Safety
///
/// `session` is live.
pub(crate) unsafe fn proxy_flag(session: *mut ngx_mail_session_t, name: &CStr) -> bool {
    // SAFETY: the caller's promise; the configuration of each module is at its place,
    // and a flag's slot is at the offset in that.
    unsafe {
        let module = &raw const ngx_mail_proxy_module;
        let Some(command) = command(module, name.to_bytes()) else { return false };
        let conf = *(*session).srv_conf.add((*module).ctx_index);
        *conf.byte_add(command.as_ref().offset).cast::<ngx_flag_t>() == 1
    }
}

impl Conf<'_> {
    /// Has ngx_mail_auth_http_module read the directive that is being read: it is one of
    /// its own, which went to this module as it comes first.
    ///
    /// # Errors
    ///
    /// Those of the directive.
    pub fn hand_to_auth_http(&mut self) -> Result<(), Refused> {
        // SAFETY: the configuration is live, in a callback of a mail module, and a
        // directive is an array of strings that starts with its name.
        unsafe {
            let words = (*(*self.as_ptr()).args).as_slice::<ngx_str_t>();
            let name = words.first().map_or(&[][..], ngx_str_t::as_bytes);
            self.call_auth_http(name)
        }
    }

    /// Has ngx_mail_auth_http_module read an `auth_http` that does not stand in the
    /// configuration: it refuses each server without one.
    ///
    /// # Errors
    ///
    /// Those of the directive.
    pub fn give_auth_http(&mut self, value: &'static CStr) -> Result<(), Refused> {
        let mut words = [string(c"auth_http"), string(value)];
        let mut args = ngx_array_t {
            elts: words.as_mut_ptr().cast::<c_void>(),
            nelts: words.len(),
            size: size_of::<ngx_str_t>(),
            nalloc: words.len(),
            pool: self.pool(),
        };
        // SAFETY: the configuration is live; nginx keeps the texts, which are static,
        // and not the array.
        unsafe {
            let kept = ptr::replace(&raw mut (*self.as_ptr()).args, &raw mut args);
            let result = self.call_auth_http(b"auth_http");
            (*self.as_ptr()).args = kept;
            result
        }
    }

    /// # Safety
    ///
    /// `args` of the configuration is a directive of that name.
    unsafe fn call_auth_http(&mut self, name: &[u8]) -> Result<(), Refused> {
        // SAFETY: the caller's promise; the configuration of each module is at its
        // place. What comes back is null, -1 or a text that stays.
        unsafe {
            let module = &raw const ngx_mail_auth_http_module;
            let Some(command) = command(module, name) else { return Ok(()) };
            let Some(set) = command.as_ref().set else { return Ok(()) };
            // It reads as many values as it says.
            let values = (*(*self.as_ptr()).args).nelts.saturating_sub(1);
            let takes = match values {
                1 => NGX_CONF_TAKE1 | NGX_CONF_FLAG,
                2 => NGX_CONF_TAKE2,
                _ => 0,
            };
            if command.as_ref().type_ & takes as usize == 0 {
                return Err(Refused::Because(c"has another number of values"));
            }
            let conf = self.srv_conf::<c_void>((*module).ctx_index);
            outcome(set(self.as_ptr(), command.as_ptr(), conf))
        }
    }
}
