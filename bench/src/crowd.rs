//! Many connections at a time, most of them idle.

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};

use crate::Failure;
use crate::client::{Acks, Client};
use crate::commands::reply_lines;
use crate::logins::Logins;

/// Opens the connections, then does what the standard input says.
pub fn run(server: SocketAddr, connections: usize) -> Result<(), Failure> {
    // Linux takes its time to find a port when half of an address's are in use.
    let mut clients = (0..connections)
        .zip([1, 2, 3, 4].into_iter().cycle())
        .map(|(_, last)| {
            Client::connect_from(Ipv4Addr::new(127, 0, 0, last), server, Acks::Delayed)
        })
        .collect::<Result<Vec<_>, _>>()?;
    clients.iter().try_for_each(Client::reset_when_dropped)?;
    done("open")?;

    for order in io::stdin().lock().lines() {
        let order = order?;
        let words: Vec<_> = order.split_whitespace().collect();
        match *words.as_slice() {
            ["all", line] => round(&mut clients, 1, line)?,
            // One after the other, as clients come.
            ["log-in"] => {
                let logins = Logins::new("user-pass", 1, 1)?;
                clients.iter_mut().try_for_each(|client| logins.log_in(client))?;
            }
            ["begin"] => {
                let logins = Logins::new("unanswered", 1, 1)?;
                clients.iter_mut().try_for_each(|client| logins.begin(client))?;
            }
            ["tenth", line, rounds] => {
                for _ in 0..rounds.parse()? {
                    round(&mut clients, 10, line)?;
                }
            }
            _ => return Err(format!("no such order: {order}").into()),
        }
        done(&order)?;
    }

    Ok(())
}

/// Sends a line on one of `step` connections, and then reads the replies.
fn round(clients: &mut [Client], step: usize, line: &str) -> Result<(), Failure> {
    let line = format!("{line}\r\n");
    let Some(first) = clients.first_mut() else { return Ok(()) };
    let expected = reply_lines(first, &line)?;

    for client in clients.iter_mut().step_by(step) {
        client.send(line.as_bytes())?;
    }
    for client in clients.iter_mut().step_by(step) {
        client.read_good_lines(expected)?;
    }

    Ok(())
}

fn done(what: &str) -> Result<(), Failure> {
    println!("done: {what}");
    Ok(io::stdout().flush()?)
}
