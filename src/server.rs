//! What is done about a client's lines.

use pop3::{Credentials, Login, Method, Refusal, Refused, reply, sasl};

use crate::dialogue::{Next, State};
use crate::nginx::NoMemory;
use crate::nginx::connection::Connection;
use crate::nginx::heap::Bytes;
use crate::output::Output;
use crate::transfer::{Sent, flush};

/// Answers the lines at the head of `input` and takes them off, until
/// something else is to be done. Gives what is next.
pub fn answer(
    connection: &mut Connection<'_>,
    state: &mut State,
    input: &mut &mut [u8],
    output: &mut Output<'_>,
) -> Next {
    let policy = &connection.conf().policy;
    let tls = connection.tls();
    let State { pop3, unsent, login, secret, .. } = state;
    let mut server = Server { connection, output, login, secret, next: Next::Read };
    let mut lines = 0_usize;

    while !input.is_empty() {
        if server.output.is_full() {
            match flush(server.connection, unsent, server.output) {
                Ok(Sent::All) => {}
                Ok(Sent::Part) => return Next::Send,
                Err(fault) => return fault.into(),
            }
        }
        if !pop3.next(input, policy, tls, &mut server) || server.next != Next::Read {
            break;
        }

        lines = lines.wrapping_add(1);
        if lines == 2 {
            // The replies to a client that pipelines may go in several sends:
            // none is to wait for the acknowledgement of the one before.
            server.connection.send_without_delay();
        }
    }

    server.next
}

/// Does what the `pop3` crate says about a line.
struct Server<'s, 'a, 'o> {
    connection: &'s mut Connection<'a>,
    /// It has room for the longest reply.
    output: &'s mut Output<'o>,
    login: &'s mut Option<Bytes>,
    secret: &'s mut Option<Bytes>,
    next: Next,
}

impl Server<'_, '_, '_> {
    fn copy_login(&mut self, name: &[u8]) -> Result<(), NoMemory> {
        let copy = Bytes::copy_of(name, self.connection.log())?;
        self.connection.publish_login(Some(self.login.insert(copy)));
        self.connection.log().debug_login(name);

        Ok(())
    }

    fn copy_credentials(&mut self, credentials: &Credentials<'_>) -> Result<(), NoMemory> {
        if let Login::Given(name) = credentials.login {
            self.copy_login(name)?;
        }
        *self.secret = match credentials.method {
            Method::External => None,
            _ => Some(Bytes::copy_of(credentials.secret.expose(), self.connection.log())?),
        };
        self.connection.publish_secret(credentials.method, self.secret.as_ref());

        Ok(())
    }
}

impl pop3::Server for Server<'_, '_, '_> {
    fn reply(&mut self, line: &'static [u8]) {
        self.output.push(line);
    }

    fn reply_capabilities(&mut self) {
        self.output.push(self.connection.conf().capabilities(self.connection.tls()));
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
