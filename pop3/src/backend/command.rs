//! The commands to a backend.

use crate::sasl::base64;
use crate::{OAuth, Secret};

/// The longest command in bytes, its CRLF included (RFC 2449, section 4). It holds for
/// AUTH with an initial response as well (RFC 5034, section 4).
const MAX_COMMAND: usize = 255;

/// What proves to a backend who logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// A password, in PASS.
    #[default]
    Password,
    /// A password, in PASS together with USER: the backend takes commands ahead of its
    /// replies (PIPELINING, RFC 2449, section 6.6).
    PipelinedPassword,
    /// A token, in the initial response of AUTH.
    Token(OAuth),
    /// A token that is too long for that: in a message of its own.
    LongToken(OAuth),
}

impl Proof {
    /// A token, which goes with this login.
    pub fn token(mechanism: OAuth, login: &[u8], token: Secret<'_>) -> Self {
        let mut length = 0_usize;
        mechanism.write_message(login, token, |piece| length = length.saturating_add(piece.len()));
        let response = base64::encoded_length(length);
        let command = [b"AUTH ".len(), mechanism.name().len(), b" ".len(), b"\r\n".len()];
        let command = command.into_iter().fold(response, usize::saturating_add);

        if command <= MAX_COMMAND { Self::Token(mechanism) } else { Self::LongToken(mechanism) }
    }

    /// The command that the login begins with.
    pub const fn command(self) -> Command {
        match self {
            Self::Password => Command::User,
            Self::PipelinedPassword => Command::UserAndPass,
            Self::Token(mechanism) => Command::AuthWithToken(mechanism),
            Self::LongToken(mechanism) => Command::Auth(mechanism),
        }
    }
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
    /// USER and PASS, which are sent together
    UserAndPass,
    /// AUTH with the client's message as initial response
    AuthWithToken(OAuth),
    /// AUTH without
    Auth(OAuth),
    /// The client's message of AUTH
    Token(OAuth),
    /// The client's answer to the challenge that says why the token is refused
    Answer(OAuth),
}

/// What the commands tell a backend.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Who logs in; without control characters.
    pub login: &'a [u8],
    /// The password, without CR, LF and NUL; or the token.
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

impl Command {
    /// Whether a login begins with it.
    pub const fn begins_login(self) -> bool {
        matches!(self, Self::User | Self::UserAndPass | Self::AuthWithToken(_) | Self::Auth(_))
    }

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
            Self::User => facts.write_user(&mut put),
            Self::Pass => facts.write_pass(&mut put),
            Self::UserAndPass => {
                facts.write_user(&mut put);
                put(b"\r\n");
                facts.write_pass(&mut put);
            }
            Self::AuthWithToken(mechanism) => {
                write_auth(mechanism, &mut put);
                put(b" ");
                facts.write_token(mechanism, &mut put);
            }
            Self::Auth(mechanism) => write_auth(mechanism, &mut put),
            Self::Token(mechanism) => facts.write_token(mechanism, &mut put),
            Self::Answer(mechanism) => put(mechanism.answer()),
        }
        put(b"\r\n");
    }
}

fn write_auth(mechanism: OAuth, mut put: impl FnMut(&[u8])) {
    put(b"AUTH ");
    put(mechanism.name());
}

impl Facts<'_> {
    fn write_user(&self, mut put: impl FnMut(&[u8])) {
        put(b"USER ");
        put(self.login);
    }

    fn write_pass(&self, mut put: impl FnMut(&[u8])) {
        put(b"PASS ");
        put(self.secret.expose());
    }

    fn write_token(&self, mechanism: OAuth, put: impl FnMut(&[u8])) {
        let mut encoder = base64::Encoder::new(put);
        mechanism.write_message(self.login, self.secret, |piece| encoder.write(piece));
        encoder.finish();
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
