//! What holds for whatever a client sends, however it is cut.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

mod support;

use pop3::{Policy, Refusal, StartTls};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Noted, POLICY, play};

/// Bytes that get somewhere: words of the protocol with noise between them.
fn dialogue() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => prop::sample::select(vec![
            &b"USER"[..], b"PASS", b"APOP", b"AUTH", b"CAPA", b"NOOP", b"QUIT", b"STLS", b"STAT",
            b"PLAIN", b"LOGIN", b"CRAM-MD5", b"EXTERNAL", b"bob", b"=", b"*",
            b"AGJvYgBzZWNyZXQ=", b"Ym9i", b"c2VjcmV0", b"AGJvYgBhDQpi", b"YQ0KYg==",
            b"Ym9iIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
            b"c4c9334bac560ecc979e58001b3e22fb",
        ])
        .prop_map(<[u8]>::to_vec),
        6 => Just(b"\r\n".to_vec()),
        6 => Just(b" ".to_vec()),
        1 => Just(b"\n".to_vec()),
        1 => vec(any::<u8>(), 0..80),
    ];

    vec(word, 0..40).prop_map(|words| words.concat())
}

fn cuts(length: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..=length, 0..12).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

fn cut_dialogue() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    dialogue().prop_flat_map(|bytes| {
        let length = bytes.len();
        (Just(bytes), cuts(length))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn every_cut_gives_the_same_actions((bytes, cuts) in cut_dialogue(), tls: bool) {
        let single: Vec<usize> = (0..bytes.len()).collect();
        let whole = play(&bytes, &[], &POLICY, tls);

        prop_assert_eq!(&play(&bytes, &cuts, &POLICY, tls), &whole);
        prop_assert_eq!(&play(&bytes, &single, &POLICY, tls), &whole);
    }

    #[test]
    fn every_line_has_one_action(bytes in dialogue(), tls: bool) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count();
        prop_assert_eq!(play(&bytes, &[], &POLICY, tls).len(), lines);
    }

    #[test]
    fn no_credential_can_end_a_line(bytes in dialogue()) {
        for noted in play(&bytes, &[], &POLICY, false) {
            let (login, secret) = match noted {
                Noted::KeepLogin(login, _) => (login, vec![]),
                Noted::Authenticate(_, login, secret) => (login.unwrap_or_default(), secret),
                _ => continue,
            };
            prop_assert!(!login.iter().any(u8::is_ascii_control));
            prop_assert!(!secret.iter().any(|byte| b"\r\n\0".contains(byte)));
        }
    }

    #[test]
    fn nobody_logs_in_before_tls_where_it_is_required(bytes in dialogue()) {
        let policy = Policy { starttls: StartTls::Only, ..POLICY };
        for noted in play(&bytes, &[], &policy, false) {
            let login = matches!(noted, Noted::KeepLogin(..) | Noted::Authenticate(..));
            prop_assert!(!login && noted != Noted::Mechanisms);
        }
    }

    #[test]
    fn errors_end_the_session_at_the_limit(bytes in dialogue(), max_errors in 1..8_u32) {
        let policy = Policy { max_errors, ..POLICY };
        let mut errors = 0;
        for noted in play(&bytes, &[], &policy, false) {
            match noted {
                Noted::Refuse(Refusal::Cancelled) => {}
                Noted::Refuse(_) => {
                    errors += 1;
                    prop_assert!(errors < max_errors);
                }
                Noted::Close(Refusal::HttpRequest) => errors += 1,
                Noted::Close(_) => {
                    errors += 1;
                    prop_assert!(errors >= max_errors);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn a_refusal_is_one_line(bytes in dialogue()) {
        for noted in play(&bytes, &[], &POLICY, false) {
            if let Noted::Refuse(reason) = noted {
                let reply = reason.reply();
                prop_assert!(reply.starts_with(b"-ERR ") && reply.ends_with(b"\r\n"));
                let text = &reply[..reply.len() - 2];
                prop_assert!(!text.iter().any(u8::is_ascii_control));
            }
        }
    }
}
