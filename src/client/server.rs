//! What is done about a client's lines.

use core::ffi::CStr;
use core::ops::ControlFlow::{Break, Continue};

use ngx_mail::attempt::Attempt;
use ngx_mail::client::Client;
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;
use ngx_mail::record::End;
use ngx_mail::scratch::OUTPUT;
use pop3::{Credentials, Login, Method, Policy, Refused, reply, sasl};

use super::output::Output;
use super::state::{Kept, Next, Stage};
use super::transfer::keep;
use crate::conf::ServerConf;

/// What stands before a login in a log line at level debug.
const LOGIN: &CStr = c"pop3 login";

/// Does what the `pop3` crate says about a client's lines.
pub struct Server<'s, C> {
    client: C,
    conf: &'s ServerConf,
    kept: &'s mut Kept,
    output: Output<'s>,
    next: Next,
}

impl<'s, C: Client> Server<'s, C> {
    /// Gathers replies in `memory`.
    #[inline(always)]
    pub fn new(
        client: C,
        conf: &'s ServerConf,
        kept: &'s mut Kept,
        memory: &'s mut [u8; OUTPUT],
    ) -> Self {
        Self { client, conf, kept, output: Output::new(memory), next: Next::Read }
    }

    /// What is to be done next.
    pub const fn next(&self) -> Next {
        self.next
    }

    /// Sends the greeting. A challenge in it announces APOP (RFC 1939, section 7).
    pub fn greet(&mut self) -> Result<(), Fault> {
        if self.conf.policy.methods.apop {
            self.output.push(reply::GREETING_PREFIX);
            self.output.push(self.client.make_session_challenge()?);
        } else {
            self.output.push(reply::GREETING);
        }
        self.send();

        Ok(())
    }

    /// Turns the client away in place of a greeting.
    pub fn turn_away(&mut self) {
        self.output.push(reply::TOO_MANY_SESSIONS);
        self.client.note_end(End::Limit);
        self.next = Next::Close;
        self.send();
    }

    /// Sends the reply to a login that has failed, and counts it. The session ends
    /// behind it if it was the last one, or if its time is over.
    pub fn refuse_login(&mut self, session: &mut pop3::Session, reply: &[u8], over: bool) {
        self.kept.challenge = None;
        self.kept.login = None;
        self.output.push(reply);
        let too_often = session.count_error(&self.conf.policy);
        self.end_refused(too_often, over);
        self.send();
    }

    /// Sends the challenge that tells why a login has failed, which the client answers.
    pub fn challenge(&mut self, session: &mut pop3::Session, challenge: &[u8]) {
        self.output.push(challenge);
        session.expect_answer();
        self.send();
    }

    /// Ends the session behind the reply to a login that has failed, if there is a reason.
    fn end_refused(&mut self, too_often: bool, over: bool) {
        if too_often {
            self.client.log(c"client failed to log in too often", None);
        }
        if too_often || over {
            self.client.note_end(End::Limit);
            self.next = Next::Close;
        }
    }

    /// Answers the lines at the head of `input` until something else is to be
    /// done, and sends the replies. Gives the input that is not answered.
    #[inline(always)]
    pub fn serve<'m>(&mut self, session: &mut pop3::Session, input: &'m mut [u8]) -> &'m mut [u8] {
        let rest = self.answer(session, input);
        self.send();

        rest
    }

    #[inline(always)]
    fn answer<'m>(&mut self, session: &mut pop3::Session, mut input: &'m mut [u8]) -> &'m mut [u8] {
        loop {
            input = match session.next(input, self) {
                Continue(rest) => rest,
                Break(rest) => return rest,
            };
            if input.is_empty() || self.next != Next::Read || !self.has_room() {
                return input;
            }
        }
    }

    /// Whether there is room for another reply, which a full output is sent for.
    fn has_room(&mut self) -> bool {
        !self.output.is_full() || self.make_room()
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> bool {
        self.send();
        self.output.clear();
        self.next == Next::Read
    }

    /// Sends the replies that are gathered. What the client does not take is
    /// left undone, and nginx sends it when it does.
    #[inline]
    fn send(&mut self) {
        match self.client.send_all(self.output.bytes()) {
            Ok(true) => {}
            Ok(false) => self.wait_until_sent(),
            Err(fault) => self.next = fault.into(),
        }
    }

    #[cold]
    fn wait_until_sent(&mut self) {
        self.kept.undone.get_or_insert_default().next = self.next;
        self.next = Next::Send;
    }

    /// Keeps input that is not answered ([`keep`]).
    #[cold]
    #[inline(never)]
    pub fn keep(&mut self, rest: &[u8], held: Option<Bytes>) {
        let next = match &self.kept.undone {
            Some(undone) if self.next == Next::Send => undone.next,
            _ => self.next,
        };
        // What follows QUIT, a limit or STLS (RFC 2595, section 4) is never
        // answered.
        if !matches!(next, Next::Read | Next::Authenticate(_)) {
            return;
        }
        match keep(rest, held, &self.client) {
            Ok(input) => self.kept.undone.get_or_insert_default().input = Some(input),
            // Nothing can follow a part of a reply but the rest of it.
            Err(NoMemory) if self.client.sending() => self.next = Next::Drop,
            Err(NoMemory) => self.next = Next::Fail,
        }
    }

    fn copy_login(&mut self, name: &[u8]) -> Result<(), NoMemory> {
        let copy = self.client.copy(name)?;
        self.client.show_login(copy);
        self.kept.challenge = None;
        self.client.debug(LOGIN, name);

        Ok(())
    }

    fn copy_credentials(&mut self, credentials: &Credentials<'_>) -> Result<(), NoMemory> {
        let name = match credentials.login {
            Login::Given(name) => {
                self.client.debug(LOGIN, name);
                name
            }
            Login::Kept => self.client.login(),
        };
        if credentials.method != Method::CramMd5 {
            self.kept.challenge = None;
        }
        let attempt = Attempt::new(name, credentials.secret.expose());
        let attempt = self.client.logged(attempt)?;
        self.client.show_attempt(attempt);
        self.client.note_attempt(credentials.method.name());

        Ok(())
    }

    fn make_challenge(&mut self) -> Result<(), NoMemory> {
        let challenge = self.client.make_challenge()?;
        let text = challenge.as_slice();
        let text = text.strip_suffix(reply::CRLF).unwrap_or(text);
        sasl::cram_md5::write_challenge(text, |piece| self.output.push(piece));

        // It takes the place of a login that was begun.
        self.client.hide_login();
        self.kept.challenge = Some(challenge);

        Ok(())
    }
}

impl<C: Client> pop3::Server for Server<'_, C> {
    fn policy(&self) -> &Policy {
        &self.conf.policy
    }

    fn tls(&self) -> bool {
        self.client.tls()
    }

    fn reply(&mut self, line: &'static [u8]) {
        self.output.push(line);
    }

    #[inline(always)]
    fn reply_capabilities(&mut self) {
        self.output.push(self.conf.capabilities(self.client.tls()));
    }

    fn reply_mechanisms(&mut self) {
        self.output.push(self.conf.mechanisms());
    }

    fn reply_challenge(&mut self) {
        if self.make_challenge().is_err() {
            self.next = Next::Fail;
        }
    }

    fn keep_login(&mut self, name: &[u8], line: &'static [u8]) {
        match self.copy_login(name) {
            Ok(()) => self.output.push(line),
            Err(NoMemory) => self.next = Next::Fail,
        }
    }

    fn refuse(&mut self, refused: &Refused) {
        self.output.push(refused.reason.reply());
        self.client.log(refused.reason.log_text(), refused.command);
        if refused.close {
            if !refused.reason.is_final() {
                self.client.log(c"client sent too many invalid commands", None);
            }
            self.client.note_end(End::Limit);
            self.next = Next::Close;
        }
    }

    fn authenticate(&mut self, credentials: &Credentials<'_>) {
        self.next = match self.copy_credentials(credentials) {
            Ok(()) => Next::Authenticate(credentials.method),
            Err(NoMemory) => Next::Fail,
        };
    }

    fn reply_refusal(&mut self, close: bool) {
        let login = self.kept.login.take();
        let Some(Stage::Challenged(refusal)) = login.as_deref().map(|login| &login.stage) else {
            self.next = Next::Fail;
            return;
        };
        self.output.push(refusal.reply.as_slice());
        self.end_refused(close, refusal.last);
    }

    fn start_tls(&mut self) {
        self.output.push(reply::OK);
        self.next = Next::StartTls;
    }

    fn quit(&mut self) {
        self.output.push(reply::OK);
        self.next = Next::Close;
    }
}
