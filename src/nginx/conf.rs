//! nginx's configuration while it is read.

use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_ERROR, NGX_LOG_EMERG, NGX_LOG_WARN, ngx_array_create, ngx_array_push, ngx_array_t,
    ngx_atoi, ngx_command_t, ngx_conf_log_error, ngx_conf_t, ngx_palloc, ngx_parse_size,
    ngx_pnalloc, ngx_str_t,
};

use super::NoMemory;
use super::mail::{
    NGX_MAIL_MAIN_CONF, NGX_MAIL_POP3_PROTOCOL, NGX_MAIL_SRV_CONF, NGX_MAIL_STARTTLS_ON,
    NGX_MAIL_STARTTLS_ONLY, ngx_mail_conf_ctx_t, ngx_mail_core_srv_conf_t, ngx_mail_ssl_conf_t,
};
use super::protocol::PROTOCOL;
use crate::conf::ServerConf;
use crate::module;

/// Why a directive is refused.
pub enum Refused {
    /// The reason has been logged.
    Logged,
    /// nginx logs the directive's name with this text.
    Because(&'static CStr),
}

impl From<NoMemory> for Refused {
    fn from(_: NoMemory) -> Self {
        Self::Logged
    }
}

/// A directive of the mail and server contexts.
pub trait Directive {
    /// Its name.
    const NAME: ngx_str_t;
    /// How many values it takes: one of the NGX_CONF_ constants.
    const VALUES: u32;

    /// Takes the values of the directive into the configuration.
    ///
    /// # Errors
    ///
    /// Why they are refused.
    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused>;
}

/// The entry of a directive in the table that nginx reads.
pub const fn command<D: Directive>() -> ngx_command_t {
    ngx_command_t {
        name: D::NAME,
        type_: (NGX_MAIL_MAIN_CONF | NGX_MAIL_SRV_CONF | D::VALUES) as usize,
        set: Some(set::<D>),
        conf: core::mem::offset_of!(ngx_mail_conf_ctx_t, srv_conf),
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// What a server has from other modules that POP3 depends on.
pub struct Server {
    /// `max_errors` of ngx_mail_core_module.
    pub max_errors: usize,
    /// `max_commands`, which some forks have in ngx_mail_core_module.
    #[cfg(ngx_mail_max_commands)]
    pub max_commands: usize,
    /// `starttls` of ngx_mail_ssl_module.
    pub starttls: pop3::StartTls,
    /// `server_name`; its bytes stay as long as the configuration.
    pub name: ngx_str_t,
}

/// The configuration at the place that is being read.
pub struct Conf<'a> {
    /// Live for `'a`, and in a callback of a mail module.
    raw: NonNull<ngx_conf_t>,
    live: PhantomData<&'a mut ngx_conf_t>,
}

impl Conf<'_> {
    /// # Safety
    ///
    /// `raw` is what nginx gives to a callback of a mail module, live for the
    /// life of the result.
    const unsafe fn from_raw(raw: *mut ngx_conf_t) -> Self {
        // SAFETY: nginx gives no null pointer.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, live: PhantomData }
    }

    /// The value of the directive at `index`, from 0. Its bytes stay as long
    /// as the configuration.
    pub fn value(&self, index: usize) -> Option<ngx_str_t> {
        // SAFETY: the invariant; nginx gives a directive as an array of
        // strings that starts with its name.
        let words = unsafe { (*(*self.raw.as_ptr()).args).as_slice::<ngx_str_t>() };
        words.get(index.checked_add(1)?).copied()
    }

    /// Refuses a value: logs it in quotes between two texts.
    pub fn refuse(&mut self, before: &CStr, value: &[u8], after: &CStr) -> Refused {
        self.log(NGX_LOG_EMERG, before, value, after);
        Refused::Logged
    }

    /// Warns of a value: logs it in quotes between two texts.
    pub fn warn(&mut self, before: &CStr, value: &[u8], after: &CStr) {
        self.log(NGX_LOG_WARN, before, value, after);
    }

    fn log(&mut self, level: u32, before: &CStr, value: &[u8], after: &CStr) {
        // SAFETY: the invariant; "%s" takes a string, "%*s" a length and a
        // pointer to as many bytes.
        unsafe {
            ngx_conf_log_error(
                level as usize,
                self.raw.as_ptr(),
                0,
                c"%s \"%*s\" %s".as_ptr(),
                before.as_ptr(),
                value.len(),
                value.as_ptr(),
                after.as_ptr(),
            );
        }
    }

    /// Makes a text that stays as long as the configuration. `write` is
    /// called twice and puts the same pieces each time.
    pub fn text(&mut self, write: impl Fn(&mut dyn FnMut(&[u8]))) -> Result<ngx_str_t, NoMemory> {
        let mut length = 0_usize;
        write(&mut |piece| length = length.saturating_add(piece.len()));

        // SAFETY: the invariant.
        let data = unsafe { ngx_pnalloc((*self.raw.as_ptr()).pool, length) };
        let data = NonNull::new(data.cast::<u8>()).ok_or(NoMemory)?;
        // SAFETY: the memory is new and `length` bytes long.
        let mut rest = unsafe {
            data.write_bytes(0, length);
            slice::from_raw_parts_mut(data.as_ptr(), length)
        };
        write(&mut |piece| {
            if let Some((to, behind)) = core::mem::take(&mut rest).split_at_mut_checked(piece.len())
            {
                to.copy_from_slice(piece);
                rest = behind;
            }
        });

        Ok(ngx_str_t { data: data.as_ptr(), len: length })
    }

    /// What the present server has from other modules. They are merged before
    /// this one: nginx orders them so.
    pub fn server(&mut self) -> Server {
        // SAFETY: the invariant; in a merge callback `ctx` is the server's, and
        // holds the configuration of each mail module.
        unsafe {
            let core = self.srv_conf::<ngx_mail_core_srv_conf_t>(module::core_ctx_index());
            let ssl = self.srv_conf::<ngx_mail_ssl_conf_t>(module::ssl_ctx_index());
            Server {
                max_errors: (*core).max_errors,
                #[cfg(ngx_mail_max_commands)]
                max_commands: (*core).max_commands,
                starttls: match u32::try_from((*ssl).starttls) {
                    Ok(NGX_MAIL_STARTTLS_ON) => pop3::StartTls::On,
                    Ok(NGX_MAIL_STARTTLS_ONLY) => pop3::StartTls::Only,
                    _ => pop3::StartTls::Off,
                },
                name: (*core).server_name,
            }
        }
    }

    /// Makes the present server ours if another module serves POP3 there:
    /// `listen 110` without `protocol` goes to the last module that knows the
    /// port, `protocol pop3` to the first that knows the name. Gives whether it is
    /// ours.
    pub fn take_pop3_over(&mut self) -> bool {
        // SAFETY: as in server(); a protocol that is set is live.
        unsafe {
            let core = self.srv_conf::<ngx_mail_core_srv_conf_t>(module::core_ctx_index());
            let pop3 = !(*core).protocol.is_null()
                && (*(*core).protocol).type_ == NGX_MAIL_POP3_PROTOCOL as usize;
            if pop3 {
                (*core).protocol = PROTOCOL.as_ptr();
            }
            pop3
        }
    }

    /// # Safety
    ///
    /// `ctx_index` is that of a mail module whose server configuration is a
    /// `T`, and this is a merge callback.
    const unsafe fn srv_conf<T>(&self, ctx_index: usize) -> *mut T {
        // SAFETY: the invariant and the caller's promise.
        unsafe {
            let ctx = (*self.raw.as_ptr()).ctx.cast::<ngx_mail_conf_ctx_t>();
            (*(*ctx).srv_conf.add(ctx_index)).cast()
        }
    }
}

/// Strings that stay as long as the configuration.
#[derive(Clone, Copy)]
pub struct Strings {
    /// An array of ngx_str_t, live as long as the configuration.
    array: NonNull<ngx_array_t>,
}

impl Strings {
    /// Makes an empty list.
    pub fn new(cf: &mut Conf<'_>) -> Result<Self, NoMemory> {
        // SAFETY: the invariant of Conf.
        let array = unsafe { ngx_array_create((*cf.raw.as_ptr()).pool, 4, size_of::<ngx_str_t>()) };
        Ok(Self { array: NonNull::new(array).ok_or(NoMemory)? })
    }

    /// Adds a string.
    pub fn push(&mut self, string: ngx_str_t) -> Result<(), NoMemory> {
        // SAFETY: the invariant.
        let place = unsafe { ngx_array_push(self.array.as_ptr()) };
        let place = NonNull::new(place.cast::<ngx_str_t>()).ok_or(NoMemory)?;
        // SAFETY: ngx_array_push() gives the place of a new element.
        unsafe { place.write(string) };

        Ok(())
    }

    /// The strings.
    pub fn as_slice(&self) -> &[ngx_str_t] {
        // SAFETY: the invariant.
        unsafe { self.array.as_ref().as_slice() }
    }
}

/// Parses a size with an optional k or m, as nginx's directives have it.
pub fn parse_size(mut value: ngx_str_t) -> Option<usize> {
    // SAFETY: ngx_parse_size() only reads the string, which is a directive's
    // value.
    usize::try_from(unsafe { ngx_parse_size(&raw mut value) }).ok()
}

/// Parses a number.
pub fn parse_number(value: ngx_str_t) -> Option<usize> {
    // SAFETY: as in parse_size().
    usize::try_from(unsafe { ngx_atoi(value.data, value.len) }).ok()
}

/// NGX_CONF_OK.
const CONF_OK: *mut c_char = ptr::null_mut();

/// NGX_CONF_ERROR: the reason has been logged.
const CONF_ERROR: *mut c_char = ptr::without_provenance_mut(NGX_ERROR as isize as usize);

fn result(result: Result<(), Refused>) -> *mut c_char {
    match result {
        Ok(()) => CONF_OK,
        Err(Refused::Logged) => CONF_ERROR,
        Err(Refused::Because(reason)) => reason.as_ptr().cast_mut(),
    }
}

/// The `set` handler of a directive.
unsafe extern "C" fn set<D: Directive>(
    cf: *mut ngx_conf_t,
    _cmd: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx gives what create_srv_conf() made for the level at which
    // the directive stands.
    unsafe { result(D::set(&mut Conf::from_raw(cf), &mut *conf.cast())) }
}

/// Makes the configuration of a server or of the mail{} level.
pub unsafe extern "C" fn create_srv_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx gives a live configuration; its pool aligns what it gives
    // for any type.
    unsafe {
        let conf = ngx_palloc((*cf).pool, size_of::<ServerConf>()).cast::<ServerConf>();
        if !conf.is_null() {
            conf.write(ServerConf::default());
        }
        conf.cast()
    }
}

/// Completes a server's configuration from that of the mail{} level.
pub unsafe extern "C" fn merge_srv_conf(
    cf: *mut ngx_conf_t,
    parent: *mut c_void,
    child: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx gives two that create_srv_conf() made; they differ.
    unsafe {
        let (parent, child) = (&*parent.cast::<ServerConf>(), &mut *child.cast::<ServerConf>());
        result(child.merge(parent, &mut Conf::from_raw(cf)))
    }
}
