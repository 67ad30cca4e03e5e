//! The login at a backend, the client's side of the AUTHORIZATION state (RFC 1939,
//! section 4) without I/O: replies in, commands out.
//!
//! A backend has its turn after the connection, and after each command; its turn is
//! one line, or two after two commands that are sent together. [`Dialogue::next`] takes
//! that, and tells what to do about it.

use crate::ResponseCode;
use crate::credentials::contains;
use reply::{Reply, Status};

pub use command::{Command, Endpoint, Facts, Proof, Xclient};
pub use reply::{Broken, MAX_LINE};

mod command;
mod reply;

/// What is to be done before the login, and how that is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// STLS (RFC 2595, section 4).
    pub starttls: bool,
    /// XCLIENT, where the greeting offers it: it tells Dovecot of the client.
    pub xclient: bool,
    /// What proves who logs in.
    pub proof: Proof,
}

/// A login at one backend.
#[derive(Clone, Copy, Debug)]
pub struct Dialogue {
    due: Due,
    options: Options,
    offers_xclient: bool,
}

/// What the backend's next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Greeting,
    Reply(Command),
}

/// What a backend's line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The turn has not ended.
    Wait,
    /// Send a command. The line is done with.
    Send(Command),
    /// Send a command, which answers a challenge: in base64 it says why the token is
    /// refused, which the backend has yet to do.
    Challenged(Command, &'a [u8]),
    /// Make the TLS handshake, and go on with [`Dialogue::secured`].
    StartTls,
    /// The login has succeeded. This line, with its CRLF, is the client's to read.
    LoggedIn(&'a [u8]),
    /// The credentials were refused, with this code, which is at the head of the text if it
    /// was sent.
    Refused(ResponseCode, &'a [u8]),
    /// There can be no login. A backend that said so has given the text.
    Broken(Broken, &'a [u8]),
}

impl Dialogue {
    /// Begins, at the greeting.
    pub const fn new(options: Options) -> Self {
        Self { due: Due::Greeting, options, offers_xclient: false }
    }

    /// Takes all that the backend has sent since it is its turn. What is less than that
    /// ([`Step::Wait`]) must stand at the head of the next call's `input`, with
    /// more bytes behind it; else all of it is done with. What stands behind the line is
    /// ahead of its turn; a whole line too many that comes by itself cannot be told from
    /// the reply that is due, and is taken for it.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        let reply = match self.due {
            Due::Reply(Command::UserAndPass) => Reply::parse_second(input),
            _ => Reply::parse(input, self.may_be_challenged()),
        };
        match reply {
            Ok(Some(reply)) => self.take(&reply),
            Ok(None) => Step::Wait,
            Err(broken) => Step::Broken(broken, b""),
        }
    }

    /// Goes on in TLS after [`Step::StartTls`], where no greeting comes.
    pub const fn secured(&mut self) -> Command {
        self.introduce()
    }

    /// Whether the backend is still to be told who logs in: another one can take its
    /// place.
    pub const fn replaceable(&self) -> bool {
        matches!(self.due, Due::Greeting | Due::Reply(Command::Stls | Command::Xclient))
    }

    /// Whether the backend has greeted.
    pub const fn greeted(&self) -> bool {
        !matches!(self.due, Due::Greeting)
    }

    /// Whether XCLIENT was to be sent, and is not offered.
    pub const fn lacks_xclient(&self) -> bool {
        self.options.xclient && !self.offers_xclient
    }

    /// Whether the next line may be a challenge.
    const fn may_be_challenged(&self) -> bool {
        matches!(
            self.due,
            Due::Reply(Command::AuthWithToken(_) | Command::Auth(_) | Command::Token(_))
        )
    }

    fn take<'a>(&mut self, reply: &Reply<'a>) -> Step<'a> {
        match (self.due, reply.status) {
            (Due::Greeting, Status::Ok) => {
                self.offers_xclient = contains(reply.text, b"[XCLIENT]");
                if self.options.starttls {
                    self.send(Command::Stls)
                } else {
                    Step::Send(self.introduce())
                }
            }
            (Due::Reply(Command::Stls), Status::Ok) => Step::StartTls,
            (Due::Reply(Command::Xclient), Status::Ok) => self.send(self.options.proof.command()),
            (Due::Reply(Command::User), Status::Ok) => self.send(Command::Pass),
            (
                Due::Reply(
                    Command::Pass
                    | Command::UserAndPass
                    | Command::AuthWithToken(_)
                    | Command::Token(_),
                ),
                Status::Ok,
            ) => Step::LoggedIn(reply.line),

            (Due::Reply(Command::Auth(mechanism)), Status::Challenge) => {
                self.send(Command::Token(mechanism))
            }
            (
                Due::Reply(Command::AuthWithToken(mechanism) | Command::Token(mechanism)),
                Status::Challenge,
            ) => {
                let answer = Command::Answer(mechanism);
                self.due = Due::Reply(answer);
                Step::Challenged(answer, reply.text)
            }
            // Nobody has proven anything.
            (Due::Reply(Command::Auth(_) | Command::Answer(_)), Status::Ok)
            | (_, Status::Challenge) => Step::Broken(Broken::NoReply, b""),

            (Due::Greeting, Status::Err) => Step::Broken(Broken::GreetingRefused, fit(reply.text)),
            (Due::Reply(Command::Stls), Status::Err) => {
                Step::Broken(Broken::StlsRefused, fit(reply.text))
            }
            (Due::Reply(Command::Xclient), Status::Err) => {
                Step::Broken(Broken::XclientRefused, fit(reply.text))
            }
            (Due::Reply(_), Status::Err) => {
                Step::Refused(ResponseCode::split(reply.text).0, fit(reply.text))
            }
        }
    }

    /// Tells the backend of the client, if that is to be, and else who logs in.
    const fn introduce(&mut self) -> Command {
        let command = if self.options.xclient && self.offers_xclient {
            Command::Xclient
        } else {
            self.options.proof.command()
        };
        self.due = Due::Reply(command);
        command
    }

    const fn send(&mut self, command: Command) -> Step<'static> {
        self.due = Due::Reply(command);
        Step::Send(command)
    }
}

/// A text, or none in its place if it holds a control character of the upper half, which
/// some terminals obey: in UTF-8, or as a byte in what is none. Other such bytes are letters.
fn fit(text: &[u8]) -> &[u8] {
    let unfit = match core::str::from_utf8(text) {
        Ok(text) => text.chars().any(|character| ('\u{80}'..='\u{9f}').contains(&character)),
        Err(_) => text.iter().any(|byte| (0x80..=0x9f).contains(byte)),
    };
    if unfit { b"" } else { text }
}
