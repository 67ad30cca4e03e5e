//! Logins at a backend with known answers.

#[path = "support/backend.rs"]
mod support;

use pop3::backend::Command::{Pass, Stls, User, UserAndPass, Xclient};
use pop3::backend::{Broken, Command, Dialogue, MAX_LINE, Options, Proof, Step};
use pop3::{ResponseCode, Secret, backend};
use support::Noted::{LoggedIn, Refused, Send, StartTls};
use support::{Noted, log_in};

const PLAIN: Options = Options { starttls: false, xclient: false, proof: Proof::Password };

fn play<T: AsRef<[u8]>>(turns: &[T], options: Options) -> Vec<Noted> {
    log_in(turns, options, |_| vec![])
}

/// What becomes of a backend that greets so.
fn greeted(turn: &[u8]) -> Option<Noted> {
    play(&[turn], PLAIN).pop()
}

fn broken(why: Broken) -> Noted {
    Noted::Broken(why, vec![])
}

fn broken_with(why: Broken, text: &str) -> Noted {
    Noted::Broken(why, text.into())
}

fn written(command: Command, facts: &backend::Facts<'_>) -> String {
    let mut text = vec![];
    command.write(facts, |piece| text.extend_from_slice(piece));
    String::from_utf8_lossy(&text).into_owned()
}

/// A dialogue that waits for the reply to the last of `replies + 1` commands.
fn after(replies: &[&[u8]], options: Options) -> Dialogue {
    let mut dialogue = Dialogue::new(options);
    for reply in replies {
        if dialogue.next(reply) == Step::StartTls {
            dialogue.secured();
        }
    }
    dialogue
}

#[test]
fn rfc_1939_user_and_pass() {
    let turns = ["+OK POP3 server ready\r\n", "+OK mrose is a real hoopy frood\r\n"];
    let logged_in = "+OK mrose's maildrop has 2 messages (320 octets)\r\n";
    assert_eq!(
        play(&[turns[0], turns[1], logged_in], PLAIN),
        [Send(User), Send(Pass), LoggedIn(logged_in.into())]
    );
}

const PIPELINED: Options = Options { proof: Proof::PipelinedPassword, ..PLAIN };

/// What becomes of a backend that answers USER and PASS so, which are sent together.
fn answered(replies: &str) -> Option<Noted> {
    let steps = play(&["+OK\r\n", replies], PIPELINED);
    assert_eq!(steps.first(), Some(&Send(UserAndPass)));
    steps.get(1).cloned()
}

#[test]
fn rfc_2449_user_and_pass_together() {
    let refused = |text: &str| Some(Refused(ResponseCode::Auth, text.into()));

    assert_eq!(answered("+OK who\r\n+OK in\r\n"), Some(LoggedIn("+OK in\r\n".into())));
    assert_eq!(answered("+OK\r\n-ERR wrong\r\n"), refused("wrong"));
    for begun in ["", "+OK", "+OK\r\n", "+OK\r\n+", "+OK\r\n+OK\r", "+OK\r\n-ERR wrong"] {
        assert_eq!(answered(begun), None, "{begun:?}");
    }
    // Whatever is said to PASS then.
    for behind in ["", "-ERR", "-ERR USER first\r\n", "+OK\r\n", "\0", "-ERR\r\n+OK\r\n"] {
        assert_eq!(answered(&format!("-ERR who\r\n{behind}")), refused("who"), "{behind:?}");
    }
    for (replies, why) in [
        ("+OK\r\n+OK\r\n+OK\r\n", Broken::AheadOfTurn),
        ("+OK\r\n-ERR\r\n.", Broken::AheadOfTurn),
        ("+OK\r\n+\r\n", Broken::NoReply),
        ("+\r\n+OK\r\n", Broken::NoReply),
        ("+OK\r\n\r\n", Broken::NoReply),
        ("+OK\r\n+OK \0", Broken::ControlCharacter),
        ("+OK \0", Broken::ControlCharacter),
    ] {
        assert_eq!(answered(replies), Some(broken(why)), "{replies:?}");
    }
}

#[test]
fn two_lines_have_a_bound_together() {
    let line = |length: usize| format!("+OK {}\r\n", "a".repeat(length - 6));
    let too_long = Some(broken(Broken::LineTooLong));
    for first in [6, 100, 2000, MAX_LINE - 6] {
        let rest = MAX_LINE - first;
        let whole = line(first) + &line(rest);
        assert_eq!(answered(&whole), Some(LoggedIn(line(rest).into())), "{first}");
        assert_eq!(answered(&whole[..MAX_LINE - 1]), None, "{first}");
        assert_eq!(answered(&(line(first) + &line(rest + 1))), too_long, "{first}");
        assert_eq!(answered(&(line(first) + &line(rest + 1))[..MAX_LINE]), too_long, "{first}");
    }
    assert_eq!(answered(&line(MAX_LINE)), too_long);
    assert_eq!(answered(&line(MAX_LINE + 1)), too_long);
}

#[test]
fn a_backend_that_has_user_and_pass_has_the_last_word() {
    let dialogue = after(&[b"+OK\r\n"], PIPELINED);
    assert!(dialogue.greeted() && !dialogue.replaceable());
}

#[test]
fn commands_come_in_their_order() {
    let ok = "+OK\r\n";
    let end = LoggedIn(ok.into());
    let greeting = "+OK [XCLIENT] ready\r\n";
    for (starttls, xclient, greeting, commands) in [
        (false, false, greeting, vec![Send(User)]),
        (false, true, "+OK XCLIENT\r\n", vec![Send(User)]),
        (false, true, greeting, vec![Send(Xclient), Send(User)]),
        (true, false, greeting, vec![Send(Stls), StartTls, Send(User)]),
        (true, true, ok, vec![Send(Stls), StartTls, Send(User)]),
        (true, true, greeting, vec![Send(Stls), StartTls, Send(Xclient), Send(User)]),
    ] {
        let steps = play(&[greeting, ok, ok, ok, ok], Options { starttls, xclient, ..PLAIN });
        let expected = [commands, vec![Send(Pass), end.clone()]].concat();
        assert_eq!(steps, expected, "{starttls} {xclient} {greeting}");
    }
}

#[test]
fn xclient_is_offered_anywhere_in_the_greeting_and_only_there() {
    let options = Options { xclient: true, ..PLAIN };
    for (greeting, offered) in [
        ("+OK [XCLIENT]\r\n", true),
        ("+OK Dovecot [XCLIENT] ready\r\n", true),
        ("+OK [XCLIENT\r\n", false),
        ("+OK [XCLIEN]\r\n", false),
        ("+OK\r\n", false),
    ] {
        let dialogue = after(&[greeting.as_bytes()], options);
        assert_eq!(dialogue.lacks_xclient(), !offered, "{greeting}");
        assert!(!after(&[greeting.as_bytes()], PLAIN).lacks_xclient());
    }
    assert_eq!(
        play(&["+OK\r\n", "+OK [XCLIENT]\r\n"], Options { starttls: true, xclient: true, ..PLAIN }),
        [Send(Stls), StartTls, Send(User)]
    );
}

#[test]
fn another_backend_can_take_over_until_user_is_sent() {
    let both = Options { starttls: true, xclient: true, ..PLAIN };
    let ok = &b"+OK\r\n"[..];
    let replies = [b"+OK [XCLIENT]\r\n", ok, ok, ok];
    for (count, replaceable) in [(0, true), (1, true), (2, true), (3, false), (4, false)] {
        let dialogue = after(&replies[..count], both);
        assert_eq!(dialogue.replaceable(), replaceable, "{count}");
        assert_eq!(dialogue.greeted(), count > 0, "{count}");
    }
}

#[test]
fn what_is_refused() {
    let ok = "+OK [XCLIENT]\r\n";
    let no = "-ERR [SYS/TEMP] no\r\n";
    let both = Options { starttls: true, xclient: true, ..PLAIN };
    for (replies, outcome) in [
        (vec![no], broken_with(Broken::GreetingRefused, "[SYS/TEMP] no")),
        (vec![ok, no], broken_with(Broken::StlsRefused, "[SYS/TEMP] no")),
        (vec![ok, ok, no], broken_with(Broken::XclientRefused, "[SYS/TEMP] no")),
        (vec![ok, ok, ok, no], Refused(ResponseCode::SysTemp, "[SYS/TEMP] no".into())),
        (vec![ok, ok, ok, ok, no], Refused(ResponseCode::SysTemp, "[SYS/TEMP] no".into())),
    ] {
        assert_eq!(play(&replies, both).pop(), Some(outcome), "{replies:?}");
    }
    assert_eq!(
        play(&["+OK\r\n", "+OK\r\n", "-ERR\r\n"], PLAIN).pop(),
        Some(Refused(ResponseCode::Auth, vec![]))
    );
}

#[test]
fn a_reply_begins_with_its_status_indicator() {
    for reply in ["+OK\r\n", "+OK \r\n", "+OK  x\r\n", "+OK -ERR\r\n", "+OK \u{e9}\r\n"] {
        assert_eq!(greeted(reply.as_bytes()), Some(Send(User)), "{reply:?}");
    }
    for (reply, text) in [("-ERR\r\n", ""), ("-ERR \r\n", ""), ("-ERR  a b\r\n", " a b")] {
        let refused = broken_with(Broken::GreetingRefused, text);
        assert_eq!(greeted(reply.as_bytes()), Some(refused), "{reply:?}");
    }
    for begun in ["", "+", "+O", "+OK", "+OK\r", "+OK ", "+OK a", "-", "-ER", "-ERR", "-ERR a\r"] {
        assert_eq!(greeted(begun.as_bytes()), None, "{begun:?}");
    }
    for other in [
        &b"\r\n"[..],
        b"\n",
        b" +OK\r\n",
        b"+\r\n",
        b"+ \r\n",
        b"+O\r\n",
        b"+OKx\r\n",
        b"+OK\t\r\n",
        b"+OK\0\r\n",
        b"+ok\r\n",
        b"+OX",
        b"-\r\n",
        b"-ERRx\r\n",
        b"-ERR:\r\n",
        b"-err\r\n",
        b"OK\r\n",
        b"* OK IMAP4rev1\r\n",
        b"220 smtp\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x16",
        b"\0",
        b"\xff",
    ] {
        assert_eq!(greeted(other), Some(broken(Broken::NoReply)), "{other:?}");
    }
}

#[test]
fn a_reply_holds_no_control_character() {
    for byte in 0..=u8::MAX {
        for reply in ["+OK ", "-ERR ", "+OK some text", "-ERR some text"] {
            for behind in ["", "a", "more text", "more text\r\n", "\r"] {
                let turn = [reply.as_bytes(), &[byte], behind.as_bytes()].concat();
                // It may be the CR of the line's end.
                let ends = byte == b'\r' && behind.is_empty();
                let refused = byte.is_ascii_control() && !ends;
                let found = greeted(&turn) == Some(broken(Broken::ControlCharacter));
                assert_eq!(found, refused, "{turn:?}");
            }
        }
    }
    for reply in [&b"+OK\n"[..], b"+OK a\n", b"-ERR\n", b"+OK\rx\r\n", b"+OK \r\r\n", b"+OK\r\r"] {
        assert_eq!(greeted(reply), Some(broken(Broken::ControlCharacter)), "{reply:?}");
    }
}

#[test]
fn a_line_has_a_bound() {
    for indicator in ["+OK ", "-ERR "] {
        for length in [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE] {
            let text = "a".repeat(length - indicator.len() - 2);
            let line = format!("{indicator}{text}\r\n");
            let unfinished = format!("{indicator}{text}aa");
            let cr = format!("{indicator}{text}a\r");
            let whole = if indicator == "+OK " {
                Send(User)
            } else {
                broken_with(Broken::GreetingRefused, &text)
            };
            let too_long = broken(Broken::LineTooLong);

            let fits = length <= MAX_LINE;
            let expected = if fits { whole } else { too_long.clone() };
            assert_eq!(greeted(line.as_bytes()), Some(expected), "{length}");
            let expected = if length < MAX_LINE { None } else { Some(too_long) };
            assert_eq!(greeted(unfinished.as_bytes()), expected, "{length}");
            assert_eq!(greeted(cr.as_bytes()), expected, "{length}");
        }
    }
}

#[test]
fn what_is_wrong_first_is_what_is_found() {
    let line = |length| format!("+OK {}", "a".repeat(length - 4));
    for (turn, why) in [
        (line(MAX_LINE - 1) + "\n", Broken::ControlCharacter),
        (line(MAX_LINE - 1) + "\r\n", Broken::LineTooLong),
        (line(MAX_LINE - 2) + "\rx", Broken::ControlCharacter),
        (line(MAX_LINE - 1) + "\0", Broken::ControlCharacter),
        (line(MAX_LINE) + "\0", Broken::LineTooLong),
        (line(MAX_LINE) + "\n", Broken::LineTooLong),
        ("+OKx\0".into(), Broken::NoReply),
        ("+OK \0\r\n+OK\r\n".into(), Broken::ControlCharacter),
        (format!("HTTP/1.1 {}", "a".repeat(MAX_LINE)), Broken::NoReply),
    ] {
        assert_eq!(greeted(turn.as_bytes()), Some(broken(why)));
    }
}

#[test]
fn nothing_comes_ahead_of_its_turn() {
    let both = Options { starttls: true, xclient: true, ..PLAIN };
    let ok = &b"+OK [XCLIENT]\r\n"[..];
    for count in 0..5 {
        for behind in [&b"\0"[..], b"+", b"\r\n", b"+OK\r\n", b".\r\n", b"\x16\x03\x01"] {
            for head in [ok, b"-ERR no\r\n"] {
                let mut turns = vec![ok.to_vec(); count];
                turns.push([head, behind].concat());
                let last = play(&turns, both).pop();
                assert_eq!(last, Some(broken(Broken::AheadOfTurn)), "{count} {behind:?}");
            }
        }
    }
    let long = [b'a'; MAX_LINE];
    assert_eq!(greeted(&[ok, &long].concat()), Some(broken(Broken::AheadOfTurn)));
}

#[test]
fn what_commands_look_like() {
    let facts = backend::Facts {
        login: b"a b",
        secret: Secret::new(b" c\td "),
        xclient: Some(backend::Xclient {
            client: Some(backend::Endpoint { address: b"2001:db8::1", port: b"49152" }),
            server: Some(backend::Endpoint { address: b"192.0.2.1", port: b"110" }),
            session: b"17",
            tls: true,
        }),
    };

    assert_eq!(written(Stls, &facts), "STLS\r\n");
    assert_eq!(written(User, &facts), "USER a b\r\n");
    assert_eq!(written(Pass, &facts), "PASS  c\td \r\n");
    assert_eq!(written(UserAndPass, &facts), "USER a b\r\nPASS  c\td \r\n");
    assert_eq!(
        written(Xclient, &facts),
        "XCLIENT ADDR=2001:db8::1 PORT=49152 DESTADDR=192.0.2.1 DESTPORT=110 SESSION=17 \
         CLIENT-TRANSPORT=TLS\r\n"
    );

    let unix = backend::Xclient { client: None, server: None, session: b"18", tls: false };
    assert_eq!(
        written(Xclient, &backend::Facts { xclient: Some(unix), ..facts }),
        "XCLIENT SESSION=18 CLIENT-TRANSPORT=insecure\r\n"
    );
}

#[test]
fn each_reason_has_a_text_of_its_own() {
    let mut texts: Vec<_> = [
        Broken::NoReply,
        Broken::ControlCharacter,
        Broken::LineTooLong,
        Broken::AheadOfTurn,
        Broken::GreetingRefused,
        Broken::StlsRefused,
        Broken::XclientRefused,
    ]
    .map(|why| why.log_text().to_string_lossy())
    .to_vec();
    let count = texts.len();
    texts.sort_unstable();
    texts.dedup();

    assert_eq!(texts.len(), count);
    let did = |text: &str| text.starts_with("sent ") || text.starts_with("refused ");
    assert!(texts.iter().all(|text| did(text)));
}

#[test]
fn a_text_with_a_control_character_of_the_upper_half_is_none() {
    for (text, kept) in [
        (&b"gesch\xc3\xa4ftig \xc4\x9b"[..], true),
        (b"gesch\xe4ftig", true),
        (b"\x9b31m", false),
        (b"\xc2\x9b31m", false),
        (b"gesch\x84ftig", false),
    ] {
        let expected = if kept { text } else { b"" };
        let with_code = [&b"[IN-USE] "[..], text].concat();
        assert_eq!(
            after(&[b"+OK\r\n"], PLAIN).next(&[&b"-ERR "[..], &with_code, b"\r\n"].concat()),
            Step::Refused(ResponseCode::InUse, if kept { &with_code } else { b"" })
        );
        assert_eq!(
            Dialogue::new(PLAIN).next(&[&b"-ERR "[..], text, b"\r\n"].concat()),
            Step::Broken(Broken::GreetingRefused, expected)
        );
    }
}
