//! Where a login goes, and with what.

use ngx_mail::address::Addresses;
use ngx_mail::attempt::Attempt;
use ngx_mail::certificate::ServerName;
use ngx_mail::tls::Tls;
use pop3::Secret;
use pop3::backend::Options;

use super::dialogue::Credentials;
use crate::conf::ServerConf;
use crate::conf::backend::Ssl;

/// Where a login goes, and with what. The first part is the configuration's, the rest
/// the session's.
pub struct Route<'c, 's> {
    /// The backend.
    pub addresses: &'c Addresses,
    /// What it is called.
    pub host: ServerName<'c>,
    /// Whether TLS begins with STLS, and the TLS.
    pub tls: Option<&'c (Ssl, Tls)>,
    /// What is to be done before the login.
    pub options: Options,
    /// Who logs in.
    pub credentials: Credentials<'s>,
}

impl<'c, 's> Route<'c, 's> {
    /// That of the configuration, with what the client has presented.
    pub fn of(conf: &'c ServerConf, attempt: Option<&'s Attempt>) -> Option<Self> {
        let backend = conf.backend.as_ref()?;
        let tls = backend.tls.as_ref();
        let options = Options {
            starttls: tls.is_some_and(|(ssl, _)| *ssl == Ssl::StartTls),
            xclient: backend.xclient,
        };
        let (login, secret) = match attempt {
            Some(attempt) => (attempt.login(), attempt.secret()),
            None => (&[][..], &[][..]),
        };
        let credentials = Credentials { login, secret: Secret::new(secret) };

        Some(Self {
            addresses: &backend.addresses,
            host: (&backend.host).into(),
            tls,
            options,
            credentials,
        })
    }
}
