//! POP3 clients in plain and in TLS, for `bench/run-peers`. They know nothing of which
//! server is before them; the auth server and the backend are those of the crate `load`.

mod client;
mod crowd;
mod logins;
mod tls;

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;

use crate::crowd::Until;
use crate::logins::Amount;
use crate::tls::Kind;

const USAGE: &str = "\
usage: peers-client logins --port N [--tls full|reused] [--clients N] --seconds S|--count N
       peers-client fetch  --port N [--tls full] --count N [--together N] [--ack-at-once]
       peers-client crowd  --port N [--tls full] --count N --until connected|greeted|logged-in
       peers-client tries  --port N --count N

logins  logs in and out, each time on a connection of its own, for so long or so often;
        each client has done it once before. Prints how many logins there were, the seconds
        that they took together, and in milliseconds the median and the 99th percentile of
        a login, and the median from the connection or the handshake to the greeting
fetch   logs in and reads so many messages, one after the other or so many together; prints
        bytes and seconds
crowd   opens the connections, brings them so far and keeps them; prints how many are open
tries   logs in and out so many times, one after the other; prints how many times it went
        well

All but tries say \"ready\" when they are, and go on, or end, at a line or the end of the
standard input";

/// What went wrong, as a text for the user.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Arguments {
    server: SocketAddr,
    kind: Kind,
    clients: usize,
    count: usize,
    seconds: Option<Duration>,
    together: usize,
    ack_at_once: bool,
    until: Until,
}

impl Arguments {
    fn parse(parser: &mut lexopt::Parser) -> Result<Self, Failure> {
        let mut arguments = Self {
            server: (Ipv4Addr::LOCALHOST, 0).into(),
            kind: Kind::Plain,
            clients: 1,
            count: 1,
            seconds: None,
            together: 1,
            ack_at_once: false,
            until: Until::Greeted,
        };

        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => arguments.server.set_port(parser.value()?.parse()?),
                Long("tls") => arguments.kind = Kind::named(&parser.value()?.string()?)?,
                Long("clients") => arguments.clients = parser.value()?.parse()?,
                Long("count") => arguments.count = parser.value()?.parse()?,
                Long("seconds") => {
                    arguments.seconds = Some(Duration::from_secs_f64(parser.value()?.parse()?));
                }
                Long("together") => arguments.together = parser.value()?.parse()?,
                Long("ack-at-once") => arguments.ack_at_once = true,
                Long("until") => arguments.until = Until::named(&parser.value()?.string()?)?,
                other => return Err(other.unexpected().into()),
            }
        }

        Ok(arguments)
    }

    fn amount(&self) -> Amount {
        self.seconds.map_or(Amount::Count(self.count), Amount::Time)
    }
}

fn run() -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_env();
    let Some(Value(work)) = parser.next()? else { return Err(USAGE.into()) };
    let arguments = Arguments::parse(&mut parser)?;
    let Arguments { server, kind, clients, count, until, .. } = arguments;

    match work.to_str() {
        Some("logins") => logins::run(server, kind, clients, arguments.amount()),
        Some("fetch") => {
            logins::fetch(server, kind, count, arguments.together.max(1), arguments.ack_at_once)
        }
        Some("crowd") => crowd::run(server, kind, count, until),
        Some("tries") => crowd::tries(server, count),
        _ => Err(USAGE.into()),
    }
}

/// Says that all is prepared, and waits for the word.
fn ready(what: &str) -> Result<(), Failure> {
    println!("ready {what}");
    io::stdout().flush()?;
    io::stdin().read_line(&mut String::new())?;

    Ok(())
}
