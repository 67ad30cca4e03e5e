//! The reply: what its head says of the login.
//!
//! Of a header that comes more than once, the last one holds, as for nginx; but once a
//! status refuses, no other lets in.

use core::fmt;
use core::num::NonZeroU32;

mod body;
mod head;
mod number;
mod unfit;

pub use body::Body;
pub use unfit::Unfit;

use body::Framing;
use head::{Head, Header, Stop};

/// How long a head may be in bytes, those of 1xx before it included.
pub const MAX_HEAD: usize = 8192;

/// The longest `Auth-Server`: what DNS lets a name be.
const MAX_SERVER: usize = 255;

/// What has come of a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Less than its head.
    Incomplete,
    /// Its head, and maybe more.
    Complete(Reply<'a>),
}

/// The head of a reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What it says.
    pub answer: Answer<'a>,
    /// How many bytes of the input it is, those of 1xx before it included.
    pub length: usize,
    /// What follows.
    pub body: Body,
}

/// What an auth server says of a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is let in.
    Route(Route<'a>),
    /// The auth server is to be asked again, after so many seconds.
    Wait(Option<NonZeroU32>),
    /// It is refused.
    Refused(Refusal<'a>),
}

/// Where a login goes. What is not given stays as the client has presented it.
#[derive(Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// An address or a name, to be checked: printable ASCII without spaces.
    pub server: &'a [u8],
    /// The port, not 0.
    pub port: u16,
    /// The login at the backend: not empty, no control characters.
    pub login: Option<&'a [u8]>,
    /// The password at the backend, which may be empty.
    pub password: Option<Password<'a>>,
}

/// Why a login is refused.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// What the client is told, without control characters but HTAB; may be empty.
    pub text: &'a [u8],
    /// The seconds until the client is told. Without, its session ends.
    pub wait: Option<NonZeroU32>,
    /// The challenge that an OAuth mechanism gives before, to be checked: base64.
    pub challenge: Option<&'a [u8]>,
}

/// A password: no CR, LF or NUL. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a>(&'a [u8]);

impl<'a> Password<'a> {
    /// Gives the bytes to whoever presents them.
    pub const fn expose(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Whether a text can be the name of a host (RFC 1123, section 2.1), and is no address of
/// IPv4, right or wrong: the last part of a name is no number. An underscore is taken, as
/// resolvers do.
pub fn is_host_name(text: &[u8]) -> bool {
    let is_label = |label: &[u8]| {
        let fits = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.iter().all(fits)
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    let mut labels = text.strip_suffix(b".").unwrap_or(text).split(|&byte| byte == b'.');
    let numeric = |label: &[u8]| label.iter().all(u8::is_ascii_digit);
    labels.clone().all(is_label) && labels.next_back().is_some_and(|last| !numeric(last))
}

/// Takes all that has come of a reply. What is [`Parsed::Incomplete`] must stand at the
/// head of the next call's `input`, with more bytes behind it.
///
/// # Errors
///
/// What is wrong with the reply, whatever else may come of it.
pub fn parse(input: &[u8]) -> Result<Parsed<'_>, Unfit> {
    let bounded = input.get(..MAX_HEAD).unwrap_or(input);
    let mut length = 0_usize;

    loop {
        let head = match Head::parse(bounded.get(length..).unwrap_or_default()) {
            Ok(head) => head,
            Err(Stop::Incomplete) if bounded.len() < MAX_HEAD => return Ok(Parsed::Incomplete),
            Err(Stop::Incomplete) => return Err(Unfit::HeadTooLong),
            Err(Stop::Unfit(unfit)) => return Err(unfit),
        };
        length = length.saturating_add(head.length);
        if !head.interim() {
            let (mut fields, mut framing) = (Fields::default(), Framing::default());
            head.headers().for_each(|header| {
                fields.take(header);
                framing.take(header);
            });
            let body = framing.body(head.status);
            return Ok(Parsed::Complete(Reply { answer: fields.answer()?, length, body }));
        }
    }
}

/// The headers that tell of the login.
#[derive(Default)]
struct Fields<'a> {
    refusal: Option<&'a [u8]>,
    again: bool,
    server: &'a [u8],
    port: &'a [u8],
    login: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    wait: Option<NonZeroU32>,
    challenge: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, header: Header<'a>) {
        let is = |name| header.is(name);
        let value = header.value;

        if is("Auth-Status") {
            match value {
                b"OK" => {}
                b"WAIT" => self.again = true,
                text => self.refusal = Some(text),
            }
        } else if is("Auth-Server") {
            self.server = value;
        } else if is("Auth-Port") {
            self.port = value;
        } else if is("Auth-User") {
            self.login = Some(value);
        } else if is("Auth-Pass") {
            self.password = Some(value);
        } else if is("Auth-Wait") {
            if let Some(seconds) = number::parse(value) {
                self.wait = NonZeroU32::new(seconds.try_into().unwrap_or(u32::MAX));
            }
        } else if is("Auth-Error-SASL") {
            self.challenge = Some(value);
        }
    }

    fn answer(self) -> Result<Answer<'a>, Unfit> {
        if let Some(text) = self.refusal {
            if text.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
                return Err(Unfit::Status);
            }
            let Self { wait, challenge, .. } = self;
            return Ok(Answer::Refused(Refusal { text, wait, challenge }));
        }
        if self.again {
            return Ok(Answer::Wait(self.wait));
        }

        self.route().map(Answer::Route)
    }

    fn route(self) -> Result<Route<'a>, Unfit> {
        let Self { server, login, .. } = self;
        if server.is_empty() || self.port.is_empty() {
            return Err(Unfit::NoServer);
        }
        if server.len() > MAX_SERVER || !server.iter().all(u8::is_ascii_graphic) {
            return Err(Unfit::Server);
        }
        let port = number::parse(self.port)
            .and_then(|port| port.try_into().ok())
            .filter(|port| *port != 0)
            .ok_or(Unfit::Port)?;
        let unfit = |login: &[u8]| login.is_empty() || login.iter().any(u8::is_ascii_control);
        if login.is_some_and(unfit) {
            return Err(Unfit::Login);
        }

        Ok(Route { server, port, login, password: self.password.map(Password) })
    }
}
