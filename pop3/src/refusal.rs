//! Why a line is refused.

use core::ffi::CStr;

/// The reason for an `-ERR` reply. Each one counts towards `max_errors`,
/// except [`Refusal::Cancelled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No command of POP3 that is known here.
    UnknownCommand,
    /// A command that is not valid at this point of the dialogue.
    InvalidState,
    /// Arguments are missing, or there are too many.
    InvalidArguments,
    /// The line is longer than the limit; it was skipped.
    LineTooLong,
    /// The head of an HTTP request as the first line: a browser can be made to
    /// send POP3 commands in the body of one.
    HttpRequest,
    /// More commands before the login than allowed.
    TooManyCommands,
    /// Logging in needs TLS first (`starttls only`).
    TlsRequired,
    /// STLS, but TLS is active already or not offered.
    TlsUnavailable,
    /// A SASL mechanism, or APOP, that is unknown or switched off.
    UnsupportedMethod,
    /// Not base64 as RFC 4648 has it.
    InvalidBase64,
    /// A SASL message without the parts that its mechanism asks for.
    InvalidMessage,
    /// An authorization identity other than the login (RFC 4616, section 2).
    AuthorizationIdentity,
    /// A login name that is empty or holds a control character.
    InvalidLogin,
    /// A password that is empty or holds CR, LF or NUL.
    InvalidPassword,
    /// A digest that is not 32 hex digits.
    InvalidDigest,
    /// A bearer token that RFC 6750 has not in that form.
    InvalidToken,
    /// The client cancelled the exchange with `*` (RFC 5034, section 4).
    Cancelled,
}

impl Refusal {
    /// The reply line, with its CRLF. What is refused in credentials that came in a proper
    /// form has a response code (RFC 3206, section 5).
    pub const fn reply(self) -> &'static [u8] {
        match self {
            Self::UnknownCommand => b"-ERR invalid command\r\n",
            Self::InvalidState => b"-ERR command not valid in this state\r\n",
            Self::InvalidArguments => b"-ERR invalid arguments\r\n",
            Self::LineTooLong => b"-ERR line too long\r\n",
            Self::HttpRequest => b"-ERR this is not an HTTP server\r\n",
            Self::TooManyCommands => b"-ERR too many commands\r\n",
            Self::TlsRequired => b"-ERR STLS required first\r\n",
            Self::TlsUnavailable => b"-ERR STLS not available\r\n",
            Self::UnsupportedMethod => b"-ERR unsupported authentication method\r\n",
            Self::InvalidBase64 => b"-ERR invalid base64 encoding\r\n",
            Self::InvalidMessage => b"-ERR invalid authentication message\r\n",
            Self::AuthorizationIdentity => b"-ERR [AUTH] authorization identity not supported\r\n",
            Self::InvalidLogin => b"-ERR [AUTH] invalid login\r\n",
            Self::InvalidPassword => b"-ERR [AUTH] invalid password\r\n",
            Self::InvalidDigest => b"-ERR [AUTH] invalid digest\r\n",
            Self::InvalidToken => b"-ERR [AUTH] invalid token\r\n",
            Self::Cancelled => b"-ERR authentication cancelled\r\n",
        }
    }

    /// What the client did, to log. It holds nothing that the client sent.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::UnknownCommand => c"client sent unknown command",
            Self::InvalidState => c"client sent command not valid in this state",
            Self::InvalidArguments => c"client sent invalid arguments",
            Self::LineTooLong => c"client sent too long line",
            Self::HttpRequest => c"client sent HTTP request",
            Self::TooManyCommands => c"client sent too many commands",
            Self::TlsRequired => c"client tried to log in before STLS",
            Self::TlsUnavailable => c"client sent STLS that is not available",
            Self::UnsupportedMethod => c"client asked for unsupported authentication method",
            Self::InvalidBase64 => c"client sent invalid base64 encoding",
            Self::InvalidMessage => c"client sent invalid authentication message",
            Self::AuthorizationIdentity => c"client sent authorization identity other than login",
            Self::InvalidLogin => c"client sent invalid login",
            Self::InvalidPassword => c"client sent invalid password",
            Self::InvalidDigest => c"client sent invalid digest",
            Self::InvalidToken => c"client sent invalid token",
            Self::Cancelled => c"client cancelled authentication",
        }
    }

    /// Whether the session ends with it, whatever the limits are.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::HttpRequest | Self::TooManyCommands)
    }

    /// Whether it counts towards `max_errors`.
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::Cancelled)
    }
}
