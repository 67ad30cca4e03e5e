//! Both sides of a proxy, a client's session and logins at a backend: what the one gets
//! to know of the other.
//!
//! Input: six bytes that choose the proxy and the cuts (see [`Setting`]), then lines: a
//! turn of the backend's each that begins with `<`, what belongs to the one before
//! (see [`turns`]) each that begins with `&`, and else the client's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::backend::Command;
use pop3::reply::{OK, UNAVAILABLE};
use pop3::{OAuth, Policy, Refusal};
use pop3_fuzz::proxy::{Attempt, Outcome, Said, Setting, converse, sides};
use pop3_fuzz::support::{Noted, play_with};
use pop3_fuzz::{contains, cuts, is_line, is_ok, turn_bytes, turns};

fuzz_target!(|data: &[u8]| {
    let Some((head, text)) = data.split_first_chunk() else { return };
    let setting = Setting::from(*head);
    let (client, bytes) = sides(text);
    let turns = turns(&bytes, setting.fill);

    let outcome = converse(&client, &turns, &setting, |_| vec![]);
    assert_eq!(converse(&client, &turns, &setting, |length| cuts(setting.seed, length)), outcome);
    assert_eq!(converse(&client, &turns, &setting, turn_bytes), outcome);

    let unlimited = Policy { max_errors: u32::MAX, ..setting.policy };
    let challenged =
        |login| outcome.logins.get(login).is_none_or(|attempt: &Attempt| attempt.challenged);
    let noted = play_with(&client, &[], &unlimited, false, challenged);
    check_replies(&outcome, &noted, &client);
    check_end(&outcome, &noted, &setting);
    check_logins(&outcome, &noted, &setting);
    check_secrets(&outcome, &bytes);
});

/// Each line has its reply, as from a session whose logins all fail, up to the end or
/// to a login, behind which all is the backend's.
fn check_replies(outcome: &Outcome, noted: &[Noted], client: &[u8]) {
    let replies = &outcome.replies;
    if outcome.ended || outcome.relayed.is_some() {
        assert!(replies.len() <= noted.len());
    } else {
        assert_eq!(replies.len(), noted.len());
    }

    for (reply, action) in replies.iter().zip(noted) {
        match action {
            Noted::Reply(line) | Noted::KeepLogin(_, line) => assert_eq!(reply, line),
            Noted::Refuse(reason) | Noted::Close(reason) => assert_eq!(reply, reason.reply()),
            Noted::Quit => assert_eq!(reply, OK),
            Noted::Capabilities => assert!(contains(reply, b"\r\nAUTH-RESP-CODE\r\n")),
            Noted::Mechanisms => assert!(contains(reply, b"PLAIN\r\nLOGIN\r\n")),
            Noted::Authenticate(..) => assert!(is_line(reply)),
            Noted::Refusal(_) => assert!(reply.starts_with(b"-ERR [") && is_line(reply)),
            Noted::Challenge | Noted::StartTls => panic!("{action:?}"),
        }
    }

    if let Some(relayed) = &outcome.relayed {
        let ends = client.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let answered = ends.map(|(at, _)| at + 1).nth(replies.len() - 1).unwrap_or_default();
        assert_eq!(relayed, &client[answered..]);
    }
}

/// Every `-ERR` but for a cancelled exchange counts; at the limit the session ends, and
/// never without a reason.
fn check_end(outcome: &Outcome, noted: &[Noted], setting: &Setting) {
    let limit = setting.policy.max_errors.max(1) as usize;
    let is_error =
        |reply: &&Vec<u8>| reply.starts_with(b"-ERR") && *reply != Refusal::Cancelled.reply();
    let errors = outcome.replies.iter().filter(is_error).count();
    let last = outcome.replies.len().checked_sub(1).and_then(|last| noted.get(last));
    let other = matches!(last, Some(Noted::Quit | Noted::Close(Refusal::HttpRequest)));

    assert!(errors <= limit, "{errors} errors");
    assert_eq!(outcome.ended, errors == limit || other);
    assert!(!(outcome.ended && outcome.relayed.is_some()));
}

/// What is said at a backend is what the client presents, the password only to one that
/// has taken the login; and there is one try at a login behind USER.
fn check_logins(outcome: &Outcome, noted: &[Noted], setting: &Setting) {
    let mut kept = vec![];
    let mut logins = outcome.logins.iter();

    for (reply, action) in outcome.replies.iter().zip(noted) {
        match action {
            Noted::KeepLogin(name, _) => kept.clone_from(name),
            Noted::Authenticate(method, login, secret) => {
                let Some(attempt) = logins.next() else { panic!("no login") };
                assert_eq!(attempt.mechanism, OAuth::of(*method));
                assert_eq!(&attempt.login, login.as_ref().unwrap_or(&kept));
                assert_eq!(&attempt.secret, secret);
                check_attempt(attempt, reply, setting);
            }
            _ => {}
        }
    }
    assert_eq!(logins.next(), None);
}

fn check_attempt(attempt: &Attempt, reply: &[u8], setting: &Setting) {
    let Some((last, others)) = attempt.connections.split_last() else { panic!("no address") };
    assert!(others.len() < setting.addresses);
    for said in others {
        assert!(said.iter().all(|said| !is_credential(said)), "{said:?}");
    }

    let ok = |said: Option<&Said>| matches!(said, Some(Said::ByBackend(line)) if is_ok(line));
    if attempt.challenged {
        assert!(reply.starts_with(b"+ ") && attempt.mechanism.is_some());
    }
    if let Some(mechanism) = attempt.mechanism {
        return check_token(last, reply, mechanism);
    }
    let at = |command| said_at(last, command);
    if let Some(pass) = at(Command::Pass) {
        let user = at(Command::User);
        assert!(user == pass.checked_sub(2) && user.is_some() && ok(last.get(pass - 1)));
    }
    let logged_in = reply.starts_with(b"+OK");
    let taken = at(Command::Pass).and_then(|pass| last.get(pass + 1));
    assert_eq!(logged_in, ok(taken));
    if logged_in {
        assert_eq!(taken, Some(&Said::ByBackend(reply.into())));
    } else {
        assert!(reply.starts_with(b"-ERR ["));
    }
    let refused = at(Command::User).is_some() && reply != UNAVAILABLE;
    assert!(logged_in || refused || reply == UNAVAILABLE);
}

/// A token is sent once, and what is said in answer to it is the outcome.
fn check_token(said: &[Said], reply: &[u8], mechanism: OAuth) {
    let short = said_at(said, Command::AuthWithToken(mechanism));
    let asked = said_at(said, Command::Auth(mechanism));
    let long = said_at(said, Command::Token(mechanism));
    assert!(short.is_none() || asked.is_none());
    assert!(long.is_none() || long == asked.map(|at| at + 2));

    let answer = short.or(long).and_then(|at| said.get(at + 1));
    let ok = matches!(answer, Some(Said::ByBackend(line)) if is_ok(line));
    assert_eq!(reply.starts_with(b"+OK"), ok);
    if ok {
        assert_eq!(answer, Some(&Said::ByBackend(reply.into())));
    } else {
        assert!(reply.starts_with(b"+ ") || reply == UNAVAILABLE);
    }
    let password = |said: &Said| matches!(said, Said::ByProxy(Command::User | Command::Pass, _));
    assert!(!said.iter().any(password));
}

fn is_credential(said: &Said) -> bool {
    let Said::ByProxy(command, _) = said else { return false };
    command.begins_login() || matches!(command, Command::Pass | Command::Token(_))
}

fn said_at(said: &[Said], command: Command) -> Option<usize> {
    said.iter().position(|said| matches!(said, Said::ByProxy(sent, _) if *sent == command))
}

/// The password goes to the backend in PASS, and to nobody else. It is looked for if
/// none of its bytes can stand in a reply but in the backend's own text.
fn check_secrets(outcome: &Outcome, backend: &[u8]) {
    for attempt in &outcome.logins {
        let secret = &attempt.secret;
        if !secret.iter().all(|byte| *byte > 0x7f) || contains(backend, secret) {
            continue;
        }
        assert!(!outcome.replies.iter().any(|reply| contains(reply, secret)));
        for said in attempt.connections.iter().flatten() {
            if let Said::ByProxy(command, line) = said {
                let own = *command == Command::Pass || contains(&attempt.login, secret);
                assert!(own || !contains(line, secret));
            }
        }
    }
}
