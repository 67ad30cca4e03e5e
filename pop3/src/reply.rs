//! The replies that are not errors.

/// A reply to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A line that is always the same, with its CRLF.
    Line(&'static [u8]),
    /// The CAPA list (RFC 2449, section 5), as it is before or inside TLS.
    Capabilities {
        /// Whether the session is inside TLS.
        tls: bool,
    },
    /// The answer to AUTH without argument.
    Mechanisms,
    /// The challenge of CRAM-MD5: the greeting's, in base64.
    CramMd5Challenge,
}

/// The reply to what succeeds.
pub const OK: Reply = Reply::Line(b"+OK\r\n");

/// AUTH LOGIN and AUTH EXTERNAL ask for the user name.
pub const USERNAME_PROMPT: Reply = Reply::Line(b"+ VXNlcm5hbWU6\r\n");

/// AUTH LOGIN asks for the password.
pub const PASSWORD_PROMPT: Reply = Reply::Line(b"+ UGFzc3dvcmQ6\r\n");

/// The empty challenge of a mechanism where the client goes first (RFC 5034,
/// section 4).
pub const EMPTY_CHALLENGE: Reply = Reply::Line(b"+ \r\n");

/// The greeting, up to the challenge or the line's end.
pub const GREETING: &[u8] = b"+OK POP3 ready";

/// What goes before a SASL challenge (RFC 5034, section 4).
pub const CHALLENGE_PREFIX: &[u8] = b"+ ";

/// The end of a line.
pub const CRLF: &[u8] = b"\r\n";
