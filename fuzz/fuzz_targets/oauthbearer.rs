//! OAUTHBEARER: what is accepted, and as what, by a reading of RFC 7628 that shares
//! nothing with the crate's; and what is accepted means the same when it is written.
//!
//! Input: a message before base64.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::sasl::oauthbearer::{credentials, write_message};
use pop3::{Mechanism, Method, Secret};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, authorization, is_login, note};

fuzz_target!(|message: &[u8]| {
    let noted = note(credentials(&mut message.to_vec()));

    assert_eq!(auth(Mechanism::Oauthbearer, &[message]), noted);
    match accepted(message) {
        Some((login, token)) => {
            let mut written = vec![];
            write_message(&login, Secret::new(token), &mut |piece: &[u8]| {
                written.extend_from_slice(piece)
            });
            let expected = Noted::Authenticate(Method::Oauthbearer, Some(login), token.into());
            assert_eq!(noted, expected);
            assert_eq!(note(credentials(&mut written)), expected);
        }
        None => assert!(matches!(noted, Noted::Refuse(_)), "{noted:?}"),
    }
});

fn accepted(message: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let parts: Vec<_> = message.split(|&byte| byte == 1).collect();
    let [header, fields @ .., b"", b""] = &parts[..] else { return None };
    let values = fields.iter().map(|field| {
        let at = field.iter().position(|&byte| byte == b'=')?;
        let (key, value) = field.split_at(at);
        let known = !key.is_empty() && key.iter().all(u8::is_ascii_alphabetic);
        known.then_some((key, &value[1..]))
    });
    let values: Vec<_> = values.collect::<Option<_>>()?;
    let mut tokens = values.iter().filter(|(key, _)| *key == b"auth");
    let (Some((_, value)), None) = (tokens.next(), tokens.next()) else { return None };

    let parts: Vec<_> = header.split(|&byte| byte == b',').collect();
    let [b"n" | b"y", identity, b""] = parts[..] else { return None };
    let login = unescaped(identity.strip_prefix(b"a=")?)?;

    is_login(&login).then_some((login, authorization(value)?))
}

fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts = name.split(|&byte| byte == b'=');
    let mut login = parts.next()?.to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        login.push(match code.to_ascii_uppercase().as_slice() {
            b"2C" => b',',
            b"3D" => b'=',
            _ => return None,
        });
        login.extend_from_slice(rest);
    }
    Some(login)
}
