//! From the socket to the `pop3` crate and back: one client's session up to
//! the login.

use core::mem;

use pop3::{Method, reply};

use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::nginx::relay::Relay;
use crate::nginx::scratch::Lease;
use crate::nginx::session::Session;
use crate::nginx::{Fault, NoMemory};
use crate::output::Output;
use crate::server::answer;
use crate::transfer::{READ, Sent, flush, keep, receive};

/// What is kept of a session between events. Memory is held only while it is
/// needed: an idle session has none beyond this.
#[derive(Default)]
pub struct State {
    /// Where the dialogue stands.
    pub pop3: pop3::Session,
    /// What is to be done when all output has gone.
    next: Next,
    /// Input that is not answered yet: an incomplete line, or more while
    /// `unsent` is there.
    pub input: Option<Bytes>,
    /// Output that the client has not read yet.
    pub unsent: Option<Bytes>,
    /// The login of USER or AUTH LOGIN, or of an attempt under way.
    pub login: Option<Bytes>,
    /// The password or digest of an attempt under way.
    pub secret: Option<Bytes>,
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

    match send_greeting(connection, state) {
        // Bytes that came along with a PROXY protocol header or a TLS
        // handshake raise no event of their own.
        Ok(Sent::All) if connection.tls() || connection.ready() => session.read_soon(),
        Ok(Sent::All) => session.wait_for_input(),
        Ok(Sent::Part) => session.wait_for_sending(),
        Err(Fault::Broken) => session.close(),
        Err(Fault::NoMemory) => session.internal_error(),
    }
}

fn send_greeting(connection: &mut Connection<'_>, state: &mut State) -> Result<Sent, Fault> {
    let mut lease = Lease::take(0, connection.log())?;
    let (_, memory) = lease.memory();
    let mut output = Output::new(memory, 0);

    output.push(reply::GREETING);
    if connection.conf().policy.methods.challenge() {
        connection.make_challenge()?;
        output.push(b" ");
        output.push(connection.challenge());
    } else {
        output.push(reply::CRLF);
    }

    flush(connection, &mut state.unsent, &mut output)
}

/// Begins anew, when the present event is done, after a TLS handshake or a
/// login that failed.
pub fn resume(mut session: Session<'_>) {
    session.connection().take_input();
    session.read_soon();
}

/// Serves a client that has sent something, or whose time is over.
pub fn read(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    connection.set_action(c"in auth state");

    if connection.over() {
        return session.close();
    }
    if connection.sending() {
        return session.wait_for_sending();
    }

    match serve(connection, state) {
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

fn serve(connection: &mut Connection<'_>, state: &mut State) -> Next {
    state.unsent = None;
    if let Some(relay) = state.relay.take()
        && take_up_after_login(connection, state, relay).is_err()
    {
        return Next::Fail;
    }

    match mem::take(&mut state.next) {
        Next::Read => serve_input(connection, state),
        next => next,
    }
}

/// Asks the auth server. What the client has sent ahead goes on to the backend
/// after the login.
fn authenticate(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    let input = state.input.take();
    let ahead = input.as_ref().map_or(&[][..], Bytes::as_slice);

    match Relay::new(ahead, connection.log()) {
        Ok(relay) => session.authenticate(relay),
        Err(NoMemory) => session.internal_error(),
    }
}

/// After a login that failed: takes back what the client had sent ahead.
#[cold]
fn take_up_after_login(
    connection: &mut Connection<'_>,
    state: &mut State,
    mut relay: Relay,
) -> Result<(), NoMemory> {
    connection.take_buffer_back();
    forget_login(connection, state);

    let ahead = relay.bytes();
    if !ahead.is_empty() {
        state.input = Some(Bytes::copy_of(ahead, connection.log())?);
    }

    Ok(())
}

fn wait_for_handshake(mut session: Session<'_>) {
    let (connection, state) = session.parts();
    state.input = None;
    forget_login(connection, state);
    session.wait_for_handshake();
}

fn forget_login(connection: &mut Connection<'_>, state: &mut State) {
    connection.publish_login(None);
    connection.publish_secret(Method::Plain, None);
    state.login = None;
    state.secret = None;
}

/// Takes input once, answers the lines in it and keeps the rest.
fn serve_input(connection: &mut Connection<'_>, state: &mut State) -> Next {
    let held = state.input.take();
    let room = held.as_ref().map_or(0, |held| held.as_slice().len()).saturating_add(READ);
    let Ok(mut lease) = Lease::take(room, connection.log()) else { return Next::Fail };
    let (memory, output) = lease.memory();
    let mut output = Output::new(output, connection.conf().longest_reply);

    let (input, ended) = match receive(connection, held.as_ref(), memory) {
        Ok(received) => received,
        Err(fault) => return fault.into(),
    };
    let mut unanswered = &mut *input;
    let mut next = answer(connection, state, &mut unanswered, &mut output);
    if !unanswered.is_empty() {
        match keep(unanswered, held, connection.log()) {
            Ok(kept) => state.input = Some(kept),
            Err(NoMemory) => next = Next::Fail,
        }
    }
    // The memory is every session's: no secret stays in it.
    input.fill(0);

    match next {
        Next::Send | Next::Drop | Next::Fail => next,
        Next::Read if ended => finish(connection, state, &mut output, Next::Close),
        _ => finish(connection, state, &mut output, next),
    }
}

/// Sends all output; gives what is next.
fn finish(
    connection: &mut Connection<'_>,
    state: &mut State,
    output: &mut Output<'_>,
    next: Next,
) -> Next {
    match flush(connection, &mut state.unsent, output) {
        Ok(Sent::All) => next,
        Ok(Sent::Part) => {
            state.next = next;
            Next::Send
        }
        Err(fault) => fault.into(),
    }
}
