//! A login at a backend: from the first address to the relay.

use ngx_mail::address::Addresses;
use ngx_mail::certificate::ServerName;
use ngx_mail::client::Client as _;
use ngx_mail::heap::Bytes;
use ngx_mail::login::Event;
use ngx_mail::resolve::Told;
use ngx_mail::tls::Tls;
use pop3::reply;

use super::failure::{Login, fail, refuse, refuse_credentials};
use super::limited;
use crate::backend::dialogue::{self, Next};
use crate::backend::route::{Route, credentials, options};
use crate::backend::state::State;
use crate::client::state::Stage;
use crate::conf::backend::{Backend, Ssl};

/// Begins a login at the backend of the configuration, with this address.
pub fn begin(mut login: Login<'_>, first: usize) {
    if enter(&mut login, first, None, false).is_some() { connect(login) } else { fail(login) }
}

/// Begins one at this place of those of the configuration, with a password for it if there
/// is one.
pub fn begin_at(mut login: Login<'_>, place: Option<usize>, password: bool) {
    let Some(backend) = &login.conf().backend else { return fail(login) };
    let first = Route::of(backend, place).addresses.map_or(0, Addresses::take_turn);
    if enter(&mut login, first, place, password).is_some() {
        connect(login);
    } else {
        fail(login);
    }
}

/// Begins one where the session was told to go, with a password for it if there is one.
pub fn begin_told(mut login: Login<'_>, told: Told, password: bool) {
    if enter(&mut login, 0, None, password).is_none() {
        return fail(login);
    }
    match told {
        Told::Address => connect(login),
        Told::Name => {
            if let Err(login) = login.resolve() {
                refuse(login, reply::UNAVAILABLE);
            }
        }
    }
}

/// Notes that the login is at a backend now; nothing if there is no memory.
fn enter(login: &mut Login<'_>, first: usize, place: Option<usize>, password: bool) -> Option<()> {
    let backend = login.conf().backend.as_ref()?;
    let (_, connection, state) = login.parts();
    let begun = state.kept.login.as_deref_mut()?;
    let credentials = credentials(connection.attempt(), begun.method);
    let at_backend = State::new(options(backend, &credentials, password), first, place);
    begun.stage = Stage::AtBackend(connection.logged(at_backend).ok()?);
    Some(())
}

/// Connects to the next address, or tells the client that there is none.
pub fn connect(mut login: Login<'_>) {
    let Some(backend) = &login.conf().backend else { return fail(login) };
    let addresses = Route::of(backend, place(&mut login)).addresses;
    loop {
        let count = addresses.map_or_else(|| login.learnt(), |addresses| addresses.count());
        let (_, connection, state) = login.parts();
        let Some(Stage::AtBackend(kept)) = state.kept.stage() else { return fail(login) };
        let next = kept.next_address(count).filter(|_| connection.has_time());
        let Some((index, left)) = next else { return refuse(login, reply::UNAVAILABLE) };
        let connected = match addresses {
            Some(addresses) => login.connect(addresses.get(index), left),
            None => login.connect_learnt(index, left),
        };
        login = match connected {
            Ok(()) => return,
            Err(login) => login,
        };
    }
}

/// Goes on at an event of the backend.
pub fn go_on(mut login: Login<'_>, backend: &Backend, event: Event) {
    let Route { tls, host, .. } = Route::of(backend, place(&mut login));
    match (event, tls) {
        (Event::Connected, Some((Ssl::On, tls))) => secure(login, tls, host),
        (Event::Connected, _) => wait_for_greeting(login),
        (Event::Secured, Some((ssl, tls))) if login.verify(tls, host) => match ssl {
            Ssl::StartTls => take_step(login, event),
            _ => wait_for_greeting(login),
        },
        (Event::Readable, _) => take_step(login, event),
        _ => next_backend(login),
    }
}

/// Which place of the configuration it is, if that has several.
fn place(login: &mut Login<'_>) -> Option<usize> {
    let (_, _, state) = login.parts();
    match state.kept.stage() {
        Some(Stage::AtBackend(kept)) => kept.place,
        _ => None,
    }
}

fn wait_for_greeting(mut login: Login<'_>) {
    let (_, mut connection, _) = login.parts();
    connection.set_action(c"reading greeting from upstream");
    login.wait();
}

/// Makes the TLS handshake with a backend.
fn secure(login: Login<'_>, tls: &Tls, host: Option<ServerName<'_>>) {
    if let Err(login) = login.secure(tls, host) {
        next_backend(login);
    }
}

/// Takes a step of the dialogue with a backend.
fn take_step(mut login: Login<'_>, event: Event) {
    let conf = login.conf();
    let (server, connection, state) = login.parts();
    let (Some(backend), Some(mut server), Some(begun)) =
        (&conf.backend, server, state.kept.login.as_deref_mut())
    else {
        return fail(login);
    };
    let credentials = credentials(connection.attempt(), begun.method);
    let Stage::AtBackend(kept) = &mut begun.stage else { return fail(login) };
    let Route { tls, host, .. } = Route::of(backend, kept.place);
    match dialogue::step(event, &mut server, &connection, kept, &credentials) {
        Next::Wait => login.wait(),
        Next::StartTls => match tls {
            Some((_, tls)) => secure(login, tls, host),
            None => fail(login),
        },
        Next::Relay(line) => relay(login, line),
        Next::Refuse(refusal) => {
            limited::refused(&connection, &refusal);
            refuse_credentials(login, refusal);
        }
        Next::Fail => next_backend(login),
        Next::NoMemory => fail(login),
    }
}

/// Goes on with another backend, if the last one has not been told who logs in.
fn next_backend(mut login: Login<'_>) {
    let (_, _, state) = login.parts();
    match state.kept.stage() {
        Some(Stage::AtBackend(kept)) if kept.dialogue.replaceable() => connect(login),
        _ => refuse(login, reply::UNAVAILABLE),
    }
}

/// Has nginx relay, and send the client the line first.
fn relay(mut login: Login<'_>, line: Bytes) {
    let (_, connection, state) = login.parts();
    state.kept.login = None;
    state.kept.challenge = None;
    limited::succeeded(&connection);
    login.relay(line);
}
