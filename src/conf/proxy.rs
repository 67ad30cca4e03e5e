//! The directives about backends.

use core::ffi::CStr;

use ngx_mail::address::Found;
use ngx_mail::conf::{Conf, Directive, Refused, Values, parse_number};
use ngx_mail::text::Text;
use ngx_mail::tls::Versions;

use super::ServerConf;
use super::backend::Ssl;
use super::once::{DUPLICATE, set};

/// The greatest `pop3_proxy_ssl_verify_depth`: OpenSSL's own default.
const MAX_DEPTH: usize = 100;

/// A directive with one value, which is read by a function.
macro_rules! directive {
    ($(#[$doc:meta])* $directive:ident, $name:literal, $field:ident, $read:expr) => {
        $(#[$doc])*
        pub struct $directive;

        impl Directive for $directive {
            type Conf = ServerConf;

            const NAME: &CStr = $name;
            const VALUES: Values = Values::One;

            fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
                set(cf, &mut conf.settings.$field, $read)
            }
        }
    };
}

directive! {
    /// `pop3_proxy_pass address;`
    ProxyPass, c"pop3_proxy_pass", pass, read_address
}
directive! {
    /// `pop3_proxy_xclient on | off;`
    ProxyXclient, c"pop3_proxy_xclient", xclient, read_flag
}
directive! {
    /// `pop3_proxy_pipelining on | off;`
    ProxyPipelining, c"pop3_proxy_pipelining", pipelining, read_flag
}
directive! {
    /// `pop3_proxy_ssl on | starttls | off;`
    ProxySsl, c"pop3_proxy_ssl", ssl, read_ssl
}
directive! {
    /// `pop3_proxy_ssl_verify on | off;`
    ProxySslVerify, c"pop3_proxy_ssl_verify", verify, read_flag
}
directive! {
    /// `pop3_proxy_ssl_verify_depth number;`
    ProxySslVerifyDepth, c"pop3_proxy_ssl_verify_depth", depth, read_depth
}
directive! {
    /// `pop3_proxy_ssl_trusted_certificate file;`
    ProxySslTrustedCertificate, c"pop3_proxy_ssl_trusted_certificate", trusted_certificate, read_text
}
directive! {
    /// `pop3_proxy_ssl_crl file;`
    ProxySslCrl, c"pop3_proxy_ssl_crl", crl, read_text
}
directive! {
    /// `pop3_proxy_ssl_name name;`
    ProxySslName, c"pop3_proxy_ssl_name", name, read_text
}
directive! {
    /// `pop3_proxy_ssl_server_name on | off;`
    ProxySslServerName, c"pop3_proxy_ssl_server_name", server_name, read_flag
}
directive! {
    /// `pop3_proxy_ssl_ciphers ciphers;`
    ProxySslCiphers, c"pop3_proxy_ssl_ciphers", ciphers, read_text
}
directive! {
    /// `pop3_proxy_ssl_certificate file;`
    ProxySslCertificate, c"pop3_proxy_ssl_certificate", certificate, read_text
}
directive! {
    /// `pop3_proxy_ssl_certificate_key file;`
    ProxySslCertificateKey, c"pop3_proxy_ssl_certificate_key", certificate_key, read_text
}
directive! {
    /// `pop3_proxy_ssl_password_file file;`
    ProxySslPasswordFile, c"pop3_proxy_ssl_password_file", password_file, read_text
}
directive! {
    /// `pop3_proxy_ssl_session_reuse on | off;`
    ProxySslSessionReuse, c"pop3_proxy_ssl_session_reuse", session_reuse, read_flag
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
                cf.refuse_value(
                    c"invalid protocol",
                    value.as_bytes(),
                    c"\"TLSv1.2\" or \"TLSv1.3\" (or \"TLSv1\", \"TLSv1.1\", where OpenSSL allows \
                      them)",
                )
            })?;
        }
        conf.settings.versions = Some(versions);

        Ok(())
    }
}

/// `pop3_auth_user_file path;`
pub struct AuthUserFile;

impl Directive for AuthUserFile {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_auth_user_file";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        set(cf, &mut conf.settings.user_file, |cf, value| {
            let path = read_text(cf, value)?;
            Ok(cf.full_path(path)?)
        })
    }
}

fn read_address(cf: &mut Conf<'_>, value: Text) -> Result<(Text, Found), Refused> {
    let usage = c"in the \"pop3_proxy_pass\" directive, use \"host[:port]\", \"[v6]:port\" or \
                  \"unix:path\"";
    cf.look_up(value, usage).map(|found| (value, found))
}

fn read_text(cf: &mut Conf<'_>, value: Text) -> Result<Text, Refused> {
    if value.as_bytes().is_empty() {
        return Err(cf.refuse_value(c"empty value", b"", c"some text"));
    }
    Ok(value)
}

fn read_flag(cf: &mut Conf<'_>, value: Text) -> Result<bool, Refused> {
    match value.as_bytes() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        other => Err(cf.refuse_value(c"invalid value", other, c"\"on\" or \"off\"")),
    }
}

fn read_ssl(cf: &mut Conf<'_>, value: Text) -> Result<Ssl, Refused> {
    match value.as_bytes() {
        b"on" => Ok(Ssl::On),
        b"starttls" => Ok(Ssl::StartTls),
        b"off" => Ok(Ssl::Off),
        other => Err(cf.refuse_value(c"invalid value", other, c"\"on\", \"starttls\" or \"off\"")),
    }
}

fn read_depth(cf: &mut Conf<'_>, value: Text) -> Result<usize, Refused> {
    let depth = parse_number(value).filter(|&depth| depth <= MAX_DEPTH);
    depth.ok_or_else(|| {
        cf.refuse_value(c"invalid number", value.as_bytes(), c"a number from 0 to 100")
    })
}
