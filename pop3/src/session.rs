//! The dialogue up to the login: lines in, actions out.

use core::ffi::CStr;
use core::mem;
use core::ops::ControlFlow::{self, Break, Continue};

use crate::command::{
    Command, Keyword, is_http_request, may_be_http_request, split_word, without_leading_spaces,
};
use crate::line::{Line, Lines};
use crate::server::{Policy, Refused, Server};
use crate::{Credentials, Login, Mechanism, Method, Refusal, StartTls, credentials, reply};
use exchange::{Answered, Exchange};

mod exchange;

/// What the next line is taken for. It is asked for each line: `repr(u8)` has
/// it in a byte of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// A command.
    #[default]
    Start,
    /// A command after a USER that was accepted.
    User,
    /// The client's message in an exchange.
    Exchange(Exchange),
    /// The client's answer to the challenge of a login that was refused.
    Answer,
    /// The rest of a first line that is too long, and that began as an HTTP request
    /// does.
    HttpRequest,
}

/// One client's dialogue. It holds a constant number of bytes.
#[derive(Debug, Default)]
pub struct Session {
    lines: Lines,
    state: State,
    errors: u32,
    commands: u32,
}

impl Session {
    /// Whether what is left of the input holds no whole line: another call of
    /// [`Session::next`] is of use only when more bytes have come.
    pub const fn wants_input(&self) -> bool {
        self.lines.incomplete()
    }

    /// Takes one line off the head of `input`, has the server answer it, and
    /// gives the rest; breaks if no line has ended.
    ///
    /// What it breaks with must stand at the head of the next call's input, with
    /// more bytes behind it; it is shorter than [`Policy::max_line`].
    ///
    /// Inlined into the caller's loop, but only with what a lone NOOP or CAPA
    /// needs: those come in trains, and the loop stays small.
    #[inline(always)]
    pub fn next<'a>(
        &mut self,
        input: &'a mut [u8],
        server: &mut impl Server,
    ) -> ControlFlow<&'a mut [u8], &'a mut [u8]> {
        if self.takes_command()
            && !self.lines.incomplete()
            && let Some(keyword @ (Keyword::Noop | Keyword::Capa)) = Keyword::alone(input)
        {
            self.command(Some(Command { keyword, argument: &mut [] }), server);
            return Continue(input.get_mut(Keyword::ALONE..).unwrap_or_default());
        }

        let taken = self.next_line(input, server);
        let rest = input.get_mut(taken..).unwrap_or_default();
        if self.lines.incomplete() { Break(rest) } else { Continue(rest) }
    }

    /// As [`Session::next`], for any line. Gives how many bytes of the input are
    /// done with: a number comes back in a register.
    #[inline(never)]
    fn next_line(&mut self, input: &mut [u8], server: &mut impl Server) -> usize {
        let begins = self.is_new() && !self.lines.skipping();
        let limit = server.policy().max_line;
        let (line, taken) = self.lines.next(input, limit);
        match line {
            Some(Line::Text(text)) if self.takes_command() => {
                if self.is_new() && is_http_request(text) {
                    self.refuse(Refusal::HttpRequest, None, server);
                } else {
                    self.command(Command::parse(text), server);
                }
            }
            Some(_) if self.state == State::Answer => self.end_refusal(server),
            Some(Line::Text(text)) => {
                if let State::Exchange(exchange) = self.state {
                    let answered = exchange.go_on(text, server);
                    self.go_on(exchange.mechanism(), answered, server);
                }
            }
            Some(Line::TooLong) => {
                let request = self.state == State::HttpRequest
                    || (begins && may_be_http_request(head(input, limit)));
                let reason = if request { Refusal::HttpRequest } else { Refusal::LineTooLong };
                self.refuse(reason, None, server);
            }
            None => {
                if begins && self.lines.skipping() && may_be_http_request(head(input, limit)) {
                    self.state = State::HttpRequest;
                }
            }
        }

        taken
    }

    /// Counts an error, as a login that has failed is, too; gives whether the session
    /// ends with it.
    pub const fn count_error(&mut self, policy: &Policy) -> bool {
        self.errors = self.errors.saturating_add(1);
        self.errors >= policy.max_errors
    }

    /// Has the next line be the client's answer to a challenge that says why its login
    /// was refused ([`OAuth::write_challenge`]). Whatever that is, the login then counts
    /// as an error, and [`Server::reply_refusal`] is called.
    ///
    /// [`OAuth::write_challenge`]: crate::OAuth::write_challenge
    pub const fn expect_answer(&mut self) {
        self.state = State::Answer;
    }

    const fn takes_command(&self) -> bool {
        matches!(self.state, State::Start | State::User)
    }

    /// Whether no line has been answered yet.
    const fn is_new(&self) -> bool {
        self.commands == 0 && self.errors == 0
    }

    #[cold]
    fn refuse(
        &mut self,
        reason: Refusal,
        command: Option<&'static CStr>,
        server: &mut impl Server,
    ) {
        self.state = State::Start;
        let limit = reason.is_error() && self.count_error(server.policy());
        let close = reason.is_final() || limit;
        server.refuse(&Refused { reason, command, close });
    }

    /// A command; nothing if it is unknown.
    #[inline(always)]
    fn command(&mut self, command: Option<Command<'_>>, server: &mut impl Server) {
        if self.commands >= server.policy().max_commands {
            return self.refuse(Refusal::TooManyCommands, None, server);
        }
        // Below a limit of the same type, so there is no overflow.
        self.commands = self.commands.wrapping_add(1);
        let Some(Command { keyword, argument }) = command else {
            return self.refuse(Refusal::UnknownCommand, None, server);
        };

        let answered = match keyword {
            Keyword::Noop => return server.reply(reply::OK),
            Keyword::Capa => return server.reply_capabilities(),
            Keyword::Quit => return server.quit(),
            Keyword::Stls => self.stls(server),
            Keyword::User => self.user(argument, server),
            Keyword::Pass => self.pass(argument, server),
            Keyword::Apop => self.apop(argument, server),
            Keyword::Auth => return self.auth(argument, server),
            _ => Err(Refusal::InvalidState),
        };

        if let Err(reason) = answered {
            self.refuse(reason, Some(keyword.log_text()), server);
        }
    }

    /// STLS (RFC 2595, section 4).
    fn stls(&mut self, server: &mut impl Server) -> Result<(), Refusal> {
        if server.tls() || server.policy().starttls == StartTls::Off {
            return Err(Refusal::TlsUnavailable);
        }
        self.state = State::Start;
        server.start_tls();

        Ok(())
    }

    /// USER name (RFC 1939, section 7).
    fn user(&mut self, argument: &mut [u8], server: &mut impl Server) -> Result<(), Refusal> {
        may_log_in(server)?;
        let name = without_leading_spaces(argument);
        if name.is_empty() {
            return Err(Refusal::InvalidArguments);
        }
        server.keep_login(credentials::login(name)?, reply::OK);
        self.state = State::User;

        Ok(())
    }

    /// PASS string (RFC 1939, section 7).
    fn pass(&mut self, argument: &[u8], server: &mut impl Server) -> Result<(), Refusal> {
        if mem::take(&mut self.state) != State::User {
            return Err(Refusal::InvalidState);
        }
        if argument.is_empty() {
            return Err(Refusal::InvalidArguments);
        }
        server.authenticate(&Credentials {
            method: Method::User,
            login: Login::Kept,
            secret: credentials::password(argument)?,
        });

        Ok(())
    }

    /// APOP name digest (RFC 1939, section 7).
    fn apop(&mut self, argument: &mut [u8], server: &mut impl Server) -> Result<(), Refusal> {
        may_log_in(server)?;
        if !server.policy().methods.apop {
            return Err(Refusal::UnsupportedMethod);
        }

        let (name, digest) = split_word(argument);
        if digest.is_empty() {
            return Err(Refusal::InvalidArguments);
        }
        self.state = State::Start;
        server.authenticate(&Credentials {
            method: Method::Apop,
            login: Login::Given(credentials::login(name)?),
            secret: credentials::digest(digest)?,
        });

        Ok(())
    }

    /// AUTH [mechanism [initial-response]] (RFC 5034, section 4).
    fn auth(&mut self, argument: &mut [u8], server: &mut impl Server) {
        if let Err(reason) = may_log_in(server) {
            return self.refuse(reason, Some(Keyword::Auth.log_text()), server);
        }
        let (name, response) = split_word(argument);
        if name.is_empty() {
            return server.reply_mechanisms();
        }
        let Some(mechanism) =
            Mechanism::parse(name).filter(|&found| server.policy().methods.accept(found))
        else {
            let command = Keyword::Auth.log_text();
            return self.refuse(Refusal::UnsupportedMethod, Some(command), server);
        };

        let answered = Exchange::begin(mechanism, response, server);
        self.go_on(mechanism, answered, server);
    }

    /// Goes on with an exchange, or ends it.
    fn go_on(&mut self, mechanism: Mechanism, answered: Answered, server: &mut impl Server) {
        match answered {
            Ok(next) => self.state = next.map_or(State::Start, State::Exchange),
            Err(reason) => self.refuse(reason, Some(mechanism.log_text()), server),
        }
    }

    /// Ends a login that was refused: the client knows why.
    #[cold]
    fn end_refusal(&mut self, server: &mut impl Server) {
        self.state = State::Start;
        let close = self.count_error(server.policy());
        server.reply_refusal(close);
    }
}

/// Whether a login may begin. It takes the place of one that has been begun.
fn may_log_in(server: &impl Server) -> Result<(), Refusal> {
    if server.policy().starttls == StartTls::Only && !server.tls() {
        Err(Refusal::TlsRequired)
    } else {
        Ok(())
    }
}

/// What is looked at of a line that is too long: as much wherever it is cut.
fn head(input: &[u8], limit: usize) -> &[u8] {
    input.get(..limit).unwrap_or_default()
}
