//! Logins with a token at a backend, with known answers.

#[path = "support/backend.rs"]
mod support;

use pop3::backend::Command::{Answer, Auth, AuthWithToken, Stls, Token, User, Xclient};
use pop3::backend::{Broken, Command, Dialogue, Facts, Options, Proof, Step};
use pop3::{OAuth, ResponseCode, Secret};
use support::Noted::{Challenged, LoggedIn, Refused, Send, StartTls};
use support::{Noted, log_in};

const MECHANISMS: [OAuth; 2] = [OAuth::Xoauth2, OAuth::Oauthbearer];
const OK: &str = "+OK [XCLIENT] ready\r\n";
const NO: &str = "-ERR [SYS/TEMP] no\r\n";
const ERROR: &str = "+ eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n";

fn play(turns: &[&str], proof: Proof) -> Vec<Noted> {
    log_in(turns, Options { proof, ..Options::default() }, |_| vec![])
}

fn challenged(mechanism: OAuth) -> Noted {
    Challenged(Answer(mechanism), "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=".into())
}

fn written(command: Command, login: &str, token: &str) -> String {
    let facts =
        Facts { login: login.as_bytes(), secret: Secret::new(token.as_bytes()), xclient: None };
    let mut line = vec![];
    command.write(&facts, |piece| line.extend_from_slice(piece));
    String::from_utf8_lossy(&line).into_owned()
}

#[test]
fn a_short_token_goes_with_auth() {
    for mechanism in MECHANISMS {
        let proof = Proof::Token(mechanism);
        let auth = Send(AuthWithToken(mechanism));
        let refused = Refused(ResponseCode::SysTemp, "[SYS/TEMP] no".into());
        assert_eq!(play(&[OK, OK], proof), [auth.clone(), LoggedIn(OK.into())]);
        assert_eq!(
            play(&[OK, ERROR, NO], proof),
            [auth.clone(), challenged(mechanism), refused.clone()]
        );
        assert_eq!(play(&[OK, NO], proof), [auth, refused]);
    }
}

#[test]
fn a_long_token_is_asked_for() {
    for mechanism in MECHANISMS {
        let proof = Proof::LongToken(mechanism);
        let commands = [Send(Auth(mechanism)), Send(Token(mechanism))];
        for asks in ["+ \r\n", "+\r\n", "+ a\r\n"] {
            let steps = play(&[OK, asks, OK], proof);
            assert_eq!(steps, [&commands[..], &[LoggedIn(OK.into())]].concat());
            let refused = Refused(ResponseCode::SysTemp, "[SYS/TEMP] no".into());
            let steps = play(&[OK, asks, ERROR, NO], proof);
            assert_eq!(steps, [&commands[..], &[challenged(mechanism), refused.clone()]].concat());
            let steps = play(&[OK, asks, NO], proof);
            assert_eq!(steps, [&commands[..], std::slice::from_ref(&refused)].concat());
            let steps = play(&[OK, NO], proof);
            assert_eq!(steps, [commands[0].clone(), refused]);
        }
    }
}

#[test]
fn what_comes_before_the_login_is_as_with_a_password() {
    for (proof, command) in [
        (Proof::Token(OAuth::Xoauth2), AuthWithToken(OAuth::Xoauth2)),
        (Proof::LongToken(OAuth::Oauthbearer), Auth(OAuth::Oauthbearer)),
        (Proof::Password, User),
    ] {
        for (starttls, xclient, greeting, before) in [
            (false, false, OK, vec![]),
            (false, true, "+OK\r\n", vec![]),
            (false, true, OK, vec![Send(Xclient)]),
            (true, false, OK, vec![Send(Stls), StartTls]),
            (true, true, OK, vec![Send(Stls), StartTls, Send(Xclient)]),
        ] {
            let options = Options { starttls, xclient, proof };
            let turns = vec![OK; before.iter().filter(|step| **step != StartTls).count()];
            let steps = log_in(&[&[greeting], &turns[..]].concat(), options, |_| vec![]);
            assert_eq!(steps, [before, vec![Send(command)]].concat(), "{options:?}");
        }
    }
}

#[test]
fn only_a_token_is_challenged() {
    let broken = Noted::Broken(Broken::NoReply, vec![]);
    for challenge in ["+ \r\n", ERROR, "+\r\n"] {
        for proof in
            [Proof::Token(OAuth::Xoauth2), Proof::LongToken(OAuth::Xoauth2), Proof::Password]
        {
            assert_eq!(play(&[challenge], proof), std::slice::from_ref(&broken));
            for options in [
                Options { starttls: true, xclient: false, proof },
                Options { starttls: false, xclient: true, proof },
            ] {
                let steps = log_in(&[OK, challenge], options, |_| vec![]);
                assert_eq!(steps.last(), Some(&broken), "{options:?}");
            }
        }
        assert_eq!(play(&[OK, challenge], Proof::Password).last(), Some(&broken));
        assert_eq!(play(&[OK, OK, challenge], Proof::Password).last(), Some(&broken));
        for mechanism in MECHANISMS {
            let steps = play(&[OK, ERROR, challenge], Proof::Token(mechanism));
            assert_eq!(steps.last(), Some(&broken));
        }
    }
}

#[test]
fn nobody_is_logged_in_without_a_token() {
    let broken = Noted::Broken(Broken::NoReply, vec![]);
    for mechanism in MECHANISMS {
        assert_eq!(play(&[OK, OK], Proof::LongToken(mechanism)).last(), Some(&broken));
        assert_eq!(play(&[OK, ERROR, OK], Proof::Token(mechanism)).last(), Some(&broken));
        assert_eq!(
            play(&[OK, "+ \r\n", ERROR, OK], Proof::LongToken(mechanism)).last(),
            Some(&broken)
        );
    }
}

#[test]
fn a_challenge_is_a_line_as_a_reply_is() {
    let proof = Proof::Token(OAuth::Xoauth2);
    for (turn, expected) in [
        ("+x\r\n", Some(Broken::NoReply)),
        ("+\t\r\n", Some(Broken::NoReply)),
        ("+O", None),
        ("+O\r\n", Some(Broken::NoReply)),
        ("+", None),
        ("+ ", None),
        ("+ QQ==\r", None),
        ("+ Q\0\r\n", Some(Broken::ControlCharacter)),
        ("+ QQ==\n", Some(Broken::ControlCharacter)),
        ("+ QQ==\r\n-ERR\r\n", Some(Broken::AheadOfTurn)),
        (" + \r\n", Some(Broken::NoReply)),
    ] {
        let steps = play(&[OK, turn], proof);
        let broken = expected.map(|why| Noted::Broken(why, vec![]));
        assert_eq!(steps.get(1), broken.as_ref(), "{turn:?}");
    }
}

#[test]
fn a_backend_that_is_told_of_the_login_is_the_last() {
    for proof in MECHANISMS.map(Proof::Token).into_iter().chain(MECHANISMS.map(Proof::LongToken)) {
        let mut dialogue = Dialogue::new(Options { proof, ..Options::default() });
        assert!(dialogue.replaceable());
        assert_eq!(dialogue.next(OK.as_bytes()), Step::Send(proof.command()));
        assert!(!dialogue.replaceable() && proof.command().begins_login());
        assert!(matches!(dialogue.next(b"+ \r\n"), Step::Send(_) | Step::Challenged(..)));
        assert!(!dialogue.replaceable());
    }
    assert!(User.begins_login());
    for command in [Stls, Xclient, Command::Pass, Token(OAuth::Xoauth2), Answer(OAuth::Xoauth2)] {
        assert!(!command.begins_login());
    }
}

#[test]
fn rfc_7628_and_googles_messages() {
    let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
    let message = "bixhPXVzZXJAZXhhbXBsZS5jb20sAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJo\
                   ZG1semRHRXVZMjl0Q2c9PQEB";
    for (command, expected) in [
        (AuthWithToken(OAuth::Oauthbearer), format!("AUTH OAUTHBEARER {message}\r\n")),
        (Auth(OAuth::Oauthbearer), "AUTH OAUTHBEARER\r\n".into()),
        (Token(OAuth::Oauthbearer), format!("{message}\r\n")),
        (Answer(OAuth::Oauthbearer), "AQ==\r\n".into()),
    ] {
        assert_eq!(written(command, "user@example.com", token), expected);
    }

    let token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
    let message = "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNS\
                   bGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";
    for (command, expected) in [
        (AuthWithToken(OAuth::Xoauth2), format!("AUTH XOAUTH2 {message}\r\n")),
        (Auth(OAuth::Xoauth2), "AUTH XOAUTH2\r\n".into()),
        (Token(OAuth::Xoauth2), format!("{message}\r\n")),
        (Answer(OAuth::Xoauth2), "\r\n".into()),
    ] {
        assert_eq!(written(command, "someuser@example.com", token), expected);
    }
}

#[test]
fn rfc_5034_a_command_has_255_bytes() {
    for mechanism in MECHANISMS {
        for length in 100..300 {
            let token = "t".repeat(length);
            let line = written(AuthWithToken(mechanism), "a,b=c", &token);
            let proof = Proof::token(mechanism, b"a,b=c", Secret::new(token.as_bytes()));
            let expected = if line.len() <= 255 {
                Proof::Token(mechanism)
            } else {
                Proof::LongToken(mechanism)
            };
            assert_eq!(proof, expected, "{} bytes", line.len());
        }
    }
    assert_eq!(written(AuthWithToken(OAuth::Xoauth2), "a", &"t".repeat(157)).len(), 255);
}
