//! CRAM-MD5 (RFC 2195).

use super::base64;
use crate::credentials::{digest, login};
use crate::reply::{CHALLENGE_PREFIX, CRLF};
use crate::{Credentials, Login, Method, Refusal};

/// Writes the line that carries the challenge, piece by piece.
pub fn write_challenge(challenge: &[u8], mut put: impl FnMut(&[u8])) {
    put(CHALLENGE_PREFIX);
    base64::encode(challenge, &mut put);
    put(CRLF);
}

/// Takes the message `login SP digest`. A login may hold spaces, a digest may
/// not: the last space parts them.
///
/// # Errors
///
/// [`Refusal::InvalidMessage`], [`Refusal::InvalidLogin`],
/// [`Refusal::InvalidDigest`]
pub fn credentials(message: &[u8]) -> Result<Credentials<'_>, Refusal> {
    let space = memchr::memrchr(b' ', message).ok_or(Refusal::InvalidMessage)?;
    let (name, rest) = message.split_at_checked(space).ok_or(Refusal::InvalidMessage)?;
    let (_, hash) = rest.split_first().ok_or(Refusal::InvalidMessage)?;

    Ok(Credentials {
        method: Method::CramMd5,
        login: Login::Given(login(name)?),
        secret: digest(hash)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use std::vec::Vec;

    const DIGEST: &[u8] = b"b913a602c7eda7a495b4e6e7334d3890";

    #[test]
    fn rfc_2195_example() {
        assert_eq!(
            credentials(b"tim b913a602c7eda7a495b4e6e7334d3890"),
            Ok(Credentials {
                method: Method::CramMd5,
                login: Login::Given(b"tim"),
                secret: Secret::new(DIGEST),
            })
        );
    }

    #[test]
    fn rfc_2195_challenge() {
        let mut line = Vec::new();
        write_challenge(b"<1896.697170952@postoffice.reston.mci.net>", |piece| {
            line.extend_from_slice(piece);
        });
        assert_eq!(line, b"+ PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n");
    }

    #[test]
    fn the_last_space_parts() {
        let credentials = credentials(b"tim o'brien b913a602c7eda7a495b4e6e7334d3890").unwrap();
        assert_eq!(credentials.login, Login::Given(b"tim o'brien"));
        assert_eq!(credentials.secret.expose(), DIGEST);
    }

    #[test]
    fn parts_are_checked() {
        for (message, refusal) in [
            (&b"tim"[..], Refusal::InvalidMessage),
            (b" b913a602c7eda7a495b4e6e7334d3890", Refusal::InvalidLogin),
            (b"t\nm b913a602c7eda7a495b4e6e7334d3890", Refusal::InvalidLogin),
            (b"tim b913a602c7eda7a495b4e6e7334d389", Refusal::InvalidDigest),
            (b"tim b913a602c7eda7a495b4e6e7334d3890 ", Refusal::InvalidDigest),
        ] {
            assert_eq!(credentials(message), Err(refusal));
        }
    }
}
