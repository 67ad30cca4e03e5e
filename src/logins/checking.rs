//! A login that a file of users decides.

use core::ffi::CStr;

use ngx_mail::attempt::Attempt;
use ngx_mail::client::Client as _;
use ngx_mail::client_certificate::Name;
use ngx_mail::connection::Connection;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;
use pop3::{Method, ResponseCode, Secret};
use user_file::{Password, Text};

use super::at_backend;
use super::failure::{Login, fail, refuse_credentials};
use super::limited;
use crate::conf::users::{UserFile, Users};
use crate::gather::gather;
use crate::module::Pop3;
use crate::refusal::{By, Refusal, Refused};
use crate::users::certified::{Certified, Nobody};
use crate::users::{Presented, Verdict, check};

/// The longest password in bytes that crypt is given: it takes longer for longer ones, and
/// all sessions of the worker wait.
const LONGEST_HASHED: usize = 128;

/// What is logged of a client that has to claim a login.
const SEVERAL: &CStr = c"client certificate names several logins, and the client none";

/// Where a login goes that is right, or that the backend is to decide.
struct Destination {
    place: Option<usize>,
    /// Whether a password of the file takes the place of what the client has presented.
    password: bool,
}

/// Checks the attempt.
pub fn begin(mut login: Login<'_>, file: &UserFile) {
    match decide(&mut login, file) {
        Ok(Some(Destination { place, password })) => at_backend::begin_at(login, place, password),
        Ok(None) => refuse(login),
        Err(NoMemory) => fail(login),
    }
}

/// Nothing if the credentials are refused.
fn decide(login: &mut Login<'_>, file: &UserFile) -> Result<Option<Destination>, NoMemory> {
    let users = file.users();
    let (_, mut connection, state) = login.parts();
    let Some(method) = state.kept.login.as_ref().map(|login| login.method) else {
        return Err(NoMemory);
    };
    let attempt = connection.attempt().ok_or(NoMemory)?;
    let certified = match method {
        Method::External => match certified(&connection, users, attempt.login()) {
            Ok(login) => Some(login),
            Err(Nobody::NoMemory) => return Err(NoMemory),
            Err(reason) => {
                if reason == Nobody::Several {
                    connection.log(SEVERAL, None);
                }
                return Ok(None);
            }
        },
        _ => None,
    };
    let name = certified.as_ref().map_or(attempt.login(), Bytes::as_slice);
    let entry = users.find(name);
    let challenge = match method {
        Method::Apop => connection.session_challenge(),
        _ => state.kept.challenge.as_ref().map_or(&[][..], Bytes::as_slice),
    };
    let presented = Presented { method, secret: Secret::new(attempt.secret()), challenge };
    let mut memory = Ok(());
    let bounded = attempt.secret().len() <= LONGEST_HASHED;
    let verdict = check(entry.as_ref(), &presented, users.samples(), |stored| {
        if !bounded {
            return false;
        }
        let made = users
            .crypt()
            .ok_or(NoMemory)
            .and_then(|crypt| connection.crypt(crypt, attempt.secret(), stored));
        match made {
            Ok(made) => user_file::verify::crypt(stored, made.as_slice()),
            Err(NoMemory) => {
                memory = Err(NoMemory);
                false
            }
        }
    });
    memory?;

    let place = entry.and_then(|entry| entry.backend).and_then(|text| file.places().find(text));
    let text = match verdict {
        Verdict::Wrong => return Ok(None),
        Verdict::Unknown => return Ok(Some(Destination { place, password: false })),
        Verdict::Right(text) => text,
    };
    let Some(text) = text else { return Ok(Some(Destination { place, password: false })) };
    let shown = attempt_with(&connection, name, text)?;
    let old = connection.take_attempt().ok_or(NoMemory)?;
    connection.show_attempt(shown);
    connection.put_ahead(old.ahead())?;

    Ok(Some(Destination { place, password: true }))
}

/// Who logs in by the certificate: whom the file has a password for that the backend can be
/// told, and just whom the client claims to be, if it claims anything.
fn certified(
    connection: &Connection<'_, Pop3>,
    users: &Users,
    claimed: &[u8],
) -> Result<Bytes, Nobody> {
    let mut certified = Certified::default();
    connection.certified(|of_kind| {
        let (Name::Mail(name) | Name::Common(name)) = of_kind;
        let entry = users.find(name);
        let has_text = entry.is_some_and(|entry| matches!(entry.password, Password::Plain(_)));
        if has_text && (claimed.is_empty() || claimed == name) {
            certified.take(of_kind, |name| connection.copy(name));
        }
    });
    certified.login()
}

/// An attempt with the file's password.
fn attempt_with(
    client: &impl ngx_mail::client::Client,
    login: &[u8],
    text: Text<'_>,
) -> Result<Attempt, NoMemory> {
    let password = gather(client, |put| text.expose(|piece| put(piece)))?;
    client.logged(Attempt::new(login, password.as_slice()))
}

/// Tells the client that its credentials are refused.
fn refuse(mut login: Login<'_>) {
    let (_, connection, state) = login.parts();
    let Some(method) = state.kept.login.as_ref().map(|login| login.method) else {
        return fail(login);
    };
    let code = ResponseCode::Auth;
    let refused = Refused { by: By::File, method, code, words: b"", challenge: None };
    match Refusal::new(&connection, &refused, |put| code.write(b"", put)) {
        Ok(refusal) => {
            limited::refused(&connection, &refusal);
            refuse_credentials(login, refusal);
        }
        Err(NoMemory) => fail(login),
    }
}
