//! APOP (RFC 1939, section 7).

use crate::credentials::{digest, login};
use crate::{Credentials, Login, Method, Refusal};

/// Takes the two words of an APOP command.
///
/// # Errors
///
/// [`Refusal::InvalidLogin`], [`Refusal::InvalidDigest`]
pub fn credentials<'a>(name: &'a [u8], hash: &'a [u8]) -> Result<Credentials<'a>, Refusal> {
    Ok(Credentials {
        method: Method::Apop,
        login: Login::Given(login(name)?),
        secret: digest(hash)?,
    })
}
