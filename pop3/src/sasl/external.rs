//! EXTERNAL (RFC 4422, appendix A).

use crate::credentials::login;
use crate::{Credentials, Login, Method, Refusal, Secret};

/// Takes the authorization identity. It may be empty: the auth server then
/// goes by the client certificate alone.
///
/// # Errors
///
/// [`Refusal::InvalidLogin`]
pub fn credentials(message: &[u8]) -> Result<Credentials<'_>, Refusal> {
    Ok(Credentials {
        method: Method::External,
        login: Login::Given(if message.is_empty() { message } else { login(message)? }),
        secret: Secret::new(b""),
    })
}
