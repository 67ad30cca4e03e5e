//! What the configuration says of backends.

use ngx_mail::address::{Found, Host};
use ngx_mail::conf::{Conf, Refused};
use ngx_mail::text::Text;
use ngx_mail::tls::{Options, Tls, Unusable, Versions};
use pop3::Methods;

use super::auth::{self, Auth};
use super::pass::Pass;
use super::users::{Files, UserFile};

/// The depth of a chain of certificates: those of public CAs have two intermediate
/// ones at most, and may have one more for a root that is not known everywhere.
const VERIFY_DEPTH: usize = 4;

/// The port of POP3 (RFC 1939, section 3), and that in TLS (RFC 8314, section 3.3).
const PORT: u16 = 110;
const TLS_PORT: u16 = 995;

/// What stands in one level of the configuration.
#[derive(Default)]
pub struct Settings {
    /// `pop3_proxy_pass`, and what was found there.
    pub pass: Option<(Text, Found)>,
    /// What is said of auth servers.
    pub auth: auth::Settings,
    /// `pop3_auth_user_file`: its whole path.
    pub user_file: Option<Text>,
    /// The files that servers of this configuration have read.
    files: Files,
    /// `pop3_proxy_ssl`.
    pub ssl: Option<Ssl>,
    /// `pop3_proxy_ssl_verify`.
    pub verify: Option<bool>,
    /// `pop3_proxy_ssl_verify_depth`.
    pub depth: Option<usize>,
    /// `pop3_proxy_ssl_trusted_certificate`.
    pub trusted_certificate: Option<Text>,
    /// `pop3_proxy_ssl_crl`.
    pub crl: Option<Text>,
    /// `pop3_proxy_ssl_name`.
    pub name: Option<Text>,
    /// `pop3_proxy_ssl_server_name`.
    pub server_name: Option<bool>,
    /// `pop3_proxy_ssl_protocols`.
    pub versions: Option<Versions>,
    /// `pop3_proxy_ssl_ciphers`.
    pub ciphers: Option<Text>,
    /// `pop3_proxy_ssl_certificate`.
    pub certificate: Option<Text>,
    /// `pop3_proxy_ssl_certificate_key`.
    pub certificate_key: Option<Text>,
    /// `pop3_proxy_ssl_password_file`.
    pub password_file: Option<Text>,
    /// `pop3_proxy_ssl_session_reuse`.
    pub session_reuse: Option<bool>,
    /// `pop3_proxy_xclient`.
    pub xclient: Option<bool>,
    /// `pop3_proxy_pipelining`.
    pub pipelining: Option<bool>,
}

/// TLS to backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ssl {
    /// There is none.
    Off,
    /// From the connection on.
    On,
    /// After STLS.
    StartTls,
}

/// The backends of a server.
pub struct Backend {
    /// Who says where they are.
    pub source: Source,
    /// Whether TLS begins with STLS, and the TLS.
    pub tls: Option<(Ssl, Tls)>,
    /// Whether they are told of the client.
    pub xclient: bool,
    /// Whether they take PASS ahead of the reply to USER.
    pub pipelining: bool,
}

/// Who says where a login goes.
pub enum Source {
    /// The configuration.
    Pass(Pass),
    /// An auth server.
    Auth(Auth),
    /// A file of users.
    File(UserFile),
}

impl Settings {
    /// The server's backends, if it has any.
    ///
    /// # Errors
    ///
    /// Why the configuration is refused.
    pub fn merge(
        &self,
        parent: &Self,
        cf: &mut Conf<'_>,
        methods: &Methods,
    ) -> Result<Option<Backend>, Refused> {
        let merged = self.with(parent);
        let pass = self.pass(parent, cf)?;
        let file = self.file(parent, cf)?;
        if (pass.is_some() || file.is_some())
            && self.auth.url.is_none()
            && parent.auth.url.is_none()
        {
            cf.give_auth_http(c"unix:pop3_proxy_pass")?;
        }
        let fallback = pass.map(|pass| merged.backend(cf, pass)).transpose()?;
        let source = match (file, fallback) {
            (Some(path), fallback) => {
                check_external(cf, methods)?;
                let file = UserFile::new(cf, &parent.files, path, merged.port(), fallback)?;
                if merged.is_unnamed() {
                    file.check_names(cf)?;
                }
                Source::File(file)
            }
            (None, Some(pass)) => {
                check_methods(cf, methods)?;
                Source::Pass(pass)
            }
            (None, None) => match self.auth.merge(&parent.auth, cf)? {
                Some(auth) => Source::Auth(auth),
                None => return Ok(None),
            },
        };
        let tls = match merged.ssl {
            None | Some(Ssl::Off) => None,
            Some(ssl) => Some((ssl, merged.tls(cf)?)),
        };

        let xclient = merged.xclient.unwrap_or(false);
        let pipelining = merged.pipelining.unwrap_or(false);

        Ok(Some(Backend { source, tls, xclient, pipelining }))
    }

    /// The backend's address, unless the auth server is to say where that is. What
    /// stands in the server takes the place of what stands in mail{}.
    fn pass(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<(Text, Found)>, Refused> {
        match (self.pass, self.auth.url.is_some()) {
            (Some((pass, _)), true) => Err(cf.refuse(
                c"\"pop3_proxy_pass\"",
                pass.as_bytes(),
                c"and \"auth_http\" are in one server, and each says where a login goes: remove \
                  one of them",
            )),
            (Some(pass), false) => Ok(Some(pass)),
            (None, true) => Ok(None),
            (None, false) => Ok(parent.pass),
        }
    }

    /// The file of users, likewise.
    fn file(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<Text>, Refused> {
        match (self.user_file, self.auth.url.is_some()) {
            (Some(path), true) => Err(cf.refuse(
                c"\"pop3_auth_user_file\"",
                path.as_bytes(),
                c"and \"auth_http\" are in one server, and each says who may log in: remove one \
                  of them",
            )),
            (Some(path), false) => Ok(Some(path)),
            (None, true) => Ok(None),
            (None, false) => Ok(parent.user_file),
        }
    }

    /// Whether the backend's own name has to be in a certificate.
    fn is_unnamed(&self) -> bool {
        let tls = !matches!(self.ssl, None | Some(Ssl::Off));
        tls && self.verify != Some(false) && self.name.is_none()
    }

    const fn port(&self) -> u16 {
        if matches!(self.ssl, Some(Ssl::On)) { TLS_PORT } else { PORT }
    }

    /// The backend of `pop3_proxy_pass`.
    fn backend(&self, cf: &mut Conf<'_>, (text, found): (Text, Found)) -> Result<Pass, Refused> {
        self.check_name(cf, text, found.host())?;
        Ok(Pass { addresses: cf.addresses(&found, self.port())?, host: found.host(), text })
    }

    /// This level, and what is not set in it from the outer one.
    fn with(&self, parent: &Self) -> Self {
        Self {
            pass: self.pass.or(parent.pass),
            auth: auth::Settings::default(),
            user_file: None,
            files: Files::default(),
            ssl: self.ssl.or(parent.ssl),
            verify: self.verify.or(parent.verify),
            depth: self.depth.or(parent.depth),
            trusted_certificate: self.trusted_certificate.or(parent.trusted_certificate),
            crl: self.crl.or(parent.crl),
            name: self.name.or(parent.name),
            server_name: self.server_name.or(parent.server_name),
            versions: self.versions.or(parent.versions),
            ciphers: self.ciphers.or(parent.ciphers),
            certificate: self.certificate.or(parent.certificate),
            certificate_key: self.certificate_key.or(parent.certificate_key),
            password_file: self.password_file.or(parent.password_file),
            session_reuse: self.session_reuse.or(parent.session_reuse),
            xclient: self.xclient.or(parent.xclient),
            pipelining: self.pipelining.or(parent.pipelining),
        }
    }

    /// Refuses a backend without a name that its certificate could have.
    fn check_name(&self, cf: &mut Conf<'_>, pass: Text, host: Host) -> Result<(), Refused> {
        if self.is_unnamed() && matches!(host, Host::Unix) {
            return Err(cf.refuse(
                c"\"pop3_proxy_ssl\" cannot tell whose certificate is to be expected from",
                pass.as_bytes(),
                c"in the \"pop3_proxy_pass\" directive: name it with \"pop3_proxy_ssl_name\"",
            ));
        }
        Ok(())
    }

    fn tls(&self, cf: &mut Conf<'_>) -> Result<Tls, Refused> {
        let options = Options {
            versions: self.versions.unwrap_or(Versions::DEFAULT),
            ciphers: self.ciphers.unwrap_or(Text::fixed(b"DEFAULT")),
            certificate: self.key_pair(cf)?,
            password_file: self.password_file,
            verify: self.verify != Some(false),
            name: self.name.map(Host::of),
            trusted_certificate: self.trusted_certificate,
            crl: self.crl,
            depth: self.depth.unwrap_or(VERIFY_DEPTH),
            server_name: self.server_name != Some(false),
            session_reuse: self.session_reuse != Some(false),
        };

        cf.tls(&options).map_err(|unusable| self.refuse_tls(cf, unusable))
    }

    /// The client's certificate and its key.
    fn key_pair(&self, cf: &mut Conf<'_>) -> Result<Option<(Text, Text)>, Refused> {
        match (self.certificate, self.certificate_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (Some(certificate), None) => Err(cf.refuse(
                c"no \"pop3_proxy_ssl_certificate_key\" is defined for certificate",
                certificate.as_bytes(),
                c"in the \"pop3_proxy_ssl_certificate\" directive",
            )),
            (None, _) => Ok(None),
        }
    }

    /// The reason has been logged by nginx, without the directive's name.
    fn refuse_tls(&self, cf: &mut Conf<'_>, unusable: Unusable) -> Refused {
        let (value, reason) = match unusable {
            Unusable::Certificate => (
                self.certificate,
                c"in the \"pop3_proxy_ssl_certificate\" directive: check that the file can be \
                  read, and that \"pop3_proxy_ssl_certificate_key\" is its key",
            ),
            Unusable::PasswordFile => (
                self.password_file,
                c"in the \"pop3_proxy_ssl_password_file\" directive: check that the file can be \
                  read",
            ),
            Unusable::TrustedCertificate => (
                self.trusted_certificate,
                c"in the \"pop3_proxy_ssl_trusted_certificate\" directive: check that the file \
                  can be read, and holds certificates in the PEM format",
            ),
            Unusable::Crl => (
                self.crl,
                c"in the \"pop3_proxy_ssl_crl\" directive: check that the file can be read, and \
                  holds revocation lists in the PEM format",
            ),
            Unusable::Ciphers => (
                self.ciphers,
                c"in the \"pop3_proxy_ssl_ciphers\" directive: \"openssl ciphers\" lists what \
                  there is",
            ),
            Unusable::Other => return Refused::Logged,
        };
        cf.refuse(c"unusable value", value.unwrap_or(Text::EMPTY).as_bytes(), reason)
    }
}

/// Refuses a method that needs a certificate where nobody asks for one.
fn check_external(cf: &mut Conf<'_>, methods: &Methods) -> Result<(), Refused> {
    if methods.external && !cf.server().verifies_client {
        return Err(cf.refuse(
            c"method",
            b"external",
            c"in the \"pop3_auth\" directive logs in by \"pop3_auth_user_file\" whom a verified \
              certificate names: set \"ssl_verify_client\" to \"on\" or \"optional\"",
        ));
    }
    Ok(())
}

/// Refuses methods that need somebody who knows the passwords, or whom a certificate
/// names.
fn check_methods(cf: &mut Conf<'_>, methods: &Methods) -> Result<(), Refused> {
    let unfit: [(_, &[u8]); 3] =
        [(methods.apop, b"apop"), (methods.cram_md5, b"cram-md5"), (methods.external, b"external")];
    match unfit.into_iter().find(|&(on, _)| on) {
        Some((_, method)) => Err(cf.refuse(
            c"method",
            method,
            c"in the \"pop3_auth\" directive needs somebody who can check it, and a backend of \
              \"pop3_proxy_pass\" is given passwords and tokens only: remove the method, or use \
              \"auth_http\" or \"pop3_auth_user_file\"",
        )),
        None => Ok(()),
    }
}
