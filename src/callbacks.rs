//! What nginx calls, and what is done with the session then.

use core::ffi::CStr;

use ngx_mail::client::Client;
use ngx_mail::connection::Connection;
use ngx_mail::cycle::Cycle;
use ngx_mail::ended::Ended;
use ngx_mail::error::NoMemory;
use ngx_mail::record::End;
use ngx_mail::session::{Handler, Session};
use pop3::Method;

use crate::client::dialogue;
use crate::client::state::{Next, State};
use crate::conf::ServerConf;
use crate::conf::limits::Limits;
use crate::limits::Begun;
use crate::logins;
use crate::logins::failure::resume;
use crate::module::Pop3;
use crate::session_log;

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
        let next = match admit(&connection, conf, state) {
            Ok(true) => dialogue::greet(connection.reborrow(), conf, state),
            Ok(false) => dialogue::turn_away(connection.reborrow(), conf, state),
            Err(NoMemory) => Next::Fail,
        };
        connection.set_action(c"in auth state");

        match next {
            // Bytes that came along with a PROXY protocol header or a TLS
            // handshake raise no event of their own.
            Next::Read if connection.has_input() => session.read_soon(),
            next => go_on(session, next),
        }
    }

    fn secured(session: Session<'_, Self>) {
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

    fn is_recorded(conf: &ServerConf) -> bool {
        conf.logs.is_some() || matches!(conf.limits, Some(Limits { sessions: Some(_), .. }))
    }

    fn is_leaving(bytes: &[u8]) -> bool {
        pop3::ends_with_quit(bytes)
    }

    fn ended(session: &mut Ended<'_, Self>) {
        session_log::write(session);
        if let (Some(Limits { zone, .. }), Some(counted)) =
            (&session.conf().limits, session.state().counted.take())
        {
            zone.end(counted);
        }
    }

    fn exiting(cycle: &Cycle<'_, Self>) {
        for limits in cycle.servers().filter_map(|conf| conf.limits.as_ref()) {
            limits.zone.leave();
        }
    }

    /// Logs who serves POP3, if a server of the configuration has it and nginx
    /// does more than test it; and that it is not who could be expected to.
    fn started(cycle: &Cycle<'_, Self>) {
        if cycle.is_test() || !cycle.has_server() {
            return;
        }
        cycle.log().notice(ANNOUNCEMENT);
        for listen in cycle.listens() {
            let how = if listen.tls { c" in TLS: " } else { c": " };
            let summary = listen.conf.summary.as_bytes();
            cycle.log().listens(c"POP3 at ", listen.address, how, summary);
        }
        if let Some(path) = cycle.replaced_file() {
            cycle.log().warn_of_file(path, REPLACED);
        }
    }
}

/// Counts the session, if there is a limit; gives whether there may be one more of the
/// address.
fn admit(
    connection: &Connection<'_, Pop3>,
    conf: &ServerConf,
    state: &mut State,
) -> Result<bool, NoMemory> {
    let Some(Limits { zone, sessions: Some((most, _)), .. }) = &conf.limits else {
        return Ok(true);
    };
    let Some(address) = connection.ip() else { return Ok(true) };
    match connection.logged(zone.begin(address, *most))? {
        Begun::Counted(counted) => state.counted = counted,
        Begun::Full => connection
            .error_log()
            .warn(c"\"pop3_limit_zone\" is too small: clients are not counted"),
        Begun::TooMany => {
            connection.error_log().notice(c"too many connections from the client's address");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Inlined: this is how most events end.
#[inline(always)]
fn go_on(mut session: Session<'_, Pop3>, next: Next) {
    match next {
        Next::Read => session.wait_for_input(),
        Next::Send => session.wait_until_sent(),
        Next::Authenticate(method) => authenticate(session, method),
        Next::StartTls => start_tls(session),
        Next::Close | Next::Drop => {
            session.connection().note_end(End::Client);
            session.close();
        }
        Next::Fail => session.internal_error(),
    }
}

fn authenticate(mut session: Session<'_, Pop3>, method: Method) {
    let (mut connection, state) = session.parts();
    match dialogue::hand_on(&mut connection, state) {
        Ok(()) => logins::begin(session, method),
        Err(_) => session.internal_error(),
    }
}

#[cold]
fn start_tls(mut session: Session<'_, Pop3>) {
    let (mut connection, state) = session.parts();
    dialogue::forget(&mut connection, state);
    session.wait_for_handshake();
}
