//! Logins that are looked up.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use user_file::index::{Fault, Place, Seed, build, find, look_up, slot_of, slots_for};
use user_file::{Entry, Lines, Password, Unfit};

const SEED: Seed = [1, 2];

fn index(file: &str) -> Result<Vec<u32>, Fault> {
    let mut table = vec![u32::MAX; slots_for(Lines::new(file.as_bytes()).count())];
    build(file.as_bytes(), &mut table, SEED).map(|()| table)
}

fn backend<'a>(file: &'a str, table: &[u32], login: &str) -> Option<&'a str> {
    let entry = find(file.as_bytes(), table, SEED, login.as_bytes())?;
    assert_eq!(entry.login, login.as_bytes());
    Some(std::str::from_utf8(entry.backend.unwrap_or_default()).unwrap())
}

#[test]
fn every_login_is_found_and_no_other() {
    let file = "# of two\r\nbob::one\r\n\r\nBob::two\n bob::three\nbob ::four\nb::five";
    let table = index(file).unwrap();
    for (login, expected) in
        [("bob", "one"), ("Bob", "two"), (" bob", "three"), ("bob ", "four"), ("b", "five")]
    {
        assert_eq!(backend(file, &table, login), Some(expected), "{login}");
    }
    for login in ["", "BOB", "bo", "bobb", "# of two", "bob:", "bob::one", "bob::one\r\n", "x"] {
        assert_eq!(backend(file, &table, login), None, "{login}");
    }
}

#[test]
fn a_login_of_a_client_is_no_part_of_a_line() {
    // Two slots are looked at for each login, or one alone.
    let file = "a:{PLAIN}b:c\n";
    for slots in [1, 2] {
        let mut table = vec![0; slots];
        build(file.as_bytes(), &mut table, SEED).unwrap();
        for login in ["a:{PLAIN}b", "a:", "a:{PLAIN}b:c", "", "a\n", "{PLAIN}b"] {
            assert!(find(file.as_bytes(), &table, SEED, login.as_bytes()).is_none(), "{login}");
        }
        let password = Password::parse(b"{PLAIN}b").unwrap();
        let entry = Entry { login: b"a", password, backend: Some(b"c") };
        assert_eq!(find(file.as_bytes(), &table, SEED, b"a"), Some(entry));
    }
}

#[test]
fn many_logins() {
    let login = |number: usize| format!("user{number}@example.org");
    let file: String = (0..10_000).map(|n| format!("{}:{{PLAIN}}x:{n}\n", login(n))).collect();
    let table = index(&file).unwrap();
    for number in (0..10_000).step_by(7) {
        assert_eq!(backend(&file, &table, &login(number)), Some(number.to_string().as_str()));
    }
    assert_eq!(backend(&file, &table, &login(10_000)), None);
}

#[test]
fn a_login_twice() {
    let file = "bob:\n# bob\r\n\ntom:\nTom:\ntom:{PLAIN}x\nbob:\n";
    assert_eq!(index(file), Err(Fault::Twice { first: 4, second: 6 }));
    assert_eq!(index("bob:\nbob:"), Err(Fault::Twice { first: 1, second: 2 }));
    assert_eq!(index("\nbob:\r\nbob:"), Err(Fault::Twice { first: 2, second: 3 }));
}

#[test]
fn the_first_fault_is_told() {
    let unfit = |line, unfit| Err(Fault::Unfit { line, unfit });
    assert_eq!(index("bob:\n\ntom\nbob:"), unfit(3, Unfit::NoColon));
    assert_eq!(index("bob:\nbob:\ntom"), Err(Fault::Twice { first: 1, second: 2 }));
    assert_eq!(index("bob:\nbob:x"), unfit(2, Unfit::NoPrefix));
}

#[test]
fn files_without_logins() {
    for file in ["", "\n", "# bob:\n"] {
        let table = index(file).unwrap();
        assert_eq!(backend(file, &table, "bob"), None);
        assert_eq!(build(file.as_bytes(), &mut [], SEED), Ok(()));
    }
    assert!(find(b"bob:", &[], SEED, b"bob").is_none());
}

#[test]
fn a_table_that_is_too_small() {
    let file = "a:\nb:\nc:\n";
    let mut table = [0; 3];
    assert_eq!(build(file.as_bytes(), &mut table, SEED), Ok(()));
    for login in ["a", "b", "c"] {
        assert_eq!(backend(file, &table, login), Some(""));
    }
    assert_eq!(backend(file, &table, "d"), None);
    assert_eq!(build(file.as_bytes(), &mut [0; 2], SEED), Err(Fault::Full));
    assert_eq!(build(file.as_bytes(), &mut [], SEED), Err(Fault::Full));
}

#[test]
fn a_table_of_another_file_finds_nothing_wrong() {
    let table = index("alice:\nbob:\n").unwrap();
    for file in ["", "x", "alice", "alice:secret", ":"] {
        for login in ["alice", "bob", ""] {
            assert!(find(file.as_bytes(), &table, SEED, login.as_bytes()).is_none());
        }
    }
}

#[test]
fn a_table_is_at_most_half_full() {
    assert_eq!(slots_for(0), 1);
    assert_eq!(slots_for(1), 3);
    assert_eq!(slots_for(100_000), 200_001);
    assert_eq!(slots_for(usize::MAX), usize::MAX);
}

#[test]
fn tables_of_other_things() {
    let things: Vec<String> = (0..1000).map(|number| format!("10.0.0.1:{number}")).collect();
    let mut table = vec![0; slots_for(things.len())];
    let place = |table: &[u32], key: &str| {
        let is_it = |number| (things.get(number)? == key).then_some(number);
        look_up(table, SEED, key.as_bytes(), is_it)
    };
    for (number, thing) in things.iter().enumerate() {
        let free = match place(&table, thing) {
            Place::Free(at) => table.get_mut(at),
            Place::Taken(_) | Place::None => None,
        };
        *free.unwrap() = slot_of(number).unwrap();
    }
    for (number, thing) in things.iter().enumerate() {
        assert_eq!(place(&table, thing), Place::Taken(number));
    }
    assert!(matches!(place(&table, "10.0.0.1:1000"), Place::Free(_)));
    assert_eq!(place(&[], "10.0.0.1:1"), Place::None);
    assert_eq!(place(&[1, 2], "10.0.0.1:5"), Place::None);
    assert_eq!(place(&[1, 6], "10.0.0.1:5"), Place::Taken(5));
    assert_eq!(place(&[6, 1], "10.0.0.1:5"), Place::Taken(5));
}

/// What is looked at for a key that is there does not grow with the others.
#[test]
fn few_slots_are_looked_at() {
    let things: Vec<String> = (0..1000).map(|number| format!("10.0.0.1:{number}")).collect();
    let mut table = vec![0; slots_for(things.len())];
    let looks = std::cell::Cell::new(0);
    for round in 0..2 {
        looks.set(0);
        for (number, thing) in things.iter().enumerate() {
            let place = look_up(&table, SEED, thing.as_bytes(), |number| {
                looks.set(looks.get() + 1);
                things.get(number).filter(|other| *other == thing)
            });
            if let Place::Free(at) = place {
                table[at] = slot_of(number).unwrap();
            }
        }
        assert!(looks.get() < 3000, "round {round}: {}", looks.get());
    }
}
