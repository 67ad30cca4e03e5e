//! What is kept of a session between events.

use ngx_mail::error::Fault;
use ngx_mail::heap::{Boxed, Bytes};

use crate::backend;

/// What is kept of a session between events. Memory is held only while it is
/// needed: an idle session has none beyond this.
#[derive(Default)]
pub struct State {
    /// Where the dialogue stands.
    pub pop3: pop3::Session,
    /// What goes with it.
    pub kept: Kept,
    /// The login at a backend that is under way.
    pub backend: Option<Boxed<backend::state::State>>,
}

/// What the dialogue has left behind. A login that was begun, an attempt and unsent
/// output are with the client: nginx is shown them.
#[derive(Default)]
pub struct Kept {
    /// What the last event did not get done. Most leave nothing.
    pub undone: Option<Undone>,
    /// The challenge of an exchange of CRAM-MD5 that was begun.
    pub challenge: Option<Bytes>,
}

/// What one event leaves to the next.
#[derive(Default)]
pub struct Undone {
    /// What is to be done when all output has gone.
    pub next: Next,
    /// Input that is not answered yet: an incomplete line, or more while
    /// output waits or the auth server is still to be asked.
    pub input: Option<Bytes>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// Take more input.
    #[default]
    Read,
    /// Wait until the client has read what was sent.
    Send,
    /// Ask the auth server.
    Authenticate,
    /// Make the TLS handshake.
    StartTls,
    /// Close the connection.
    Close,
    /// Close the connection, which is broken.
    Drop,
    /// Tell the client of an error of ours, and close the connection.
    Fail,
}

impl From<Fault> for Next {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Broken => Self::Drop,
            Fault::NoMemory => Self::Fail,
        }
    }
}
