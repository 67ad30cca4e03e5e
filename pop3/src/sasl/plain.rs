//! PLAIN (RFC 4616).

use crate::credentials::{login, password};
use crate::{Credentials, Login, Method, Refusal};

/// Takes the message `[authzid] NUL authcid NUL passwd`.
///
/// # Errors
///
/// [`Refusal::InvalidMessage`], [`Refusal::AuthorizationIdentity`],
/// [`Refusal::InvalidLogin`], [`Refusal::InvalidPassword`]
pub fn credentials(message: &[u8]) -> Result<Credentials<'_>, Refusal> {
    let (authzid, rest) = split_at_nul(message).ok_or(Refusal::InvalidMessage)?;
    let (authcid, passwd) = split_at_nul(rest).ok_or(Refusal::InvalidMessage)?;

    let name = login(authcid)?;
    if !authzid.is_empty() && authzid != name {
        return Err(Refusal::AuthorizationIdentity);
    }

    Ok(Credentials { method: Method::Plain, login: Login::Given(name), secret: password(passwd)? })
}

fn split_at_nul(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, tail) = message.split_at_checked(memchr::memchr(0, message)?)?;
    Some((head, tail.split_first()?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(message: &[u8]) -> Refusal {
        credentials(message).unwrap_err()
    }

    #[test]
    fn rfc_4616_example() {
        assert_eq!(
            credentials(b"\0tim\0tanstaaftanstaaf"),
            Ok(Credentials {
                method: Method::Plain,
                login: Login::Given(b"tim"),
                secret: crate::Secret::new(b"tanstaaftanstaaf"),
            })
        );
    }

    #[test]
    fn rfc_4616_authorization_identity() {
        assert!(credentials(b"tim\0tim\0secret").is_ok());
        assert_eq!(refusal(b"Ursel\0Kurt\0xipj3plmq"), Refusal::AuthorizationIdentity);
    }

    #[test]
    fn parts_are_checked() {
        assert_eq!(refusal(b""), Refusal::InvalidMessage);
        assert_eq!(refusal(b"\0tim"), Refusal::InvalidMessage);
        assert_eq!(refusal(b"\0\0secret"), Refusal::InvalidLogin);
        assert_eq!(refusal(b"\0tim\r\nDELE 1\0secret"), Refusal::InvalidLogin);
        assert_eq!(refusal(b"\0tim\0"), Refusal::InvalidPassword);
        assert_eq!(refusal(b"\0tim\0se\0cret"), Refusal::InvalidPassword);
        assert_eq!(refusal(b"\0tim\0secret\r\nDELE 1"), Refusal::InvalidPassword);
    }
}
