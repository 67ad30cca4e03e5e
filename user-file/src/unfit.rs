//! What is wrong with a line.

use core::ffi::CStr;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has one field.
    NoColon,
    /// It has nothing before its first colon.
    EmptyLogin,
    /// It has a login with a control character.
    Login,
    /// It has a backend with a control character.
    Backend,
    /// It has a field that is longer than [`MAX_FIELD`](crate::line::MAX_FIELD).
    TooLong,
    /// It has a text in clear that is empty.
    EmptyPlain,
    /// It has a text in clear with a byte that no client can send.
    Plain,
    /// It has a text in base64 that is none.
    PlainBase64,
    /// It has a `{SHA}` that is no SHA-1.
    Sha,
    /// It has an `{SSHA}` that is no SHA-1 with a salt.
    Ssha,
    /// It has an `$apr1$`, `$1$`, `$5$` or `$6$` that no password can fit.
    Crypt,
    /// It has a password with neither a `{SCHEME}` nor a `$...$`.
    NoPrefix,
    /// It has another scheme.
    Scheme,
    /// It has another `$...$`.
    Hash,
    /// It has an `$5$` or `$6$` of more than [`MAX_ROUNDS`](crate::password::MAX_ROUNDS).
    Rounds,
    /// It has a hash of one class more than
    /// [`MAX_CLASSES`](crate::classes::MAX_CLASSES).
    ManyClasses,
    /// It has a hash of a class which with those before it takes more than
    /// [`MAX_ROUNDS`](crate::classes::MAX_ROUNDS).
    ManyRounds,
    /// It has a hash by bcrypt.
    Bcrypt,
    /// It has a hash by yescrypt or gost-yescrypt.
    Yescrypt,
    /// It has a hash by scrypt.
    Scrypt,
}

impl Unfit {
    /// What the error log says of the line, and what to do about it.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::NoColon => {
                c"no \":\" in it; write login:password, or login: if the backend checks the password"
            }
            Self::EmptyLogin => c"no login before the first \":\"; begin a comment with \"#\"",
            Self::Login => c"control character in the login; take it out",
            Self::Backend => c"control character behind the second \":\"; take it out",
            Self::TooLong => c"more than 4096 bytes in a field; shorten it",
            Self::EmptyPlain => {
                c"no text in the password; write some, or no password at all if the backend checks it"
            }
            Self::Plain => c"CR, LF or NUL in the password, which no client can send; take it out",
            Self::PlainBase64 => c"no base64 behind {PLAIN.b64}; encode the text anew, with its padding",
            Self::Sha => c"no SHA-1 in base64 behind {SHA}; make the hash anew",
            Self::Ssha => c"no SHA-1 and salt in base64 behind {SSHA}; make the hash anew",
            Self::Crypt => c"$apr1$, $1$, $5$ or $6$ in a wrong form; make the hash anew",
            Self::NoPrefix => {
                c"password without a prefix, as DES crypt has none; put {PLAIN} before a text, \
                  or use {SSHA} or $6$"
            }
            Self::Scheme => {
                c"unknown scheme of the password; use {PLAIN}, {PLAIN.b64}, {SHA} or {SSHA}, \
                  or $apr1$, $1$, $5$ or $6$ without a scheme before it"
            }
            Self::Hash => {
                c"unknown hash of the password; use $apr1$, $1$, $5$ or $6$, \
                  or {PLAIN}, {PLAIN.b64}, {SHA} or {SSHA}"
            }
            Self::Rounds => {
                c"more than 20000 rounds, for which all sessions of a worker would wait; \
                  use $5$ or $6$ with fewer"
            }
            Self::ManyClasses => {
                c"ninth kind of hash in the file, each of which a wrong password is checked with; \
                  make the hashes with the same prefix and the same number of rounds"
            }
            Self::ManyRounds => {
                c"more than 30000 rounds in all kinds of hashes in the file, each of which a wrong \
                  password is checked with; make the hashes with the same prefix and the same \
                  number of rounds"
            }
            Self::Bcrypt => {
                c"hash by bcrypt, for which all sessions of a worker would wait; use {SSHA} or $6$"
            }
            Self::Yescrypt => {
                c"hash by yescrypt, for which all sessions of a worker would wait; use {SSHA} or $6$"
            }
            Self::Scrypt => {
                c"hash by scrypt, for which all sessions of a worker would wait; use {SSHA} or $6$"
            }
        }
    }
}
