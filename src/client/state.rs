//! What is kept of a session between events.

use ngx_mail::error::Fault;
use ngx_mail::heap::{Boxed, Bytes};
use pop3::Method;

use crate::limits::Counted;
use crate::refusal::Refusal;
use crate::{auth, backend};

/// What is kept of a session between events. Memory is held only while it is
/// needed: an idle session has none beyond this.
#[derive(Default)]
pub struct State {
    /// Where the dialogue stands.
    pub pop3: pop3::Session,
    /// What goes with it.
    pub kept: Kept,
    /// The session, if those of its address are counted.
    pub counted: Option<Boxed<Counted>>,
}

/// What the dialogue has left behind. A login that was begun, an attempt and unsent
/// output are with the client: nginx is shown them.
#[derive(Default)]
pub struct Kept {
    /// What the last event did not get done. Most leave nothing.
    pub undone: Option<Undone>,
    /// The challenge of an exchange of CRAM-MD5 that was begun, or of the login under
    /// way.
    pub challenge: Option<Bytes>,
    /// The login that is under way.
    pub login: Option<Boxed<Login>>,
}

/// A login that is under way.
pub struct Login {
    /// How the client has proven who it is.
    pub method: Method,
    /// How far it is.
    pub stage: Stage,
}

impl Login {
    /// Takes what there is of the stage: another one begins.
    pub fn take_stage(&mut self) -> Stage {
        core::mem::replace(&mut self.stage, Stage::Begun)
    }
}

impl Kept {
    /// How far the login is that is under way.
    pub fn stage(&mut self) -> Option<&mut Stage> {
        self.login.as_deref_mut().map(|login| &mut login.stage)
    }
}

/// How far a login is.
pub enum Stage {
    /// Nobody knows of it yet.
    Begun,
    /// It waits, as others of its address have failed.
    Delayed,
    /// The auth server is asked.
    Asking(auth::state::State),
    /// It is asked again later.
    AskingLater,
    /// The client is told of a refusal later.
    Refused(Refusal),
    /// It is made at a backend.
    AtBackend(backend::state::State),
    /// It has failed: the client is told when it has answered the challenge.
    Challenged(Refusal),
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
    /// Have the credentials checked that came by this method.
    Authenticate(Method),
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
