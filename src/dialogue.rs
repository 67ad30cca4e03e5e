//! From the socket to the `pop3` crate and back: one client's session up to
//! the login.

use crate::nginx::attempt::Attempt;
use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::nginx::scratch::Lease;
use crate::nginx::session::Session;
use crate::nginx::{Fault, NoMemory};
use crate::server::Server;
use crate::transfer::{copy_held, receive};

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
    /// What a login that has been begun goes on from: the login of USER or AUTH
    /// LOGIN, the challenge of AUTH CRAM-MD5.
    pub begun: Option<Bytes>,
    /// The login attempt under way.
    pub attempt: Option<Attempt>,
}

/// What one event leaves to the next.
#[derive(Default)]
pub struct Undone {
    /// What is to be done when all output has gone.
    pub next: Next,
    /// Input that is not answered yet: an incomplete line, or more while
    /// `unsent` is there or the auth server is still to be asked.
    pub input: Option<Bytes>,
    /// Output that the client has not read yet.
    pub unsent: Option<Bytes>,
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
    let (mut connection, state) = session.parts();
    if connection.over() {
        return session.close();
    }
    connection.take_input();
    connection.start_timer();
    let next = send_greeting(&mut connection, &mut state.kept).unwrap_or_else(Next::from);
    connection.set_action(c"in auth state");

    match next {
        // Bytes that came along with a PROXY protocol header or a TLS
        // handshake raise no event of their own.
        Next::Read if connection.tls() || connection.ready() => session.read_soon(),
        next => go_on(session, next),
    }
}

fn send_greeting(connection: &mut Connection<'_>, kept: &mut Kept) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None, connection.log())?;
    let mut server = Server::new(connection.reborrow(), kept, memory);
    server.greet()?;

    Ok(server.next())
}

/// Begins anew, when the present event is done, after a TLS handshake or a
/// login that failed: that one is taken back by the event to come ([`take_up`]),
/// as the mail core is not done with the session yet, and it may have to be closed.
pub fn resume(mut session: Session<'_>) {
    let (mut connection, state) = session.parts();
    state.kept.undone.get_or_insert_default();
    connection.take_input();
    connection.set_action(c"in auth state");
    session.read_soon();
}

/// Serves a client that has sent something, or whose time is over.
pub fn read(mut session: Session<'_>) {
    let (mut connection, state) = session.parts();
    if connection.over() {
        return session.close();
    }

    let next = match &state.kept.undone {
        // It may be the mail core's own reply that is still to be sent, and the
        // session over then.
        None if !connection.sending() => {
            serve(&mut connection, state, None).unwrap_or_else(Next::from)
        }
        _ => take_up(&mut connection, state).unwrap_or_else(Next::from),
    };
    match next {
        Next::Read if connection.ready() => session.read_next_round(),
        next => go_on(session, next),
    }
}

/// Inlined: this is how most events end.
#[inline(always)]
fn go_on(session: Session<'_>, next: Next) {
    match next {
        Next::Read | Next::Send => session.wait_for_input(),
        Next::Authenticate => authenticate(session),
        Next::StartTls => wait_for_handshake(session),
        Next::Close | Next::Drop => session.close(),
        Next::Fail => fail(session),
    }
}

/// Goes on with a client that was told to start TLS.
pub fn start_tls(mut session: Session<'_>) {
    if session.connection().over() { session.close() } else { session.handshake() }
}

/// Takes up what the last event has left undone, when all output has gone.
#[cold]
#[inline(never)]
fn take_up(connection: &mut Connection<'_>, state: &mut State) -> Result<Next, Fault> {
    if !connection.restart_timer() {
        return Ok(Next::Close);
    }
    if connection.sending() {
        return Ok(Next::Send);
    }
    let Undone { next, mut input, .. } = state.kept.undone.take().unwrap_or_default();
    if next != Next::Read {
        state.kept.undone = Some(Undone { input, ..Undone::default() });
        return Ok(next);
    }

    // A login has failed. The buffer holds what the client had sent ahead.
    if let Some(mut attempt) = state.kept.attempt.take() {
        connection.hide_attempt(&attempt);
        if !attempt.bytes().is_empty() {
            input = Some(Bytes::copy_of(attempt.bytes(), connection.log())?);
        }
    }

    serve(connection, state, input)
}

/// Asks the auth server.
fn authenticate(mut session: Session<'_>) {
    let (mut connection, state) = session.parts();
    let Kept { undone, attempt: Some(attempt), .. } = &mut state.kept else {
        return fail(session);
    };
    if let Some(undone) = undone.take()
        && hand_on(undone, attempt, &mut connection).is_err()
    {
        return fail(session);
    }
    session.authenticate();
}

/// Has what the client has sent ahead go on to the backend after the login.
#[cold]
#[inline(never)]
fn hand_on(
    undone: Undone,
    attempt: &mut Attempt,
    connection: &mut Connection<'_>,
) -> Result<(), NoMemory> {
    if let Some(input) = undone.input {
        attempt.put_ahead(input.as_slice(), connection.log())?;
        // Or nobody would call for it after a login that fails, if its reply
        // has gone before Auth-Wait is over (ngx_mail_auth_sleep_handler()).
        connection.set_ready();
    }

    Ok(())
}

/// Tells the client of an error of ours.
#[cold]
fn fail(session: Session<'_>) {
    session.internal_error();
}

#[cold]
fn wait_for_handshake(mut session: Session<'_>) {
    let (mut connection, state) = session.parts();
    connection.hide_login();
    state.kept = Kept::default();
    session.wait_for_handshake();
}

/// Answers the lines that are held, or takes input once behind an incomplete
/// one and answers what there is then; keeps the rest. As nothing is taken while
/// there are lines to answer, what is held does not grow beyond that.
///
/// Inlined, with what it calls for each line: most events find nothing held, and
/// little is left of it then.
#[inline(always)]
fn serve(
    connection: &mut Connection<'_>,
    state: &mut State,
    held: Option<Bytes>,
) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (memory, output) = lease.memory(held.as_ref(), connection.log())?;
    let input = match &held {
        Some(held) if !state.pop3.wants_input() => copy_held(held, memory)?,
        _ => match receive(connection, held.as_ref(), memory)? {
            Some(input) => input,
            None => return Ok(Next::Close),
        },
    };

    let mut server = Server::new(connection.reborrow(), &mut state.kept, output);
    let rest = server.serve(&mut state.pop3, input);
    if !rest.is_empty() {
        server.keep(rest, held);
    }
    let next = server.next();
    // The memory is every session's: no secret stays in it.
    input.fill(0);

    Ok(next)
}
