//! LOGIN: the user name, then the password, each a message of its own.

use crate::{Credentials, Login, Method, Refusal, credentials};

/// Takes the user name, which is to be kept for [`credentials`].
///
/// # Errors
///
/// [`Refusal::InvalidLogin`]
pub fn username(message: &[u8]) -> Result<&[u8], Refusal> {
    credentials::login(message)
}

/// Takes the password that follows the user name.
///
/// # Errors
///
/// [`Refusal::InvalidPassword`]
pub fn credentials(message: &[u8]) -> Result<Credentials<'_>, Refusal> {
    Ok(Credentials {
        method: Method::Login,
        login: Login::Kept,
        secret: credentials::password(message)?,
    })
}
