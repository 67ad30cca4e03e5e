//! A whole module: the echo protocol (RFC 862), line by line, with a greeting before
//! and the line QUIT at the end.
//!
//! ```text
//! load_module /usr/local/lib/nginx/libngx_mail_echo.so;
//!
//! mail {
//!     auth_http 127.0.0.1:9;      # nginx wants one, if no server of it has logins
//!     echo_greeting "hello";
//!
//!     server {
//!         listen   7;
//!         protocol echo;
//!     }
//! }
//! ```
//!
//! `cargo build --release -p ngx-mail --example ngx_mail_echo` makes the file, with
//! NGINX_SOURCE_DIR and NGINX_BUILD_DIR as for any module.

#![cfg_attr(panic = "abort", no_std)]
#![deny(unsafe_code)]

use core::ffi::CStr;

use ngx_mail::client::{Client, Received};
use ngx_mail::conf::{Conf, Directive, Refused, ServerConf, Values};
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;
use ngx_mail::scratch::Lease;
use ngx_mail::session::{Handler, Session};
use ngx_mail::text::Text;

/// The longest line in bytes that may come in pieces: what is kept for a client has to
/// have a bound.
const LONGEST_LINE: usize = 1024;

/// The module: the type that the others are tied to.
struct Echo;

/// What nginx makes of the types below. `unsafe` is in the macros alone.
#[allow(unsafe_code)]
mod tables {
    use ngx_mail::{Kind, Protocol};

    ngx_mail::module! {
        super::Echo {
            server_conf: super::EchoConf,
            state: super::State,
            protocol: Protocol {
                name: c"echo",
                alpn: c"\x04echo",
                ports: [7, 0, 0],
                kind: Kind::Other,
                internal_error: c"internal error\r\n",
                certificate_error: c"certificate refused\r\n",
                no_certificate: c"certificate required\r\n",
            },
            directives: [super::Greeting],
        }
    }

    ngx_mail::exports! { MODULE as c"ngx_mail_echo_module" }
}

/// The configuration of a server, or of the mail{} level.
#[derive(Default)]
struct EchoConf {
    /// With its CRLF, to be sent as it is.
    greeting: Option<Text>,
}

impl ServerConf for EchoConf {
    fn merge(&mut self, parent: &Self, _cf: &mut Conf<'_>) -> Result<(), Refused> {
        self.greeting = self.greeting.or(parent.greeting);
        Ok(())
    }
}

/// `echo_greeting text;`
struct Greeting;

impl Directive for Greeting {
    type Conf = EchoConf;

    const NAME: &CStr = c"echo_greeting";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut EchoConf) -> Result<(), Refused> {
        if conf.greeting.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }

        let value = cf.value(0).unwrap_or_default();
        let text = value.as_bytes();
        let fit = text.split(u8::is_ascii_control).next().unwrap_or_default();
        if fit != text {
            // Nor is the rest logged: a line break would forge a line there, too.
            return Err(cf.refuse(
                c"invalid greeting",
                fit,
                c"in the \"echo_greeting\" directive: a control character follows this text",
            ));
        }
        conf.greeting = Some(cf.text(&|put| {
            put(text);
            put(b"\r\n");
        })?);

        Ok(())
    }
}

/// What is kept of a session between events: all that there is for one that is idle.
#[derive(Default)]
struct State {
    /// The start of a line whose end is still to come.
    line: Option<Bytes>,
    /// Whether QUIT was the last line.
    quit: bool,
}

/// How a session goes on.
enum Next {
    Read,
    WaitUntilSent,
    Close,
}

// Whatever may end a session takes it away, so that nothing can be done with it after
// that. The rest of the module sees a `Client`: it could be tested without nginx.
impl Handler for Echo {
    fn connected(mut session: Session<'_, Self>) {
        let (mut client, _) = session.parts();
        client.set_action(c"echoing lines");
        match greet(client.conf(), &mut client) {
            Ok(()) => session.read_soon(),
            Err(fault) => go_on(session, Err(fault)),
        }
    }

    fn readable(mut session: Session<'_, Self>) {
        let (mut client, state) = session.parts();
        let next = answer(&mut client, state);
        go_on(session, next);
    }
}

fn go_on(mut session: Session<'_, Echo>, next: Result<Next, Fault>) {
    match next {
        // What is there already raises no event. Others have their turn before it.
        Ok(Next::Read) if session.connection().ready() => session.read_next_round(),
        Ok(Next::Read) => session.wait_for_input(),
        Ok(Next::WaitUntilSent) => session.wait_until_sent(),
        Ok(Next::Close) | Err(Fault::Broken) => session.close(),
        Err(Fault::NoMemory) => session.internal_error(),
    }
}

fn greet(conf: &EchoConf, client: &mut impl Client) -> Result<(), Fault> {
    client.send_all(conf.greeting.unwrap_or(Text::fixed(b"echo\r\n")).as_bytes())?;

    Ok(())
}

/// Reads once, and sends back the lines that have their end then.
fn answer(client: &mut impl Client, state: &mut State) -> Result<Next, Fault> {
    // nginx sends what did not go at once, and calls again. A client that does not
    // read is not read from: more and more would have to be kept for it.
    if client.sending() {
        return Ok(Next::WaitUntilSent);
    }
    client.forget_sent();
    if state.quit {
        return Ok(Next::Close);
    }

    // This memory is there once, for all sessions, and nothing stays in it.
    let mut lease = Lease::take().ok_or(NoMemory)?;
    let held = state.line.take();
    let (memory, _) = lease.memory(held.as_ref())?;
    let Some(input) = read(client, held.as_ref(), memory)? else { return Ok(Next::Close) };

    let (lines, rest, quit) = complete_lines(input);
    if !quit && rest.len() > LONGEST_LINE {
        client.log(c"client sent too long line", None);
        return Ok(Next::Close);
    }
    if !quit && !rest.is_empty() {
        state.line = Some(client.copy(rest)?);
    }
    state.quit = quit;

    Ok(match client.send_all(lines)? {
        false => Next::WaitUntilSent,
        true if quit => Next::Close,
        true => Next::Read,
    })
}

/// Reads behind what was held. Gives both, or nothing if the client has left.
fn read<'m>(
    client: &mut impl Client,
    held: Option<&Bytes>,
    memory: &'m mut [u8],
) -> Result<Option<&'m [u8]>, Fault> {
    let held = held.map_or(&[][..], Bytes::as_slice);
    let (start, free) = memory.split_at_mut_checked(held.len()).ok_or(NoMemory)?;
    start.copy_from_slice(held);
    let count = match client.receive(free)? {
        Received::Bytes(count) => count,
        Received::Nothing => 0,
        Received::End => return Ok(None),
    };

    Ok(memory.get(..held.len().saturating_add(count)))
}

/// The lines that have their end, up to QUIT, and what is behind them.
fn complete_lines(input: &[u8]) -> (&[u8], &[u8], bool) {
    let (mut rest, mut quit) = (input, false);
    while let (false, Some((line, behind))) = (quit, first_line(rest)) {
        quit = line.trim_ascii_end().eq_ignore_ascii_case(b"QUIT");
        rest = behind;
    }

    let length = input.len().saturating_sub(rest.len());
    (input.get(..length).unwrap_or_default(), rest, quit)
}

/// The first line with its end, and what is behind it.
fn first_line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.iter().position(|&byte| byte == b'\n')?;
    input.split_at_checked(end.saturating_add(1))
}
