//! The response codes of a login that fails (RFC 2449, section 8; RFC 3206).

/// Why a login has failed. A client asks for another password after [`AUTH`] alone.
///
/// [`AUTH`]: ResponseCode::Auth
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCode {
    /// The credentials are wrong (RFC 3206, section 5).
    Auth,
    /// Another session has the mailbox (RFC 2449, section 8.1.2).
    InUse,
    /// The last login was too short a time ago (RFC 2449, section 8.1.1).
    LoginDelay,
    /// Something of the server's is wrong for now (RFC 3206, section 4).
    SysTemp,
    /// Something of the server's is wrong until somebody mends it (RFC 3206,
    /// section 4).
    SysPerm,
}

impl ResponseCode {
    const ALL: [Self; 5] =
        [Self::Auth, Self::InUse, Self::LoginDelay, Self::SysTemp, Self::SysPerm];

    /// Takes the code off the head of a reply's text. One that is not known, as none
    /// at all, stands for [`ResponseCode::Auth`].
    pub fn split(text: &[u8]) -> (Self, &[u8]) {
        let Some((name, rest)) = Self::bracketed(text) else { return (Self::Auth, text) };
        let known = Self::ALL.into_iter().find(|code| code.name().eq_ignore_ascii_case(name));

        (known.unwrap_or(Self::Auth), rest.strip_prefix(b" ").unwrap_or(rest))
    }

    /// Writes the reply to credentials that are refused, piece by piece: with the code that
    /// the text has, whatever that is, and else with [`ResponseCode::Auth`].
    pub fn write_text(text: &[u8], mut put: impl FnMut(&[u8])) {
        if Self::bracketed(text).is_none() {
            return Self::Auth.write(text, put);
        }
        put(b"-ERR ");
        put(text);
        put(b"\r\n");
    }

    /// The code at the head of a text, if there is any, and what is behind it. Words in
    /// brackets are none.
    fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8])> {
        let mut parts = text.strip_prefix(b"[")?.splitn(2, |&byte| byte == b']');
        let (name, rest) = (parts.next()?, parts.next()?);
        let code = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        code.then_some((name, rest))
    }

    /// Writes the reply to a login that has failed, piece by piece. A text of our own
    /// takes the place of an empty one.
    pub fn write(self, text: &[u8], mut put: impl FnMut(&[u8])) {
        put(b"-ERR [");
        put(self.name());
        put(b"] ");
        put(if text.is_empty() { self.text() } else { text });
        put(b"\r\n");
    }

    const fn name(self) -> &'static [u8] {
        match self {
            Self::Auth => b"AUTH",
            Self::InUse => b"IN-USE",
            Self::LoginDelay => b"LOGIN-DELAY",
            Self::SysTemp => b"SYS/TEMP",
            Self::SysPerm => b"SYS/PERM",
        }
    }

    const fn text(self) -> &'static [u8] {
        match self {
            Self::Auth => b"invalid login or password",
            Self::InUse => b"mailbox is in use",
            Self::LoginDelay => b"logged in too recently",
            Self::SysTemp => b"login is not possible at the moment",
            Self::SysPerm => b"login is not possible, ask your administrator",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec::Vec};

    fn written(code: ResponseCode, text: &[u8]) -> String {
        let mut reply = Vec::new();
        code.write(text, |piece| reply.extend_from_slice(piece));
        String::from_utf8(reply).unwrap()
    }

    #[test]
    fn rfc_2449_and_rfc_3206_codes_in_any_case() {
        for (text, code) in [
            (&b"[AUTH] no"[..], ResponseCode::Auth),
            (b"[in-use] no", ResponseCode::InUse),
            (b"[Login-Delay] no", ResponseCode::LoginDelay),
            (b"[SYS/TEMP]no", ResponseCode::SysTemp),
            (b"[sys/PERM] no", ResponseCode::SysPerm),
            // What is no such code says nothing but that the login has failed.
            (b"[SYS] no", ResponseCode::Auth),
            (b"[SYS/TEMP/X] no", ResponseCode::Auth),
            (b"[IN-USE2] no", ResponseCode::Auth),
            (b"[UTF8]no", ResponseCode::Auth),
            (b"no", ResponseCode::Auth),
        ] {
            assert_eq!(ResponseCode::split(text), (code, &b"no"[..]), "{text:?}");
        }
        assert_eq!(ResponseCode::split(b"[IN-USE]"), (ResponseCode::InUse, &b""[..]));
        assert_eq!(
            ResponseCode::split(b"[X] [IN-USE] a"),
            (ResponseCode::Auth, &b"[IN-USE] a"[..])
        );
        assert_eq!(ResponseCode::split(b"[IN-USE]  ] a"), (ResponseCode::InUse, &b" ] a"[..]));
    }

    #[test]
    fn what_is_no_code_is_text() {
        for text in [
            &b""[..],
            b"[",
            b"[]",
            b"[] a",
            b"[IN-USE",
            b"[IN-USE a] b",
            b"[ IN-USE] a",
            b"[192.0.2.1 is blocked] call us",
            b"[\xc3\xa9] a",
            b" [IN-USE] a",
            b"IN-USE] a",
            b"a [IN-USE] b",
        ] {
            assert_eq!(ResponseCode::split(text), (ResponseCode::Auth, text), "{text:?}");
        }
    }

    #[test]
    fn a_reply_has_its_code_and_a_text() {
        for (code, reply) in [
            (ResponseCode::Auth, "-ERR [AUTH] invalid login or password\r\n"),
            (ResponseCode::InUse, "-ERR [IN-USE] mailbox is in use\r\n"),
            (ResponseCode::LoginDelay, "-ERR [LOGIN-DELAY] logged in too recently\r\n"),
            (ResponseCode::SysTemp, "-ERR [SYS/TEMP] login is not possible at the moment\r\n"),
            (
                ResponseCode::SysPerm,
                "-ERR [SYS/PERM] login is not possible, ask your administrator\r\n",
            ),
        ] {
            assert_eq!(written(code, b""), reply);
            // What is written is found again.
            let text = &reply.as_bytes()["-ERR ".len()..];
            assert_eq!(ResponseCode::split(text).0, code);
        }
        assert_eq!(written(ResponseCode::InUse, b"locked"), "-ERR [IN-USE] locked\r\n");
    }
}
