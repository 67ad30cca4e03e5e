//! What a client presents to log in, and what is refused in it.

use core::ffi::CStr;
use core::fmt;

use crate::Refusal;

/// How the credentials were proven; the auth server is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Login and password in clear by USER and PASS (RFC 1939, section 7).
    User,
    /// Likewise by AUTH PLAIN (RFC 4616).
    Plain,
    /// Likewise by AUTH LOGIN (draft-murchison-sasl-login).
    Login,
    /// A digest over the greeting's challenge (RFC 1939, section 7).
    Apop,
    /// A keyed digest over the challenge (RFC 2195).
    CramMd5,
    /// A proof outside of POP3, usually the TLS client certificate
    /// (RFC 4422, appendix A).
    External,
    /// A bearer token in the form that Google has given it.
    Xoauth2,
    /// A bearer token (RFC 7628).
    Oauthbearer,
}

impl Method {
    /// Its name, in small letters.
    pub const fn name(self) -> &'static CStr {
        match self {
            Self::User => c"user",
            Self::Plain => c"plain",
            Self::Login => c"login",
            Self::Apop => c"apop",
            Self::CramMd5 => c"cram-md5",
            Self::External => c"external",
            Self::Xoauth2 => c"xoauth2",
            Self::Oauthbearer => c"oauthbearer",
        }
    }

    /// Whether the secret is the password itself.
    pub const fn is_in_clear(self) -> bool {
        matches!(self, Self::User | Self::Plain | Self::Login)
    }
}

/// Bytes that never appear in a log or in `Debug` output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Marks bytes as secret.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether a text holds them, or so many of them that it is no accident.
    pub fn is_in(self, text: &[u8]) -> bool {
        const ENOUGH: usize = 16;

        contains(text, self.0.get(..ENOUGH).unwrap_or(self.0))
    }

    /// Gives the bytes to whoever checks them.
    pub const fn expose(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the login name of some [`Credentials`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login<'a> {
    /// It came together with the proof.
    Given(&'a [u8]),
    /// It came in an earlier line and was handed out by
    /// [`Server::keep_login`](crate::Server::keep_login).
    Kept,
}

/// A complete login attempt. No field holds a byte that could end a line of
/// the dialogue with the auth server or the backend, or forge a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// How to check them.
    pub method: Method,
    /// Whose they are.
    pub login: Login<'a>,
    /// The password, the 32 hex digits of the digest or the bare token; empty for
    /// [`Method::External`].
    pub secret: Secret<'a>,
}

/// Takes a login name: not empty, no control character.
///
/// # Errors
///
/// [`Refusal::InvalidLogin`]
#[inline]
pub fn login(name: &[u8]) -> Result<&[u8], Refusal> {
    if name.is_empty() || holds(name, |byte| byte.is_ascii_control()) {
        return Err(Refusal::InvalidLogin);
    }

    Ok(name)
}

/// Takes a password: not empty, no CR, LF or NUL. A password may hold any
/// other control character.
///
/// # Errors
///
/// [`Refusal::InvalidPassword`]
#[inline]
pub fn password(password: &[u8]) -> Result<Secret<'_>, Refusal> {
    let unfit = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    // Few passwords hold a control character at all.
    let refused = holds(password, |byte| byte.is_ascii_control()) && password.iter().any(unfit);
    if password.is_empty() || refused {
        return Err(Refusal::InvalidPassword);
    }

    Ok(Secret(password))
}

/// Takes the digest of APOP or CRAM-MD5: 32 hex digits (RFC 1939, section 7;
/// RFC 2195, section 2).
///
/// # Errors
///
/// [`Refusal::InvalidDigest`]
// Or the compiler makes a call of it and takes its result apart byte by byte.
#[inline(always)]
pub fn digest(digest: &[u8]) -> Result<Secret<'_>, Refusal> {
    // Of a length that the compiler knows: it looks at all of them at once.
    let digits: &[u8; 32] = digest.try_into().map_err(|_| Refusal::InvalidDigest)?;
    if digits.iter().fold(false, |unfit, byte| unfit | !byte.is_ascii_hexdigit()) {
        return Err(Refusal::InvalidDigest);
    }

    Ok(Secret(digest))
}

/// Whether a text holds a word, which is not empty.
pub(crate) fn contains(text: &[u8], word: &[u8]) -> bool {
    !word.is_empty() && text.windows(word.len()).any(|window| window == word)
}

/// Takes a bearer token (RFC 6750, section 2.1).
///
/// # Errors
///
/// [`Refusal::InvalidToken`]
pub fn token(token: &[u8]) -> Result<Secret<'_>, Refusal> {
    let mut bare = token;
    while let [head @ .., b'='] = bare {
        bare = head;
    }
    let fits = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if bare.is_empty() || !bare.iter().all(fits) {
        return Err(Refusal::InvalidToken);
    }

    Ok(Secret(token))
}

/// Whether one of the bytes is `unfit`. They are looked at in groups, without a
/// branch for each byte, so that the compiler takes a group at once; the last
/// group overlaps the one before it.
fn holds(bytes: &[u8], unfit: impl Fn(u8) -> bool) -> bool {
    const GROUP: usize = 8;

    let in_group = |group: &[u8]| group.iter().fold(false, |found, &byte| found | unfit(byte));
    match bytes.last_chunk::<GROUP>() {
        None => in_group(bytes),
        Some(last) => bytes.chunks_exact(GROUP).any(in_group) | in_group(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn no_secret_in_debug_output() {
        let credentials = Credentials {
            method: Method::Plain,
            login: Login::Given(b"bob"),
            secret: Secret::new(b"tanstaaf"),
        };

        let shown = format!("{credentials:?}");

        assert!(shown.contains("Secret(..)"));
        assert!(!shown.contains("tanstaaf"));
        assert!(!shown.contains(&format!("{:?}", b"tanstaaf")));
    }

    #[test]
    fn login_refuses_every_control_character() {
        for byte in 0..=u8::MAX {
            assert_eq!(login(&[b'a', byte]).is_err(), byte < 0x20 || byte == 0x7f, "{byte:#x}");
        }
        assert_eq!(login(b""), Err(Refusal::InvalidLogin));
    }

    #[test]
    fn an_unfit_byte_is_found_wherever_it_stands() {
        for length in 1..40 {
            for at in 0..length {
                let mut text = std::vec![b'a'; length];
                assert!(login(&text).is_ok() && password(&text).is_ok());
                text[at] = 0;
                assert!(login(&text).is_err() && password(&text).is_err(), "{at} of {length}");
                assert!(digest(&text).is_err());
            }
        }
    }

    #[test]
    fn password_refuses_line_ends_and_nul_only() {
        for byte in 0..=u8::MAX {
            let refused = password(&[b'a', byte]).is_err();
            assert_eq!(refused, matches!(byte, b'\r' | b'\n' | 0), "{byte:#x}");
        }
        assert_eq!(password(b""), Err(Refusal::InvalidPassword));
    }

    #[test]
    fn digest_is_32_hex_digits() {
        assert!(digest(b"c4c9334bac560ecc979e58001b3e22fb").is_ok());
        assert!(digest(b"C4C9334BAC560ECC979E58001B3E22FB").is_ok());
        for wrong in [
            &b""[..],
            b"c4c9334bac560ecc979e58001b3e22f",
            b"c4c9334bac560ecc979e58001b3e22fb0",
            b"g4c9334bac560ecc979e58001b3e22fb",
            b"ggc9334bac560ecc979e58001b3e22fb",
            b" 4c9334bac560ecc979e58001b3e22fb",
        ] {
            assert_eq!(digest(wrong), Err(Refusal::InvalidDigest));
        }
    }

    #[test]
    fn rfc_6750_tokens() {
        for byte in 0..=u8::MAX {
            let fits = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(token(&[byte, b'a']).is_ok(), fits, "{byte:#x}");
            assert_eq!(token(&[b'a', byte]).is_ok(), fits || byte == b'=', "{byte:#x}");
        }
        for (text, fits) in
            [("", false), ("=", false), ("==", false), ("a==", true), ("a=b", false)]
        {
            let expected =
                if fits { Ok(Secret(text.as_bytes())) } else { Err(Refusal::InvalidToken) };
            assert_eq!(token(text.as_bytes()), expected, "{text}");
        }
    }
}
