//! What is logged of a login that is refused, and what its client is told.

use core::ffi::CStr;

use ngx_mail::client::Client;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;
use ngx_mail::log;
use pop3::{Method, OAuth, ResponseCode};

use crate::gather::gather;

/// Who refuses a login.
#[derive(Clone, Copy)]
pub enum By {
    /// The auth server of `auth_http`.
    AuthServer,
    /// The file of users.
    File,
    /// The backend.
    Backend,
}

/// A login that is refused.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    /// Who refuses it.
    pub by: By,
    /// How the client has logged in.
    pub method: Method,
    /// Why it is refused.
    pub code: ResponseCode,
    /// As much of the words of who refuses it as may be logged.
    pub words: &'a [u8],
    /// The challenge of who refuses it.
    pub challenge: Option<&'a [u8]>,
}

/// What a client is told whose login is refused.
pub struct Refusal {
    /// The line with a challenge, which the client is to answer before the reply.
    pub challenge: Option<Bytes>,
    /// The reply.
    pub reply: Bytes,
    /// Whether it is the credentials that are refused.
    pub credentials: bool,
    /// Whether the session ends with it.
    pub last: bool,
}

impl Refusal {
    /// Logs that a login is refused, and makes what its client is told: the reply that is
    /// written, and with a token a challenge before it, that of who refuses it, or one of
    /// ours if it is the token that is at fault. For anything else a client must not throw
    /// it away.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(
        client: &impl Client,
        refused: &Refused<'_>,
        write: impl Fn(&mut dyn FnMut(&[u8])),
    ) -> Result<Self, NoMemory> {
        let &Refused { by, method, code, words, challenge } = refused;
        let credentials = code == ResponseCode::Auth;
        client.log_refused(&log::Refused {
            credentials,
            method: method.name(),
            by: by.name(),
            words,
        });

        let reply = gather(client, write)?;
        let challenge = OAuth::of(method)
            .filter(|_| challenge.is_some() || credentials)
            .map(|mechanism| {
                gather(client, |put| mechanism.write_challenge(challenge.unwrap_or_default(), put))
            })
            .transpose()?;

        Ok(Self { challenge, reply, credentials, last: false })
    }
}

impl By {
    const fn name(self) -> &'static CStr {
        match self {
            Self::AuthServer => c"auth server",
            Self::File => c"file",
            Self::Backend => c"backend",
        }
    }
}
