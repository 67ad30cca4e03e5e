//! The dialogue with a backend without nginx.

pub mod fake;

use std::string::String;
use std::vec::Vec;

use fake::Server;
use ngx_mail::heap::Bytes;
use ngx_mail::login::Event;
use pop3::backend::{MAX_LINE, Options, Proof};
use pop3::{Method, OAuth, Secret};

use super::dialogue::{Credentials, Next, step};
use super::state::State;
use crate::client::tests::fake::{Fake, Input};
use crate::refusal::Refusal;

const CREDENTIALS: Credentials<'_> =
    Credentials { method: Method::Plain, login: b"bob", secret: Secret::new(b"tanstaaf") };

/// A login with both sides.
struct Play {
    server: Server,
    client: Fake,
    state: State,
    credentials: Credentials<'static>,
}

impl Play {
    fn new(options: Options) -> Self {
        let state = State::new(options, 0, None).unwrap();
        Self { server: Server::default(), client: Fake::default(), state, credentials: CREDENTIALS }
    }

    /// One with a token in place of the password.
    fn with_token() -> Self {
        let proof = Proof::token(OAuth::Oauthbearer, CREDENTIALS.login, CREDENTIALS.secret);
        Self {
            credentials: Credentials { method: Method::Oauthbearer, ..CREDENTIALS },
            ..Self::new(Options { proof, ..Options::default() })
        }
    }

    /// What comes of an event.
    fn event(&mut self, event: Event) -> Next {
        let credentials = &self.credentials;
        step(event, &mut self.server, &(&mut self.client), &mut self.state, credentials)
    }

    /// What comes of bytes of the backend.
    fn gives(&mut self, bytes: &[u8]) -> Next {
        self.server.gives.push_back(Input::Bytes(bytes.to_vec()));
        self.event(Event::Readable)
    }

    fn waits_after(&mut self, bytes: &[u8]) {
        assert!(matches!(self.gives(bytes), Next::Wait), "{}", String::from_utf8_lossy(bytes));
    }

    /// Of either.
    fn logged(&self) -> Vec<String> {
        let mut logged = self.server.logged.borrow().clone();
        logged.extend_from_slice(&self.client.logged.borrow());
        logged
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.as_slice().to_vec()).unwrap()
}

fn line(next: Next) -> String {
    match next {
        Next::Relay(line) => text(&line),
        Next::Refuse(Refusal { challenge, reply, last: false, .. }) => {
            [challenge.as_ref().map(text).unwrap_or_default(), text(&reply)].concat()
        }
        _ => "no line".into(),
    }
}

#[test]
fn a_login_by_user_and_pass() {
    let mut play = Play::new(Options::default());
    play.waits_after(b"+OK ready\r\n");
    assert_eq!(play.server.shares, [1], "the share of the time for connecting is over");
    assert_eq!(play.server.action, Some(c"sending user name to upstream"));
    play.waits_after(b"+OK\r\n");
    assert_eq!(play.server.sent, "USER bob\r\nPASS tanstaaf\r\n");
    assert_eq!(line(play.gives(b"+OK 2 messages\r\n")), "+OK 2 messages\r\n");
    assert!(play.logged().is_empty());
}

#[test]
fn user_and_pass_in_one_segment() {
    let proof = Proof::PipelinedPassword;
    for replies in
        [&["+OK\r\n+OK in\r\n"][..], &["+OK\r\n", "+OK in\r\n"], &["+OK", "\r\n+", "OK in\r\n"]]
    {
        let mut play = Play::new(Options { proof, ..Options::default() });
        play.waits_after(b"+OK ready\r\n");
        assert_eq!(play.server.sent, "USER bob\r\nPASS tanstaaf\r\n");
        assert_eq!(play.server.action, Some(c"sending user name and password to upstream"));
        let (last, first) = replies.split_last().unwrap();
        for reply in first {
            play.waits_after(reply.as_bytes());
        }
        assert_eq!(line(play.gives(last.as_bytes())), "+OK in\r\n");
        assert!(play.logged().is_empty());
    }
}

#[test]
fn replies_byte_by_byte() {
    let mut play = Play::new(Options::default());
    for byte in b"+OK ready\r\n+OK\r\n" {
        play.waits_after(&[*byte]);
    }
    assert_eq!(play.server.sent, "USER bob\r\nPASS tanstaaf\r\n");
    assert_eq!(play.server.shares, [1]);
}

#[test]
fn starttls_and_xclient_go_before() {
    let mut play = Play::new(Options { starttls: true, xclient: true, ..Options::default() });
    play.waits_after(b"+OK [XCLIENT] ready\r\n");
    assert!(matches!(play.gives(b"+OK\r\n"), Next::StartTls));
    assert!(matches!(play.event(Event::Secured), Next::Wait));
    assert_eq!(
        play.server.sent,
        "STLS\r\nXCLIENT ADDR=192.0.2.1 PORT=4321 SESSION=7-8 CLIENT-TRANSPORT=insecure\r\n"
    );
    play.server.sent.clear();
    play.waits_after(b"+OK\r\n");
    assert_eq!(play.server.sent, "USER bob\r\n");
}

#[test]
fn a_backend_without_xclient_is_logged_in_at() {
    let mut play = Play::new(Options { xclient: true, ..Options::default() });
    play.waits_after(b"+OK ready\r\n");
    assert_eq!(play.server.sent, "USER bob\r\n");
    play.waits_after(b"+OK\r\n");
    assert_eq!(play.logged(), ["upstream does not offer XCLIENT: it is not told of the client"]);
}

#[test]
fn a_refusal_has_its_code_and_the_text_that_is_wanted() {
    for (passes, reply) in
        [(false, "-ERR [IN-USE] mailbox is in use\r\n"), (true, "-ERR [IN-USE] locked by bob\r\n")]
    {
        let mut play = Play::new(Options::default());
        play.server.passes_error_message = passes;
        play.waits_after(b"+OK\r\n");
        assert_eq!(line(play.gives(b"-ERR [in-use] locked by bob\r\n")), reply);
        assert_eq!(play.logged(), ["refused plain by backend: [in-use] locked by bob"]);
        assert!(play.state.input.as_slice().is_empty());
    }
}

#[test]
fn a_password_that_a_backend_repeats_is_not_logged() {
    let mut play = Play::new(Options::default());
    play.waits_after(b"+OK\r\n");
    play.waits_after(b"+OK\r\n");
    assert!(matches!(play.gives(b"-ERR \"tanstaaf\" is wrong\r\n"), Next::Refuse(_)));
    assert_eq!(play.logged(), ["failed plain by backend: "]);
}

#[test]
fn a_token_that_a_backend_repeats_is_not_logged() {
    for text in ["tanstaaf is wrong", "unknown command AUTH OAUTHBEARER bixhPWJvYiwBYXV0aD1C"] {
        let mut play = Play::with_token();
        play.waits_after(b"+OK\r\n");
        assert!(matches!(play.gives(format!("-ERR {text}\r\n").as_bytes()), Next::Refuse(_)));
        assert_eq!(play.logged(), ["failed oauthbearer by backend: "]);
    }
}

#[test]
fn rfc_7628_a_challenge_of_the_backend_goes_to_the_client() {
    let auth = "AUTH OAUTHBEARER bixhPWJvYiwBYXV0aD1CZWFyZXIgdGFuc3RhYWYBAQ==\r\n";
    let mut play = Play::with_token();
    play.waits_after(b"+OK\r\n");
    assert_eq!(play.server.sent, auth);
    play.waits_after(b"+ e30=\r\n");
    assert_eq!(play.server.sent, [auth, "AQ==\r\n"].concat());
    assert_eq!(
        line(play.gives(b"-ERR [SYS/TEMP] wait\r\n")),
        "+ e30=\r\n-ERR [SYS/TEMP] login is not possible at the moment\r\n"
    );
}

#[test]
fn a_token_that_is_refused_without_challenge_has_ours() {
    for (text, reply) in [
        (
            "-ERR no\r\n",
            "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n-ERR [AUTH] invalid login or password\r\n",
        ),
        ("-ERR [IN-USE] no\r\n", "-ERR [IN-USE] mailbox is in use\r\n"),
    ] {
        let mut play = Play::with_token();
        play.waits_after(b"+OK\r\n");
        assert_eq!(line(play.gives(text.as_bytes())), reply);
    }

    let mut play = Play::with_token();
    play.waits_after(b"+OK\r\n");
    assert_eq!(line(play.gives(b"+OK logged in\r\n")), "+OK logged in\r\n");
}

#[test]
fn what_is_no_reply_is_logged_once() {
    for (bytes, logged) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], "error sent invalid response "),
        (b"-ERR full\r\n", "error refused session full"),
        (b"+OK\r\n+OK\r\n", "error sent data ahead of its turn "),
    ] {
        let mut play = Play::new(Options::default());
        assert!(matches!(play.gives(bytes), Next::Fail));
        assert_eq!(play.logged(), [logged]);
        assert_eq!(play.server.sent, "");
    }
}

#[test]
fn the_end_and_a_broken_connection_are_failures() {
    for (input, logged) in [
        (Input::End, &["error closed connection "][..]),
        // That is nginx's to log.
        (Input::Broken, &[]),
    ] {
        let mut play = Play::new(Options::default());
        play.server.gives.push_back(input);
        assert!(matches!(play.event(Event::Readable), Next::Fail));
        assert_eq!(play.logged(), logged);
    }

    let mut play = Play::new(Options::default());
    play.server.broken = true;
    assert!(matches!(play.gives(b"+OK\r\n"), Next::Fail));
}

#[test]
fn a_line_takes_memory_up_to_its_bound() {
    let mut play = Play::new(Options::default());
    let mut flood = b"+OK ".to_vec();
    flood.resize(3 * MAX_LINE, b'x');
    play.server.gives.push_back(Input::Bytes(flood));
    let mut events = 0;
    while matches!(play.event(Event::Readable), Next::Wait) {
        events += 1;
        assert!(play.state.input.capacity() <= MAX_LINE + 1);
        assert!(events < 10);
    }
    assert_eq!(play.logged(), ["error sent too long response line "]);
}

#[test]
fn bytes_ahead_of_their_turn_are_seen_wherever_the_room_ends() {
    for length in [255, 256, 257, MAX_LINE - 1, MAX_LINE] {
        let mut line = b"+OK ".to_vec();
        line.resize(length - 2, b'x');
        line.extend_from_slice(b"\r\n");

        let mut play = Play::new(Options::default());
        let behind = [&line[..], b"+OK two\r\n"].concat();
        assert!(matches!(play.gives(&behind), Next::Fail), "{length}");
        assert_eq!(play.logged(), ["error sent data ahead of its turn "]);

        let mut play = Play::new(Options::default());
        assert!(matches!(play.gives(&line), Next::Wait), "{length}");
        assert_eq!(play.server.sent, "USER bob\r\n");
    }
}

#[test]
fn an_end_is_seen_wherever_the_room_ends() {
    for length in [255, 256, 257] {
        for end in ["\r\n", "xx"] {
            let line = format!("+OK {}{end}", "x".repeat(length - 6));
            let mut play = Play::new(Options::default());
            play.server.gives.push_back(Input::Bytes(line.into_bytes()));
            play.server.gives.push_back(Input::End);
            let next = play.event(Event::Readable);
            // Where there was room, the end is an event of its own.
            let next = if length == 256 { next } else { play.event(Event::Readable) };
            assert!(matches!(next, Next::Fail), "{length} {end:?}");
            assert_eq!(play.logged(), ["error closed connection "]);
        }
    }

    let mut play = Play::new(Options::default());
    play.waits_after(b"+OK\r\n");
    play.server.gives.push_back(Input::Bytes(format!("-ERR {}\r\n", "x".repeat(249)).into()));
    play.server.gives.push_back(Input::End);
    assert!(matches!(play.event(Event::Readable), Next::Refuse(_)), "its last word counts");
}

#[test]
fn without_memory_there_is_no_login() {
    for allocations in 0..3 {
        let mut play = Play::new(Options::default());
        play.client.memory.set(allocations);
        let mut next = play.gives(b"+OK\r\n");
        if matches!(next, Next::Wait) {
            next = play.gives(b"-ERR no\r\n");
        }
        assert!(matches!(next, Next::NoMemory), "{allocations}");
    }
}

#[test]
fn each_address_is_tried_once_from_the_first_on() {
    let mut play = Play::new(Options::default());
    play.waits_after(b"+OK\r\n");
    assert!(!play.state.dialogue.replaceable(), "a backend was told who logs in");

    let mut state = State::new(Options::default(), usize::MAX, None).unwrap();
    let tried: Vec<_> = std::iter::from_fn(|| state.next_address(3)).collect();
    assert_eq!(tried, [(usize::MAX, 3), (0, 2), (1, 1)]);

    play.waits_after(b"+O");
    assert_eq!(play.state.next_address(1), Some((0, 1)));
    assert!(play.state.dialogue.replaceable(), "the next one begins at its greeting");
    assert!(play.state.input.as_slice().is_empty());
}
