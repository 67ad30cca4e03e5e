//! The tables by which nginx finds a module, made from its types.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::mem::{align_of, offset_of};
use core::ptr;

use nginx_sys::{
    NGX_OK, ngx_command_t, ngx_conf_t, ngx_cycle, ngx_cycle_t, ngx_int_t, ngx_module_t,
};

use crate::bindings::{
    NGX_MAIL_MODULE, NGX_RS_ALIGNMENT, ngx_mail_conf_ctx_t, ngx_mail_core_module,
    ngx_mail_core_srv_conf_t, ngx_mail_module_t, ngx_mail_protocol_t,
};
use crate::conf::{Conf, Directive, ServerConf, result};
use crate::cycle::Cycle;
use crate::kind::Kind;
use crate::listening;
use crate::log_file::flush_all;
use crate::record::Record;
use crate::registered::Registered;
use crate::session::{Handler, init_protocol, init_session};
use crate::text::string;

/// A table that nginx reads, and writes to in its only thread if it does at all.
#[repr(transparent)]
pub struct Table<T>(UnsafeCell<T>);

// SAFETY: the module itself never reaches what is inside but by pointers that it
// hands to nginx.
unsafe impl<T> Sync for Table<T> {}

impl<T> Table<T> {
    const fn new(table: T) -> Self {
        Self(UnsafeCell::new(table))
    }

    /// nginx's pointer.
    pub const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

/// A protocol, as `protocol NAME;` and a port in `listen` find it.
pub struct Protocol {
    /// Its name.
    pub name: &'static CStr,
    /// Its name in ALPN, with the length before it; a client that asks for another
    /// one is refused in the TLS handshake.
    pub alpn: &'static CStr,
    /// Its ports, behind which each 0 is none.
    pub ports: [u16; 3],
    /// What it is to the rest of the mail core.
    pub kind: Kind,
    /// The reply for an error of ours, with its CRLF.
    pub internal_error: &'static CStr,
    /// The reply to a client certificate that is refused.
    pub certificate_error: &'static CStr,
    /// The reply to a client without a certificate where one is required.
    pub no_certificate: &'static CStr,
}

/// The table of a protocol.
pub const fn protocol<M: Handler>(protocol: &Protocol) -> Table<ngx_mail_protocol_t> {
    // OpenSSL reads as far as that length says.
    assert!(is_alpn(protocol.alpn.to_bytes()), "`alpn` is no name with its length before it");
    // With nothing to send, ngx_mail_send() does not close what it is to close.
    assert!(
        !protocol.internal_error.is_empty()
            && !protocol.certificate_error.is_empty()
            && !protocol.no_certificate.is_empty(),
        "a reply is empty"
    );
    let [first, second, third] = protocol.ports;
    assert!(
        (first != 0 || second == 0) && (second != 0 || third == 0),
        "nginx finds no port behind a 0"
    );
    Table::new(ngx_mail_protocol_t {
        name: string(protocol.name),
        alpn: string(protocol.alpn),
        // nginx reads up to a 0.
        port: [first, second, third, 0],
        type_: protocol.kind.as_raw(),

        init_session: Some(init_session::<M>),
        init_protocol: Some(init_protocol::<M>),
        // Only ngx_mail_read_command() and ngx_mail_auth() have them called, and only
        // protocols call those.
        parse_command: None,
        auth_state: None,

        internal_server_error: string(protocol.internal_error),
        cert_error: string(protocol.certificate_error),
        no_cert: string(protocol.no_certificate),
    })
}

const fn is_alpn(name: &[u8]) -> bool {
    match name {
        [length, name @ ..] => *length as usize == name.len(),
        [] => false,
    }
}

/// The entry of a directive.
pub struct Command<M> {
    raw: ngx_command_t,
    of: PhantomData<M>,
}

impl<M: Registered> Command<M> {
    /// That of `D`.
    pub const fn new<D: Directive<Conf = M::ServerConf>>() -> Self {
        Self {
            raw: ngx_command_t {
                name: string(D::NAME),
                type_: (D::CONTEXT.as_raw() | D::VALUES.as_raw()) as usize,
                set: Some(set::<D>),
                conf: offset_of!(ngx_mail_conf_ctx_t, srv_conf),
                offset: 0,
                post: ptr::null_mut(),
            },
            of: PhantomData,
        }
    }

    /// The end of the directives.
    pub const fn last() -> Self {
        Self { raw: ngx_command_t::empty(), of: PhantomData }
    }
}

/// The directives of a module, of which the last is [`Command::last`].
pub const fn commands<M: Registered, const N: usize>(
    commands: [Command<M>; N],
) -> Table<[Command<M>; N]> {
    assert!(
        matches!(commands.as_slice(), [.., last] if last.raw.set.is_none()),
        "the directives have no end"
    );
    Table::new(commands)
}

/// What nginx finds in a module's file. nginx only reads it.
#[repr(transparent)]
pub struct Exported<T>(pub T);

// SAFETY: it is never written to, and what it points to is static.
unsafe impl<T, const N: usize> Sync for Exported<[*const T; N]> {}

/// A module's name.
pub const fn name(name: &'static CStr) -> *const c_char {
    name.as_ptr()
}

/// What the mail core calls while it reads the configuration.
pub const fn context<M: Handler>(
    protocol: &'static Table<ngx_mail_protocol_t>,
) -> Table<ngx_mail_module_t> {
    Table::new(ngx_mail_module_t {
        protocol: protocol.as_ptr(),
        create_main_conf: None,
        init_main_conf: None,
        create_srv_conf: Some(create_srv_conf::<M>),
        merge_srv_conf: Some(merge_srv_conf::<M>),
    })
}

/// A module.
///
/// # Safety
///
/// `context` was made for `M`, and `M` gives this module's place and its protocol.
pub const unsafe fn module<M: Handler, const N: usize>(
    context: &'static Table<ngx_mail_module_t>,
    commands: &'static Table<[Command<M>; N]>,
) -> Table<ngx_module_t> {
    Table::new(ngx_module_t {
        ctx: context.as_ptr().cast(),
        commands: commands.as_ptr().cast(),
        type_: NGX_MAIL_MODULE as usize,
        init_module: Some(init_module::<M>),
        exit_process: Some(exit_process::<M>),
        ..ngx_module_t::default()
    })
}

/// A module's place among the mail modules.
#[inline(always)]
pub fn ctx_index(module: &'static Table<ngx_module_t>) -> usize {
    // SAFETY: nginx writes it while it reads the configuration, in its only
    // thread.
    unsafe { (*module.as_ptr()).ctx_index }
}

/// `init_module` of ngx_module_t. Behind it nginx closes the files of the configuration before,
/// which a process without workers has written to.
unsafe extern "C" fn init_module<M: Handler>(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: it is that configuration still, or, at the start, one without files.
    unsafe { flush_all(ngx_cycle.cast_const()) };
    // SAFETY: nginx gives a live cycle.
    if let Some(new) = unsafe { Cycle::from_raw(cycle) } {
        // SAFETY: as above; nginx has opened its sockets.
        unsafe { listening::send_without_delay::<M>(&new, cycle) };
        M::started(&new);
    }
    NGX_OK as ngx_int_t
}

/// `exit_process` of ngx_module_t: what nginx itself has to be flushed it has flushed before.
unsafe extern "C" fn exit_process<M: Handler>(cycle: *mut ngx_cycle_t) {
    Record::finish_all();
    // SAFETY: nginx gives a live cycle.
    unsafe {
        if let Some(cycle) = Cycle::from_raw(cycle) {
            M::exiting(&cycle);
        }
        flush_all(cycle);
    }
}

/// `set` of ngx_command_t.
unsafe extern "C" fn set<D: Directive>(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx gives what create_srv_conf() made for the level at which
    // the directive stands.
    unsafe { result(D::set(&mut Conf::from_raw(cf), &mut *conf.cast())) }
}

/// `create_srv_conf` of ngx_mail_module_t: the configuration of a server or of the
/// mail{} level.
unsafe extern "C" fn create_srv_conf<M: Handler>(cf: *mut ngx_conf_t) -> *mut c_void {
    const { assert!(align_of::<M::ServerConf>() <= NGX_RS_ALIGNMENT as usize) };
    // SAFETY: nginx gives a live configuration; its pool aligns what it gives
    // for a long, and no type of the configuration asks for more.
    unsafe {
        let conf = Conf::from_raw(cf).allocate(size_of::<M::ServerConf>()).cast::<M::ServerConf>();
        if !conf.is_null() {
            conf.write(M::ServerConf::default());
        }
        conf.cast()
    }
}

/// `merge_srv_conf` of ngx_mail_module_t: completes a server's configuration from
/// that of the mail{} level.
unsafe extern "C" fn merge_srv_conf<M: Handler>(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx gives two that create_srv_conf() made; they differ.
    unsafe {
        let mut cf = Conf::from_raw(cf);
        if !take_over::<M>(&cf) {
            return result(Ok(()));
        }
        result((*child.cast::<M::ServerConf>()).merge(&*parent.cast(), &mut cf))
    }
}

/// Makes the present server the module's if another one serves the same of nginx's
/// protocols there: `listen 110` without `protocol` goes to the last module that knows
/// the port, `protocol pop3` to the first that knows the name. Gives whether it is.
///
/// # Safety
///
/// This is a merge callback of a mail module.
unsafe fn take_over<M: Handler>(cf: &Conf<'_>) -> bool {
    // SAFETY: the caller's promise; a protocol that is set is live, and the mail
    // core is merged before.
    unsafe {
        let core = cf.srv_conf::<ngx_mail_core_srv_conf_t>(ngx_mail_core_module.ctx_index);
        let protocol = (*core).protocol;
        let own = M::protocol();
        if protocol == own {
            return true;
        }
        // What is none of nginx's protocols is not the same as another such.
        let taken = !protocol.is_null()
            && (*protocol).type_ == (*own).type_
            && (*own).type_ != Kind::Other.as_raw();
        if taken {
            (*core).protocol = own;
        }
        taken
    }
}
