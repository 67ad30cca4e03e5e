//! The password field.

use crate::Unfit;

mod form;
mod text;

pub use form::{Form, MAX_ROUNDS};
pub use text::Text;

use core::fmt;

const PLAIN: &[u8] = b"{PLAIN}";

/// The second one is how Dovecot's `doveadm pw` writes it.
const PLAIN_BASE64: [&[u8]; 2] = [b"{PLAIN.b64}", b"{PLAIN.B64}"];

/// How a login is proven. `Debug` shows no secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Password<'a> {
    /// By whatever method, for the text is known: `{PLAIN}` or `{PLAIN.b64}`.
    Plain(Text<'a>),
    /// By a password of which crypt makes this text again: printable ASCII.
    Crypt(Form, &'a [u8]),
    /// The backend tells.
    Empty,
}

impl<'a> Password<'a> {
    /// Takes a password field.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(field: &'a [u8]) -> Result<Self, Unfit> {
        let behind = |prefix: &&[u8]| field.strip_prefix(*prefix);
        if field.is_empty() {
            Ok(Self::Empty)
        } else if let Some(text) = behind(&PLAIN) {
            Text::bare(text).map(Self::Plain)
        } else if let Some(encoded) = PLAIN_BASE64.iter().find_map(behind) {
            Text::base64(encoded).map(Self::Plain)
        } else {
            Form::of(field).map(|form| Self::Crypt(form, field))
        }
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.debug_tuple("Plain").field(text).finish(),
            Self::Crypt(form, _) => f.debug_tuple("Crypt").field(form).finish_non_exhaustive(),
            Self::Empty => f.write_str("Empty"),
        }
    }
}
