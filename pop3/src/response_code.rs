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
        let Some(bracketed) = text.strip_prefix(b"[") else { return (Self::Auth, text) };
        let mut parts = bracketed.splitn(2, |&byte| byte == b']');
        let (Some(name), Some(rest)) = (parts.next(), parts.next()) else {
            return (Self::Auth, text);
        };
        let known = Self::ALL.into_iter().find(|code| code.name().eq_ignore_ascii_case(name));

        (known.unwrap_or(Self::Auth), rest.strip_prefix(b" ").unwrap_or(rest))
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
