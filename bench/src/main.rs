//! A POP3 load generator, with the auth server and the backend that logins
//! need. `bench/run` starts it; it prints the seconds that the work took.

mod client;
mod commands;
mod crowd;
mod logins;
mod peers;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Instant;

use lexopt::prelude::*;

use crate::client::Acks;
use crate::commands::Commands;
use crate::logins::Logins;

const USAGE: &str = "\
usage: load peers
       load commands --port N --line TEXT ... --count N [--batch N] [--ack-at-once]
                     [--refused] [--hold]
       load logins   --port N --method NAME --count N [--clients N]
       load relayed  --port N --count N
       load crowd    --port N --connections N

peers     serves an auth server and a backend until its standard input ends,
          and prints their ports
commands  sends --count lines on one connection, --batch at a time, and reads
          the replies; --refused: an -ERR is as good as a +OK; --hold: says
          \"done\" and keeps the connection until its standard input ends
logins    makes --count logins, each on a connection of its own, by user-pass,
          unanswered, plain, plain-initial, login, external, external-initial,
          apop or cram-md5
relayed   logs in and sends --count commands at once to the backend
crowd     opens the connections and takes orders from its standard input:
          \"all LINE\", \"tenth LINE ROUNDS\", \"log-in\", \"begin\" (logins that the
          backend does not answer); what has been done is printed";

/// What went wrong, as a text for the user.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Arguments {
    port: u16,
    count: usize,
    batch: usize,
    clients: usize,
    connections: usize,
    method: String,
    lines: Vec<String>,
    acks: Acks,
    refused: bool,
    hold: bool,
}

impl Arguments {
    fn parse(parser: &mut lexopt::Parser) -> Result<Self, Failure> {
        let mut arguments = Self {
            port: 0,
            count: 1,
            batch: 1,
            clients: 8,
            connections: 1,
            method: String::new(),
            lines: Vec::new(),
            acks: Acks::Delayed,
            refused: false,
            hold: false,
        };

        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => arguments.port = parser.value()?.parse()?,
                Long("count") => arguments.count = parser.value()?.parse()?,
                Long("batch") => arguments.batch = parser.value()?.parse()?,
                Long("clients") => arguments.clients = parser.value()?.parse()?,
                Long("connections") => arguments.connections = parser.value()?.parse()?,
                Long("method") => arguments.method = parser.value()?.string()?,
                Long("line") => arguments.lines.push(parser.value()?.string()?),
                Long("ack-at-once") => arguments.acks = Acks::AtOnce,
                Long("refused") => arguments.refused = true,
                Long("hold") => arguments.hold = true,
                other => return Err(other.unexpected().into()),
            }
        }

        Ok(arguments)
    }

    fn server(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

fn run() -> Result<(), Failure> {
    let mut parser = lexopt::Parser::from_env();
    let Some(Value(work)) = parser.next()? else { return Err(USAGE.into()) };
    let arguments = Arguments::parse(&mut parser)?;
    let server = arguments.server();

    match work.to_str() {
        Some("peers") => peers::serve(),
        Some("commands") => timed(|| {
            Commands {
                lines: &arguments.lines,
                count: arguments.count,
                batch: arguments.batch,
                acks: arguments.acks,
                refused: arguments.refused,
                hold: arguments.hold,
            }
            .run(server)
        }),
        Some("logins") => timed(|| {
            Logins::new(&arguments.method, arguments.count, arguments.clients)?.run(server)
        }),
        Some("relayed") => timed(|| logins::relayed(server, arguments.count)),
        Some("crowd") => crowd::run(server, arguments.connections),
        _ => Err(USAGE.into()),
    }
}

fn timed(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let start = Instant::now();
    work()?;
    println!("{:.6}", start.elapsed().as_secs_f64());

    Ok(())
}
