//! The tables by which nginx finds the module.

#![allow(unsafe_code)]

use nginx_sys::{NGX_OK, ngx_command_t, ngx_cycle_t, ngx_int_t, ngx_module_t};

use crate::conf::{Auth, CapabilityList, ClientBuffer, MaxCommands};
use crate::nginx::conf::{command, create_srv_conf, merge_srv_conf};
use crate::nginx::cycle;
use crate::nginx::mail::{
    NGX_MAIL_MODULE, ngx_mail_core_module, ngx_mail_module_t, ngx_mail_ssl_module,
};
use crate::nginx::protocol::PROTOCOL;

/// A table that nginx only reads.
#[repr(transparent)]
struct Table<T>(T);

// SAFETY: nothing writes to it.
unsafe impl<T> Sync for Table<T> {}

static mut COMMANDS: [ngx_command_t; 5] = [
    command::<Auth>(),
    command::<CapabilityList>(),
    command::<ClientBuffer>(),
    command::<MaxCommands>(),
    ngx_command_t::empty(),
];

static CONTEXT: Table<ngx_mail_module_t> = Table(ngx_mail_module_t {
    protocol: PROTOCOL.as_ptr(),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: Some(create_srv_conf),
    merge_srv_conf: Some(merge_srv_conf),
});

/// It has no symbol of its own: after `load_module` of a newer file and a
/// reload, the dynamic linker would bind it to that of the older file. For
/// nginx's ./configure it has one, and `config` sees to it.
#[cfg_attr(feature = "nginx-make", unsafe(export_name = "ngx_mail_pop3_rs_module"))]
static mut MODULE: ngx_module_t = ngx_module_t {
    ctx: (&raw const CONTEXT).cast_mut().cast(),
    commands: (&raw mut COMMANDS).cast(),
    type_: NGX_MAIL_MODULE as usize,
    init_module: Some(init_module),
    ..ngx_module_t::default()
};

/// What nginx looks for in a module's file. nginx's ./configure writes it by
/// itself.
#[cfg(not(feature = "nginx-make"))]
mod file {
    use core::ffi::{CStr, c_char};
    use core::ptr;

    use nginx_sys::ngx_module_t;

    use super::MODULE;

    const NAME: &CStr = c"ngx_mail_pop3_rs_module";

    /// The modules in this file (ngx_load_module()).
    #[unsafe(no_mangle)]
    static mut ngx_modules: [*mut ngx_module_t; 2] = [&raw mut MODULE, ptr::null_mut()];

    /// Their names.
    #[unsafe(no_mangle)]
    static mut ngx_module_names: [*const c_char; 2] = [NAME.as_ptr(), ptr::null()];

    /// What the first of them has to come before (ngx_add_module()): nginx takes
    /// `pop3_auth`, `pop3_capabilities` and `protocol pop3` to the first module
    /// that knows them. As in `config`.
    #[unsafe(no_mangle)]
    static mut ngx_module_order: [*const c_char; 6] = [
        NAME.as_ptr(),
        c"ngx_mail_pop3_module".as_ptr(),
        c"ngx_mail_imap_module".as_ptr(),
        c"ngx_mail_smtp_module".as_ptr(),
        c"ngx_mail_auth_http_module".as_ptr(),
        ptr::null(),
    ];
}

/// The module's place among the mail modules.
pub fn ctx_index() -> usize {
    // SAFETY: nginx writes it while it reads the configuration, in its only
    // thread.
    unsafe { MODULE.ctx_index }
}

/// The place of ngx_mail_core_module among the mail modules.
pub fn core_ctx_index() -> usize {
    // SAFETY: as in ctx_index().
    unsafe { ngx_mail_core_module.ctx_index }
}

/// The place of ngx_mail_ssl_module among the mail modules.
pub fn ssl_ctx_index() -> usize {
    // SAFETY: as in ctx_index().
    unsafe { ngx_mail_ssl_module.ctx_index }
}

/// A configuration has come into force.
unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx gives a live cycle.
    unsafe { cycle::announce(cycle) };
    NGX_OK as ngx_int_t
}
