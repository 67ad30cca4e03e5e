//! From the socket to the `pop3` crate and back: one client's session up to
//! the login.

use core::mem;

use pop3::{Action, Credentials, Login, Method, Refusal, Reply, reply, sasl};

use crate::nginx::heap::Bytes;
use crate::nginx::relay::Relay;
use crate::nginx::scratch::Lease;
use crate::nginx::session::Session;
use crate::nginx::{Fault, NoMemory};
use crate::output::Output;
use crate::transfer::{READ, Sent, flush, keep, receive};

/// What is kept of a session between events. Memory is held only while it is
/// needed: an idle session has none beyond this.
#[derive(Default)]
pub struct State {
    /// Where the dialogue stands.
    pub pop3: pop3::Session,
    /// What the next read event is for.
    next: Next,
    /// Input that is not answered yet: an incomplete line, or more while
    /// `unsent` is there.
    input: Option<Bytes>,
    /// Output that the client has not read yet.
    pub unsent: Option<Bytes>,
    /// The login of USER or AUTH LOGIN, or of an attempt under way.
    pub login: Option<Bytes>,
    /// The password or digest of an attempt under way.
    pub secret: Option<Bytes>,
    /// What nginx relays the client's bytes through after the login.
    pub relay: Option<Relay>,
}

/// What is to be done when all output has gone.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    /// Take more input.
    #[default]
    Read,
    /// Ask the auth server.
    Authenticate,
    /// Make the TLS handshake.
    StartTls,
    /// Close the connection.
    Close,
}

/// How an event leaves a session.
enum Outcome {
    /// Everything is sent; this is next.
    Next(Next),
    /// The client has to read first.
    Sending,
}

/// Sends the greeting.
pub fn greet(mut session: Session<'_>) {
    session.start_timer();
    session.take_input();

    match send_greeting(&mut session) {
        // Bytes that came along with a PROXY protocol header or a TLS
        // handshake raise no event of their own.
        Ok(Sent::All) if session.tls() || session.ready() => session.read_soon(),
        Ok(Sent::All) => session.wait_for_input(),
        Ok(Sent::Part) => session.wait_for_sending(),
        Err(fault) => end(session, &fault),
    }
}

fn send_greeting(session: &mut Session<'_>) -> Result<Sent, Fault> {
    let mut lease = Lease::take(0, session.log())?;
    let (_, memory) = lease.memory();
    let mut output = Output::new(memory);

    output.push(reply::GREETING);
    if session.conf().policy.methods.challenge() {
        session.make_challenge()?;
        output.push(b" ");
        output.push(session.challenge());
    } else {
        output.push(reply::CRLF);
    }

    flush(session, &mut output)
}

/// Begins anew after a TLS handshake.
pub fn resume(mut session: Session<'_>) {
    session.take_input();
    read(session);
}

/// Begins anew after a login that failed, when the present event is done.
pub fn resume_soon(mut session: Session<'_>) {
    session.take_input();
    session.read_soon();
}

/// Serves a client that has sent something, or whose time is over.
pub fn read(mut session: Session<'_>) {
    session.set_action(c"in auth state");

    if session.over() {
        return session.close();
    }
    if session.sending() {
        return session.wait_for_sending();
    }

    match serve(&mut session) {
        Ok(Outcome::Sending) => session.wait_for_sending(),
        Ok(Outcome::Next(Next::Read)) if session.ready() => session.read_next_round(),
        Ok(Outcome::Next(Next::Read)) => session.wait_for_input(),
        Ok(Outcome::Next(Next::Authenticate)) => session.authenticate(),
        Ok(Outcome::Next(Next::StartTls)) => session.wait_for_handshake(),
        Ok(Outcome::Next(Next::Close)) => session.close(),
        Err(fault) => end(session, &fault),
    }
}

/// Goes on with a client that was told to start TLS.
pub fn start_tls(session: Session<'_>) {
    if session.over() { session.close() } else { session.handshake() }
}

fn end(session: Session<'_>, fault: &Fault) {
    match fault {
        Fault::Broken => session.close(),
        Fault::NoMemory => session.internal_error(),
    }
}

fn serve(session: &mut Session<'_>) -> Result<Outcome, Fault> {
    session.state().unsent = None;
    take_up_after_login(session)?;

    let outcome = match mem::take(&mut session.state().next) {
        Next::Read => serve_input(session)?,
        next => Outcome::Next(next),
    };
    if let Outcome::Next(Next::Authenticate) = outcome {
        let input = session.state().input.take();
        let ahead = input.as_ref().map_or(&[][..], Bytes::as_slice);
        session.state().relay = Some(Relay::new(ahead, session.log())?);
    }
    if let Outcome::Next(Next::StartTls) = outcome {
        session.state().input = None;
        forget_login(session);
    }

    Ok(outcome)
}

/// After a login that failed: takes back what the client had sent ahead.
fn take_up_after_login(session: &mut Session<'_>) -> Result<(), NoMemory> {
    let Some(mut relay) = session.state().relay.take() else { return Ok(()) };
    session.take_buffer_back();
    forget_login(session);

    let ahead = relay.bytes();
    if !ahead.is_empty() {
        session.state().input = Some(Bytes::copy_of(ahead, session.log())?);
    }

    Ok(())
}

fn forget_login(session: &mut Session<'_>) {
    session.state().login = None;
    session.state().secret = None;
    session.publish_login();
    session.publish_secret(Method::Plain);
}

/// Takes input once, answers the lines in it and keeps the rest.
fn serve_input(session: &mut Session<'_>) -> Result<Outcome, Fault> {
    let log = session.log();
    let held = session.state().input.take();
    let head = held.as_ref().map_or(&[][..], Bytes::as_slice);
    let mut lease = Lease::take(READ.saturating_add(head.len()), log)?;
    let (memory, output) = lease.memory();
    let mut output = Output::new(output);

    let (filled, ended) = receive(session, head, memory)?;
    let input = memory.get_mut(..filled).unwrap_or_default();
    let answered = answer(session, input, &mut output);
    let rest = match answered {
        Ok((done, _)) => keep(input.get(done..).unwrap_or_default(), held, log),
        Err(_) => Ok(None),
    };
    // The memory is every session's: no secret stays in it.
    input.fill(0);

    session.state().input = rest?;
    match answered?.1 {
        None => Ok(Outcome::Sending),
        Some(Next::Read) if ended => finish(session, &mut output, Next::Close),
        Some(next) => finish(session, &mut output, next),
    }
}

/// Answers the lines of `input`. Gives the number of bytes that are done with
/// and what is next, or nothing if the client has to read first.
fn answer(
    session: &mut Session<'_>,
    input: &mut [u8],
    output: &mut Output<'_>,
) -> Result<(usize, Option<Next>), Fault> {
    let conf = session.conf();
    let tls = session.tls();
    let mut done = 0_usize;
    let mut lines = 0_usize;

    loop {
        if output.room() < conf.longest_reply && flush(session, output)? == Sent::Part {
            return Ok((done, None));
        }

        let unanswered = input.get_mut(done..).unwrap_or_default();
        let (taken, action) = session.state().pop3.next(unanswered, &conf.policy, tls);
        done = done.saturating_add(taken);
        let Some(action) = action else { return Ok((done, Some(Next::Read))) };

        lines = lines.saturating_add(1);
        if lines == 2 {
            // The replies to a client that pipelines may go in several sends:
            // none is to wait for the acknowledgement of the one before.
            session.send_without_delay();
        }
        if let Some(next) = act(session, action, output)? {
            return Ok((done, Some(next)));
        }
    }
}

/// Carries an action out; gives what is next if no other line is to be
/// answered now.
fn act(
    session: &mut Session<'_>,
    action: Action<'_>,
    output: &mut Output<'_>,
) -> Result<Option<Next>, Fault> {
    match action {
        Action::Reply(reply) => put(session, reply, output),
        Action::KeepLogin(name, reply) => {
            keep_login(session, name)?;
            put(session, reply, output);
        }
        Action::Refuse(refused) => {
            output.push(refused.reason.reply());
            session.log().client(refused.reason.log_text(), refused.command);
            if refused.close {
                if refused.reason != Refusal::TooManyCommands {
                    session.log().client(c"client sent too many invalid commands", None);
                }
                return Ok(Some(Next::Close));
            }
        }
        Action::Authenticate(credentials) => {
            take_credentials(session, &credentials)?;
            return Ok(Some(Next::Authenticate));
        }
        Action::StartTls => {
            put(session, reply::OK, output);
            return Ok(Some(Next::StartTls));
        }
        Action::Quit => {
            put(session, reply::OK, output);
            return Ok(Some(Next::Close));
        }
    }

    Ok(None)
}

/// Adds a reply to the output, which has room for the longest one.
fn put(session: &Session<'_>, reply: Reply, output: &mut Output<'_>) {
    match reply {
        Reply::Capabilities { tls } => output.push(session.conf().capabilities(tls)),
        Reply::Mechanisms => output.push(session.conf().mechanisms()),
        Reply::CramMd5Challenge => {
            let challenge = session.challenge();
            let challenge = challenge.strip_suffix(reply::CRLF).unwrap_or(challenge);
            sasl::cram_md5::write_challenge(challenge, |piece| output.push(piece));
        }
        Reply::Line(text) => output.push(text),
    }
}

fn keep_login(session: &mut Session<'_>, name: &[u8]) -> Result<(), NoMemory> {
    let copy = Bytes::copy_of(name, session.log())?;
    session.state().login = Some(copy);
    session.publish_login();
    session.log().debug_login(name);

    Ok(())
}

/// Copies credentials out of the input for the auth server.
fn take_credentials(
    session: &mut Session<'_>,
    credentials: &Credentials<'_>,
) -> Result<(), NoMemory> {
    if let Login::Given(name) = credentials.login {
        keep_login(session, name)?;
    }
    session.state().secret = match credentials.method {
        Method::External => None,
        _ => Some(Bytes::copy_of(credentials.secret.expose(), session.log())?),
    };
    session.publish_secret(credentials.method);

    Ok(())
}

/// Sends all output and tells what is next.
fn finish(
    session: &mut Session<'_>,
    output: &mut Output<'_>,
    next: Next,
) -> Result<Outcome, Fault> {
    if flush(session, output)? == Sent::All {
        return Ok(Outcome::Next(next));
    }

    session.state().next = next;
    Ok(Outcome::Sending)
}
