//! What a file of users says of what clients present.

use std::vec::Vec;

use pop3::{Method, Secret};
use user_file::{Form, index};

use super::{Presented, Verdict, check};

const FILE: &[u8] = b"clear:{PLAIN}tanstaaf\nhash:$1$salt$hash\nbackend:\n";
const CHALLENGE: &[u8] = b"<1896.697170952@dbc.mtview.ca.us>\r\n";

/// One of each class: that of the file's, and two others.
const MD5: &[u8] = b"first of its class";
const SHA256: &[u8] = b"another";
const SHA512: &[u8] = b"a third";
const CLASSES: [(Form, &[u8]); 3] = [
    (Form::Md5, MD5),
    (Form::Sha256 { rounds: 5000 }, SHA256),
    (Form::Sha512 { rounds: 5000 }, SHA512),
];

/// The verdict, and the hashes that were checked: those of "right" are.
fn decide(login: &[u8], method: Method, secret: &[u8]) -> (&'static str, Vec<Vec<u8>>) {
    let mut table = [0; index::slots_for(3)];
    let file = String::from_utf8(FILE.to_vec()).unwrap();
    let file = file.replace("$1$salt$hash", "$1$salt$0123456789012345678901");
    index::build(file.as_bytes(), &mut table, [1, 2]).unwrap();
    let entry = index::find(file.as_bytes(), &table, [1, 2], login);
    let presented = Presented { method, secret: Secret::new(secret), challenge: CHALLENGE };
    let mut checked = Vec::new();
    let verdict = check(entry.as_ref(), &presented, CLASSES.into_iter(), |stored| {
        checked.push(stored.to_vec());
        secret == b"right"
    });
    let verdict = match verdict {
        Verdict::Right(Some(_)) => "right, with its password",
        Verdict::Right(None) => "right",
        Verdict::Unknown => "the backend tells",
        Verdict::Wrong => "wrong",
    };
    (verdict, checked)
}

#[test]
fn a_text_serves_every_method_but_tokens() {
    // RFC 1939, section 7.
    let apop = b"c4c9334bac560ecc979e58001b3e22fb";
    let right = "right, with its password";
    for (method, secret, verdict) in [
        (Method::Plain, &b"tanstaaf"[..], right),
        (Method::Plain, b"tanstaa", "wrong"),
        (Method::Apop, apop, right),
        (Method::Apop, b"c4c9334bac560ecc979e58001b3e22fc", "wrong"),
        (Method::CramMd5, b"00000000000000000000000000000000", "wrong"),
        (Method::External, b"", right),
        (Method::Xoauth2, b"tanstaaf", "wrong"),
        (Method::Oauthbearer, b"tanstaaf", "wrong"),
    ] {
        assert_eq!(decide(b"clear", method, secret).0, verdict, "{method:?}");
    }
}

#[test]
fn a_hash_serves_passwords_alone() {
    let hash = b"$1$salt$0123456789012345678901".to_vec();
    assert_eq!(decide(b"hash", Method::Plain, b"right"), ("right", vec![hash.clone()]));
    let checked = vec![hash, SHA256.to_vec(), SHA512.to_vec()];
    assert_eq!(decide(b"hash", Method::Plain, b"other"), ("wrong", checked));
    for method in [Method::Apop, Method::CramMd5, Method::External, Method::Xoauth2] {
        assert_eq!(decide(b"hash", method, b"right"), ("wrong", vec![]), "{method:?}");
    }
}

#[test]
fn the_backend_tells_of_users_without_a_password() {
    for method in [Method::Plain, Method::Xoauth2, Method::Oauthbearer] {
        assert_eq!(decide(b"backend", method, b"any"), ("the backend tells", vec![]));
    }
    for method in [Method::Apop, Method::CramMd5, Method::External] {
        assert_eq!(decide(b"backend", method, b"any"), ("wrong", vec![]), "{method:?}");
    }
}

#[test]
fn a_wrong_password_is_held_against_all_classes() {
    let all: Vec<_> = CLASSES.iter().map(|(_, stored)| stored.to_vec()).collect();
    assert_eq!(decide(b"clear", Method::Plain, b"wrong"), ("wrong", all.clone()));
    assert_eq!(decide(b"clear", Method::Plain, b"tanstaaf").1, Vec::<Vec<u8>>::new());
    assert_eq!(decide(b"nobody", Method::Plain, b"right"), ("wrong", all));
    assert_eq!(decide(b"nobody", Method::Apop, b"right"), ("wrong", vec![]));
}
