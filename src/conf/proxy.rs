//! The directives about backends.

use core::ffi::CStr;

use ngx_mail::conf::{Conf, Directive, Refused, Values, parse_number};
use ngx_mail::text::Text;
use ngx_mail::tls::Versions;

use super::backend::{Settings, Ssl};
use super::{ServerConf, terminated};

/// The greatest `pop3_proxy_ssl_verify_depth`: OpenSSL's own default.
const MAX_DEPTH: usize = 100;

const DUPLICATE: Refused = Refused::Because(c"is duplicate");

/// A directive with one value, which is read by a function.
macro_rules! directive {
    ($(#[$doc:meta])* $directive:ident, $name:literal, $field:ident, $read:expr) => {
        $(#[$doc])*
        pub struct $directive;

        impl Directive for $directive {
            type Conf = ServerConf;

            const NAME: &CStr = terminated(concat!($name, "\0"));
            const VALUES: Values = Values::One;

            fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
                let Settings { $field, .. } = &mut conf.settings;
                let value = cf.value(0).unwrap_or(Text::EMPTY);
                if $field.is_some() {
                    return Err(DUPLICATE);
                }
                *$field = Some($read(cf, value)?);
                Ok(())
            }
        }
    };
    ($(#[$doc:meta])* $directive:ident, $name:literal, $field:ident: text) => {
        directive!($(#[$doc])* $directive, $name, $field, |cf: &mut Conf<'_>, value: Text| {
            if value.as_bytes().is_empty() {
                return Err(cf.refuse(
                    c"empty value",
                    b"",
                    terminated(concat!("in the \"", $name, "\" directive\0")),
                ));
            }
            Ok(value)
        });
    };
    ($(#[$doc:meta])* $directive:ident, $name:literal, $field:ident: flag) => {
        directive!($(#[$doc])* $directive, $name, $field, |cf: &mut Conf<'_>, value: Text| {
            match value.as_bytes() {
                b"on" => Ok(true),
                b"off" => Ok(false),
                other => Err(cf.refuse(
                    c"invalid value",
                    other,
                    terminated(concat!("in the \"", $name, "\" directive, use \"on\" or \"off\"\0")),
                )),
            }
        });
    };
}

directive! {
    /// `pop3_proxy_pass address;`
    ProxyPass, "pop3_proxy_pass", pass, |cf: &mut Conf<'_>, value: Text| {
        let usage = c"in the \"pop3_proxy_pass\" directive, use \"host[:port]\", \"[v6]:port\" or \
                      \"unix:path\"";
        cf.look_up(value, usage).map(|found| (value, found))
    }
}
directive! {
    /// `pop3_proxy_xclient on | off;`
    ProxyXclient, "pop3_proxy_xclient", xclient: flag
}
directive! {
    /// `pop3_proxy_ssl on | starttls | off;`
    ProxySsl, "pop3_proxy_ssl", ssl, read_ssl
}
directive! {
    /// `pop3_proxy_ssl_verify on | off;`
    ProxySslVerify, "pop3_proxy_ssl_verify", verify: flag
}
directive! {
    /// `pop3_proxy_ssl_verify_depth number;`
    ProxySslVerifyDepth, "pop3_proxy_ssl_verify_depth", depth, read_depth
}
directive! {
    /// `pop3_proxy_ssl_trusted_certificate file;`
    ProxySslTrustedCertificate, "pop3_proxy_ssl_trusted_certificate", trusted_certificate: text
}
directive! {
    /// `pop3_proxy_ssl_crl file;`
    ProxySslCrl, "pop3_proxy_ssl_crl", crl: text
}
directive! {
    /// `pop3_proxy_ssl_name name;`
    ProxySslName, "pop3_proxy_ssl_name", name: text
}
directive! {
    /// `pop3_proxy_ssl_server_name on | off;`
    ProxySslServerName, "pop3_proxy_ssl_server_name", server_name: flag
}
directive! {
    /// `pop3_proxy_ssl_ciphers ciphers;`
    ProxySslCiphers, "pop3_proxy_ssl_ciphers", ciphers: text
}
directive! {
    /// `pop3_proxy_ssl_certificate file;`
    ProxySslCertificate, "pop3_proxy_ssl_certificate", certificate: text
}
directive! {
    /// `pop3_proxy_ssl_certificate_key file;`
    ProxySslCertificateKey, "pop3_proxy_ssl_certificate_key", certificate_key: text
}
directive! {
    /// `pop3_proxy_ssl_password_file file;`
    ProxySslPasswordFile, "pop3_proxy_ssl_password_file", password_file: text
}
directive! {
    /// `pop3_proxy_ssl_session_reuse on | off;`
    ProxySslSessionReuse, "pop3_proxy_ssl_session_reuse", session_reuse: flag
}

/// `pop3_proxy_ssl_protocols version ...;`
pub struct ProxySslProtocols;

impl Directive for ProxySslProtocols {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_proxy_ssl_protocols";
    const VALUES: Values = Values::OneOrMore;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.settings.versions.is_some() {
            return Err(DUPLICATE);
        }
        let mut versions = Versions::NONE;
        let mut index = 0_usize;
        while let Some(value) = cf.value(index) {
            index = index.saturating_add(1);
            versions = versions.with(value.as_bytes()).ok_or_else(|| {
                cf.refuse(
                    c"invalid protocol",
                    value.as_bytes(),
                    c"in the \"pop3_proxy_ssl_protocols\" directive, use \"TLSv1.2\" or \
                      \"TLSv1.3\" (or \"TLSv1\", \"TLSv1.1\", where OpenSSL allows them)",
                )
            })?;
        }
        conf.settings.versions = Some(versions);

        Ok(())
    }
}

/// `auth_http URL;` of ngx_mail_auth_http_module, which reads it.
pub struct AuthHttp;

impl Directive for AuthHttp {
    type Conf = ServerConf;

    const NAME: &CStr = c"auth_http";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        conf.settings.auth_http = true;
        cf.hand_to_auth_http()
    }
}

fn read_ssl(cf: &mut Conf<'_>, value: Text) -> Result<Ssl, Refused> {
    match value.as_bytes() {
        b"on" => Ok(Ssl::On),
        b"starttls" => Ok(Ssl::StartTls),
        b"off" => Ok(Ssl::Off),
        other => Err(cf.refuse(
            c"invalid value",
            other,
            c"in the \"pop3_proxy_ssl\" directive, use \"on\", \"starttls\" or \"off\"",
        )),
    }
}

fn read_depth(cf: &mut Conf<'_>, value: Text) -> Result<usize, Refused> {
    parse_number(value).filter(|&depth| depth <= MAX_DEPTH).ok_or_else(|| {
        cf.refuse(
            c"invalid number",
            value.as_bytes(),
            c"in the \"pop3_proxy_ssl_verify_depth\" directive, use a number from 0 to 100",
        )
    })
}
