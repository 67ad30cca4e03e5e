//! Logins by many clients at a time, and what one fetches.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::client::{Client, PATIENCE};
use crate::tls::Kind;
use crate::{Failure, ready};

/// A thread has a client each: its stack is to be small.
const STACK: usize = 256 * 1024;

/// How much there is to do.
#[derive(Clone, Copy)]
pub enum Amount {
    /// So many logins in all.
    Count(usize),
    /// Logins that begin within that time, and one of each client.
    Time(Duration),
}

/// How long one login took.
struct Took {
    all: Duration,
    greeting: Duration,
}

/// Makes the logins and prints what they took.
pub fn run(server: SocketAddr, kind: Kind, clients: usize, amount: Amount) -> Result<(), Failure> {
    let prepared = Barrier::new(clients + 1);
    let begun = Barrier::new(clients + 1);
    let left = AtomicUsize::new(match amount {
        Amount::Count(count) => count,
        Amount::Time(_) => usize::MAX,
    });

    let (took, seconds) = thread::scope(|scope| -> Result<_, Failure> {
        let work = || -> Result<Vec<Took>, Failure> {
            let config = kind.config();
            let before = config.and_then(|config| {
                log_in(server, kind, config.as_ref(), false)?;
                Ok(config)
            });
            prepared.wait();
            begun.wait();

            let (config, start) = (before?, Instant::now());
            let mut took = Vec::new();
            while take_one(&left) {
                took.push(log_in(server, kind, config.as_ref(), true)?);
                if matches!(amount, Amount::Time(time) if start.elapsed() >= time) {
                    break;
                }
            }
            Ok(took)
        };
        let threads = (0..clients)
            .map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work))
            .collect::<Result<Vec<_>, _>>()?;

        prepared.wait();
        let told = ready("");
        let start = Instant::now();
        begun.wait();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().unwrap_or_else(|_| Err("a client panicked".into()))?);
        }

        told.map(|()| (all, start.elapsed().as_secs_f64()))
    })?;

    print(&took, seconds)
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// One login from the connection to the reply to QUIT. If a session is there to be taken up,
/// it has to be.
fn log_in(
    server: SocketAddr,
    kind: Kind,
    config: Option<&Arc<ClientConfig>>,
    again: bool,
) -> Result<Took, Failure> {
    let start = Instant::now();
    let mut client = Client::connect(server, config, PATIENCE)?;
    let (greeting, resumed) = (client.greeting, client.resumed());
    client.log_in()?;
    client.log_out()?;
    let all = start.elapsed();

    if resumed != (again && kind == Kind::Reused) {
        let what = if resumed { "was" } else { "was not" };
        return Err(format!("a TLS session {what} resumed").into());
    }
    Ok(Took { all, greeting })
}

fn print(took: &[Took], seconds: f64) -> Result<(), Failure> {
    let sorted = |part: fn(&Took) -> Duration| {
        let mut times: Vec<_> = took.iter().map(part).collect();
        times.sort_unstable();
        times
    };
    let (all, greetings) = (sorted(|took| took.all), sorted(|took| took.greeting));

    println!(
        "{} {seconds:.6} {:.4} {:.4} {:.4}",
        took.len(),
        quantile(&all, 0.5)?,
        quantile(&all, 0.99)?,
        quantile(&greetings, 0.5)?,
    );
    Ok(())
}

/// In milliseconds: what so many of the times are at most.
fn quantile(sorted: &[Duration], part: f64) -> Result<f64, Failure> {
    let place = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
    let time = sorted.get(place).ok_or("there were no logins")?;

    Ok(time.as_secs_f64() * 1e3)
}

/// Logs in, reads so many messages, each time so many that are asked for together, and prints
/// bytes and seconds.
pub fn fetch(
    server: SocketAddr,
    kind: Kind,
    messages: usize,
    together: usize,
    ack_at_once: bool,
) -> Result<(), Failure> {
    let mut buffer = vec![0; 256 * 1024];
    let mut client = Client::connect(server, kind.config()?.as_ref(), PATIENCE)?;
    client.ack_at_once = ack_at_once;
    client.log_in()?;
    let size = client.fetch(&mut buffer)?;

    ready("")?;
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..messages / together {
        bytes += client.fetch_together(&mut buffer, together, size)?;
    }
    println!("{bytes} {:.6}", start.elapsed().as_secs_f64());

    client.log_out()
}
