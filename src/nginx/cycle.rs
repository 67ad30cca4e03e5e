//! A configuration that has come into force.

use core::ffi::CStr;
use core::ptr::NonNull;

use nginx_sys::{ngx_cycle_t, ngx_test_config};

use super::file;
use super::log::Log;
use super::mail::{
    ngx_mail_conf_ctx_t, ngx_mail_core_main_conf_t, ngx_mail_core_srv_conf_t, ngx_mail_module,
};
use super::protocol::PROTOCOL;
use crate::module;

const ANNOUNCEMENT: &CStr = terminated(concat!(
    "POP3 is served by ngx_mail_pop3_rs_module ",
    env!("CARGO_PKG_VERSION"),
    "\0"
));

/// Behind the path of the module's file, and a quote before it.
const REPLACED: &CStr = terminated(concat!(
    "\" was replaced or removed: ngx_mail_pop3_rs_module ",
    env!("CARGO_PKG_VERSION"),
    ", loaded before, serves POP3 until nginx is restarted or upgraded on the fly (USR2)\0"
));

const fn terminated(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

/// Logs who serves POP3, if a server of the configuration has it and nginx
/// does more than test it; and that it is not who could be expected to.
///
/// # Safety
///
/// `cycle` is a live cycle whose configuration is complete.
pub unsafe fn announce(cycle: *mut ngx_cycle_t) {
    // SAFETY: the caller's promise; nginx writes `ngx_test_config` before it
    // reads the configuration.
    unsafe {
        let Some(log) = NonNull::new((*cycle).log) else { return };
        if ngx_test_config == 0 && serves_pop3(cycle) {
            let log = Log::from_raw(log);
            log.notice(ANNOUNCEMENT);
            if let Some(path) = file::replaced() {
                log.warn_of_file(path, REPLACED);
            }
        }
    }
}

/// # Safety
///
/// As for [`announce`].
unsafe fn serves_pop3(cycle: *mut ngx_cycle_t) -> bool {
    // SAFETY: the caller's promise; `conf_ctx` holds a pointer for each core
    // module, that of ngx_mail_module is null without a mail{} block.
    unsafe {
        let mail = *(*cycle).conf_ctx.add(ngx_mail_module.index);
        if mail.is_null() {
            return false;
        }
        let mail = mail.cast::<ngx_mail_conf_ctx_t>();
        let core = *(*mail).main_conf.add(module::core_ctx_index());
        let servers = &(*core.cast::<ngx_mail_core_main_conf_t>()).servers;

        servers
            .as_slice::<*mut ngx_mail_core_srv_conf_t>()
            .iter()
            .any(|&server| (*server).protocol == PROTOCOL.as_ptr())
    }
}
