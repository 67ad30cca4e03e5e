//! Logins: how they begin, and what nginx calls for the connections to auth servers and
//! backends then.
//!
//! [`limited`] tells when the credentials may be checked, [`asking`] is how a login goes on at
//! an auth server, [`checking`] how with a file of users, [`at_backend`] how at a backend, and
//! [`failure`] how it ends without success.

use address_limits::Attempt;
use failure::{Login, fail, refuse, refuse_credentials};
use ngx_mail::client::Client as _;
use ngx_mail::heap::Boxed;
use ngx_mail::login::{Authenticator, Event};
use ngx_mail::session::Session;
use pop3::{Method, reply};

use crate::client::state::{self, Stage};
use crate::conf::backend::{Backend, Source};
use crate::module::Pop3;

mod asking;
mod at_backend;
mod checking;
pub mod failure;
mod limited;

/// Begins a login with the attempt that is shown, which came by this method.
pub fn begin(session: Session<'_, Pop3>, method: Method) {
    let Some(mut login) = session.begin_login() else { return };
    let (_, connection, state) = login.parts();
    let begun = Boxed::new(state::Login { method, stage: Stage::Begun });
    let Ok(begun) = connection.logged(begun) else { return fail(login) };
    state.kept.login = Some(begun);
    match limited::when(&connection) {
        Attempt::Now => check(login),
        Attempt::After(time) => delay(login, time),
        Attempt::TooLate => {
            connection.log(c"client failed to log in too often, and cannot wait", None);
            refuse(login, reply::TOO_MANY_LOGINS);
        }
    }
}

/// Has them checked after so many milliseconds.
fn delay(mut login: Login<'_>, time: u64) {
    let (_, mut connection, state) = login.parts();
    connection.log(c"client waits to log in, as logins from its address have failed", None);
    connection.set_action(c"delaying login");
    let Some(stage) = state.kept.stage() else { return fail(login) };
    *stage = Stage::Delayed;
    login.sleep(usize::try_from(time).unwrap_or(usize::MAX));
}

/// Has them checked.
fn check(login: Login<'_>) {
    let Some(Backend { source, .. }) = &login.conf().backend else { return fail(login) };
    match source {
        Source::Pass(pass) => at_backend::begin(login, pass.addresses.take_turn()),
        Source::Auth(auth) => asking::begin(login, auth),
        Source::File(file) => checking::begin(login, file),
    }
}

impl Authenticator for Pop3 {
    fn auth_server(login: Login<'_>, event: Event) {
        match &login.conf().backend {
            Some(Backend { source: Source::Auth(auth), .. }) => asking::go_on(login, auth, event),
            _ => fail(login),
        }
    }

    fn resolved(login: Login<'_>, found: bool) {
        if found { at_backend::connect(login) } else { refuse(login, reply::UNAVAILABLE) }
    }

    fn awake(mut login: Login<'_>) {
        let conf = login.conf();
        let (_, connection, state) = login.parts();
        let has_time = connection.has_time();
        let stage = state.kept.login.as_deref_mut().map(state::Login::take_stage);
        match (stage, &conf.backend) {
            (Some(Stage::AskingLater), Some(Backend { source: Source::Auth(auth), .. }))
                if has_time =>
            {
                asking::begin(login, auth);
            }
            (Some(Stage::Delayed), _) if has_time => check(login),
            (Some(Stage::Delayed), _) => refuse(login, reply::TOO_MANY_LOGINS),
            (Some(Stage::AskingLater), _) => {
                limited::failed(&connection);
                refuse(login, reply::INTERNAL_ERROR);
            }
            (Some(Stage::Refused(refusal)), _) => refuse_credentials(login, refusal),
            _ => refuse(login, reply::INTERNAL_ERROR),
        }
    }

    fn abandoned(login: &mut Login<'_>) {
        limited::unanswered(login);
    }

    fn backend(login: Login<'_>, event: Event) {
        match &login.conf().backend {
            Some(backend) => at_backend::go_on(login, backend, event),
            None => fail(login),
        }
    }
}
