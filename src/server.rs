//! What is done about a client's lines.

use pop3::{Credentials, Login, Method, Refusal, Refused, reply, sasl};

use crate::dialogue::{Kept, Next};
use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::nginx::{Fault, NoMemory};
use crate::output::{OUTPUT, Output};
use crate::transfer::{Sent, flush, keep};

/// Does what the `pop3` crate says about a client's lines.
pub struct Server<'s, 'a> {
    connection: &'s mut Connection<'a>,
    kept: &'s mut Kept,
    output: Output<'s>,
    tls: bool,
    next: Next,
}

impl<'s, 'a> Server<'s, 'a> {
    /// Gathers replies in `memory`.
    pub const fn new(
        connection: &'s mut Connection<'a>,
        kept: &'s mut Kept,
        memory: &'s mut [u8; OUTPUT],
    ) -> Self {
        let output = Output::new(memory, connection.conf().output_limit);
        let tls = connection.tls();
        Self { connection, kept, output, tls, next: Next::Read }
    }

    /// Answers the lines at the head of `input` and sends the replies. Gives
    /// what is next, and the input that is still to be answered. If the input
    /// has `ended`, there comes no more.
    pub fn serve<'m>(
        &mut self,
        session: &mut pop3::Session,
        mut input: &'m mut [u8],
        ended: bool,
    ) -> (Result<Next, Fault>, &'m mut [u8]) {
        loop {
            input = self.answer(session, input);

            let full = self.output.is_full();
            let next = match self.next {
                Next::Read if ended && !full => Next::Close,
                next => next,
            };
            // What follows QUIT, a limit or STLS (RFC 2595, section 4) is never
            // answered.
            if !matches!(next, Next::Read | Next::Authenticate) {
                input = &mut [];
            }
            match flush(self.connection, &mut self.kept.undone, self.output.bytes()) {
                Ok(Sent::All) if full && next == Next::Read => self.output.clear(),
                Ok(Sent::All) => return (Ok(next), input),
                Ok(Sent::Part) => {
                    self.kept.undone.get_or_insert_default().next = next;
                    return (Ok(Next::Send), input);
                }
                Err(fault) => return (Err(fault), input),
            }
        }
    }

    /// Answers lines until something else is to be done or the output is full;
    /// gives the rest.
    fn answer<'m>(&mut self, session: &mut pop3::Session, mut input: &'m mut [u8]) -> &'m mut [u8] {
        let policy = &self.connection.conf().policy;
        let tls = self.tls;
        let mut lines = 0_usize;

        while !input.is_empty()
            && !self.output.is_full()
            && session.next(&mut input, policy, tls, self)
            && self.next == Next::Read
        {
            lines = lines.wrapping_add(1);
            if lines == 2 {
                // The replies to a client that pipelines may go in several
                // sends: none is to wait for the acknowledgement of the one
                // before.
                self.connection.send_without_delay();
            }
        }

        input
    }

    /// Keeps input that is not answered, where it was held before if there is
    /// room.
    #[cold]
    pub fn keep(&mut self, rest: &[u8], held: Option<Bytes>) -> Result<(), Fault> {
        match keep(rest, held, self.connection.log()) {
            Ok(input) => {
                self.kept.undone.get_or_insert_default().input = Some(input);
                Ok(())
            }
            // Nothing can follow a part of a reply but the rest of it.
            Err(NoMemory) if self.connection.sending() => Err(Fault::Broken),
            Err(NoMemory) => Err(Fault::NoMemory),
        }
    }

    fn copy_login(&mut self, name: &[u8]) -> Result<(), NoMemory> {
        let copy = Bytes::copy_of(name, self.connection.log())?;
        self.connection.publish_login(Some(self.kept.login.insert(copy)));
        self.connection.log().debug_login(name);

        Ok(())
    }

    fn copy_credentials(&mut self, credentials: &Credentials<'_>) -> Result<(), NoMemory> {
        if let Login::Given(name) = credentials.login {
            self.copy_login(name)?;
        }
        self.kept.secret = match credentials.method {
            Method::External => None,
            _ => Some(Bytes::copy_of(credentials.secret.expose(), self.connection.log())?),
        };
        self.connection.publish_secret(credentials.method, self.kept.secret.as_ref());

        Ok(())
    }
}

impl pop3::Server for Server<'_, '_> {
    fn reply(&mut self, line: &'static [u8]) {
        self.output.push(line);
    }

    fn reply_capabilities(&mut self) {
        self.output.push(self.connection.conf().capabilities(self.tls));
    }

    fn reply_mechanisms(&mut self) {
        self.output.push(self.connection.conf().mechanisms());
    }

    fn reply_challenge(&mut self) {
        let challenge = self.connection.challenge();
        let challenge = challenge.strip_suffix(reply::CRLF).unwrap_or(challenge);
        sasl::cram_md5::write_challenge(challenge, |piece| self.output.push(piece));
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
            if refused.reason != Refusal::TooManyCommands {
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
