//! What is wrong with a reply.

use core::ffi::CStr;

/// What is wrong with a reply. Its connection is not to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no HTTP.
    NotHttp,
    /// Its head is longer than [`MAX_HEAD`](super::MAX_HEAD).
    HeadTooLong,
    /// It has a line that is no header, or goes on with the one before it.
    Header,
    /// It has a NUL or a CR within a line of its head.
    NulOrCr,
    /// It has an `Auth-Status` with a control character.
    Status,
    /// It lets the client in, but does not tell where.
    NoServer,
    /// It has an `Auth-Server` that can be neither an address nor a name.
    Server,
    /// It has an `Auth-Port` that is no port.
    Port,
    /// It has an `Auth-User` that is empty or has a control character.
    Login,
}

impl Unfit {
    /// What the error log says that the server did, in nginx's words where it has such.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::NotHttp => c"sent invalid response",
            Self::HeadTooLong => c"sent too long header in response",
            Self::Header => c"sent invalid header in response",
            Self::NulOrCr => c"sent NUL or CR within header in response",
            Self::Status => c"sent control character in Auth-Status",
            Self::NoServer => c"did not send server or port",
            Self::Server => c"sent invalid Auth-Server",
            Self::Port => c"sent invalid Auth-Port",
            Self::Login => c"sent invalid Auth-User",
        }
    }
}
