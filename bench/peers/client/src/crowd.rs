//! Connections that are kept, and logins that may fail.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE};
use crate::tls::Kind;
use crate::{Failure, ready};

/// How long a client waits that may be refused.
const BOUNDED: Duration = Duration::from_secs(1);
/// After so many in a row who waited in vain, the others do not try.
const HOPELESS: usize = 10;

/// How far the connections of a crowd come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The client does not even read: some may not be let in.
    Connected,
    /// The greeting is read.
    Greeted,
    /// They are logged in.
    LoggedIn,
}

impl Until {
    /// The one of that name on the command line.
    pub fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "connected" => Ok(Self::Connected),
            "greeted" => Ok(Self::Greeted),
            "logged-in" => Ok(Self::LoggedIn),
            _ => Err(format!("connections cannot be kept until {name}").into()),
        }
    }
}

/// Keeps so many connections until it is told to end.
pub fn run(server: SocketAddr, kind: Kind, count: usize, until: Until) -> Result<(), Failure> {
    if until == Until::Connected {
        let streams: Vec<_> =
            (0..count).map_while(|_| TcpStream::connect_timeout(&server, BOUNDED).ok()).collect();
        return ready(&streams.len().to_string());
    }

    let config = kind.config()?;
    let clients = (0..count)
        .map(|_| {
            let mut client = Client::connect(server, config.as_ref(), PATIENCE)?;
            if until == Until::LoggedIn {
                client.log_in()?;
            }
            Ok(client)
        })
        .collect::<Result<Vec<_>, Failure>>()?;

    ready(&clients.len().to_string())
}

/// Prints how many of so many logins go well, one after the other.
pub fn tries(server: SocketAddr, count: usize) -> Result<(), Failure> {
    let (mut well, mut in_vain) = (0, 0);
    for _ in 0..count {
        let start = Instant::now();
        match attempt(server) {
            Ok(()) => (well, in_vain) = (well + 1, 0),
            Err(_) if start.elapsed() < BOUNDED => in_vain = 0,
            Err(_) => in_vain += 1,
        }
        if in_vain == HOPELESS {
            break;
        }
    }
    println!("{well}");

    Ok(())
}

fn attempt(server: SocketAddr) -> Result<(), Failure> {
    let mut client = Client::connect(server, None, BOUNDED)?;
    client.log_in()?;
    client.log_out()
}
