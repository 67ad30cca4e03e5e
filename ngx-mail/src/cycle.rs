//! A configuration that has come into force.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::NonNull;

use nginx_sys::{ngx_cycle_t, ngx_test_config};

use crate::bindings::{
    ngx_mail_conf_ctx_t, ngx_mail_core_main_conf_t, ngx_mail_core_module, ngx_mail_core_srv_conf_t,
    ngx_mail_listen_t, ngx_mail_module,
};
#[cfg(ngx_mail_ssl_on)]
use crate::bindings::{ngx_mail_ssl_conf_t, ngx_mail_ssl_module};
use crate::file;
use crate::log::Log;
use crate::registered::Registered;

/// nginx's configuration in force, and what goes with it (ngx_cycle_t).
pub struct Cycle<'a, M> {
    /// Live for `'a`, with a configuration that is complete and a log.
    raw: NonNull<ngx_cycle_t>,
    live: PhantomData<(&'a ngx_cycle_t, M)>,
}

/// An address on which clients come (`listen`).
pub struct Listen<'a, M: Registered> {
    /// It, in text.
    pub address: &'a [u8],
    /// Whether TLS comes first there.
    pub tls: bool,
    /// The configuration of its server.
    pub conf: &'a M::ServerConf,
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
        // SAFETY: the invariant; the core module has a list of its servers. A server that is
        // complete has the configuration of each mail module.
        unsafe {
            let servers = self.core().map_or(&[][..], |core| {
                (*core).servers.as_slice::<*mut ngx_mail_core_srv_conf_t>()
            });
            servers.iter().filter_map(|&server| Self::own((*server).ctx))
        }
    }

    /// Each address on which clients come to such a server.
    pub fn listens(&self) -> impl Iterator<Item = Listen<'_, M>> {
        // SAFETY: as in servers(), and it has one of what they listen on.
        unsafe {
            let listens =
                self.core().map_or(&[][..], |core| (*core).listen.as_slice::<ngx_mail_listen_t>());
            listens.iter().filter_map(|listen| {
                let conf = Self::own(listen.ctx)?;
                let tls = listen.ssl() != 0 || has_ssl_on(listen.ctx);
                Some(Listen { address: listen.addr_text.as_bytes(), tls, conf })
            })
        }
    }

    /// The core module's configuration.
    fn core(&self) -> Option<*const ngx_mail_core_main_conf_t> {
        // SAFETY: the invariant; `conf_ctx` holds a pointer for each core module, that of
        // ngx_mail_module is null without a mail{} block.
        unsafe {
            let mail = (*self.raw.as_ptr()).conf_ctx.add(ngx_mail_module.index);
            let mail = (*mail).cast::<ngx_mail_conf_ctx_t>().as_ref()?;
            Some((*mail.main_conf.add(ngx_mail_core_module.ctx_index)).cast())
        }
    }

    /// The module's configuration of a server, if that has its protocol.
    ///
    /// # Safety
    ///
    /// It is a server's that is complete, and live for `'c`.
    pub(crate) unsafe fn own<'c>(server: *const ngx_mail_conf_ctx_t) -> Option<&'c M::ServerConf> {
        // SAFETY: the caller's promise.
        unsafe {
            let core = *(*server).srv_conf.add(ngx_mail_core_module.ctx_index);
            let own = (*core.cast::<ngx_mail_core_srv_conf_t>()).protocol == M::protocol();
            own.then(|| &*(*(*server).srv_conf.add(M::ctx_index())).cast::<M::ServerConf>())
        }
    }

    /// The path of the module's file, if what it was loaded from is not there any
    /// more: a reload does not load what is there now.
    pub fn replaced_file(&self) -> Option<&'static CStr> {
        file::replaced()
    }
}

/// Whether a server has the directive `ssl on`, which nginx had until 1.25.1: TLS comes first
/// there, whatever its `listen` says.
///
/// # Safety
///
/// It is a server's that is complete.
#[cfg(ngx_mail_ssl_on)]
const unsafe fn has_ssl_on(server: *const ngx_mail_conf_ctx_t) -> bool {
    // SAFETY: the caller's promise; the ssl module has a configuration of each server.
    unsafe {
        let ssl = *(*server).srv_conf.add(ngx_mail_ssl_module.ctx_index);
        (*ssl.cast::<ngx_mail_ssl_conf_t>()).enable == 1
    }
}

/// No server has it.
#[cfg(not(ngx_mail_ssl_on))]
const unsafe fn has_ssl_on(_server: *const ngx_mail_conf_ctx_t) -> bool {
    false
}
