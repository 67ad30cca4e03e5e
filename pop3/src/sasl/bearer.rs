//! A bearer token (RFC 6750) in the messages of XOAUTH2 and OAUTHBEARER.

use crate::{Refusal, Secret, credentials};

/// Ends each field, and the message.
pub const SEPARATOR: u8 = 1;

/// The key of the field that has the token.
pub const KEY: &[u8] = b"auth";

const SCHEME: &[u8] = b"Bearer";

/// Takes a field off the head of a message; nothing if it does not end.
pub fn field(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (field, rest) = message.split_at_checked(memchr::memchr(SEPARATOR, message)?)?;
    Some((field, rest.split_first()?.1))
}

/// Takes the token out of a field's value: the credentials of HTTP (RFC 6750, section
/// 2.1), whose scheme may be in any case.
///
/// # Errors
///
/// [`Refusal::InvalidMessage`], [`Refusal::InvalidToken`]
pub fn token(value: &[u8]) -> Result<Secret<'_>, Refusal> {
    let (scheme, mut token) =
        value.split_at_checked(SCHEME.len()).ok_or(Refusal::InvalidMessage)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || !token.starts_with(b" ") {
        return Err(Refusal::InvalidMessage);
    }
    while let [b' ', rest @ ..] = token {
        token = rest;
    }

    credentials::token(token)
}

/// Writes the field with the token, and the message's end.
pub fn write_end(token: Secret<'_>, mut put: impl FnMut(&[u8])) {
    put(b"auth=Bearer ");
    put(token.expose());
    put(&[SEPARATOR, SEPARATOR]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6750_credentials() {
        for value in ["Bearer abc=", "bearer abc=", "BEARER   abc="] {
            assert_eq!(token(value.as_bytes()), Ok(Secret::new(b"abc=")), "{value}");
        }
        for value in ["", "Bearer", "Bearerabc", "Basic abc", " Bearer abc", "Bearers abc"] {
            assert_eq!(token(value.as_bytes()), Err(Refusal::InvalidMessage), "{value}");
        }
        for value in ["Bearer ", "Bearer a b", "Bearer abc ", "Bearer \tabc", "Bearer a,b"] {
            assert_eq!(token(value.as_bytes()), Err(Refusal::InvalidToken), "{value}");
        }
    }

    #[test]
    fn a_field_ends_with_its_separator() {
        assert_eq!(field(b"a\x01b\x01"), Some((&b"a"[..], &b"b\x01"[..])));
        assert_eq!(field(b"\x01"), Some((&b""[..], &b""[..])));
        assert_eq!(field(b"a"), None);
    }
}
