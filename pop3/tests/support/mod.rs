//! A caller of the crate, as small as it gets: it keeps the input that is not
//! answered yet and notes the actions.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use core::ops::ControlFlow::{Break, Continue};

use pop3::{
    Credentials, Login, Methods, OAuth, Policy, Refusal, Refused, Server, Session, StartTls,
};

/// A server that allows everything.
pub const POLICY: Policy = Policy {
    methods: Methods {
        plain: true,
        apop: true,
        cram_md5: true,
        external: true,
        xoauth2: true,
        oauthbearer: true,
    },
    starttls: StartTls::On,
    max_line: 64,
    max_errors: 1000,
    max_commands: 1000,
};

/// What a server is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    Reply(&'static [u8]),
    Capabilities,
    Mechanisms,
    Challenge,
    KeepLogin(Vec<u8>, &'static [u8]),
    Refuse(Refusal),
    Close(Refusal),
    Authenticate(pop3::Method, Option<Vec<u8>>, Vec<u8>),
    /// To a login that was refused with a challenge; whether the session ends with it.
    Refusal(bool),
    StartTls,
    Quit,
}

impl From<&Credentials<'_>> for Noted {
    fn from(credentials: &Credentials<'_>) -> Self {
        let login = match credentials.login {
            Login::Given(login) => Some(login.to_vec()),
            Login::Kept => None,
        };
        Self::Authenticate(credentials.method, login, credentials.secret.expose().to_vec())
    }
}

/// A server that notes what it is asked to do.
#[derive(Debug)]
pub struct Notes<'a> {
    pub noted: Vec<Noted>,
    pub policy: &'a Policy,
    pub tls: bool,
}

impl Notes<'_> {
    /// How many logins have been noted.
    pub fn logins(&self) -> usize {
        self.noted.iter().filter(|noted| matches!(noted, Noted::Authenticate(..))).count()
    }

    /// Whether what was noted last is a login with a token.
    pub fn has_token(&self) -> bool {
        match self.noted.last() {
            Some(Noted::Authenticate(method, ..)) => OAuth::of(*method).is_some(),
            _ => false,
        }
    }
}

impl Server for Notes<'_> {
    fn policy(&self) -> &Policy {
        self.policy
    }

    fn tls(&self) -> bool {
        self.tls
    }

    fn reply(&mut self, line: &'static [u8]) {
        self.noted.push(Noted::Reply(line));
    }

    fn reply_capabilities(&mut self) {
        self.noted.push(Noted::Capabilities);
    }

    fn reply_mechanisms(&mut self) {
        self.noted.push(Noted::Mechanisms);
    }

    fn reply_challenge(&mut self) {
        self.noted.push(Noted::Challenge);
    }

    fn keep_login(&mut self, name: &[u8], line: &'static [u8]) {
        self.noted.push(Noted::KeepLogin(name.to_vec(), line));
    }

    fn refuse(&mut self, refused: &Refused) {
        let noted = if refused.close { Noted::Close } else { Noted::Refuse };
        self.noted.push(noted(refused.reason));
    }

    fn authenticate(&mut self, credentials: &Credentials<'_>) {
        self.noted.push(Noted::from(credentials));
    }

    fn reply_refusal(&mut self, close: bool) {
        self.noted.push(Noted::Refusal(close));
    }

    fn start_tls(&mut self) {
        self.noted.push(Noted::StartTls);
    }

    fn quit(&mut self) {
        self.noted.push(Noted::Quit);
    }
}

/// Feeds `bytes` to a new session in pieces that end at `cuts`, and gives what
/// was noted for each line. Every login is taken to fail, that by a token with a
/// challenge, and input goes on after STLS and QUIT.
pub fn play(bytes: &[u8], cuts: &[usize], policy: &Policy, tls: bool) -> Vec<Noted> {
    play_with(bytes, cuts, policy, tls, |_| true)
}

/// As [`play`], but that `challenged` says of the nth login, from 0 on, whether a token is
/// refused with a challenge.
pub fn play_with(
    bytes: &[u8],
    cuts: &[usize],
    policy: &Policy,
    tls: bool,
    challenged: impl Fn(usize) -> bool,
) -> Vec<Noted> {
    let mut session = Session::default();
    let mut held = Vec::new();
    let mut server = Notes { noted: Vec::new(), policy, tls };
    let mut from = 0;

    for &to in cuts.iter().chain([&bytes.len()]) {
        held.extend_from_slice(&bytes[from..to]);
        from = to;

        let mut input = &mut held[..];
        held = loop {
            let length = input.len();
            let next = session.next(input, &mut server);
            if server.has_token() && challenged(server.logins().saturating_sub(1)) {
                session.expect_answer();
            }
            match next {
                Continue(rest) => {
                    assert!(rest.len() < length, "a line was taken");
                    input = rest;
                }
                Break(rest) => break rest.to_vec(),
            }
            assert!(!session.wants_input());
        };
        assert!(session.wants_input());
        assert!(held.len() < policy.max_line, "{} bytes held", held.len());
    }

    server.noted
}
