//! What holds for files of any kind.

#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use user_file::index::{Fault, Seed, build, find, slots_for};
use user_file::{Lines, Password, verify};

const SEED: Seed = [1, 2];

const PASSWORDS: &[&str] = &[
    "",
    "{PLAIN}secret",
    "{PLAIN}",
    "{PLAIN.b64}YTpi",
    "{PLAIN.b64}YQ",
    "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=",
    "{SSHA}pwURrZFyKJHOu0J+bM+ZrvF0BUZuHhbf",
    "$apr1$a.b/salt$wZgXhBSWUvrUB/vN1ff9y/",
    "$1$a.b/salt$apWUwtjrjC/nbba9QCv.30",
    "$5$rounds=1000$salt$qkbQzJsSsPIcpNbp8SWWiZlkM8eEK22ZtNXM.qFhHB8",
    "$2y$05$x",
    "secret",
];

fn line() -> impl Strategy<Value = String> {
    let login = select(&["bob", "tom", "Bob", "b b", "", "#bob", "b\u{fc}b"][..]);
    let number = prop_oneof![Just(String::new()), (0_u8..99).prop_map(|n| n.to_string())];
    let backend = select(&["", ":", ":mail", ":[::1]:110", ":a:b"][..]);
    let end = select(&["\n", "\r\n", "\n\n", "\n# x\n"][..]);
    (login, number, select(PASSWORDS), backend, end).prop_map(
        |(login, number, password, backend, end)| {
            format!("{login}{number}:{password}{backend}{end}")
        },
    )
}

/// Files, and what becomes of them if a byte or two change.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    (vec(line(), 1..9), changes).prop_map(|(lines, changes)| {
        let mut bytes = lines.concat().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_said_is_fit(bytes in prop_oneof![file(), any::<Vec<u8>>()]) {
        let control = |text: &[u8]| text.iter().any(u8::is_ascii_control);
        let lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
        let mut before = 0;
        for (number, entry) in Lines::new(&bytes) {
            prop_assert!(number > before);
            before = number;
            let line = lines[number - 1];
            prop_assert!(!line.starts_with(b"#"));
            let Ok(entry) = entry else { continue };
            let backend = entry.backend.unwrap_or(b"x");
            prop_assert!(line.starts_with(&[entry.login, b":"].concat()));
            prop_assert!(!entry.login.is_empty() && !control(entry.login));
            prop_assert!(!backend.is_empty() && !control(backend));
            match entry.password {
                Password::Plain(text) => text.expose(|piece| {
                    assert!(!piece.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                }),
                Password::Crypt(_, stored) => prop_assert!(stored.iter().all(u8::is_ascii_graphic)),
                Password::Empty => {}
            }
        }
    }

    #[test]
    fn what_is_in_a_file_is_found(bytes in file(), slots in 0_usize..9) {
        let lines: Vec<_> = Lines::new(&bytes).collect();
        let mut table = vec![7; slots_for(lines.len()) + slots];
        let built = build(&bytes, &mut table, SEED);

        let mut numbers = HashMap::new();
        for (number, entry) in &lines {
            let fault = match entry {
                Err(unfit) => Some(Fault::Unfit { line: *number, unfit: *unfit }),
                Ok(entry) => numbers
                    .insert(entry.login, *number)
                    .map(|first| Fault::Twice { first, second: *number }),
            };
            if let Some(fault) = fault {
                prop_assert_eq!(built, Err(fault));
                return Ok(());
            }
        }
        prop_assert_eq!(built, Ok(()));
        for (_, entry) in &lines {
            let entry = entry.unwrap();
            prop_assert_eq!(find(&bytes, &table, SEED, entry.login), Some(entry));
            prop_assert_eq!(find(&bytes, &table, SEED, &[entry.login, b"?"].concat()), None);
        }
    }

    #[test]
    fn a_text_fits_itself_alone(text in "[^\r\n\0]{1,200}", given in "[^\r\n\0]{0,200}") {
        let field = format!("{{PLAIN}}{text}");
        let Ok(Password::Plain(plain)) = Password::parse(field.as_bytes()) else {
            return Err(TestCaseError::fail(field));
        };
        prop_assert!(verify::plain(plain, text.as_bytes()));
        prop_assert_eq!(verify::plain(plain, given.as_bytes()), text == given);
    }

    #[test]
    fn passwords_of_any_kind(bytes: Vec<u8>, head in select(PASSWORDS)) {
        let field = [head.as_bytes(), &bytes].concat();
        let _ = (Password::parse(&bytes), Password::parse(&field));
    }
}
