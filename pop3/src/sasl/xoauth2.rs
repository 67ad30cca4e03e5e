//! XOAUTH2, as Google describes it: `user=` login, `auth=Bearer ` token.

use super::bearer;
use crate::credentials::login;
use crate::{Credentials, Login, Method, Refusal, Secret};

/// Takes the message `user=login ^A auth=Bearer token ^A ^A`.
///
/// # Errors
///
/// [`Refusal::InvalidMessage`], [`Refusal::InvalidLogin`], [`Refusal::InvalidToken`]
pub fn credentials(message: &[u8]) -> Result<Credentials<'_>, Refusal> {
    let (name, value) = parts(message).ok_or(Refusal::InvalidMessage)?;

    Ok(Credentials {
        method: Method::Xoauth2,
        login: Login::Given(login(name)?),
        secret: bearer::token(value)?,
    })
}

fn parts(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = bearer::field(message.strip_prefix(b"user=")?)?;
    let (value, end) = bearer::field(rest.strip_prefix(b"auth=")?)?;

    (end == [bearer::SEPARATOR]).then_some((name, value))
}

/// Writes the message, piece by piece.
pub fn write_message(login: &[u8], token: Secret<'_>, mut put: impl FnMut(&[u8])) {
    put(b"user=");
    put(login);
    put(&[bearer::SEPARATOR]);
    bearer::write_end(token, put);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Google's example.
    const MESSAGE: &[u8] = b"user=someuser@example.com\x01\
        auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01";
    const TOKEN: Secret<'_> = Secret::new(b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");

    #[test]
    fn googles_example() {
        assert_eq!(
            credentials(MESSAGE),
            Ok(Credentials {
                method: Method::Xoauth2,
                login: Login::Given(b"someuser@example.com"),
                secret: TOKEN,
            })
        );

        let mut written = Vec::new();
        write_message(b"someuser@example.com", TOKEN, |piece| written.extend_from_slice(piece));
        assert_eq!(written, MESSAGE);
    }

    #[test]
    fn the_login_is_as_it_stands() {
        let message = b"user=a=2C,b c\x01auth=bearer t\x01\x01";
        assert_eq!(credentials(message).unwrap().login, Login::Given(b"a=2C,b c"));
    }

    #[test]
    fn every_other_form_is_refused() {
        for message in [
            &b""[..],
            b"user=bob",
            b"user=bob\x01",
            b"user=bob\x01\x01",
            b"user=bob\x01auth=Bearer t",
            b"user=bob\x01auth=Bearer t\x01",
            b"user=bob\x01auth=Bearer t\x01\x01\x01",
            b"user=bob\x01auth=Bearer t\x01\x01\n",
            b"user=bobauth=Bearer t\x01\x01",
            b"user=bob\x01\x01auth=Bearer t\x01\x01",
            b"user=bob\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
            b"user=bob\x01user=ann\x01auth=Bearer t\x01\x01",
            b"auth=Bearer t\x01user=bob\x01\x01",
            b"auth=Bearer t\x01\x01",
            b"USER=bob\x01auth=Bearer t\x01\x01",
            b"user=bob\x01AUTH=Bearer t\x01\x01",
            b"user=bob\x01auth=Basic t\x01\x01",
            b"user=bob\x01auth=\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01\x01",
            b"\x01",
        ] {
            assert_eq!(credentials(message), Err(Refusal::InvalidMessage), "{message:?}");
        }
    }

    #[test]
    fn parts_are_checked() {
        for (message, refusal) in [
            (&b"user=\x01auth=Bearer t\x01\x01"[..], Refusal::InvalidLogin),
            (b"user=a\r\nDELE 1\x01auth=Bearer t\x01\x01", Refusal::InvalidLogin),
            (b"user=a\0b\x01auth=Bearer t\x01\x01", Refusal::InvalidLogin),
            (b"user=bob\x01auth=Bearer \x01\x01", Refusal::InvalidToken),
            (b"user=bob\x01auth=Bearer t\r\nDELE 1\x01\x01", Refusal::InvalidToken),
        ] {
            assert_eq!(credentials(message), Err(refusal), "{message:?}");
        }
    }
}
