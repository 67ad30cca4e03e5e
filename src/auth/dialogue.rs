//! From an auth server's socket to the `auth-http` crate and back.

use core::ffi::CStr;

use auth_http::request::is_escaped_in;
use auth_http::{Answer, Body, Parsed, Reply, reply};
use ngx_mail::attempt::Attempt;
use ngx_mail::backend::Backend;
use ngx_mail::client::{Client, Received};
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;
use pop3::sasl::oauth::is_error;
use pop3::{Method, OAuth, ResponseCode, Secret};

use super::state::State;
use crate::refusal::{By, Refusal, Refused};

/// How the question goes on.
pub enum Next {
    /// When the server has sent more.
    Wait,
    /// When the rest of a reply has come whose answer is known, or soon without it.
    WaitForRest,
    /// When the server takes more.
    WaitToSend,
    /// With another connection: the server had closed this one.
    Again,
    /// With another connection: what this one has sent is not for this session.
    Ahead,
    /// With the answer.
    Answered(Outcome, End),
    /// There is no answer. The reason has been logged.
    Fail,
    /// There is no memory.
    NoMemory,
}

/// How a reply has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its connection may be used again.
    Clean,
    /// Its connection may not.
    Unclear,
    /// More has come than the reply.
    Surplus,
}

/// What an auth server has said.
pub enum Outcome {
    /// Where the login goes.
    Route(Route),
    /// It is to be asked again after so many seconds.
    Later(usize),
    /// The credentials are refused: what the client is to be told, and after so many
    /// seconds; without those, its session ends.
    Refused(Refusal, Option<usize>),
}

/// Where a login goes.
pub struct Route {
    /// An address, or a name.
    pub server: Bytes,
    /// The port.
    pub port: u16,
    /// Who logs in there, if that is another one.
    pub login: Option<Bytes>,
    /// The password there, if it is another one.
    pub password: Option<Bytes>,
}

/// Sends what is left of the request.
pub fn send(server: &mut impl Backend, state: &mut State) -> Next {
    match server.send(state.unsent()) {
        Ok(count) => {
            state.sent = state.sent.saturating_add(count);
            wait(state)
        }
        Err(_) => broken(server, state),
    }
}

/// Waits for more of the reply, and until the server has all of the request.
fn wait(state: &State) -> Next {
    if state.unsent().is_empty() { Next::Wait } else { Next::WaitToSend }
}

/// Goes on where the connection is broken: with another one if this one need not have
/// been asked.
fn broken(server: &impl Backend, state: &State) -> Next {
    if state.kept && state.reply.as_slice().is_empty() {
        return Next::Again;
    }
    let asked = state.unsent().is_empty();
    let (before_reply, before_request): (&CStr, &CStr) = (
        c"closed connection before its reply was complete",
        c"closed connection before it was asked",
    );
    server.log_error(if asked { before_reply } else { before_request }, b"");
    if state.sent == 0 { Next::Again } else { Next::Fail }
}

/// Takes what has come of the reply. With `keep`, all of it is waited for.
pub fn read(
    server: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
    method: Method,
    keep: bool,
) -> Next {
    try_read(server, client, state, method, keep).unwrap_or_else(|fault| match fault {
        Fault::Broken => broken(server, state),
        Fault::NoMemory => Next::NoMemory,
    })
}

fn try_read(
    server: &mut impl Backend,
    client: &impl Client,
    state: &mut State,
    method: Method,
    keep: bool,
) -> Result<Next, Fault> {
    client.logged(state.make_room())?;
    let ended = match server.receive(state.reply.room())? {
        Received::Bytes(count) => {
            state.reply.grow(count);
            false
        }
        Received::Nothing => return Ok(wait(state)),
        Received::End => true,
    };
    if state.sent == 0 && !ended {
        return Ok(ahead(server, state));
    }
    let reply = match reply::parse(state.reply.as_slice()) {
        Ok(Parsed::Complete(reply)) => reply,
        Ok(Parsed::Incomplete) if ended => return Err(Fault::Broken),
        Ok(Parsed::Incomplete) => return Ok(wait(state)),
        Err(unfit) => {
            server.log_error(unfit.log_text(), b"");
            return Ok(Next::Fail);
        }
    };
    let end = if keep && !ended { end(&reply, state) } else { Some(End::Unclear) };
    let Some(end) = end else { return Ok(Next::WaitForRest) };
    if let Answer::Refused(auth_http::Refusal { challenge: Some(text), .. }) = reply.answer
        && OAuth::of(method).is_some()
        && !is_error(text)
    {
        // Without the text: it may repeat the token, and hold any control character.
        server.log_error(c"sent invalid Auth-Error-SASL", b"");
    }

    Ok(Next::Answered(outcome(client, &reply.answer, method)?, end))
}

/// Goes on where the server has sent something before it was asked.
fn ahead(server: &impl Backend, state: &State) -> Next {
    if state.kept {
        return Next::Ahead;
    }
    server.log_error(c"sent response before it was asked", b"");
    Next::Fail
}

/// How the reply has ended; nothing if its end may still come. A server that has not all
/// of the request would take the next one for a part of it.
fn end(reply: &Reply<'_>, state: &State) -> Option<End> {
    if !state.unsent().is_empty() || reply.body == Body::Unknown {
        return Some(End::Unclear);
    }
    let input = state.reply.as_slice().len();
    let behind = input.saturating_sub(reply.length).try_into().unwrap_or(u64::MAX);
    match reply.body.take(behind) {
        Body::Ended => Some(End::Clean),
        Body::Unknown => Some(End::Surplus),
        Body::Length(left) => {
            let room = reply::MAX_HEAD.saturating_sub(input);
            let may_come = usize::try_from(left).is_ok_and(|left| left <= room);
            if may_come { None } else { Some(End::Unclear) }
        }
    }
}

/// The answer that has come before the server failed, if it has: what was still waited
/// for was behind it.
pub fn failed(client: &impl Client, state: &State, method: Method) -> Next {
    let Ok(Parsed::Complete(reply)) = reply::parse(state.reply.as_slice()) else {
        return Next::Fail;
    };
    match outcome(client, &reply.answer, method) {
        Ok(outcome) => Next::Answered(outcome, End::Unclear),
        Err(NoMemory) => Next::NoMemory,
    }
}

fn outcome(client: &impl Client, answer: &Answer<'_>, method: Method) -> Result<Outcome, NoMemory> {
    let copy = |bytes: Option<&[u8]>| bytes.map(|bytes| client.copy(bytes)).transpose();
    Ok(match answer {
        Answer::Route(route) => Outcome::Route(Route {
            server: client.copy(route.server)?,
            port: route.port,
            login: copy(route.login)?,
            password: copy(route.password.map(|password| password.expose()))?,
        }),
        Answer::Wait(seconds) => {
            Outcome::Later(seconds.map_or(1, |seconds| seconds.get() as usize))
        }
        Answer::Refused(refused) => {
            let wait = refused.wait.map(|seconds| seconds.get() as usize);
            Outcome::Refused(refusal(client, refused, method)?, wait)
        }
    })
}

fn refusal(
    client: &impl Client,
    refused: &auth_http::Refusal<'_>,
    method: Method,
) -> Result<Refusal, NoMemory> {
    let text = refused.text;
    // There may be auth servers that repeat the password, or a part of the token.
    let secret = client.attempt().map_or(&[][..], Attempt::secret);
    let repeated = Secret::new(secret).is_in(text) || is_escaped_in(secret, text);
    let loggable = OAuth::of(method).is_none() && !repeated;
    let login = Refused {
        by: By::AuthServer,
        method,
        code: ResponseCode::split(text).0,
        words: if loggable { text } else { b"" },
        challenge: refused.challenge.filter(|error| is_error(error)),
    };
    let refusal = Refusal::new(client, &login, |put| ResponseCode::write_text(text, put))?;

    Ok(Refusal { last: refused.wait.is_none(), ..refusal })
}
