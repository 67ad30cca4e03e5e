//! A caller of the crate, as small as it gets: it keeps the input that is not
//! answered yet and notes the actions.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use pop3::{Action, Login, Methods, Policy, Refusal, Reply, Session, StartTls};

/// A server that allows everything.
pub const POLICY: Policy = Policy {
    methods: Methods { plain: true, apop: true, cram_md5: true, external: true },
    starttls: StartTls::On,
    max_line: 64,
    max_errors: 1000,
    max_commands: 1000,
};

/// An action that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    Reply(Reply),
    KeepLogin(Vec<u8>, Reply),
    Refuse(Refusal),
    Close(Refusal),
    Authenticate(pop3::Method, Option<Vec<u8>>, Vec<u8>),
    StartTls,
    Quit,
}

impl From<Action<'_>> for Noted {
    fn from(action: Action<'_>) -> Self {
        match action {
            Action::Reply(reply) => Self::Reply(reply),
            Action::KeepLogin(login, reply) => Self::KeepLogin(login.to_vec(), reply),
            Action::Refuse(refused) if refused.close => Self::Close(refused.reason),
            Action::Refuse(refused) => Self::Refuse(refused.reason),
            Action::Authenticate(credentials) => Self::Authenticate(
                credentials.method,
                match credentials.login {
                    Login::Given(login) => Some(login.to_vec()),
                    Login::Kept => None,
                },
                credentials.secret.expose().to_vec(),
            ),
            Action::StartTls => Self::StartTls,
            Action::Quit => Self::Quit,
        }
    }
}

/// Feeds `bytes` to a new session in pieces that end at `cuts`. Every login is
/// taken to fail, and input goes on after STLS and QUIT.
pub fn play(bytes: &[u8], cuts: &[usize], policy: &Policy, tls: bool) -> Vec<Noted> {
    let mut session = Session::default();
    let mut held = Vec::new();
    let mut noted = Vec::new();
    let mut from = 0;

    for &to in cuts.iter().chain([&bytes.len()]) {
        held.extend_from_slice(&bytes[from..to]);
        from = to;

        loop {
            let (done, action) = session.next(&mut held, policy, tls);
            let more = action.is_some();
            noted.extend(action.map(Noted::from));
            held.drain(..done);
            if !more {
                break;
            }
        }
        assert!(held.len() < policy.max_line, "{} bytes held", held.len());
    }

    noted
}
