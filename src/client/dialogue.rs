//! What is done at each event. Nothing here ends a session: what is to be done with
//! it comes back as [`Next`].

use ngx_mail::client::Client;
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;
use ngx_mail::scratch::Lease;

use super::server::Server;
use super::state::{Kept, Next, Stage, State, Undone};
use super::transfer::{copy_held, receive};
use crate::conf::ServerConf;
use crate::refusal::Refusal;

/// Sends the greeting.
pub fn greet(client: impl Client, conf: &ServerConf, state: &mut State) -> Next {
    send_greeting(client, conf, state).unwrap_or_else(Next::from)
}

fn send_greeting(client: impl Client, conf: &ServerConf, state: &mut State) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None)?;
    let mut server = Server::new(client, conf, &mut state.kept, memory);
    server.greet()?;

    Ok(server.next())
}

/// Tells a client that its address has too many sessions.
pub fn turn_away(client: impl Client, conf: &ServerConf, state: &mut State) -> Next {
    send_off(client, conf, state).unwrap_or_else(Next::from)
}

fn send_off(client: impl Client, conf: &ServerConf, state: &mut State) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None)?;
    let mut server = Server::new(client, conf, &mut state.kept, memory);
    server.turn_away();

    Ok(server.next())
}

/// Has the next event begin anew, after a TLS handshake or a login that failed: that
/// one is taken back then ([`take_up`]), as the mail core is not done with the session
/// yet, and it may have to be closed.
pub fn resume(state: &mut State) {
    state.kept.undone.get_or_insert_default();
}

/// Serves a client that has sent something, or has taken what was sent.
#[inline(always)]
pub fn read(mut client: impl Client, conf: &ServerConf, state: &mut State) -> Next {
    match &state.kept.undone {
        // It may be the mail core's own reply that is still to be sent, and the
        // session over then.
        None if !client.sending() => {
            serve(client.reborrow(), conf, state, None).unwrap_or_else(Next::from)
        }
        _ => take_up(client.reborrow(), conf, state).unwrap_or_else(Next::from),
    }
}

/// Takes up what the last event has left undone, when all output has gone.
#[cold]
#[inline(never)]
fn take_up(mut client: impl Client, conf: &ServerConf, state: &mut State) -> Result<Next, Fault> {
    if !client.restart_timer() {
        return Ok(Next::Close);
    }
    if client.sending() {
        return Ok(Next::Send);
    }
    client.forget_sent();
    let Undone { next, mut input } = state.kept.undone.take().unwrap_or_default();
    if next != Next::Read {
        state.kept.undone = Some(Undone { input, ..Undone::default() });
        return Ok(next);
    }

    // A login has failed. The buffer holds what the client had sent ahead.
    if let Some(attempt) = client.take_attempt()
        && !attempt.ahead().is_empty()
    {
        input = Some(client.copy(attempt.ahead())?);
    }

    serve(client, conf, state, input)
}

/// Has what the client has sent ahead of the outcome go on to the backend after the
/// login: that is begun next.
///
/// # Errors
///
/// There is no memory.
pub fn hand_on(client: &mut impl Client, state: &mut State) -> Result<(), NoMemory> {
    match state.kept.undone.take() {
        Some(Undone { input: Some(input), .. }) => client.put_ahead(input.as_slice()),
        _ => Ok(()),
    }
}

/// Tells the client that its login has failed, with this reply. The session goes on
/// then, unless it is the last one, a limit is reached or its time is over.
pub fn refuse(
    client: impl Client,
    conf: &ServerConf,
    state: &mut State,
    reply: &[u8],
    last: bool,
) -> Next {
    send_refusal(client, conf, state, reply, last).unwrap_or_else(Next::from)
}

fn send_refusal(
    mut client: impl Client,
    conf: &ServerConf,
    state: &mut State,
    reply: &[u8],
    last: bool,
) -> Result<Next, Fault> {
    let over = last || !client.restart_timer();
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None)?;
    let mut server = Server::new(client, conf, &mut state.kept, memory);
    server.refuse_login(&mut state.pop3, reply, over);

    Ok(server.next())
}

/// Sends the client the challenge that tells why its login has failed. It is told of the
/// refusal when it has answered.
pub fn challenge(
    client: impl Client,
    conf: &ServerConf,
    state: &mut State,
    challenge: &Bytes,
    refusal: Refusal,
) -> Next {
    send_challenge(client, conf, state, challenge, refusal).unwrap_or_else(Next::from)
}

fn send_challenge(
    client: impl Client,
    conf: &ServerConf,
    state: &mut State,
    challenge: &Bytes,
    refusal: Refusal,
) -> Result<Next, Fault> {
    let stage = state.kept.stage().ok_or(Fault::NoMemory)?;
    *stage = Stage::Challenged(refusal);
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let (_, memory) = lease.memory(None)?;
    let mut server = Server::new(client, conf, &mut state.kept, memory);
    server.challenge(&mut state.pop3, challenge.as_slice());

    Ok(server.next())
}

/// Forgets what was learnt before TLS (RFC 2595, section 4).
pub fn forget(client: &mut impl Client, state: &mut State) {
    client.hide_login();
    drop(client.take_attempt());
    state.kept = Kept::default();
}

/// Answers the lines that are held, or takes input once behind an incomplete
/// one and answers what there is then; keeps the rest. As nothing is taken while
/// there are lines to answer, what is held does not grow beyond that.
///
/// Inlined, with what it calls for each line: most events find nothing held, and
/// little is left of it then.
#[inline(always)]
fn serve(
    mut client: impl Client,
    conf: &ServerConf,
    state: &mut State,
    held: Option<Bytes>,
) -> Result<Next, Fault> {
    let mut lease = Lease::take().ok_or(Fault::NoMemory)?;
    let memory = lease.memory(held.as_ref());
    let (memory, output) = client.logged(memory)?;
    let input = match &held {
        Some(held) if !state.pop3.wants_input() => copy_held(held, memory)?,
        _ => match receive(&mut client, held.as_ref(), memory)? {
            Some(input) => input,
            None => return Ok(Next::Close),
        },
    };

    let mut server = Server::new(client.reborrow(), conf, &mut state.kept, output);
    let rest = server.serve(&mut state.pop3, input);
    if !rest.is_empty() {
        server.keep(rest, held);
    }
    let next = server.next();
    // The memory is every session's: no secret stays in it.
    input.fill(0);

    Ok(next)
}
