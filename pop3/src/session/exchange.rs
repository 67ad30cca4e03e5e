//! The exchange of AUTH (RFC 5034, section 4): the client's messages, and what the server
//! says between them.

use crate::command::without_trailing_spaces;
use crate::sasl::{base64, cram_md5, external, login, oauthbearer, plain, xoauth2};
use crate::server::Server;
use crate::{Mechanism, Refusal, reply};

/// What the client's next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// Its first message in this mechanism.
    Message(Mechanism),
    /// The second message of AUTH LOGIN.
    LoginPassword,
}

/// How an exchange goes on; nothing if it has ended, with a login.
pub type Answered = Result<Option<Exchange>, Refusal>;

impl Exchange {
    /// Begins with the client's initial response, or asks for its message if that is
    /// empty.
    pub fn begin(mechanism: Mechanism, response: &mut [u8], server: &mut impl Server) -> Answered {
        match (response, mechanism) {
            ([], _) => {
                match mechanism {
                    Mechanism::Plain | Mechanism::Xoauth2 | Mechanism::Oauthbearer => {
                        server.reply(reply::EMPTY_CHALLENGE);
                    }
                    Mechanism::Login | Mechanism::External => server.reply(reply::USERNAME_PROMPT),
                    Mechanism::CramMd5 => server.reply_challenge(),
                }
                Ok(Some(Self::Message(mechanism)))
            }
            // The server goes first: there is no initial response.
            (_, Mechanism::CramMd5) => Err(Refusal::InvalidArguments),
            (response, _) => message(mechanism, response, server),
        }
    }

    /// Takes the answer to a challenge.
    pub fn go_on(self, line: &mut [u8], server: &mut impl Server) -> Answered {
        let text = not_cancelled(line)?;
        match self {
            Self::Message(mechanism) => message(mechanism, text, server),
            Self::LoginPassword => {
                server.authenticate(&login::credentials(decode(text)?)?);
                Ok(None)
            }
        }
    }

    /// The mechanism that it is of.
    pub const fn mechanism(self) -> Mechanism {
        match self {
            Self::Message(mechanism) => mechanism,
            Self::LoginPassword => Mechanism::Login,
        }
    }
}

/// The client's first message: an initial response or the answer to a challenge.
fn message(mechanism: Mechanism, text: &mut [u8], server: &mut impl Server) -> Answered {
    let message = decode(text)?;
    let credentials = match mechanism {
        Mechanism::Plain => plain::credentials(message)?,
        Mechanism::CramMd5 => cram_md5::credentials(message)?,
        Mechanism::External => external::credentials(message)?,
        Mechanism::Xoauth2 => xoauth2::credentials(message)?,
        Mechanism::Oauthbearer => oauthbearer::credentials(message)?,
        Mechanism::Login => {
            server.keep_login(login::username(message)?, reply::PASSWORD_PROMPT);
            return Ok(Some(Exchange::LoginPassword));
        }
    };
    server.authenticate(&credentials);

    Ok(None)
}

/// The message that a text of the client stands for. `=` is an empty one: in an
/// initial response (RFC 5034, section 4), and in the answer to a challenge as
/// well, where curl has sent it until 2026.
fn decode(text: &mut [u8]) -> Result<&mut [u8], Refusal> {
    match text {
        [b'='] => Ok(&mut []),
        text => base64::decode(text),
    }
}

/// A line of an exchange, unless it is the cancelling `*` (RFC 5034,
/// section 4). Spaces at its end are no part of it: nginx's C module takes
/// them off, so there may be clients that send them.
fn not_cancelled(line: &mut [u8]) -> Result<&mut [u8], Refusal> {
    match without_trailing_spaces(line) {
        [b'*'] => Err(Refusal::Cancelled),
        text => Ok(text),
    }
}
