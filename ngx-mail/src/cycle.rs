//! A configuration that has come into force.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

use nginx_sys::{ngx_cycle_t, ngx_test_config};

use crate::bindings::{
    ngx_mail_conf_ctx_t, ngx_mail_core_main_conf_t, ngx_mail_core_module, ngx_mail_core_srv_conf_t,
    ngx_mail_module,
};
use crate::file;
use crate::log::Log;
use crate::registered::Registered;

/// nginx's configuration in force, and what goes with it (ngx_cycle_t).
pub struct Cycle<'a, M> {
    /// Live for `'a`, with a configuration that is complete and a log.
    raw: NonNull<ngx_cycle_t>,
    live: PhantomData<(&'a ngx_cycle_t, M)>,
}

impl<M: Registered> Cycle<'_, M> {
    /// # Safety
    ///
    /// `raw` is a live cycle whose configuration is complete.
    pub(crate) unsafe fn from_raw(raw: *mut ngx_cycle_t) -> Option<Self> {
        // SAFETY: the caller's promise.
        let raw = NonNull::new(raw).filter(|raw| unsafe { !(*raw.as_ptr()).log.is_null() })?;
        Some(Self { raw, live: PhantomData })
    }

    /// Its log.
    pub fn log(&self) -> Log<'_> {
        // SAFETY: the invariant.
        unsafe { Log::from_raw(NonNull::new_unchecked((*self.raw.as_ptr()).log)) }
    }

    /// Whether nginx only tests the configuration.
    pub fn is_test(&self) -> bool {
        // SAFETY: nginx writes it before it reads the configuration.
        unsafe { ngx_test_config != 0 }
    }

    /// Whether a server of the configuration has the module's protocol.
    pub fn has_server(&self) -> bool {
        self.servers().next().is_some()
    }

    /// The configuration of each server that has the module's protocol.
    pub fn servers(&self) -> impl Iterator<Item = &M::ServerConf> {
        // SAFETY: the invariant; `conf_ctx` holds a pointer for each core
        // module, that of ngx_mail_module is null without a mail{} block. A server that is
        // complete has the configuration of each mail module.
        unsafe {
            let mail = (*self.raw.as_ptr()).conf_ctx.add(ngx_mail_module.index);
            let mail = (*mail).cast::<ngx_mail_conf_ctx_t>();
            let servers = mail.as_ref().map_or(&[][..], |mail| {
                let core = *mail.main_conf.add(ngx_mail_core_module.ctx_index);
                let core = core.cast::<ngx_mail_core_main_conf_t>();
                (*core).servers.as_slice::<*mut ngx_mail_core_srv_conf_t>()
            });
            servers.iter().filter(|&&server| (*server).protocol == M::protocol()).map(|&server| {
                &*(*(*(*server).ctx).srv_conf.add(M::ctx_index())).cast::<M::ServerConf>()
            })
        }
    }

    /// The path of the module's file, if what it was loaded from is not there any
    /// more: a reload does not load what is there now.
    pub fn replaced_file(&self) -> Option<&'static CStr> {
        file::replaced()
    }
}
