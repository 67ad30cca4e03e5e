//! What a client is told whose credentials are refused.

use ngx_mail::client::Client;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;
use pop3::{Method, OAuth, ResponseCode};

use crate::gather::gather;

/// What a client is told whose credentials are refused.
pub struct Refusal {
    /// The line with a challenge, which the client is to answer before the reply.
    pub challenge: Option<Bytes>,
    /// The reply.
    pub reply: Bytes,
    /// Whether the session ends with it.
    pub last: bool,
}

impl Refusal {
    /// One of credentials that came by this method. With a token there is a challenge: the
    /// `error` of who refuses it, or one of ours if it is the token that is at fault. For
    /// anything else a client must not throw it away.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(
        client: &impl Client,
        method: Method,
        code: ResponseCode,
        error: Option<&[u8]>,
        reply: Bytes,
    ) -> Result<Self, NoMemory> {
        let challenge = OAuth::of(method)
            .filter(|_| error.is_some() || code == ResponseCode::Auth)
            .map(|mechanism| {
                gather(client, |put| mechanism.write_challenge(error.unwrap_or_default(), put))
            })
            .transpose()?;

        Ok(Self { challenge, reply, last: false })
    }
}
