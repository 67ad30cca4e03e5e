//! The dialogue with an auth server without nginx.

use std::string::String;
use std::vec::Vec;

use ngx_mail::attempt::Attempt;
use ngx_mail::heap::Bytes;
use pop3::Method;

use super::dialogue::{End, Next, Outcome, failed, read, send};
use super::state::State;
use crate::backend::tests::fake::Server;
use crate::client::tests::fake::{Fake, Input};

const ROUTE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAuth-Status: OK\r\n\
    Auth-Server: 192.0.2.1\r\nAuth-Port: 110\r\n\r\n";

/// A question with both sides.
struct Play {
    server: Server,
    client: Fake,
    state: State,
    method: Method,
    keep: bool,
}

impl Play {
    /// One by a connection that has been used before, or not.
    fn new(kept: bool) -> Self {
        let request = Bytes::copy_of(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let attempt = Some(Attempt::new(b"bob", b"tanstaaf").unwrap());
        Self {
            server: Server::default(),
            client: Fake { attempt, ..Fake::default() },
            state: State::new(request, kept, 0).unwrap(),
            method: Method::Plain,
            keep: true,
        }
    }

    fn asked(kept: bool) -> Self {
        let mut play = Self::new(kept);
        assert!(matches!(send(&mut play.server, &mut play.state), Next::Wait));
        assert_eq!(play.server.sent, "GET / HTTP/1.1\r\n\r\n");
        play
    }

    fn read(&mut self) -> Next {
        read(&mut self.server, &(&mut self.client), &mut self.state, self.method, self.keep)
    }

    fn gives(&mut self, text: &str) -> Next {
        self.server.gives.push_back(Input::Bytes(text.into()));
        self.read()
    }

    fn ends(&mut self) -> Next {
        self.server.gives.push_back(Input::End);
        self.read()
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

fn told(next: &Next) -> String {
    match next {
        Next::Wait => "wait".into(),
        Next::WaitForRest => "wait for the rest".into(),
        Next::WaitToSend => "wait to send".into(),
        Next::Again => "again".into(),
        Next::Ahead => "ahead".into(),
        Next::Fail => "fail".into(),
        Next::NoMemory => "no memory".into(),
        Next::Answered(outcome, end) => {
            let outcome = match outcome {
                Outcome::Route(route) => {
                    let mut told = format!("{} {}", text(&route.server), route.port);
                    for (name, value) in [("login", &route.login), ("password", &route.password)] {
                        let value = value.as_ref().map(|value| format!(", {name} {}", text(value)));
                        told.push_str(&value.unwrap_or_default());
                    }
                    told
                }
                Outcome::Later(seconds) => format!("later {seconds}"),
                Outcome::Refused(refusal, wait) => {
                    let challenge = refusal.challenge.as_ref().map(text).unwrap_or_default();
                    assert_eq!(wait.is_none(), refusal.last);
                    format!("{challenge}{}{wait:?}", text(&refusal.reply))
                }
            };
            match end {
                End::Clean => format!("{outcome}, reusable"),
                End::Unclear => outcome,
                End::Surplus => format!("{outcome}, surplus"),
            }
        }
    }
}

#[test]
fn an_answer_in_any_cut() {
    for cut in 0..ROUTE.len() {
        let mut play = Play::asked(false);
        let (head, tail) = ROUTE.split_at(cut);
        if cut > 0 {
            assert_eq!(told(&play.gives(head)), "wait");
        }
        assert_eq!(told(&play.gives(tail)), "192.0.2.1 110, reusable", "{cut}");
        assert!(play.logged().is_empty());
    }
}

#[test]
fn a_connection_is_used_again_only_behind_a_whole_reply() {
    let body = ROUTE.replace("Content-Length: 0", "Content-Length: 2");
    for (pieces, last) in [
        (&[ROUTE][..], "192.0.2.1 110, reusable"),
        (&[&body, "o", "k"], "192.0.2.1 110, reusable"),
        (&[&body, "o", "k!"], "192.0.2.1 110, surplus"),
        (&[&format!("{ROUTE}x")], "192.0.2.1 110, surplus"),
        (&[&body.replace("Length: 2", "Length: 9000")], "192.0.2.1 110"),
        (&[&body.replace("Length: 2", "Length: 2\r\nConnection: close")], "192.0.2.1 110"),
        (&[&ROUTE.replace("Content-Length: 0", "Transfer-Encoding: chunked")], "192.0.2.1 110"),
    ] {
        let mut play = Play::asked(false);
        let (end, before) = pieces.split_last().unwrap();
        for piece in before {
            assert_eq!(told(&play.gives(piece)), "wait for the rest");
        }
        assert_eq!(told(&play.gives(end)), last, "{pieces:?}");
    }

    let mut play = Play { keep: false, ..Play::asked(false) };
    assert_eq!(told(&play.gives(&body)), "192.0.2.1 110", "nobody waits for the body");

    let mut play = Play::asked(false);
    play.gives(&body);
    assert_eq!(told(&play.ends()), "192.0.2.1 110");

    let mut play = Play::asked(false);
    play.gives(&body);
    let next = failed(&(&mut play.client), &play.state, play.method);
    assert_eq!(told(&next), "192.0.2.1 110", "the rest has not come in time");
    assert!(play.logged().is_empty());
}

#[test]
fn a_reply_before_the_request_is_nobodys() {
    let mut play = Play::new(true);
    assert_eq!(told(&play.gives(ROUTE)), "ahead");
    assert!(play.logged().is_empty());

    let mut play = Play::new(false);
    assert_eq!(told(&play.gives(ROUTE)), "fail");
    assert_eq!(play.logged(), ["error sent response before it was asked "]);
}

#[test]
fn a_server_that_answers_too_early_is_still_asked() {
    let mut play = Play::new(false);
    play.server.takes = Some(4);
    assert_eq!(told(&send(&mut play.server, &mut play.state)), "wait to send");
    assert_eq!(told(&play.gives("HTTP/1.1 100 Continue\r\n\r\n")), "wait to send");
    assert_eq!(told(&play.gives(ROUTE)), "192.0.2.1 110", "the rest would be another's request");

    let mut play = Play::new(false);
    play.server.takes = Some(4);
    while told(&send(&mut play.server, &mut play.state)) == "wait to send" {}
    assert_eq!(play.server.sent, "GET / HTTP/1.1\r\n\r\n");
    assert_eq!(told(&play.gives(ROUTE)), "192.0.2.1 110, reusable");
}

#[test]
fn a_route_may_have_a_login_and_a_password() {
    for (headers, told_of) in [
        ("Auth-User: ann\r\n", ", login ann"),
        ("Auth-Pass: right\r\n", ", password right"),
        ("Auth-User: ann\r\nAuth-Pass: right\r\n", ", login ann, password right"),
        ("Auth-Pass:\r\n", ", password "),
    ] {
        let head = ROUTE.strip_suffix("\r\n").unwrap();
        let next = Play::asked(false).gives(&format!("{head}{headers}\r\n"));
        assert_eq!(told(&next), format!("192.0.2.1 110{told_of}, reusable"));
    }
}

#[test]
fn a_kept_connection_that_was_closed_is_replaced() {
    assert_eq!(told(&Play::asked(true).ends()), "again");

    let mut play = Play::asked(true);
    play.server.gives.push_back(Input::Broken);
    assert_eq!(told(&play.read()), "again");
    assert!(play.logged().is_empty());

    let mut play = Play::new(true);
    play.server.broken = true;
    assert_eq!(told(&send(&mut play.server, &mut play.state)), "again");
    assert!(play.logged().is_empty());

    let mut play = Play::asked(true);
    play.gives("HTTP/1.1 200");
    assert_eq!(told(&play.ends()), "fail", "it has begun to answer");
    assert_eq!(play.logged().len(), 1);
}

#[test]
fn a_new_connection_that_breaks_is_a_failure_once_it_was_asked() {
    for (input, kept) in [(Input::End, false), (Input::Broken, false)] {
        let mut play = Play::asked(kept);
        play.server.gives.push_back(input);
        assert_eq!(told(&play.read()), "fail");
        assert_eq!(play.logged(), ["error closed connection before its reply was complete "]);
    }

    let mut play = Play::new(false);
    play.server.broken = true;
    assert_eq!(told(&send(&mut play.server, &mut play.state)), "again", "another address");
    assert_eq!(play.logged(), ["error closed connection before it was asked "]);
}

#[test]
fn a_reply_that_does_not_fit_is_a_failure() {
    for (reply, logged) in [
        ("+OK\r\n\r\n", "error sent invalid response "),
        ("HTTP/1.0 200 OK\r\n\r\n", "error did not send server or port "),
    ] {
        let mut play = Play::asked(false);
        assert_eq!(told(&play.gives(reply)), "fail");
        assert_eq!(play.logged(), [logged]);
    }
}

#[test]
fn refusals_have_a_code_and_a_time() {
    for (headers, outcome) in [
        ("Auth-Status: no", "-ERR [AUTH] no\r\nNone"),
        ("Auth-Status: no\r\nAuth-Wait: 3", "-ERR [AUTH] no\r\nSome(3)"),
        ("Auth-Status: [IN-USE] no", "-ERR [IN-USE] no\r\nNone"),
        ("Auth-Status: [X-OURS] no", "-ERR [X-OURS] no\r\nNone"),
        ("Auth-Status:", "-ERR [AUTH] invalid login or password\r\nNone"),
        ("Auth-Status: WAIT", "later 1"),
        ("Auth-Status: WAIT\r\nAuth-Wait: 5", "later 5"),
    ] {
        let mut play = Play::asked(false);
        assert_eq!(told(&play.gives(&format!("HTTP/1.0 200 OK\r\n{headers}\r\n\r\n"))), outcome);
    }
}

#[test]
fn what_is_not_about_the_credentials_is_logged_as_something_else() {
    for (status, logged) in [
        ("no", "failed plain by auth server: no"),
        ("[auth] no", "failed plain by auth server: [auth] no"),
        ("[X-OURS] no", "failed plain by auth server: [X-OURS] no"),
        ("[IN-USE] no", "refused plain by auth server: [IN-USE] no"),
        ("[LOGIN-DELAY] no", "refused plain by auth server: [LOGIN-DELAY] no"),
        ("[SYS/TEMP] no", "refused plain by auth server: [SYS/TEMP] no"),
        ("[sys/perm] no", "refused plain by auth server: [sys/perm] no"),
    ] {
        let mut play = Play::asked(false);
        play.gives(&format!("HTTP/1.0 200 OK\r\nAuth-Status: {status}\r\n\r\n"));
        assert_eq!(play.logged(), [logged]);
    }
}

#[test]
fn a_refusal_is_logged_without_the_password() {
    for (password, status, logged) in [
        ("tanstaaf", "bad user", "bad user"),
        ("tanstaaf", "\"tanstaaf\" is wrong", ""),
        ("100 %", "100%20%25 is wrong", ""),
    ] {
        let mut play = Play::asked(false);
        play.client.attempt = Some(Attempt::new(b"bob", password.as_bytes()).unwrap());
        play.gives(&format!("HTTP/1.0 200 OK\r\nAuth-Status: {status}\r\n\r\n"));
        assert_eq!(play.logged(), [format!("failed plain by auth server: {logged}")]);
    }
}

#[test]
fn rfc_7628_a_token_is_refused_with_a_challenge() {
    let ours = "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n";
    for (headers, challenge, reply) in [
        ("Auth-Status: no", ours, "-ERR [AUTH] no"),
        ("Auth-Status: no\r\nAuth-Error-SASL: e30=", "+ e30=\r\n", "-ERR [AUTH] no"),
        ("Auth-Status: [SYS/TEMP] no", "", "-ERR [SYS/TEMP] no"),
        ("Auth-Status: [SYS/TEMP] no\r\nAuth-Error-SASL: {}", "", "-ERR [SYS/TEMP] no"),
        ("Auth-Status: [SYS/TEMP] no\r\nAuth-Error-SASL: e30=", "+ e30=\r\n", "-ERR [SYS/TEMP] no"),
    ] {
        let mut play = Play { method: Method::Oauthbearer, ..Play::asked(false) };
        let next = play.gives(&format!("HTTP/1.0 200 OK\r\n{headers}\r\n\r\n"));
        assert_eq!(told(&next), format!("{challenge}{reply}\r\nNone"));
        let logged = if reply.contains("AUTH") { "failed" } else { "refused" };
        assert_eq!(
            play.logged().last().unwrap(),
            &format!("{logged} oauthbearer by auth server: ")
        );
    }

    let mut play = Play { method: Method::Oauthbearer, ..Play::asked(false) };
    let next = play.gives("HTTP/1.0 200 OK\r\nAuth-Status: no\r\nAuth-Error-SASL: {}\r\n\r\n");
    assert_eq!(told(&next), format!("{ours}-ERR [AUTH] no\r\nNone"));
    assert_eq!(play.logged()[0], "error sent invalid Auth-Error-SASL ");
}

#[test]
fn without_memory_there_is_no_answer() {
    for reply in [ROUTE, "HTTP/1.0 200 OK\r\nAuth-Status: no\r\n\r\n"] {
        let enough = (0..10).find(|&allocations| {
            let mut play = Play::asked(false);
            play.client.memory.set(allocations);
            let next = play.gives(reply);
            assert!(matches!(next, Next::NoMemory | Next::Answered(..)));
            matches!(next, Next::Answered(..))
        });
        assert!(enough.unwrap() > 1);
    }
}

#[test]
fn a_reply_takes_memory_up_to_its_bound() {
    let mut play = Play::asked(false);
    let mut next = play.gives("HTTP/1.0 200 OK\r\nX: ");
    while matches!(next, Next::Wait) {
        assert!(play.state.reply.capacity() <= auth_http::reply::MAX_HEAD);
        next = play.gives(&"x".repeat(500));
    }
    assert_eq!(told(&next), "fail");
    assert_eq!(play.logged(), ["error sent too long header in response "]);
}
