//! TLS to servers: the client's side.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, NGX_SSL_TLSv1, NGX_SSL_TLSv1_1, NGX_SSL_TLSv1_2, NGX_SSL_TLSv1_3, SSL,
    SSL_CTRL_SET_TLSEXT_HOSTNAME, SSL_CTX_set_default_verify_paths, SSL_CTX_set_verify,
    SSL_CTX_set_verify_depth, SSL_VERIFY_PEER, SSL_ctrl, TLSEXT_NAMETYPE_host_name, ngx_array_t,
    ngx_pool_cleanup_add, ngx_ssl_certificate, ngx_ssl_ciphers, ngx_ssl_cleanup_ctx,
    ngx_ssl_client_session_cache, ngx_ssl_create, ngx_ssl_crl, ngx_ssl_read_password_file,
    ngx_ssl_t, ngx_ssl_trusted_certificate,
};

use crate::address::Host;
use crate::certificate::{self, ServerName};
use crate::conf::Conf;
use crate::error::NoMemory;
use crate::text::Text;
use crate::tls_sessions::TlsSessions;

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(u32);

impl Versions {
    /// None.
    pub const NONE: Self = Self(0);
    /// What is safe.
    pub const DEFAULT: Self = Self(NGX_SSL_TLSv1_2 | NGX_SSL_TLSv1_3);

    /// Those and the one of that name, as nginx's directives have it.
    pub const fn with(self, name: &[u8]) -> Option<Self> {
        let version = match name {
            b"TLSv1" => NGX_SSL_TLSv1,
            b"TLSv1.1" => NGX_SSL_TLSv1_1,
            b"TLSv1.2" => NGX_SSL_TLSv1_2,
            b"TLSv1.3" => NGX_SSL_TLSv1_3,
            _ => return None,
        };
        Some(Self(self.0 | version))
    }
}

/// What a client does in TLS. Files have the path that stands in a directive.
pub struct Options {
    /// The versions that it takes.
    pub versions: Versions,
    /// Cipher suites, as OpenSSL lists them.
    pub ciphers: Text,
    /// Its own certificate, and its key.
    pub certificate: Option<(Text, Text)>,
    /// The file of the key's passwords.
    pub password_file: Option<Text>,
    /// Whether the server has to be who it should be.
    pub verify: bool,
    /// Who that is, whatever it is called.
    pub name: Option<Host>,
    /// Certificates of CAs, in place of OpenSSL's default store.
    pub trusted_certificate: Option<Text>,
    /// Revoked certificates.
    pub crl: Option<Text>,
    /// How many intermediate certificates may be in the chain.
    pub depth: usize,
    /// Whether it is asked for by its name (SNI).
    pub server_name: bool,
    /// Whether sessions are used again.
    pub session_reuse: bool,
}

/// Which option it is that cannot be used, for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// The certificate, or its key.
    Certificate,
    /// The file of passwords.
    PasswordFile,
    /// The certificates of CAs.
    TrustedCertificate,
    /// The revoked certificates.
    Crl,
    /// The cipher suites.
    Ciphers,
    /// None of them: there is no memory, say.
    Other,
}

impl From<NoMemory> for Unusable {
    fn from(_: NoMemory) -> Self {
        Self::Other
    }
}

/// A client of TLS.
pub struct Tls {
    /// Live as long as the configuration.
    raw: NonNull<ngx_ssl_t>,
    verify: bool,
    name: Option<Host>,
    server_name: bool,
    sessions: Option<TlsSessions>,
}

impl Conf<'_> {
    /// Makes a client of TLS.
    ///
    /// # Errors
    ///
    /// An option cannot be used; OpenSSL's reason has been logged.
    pub fn tls(&mut self, options: &Options) -> Result<Tls, Unusable> {
        let raw = self.new_tls(options.versions)?;
        self.set_ciphers(raw, options.ciphers)?;
        self.set_certificate(raw, options)?;
        if options.verify {
            self.set_trusted(raw, options)?;
        }
        // SAFETY: the configuration and the TLS context are live.
        let rc = unsafe {
            let reuse = options.session_reuse.into();
            ngx_ssl_client_session_cache(self.as_ptr(), raw.as_ptr(), reuse)
        };
        ok(rc, Unusable::Other)?;

        let sessions = options.session_reuse.then(|| TlsSessions::new(self)).transpose()?;

        Ok(Tls {
            raw,
            verify: options.verify,
            name: options.name,
            server_name: options.server_name,
            sessions,
        })
    }

    fn new_tls(&mut self, Versions(versions): Versions) -> Result<NonNull<ngx_ssl_t>, Unusable> {
        let raw = self.allocate(size_of::<ngx_ssl_t>()).cast::<ngx_ssl_t>();
        let raw = NonNull::new(raw).ok_or(NoMemory)?;
        // SAFETY: the memory is new and has room; all zeros are valid, and nginx
        // begins with that. The configuration's pool is live, and so are both logs.
        unsafe {
            raw.write_bytes(0, 1);
            (*raw.as_ptr()).log = (*self.as_ptr()).log;
            let rc = ngx_ssl_create(raw.as_ptr(), versions as usize, ptr::null_mut());
            ok(rc, Unusable::Other)?;
            let cleanup = ngx_pool_cleanup_add(self.pool(), 0);
            let Some(cleanup) = NonNull::new(cleanup) else {
                ngx_ssl_cleanup_ctx(raw.as_ptr().cast());
                return Err(Unusable::Other);
            };
            (*cleanup.as_ptr()).handler = Some(ngx_ssl_cleanup_ctx);
            (*cleanup.as_ptr()).data = raw.as_ptr().cast();
        }

        Ok(raw)
    }

    fn set_ciphers(&mut self, raw: NonNull<ngx_ssl_t>, ciphers: Text) -> Result<(), Unusable> {
        let mut ciphers = self.terminated(ciphers)?.as_raw();
        // SAFETY: as in tls(); nginx reads the text up to its NUL.
        let rc = unsafe { ngx_ssl_ciphers(self.as_ptr(), raw.as_ptr(), &raw mut ciphers, 0) };
        ok(rc, Unusable::Ciphers)
    }

    fn set_certificate(
        &mut self,
        raw: NonNull<ngx_ssl_t>,
        options: &Options,
    ) -> Result<(), Unusable> {
        let Some((certificate, key)) = options.certificate else { return Ok(()) };
        let mut certificate = self.terminated(certificate)?.as_raw();
        let mut key = self.terminated(key)?.as_raw();
        let passwords = match options.password_file {
            Some(file) => self.read_passwords(file)?,
            None => ptr::null_mut(),
        };
        // SAFETY: as in tls(); nginx makes full paths of both texts, in new memory.
        let rc = unsafe {
            ngx_ssl_certificate(
                self.as_ptr(),
                raw.as_ptr(),
                &raw mut certificate,
                &raw mut key,
                passwords,
            )
        };
        ok(rc, Unusable::Certificate)
    }

    fn read_passwords(&mut self, file: Text) -> Result<*mut ngx_array_t, Unusable> {
        let mut file = self.terminated(file)?.as_raw();
        // SAFETY: as in set_certificate(). What is read goes with the pool for the time
        // of the configuration's reading.
        let passwords = unsafe { ngx_ssl_read_password_file(self.as_ptr(), &raw mut file) };
        if passwords.is_null() { Err(Unusable::PasswordFile) } else { Ok(passwords) }
    }

    /// A server is verified when the handshake is over ([`Tls::verify`]), as nginx does
    /// it: in the handshake, OpenSSL would not say what was wrong.
    fn set_trusted(&mut self, raw: NonNull<ngx_ssl_t>, options: &Options) -> Result<(), Unusable> {
        let mut crl = self.terminated(options.crl.unwrap_or(Text::EMPTY))?.as_raw();
        let depth = isize::try_from(options.depth).unwrap_or(isize::MAX);
        // SAFETY: as in set_certificate(); `ctx` was made by ngx_ssl_create().
        unsafe {
            let ctx = (*raw.as_ptr()).ctx.cast();
            if let Some(file) = options.trusted_certificate {
                let mut file = self.terminated(file)?.as_raw();
                let rc =
                    ngx_ssl_trusted_certificate(self.as_ptr(), raw.as_ptr(), &raw mut file, depth);
                ok(rc, Unusable::TrustedCertificate)?;
            } else if SSL_CTX_set_default_verify_paths(ctx) != 1 {
                return Err(Unusable::TrustedCertificate);
            }
            SSL_CTX_set_verify_depth(ctx, c_int::try_from(depth).unwrap_or(c_int::MAX));
            SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER as c_int, Some(certificate::go_on));
            ok(ngx_ssl_crl(self.as_ptr(), raw.as_ptr(), &raw mut crl), Unusable::Crl)
        }
    }

    /// The text with a NUL behind it, which does not count.
    fn terminated(&mut self, text: Text) -> Result<Text, NoMemory> {
        let copy = self.text(&|put| {
            put(text.as_bytes());
            put(b"\0");
        })?;
        Ok(copy.without_last())
    }
}

impl Tls {
    /// Whether certificates are verified.
    pub const fn verifies(&self) -> bool {
        self.verify
    }

    /// nginx's pointer.
    pub(crate) const fn as_ptr(&self) -> *mut ngx_ssl_t {
        self.raw.as_ptr()
    }

    /// Where sessions are kept, if they are used again.
    pub(crate) const fn sessions(&self) -> Option<TlsSessions> {
        self.sessions
    }

    /// Who a server of this name has to be.
    fn expected<'a>(&'a self, host: ServerName<'a>) -> ServerName<'a> {
        self.name.as_ref().map_or(host, ServerName::from)
    }

    /// Readies a connection to a server of this name for the handshake.
    ///
    /// # Safety
    ///
    /// `ssl` is live, of this client.
    pub(crate) unsafe fn prepare(
        &self,
        ssl: *mut SSL,
        host: ServerName<'_>,
    ) -> Result<(), NoMemory> {
        let (ServerName::Name(name), true) = (self.expected(host), self.server_name) else {
            return Ok(());
        };
        let mut name = certificate::terminated(name)?;
        // SAFETY: the caller's promise; OpenSSL copies the text, which ends with a NUL.
        let named = unsafe {
            SSL_ctrl(
                ssl,
                SSL_CTRL_SET_TLSEXT_HOSTNAME as c_int,
                TLSEXT_NAMETYPE_host_name as c_long,
                name.as_mut_ptr().cast::<c_void>(),
            )
        };
        if named == 1 { Ok(()) } else { Err(NoMemory) }
    }

    /// Says what is wrong with the certificate of a server of this name, and whom it
    /// should name.
    ///
    /// # Safety
    ///
    /// `ssl` is live, of this client, and its handshake is over.
    pub(crate) unsafe fn verify<'a>(
        &'a self,
        ssl: *const SSL,
        host: ServerName<'a>,
    ) -> Result<(), Unverified<'a>> {
        if !self.verify {
            return Ok(());
        }
        let server = self.expected(host);
        let (ServerName::Name(expected) | ServerName::Address(expected)) = server else {
            return Err(Unverified { reason: c"unknown server", expected: b"" });
        };
        // SAFETY: the caller's promise.
        let checked = unsafe { certificate::check(ssl, server) };
        checked.map_err(|reason| Unverified { reason, expected })
    }
}

/// Why a server is not who it has to be.
pub(crate) struct Unverified<'a> {
    /// What OpenSSL says.
    pub reason: &'static CStr,
    /// Whom it should name.
    pub expected: &'a [u8],
}

/// An error of that option, if it is one.
const fn ok(rc: isize, option: Unusable) -> Result<(), Unusable> {
    if rc == NGX_OK as isize { Ok(()) } else { Err(option) }
}
