//! The replies that are not errors and always the same; lines with their CRLF.

/// The reply to what succeeds.
pub const OK: &[u8] = b"+OK\r\n";

/// AUTH LOGIN and AUTH EXTERNAL ask for the user name.
pub const USERNAME_PROMPT: &[u8] = b"+ VXNlcm5hbWU6\r\n";

/// AUTH LOGIN asks for the password.
pub const PASSWORD_PROMPT: &[u8] = b"+ UGFzc3dvcmQ6\r\n";

/// The empty challenge of a mechanism where the client goes first (RFC 5034,
/// section 4).
pub const EMPTY_CHALLENGE: &[u8] = b"+ \r\n";

/// The greeting.
pub const GREETING: &[u8] = b"+OK POP3 ready\r\n";

/// What goes before the challenge in a greeting that has one (RFC 1939,
/// section 7).
pub const GREETING_PREFIX: &[u8] = b"+OK POP3 ready ";

/// What goes before a SASL challenge (RFC 5034, section 4).
pub const CHALLENGE_PREFIX: &[u8] = b"+ ";

/// The end of a line.
pub const CRLF: &[u8] = b"\r\n";

/// To a client whose address has as many sessions as it may, in place of a greeting.
pub const TOO_MANY_SESSIONS: &[u8] = b"-ERR [SYS/TEMP] too many connections from your address\r\n";

/// To a login that cannot be checked in the time of the session, as too many of the address
/// have failed.
pub const TOO_MANY_LOGINS: &[u8] =
    b"-ERR [SYS/TEMP] too many failed logins from your address, try again later\r\n";

/// The reply to a login where no backend can be logged in at (RFC 3206, section 4).
pub const UNAVAILABLE: &[u8] = b"-ERR [SYS/TEMP] mail server is not available\r\n";

/// The reply to a login where the auth server does not answer as it should (RFC 3206,
/// section 4).
pub const INTERNAL_ERROR: &[u8] = b"-ERR [SYS/TEMP] internal server error\r\n";
