//! OAUTHBEARER (RFC 7628).

use super::bearer;
use crate::credentials::login;
use crate::{Credentials, Login, Method, Refusal, Secret};

/// Takes the message: the header of GS2 (RFC 5801, section 4) with the login, then fields
/// of which one has the token. The others (the host and the port that the client has
/// meant) are passed over.
///
/// # Errors
///
/// [`Refusal::InvalidMessage`], [`Refusal::InvalidLogin`], [`Refusal::InvalidToken`]
pub fn credentials(message: &mut [u8]) -> Result<Credentials<'_>, Refusal> {
    let end = memchr::memchr(bearer::SEPARATOR, message).ok_or(Refusal::InvalidMessage)?;
    let (header, fields) = message.split_at_mut_checked(end).ok_or(Refusal::InvalidMessage)?;
    let (_, fields) = fields.split_first().ok_or(Refusal::InvalidMessage)?;
    let value = authorization(fields).ok_or(Refusal::InvalidMessage)?;
    let name = identity(header).ok_or(Refusal::InvalidMessage)?;

    Ok(Credentials {
        method: Method::Oauthbearer,
        login: Login::Given(login(name)?),
        secret: bearer::token(value)?,
    })
}

/// The authorization identity of the header, where it stands; empty without one. There
/// is no channel binding in this mechanism: the flag `p` is refused.
fn identity(header: &mut [u8]) -> Option<&[u8]> {
    match header {
        [b'n' | b'y', b',', b','] => Some(&[]),
        [b'n' | b'y', b',', b'a', b'=', name @ .., b','] => unescape(name),
        _ => None,
    }
}

/// Puts a comma and an equals sign in the place of what stands for them (RFC 5801,
/// section 4).
fn unescape(name: &mut [u8]) -> Option<&[u8]> {
    let mut at = 0_usize;
    let mut length = 0_usize;

    loop {
        let (byte, taken) = match name.get(at..)? {
            [b'=', b'2', b'C' | b'c', ..] => (b',', 3),
            [b'=', b'3', b'D' | b'd', ..] => (b'=', 3),
            [b',' | b'=', ..] => return None,
            &[byte, ..] => (byte, 1),
            [] => return name.get(..length),
        };
        *name.get_mut(length)? = byte;
        at = at.wrapping_add(taken);
        length = length.wrapping_add(1);
    }
}

/// The value of the one field that has the token.
fn authorization(mut fields: &[u8]) -> Option<&[u8]> {
    let mut found = None;

    loop {
        let (field, rest) = bearer::field(fields)?;
        if field.is_empty() {
            return found.filter(|_| rest.is_empty());
        }
        let (key, value) = field.split_at_checked(memchr::memchr(b'=', field)?)?;
        let (_, value) = value.split_first()?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        if key == bearer::KEY && found.replace(value).is_some() {
            return None;
        }
        fields = rest;
    }
}

/// Writes the message, piece by piece.
pub fn write_message(login: &[u8], token: Secret<'_>, mut put: impl FnMut(&[u8])) {
    put(b"n,a=");
    for byte in login {
        match byte {
            b',' => put(b"=2C"),
            b'=' => put(b"=3D"),
            byte => put(&[*byte]),
        }
    }
    put(&[b',', bearer::SEPARATOR]);
    bearer::write_end(token, put);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const TOKEN: Secret<'_> = Secret::new(b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");

    /// What is in a message: the login and the token.
    fn found(message: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let mut message = message.to_vec();
        let credentials = credentials(&mut message)?;
        assert_eq!(credentials.method, Method::Oauthbearer);
        let login = match credentials.login {
            Login::Given(login) => login.to_vec(),
            Login::Kept => Vec::new(),
        };
        Ok((login, credentials.secret.expose().to_vec()))
    }

    fn written(login: &[u8], token: Secret<'_>) -> Vec<u8> {
        let mut message = Vec::new();
        write_message(login, token, |piece| message.extend_from_slice(piece));
        message
    }

    #[test]
    fn rfc_7628_example() {
        let message = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01\
            auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let expected = (b"user@example.com".to_vec(), TOKEN.expose().to_vec());
        assert_eq!(found(message), Ok(expected));
        assert_eq!(
            written(b"user@example.com", TOKEN),
            b"n,a=user@example.com,\x01\
              auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
        );
    }

    #[test]
    fn rfc_5801_names() {
        for (name, login) in [
            ("a=2Cb=3Dc", "a,b=c"),
            ("=2c=3d", ",="),
            ("=3D2C", "=2C"),
            ("=2C=2C=2C", ",,,"),
            ("a b", "a b"),
            ("\u{e9}", "\u{e9}"),
        ] {
            let message = std::format!("n,a={name},\x01auth=Bearer t\x01\x01");
            assert_eq!(found(message.as_bytes()), Ok((login.into(), b"t".to_vec())), "{name}");

            let again = written(login.as_bytes(), Secret::new(b"t"));
            assert_eq!(again, message.replace("2c", "2C").replace("3d", "3D").as_bytes());
        }
        for name in ["=", "a=", "=2", "=2D", "=3C", "=00", "a,b", ",", "=2", "=3", "= 2C"] {
            let message = std::format!("n,a={name},\x01auth=Bearer t\x01\x01");
            assert_eq!(found(message.as_bytes()), Err(Refusal::InvalidMessage), "{name}");
        }
    }

    #[test]
    fn rfc_7628_fields_in_any_order() {
        for fields in [
            "auth=bearer t\x01",
            "auth=Bearer t\x01host=a\x01port=1\x01",
            "port=\x01auth=Bearer t\x01x=a=b\x01",
            "AUTH=Basic\x01auth=Bearer t\x01authx=Bearer s\x01",
        ] {
            for flag in ["n", "y"] {
                let message = std::format!("{flag},a=bob,\x01{fields}\x01");
                assert_eq!(
                    found(message.as_bytes()),
                    Ok((b"bob".to_vec(), b"t".to_vec())),
                    "{fields}"
                );
            }
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        for message in [
            &b""[..],
            b"\x01",
            b"n,a=bob,",
            b"n,a=bob,\x01",
            b"n,a=bob,\x01\x01",
            b"n,a=bob,auth=Bearer t\x01\x01",
            b"n,a=bob,\x01auth=Bearer t",
            b"n,a=bob,\x01auth=Bearer t\x01",
            b"n,a=bob,\x01auth=Bearer t\x01\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01\x01x",
            b"n,a=bob,\x01\x01auth=Bearer t\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01auth=Bearer t\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01host\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01=x\x01\x01",
            b"n,a=bob,\x01auth=Bearer t\x01a1=x\x01\x01",
            b"n,a=bob,\x01host=a\x01\x01",
            b"n,a=bob,\x01AUTH=Bearer t\x01\x01",
            b"n,a=bob,\x01auth=Basic t\x01\x01",
            b"n,a=bob,\x01auth=\x01\x01",
            b"n,a=bob\x01auth=Bearer t\x01\x01",
            b"n,bob,\x01auth=Bearer t\x01\x01",
            b"n,A=bob,\x01auth=Bearer t\x01\x01",
            b"N,a=bob,\x01auth=Bearer t\x01\x01",
            b"p=tls-unique,a=bob,\x01auth=Bearer t\x01\x01",
            b"p,a=bob,\x01auth=Bearer t\x01\x01",
            b"F,n,a=bob,\x01auth=Bearer t\x01\x01",
            b"n;a=bob,\x01auth=Bearer t\x01\x01",
            b"n,a=bob,a=ann,\x01auth=Bearer t\x01\x01",
            b"n,a=\x01auth=Bearer t\x01\x01",
            b"n,\x01auth=Bearer t\x01\x01",
            b"n\x01auth=Bearer t\x01\x01",
            b"user=bob\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(found(message), Err(Refusal::InvalidMessage), "{message:?}");
        }
    }

    #[test]
    fn parts_are_checked() {
        for (message, refusal) in [
            (&b"n,,\x01auth=Bearer t\x01\x01"[..], Refusal::InvalidLogin),
            (b"n,a=,\x01auth=Bearer t\x01\x01", Refusal::InvalidLogin),
            (b"n,a=a\r\nDELE 1,\x01auth=Bearer t\x01\x01", Refusal::InvalidLogin),
            (b"n,a=a\0b,\x01auth=Bearer t\x01\x01", Refusal::InvalidLogin),
            (b"n,a=bob,\x01auth=Bearer \x01\x01", Refusal::InvalidToken),
            (b"n,a=bob,\x01auth=Bearer t\r\nDELE 1\x01\x01", Refusal::InvalidToken),
        ] {
            assert_eq!(found(message), Err(refusal), "{message:?}");
        }
    }
}
