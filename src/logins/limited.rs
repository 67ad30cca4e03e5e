//! Logins of an address that has failed before (`pop3_login_delay`).

use address_limits::Attempt;
use ngx_mail::client::Client as _;
use ngx_mail::connection::Connection;
use ngx_mail::login::Login;

use crate::client::state::Stage;
use crate::conf::limits::Limits;
use crate::limits::Zone;
use crate::module::Pop3;
use crate::refusal::Refusal;

/// When the credentials of the login that begins may be checked.
pub fn when(connection: &Connection<'_, Pop3>) -> Attempt {
    match (of(connection), connection.ip()) {
        (Some((zone, most)), Some(address)) => {
            zone.attempt(address, most, connection.time_left() as u64)
        }
        _ => Attempt::Now,
    }
}

/// Notes that the login was refused, if that is for the credentials that are shown.
pub fn refused(connection: &Connection<'_, Pop3>, refusal: &Refusal) {
    if refusal.credentials {
        failed(connection);
    }
}

/// Notes that the login was refused, if somebody has been asked about the credentials that
/// has not answered yet. Where a refusal takes longer than a login, as it does at many
/// backends, a client knows of it without waiting for it.
pub fn unanswered(login: &mut Login<'_, Pop3>) {
    let (_, connection, state) = login.parts();
    let asked = match state.kept.stage() {
        Some(Stage::Asking(asking)) => asking.sent > 0,
        Some(Stage::AskingLater) => true,
        Some(Stage::AtBackend(kept)) => !kept.dialogue.replaceable(),
        _ => false,
    };
    if asked {
        failed(&connection);
    }
}

/// Notes that the login with the credentials that are shown has failed.
pub fn failed(connection: &Connection<'_, Pop3>) {
    if let (Some((zone, _)), Some(address), Some(attempt)) =
        (of(connection), connection.ip(), connection.attempt())
    {
        zone.failed(address, attempt);
    }
}

/// Notes that the login was made.
pub fn succeeded(connection: &Connection<'_, Pop3>) {
    if let (Some((zone, _)), Some(address)) = (of(connection), connection.ip()) {
        zone.succeeded(address);
    }
}

/// Where failed logins are noted, and how long the next ones wait at most, if they do.
fn of<'c>(connection: &Connection<'c, Pop3>) -> Option<(&'c Zone, u64)> {
    match &connection.conf().limits {
        Some(Limits { zone, delay: Some((most, _)), .. }) => Some((zone, *most)),
        _ => None,
    }
}
