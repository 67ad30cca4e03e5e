//! From the socket to the `pop3` crate and back: one client's session up to
//! the login.

use pop3::{Method, reply};

use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::nginx::relay::Relay;
use crate::nginx::scratch::Lease;
use crate::nginx::session::Session;
use crate::nginx::{Fault, NoMemory};
use crate::output::{OUTPUT, Output};
use crate::server::Server;
use crate::transfer::{Sent, copy_held, flush, receive};

/// What is kept of a session between events. Memory is held only while it is
/// needed: an idle session has none beyond this.
#[derive(Default)]
pub struct State {
    /// Where the dialogue stands.
    pub pop3: pop3::Session,
    /// What goes with it.
    pub kept: Kept,
}

/// What the dialogue has left behind.
#[derive(Default)]
pub struct Kept {
    /// What the last event did not get done. Most leave nothing.
    pub undone: Option<Undone>,
    /// The login of USER or AUTH LOGIN, or of an attempt under way.
    pub login: Option<Bytes>,
    /// The password or digest of an attempt under way.
    pub secret: Option<Bytes>,
}

/// What one event leaves to the next.
#[derive(Default)]
pub struct Undone {
    /// What is to be done when all output has gone.
    pub next: Next,
    /// Input that is not answered yet: an incomplete line, or more while
    /// `unsent` is there.
    pub input: Option<Bytes>,
    /// Output that the client has not read yet.
    pub unsent: Option<Bytes>,
    /// What nginx relays the client's bytes through after the login.
    pub relay: Option<Relay>,
}

/// What is to be done next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
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

/// Sends the greeting.
pub fn greet(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    connection.start_timer();
    connection.take_input();
    let sent = send_greeting(connection, &mut state.kept);
    connection.set_action(c"in auth state");

    match sent {
        // Bytes that came along with a PROXY protocol header or a TLS
        // handshake raise no event of their own.
        Ok(Sent::All) if connection.tls() || connection.ready() => session.read_soon(),
        Ok(Sent::All) => session.wait_for_input(),
        Ok(Sent::Part) => session.wait_for_sending(),
        Err(Fault::Broken) => session.close(),
        Err(Fault::NoMemory) => session.internal_error(),
    }
}

fn send_greeting(connection: &mut Connection<'_>, kept: &mut Kept) -> Result<Sent, Fault> {
    if !connection.conf().policy.methods.challenge() {
        return flush(connection, &mut kept.undone, reply::GREETING);
    }

    connection.make_challenge()?;
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None, connection.log())?;
    let mut output = Output::new(memory, OUTPUT);
    output.push(reply::GREETING.strip_suffix(reply::CRLF).unwrap_or_default());
    output.push(b" ");
    output.push(connection.challenge());

    flush(connection, &mut kept.undone, output.bytes())
}

/// Begins anew, when the present event is done, after a TLS handshake or a
/// login that failed.
pub fn resume(mut session: Session<'_>) {
    let connection = session.connection();
    connection.take_input();
    connection.set_action(c"in auth state");
    session.read_soon();
}

/// Serves a client that has sent something, or whose time is over.
pub fn read(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    if connection.over() {
        return session.close();
    }
    if connection.sending() {
        return session.wait_for_sending();
    }

    let next = serve(connection, state).unwrap_or_else(Next::from);
    match next {
        Next::Read if connection.ready() => session.read_next_round(),
        Next::Read => session.wait_for_input(),
        Next::Send => session.wait_for_sending(),
        Next::Authenticate => authenticate(session),
        Next::StartTls => wait_for_handshake(session),
        Next::Close | Next::Drop => session.close(),
        Next::Fail => session.internal_error(),
    }
}

/// Goes on with a client that was told to start TLS.
pub fn start_tls(mut session: Session<'_>) {
    if session.connection().over() { session.close() } else { session.handshake() }
}

fn serve(connection: &mut Connection<'_>, state: &mut State) -> Result<Next, Fault> {
    let mut held = None;
    if let Some(undone) = state.kept.undone.take() {
        match take_up(connection, &mut state.kept, undone)? {
            (Next::Read, input) => held = input,
            (next, input) => {
                state.kept.undone = Some(Undone { input, ..Undone::default() });
                return Ok(next);
            }
        }
    }

    serve_input(connection, state, held)
}

/// Takes up what the last event has left undone, now that all output has gone:
/// gives what is next, and the input that is not answered.
#[cold]
fn take_up(
    connection: &mut Connection<'_>,
    kept: &mut Kept,
    undone: Undone,
) -> Result<(Next, Option<Bytes>), Fault> {
    let Undone { next, mut input, relay, .. } = undone;

    // After a login that failed, it holds what the client had sent ahead.
    if let Some(mut relay) = relay {
        connection.take_buffer_back();
        forget_login(connection, kept);
        if !relay.bytes().is_empty() {
            input = Some(Bytes::copy_of(relay.bytes(), connection.log())?);
        }
    }

    Ok((next, input))
}

/// Asks the auth server. What the client has sent ahead goes on to the backend
/// after the login.
#[cold]
fn authenticate(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    let input = state.kept.undone.take().and_then(|undone| undone.input);
    let ahead = input.as_ref().map_or(&[][..], Bytes::as_slice);

    match Relay::new(ahead, connection.log()) {
        Ok(relay) => session.authenticate(relay),
        Err(NoMemory) => session.internal_error(),
    }
}

#[cold]
fn wait_for_handshake(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    state.kept.undone = None;
    forget_login(connection, &mut state.kept);
    session.wait_for_handshake();
}

fn forget_login(connection: &mut Connection<'_>, kept: &mut Kept) {
    connection.publish_login(None);
    connection.publish_secret(Method::Plain, None);
    kept.login = None;
    kept.secret = None;
}

/// Answers the lines that are held, or takes input once behind an incomplete
/// one and answers what there is then; keeps the rest. As nothing is taken while
/// there are lines to answer, what is held does not grow beyond that.
fn serve_input(
    connection: &mut Connection<'_>,
    state: &mut State,
    held: Option<Bytes>,
) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (memory, output) = lease.memory(held.as_ref(), connection.log())?;
    let (input, ended) = match &held {
        Some(held) if !state.pop3.wants_input() => (copy_held(held, memory)?, false),
        _ => receive(connection, held.as_ref(), memory)?,
    };

    let mut server = Server::new(connection, &mut state.kept, output);
    let (mut next, rest) = server.serve(&mut state.pop3, input, ended);
    if !rest.is_empty() {
        next = server.keep(rest, held).and(next);
    }
    // The memory is every session's: no secret stays in it.
    input.fill(0);

    next
}
