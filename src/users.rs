//! What a client presents, checked by a file of users.

use pop3::{Method, OAuth, Secret};
use user_file::{Entry, Form, Password, Text, verify};

pub mod certified;

#[cfg(test)]
mod tests;

/// What a client presents.
pub struct Presented<'a> {
    /// How.
    pub method: Method,
    /// The password, the digest or the token.
    pub secret: Secret<'a>,
    /// The challenge that a digest is over, with its CRLF.
    pub challenge: &'a [u8],
}

/// What comes of it.
pub enum Verdict<'a> {
    /// The login is right; the file has this password for the backend, or none.
    Right(Option<Text<'a>>),
    /// The backend is asked.
    Unknown,
    /// The login is wrong.
    Wrong,
}

/// Checks what is presented by what the file says of the login. `crypt` tells whether a
/// hash is that of the secret. A password that is wrong is held against one hash of each
/// class, that of the login and `others`: which logins there are is not to be told by the
/// time that this takes.
pub fn check<'a, 'o>(
    entry: Option<&Entry<'a>>,
    presented: &Presented<'_>,
    others: impl Iterator<Item = (Form, &'o [u8])>,
    mut crypt: impl FnMut(&[u8]) -> bool,
) -> Verdict<'a> {
    let password = entry.map(|entry| entry.password);
    let clear = presented.method.is_in_clear();
    let token = OAuth::of(presented.method).is_some();
    let verdict = match password {
        Some(Password::Plain(text)) if is_proven(text, presented) => Verdict::Right(Some(text)),
        Some(Password::Crypt(_, stored)) if clear && crypt(stored) => Verdict::Right(None),
        Some(Password::Empty) if clear || token => Verdict::Unknown,
        _ => Verdict::Wrong,
    };
    if let (Verdict::Wrong, true) = (&verdict, clear) {
        let own = match password {
            Some(Password::Crypt(form, _)) => Some(form),
            _ => None,
        };
        others.filter(|&(form, _)| Some(form) != own).for_each(|(_, stored)| {
            crypt(stored);
        });
    }
    verdict
}

/// Whether the client has proven that it knows a password.
fn is_proven(text: Text<'_>, presented: &Presented<'_>) -> bool {
    let secret = presented.secret.expose();
    let challenge = presented.challenge;
    let challenge = challenge.strip_suffix(b"\r\n").unwrap_or(challenge);
    match presented.method {
        Method::User | Method::Plain | Method::Login => verify::plain(text, secret),
        Method::Apop => verify::apop(text, challenge, secret),
        Method::CramMd5 => verify::cram_md5(text, challenge, secret),
        // nginx has checked the certificate, and it names this login.
        Method::External => true,
        Method::Xoauth2 | Method::Oauthbearer => false,
    }
}
