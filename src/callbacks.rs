//! What nginx calls, and what is done with the session then.

use core::ffi::CStr;

use ngx_mail::certificate::ServerName;
use ngx_mail::client::Client;
use ngx_mail::cycle::Cycle;
use ngx_mail::heap::{Boxed, Bytes};
use ngx_mail::login::{Authenticator, Event, Login};
use ngx_mail::session::{Handler, Session};
use ngx_mail::tls::Tls;
use pop3::reply;

use crate::backend;
use crate::backend::route::Route;
use crate::backend::state::State;
use crate::client::dialogue;
use crate::client::state::Next;
use crate::conf::backend::Ssl;
use crate::module::Pop3;

const ANNOUNCEMENT: &CStr = terminated(concat!(
    "POP3 is served by ngx_mail_pop3_rs_module ",
    env!("CARGO_PKG_VERSION"),
    "\0"
));

/// Behind the path of the module's file, and a quote before it.
const REPLACED: &CStr = terminated(concat!(
    "\" was replaced or removed: ngx_mail_pop3_rs_module ",
    env!("CARGO_PKG_VERSION"),
    ", loaded before, serves POP3 until nginx is restarted or upgraded on the fly (USR2)\0"
));

const fn terminated(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

impl Handler for Pop3 {
    /// Sends the greeting.
    fn connected(mut session: Session<'_, Self>) {
        let (mut connection, state) = session.parts();
        let conf = connection.conf();
        let next = dialogue::greet(connection.reborrow(), conf, state);
        connection.set_action(c"in auth state");

        match next {
            // Bytes that came along with a PROXY protocol header or a TLS
            // handshake raise no event of their own.
            Next::Read if connection.tls() || connection.ready() => session.read_soon(),
            next => go_on(session, next),
        }
    }

    fn secured(session: Session<'_, Self>) {
        resume(session);
    }

    fn refused(session: Session<'_, Self>) {
        resume(session);
    }

    fn readable(mut session: Session<'_, Self>) {
        let (mut connection, state) = session.parts();
        let conf = connection.conf();
        match dialogue::read(connection.reborrow(), conf, state) {
            Next::Read if connection.ready() => session.read_next_round(),
            next => go_on(session, next),
        }
    }

    /// Logs who serves POP3, if a server of the configuration has it and nginx
    /// does more than test it; and that it is not who could be expected to.
    fn started(cycle: &Cycle<'_, Self>) {
        if cycle.is_test() || !cycle.has_server() {
            return;
        }
        cycle.log().notice(ANNOUNCEMENT);
        if let Some(path) = cycle.replaced_file() {
            cycle.log().warn_of_file(path, REPLACED);
        }
    }
}

/// Begins anew, when the present event is done.
fn resume(mut session: Session<'_, Pop3>) {
    let (mut connection, state) = session.parts();
    dialogue::resume(state);
    connection.set_action(c"in auth state");
    session.read_soon();
}

/// Inlined: this is how most events end.
#[inline(always)]
fn go_on(session: Session<'_, Pop3>, next: Next) {
    match next {
        Next::Read | Next::Send => session.wait_for_input(),
        Next::Authenticate => authenticate(session),
        Next::StartTls => start_tls(session),
        Next::Close | Next::Drop => session.close(),
        Next::Fail => fail(session),
    }
}

fn authenticate(mut session: Session<'_, Pop3>) {
    let (mut connection, state) = session.parts();
    if dialogue::hand_on(&mut connection, state).is_err() {
        return fail(session);
    }
    if connection.conf().backend.is_some() {
        log_in(session);
    } else {
        session.authenticate();
    }
}

/// Begins a login at a backend.
fn log_in(mut session: Session<'_, Pop3>) {
    let (connection, state) = session.parts();
    let Some(route) = Route::of(connection.conf(), None) else { return fail(session) };
    let begun = State::new(route.options, route.addresses.take_turn()).and_then(Boxed::new);
    let Ok(begun) = connection.logged(begun) else { return fail(session) };
    state.backend = Some(begun);
    if let Some(login) = session.begin_login() {
        connect(login);
    }
}

/// Connects to the next address, or tells the client that there is none.
fn connect(mut login: Login<'_, Pop3>) {
    loop {
        let (_, connection, state) = login.parts();
        let next = Route::of(connection.conf(), None)
            .filter(|_| connection.has_time())
            .zip(state.backend.as_deref_mut())
            .and_then(|(route, state)| {
                let (index, left) = state.next_address(route.addresses.count())?;
                Some((route.addresses.get(index), left))
            });
        let Some((address, left)) = next else { return refuse(login, reply::UNAVAILABLE) };
        login = match login.connect(address, left) {
            Ok(()) => return,
            Err(login) => login,
        };
    }
}

impl Authenticator for Pop3 {
    fn backend(mut login: Login<'_, Self>, event: Event) {
        let Some(Route { tls, host, .. }) = Route::of(login.conf(), None) else {
            return fail(login.leave());
        };
        match (event, tls) {
            (Event::Connected, Some((Ssl::On, tls))) => secure(login, tls, host),
            (Event::Connected, _) => wait_for_greeting(login),
            (Event::Secured, Some((ssl, tls))) if login.verify(tls, host) => match ssl {
                Ssl::StartTls => go_on_with_backend(login, event),
                _ => wait_for_greeting(login),
            },
            (Event::Readable, _) => go_on_with_backend(login, event),
            (Event::Secured | Event::Failed, _) => next_backend(login),
        }
    }
}

fn wait_for_greeting(mut login: Login<'_, Pop3>) {
    let (_, mut connection, _) = login.parts();
    connection.set_action(c"reading greeting from upstream");
    login.wait();
}

/// Makes the TLS handshake with a backend.
fn secure(login: Login<'_, Pop3>, tls: &Tls, host: ServerName<'_>) {
    if let Err(login) = login.secure(tls, host) {
        next_backend(login);
    }
}

/// Takes a step of the dialogue with a backend.
fn go_on_with_backend(mut login: Login<'_, Pop3>, event: Event) {
    let conf = login.conf();
    let (backend, connection, state) = login.parts();
    let route = Route::of(conf, connection.attempt());
    let (Some(mut backend), Some(route), Some(kept)) =
        (backend, route, state.backend.as_deref_mut())
    else {
        return fail(login.leave());
    };
    let Route { tls, host, .. } = route;
    match backend::dialogue::step(event, &mut backend, &connection, kept, &route.credentials) {
        backend::dialogue::Next::Wait => login.wait(),
        backend::dialogue::Next::StartTls => match tls {
            Some((_, tls)) => secure(login, tls, host),
            None => fail(login.leave()),
        },
        backend::dialogue::Next::Relay(line) => relay(login, line),
        backend::dialogue::Next::Refuse(reply) => refuse(login, reply.as_slice()),
        backend::dialogue::Next::Fail => next_backend(login),
        backend::dialogue::Next::NoMemory => fail(login.leave()),
    }
}

/// Goes on with another backend, if the last one has not been told who logs in.
fn next_backend(mut login: Login<'_, Pop3>) {
    let (_, _, state) = login.parts();
    match &state.backend {
        Some(state) if state.dialogue.replaceable() => connect(login),
        _ => refuse(login, reply::UNAVAILABLE),
    }
}

/// Has nginx relay, and send the client the line first; that may be too long for it.
fn relay(mut login: Login<'_, Pop3>, line: Bytes) {
    let room = login.room();
    let (_, connection, state) = login.parts();
    state.backend = None;
    let fits = line.as_slice().len() <= room;
    let line = if fits { Ok(line) } else { connection.copy(reply::OK) };
    match line {
        Ok(line) => login.relay(line),
        Err(_) => fail(login.leave()),
    }
}

/// Tells the client that its login has failed, and goes on with it.
fn refuse(login: Login<'_, Pop3>, reply: &[u8]) {
    let mut session = login.leave();
    let (mut connection, state) = session.parts();
    state.backend = None;
    connection.set_action(c"in auth state");
    let conf = connection.conf();
    match dialogue::refuse(connection.reborrow(), conf, state, reply) {
        Next::Read => resume(session),
        next => go_on(session, next),
    }
}

#[cold]
fn start_tls(mut session: Session<'_, Pop3>) {
    let (mut connection, state) = session.parts();
    dialogue::forget(&mut connection, state);
    session.wait_for_handshake();
}

/// Tells the client of an error of ours.
#[cold]
fn fail(session: Session<'_, Pop3>) {
    session.internal_error();
}
