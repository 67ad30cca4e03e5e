//! A file of logins: its lines say what they do by themselves, a login is found where it
//! stands, and what is not fit, or there twice, is told with its line.
//!
//! Input: two bytes for the login that is looked for and the size of the table, then the
//! file.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use user_file::index::{Fault, Seed, build, find, slots_for};
use user_file::line::MAX_FIELD;
use user_file::{Entry, Lines, Password, Unfit};

const SEED: Seed = [1, 2];

fuzz_target!(|data: &[u8]| {
    let Some((&[at, more], bytes)) = data.split_first_chunk::<2>() else { return };

    let lines: Vec<_> = Lines::new(bytes).collect();
    assert_eq!(lines, simple(bytes));

    let mut table = vec![u32::from(at); slots_for(lines.len()) + usize::from(more % 8)];
    let built = build(bytes, &mut table, SEED);
    assert_eq!(built, expected(&lines));
    if built.is_ok() {
        check_found(bytes, &table, &lines);
    }

    // Whatever a client takes for its login.
    let login = bytes.get(usize::from(at)..).unwrap_or_default();
    for end in [1, 3, login.len()] {
        let login = login.get(..end).unwrap_or_default();
        if let Some(entry) = find(bytes, &table, SEED, login) {
            assert_eq!(entry.login, login);
            assert!(!login.is_empty() && !login.contains(&b':'));
        }
    }
});

/// The same from a file that is cut into lines, and these into fields, at once.
fn simple(bytes: &[u8]) -> Vec<(usize, Result<Entry<'_>, Unfit>)> {
    let lines =
        bytes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let says = |(_, line): &(usize, &[u8])| !line.is_empty() && !line.starts_with(b"#");
    (1..).zip(lines).filter(says).map(|(number, line)| (number, entry(line))).collect()
}

fn entry(line: &[u8]) -> Result<Entry<'_>, Unfit> {
    let control = |text: &[u8]| text.iter().any(|&byte| byte < 0x20 || byte == 0x7f);
    let fields: Vec<&[u8]> = line.splitn(3, |&byte| byte == b':').collect();
    let (login, password, backend) = match fields[..] {
        [login, password] => (login, password, &b""[..]),
        [login, password, backend] => (login, password, backend),
        _ => return Err(Unfit::NoColon),
    };
    match (login.len(), password.len(), backend.len()) {
        (0, ..=MAX_FIELD, ..=MAX_FIELD) => return Err(Unfit::EmptyLogin),
        (..=MAX_FIELD, ..=MAX_FIELD, ..=MAX_FIELD) => {}
        _ => return Err(Unfit::TooLong),
    }
    if control(login) {
        return Err(Unfit::Login);
    }
    if control(backend) {
        return Err(Unfit::Backend);
    }
    let backend = Some(backend).filter(|backend| !backend.is_empty());
    Password::parse(password).map(|password| Entry { login, password, backend })
}

/// What is to be said of the whole file.
fn expected(lines: &[(usize, Result<Entry<'_>, Unfit>)]) -> Result<(), Fault> {
    let mut numbers = HashMap::new();
    for &(line, entry) in lines {
        let entry = entry.map_err(|unfit| Fault::Unfit { line, unfit })?;
        if let Some(first) = numbers.insert(entry.login, line) {
            return Err(Fault::Twice { first, second: line });
        }
    }
    Ok(())
}

fn check_found(bytes: &[u8], table: &[u32], lines: &[(usize, Result<Entry<'_>, Unfit>)]) {
    for entry in lines.iter().filter_map(|(_, entry)| entry.ok()) {
        assert_eq!(find(bytes, table, SEED, entry.login), Some(entry));
        assert_eq!(find(bytes, table, SEED, &[entry.login, b":"].concat()), None);
    }
}
