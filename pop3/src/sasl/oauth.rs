//! What goes between the two sides in XOAUTH2 and OAUTHBEARER beside the client's
//! credentials: a server says in a challenge why it refuses a token, the client answers
//! that, and then the login fails (RFC 7628, section 3.2.3).

use super::{base64, oauthbearer, xoauth2};
use crate::reply::{CHALLENGE_PREFIX, CRLF};
use crate::{Method, Secret};

/// A mechanism with a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuth {
    /// As Google describes it.
    Xoauth2,
    /// RFC 7628
    Oauthbearer,
}

impl OAuth {
    /// That of a method; nothing if it has no token.
    pub const fn of(method: Method) -> Option<Self> {
        match method {
            Method::Xoauth2 => Some(Self::Xoauth2),
            Method::Oauthbearer => Some(Self::Oauthbearer),
            _ => None,
        }
    }

    /// The registered name.
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Xoauth2 => b"XOAUTH2",
            Self::Oauthbearer => b"OAUTHBEARER",
        }
    }

    /// Writes the client's message, piece by piece. The login has no control character.
    pub fn write_message(self, login: &[u8], token: Secret<'_>, put: impl FnMut(&[u8])) {
        match self {
            Self::Xoauth2 => xoauth2::write_message(login, token, put),
            Self::Oauthbearer => oauthbearer::write_message(login, token, put),
        }
    }

    /// The client's answer to the challenge, in base64.
    pub const fn answer(self) -> &'static [u8] {
        match self {
            Self::Xoauth2 => b"",
            // A separator (RFC 7628, section 3.2.3).
            Self::Oauthbearer => b"AQ==",
        }
    }

    /// Writes the line with the challenge, piece by piece. What is no error
    /// ([`is_error`]) is not told the client, which then learns no more than that the
    /// token is refused.
    pub fn write_challenge(self, error: &[u8], mut put: impl FnMut(&[u8])) {
        put(CHALLENGE_PREFIX);
        put(if is_error(error) { error } else { self.error() });
        put(CRLF);
    }

    /// That the token is refused, in base64.
    const fn error(self) -> &'static [u8] {
        match self {
            Self::Xoauth2 => b"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiIifQ==",
            Self::Oauthbearer => b"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=",
        }
    }
}

/// Whether it is base64, with all of its padding, and so can be the text of a challenge.
pub fn is_error(text: &[u8]) -> bool {
    !text.is_empty() && text.len() % 4 == 0 && base64::is_valid(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn challenge(mechanism: OAuth, error: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        mechanism.write_challenge(error, |piece| line.extend_from_slice(piece));
        line
    }

    #[test]
    fn a_method_with_a_token_has_a_mechanism() {
        assert_eq!(OAuth::of(Method::Xoauth2), Some(OAuth::Xoauth2));
        assert_eq!(OAuth::of(Method::Oauthbearer), Some(OAuth::Oauthbearer));
        for method in [Method::Plain, Method::Apop, Method::CramMd5, Method::External] {
            assert_eq!(OAuth::of(method), None);
        }
    }

    #[test]
    fn rfc_7628_and_googles_errors() {
        for (mechanism, json) in [
            (OAuth::Xoauth2, &br#"{"status":"401","schemes":"bearer","scope":""}"#[..]),
            (OAuth::Oauthbearer, br#"{"status":"invalid_token"}"#),
        ] {
            let mut expected = b"+ ".to_vec();
            base64::encode(json, |piece| expected.extend_from_slice(piece));
            expected.extend_from_slice(b"\r\n");

            for error in [&b""[..], b"no base64", b"Zg", b"Zm9", b"Zg=", b"Zh==", b"=", b"Zg==\r\n"]
            {
                assert_eq!(challenge(mechanism, error), expected, "{error:?}");
            }
            assert_eq!(challenge(mechanism, b"Zm9v"), b"+ Zm9v\r\n");
        }
    }

    #[test]
    fn rfc_7628_challenge_of_a_failed_exchange() {
        let error = b"eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJleGFtcGxlX3Njb3BlIiwib3Blbmlk\
            LWNvbmZpZ3VyYXRpb24iOiJodHRwczovL2V4YW1wbGUuY29tLy53ZWxsLWtub3duL29wZW5pZC1jb25maWd1\
            cmF0aW9uIn0=";
        assert!(is_error(error));
        assert_eq!(challenge(OAuth::Oauthbearer, error), [b"+ ", &error[..], b"\r\n"].concat());
        assert_eq!(OAuth::Oauthbearer.answer(), b"AQ==");
        assert_eq!(OAuth::Xoauth2.answer(), b"");
    }
}
