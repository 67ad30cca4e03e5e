//! The login at a backend, the client's side of the AUTHORIZATION state (RFC 1939,
//! section 4) without I/O: replies in, commands out.
//!
//! A backend has its turn after the connection, and after each command; its turn is
//! one line. [`Dialogue::next`] takes that, and tells what to do about it.

use core::ffi::CStr;

use crate::credentials::contains;
use crate::{ResponseCode, Secret};

/// The longest line of a backend in bytes, its CRLF included.
pub const MAX_LINE: usize = 4096;

/// What is to be done before the login.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// STLS (RFC 2595, section 4).
    pub starttls: bool,
    /// XCLIENT, where the greeting offers it: it tells Dovecot of the client.
    pub xclient: bool,
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

/// A command to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// STLS
    Stls,
    /// XCLIENT
    Xclient,
    /// USER
    User,
    /// PASS
    Pass,
}

/// What a backend's line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The line has not ended.
    Wait,
    /// Send a command. The line is done with.
    Send(Command),
    /// Make the TLS handshake, and go on with [`Dialogue::secured`].
    StartTls,
    /// The login has succeeded. This line, with its CRLF, is the client's to read.
    LoggedIn(&'a [u8]),
    /// The credentials were refused, with this code and text.
    Refused(ResponseCode, &'a [u8]),
    /// There can be no login. A backend that said so has given the text.
    Broken(Broken, &'a [u8]),
}

/// Why there can be no login at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It sent something else than a reply.
    NoReply,
    /// It sent a control character within a reply.
    ControlCharacter,
    /// It sent a line longer than [`MAX_LINE`].
    LineTooLong,
    /// It sent something behind a reply, ahead of its next turn.
    AheadOfTurn,
    /// It greeted with `-ERR`.
    GreetingRefused,
    /// It refused STLS.
    StlsRefused,
    /// It refused XCLIENT, which it had offered.
    XclientRefused,
}

/// What the commands tell a backend.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Who logs in; without control characters.
    pub login: &'a [u8],
    /// The password; without CR, LF and NUL.
    pub secret: Secret<'a>,
    /// What XCLIENT tells.
    pub xclient: Option<Xclient<'a>>,
}

/// What XCLIENT tells of a client's session, in the fields that Dovecot knows; none of
/// it holds a space or a control character.
#[derive(Clone, Copy)]
pub struct Xclient<'a> {
    /// Where the client is, if that is an IP address.
    pub client: Option<Endpoint<'a>>,
    /// Where it has connected to.
    pub server: Option<Endpoint<'a>>,
    /// What the session is called in logs.
    pub session: &'a [u8],
    /// Whether the client's bytes come through TLS.
    pub tls: bool,
}

/// An end of a connection.
#[derive(Clone, Copy)]
pub struct Endpoint<'a> {
    /// Its address, without brackets.
    pub address: &'a [u8],
    /// Its port, in decimal.
    pub port: &'a [u8],
}

impl Dialogue {
    /// Begins, at the greeting.
    pub const fn new(options: Options) -> Self {
        Self { due: Due::Greeting, options, offers_xclient: false }
    }

    /// Takes all that the backend has sent since it is its turn. What is less than a
    /// line ([`Step::Wait`]) must stand at the head of the next call's `input`, with
    /// more bytes behind it; else all of it is done with. What stands behind the line is
    /// ahead of its turn; a whole line too many that comes by itself cannot be told from
    /// the reply that is due, and is taken for it.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        match Reply::parse(input) {
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
        !matches!(self.due, Due::Reply(Command::User | Command::Pass))
    }

    /// Whether the backend has greeted.
    pub const fn greeted(&self) -> bool {
        !matches!(self.due, Due::Greeting)
    }

    /// Whether XCLIENT was to be sent, and is not offered.
    pub const fn lacks_xclient(&self) -> bool {
        self.options.xclient && !self.offers_xclient
    }

    fn take<'a>(&mut self, reply: &Reply<'a>) -> Step<'a> {
        match (self.due, reply.ok) {
            (Due::Greeting, true) => {
                self.offers_xclient = contains(reply.text, b"[XCLIENT]");
                if self.options.starttls {
                    self.send(Command::Stls)
                } else {
                    Step::Send(self.introduce())
                }
            }
            (Due::Reply(Command::Stls), true) => Step::StartTls,
            (Due::Reply(Command::Xclient), true) => self.send(Command::User),
            (Due::Reply(Command::User), true) => self.send(Command::Pass),
            (Due::Reply(Command::Pass), true) => Step::LoggedIn(reply.line),

            (Due::Greeting, false) => Step::Broken(Broken::GreetingRefused, fit(reply.text)),
            (Due::Reply(Command::Stls), false) => {
                Step::Broken(Broken::StlsRefused, fit(reply.text))
            }
            (Due::Reply(Command::Xclient), false) => {
                Step::Broken(Broken::XclientRefused, fit(reply.text))
            }
            (Due::Reply(Command::User | Command::Pass), false) => {
                let (code, text) = ResponseCode::split(reply.text);
                Step::Refused(code, fit(text))
            }
        }
    }

    /// Tells the backend of the client, if that is to be, and else who logs in.
    const fn introduce(&mut self) -> Command {
        let command = if self.options.xclient && self.offers_xclient {
            Command::Xclient
        } else {
            Command::User
        };
        self.due = Due::Reply(command);
        command
    }

    const fn send(&mut self, command: Command) -> Step<'static> {
        self.due = Due::Reply(command);
        Step::Send(command)
    }
}

/// A backend's line.
struct Reply<'a> {
    line: &'a [u8],
    ok: bool,
    text: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Takes the one line that `input` is to be; nothing if it has not ended. What is
    /// wrong is found at its place, so that it does not depend on how much of the
    /// input has come.
    fn parse(input: &'a [u8]) -> Result<Option<Self>, Broken> {
        let end = memchr::memchr(b'\n', input).map(|at| at.saturating_add(1));
        let line = end.and_then(|end| input.get(..end)).unwrap_or(input);
        let head = line.get(..MAX_LINE).unwrap_or(line);

        let status = Status::parse(head).ok_or(Broken::NoReply)?;
        let text = head.strip_suffix(b"\r\n").or(head.strip_suffix(b"\r")).unwrap_or(head);
        if text.iter().any(u8::is_ascii_control) {
            return Err(Broken::ControlCharacter);
        }
        if line.len() > MAX_LINE || (end.is_none() && line.len() == MAX_LINE) {
            return Err(Broken::LineTooLong);
        }
        let (Some(end), Status::Whole { ok, length }) = (end, status) else { return Ok(None) };
        if input.len() > end {
            return Err(Broken::AheadOfTurn);
        }
        let text = text.get(length..).unwrap_or_default();
        let text = text.strip_prefix(b" ").unwrap_or(text);

        Ok(Some(Self { line, ok, text }))
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

/// The status indicator of a reply (RFC 1939, section 3).
enum Status {
    /// So far it may become one.
    Begun,
    Whole {
        ok: bool,
        length: usize,
    },
}

impl Status {
    fn parse(line: &[u8]) -> Option<Self> {
        for (indicator, ok) in [(&b"+OK"[..], true), (b"-ERR", false)] {
            if let Some(behind) = line.strip_prefix(indicator) {
                return match behind {
                    [b' ' | b'\r' | b'\n', ..] => Some(Self::Whole { ok, length: indicator.len() }),
                    [] => Some(Self::Begun),
                    _ => None,
                };
            }
            if indicator.starts_with(line) {
                return Some(Self::Begun);
            }
        }
        None
    }
}

impl Command {
    /// Writes the command with its CRLF, piece by piece.
    pub fn write(self, facts: &Facts<'_>, mut put: impl FnMut(&[u8])) {
        match self {
            Self::Stls => put(b"STLS"),
            Self::Xclient => {
                put(b"XCLIENT");
                if let Some(xclient) = &facts.xclient {
                    xclient.write(&mut put);
                }
            }
            Self::User => {
                put(b"USER ");
                put(facts.login);
            }
            Self::Pass => {
                put(b"PASS ");
                put(facts.secret.expose());
            }
        }
        put(b"\r\n");
    }
}

impl Xclient<'_> {
    fn write(&self, mut put: impl FnMut(&[u8])) {
        let mut field = |name: &[u8], value: &[u8]| {
            put(name);
            put(value);
        };
        if let Some(client) = &self.client {
            field(b" ADDR=", client.address);
            field(b" PORT=", client.port);
        }
        if let Some(server) = &self.server {
            field(b" DESTADDR=", server.address);
            field(b" DESTPORT=", server.port);
        }
        field(b" SESSION=", self.session);
        field(b" CLIENT-TRANSPORT=", if self.tls { b"TLS" } else { b"insecure" });
    }
}

impl Broken {
    /// What the error log says of the backend.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::NoReply => c"upstream sent invalid response",
            Self::ControlCharacter => c"upstream sent control character in response",
            Self::LineTooLong => c"upstream sent too long response line",
            Self::AheadOfTurn => c"upstream sent data ahead of its turn",
            Self::GreetingRefused => c"upstream refused session",
            Self::StlsRefused => c"upstream refused STLS",
            Self::XclientRefused => c"upstream refused XCLIENT",
        }
    }
}
