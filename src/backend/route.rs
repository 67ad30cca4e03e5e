//! Where a login goes, and with what.

use ngx_mail::address::Addresses;
use ngx_mail::attempt::Attempt;
use ngx_mail::certificate::ServerName;
use ngx_mail::tls::Tls;
use pop3::backend::{Options, Proof};
use pop3::{Method, OAuth, Secret};

use super::dialogue::Credentials;
use crate::conf::backend::{Backend, Source, Ssl};

/// Where a login goes.
#[derive(Clone, Copy)]
pub struct Route<'c> {
    /// The backend's addresses, if the session was not told of one.
    pub addresses: Option<&'c Addresses>,
    /// What it is called, if that is not what the session was told.
    pub host: Option<ServerName<'c>>,
    /// Whether TLS begins with STLS, and the TLS.
    pub tls: Option<&'c (Ssl, Tls)>,
}

impl<'c> Route<'c> {
    /// That of the configuration, to this place if it has several.
    pub fn of(backend: &'c Backend, place: Option<usize>) -> Self {
        let known = match &backend.source {
            Source::Pass(pass) => Some((&pass.addresses, &pass.host)),
            Source::Auth(_) => None,
            Source::File(file) => match place {
                Some(place) => {
                    file.places().get(place).map(|place| (&place.addresses, &place.host))
                }
                None => file.fallback.as_ref().map(|pass| (&pass.addresses, &pass.host)),
            },
        };
        let (addresses, host) = known.unzip();
        let host = host.map(ServerName::from);
        Self { addresses, host, tls: backend.tls.as_ref() }
    }
}

/// What the attempt presents, which came by this method.
pub fn credentials(attempt: Option<&Attempt>, method: Method) -> Credentials<'_> {
    let (login, secret) = match attempt {
        Some(attempt) => (attempt.login(), attempt.secret()),
        None => (&[][..], &[][..]),
    };
    Credentials { method, login, secret: Secret::new(secret) }
}

/// What is to be done at a backend: with the client's token, unless a password takes its
/// place.
pub fn options(backend: &Backend, credentials: &Credentials<'_>, password: bool) -> Options {
    let proof = match OAuth::of(credentials.method) {
        Some(mechanism) if !password => {
            Proof::token(mechanism, credentials.login, credentials.secret)
        }
        _ if backend.pipelining => Proof::PipelinedPassword,
        _ => Proof::Password,
    };
    Options {
        starttls: matches!(backend.tls, Some((Ssl::StartTls, _))),
        xclient: backend.xclient,
        proof,
    }
}
