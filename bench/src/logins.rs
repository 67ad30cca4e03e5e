//! Logins by every method, and what comes after one.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use crate::Failure;
use crate::client::{Acks, Client};
use Step::{Apop, CramMd5, Line};

/// What each login sends. The auth server and the backend of [`crate::peers`] let everybody
/// in, but for [`UNANSWERED`]; a file of users has this login with this password.
const METHODS: [(&str, &[Step]); 9] = [
    ("user-pass", &[Line("USER bob@example.org"), Line("PASS correct horse")]),
    ("unanswered", &[Line(UNANSWERED), Line("PASS correct horse")]),
    ("plain", &[Line("AUTH PLAIN"), Line("AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl")]),
    ("plain-initial", &[Line("AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl")]),
    ("login", &[Line("AUTH LOGIN"), Line("Ym9iQGV4YW1wbGUub3Jn"), Line("Y29ycmVjdCBob3JzZQ==")]),
    ("external", &[Line("AUTH EXTERNAL"), Line("Ym9iQGV4YW1wbGUub3Jn")]),
    ("external-initial", &[Line("AUTH EXTERNAL Ym9iQGV4YW1wbGUub3Jn")]),
    ("apop", &[Apop]),
    ("cram-md5", &[Line("AUTH CRAM-MD5"), CramMd5]),
];

const LOGIN: &str = "bob@example.org";
const PASSWORD: &str = "correct horse";

/// The backend of [`crate::peers`] does not answer PASS after that.
pub const UNANSWERED: &str = "USER eve@example.org";

/// What it takes until the backend has PASS, amply.
const UNTIL_PASS: Duration = Duration::from_millis(5);

/// A line of a login.
#[derive(Clone, Copy)]
enum Step {
    /// This one.
    Line(&'static str),
    /// APOP, with the digest over the greeting's challenge.
    Apop,
    /// The answer to the challenge of CRAM-MD5.
    CramMd5,
}

impl Step {
    /// The line, with its CRLF. `said` is what the server has said before.
    fn line(self, said: &[u8]) -> Result<String, Failure> {
        let line = match self {
            Line(line) => line.to_owned(),
            Apop => format!("APOP {LOGIN} {}", apop(said)?),
            CramMd5 => {
                let response = format!("{LOGIN} {}", cram_md5(said)?);
                Base64Display::new(response.as_bytes(), &STANDARD).to_string()
            }
        };
        Ok(format!("{line}\r\n"))
    }
}

fn apop(greeting: &[u8]) -> Result<String, Failure> {
    let start = greeting.iter().position(|&byte| byte == b'<').ok_or("no challenge")?;
    let challenge = greeting.get(start..).unwrap_or_default().trim_ascii_end();
    let digest = Md5::new().chain_update(challenge).chain_update(PASSWORD).finalize();

    Ok(hex(&digest))
}

fn cram_md5(reply: &[u8]) -> Result<String, Failure> {
    let encoded = reply.strip_prefix(b"+ ").ok_or("no challenge")?.trim_ascii_end();
    let mut challenge = [0; 512];
    let length =
        STANDARD.decode_slice(encoded, &mut challenge).map_err(|error| error.to_string())?;
    let mut hmac = Hmac::<Md5>::new_from_slice(PASSWORD.as_bytes())?;
    hmac.update(challenge.get(..length).unwrap_or_default());

    Ok(hex(&hmac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Logins to make.
pub struct Logins {
    steps: &'static [Step],
    count: usize,
    clients: usize,
}

impl Logins {
    /// `count` logins by `clients` clients at a time.
    pub fn new(method: &str, count: usize, clients: usize) -> Result<Self, Failure> {
        let (_, steps) = METHODS
            .into_iter()
            .find(|(name, _)| *name == method)
            .ok_or_else(|| format!("no login method {method:?}"))?;

        Ok(Self { steps, count, clients })
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
        self.steps.iter().try_for_each(|&step| take(step, client))
    }

    /// Makes one that the backend does not answer, as far as it comes.
    pub fn begin(&self, client: &mut Client) -> Result<(), Failure> {
        let (last, others) = self.steps.split_last().ok_or("a login of no lines")?;
        others.iter().try_for_each(|&step| take(step, client))?;
        client.send(last.line(client.last())?.as_bytes())?;
        thread::sleep(UNTIL_PASS);

        Ok(())
    }
}

fn take(step: Step, client: &mut Client) -> Result<(), Failure> {
    client.send(step.line(client.last())?.as_bytes())?;
    client.read_good_lines(1)?;

    Ok(())
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
