//! What is done about a client's lines.

use core::ops::ControlFlow::{Break, Continue};

use pop3::{Credentials, Login, Method, Policy, Refused, reply, sasl};

use crate::conf::ServerConf;
use crate::dialogue::{Kept, Next};
use crate::nginx::attempt::Attempt;
use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::nginx::{Fault, NoMemory};
use crate::output::{OUTPUT, Output};
use crate::transfer::keep;

/// Does what the `pop3` crate says about a client's lines.
pub struct Server<'s> {
    connection: Connection<'s>,
    conf: &'s ServerConf,
    kept: &'s mut Kept,
    output: Output<'s>,
    next: Next,
}

impl<'s> Server<'s> {
    /// Gathers replies in `memory`.
    pub fn new(
        connection: Connection<'s>,
        kept: &'s mut Kept,
        memory: &'s mut [u8; OUTPUT],
    ) -> Self {
        let conf = connection.conf();
        let output = Output::new(memory);
        Self { connection, conf, kept, output, next: Next::Read }
    }

    /// What is to be done next.
    pub const fn next(&self) -> Next {
        self.next
    }

    /// Sends the greeting. A challenge in it announces APOP (RFC 1939, section 7).
    pub fn greet(&mut self) -> Result<(), Fault> {
        if self.conf.policy.methods.apop {
            self.output.push(reply::GREETING_PREFIX);
            self.output.push(self.connection.make_greeting_challenge()?);
        } else {
            self.output.push(reply::GREETING);
        }
        // Of TLS, session tickets have gone before. Nothing else has.
        if self.connection.tls() {
            self.connection.send_without_delay()?;
        }
        self.send();

        Ok(())
    }

    /// Answers the lines at the head of `input` until something else is to be
    /// done, and sends the replies. Gives the input that is not answered.
    #[inline(always)]
    pub fn serve<'m>(&mut self, session: &mut pop3::Session, input: &'m mut [u8]) -> &'m mut [u8] {
        let rest = self.answer(session, input);
        self.send_at_once();

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
        self.send_at_once();
        self.output.clear();
        self.next == Next::Read
    }

    /// As [`Server::send`], where something has been sent before: a client need not
    /// have acknowledged that when it sends the next command, and what Nagle's
    /// algorithm holds back until it does is late by its delay, 40 ms.
    #[inline]
    fn send_at_once(&mut self) {
        if self.output.bytes().is_empty() {
            return;
        }
        match self.connection.send_without_delay() {
            Ok(()) => self.send(),
            Err(fault) => self.next = fault.into(),
        }
    }

    /// Sends the replies that are gathered. What the client does not take is
    /// left undone, and nginx sends it when it does.
    #[inline]
    fn send(&mut self) {
        let output = self.output.bytes();
        if self.connection.tls() {
            return self.send_through_tls();
        }
        match self.connection.send(output) {
            Ok(count) if count >= output.len() => {}
            Ok(count) => self.send_rest(count),
            Err(fault) => self.next = fault.into(),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_rest(&mut self, count: usize) {
        match self.copy_output() {
            Ok(bytes) => self.send_later(bytes, count),
            // Nothing can follow a part of a reply but the rest of it.
            Err(NoMemory) => self.next = Next::Drop,
        }
    }

    /// OpenSSL wants a write that could not be completed to be tried again from
    /// the same memory, as nginx does not set SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER.
    #[inline(never)]
    fn send_through_tls(&mut self) {
        let Ok(bytes) = self.copy_output() else {
            self.next = Next::Fail;
            return;
        };
        match self.connection.send(bytes.as_slice()) {
            Ok(count) if count >= bytes.as_slice().len() => {}
            Ok(count) => self.send_later(bytes, count),
            Err(fault) => self.next = fault.into(),
        }
    }

    fn copy_output(&self) -> Result<Bytes, NoMemory> {
        Bytes::copy_of(self.output.bytes(), self.connection.log())
    }

    /// Leaves it to nginx to send `bytes` from `at` on when the client reads.
    #[cold]
    fn send_later(&mut self, bytes: Bytes, at: usize) {
        let undone = self.kept.undone.get_or_insert_default();
        undone.next = self.next;
        self.next = match self.connection.send_later(undone.unsent.insert(bytes), at) {
            Ok(()) => Next::Send,
            Err(fault) => fault.into(),
        };
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
        if !matches!(next, Next::Read | Next::Authenticate) {
            return;
        }
        match keep(rest, held, self.connection.log()) {
            Ok(input) => self.kept.undone.get_or_insert_default().input = Some(input),
            // As in send_rest().
            Err(NoMemory) if self.connection.sending() => self.next = Next::Drop,
            Err(NoMemory) => self.next = Next::Fail,
        }
    }

    fn copy_login(&mut self, name: &[u8]) -> Result<(), NoMemory> {
        let copy = Bytes::copy_of(name, self.connection.log())?;
        self.connection.show_login(self.kept.begun.insert(copy));
        self.connection.log().debug_login(name);

        Ok(())
    }

    fn copy_credentials(&mut self, credentials: &Credentials<'_>) -> Result<(), NoMemory> {
        let log = self.connection.log();
        let begun = self.kept.begun.as_ref().map_or(&[][..], Bytes::as_slice);
        let name = match credentials.login {
            Login::Given(name) => {
                log.debug_login(name);
                name
            }
            Login::Kept => begun,
        };
        let challenge = if credentials.method == Method::CramMd5 { begun } else { &[] };
        let attempt = Attempt::new(name, credentials.secret.expose(), challenge, log)?;
        self.connection.show_attempt(credentials.method, self.kept.attempt.insert(attempt));
        self.kept.begun = None;

        Ok(())
    }

    fn make_challenge(&mut self) -> Result<(), NoMemory> {
        let challenge = self.connection.make_challenge()?;
        let text = challenge.as_slice();
        let text = text.strip_suffix(reply::CRLF).unwrap_or(text);
        sasl::cram_md5::write_challenge(text, |piece| self.output.push(piece));

        // What is shown of a login that was begun goes with it.
        self.connection.hide_login();
        self.kept.begun = Some(challenge);

        Ok(())
    }
}

impl pop3::Server for Server<'_> {
    fn policy(&self) -> &Policy {
        &self.conf.policy
    }

    fn tls(&self) -> bool {
        self.connection.tls()
    }

    fn reply(&mut self, line: &'static [u8]) {
        self.output.push(line);
    }

    #[inline(always)]
    fn reply_capabilities(&mut self) {
        self.output.push(self.conf.capabilities(self.connection.tls()));
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
        self.connection.log().client(refused.reason.log_text(), refused.command);
        if refused.close {
            if !refused.reason.is_final() {
                self.connection.log().client(c"client sent too many invalid commands", None);
            }
            self.next = Next::Close;
        }
    }

    fn authenticate(&mut self, credentials: &Credentials<'_>) {
        self.next = match self.copy_credentials(credentials) {
            Ok(()) => Next::Authenticate,
            Err(NoMemory) => Next::Fail,
        };
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
