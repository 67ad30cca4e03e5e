//! From a backend's socket to the `pop3` crate and back.

use core::ffi::CStr;

use ngx_mail::backend::Backend;
use ngx_mail::client::{Client, Received};
use ngx_mail::endpoint::Endpoint;
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;
use ngx_mail::login::Event;
use pop3::backend::{self as protocol, Command, Facts, Step, Xclient};
use pop3::{Method, OAuth, ResponseCode, Secret};

use super::state::State;
use crate::gather::gather;
use crate::refusal::{By, Refusal, Refused};

/// Who logs in, and with what.
#[derive(Clone, Copy)]
pub struct Credentials<'s> {
    /// How the client has proven that.
    pub method: Method,
    /// Who.
    pub login: &'s [u8],
    /// The password, or the token.
    pub secret: Secret<'s>,
}

impl Credentials<'_> {
    /// Whether a text may hold the password, or any part or form of the token: there are
    /// backends that repeat what they refuse.
    fn may_be_in(&self, text: &[u8]) -> bool {
        OAuth::of(self.method).is_some() || self.secret.is_in(text)
    }
}

/// How a login goes on.
pub enum Next {
    /// When the backend has sent more.
    Wait,
    /// With the TLS handshake.
    StartTls,
    /// The client is logged in, and is to be sent this line of the backend.
    Relay(Bytes),
    /// The credentials are refused, which the client is to be told.
    Refuse(Refusal),
    /// There can be no login at this backend. The reason has been logged.
    Fail,
    /// There is no memory.
    NoMemory,
}

/// Goes on at an event of the backend, by one step.
pub fn step(
    event: Event,
    backend: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
    credentials: &Credentials<'_>,
) -> Next {
    let next = match event {
        Event::Secured => secured(backend, client, state, credentials),
        _ => read(backend, client, state, credentials),
    };
    next.unwrap_or_else(|fault| match fault {
        Fault::Broken => Next::Fail,
        Fault::NoMemory => Next::NoMemory,
    })
}

/// Takes what the backend has sent, and answers it.
fn read(
    backend: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
    credentials: &Credentials<'_>,
) -> Result<Next, Fault> {
    backend.set_action(c"reading response from upstream");
    let taken = receive(backend, client, state)?;
    if !taken.bytes && !taken.end {
        return Ok(Next::Wait);
    }

    let greeted = state.dialogue.greeted();
    let next = match state.dialogue.next(state.input.as_slice()) {
        // What it says last is heard, but nothing can follow.
        Step::Wait | Step::Send(_) | Step::Challenged(..) | Step::StartTls if taken.end => {
            backend.log_error(c"closed connection", b"");
            return Ok(Next::Fail);
        }
        Step::Wait => return Ok(Next::Wait),
        Step::StartTls => Next::StartTls,
        Step::LoggedIn(line) => Next::Relay(client.copy(line)?),
        Step::Refused(code, text) => {
            let refused = Refused {
                by: By::Backend,
                method: credentials.method,
                code,
                words: if credentials.may_be_in(text) { b"" } else { text },
                challenge: state.challenge.as_ref().map(Bytes::as_slice),
            };
            let text = ResponseCode::split(text).1;
            let text = if backend.passes_error_message() { text } else { b"" };
            Next::Refuse(Refusal::new(client, &refused, |put| code.write(text, put))?)
        }
        Step::Broken(broken, text) => {
            backend.log_error(broken.log_text(), text);
            return Ok(Next::Fail);
        }
        Step::Challenged(command, error) => {
            state.challenge = Some(client.copy(error)?);
            send(backend, client, state, credentials, command)?;
            Next::Wait
        }
        Step::Send(command) => {
            if !greeted {
                // It has spent its share of the time that there is for all.
                backend.set_timer(1);
            }
            send(backend, client, state, credentials, command)?;
            Next::Wait
        }
    };
    state.input.clear();

    Ok(next)
}

/// What has come of a backend.
#[derive(Default)]
struct Taken {
    /// Whether there were any bytes.
    bytes: bool,
    /// Whether it has ended.
    end: bool,
}

/// Takes what has come. A line that fills the room is not the end of it: what is behind
/// that, ahead of its turn, must not be taken for the next one; and nginx does not tell of
/// an end twice.
fn receive(
    backend: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
) -> Result<Taken, Fault> {
    client.logged(state.make_room())?;
    let mut taken = Taken::default();
    match backend.receive(state.input.room())? {
        Received::Bytes(count) => {
            state.input.grow(count);
            if state.input.room().is_empty() && state.can_grow() {
                taken = receive(backend, client, state)?;
            }
            taken.bytes = true;
        }
        Received::Nothing => {}
        Received::End => taken.end = true,
    }

    Ok(taken)
}

/// Goes on in TLS, where STLS was sent before.
fn secured(
    backend: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
    credentials: &Credentials<'_>,
) -> Result<Next, Fault> {
    let command = state.dialogue.secured();
    send(backend, client, state, credentials, command)?;

    Ok(Next::Wait)
}

fn send(
    backend: &mut impl Backend,
    client: &impl Client,
    state: &State,
    credentials: &Credentials<'_>,
    command: Command,
) -> Result<(), Fault> {
    backend.set_action(action(command));
    if command.begins_login() && state.dialogue.lacks_xclient() {
        client.log(c"upstream does not offer XCLIENT: it is not told of the client", None);
    }
    let line = match command {
        Command::Xclient => xclient_line(client, credentials),
        command => command_line(client, command, credentials, None),
    };

    backend.send_all(line?.as_slice())
}

fn xclient_line(client: &impl Client, credentials: &Credentials<'_>) -> Result<Bytes, NoMemory> {
    let (from, to, session) = (client.client_endpoint(), client.server_endpoint(), client.name());
    let xclient = Xclient {
        client: from.as_ref().map(endpoint),
        server: to.as_ref().map(endpoint),
        session: session.as_bytes(),
        tls: client.tls(),
    };

    command_line(client, Command::Xclient, credentials, Some(xclient))
}

fn endpoint(endpoint: &Endpoint) -> protocol::Endpoint<'_> {
    protocol::Endpoint { address: endpoint.address.as_bytes(), port: endpoint.port.as_bytes() }
}

/// The command with its CRLF: it is wiped when it has gone.
fn command_line(
    client: &impl Client,
    command: Command,
    credentials: &Credentials<'_>,
    xclient: Option<Xclient<'_>>,
) -> Result<Bytes, NoMemory> {
    let &Credentials { login, secret, .. } = credentials;
    let facts = Facts { login, secret, xclient };
    gather(client, |put| command.write(&facts, put))
}

const fn action(command: Command) -> &'static CStr {
    match command {
        Command::Stls => c"sending STLS to upstream",
        Command::Xclient => c"sending XCLIENT to upstream",
        Command::User => c"sending user name to upstream",
        Command::Pass => c"sending password to upstream",
        Command::UserAndPass => c"sending user name and password to upstream",
        Command::AuthWithToken(_) | Command::Auth(_) | Command::Token(_) | Command::Answer(_) => {
            c"sending token to upstream"
        }
    }
}
