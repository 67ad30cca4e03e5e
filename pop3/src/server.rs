//! What a session asks of its caller.

use core::ffi::CStr;

use crate::{Credentials, Methods, Refusal, StartTls};

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The login methods that are switched on.
    pub methods: Methods,
    /// Whether STLS is offered or required.
    pub starttls: StartTls,
    /// The longest line in bytes, its end included; [`Keyword::ALONE`] at least.
    pub max_line: usize,
    /// The error that ends the session.
    pub max_errors: u32,
    /// Commands before the login; the next one ends the session.
    pub max_commands: u32,
}

/// What is to be done about a line: one call for each.
pub trait Server {
    /// What is allowed.
    fn policy(&self) -> &Policy;
    /// Whether the client's lines come through TLS.
    fn tls(&self) -> bool;
    /// Sends a line.
    fn reply(&mut self, line: &'static [u8]);
    /// Sends the answer to CAPA ([`Capabilities::write`]).
    ///
    /// [`Capabilities::write`]: crate::Capabilities::write
    fn reply_capabilities(&mut self);
    /// Sends the answer to AUTH without argument ([`write_mechanisms`]).
    ///
    /// [`write_mechanisms`]: crate::capability::write_mechanisms
    fn reply_mechanisms(&mut self);
    /// Sends a fresh challenge in base64 ([`cram_md5::write_challenge`]), and
    /// keeps it in place of a login: the credentials to come answer it.
    fn reply_challenge(&mut self);
    /// Keeps the login for the credentials to come, in place of an earlier
    /// one; then sends a line.
    fn keep_login(&mut self, name: &[u8], line: &'static [u8]);
    /// Sends the refusal's reply, and logs it.
    fn refuse(&mut self, refused: &Refused);
    /// Has the credentials checked. Whether the login fails or not, the session then
    /// stands at the start of the dialogue, but for a challenge that goes with a
    /// refusal.
    fn authenticate(&mut self, credentials: &Credentials<'_>);
    /// Sends the reply to a login that was refused with a challenge, which the client
    /// has answered ([`Session::expect_answer`]), and closes if `close` is set: a limit
    /// is reached.
    ///
    /// [`Session::expect_answer`]: crate::Session::expect_answer
    fn reply_refusal(&mut self, close: bool);
    /// Sends `+OK`, throws away what else has come in, and starts TLS. A kept
    /// login is void (RFC 2595, section 4).
    fn start_tls(&mut self);
    /// Sends `+OK` and closes.
    fn quit(&mut self);
}

/// A line that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// The command or mechanism at fault, to log; nothing if it is unknown.
    pub command: Option<&'static CStr>,
    /// Whether the session ends with it: a limit is reached.
    pub close: bool,
}
