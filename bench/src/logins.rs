//! Logins by every method, and what comes after one.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::client::{Acks, Client};

/// The lines of each login. None of the parties looks at what they hold, but for
/// [`UNANSWERED`]: the auth server of [`crate::peers`] lets everybody in.
const METHODS: [(&str, &[&str]); 9] = [
    ("user-pass", &["USER bob@example.org", "PASS correct horse"]),
    ("unanswered", &[UNANSWERED, "PASS correct horse"]),
    ("plain", &["AUTH PLAIN", "AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"]),
    ("plain-initial", &["AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"]),
    ("login", &["AUTH LOGIN", "Ym9iQGV4YW1wbGUub3Jn", "Y29ycmVjdCBob3JzZQ=="]),
    ("external", &["AUTH EXTERNAL", "Ym9iQGV4YW1wbGUub3Jn"]),
    ("external-initial", &["AUTH EXTERNAL Ym9iQGV4YW1wbGUub3Jn"]),
    ("apop", &["APOP bob@example.org c4c9334bac560ecc979e58001b3e22fb"]),
    (
        "cram-md5",
        &["AUTH CRAM-MD5", "Ym9iQGV4YW1wbGUub3JnIGM0YzkzMzRiYWM1NjBlY2M5NzllNTgwMDFiM2UyMmZi"],
    ),
];

/// The backend of [`crate::peers`] does not answer PASS after that.
pub const UNANSWERED: &str = "USER eve@example.org";

/// What it takes until the backend has PASS, amply.
const LOGIN: Duration = Duration::from_millis(5);

/// Logins to make.
pub struct Logins {
    lines: Vec<String>,
    count: usize,
    clients: usize,
}

impl Logins {
    /// `count` logins by `clients` clients at a time.
    pub fn new(method: &str, count: usize, clients: usize) -> Result<Self, Failure> {
        let (_, lines) = METHODS
            .into_iter()
            .find(|(name, _)| *name == method)
            .ok_or_else(|| format!("no login method {method:?}"))?;
        let lines = lines.iter().map(|line| format!("{line}\r\n")).collect();

        Ok(Self { lines, count, clients })
    }

    /// Makes them.
    pub fn run(&self, server: SocketAddr) -> Result<(), Failure> {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients)
                .map(|number| {
                    let logins = (number..self.count).step_by(self.clients);
                    scope.spawn(move || {
                        for _ in logins {
                            log_out(self.connect(server)?)?;
                        }
                        Ok(())
                    })
                })
                .collect();

            clients.into_iter().try_for_each(|client| {
                client.join().unwrap_or_else(|_| Err("a client panicked".into()))
            })
        })
    }

    fn connect(&self, server: SocketAddr) -> Result<Client, Failure> {
        let mut client = Client::connect(server, Acks::Delayed)?;
        self.log_in(&mut client)?;

        Ok(client)
    }

    /// Makes one on a connection that is there.
    pub fn log_in(&self, client: &mut Client) -> Result<(), Failure> {
        for line in &self.lines {
            client.send(line.as_bytes())?;
            client.read_good_lines(1)?;
        }

        Ok(())
    }

    /// Makes one that the backend does not answer, as far as it comes.
    pub fn begin(&self, client: &mut Client) -> Result<(), Failure> {
        let (last, others) = self.lines.split_last().ok_or("a login of no lines")?;
        for line in others {
            client.send(line.as_bytes())?;
            client.read_good_lines(1)?;
        }
        client.send(last.as_bytes())?;
        thread::sleep(LOGIN);

        Ok(())
    }
}

fn log_out(mut client: Client) -> Result<(), Failure> {
    client.send(b"QUIT\r\n")?;
    client.read_good_lines(1)?;

    Ok(())
}

/// Logs in and sends `count` commands in one go to the backend.
pub fn relayed(server: SocketAddr, count: usize) -> Result<(), Failure> {
    let mut client = Logins::new("user-pass", 1, 1)?.connect(server)?;
    client.send("NOOP\r\n".repeat(count).as_bytes())?;
    client.read_good_lines(count)?;

    log_out(client)
}
