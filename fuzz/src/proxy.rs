//! A proxy as small as it gets: a client's session, and a login at a backend for each
//! of its logins.

use core::mem;
use core::ops::ControlFlow::{Break, Continue};

use pop3::backend::{Command, Dialogue, Facts, Options, Proof, Xclient};
use pop3::reply::{OK, UNAVAILABLE};
use pop3::{
    Capabilities, Credentials, Login, Methods, OAuth, Policy, Refused, ResponseCode, Secret,
    Server, Session, StartTls, capability,
};

use crate::backend;

/// What the head of the input chooses. Readable characters do: `C` is a limit of three
/// errors, `1` one address and `2` two.
pub struct Setting {
    /// What the client may do.
    pub policy: Policy,
    starttls: bool,
    xclient: bool,
    /// How many addresses the backend has.
    pub addresses: usize,
    /// Whether the client gets to read why a backend refuses a login.
    error_message: bool,
    /// For [`turns`](crate::turns).
    pub fill: u8,
    /// For [`cuts`](crate::cuts).
    pub seed: [u8; 2],
}

impl From<[u8; 6]> for Setting {
    fn from([chosen, errors, addresses, fill, seed @ ..]: [u8; 6]) -> Self {
        Self {
            policy: Policy {
                // Of the others a backend would have to be told something else.
                methods: Methods {
                    plain: true,
                    xoauth2: chosen & 8 != 0,
                    oauthbearer: chosen & 8 != 0,
                    ..Methods::default()
                },
                starttls: StartTls::Off,
                max_line: 4096,
                max_errors: (errors & 31).into(),
                max_commands: u32::MAX,
            },
            starttls: chosen & 1 != 0,
            xclient: chosen & 2 != 0,
            addresses: usize::from(addresses & 3).max(1),
            error_message: chosen & 4 != 0,
            fill,
            seed,
        }
    }
}

/// What the client sends, and what the backend does.
pub fn sides(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut client, mut backend) = (vec![], vec![]);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        match line {
            [b'<', line @ ..] => backend.extend_from_slice(line),
            [b'&', ..] => backend.extend_from_slice(line),
            line => client.extend_from_slice(line),
        }
    }
    (client, backend)
}

/// What came of a conversation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the client was sent, in the order of its lines.
    pub replies: Vec<Vec<u8>>,
    /// What the client has tried to log in with.
    pub logins: Vec<Attempt>,
    /// Whether the session has ended before a login.
    pub ended: bool,
    /// What goes from the client to the backend after a login.
    pub relayed: Option<Vec<u8>>,
}

/// A login at the backend.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// What the mechanism is, if the secret is a token.
    pub mechanism: Option<OAuth>,
    /// Who logs in.
    pub login: Vec<u8>,
    /// The password, or the token.
    pub secret: Vec<u8>,
    /// Whether the client was told with a challenge that it is refused.
    pub challenged: bool,
    /// What was said at each address that was tried.
    pub connections: Vec<Vec<Said>>,
}

/// What went over a connection to the backend.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A turn of the backend's.
    ByBackend(Vec<u8>),
    /// A command, and its line.
    ByProxy(Command, Vec<u8>),
}

struct Proxy<'a> {
    setting: &'a Setting,
    kept: Vec<u8>,
    refusal: Vec<u8>,
    asked: Option<Attempt>,
    outcome: Outcome,
}

/// Plays a proxy. `cut` tells for a length of input where it is cut.
pub fn converse(
    client: &[u8],
    turns: &[Vec<u8>],
    setting: &Setting,
    cut: impl Fn(usize) -> Vec<usize>,
) -> Outcome {
    let mut session = Session::default();
    let mut proxy =
        Proxy { setting, kept: vec![], refusal: vec![], asked: None, outcome: Outcome::default() };
    let mut turns = turns.iter();
    let mut held = vec![];
    let mut from = 0;

    for to in cut(client.len()).into_iter().chain([client.len()]) {
        let piece = &client[from..to];
        from = to;
        match &mut proxy.outcome.relayed {
            Some(relayed) => relayed.extend_from_slice(piece),
            None => held.extend_from_slice(piece),
        }

        while !proxy.outcome.ended && proxy.outcome.relayed.is_none() {
            match session.next(&mut held, &mut proxy) {
                Continue(rest) => held = rest.to_vec(),
                Break(rest) => {
                    held = rest.to_vec();
                    break;
                }
            }
            if let Some(mut attempt) = proxy.asked.take() {
                let answer = log_in(&mut attempt, &mut turns, setting, &cut);
                match (answer, attempt.mechanism) {
                    (Answer::LoggedIn(line), _) => {
                        proxy.outcome.replies.push(line);
                        proxy.outcome.relayed = Some(mem::take(&mut held));
                    }
                    (Answer::Refused(error, reply), Some(mechanism)) => {
                        let mut line = vec![];
                        mechanism.write_challenge(&error, |piece| line.extend_from_slice(piece));
                        proxy.outcome.replies.push(line);
                        proxy.refusal = reply;
                        attempt.challenged = true;
                        session.expect_answer();
                    }
                    (Answer::Refused(_, reply) | Answer::Failed(reply), _) => {
                        proxy.outcome.replies.push(reply);
                        proxy.outcome.ended = session.count_error(&setting.policy);
                    }
                }
                proxy.outcome.logins.push(attempt);
            }
        }
    }

    proxy.outcome
}

/// What comes of a login, with a line for the client.
enum Answer {
    LoggedIn(Vec<u8>),
    /// With what the backend has challenged with before.
    Refused(Vec<u8>, Vec<u8>),
    Failed(Vec<u8>),
}

/// Logs in at the addresses there are, each of which sends the next turns.
fn log_in<'a>(
    attempt: &mut Attempt,
    turns: &mut impl Iterator<Item = &'a Vec<u8>>,
    setting: &Setting,
    cut: impl Fn(usize) -> Vec<usize>,
) -> Answer {
    let proof = attempt.mechanism.map_or(Proof::Password, |mechanism| {
        Proof::token(mechanism, &attempt.login, Secret::new(&attempt.secret))
    });
    let Setting { starttls, xclient, .. } = *setting;
    for _ in 0..setting.addresses {
        let mut dialogue = Dialogue::new(Options { starttls, xclient, proof });
        let mut said = vec![];
        let mut error = vec![];
        let answer = loop {
            // A backend that has nothing to say, or no whole line, has gone away.
            let Some(turn) = turns.next() else { break None };
            said.push(Said::ByBackend(turn.clone()));
            let command = match backend::turn(&mut dialogue, turn, &cut(turn.len())) {
                Some(backend::Noted::Send(command)) => command,
                Some(backend::Noted::Challenged(command, text)) => {
                    error = text;
                    command
                }
                Some(backend::Noted::StartTls) => dialogue.secured(),
                Some(backend::Noted::LoggedIn(line)) => break Some(Answer::LoggedIn(line)),
                Some(backend::Noted::Refused(code, text)) => {
                    let text = ResponseCode::split(&text).1;
                    let text = if setting.error_message { text } else { b"" };
                    let mut reply = vec![];
                    code.write(text, |piece| reply.extend_from_slice(piece));
                    break Some(Answer::Refused(error, reply));
                }
                Some(backend::Noted::Broken(..)) | None => break None,
            };
            said.push(Said::ByProxy(command, attempt.written(command)));
        };
        attempt.connections.push(said);

        if let Some(answer) = answer {
            return answer;
        }
        if !dialogue.replaceable() {
            break;
        }
    }

    Answer::Failed(UNAVAILABLE.to_vec())
}

impl Attempt {
    fn written(&self, command: Command) -> Vec<u8> {
        let xclient = Some(Xclient { client: None, server: None, session: b"1", tls: false });
        let facts = Facts { login: &self.login, secret: Secret::new(&self.secret), xclient };
        let mut line = vec![];
        command.write(&facts, |piece| line.extend_from_slice(piece));
        line
    }
}

impl Server for Proxy<'_> {
    fn policy(&self) -> &Policy {
        &self.setting.policy
    }

    fn tls(&self) -> bool {
        false
    }

    fn reply(&mut self, line: &'static [u8]) {
        self.outcome.replies.push(line.into());
    }

    fn reply_capabilities(&mut self) {
        let mut list = vec![];
        Capabilities {
            names: capability::DEFAULT.into_iter(),
            methods: &self.setting.policy.methods,
            starttls: StartTls::Off,
        }
        .write(false, |piece| list.extend_from_slice(piece));
        self.outcome.replies.push(list);
    }

    fn reply_mechanisms(&mut self) {
        let mut list = vec![];
        let mechanisms = self.setting.policy.methods.mechanisms();
        capability::write_mechanisms(mechanisms, |piece| list.extend_from_slice(piece));
        self.outcome.replies.push(list);
    }

    fn reply_challenge(&mut self) {
        panic!("CRAM-MD5 is off");
    }

    fn keep_login(&mut self, name: &[u8], line: &'static [u8]) {
        self.kept = name.to_vec();
        self.reply(line);
    }

    fn refuse(&mut self, refused: &Refused) {
        self.reply(refused.reason.reply());
        self.outcome.ended = refused.close;
    }

    fn authenticate(&mut self, credentials: &Credentials<'_>) {
        let login = match credentials.login {
            Login::Given(login) => login.to_vec(),
            Login::Kept => mem::take(&mut self.kept),
        };
        self.asked = Some(Attempt {
            mechanism: OAuth::of(credentials.method),
            login,
            secret: credentials.secret.expose().to_vec(),
            ..Attempt::default()
        });
    }

    fn reply_refusal(&mut self, close: bool) {
        self.outcome.replies.push(mem::take(&mut self.refusal));
        self.outcome.ended = close;
    }

    fn start_tls(&mut self) {
        panic!("STLS is off");
    }

    fn quit(&mut self) {
        self.reply(OK);
        self.outcome.ended = true;
    }
}
