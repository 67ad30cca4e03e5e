//! What a session is asked for.

/// How much is taken of the longest value, a login: the longest mailbox of RFC 5321, section
/// 4.5.3.1. It bounds what a client can have written.
pub const MAX_VALUE: usize = 320;

/// From one list, so that no variable is without a name or left out of `ALL`.
macro_rules! variables {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, at most $longest:expr,)*) => {
        /// What a line can tell of a session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Variable {
            $($(#[$doc])* $variant,)*
        }

        impl Variable {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in a format.
            pub const fn name(self) -> &'static [u8] {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How many bytes of its value are taken: what is behind is left out, were it a
            /// part of a character.
            pub const fn longest(self) -> usize {
                match self {
                    $(Self::$variant => $longest,)*
                }
            }
        }
    };
}

variables! {
    /// The client's address.
    RemoteAddr = b"remote_addr", at most 64,
    /// The client's port.
    RemotePort = b"remote_port", at most 5,
    /// The address that the client has connected to.
    ServerAddr = b"server_addr", at most 64,
    /// The port that the client has connected to.
    ServerPort = b"server_port", at most 5,
    /// The connection's number.
    Connection = b"connection", at most 20,
    /// The time, in local time with its offset.
    TimeIso8601 = b"time_iso8601", at most 25,
    /// The time, in seconds with milliseconds.
    Msec = b"msec", at most 21,
    /// Who logs in, once that is known.
    Login = b"login", at most MAX_VALUE,
    /// By which method.
    Method = b"method", at most 16,
    /// Whether somebody has logged in, or tried to.
    Status = b"status", at most 8,
    /// How many logins there were.
    LoginAttempts = b"login_attempts", at most 20,
    /// The version of TLS.
    SslProtocol = b"ssl_protocol", at most 16,
    /// The cipher of TLS.
    SslCipher = b"ssl_cipher", at most 64,
    /// The backend's address.
    UpstreamAddr = b"upstream_addr", at most 128,
    /// The version of TLS to the backend.
    UpstreamSslProtocol = b"upstream_ssl_protocol", at most 16,
    /// How many bytes came from the client.
    BytesReceived = b"bytes_received", at most 20,
    /// How many bytes went to the client.
    BytesSent = b"bytes_sent", at most 20,
    /// From the connection to the login, in seconds with milliseconds.
    LoginTime = b"login_time", at most 21,
    /// From the connection to its end, in seconds with milliseconds.
    SessionTime = b"session_time", at most 21,
    /// What has ended it.
    End = b"end", at most 8,
}

impl Variable {
    /// Whether its value may be any text, where others are numbers, addresses and words of
    /// which no byte is special.
    pub const fn is_free(self) -> bool {
        matches!(self, Self::Login | Self::UpstreamAddr)
    }

    /// That of a name, whose letters are as they stand.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|variable| variable.name() == name)
    }
}
