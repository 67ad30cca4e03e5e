//! nginx's configuration while it is read.

use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_CONF_1MORE, NGX_CONF_2MORE, NGX_CONF_TAKE1, NGX_CONF_TAKE2, NGX_ERROR, NGX_LOG_EMERG,
    NGX_LOG_WARN, ngx_array_create, ngx_atoi, ngx_conf_log_error, ngx_conf_t, ngx_parse_size,
    ngx_parse_time, ngx_pnalloc, ngx_pool_t, ngx_str_t,
};

use crate::bindings::{
    NGX_MAIL_MAIN_CONF, NGX_MAIL_SRV_CONF, NGX_MAIL_STARTTLS_ON, NGX_MAIL_STARTTLS_ONLY,
    ngx_mail_conf_ctx_t, ngx_mail_core_module, ngx_mail_core_srv_conf_t, ngx_mail_ssl_conf_t,
    ngx_mail_ssl_module,
};
use crate::error::NoMemory;
use crate::text::{Text, Texts};

/// Why a directive or a configuration is refused.
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

/// The configuration of a server, and of the mail{} level, which is completed by
/// nothing else. It goes with nginx's pool and is never dropped: what it owns beyond
/// [`Text`]s is not given back at a reload.
pub trait ServerConf: Default + 'static {
    /// Takes what is not set here from the mail{} level. It is called for the
    /// servers of the module's own protocol alone, once all modules that stand
    /// before it have been asked (merge_srv_conf of ngx_mail_module_t).
    ///
    /// # Errors
    ///
    /// Why the configuration is refused.
    fn merge(&mut self, parent: &Self, cf: &mut Conf<'_>) -> Result<(), Refused>;
}

/// How many values a directive takes.
#[derive(Clone, Copy)]
pub enum Values {
    /// One.
    One,
    /// Two.
    Two,
    /// One or more.
    OneOrMore,
    /// Two or more.
    TwoOrMore,
}

impl Values {
    pub(crate) const fn as_raw(self) -> u32 {
        match self {
            Self::One => NGX_CONF_TAKE1,
            Self::Two => NGX_CONF_TAKE2,
            Self::OneOrMore => NGX_CONF_1MORE,
            Self::TwoOrMore => NGX_CONF_2MORE,
        }
    }
}

/// Where a directive may stand.
#[derive(Clone, Copy)]
pub enum Context {
    /// In mail{}.
    Mail,
    /// In mail{} and in each of its server{} blocks.
    MailAndServer,
}

impl Context {
    pub(crate) const fn as_raw(self) -> u32 {
        match self {
            Self::Mail => NGX_MAIL_MAIN_CONF,
            Self::MailAndServer => NGX_MAIL_MAIN_CONF | NGX_MAIL_SRV_CONF,
        }
    }
}

/// A directive (ngx_command_t).
pub trait Directive {
    /// What it is a part of.
    type Conf: ServerConf;
    /// Its name.
    const NAME: &'static CStr;
    /// How many values it takes.
    const VALUES: Values;
    /// Where it may stand.
    const CONTEXT: Context = Context::MailAndServer;

    /// Takes the values of the directive into the configuration.
    ///
    /// # Errors
    ///
    /// Why they are refused.
    fn set(cf: &mut Conf<'_>, conf: &mut Self::Conf) -> Result<(), Refused>;
}

/// The `starttls` directive of ngx_mail_ssl_module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// There is none.
    Off,
    /// It is offered.
    On,
    /// It is required before a login.
    Only,
}

/// What a server has from other modules.
pub struct Server {
    /// `max_errors` of ngx_mail_core_module.
    pub max_errors: usize,
    /// `max_commands`, which some forks have in ngx_mail_core_module.
    pub max_commands: Option<usize>,
    /// `starttls` of ngx_mail_ssl_module.
    pub starttls: StartTls,
    /// Whether it asks for certificates of clients, and has them verified
    /// (`ssl_verify_client`).
    pub verifies_client: bool,
    /// `server_name`.
    pub name: Text,
    /// `timeout`, in milliseconds.
    pub timeout: usize,
}

/// Hands the pieces of a text to the function that it is given.
pub type Write<'a> = dyn Fn(&mut dyn FnMut(&[u8])) + 'a;

/// Whether this nginx's mail core has a directive `max_commands`.
pub const HAS_MAX_COMMANDS: bool = cfg!(ngx_mail_max_commands);

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
    pub(crate) const unsafe fn from_raw(raw: *mut ngx_conf_t) -> Self {
        // SAFETY: nginx gives no null pointer.
        Self { raw: unsafe { NonNull::new_unchecked(raw) }, live: PhantomData }
    }

    /// The values of the directive, in order.
    pub fn value(&self, index: usize) -> Option<Text> {
        // SAFETY: the invariant; nginx gives a directive as an array of strings that
        // starts with its name.
        let words = unsafe { (*(*self.raw.as_ptr()).args).as_slice::<ngx_str_t>() };
        // SAFETY: nginx has them in the configuration's pool.
        words.get(index.checked_add(1)?).map(|&word| unsafe { Text::from_raw(word) })
    }

    /// The values from this index on, put together.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn joined(&mut self, first: usize) -> Result<Text, NoMemory> {
        // SAFETY: as in value().
        let words = unsafe { (*(*self.raw.as_ptr()).args).as_slice::<ngx_str_t>() };
        let words = words.get(first.saturating_add(1)..).unwrap_or_default();
        self.text(&|put| words.iter().for_each(|word| put(word.as_bytes())))
    }

    /// Refuses a value: logs it in quotes between two texts, up to its first control
    /// character, which could make the message look like two.
    pub fn refuse(&mut self, before: &CStr, value: &[u8], after: &CStr) -> Refused {
        self.log(NGX_LOG_EMERG, before, value, after);
        Refused::Logged
    }

    /// Refuses a value of the directive that is being read: says what it is, and what is
    /// to be used in its place.
    pub fn refuse_value(&mut self, what: &CStr, value: &[u8], remedy: &CStr) -> Refused {
        let value = printable(value);
        // SAFETY: the invariant; a directive is an array of strings that starts with its
        // name. "%s" takes a string, "%*s" a length and a pointer to as many bytes, "%V"
        // nginx's own string.
        unsafe {
            ngx_conf_log_error(
                NGX_LOG_EMERG as usize,
                self.raw.as_ptr(),
                0,
                c"%s \"%*s\" in the \"%V\" directive, use %s".as_ptr(),
                what.as_ptr(),
                value.len(),
                value.as_ptr(),
                (*(*self.raw.as_ptr()).args).elts.cast::<ngx_str_t>(),
                remedy.as_ptr(),
            );
        }
        Refused::Logged
    }

    /// Warns of a value: logs it in quotes between two texts.
    pub fn warn(&mut self, before: &CStr, value: &[u8], after: &CStr) {
        self.log(NGX_LOG_WARN, before, value, after);
    }

    fn log(&mut self, level: u32, before: &CStr, value: &[u8], after: &CStr) {
        let value = printable(value);
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

    /// Makes a text. `write` is called twice and puts the same pieces each time;
    /// what it puts beyond the first time's length is left out.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn text(&mut self, write: &Write<'_>) -> Result<Text, NoMemory> {
        let mut length = 0_usize;
        write(&mut |piece| length = length.saturating_add(piece.len()));

        // SAFETY: the invariant.
        let data = unsafe { ngx_pnalloc(self.pool(), length) };
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

        // SAFETY: the memory is of the configuration's pool, and nobody else's.
        Ok(unsafe { Text::from_raw(ngx_str_t { data: data.as_ptr(), len: length }) })
    }

    /// Makes an empty list.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn texts(&mut self) -> Result<Texts, NoMemory> {
        // SAFETY: the invariant.
        let array = unsafe { ngx_array_create(self.pool(), 4, size_of::<ngx_str_t>()) };
        // SAFETY: the array is of the configuration's pool, and new.
        NonNull::new(array).map(|array| unsafe { Texts::from_raw(array) }).ok_or(NoMemory)
    }

    /// What the present server has from other modules, if this is a merge: they
    /// stand before this one, and are merged before it.
    pub fn server(&mut self) -> Server {
        // SAFETY: the invariant; in a callback of a mail module `ctx` is the
        // server's or that of the mail{} level, and holds the configuration of
        // each mail module; their `ctx_index` is set.
        unsafe {
            let core = self.srv_conf::<ngx_mail_core_srv_conf_t>(ngx_mail_core_module.ctx_index);
            let ssl = self.srv_conf::<ngx_mail_ssl_conf_t>(ngx_mail_ssl_module.ctx_index);
            Server {
                max_errors: (*core).max_errors,
                #[cfg(ngx_mail_max_commands)]
                max_commands: Some((*core).max_commands),
                #[cfg(not(ngx_mail_max_commands))]
                max_commands: None,
                starttls: match u32::try_from((*ssl).starttls) {
                    Ok(NGX_MAIL_STARTTLS_ON) => StartTls::On,
                    Ok(NGX_MAIL_STARTTLS_ONLY) => StartTls::Only,
                    _ => StartTls::Off,
                },
                // 3 is "optional_no_ca".
                verifies_client: matches!((*ssl).verify, 1 | 2),
                name: Text::from_raw((*core).server_name),
                timeout: (*core).timeout,
            }
        }
    }

    /// # Safety
    ///
    /// `ctx_index` is that of a mail module whose server configuration is a `T`.
    pub(crate) const unsafe fn srv_conf<T>(&self, ctx_index: usize) -> *mut T {
        // SAFETY: the invariant and the caller's promise.
        unsafe {
            let ctx = (*self.raw.as_ptr()).ctx.cast::<ngx_mail_conf_ctx_t>();
            (*(*ctx).srv_conf.add(ctx_index)).cast()
        }
    }

    /// nginx's pointer.
    pub(crate) const fn as_ptr(&self) -> *mut ngx_conf_t {
        self.raw.as_ptr()
    }

    /// The configuration's pool.
    pub(crate) const fn pool(&self) -> *mut ngx_pool_t {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).pool }
    }

    /// Memory of the configuration's pool; null if there is none.
    pub(crate) fn allocate(&self, size: usize) -> *mut c_void {
        // SAFETY: the invariant.
        unsafe { nginx_sys::ngx_palloc(self.pool(), size) }
    }
}

/// A value up to its first control character.
pub(crate) fn printable(value: &[u8]) -> &[u8] {
    value.split(u8::is_ascii_control).next().unwrap_or_default()
}

/// Parses a size with an optional k or m, as nginx's directives have it
/// (ngx_parse_size()).
pub fn parse_size(value: Text) -> Option<usize> {
    let mut value = value.as_raw();
    // SAFETY: ngx_parse_size() only reads the string.
    usize::try_from(unsafe { ngx_parse_size(&raw mut value) }).ok()
}

/// Parses a number (ngx_atoi()).
pub fn parse_number(value: Text) -> Option<usize> {
    let value = value.as_raw();
    // SAFETY: as in parse_size().
    usize::try_from(unsafe { ngx_atoi(value.data, value.len) }).ok()
}

/// Parses a time in milliseconds, as nginx's directives have it (ngx_parse_time()).
pub fn parse_time(value: Text) -> Option<usize> {
    let mut value = value.as_raw();
    // SAFETY: as in parse_size().
    usize::try_from(unsafe { ngx_parse_time(&raw mut value, 0) }).ok()
}

/// NGX_CONF_OK.
const CONF_OK: *mut c_char = ptr::null_mut();

/// NGX_CONF_ERROR: the reason has been logged.
const CONF_ERROR: *mut c_char = ptr::without_provenance_mut(NGX_ERROR as isize as usize);

/// What nginx's callbacks return.
pub(crate) fn result(result: Result<(), Refused>) -> *mut c_char {
    match result {
        Ok(()) => CONF_OK,
        Err(Refused::Logged) => CONF_ERROR,
        Err(Refused::Because(reason)) => reason.as_ptr().cast_mut(),
    }
}

/// What such a callback has returned.
///
/// # Safety
///
/// It is one of the above, or a text that stays.
pub(crate) unsafe fn outcome(returned: *mut c_char) -> Result<(), Refused> {
    if returned == CONF_OK {
        Ok(())
    } else if returned == CONF_ERROR {
        Err(Refused::Logged)
    } else {
        // SAFETY: the caller's promise.
        Err(Refused::Because(unsafe { CStr::from_ptr(returned) }))
    }
}
