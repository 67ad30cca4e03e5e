//! The dialogue up to the login: lines in, actions out.

use core::ffi::CStr;

use crate::command::{Command, Keyword, without_leading_spaces, words};
use crate::line::{Line, Lines};
use crate::sasl::{base64, cram_md5, external, login, plain};
use crate::{Credentials, Mechanism, Methods, Refusal, Reply, StartTls, apop, credentials, reply};

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The login methods that are switched on.
    pub methods: Methods,
    /// Whether STLS is offered or required.
    pub starttls: StartTls,
    /// The longest line in bytes, its end included.
    pub max_line: usize,
    /// The error that ends the session.
    pub max_errors: usize,
    /// Commands before the login; the next one ends the session.
    pub max_commands: usize,
}

/// What to do about a line. It borrows from the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Send the reply.
    Reply(Reply),
    /// Keep the login for the credentials to come, in place of an earlier
    /// one; then send the reply.
    KeepLogin(&'a [u8], Reply),
    /// Send the refusal's reply.
    Refuse(Refused),
    /// Ask the auth server. Whether the login fails or not, the session
    /// stands at the start of the dialogue.
    Authenticate(Credentials<'a>),
    /// Send `+OK`, throw away what else has come in, and start TLS. A kept
    /// login is void (RFC 2595, section 4).
    StartTls,
    /// Send `+OK` and close.
    Quit,
}

/// A line that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Refusal,
    /// The command or mechanism at fault, to log; nothing if it is unknown.
    pub command: Option<&'static CStr>,
    /// Whether the session ends with it: a limit is reached.
    pub close: bool,
}

/// Why a line is refused, and the name to log of the command or mechanism.
struct Fault(Refusal, Option<&'static CStr>);

/// What the next line is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A command.
    #[default]
    Start,
    /// A command after a USER that was accepted.
    User,
    /// The client's message in an exchange of this mechanism.
    Exchange(Mechanism),
    /// The second message of AUTH LOGIN.
    LoginPassword,
}

/// One client's dialogue. It holds a constant number of bytes.
#[derive(Debug, Default)]
pub struct Session {
    lines: Lines,
    state: State,
    errors: usize,
    commands: usize,
}

impl Session {
    /// Takes one line from the head of `input`.
    ///
    /// Gives the number of bytes that are done with, and an action if a line
    /// has ended. What is not done with must stand at the head of the next
    /// call's input, with more bytes behind it; it is shorter than
    /// [`Policy::max_line`]. `tls` tells whether the input came through TLS.
    pub fn next<'a>(
        &mut self,
        input: &'a mut [u8],
        policy: &Policy,
        tls: bool,
    ) -> (usize, Option<Action<'a>>) {
        let (done, line) = self.lines.next(input, policy.max_line);
        (done, line.map(|line| self.answer(line, policy, tls)))
    }

    fn answer<'a>(&mut self, line: Line<'a>, policy: &Policy, tls: bool) -> Action<'a> {
        let state = self.state;
        self.state = State::Start;

        let answered = match (state, line) {
            (_, Line::TooLong) => Err(Fault(Refusal::LineTooLong, None)),
            (State::Exchange(mechanism), Line::Text(text)) => not_cancelled(text)
                .and_then(|text| self.message(mechanism, text))
                .map_err(|reason| Fault(reason, Some(mechanism.log_text()))),
            (State::LoginPassword, Line::Text(text)) => login_password(text)
                .map_err(|reason| Fault(reason, Some(Mechanism::Login.log_text()))),
            (State::Start | State::User, Line::Text(text)) => {
                self.command(Command::parse(text), state, policy, tls)
            }
        };

        answered.unwrap_or_else(|fault| self.refuse(&fault, policy))
    }

    fn refuse(&mut self, &Fault(reason, command): &Fault, policy: &Policy) -> Action<'static> {
        self.errors = self.errors.saturating_add(usize::from(reason.is_error()));
        let close = reason == Refusal::TooManyCommands
            || (reason.is_error() && self.errors >= policy.max_errors);

        Action::Refuse(Refused { reason, command, close })
    }

    fn command<'a>(
        &mut self,
        command: Command<'a>,
        state: State,
        policy: &Policy,
        tls: bool,
    ) -> Result<Action<'a>, Fault> {
        self.commands = self.commands.saturating_add(1);
        if self.commands > policy.max_commands {
            return Err(Fault(Refusal::TooManyCommands, None));
        }

        let Some(keyword) = command.keyword else {
            return Err(Fault(Refusal::UnknownCommand, None));
        };
        let answered = match (keyword, state) {
            (Keyword::Noop, _) => {
                self.state = state;
                Ok(Action::Reply(reply::OK))
            }
            (Keyword::Capa, _) => {
                self.state = state;
                Ok(Action::Reply(Reply::Capabilities { tls }))
            }
            (Keyword::Quit, _) => Ok(Action::Quit),
            (Keyword::Stls, _) => start_tls(policy, tls),
            (Keyword::Pass, State::User) => pass(command.argument),
            (Keyword::User | Keyword::Apop | Keyword::Auth, State::Start)
                if policy.starttls == StartTls::Only && !tls =>
            {
                Err(Refusal::TlsRequired)
            }
            (Keyword::User, State::Start) => self.user(command.argument),
            (Keyword::Apop, State::Start) => apop(command.argument, policy),
            (Keyword::Auth, State::Start) => return self.auth(command.argument, policy),
            _ => Err(Refusal::InvalidState),
        };

        answered.map_err(|reason| Fault(reason, Some(keyword.log_text())))
    }

    /// USER name (RFC 1939, section 7).
    fn user<'a>(&mut self, argument: &'a [u8]) -> Result<Action<'a>, Refusal> {
        let name = without_leading_spaces(argument);
        if name.is_empty() {
            return Err(Refusal::InvalidArguments);
        }
        let name = credentials::login(name)?;
        self.state = State::User;

        Ok(Action::KeepLogin(name, reply::OK))
    }

    /// AUTH [mechanism [initial-response]] (RFC 5034, section 4).
    fn auth<'a>(&mut self, argument: &'a mut [u8], policy: &Policy) -> Result<Action<'a>, Fault> {
        let mut words = words(argument);
        let Some(name) = words.next() else {
            return Ok(Action::Reply(Reply::Mechanisms));
        };
        let mechanism = Mechanism::parse(name)
            .filter(|&mechanism| policy.methods.accept(mechanism))
            .ok_or(Fault(Refusal::UnsupportedMethod, Some(Keyword::Auth.log_text())))?;

        let answered = match (words.next(), words.next()) {
            (None, _) => {
                self.state = State::Exchange(mechanism);
                Ok(Action::Reply(match mechanism {
                    Mechanism::Plain => reply::EMPTY_CHALLENGE,
                    Mechanism::Login | Mechanism::External => reply::USERNAME_PROMPT,
                    Mechanism::CramMd5 => Reply::CramMd5Challenge,
                }))
            }
            // In CRAM-MD5 the server goes first: no initial response.
            (Some(response), None) if mechanism != Mechanism::CramMd5 => {
                self.message(mechanism, if response == b"=" { &mut [] } else { response })
            }
            _ => Err(Refusal::InvalidArguments),
        };

        answered.map_err(|reason| Fault(reason, Some(mechanism.log_text())))
    }

    /// The client's first message: an initial response or the answer to a
    /// challenge.
    fn message<'a>(
        &mut self,
        mechanism: Mechanism,
        text: &'a mut [u8],
    ) -> Result<Action<'a>, Refusal> {
        let message = base64::decode(text)?;

        match mechanism {
            Mechanism::Plain => plain::credentials(message).map(Action::Authenticate),
            Mechanism::CramMd5 => cram_md5::credentials(message).map(Action::Authenticate),
            Mechanism::External => external::credentials(message).map(Action::Authenticate),
            Mechanism::Login => {
                let name = login::username(message)?;
                self.state = State::LoginPassword;
                Ok(Action::KeepLogin(name, reply::PASSWORD_PROMPT))
            }
        }
    }
}

/// The second line of AUTH LOGIN.
fn login_password(line: &mut [u8]) -> Result<Action<'_>, Refusal> {
    login::credentials(base64::decode(not_cancelled(line)?)?).map(Action::Authenticate)
}

/// PASS string (RFC 1939, section 7).
fn pass(argument: &[u8]) -> Result<Action<'_>, Refusal> {
    if argument.is_empty() {
        return Err(Refusal::InvalidArguments);
    }

    Ok(Action::Authenticate(Credentials {
        method: crate::Method::Plain,
        login: crate::Login::Kept,
        secret: credentials::password(argument)?,
    }))
}

/// APOP name digest (RFC 1939, section 7).
fn apop<'a>(argument: &'a mut [u8], policy: &Policy) -> Result<Action<'a>, Refusal> {
    if !policy.methods.apop {
        return Err(Refusal::UnsupportedMethod);
    }

    let mut words = words(argument);
    match (words.next(), words.next(), words.next()) {
        (Some(name), Some(digest), None) => {
            apop::credentials(name, digest).map(Action::Authenticate)
        }
        _ => Err(Refusal::InvalidArguments),
    }
}

/// STLS (RFC 2595, section 4).
fn start_tls(policy: &Policy, tls: bool) -> Result<Action<'static>, Refusal> {
    if tls || policy.starttls == StartTls::Off {
        return Err(Refusal::TlsUnavailable);
    }

    Ok(Action::StartTls)
}

/// A line of an exchange, unless it is the cancelling `*` (RFC 5034,
/// section 4). Spaces at its end are no part of it: nginx's C module takes
/// them off, so there may be clients that send them.
fn not_cancelled(line: &mut [u8]) -> Result<&mut [u8], Refusal> {
    let mut text = line;
    while let [head @ .., b' '] = text {
        text = head;
    }

    if text == b"*" { Err(Refusal::Cancelled) } else { Ok(text) }
}
