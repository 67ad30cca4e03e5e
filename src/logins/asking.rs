//! A login at an auth server: from the question to where the login goes.

use auth_http::reply::is_host_name;
use ngx_mail::attempt::Attempt;
use ngx_mail::backend::Backend as _;
use ngx_mail::client::Client as _;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;
use ngx_mail::login::Event;
use ngx_mail::resolve::Told;
use pop3::{OAuth, reply};

use super::at_backend;
use super::failure::{Login, fail, refuse, refuse_credentials};
use super::limited;
use crate::auth::dialogue::{self, End, Next, Outcome, Route};
use crate::auth::{request, state};
use crate::client::state::Stage;
use crate::conf::auth::Auth;

/// Asks the auth server about the attempt.
pub fn begin(mut login: Login<'_>, auth: &Auth) {
    let (_, mut connection, state) = login.parts();
    connection.set_action(c"in http auth state");
    let challenge = state.kept.challenge.as_ref().map_or(&[][..], Bytes::as_slice);
    let Some(begun) = state.kept.login.as_deref_mut() else { return fail(login) };
    let asking = request::make(&connection, auth, begun.method, challenge).and_then(|request| {
        state::State::new(request, auth.kept.is_some(), auth.addresses.take_turn())
    });
    let Ok(asking) = connection.logged(asking) else { return fail(login) };
    begun.stage = Stage::Asking(asking);

    let Some(kept) = auth.kept else { return ask_next(login, auth) };
    match login.ask_kept(kept, auth.timeout) {
        Ok(login) => go_on(login, auth, Event::Writable),
        Err(login) => ask_next(login, auth),
    }
}

/// Asks by a new connection, at the next address.
fn ask_next(mut login: Login<'_>, auth: &Auth) {
    loop {
        let (_, connection, state) = login.parts();
        let Some(Stage::Asking(asking)) = state.kept.stage() else { return fail(login) };
        let next = asking.next_address(auth.addresses.count()).filter(|_| connection.has_time());
        let Some((index, left)) = next else { return refuse(login, reply::INTERNAL_ERROR) };
        login = match login.ask(auth.addresses.get(index), auth.timeout, left) {
            Ok(()) => return,
            Err(login) => login,
        };
    }
}

/// Goes on at an event of the auth server.
pub fn go_on(mut login: Login<'_>, auth: &Auth, event: Event) {
    if event == Event::Connected {
        login.restart_timer(auth.timeout);
    }
    let (server, connection, state) = login.parts();
    let Some(begun) = state.kept.login.as_deref_mut() else { return fail(login) };
    let method = begun.method;
    let Stage::Asking(asking) = &mut begun.stage else { return fail(login) };
    let next = match (event, server) {
        (Event::Readable, Some(mut server)) => {
            dialogue::read(&mut server, &connection, asking, method, auth.kept.is_some())
        }
        (Event::Connected | Event::Writable, Some(mut server)) => {
            dialogue::send(&mut server, asking)
        }
        _ if asking.sent == 0 => Next::Again,
        _ => dialogue::failed(&connection, asking, method),
    };
    match next {
        Next::Wait => login.wait(),
        Next::WaitForRest => login.wait_briefly(),
        Next::WaitToSend => login.wait_to_send(),
        Next::Again => ask_next(login, auth),
        Next::Ahead => {
            if let Some(kept) = auth.kept {
                login.distrust(kept);
            }
            ask_next(login, auth);
        }
        Next::Answered(outcome, end) => answered(login, auth, outcome, end),
        Next::Fail => refuse(login, reply::INTERNAL_ERROR),
        Next::NoMemory => fail(login),
    }
}

/// Does what the auth server has said.
fn answered(mut login: Login<'_>, auth: &Auth, outcome: Outcome, end: End) {
    if let Outcome::Refused(refusal, _) = &outcome {
        let (_, connection, _) = login.parts();
        limited::refused(&connection, refusal);
    }
    match outcome {
        Outcome::Route(route) => follow(login, auth, &route, end),
        Outcome::Later(seconds) => {
            give_back(&mut login, auth, end);
            sleep(login, Stage::AskingLater, seconds);
        }
        Outcome::Refused(refusal, Some(seconds)) => {
            give_back(&mut login, auth, end);
            sleep(login, Stage::Refused(refusal), seconds);
        }
        Outcome::Refused(refusal, None) => {
            give_back(&mut login, auth, end);
            refuse_credentials(login, refusal);
        }
    }
}

/// Goes where the auth server has said.
fn follow(mut login: Login<'_>, auth: &Auth, route: &Route, end: End) {
    let Ok(told) = login.learn(route.server.as_slice(), route.port) else { return fail(login) };
    let resolver = login.has_resolver();
    let (server, _, state) = login.parts();
    let method = state.kept.login.as_ref().map(|login| login.method);
    let proven = method.is_some_and(|method| method.is_in_clear() || OAuth::of(method).is_some());
    let unfit = if told == Told::Name && !is_host_name(route.server.as_slice()) {
        Some((c"sent invalid server address", route.server.as_slice()))
    } else if told == Told::Name && !resolver {
        Some((c"sent a name, and there is no \"resolver\" to look it up", route.server.as_slice()))
    } else if !proven && route.password.is_none() {
        Some((c"did not send password", &[][..]))
    } else {
        None
    };
    if let Some((how, words)) = unfit {
        if let Some(server) = server {
            server.log_error(how, words);
        }
        return refuse(login, reply::INTERNAL_ERROR);
    }

    give_back(&mut login, auth, end);
    if present(&mut login, route).is_err() {
        return fail(login);
    }
    at_backend::begin_told(login, told, route.password.is_some());
}

/// Shows the credentials for the backend in place of the client's.
fn present(login: &mut Login<'_>, route: &Route) -> Result<(), NoMemory> {
    if route.login.is_none() && route.password.is_none() {
        return Ok(());
    }
    let (_, mut connection, _) = login.parts();
    let Some(old) = connection.take_attempt() else { return Ok(()) };
    let user = route.login.as_ref().map_or(old.login(), Bytes::as_slice);
    let secret = route.password.as_ref().map_or(old.secret(), Bytes::as_slice);
    let attempt = Attempt::new(user, secret);
    connection.show_attempt(connection.logged(attempt)?);
    connection.put_ahead(old.ahead())
}

/// Keeps the auth server's connection for others, if it can be used again, or closes it.
fn give_back(login: &mut Login<'_>, auth: &Auth, end: End) {
    match (auth.kept, end) {
        (Some(kept), End::Clean) => login.give_back(kept),
        (Some(kept), End::Surplus) => login.distrust(kept),
        _ => login.hang_up(),
    }
}

fn sleep(mut login: Login<'_>, stage: Stage, seconds: usize) {
    let (_, _, state) = login.parts();
    let Some(begun) = state.kept.login.as_deref_mut() else { return fail(login) };
    begun.stage = stage;
    login.sleep(seconds.saturating_mul(1000));
}
