//! CRAM-MD5: a message is a login, a space and 32 hex digits, or refused; the
//! line with the challenge is one line whatever the challenge is.
//!
//! Input: a message before base64; it is taken for a challenge as well.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use pop3::sasl::cram_md5::{credentials, write_challenge};
use pop3::{Mechanism, Method};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, is_digest, is_login, note};

fuzz_target!(|message: &[u8]| {
    let noted = note(credentials(message));

    assert_eq!(auth(Mechanism::CramMd5, &[message]), noted);
    match accepted(message) {
        Some(credentials) => assert_eq!(noted, credentials),
        None => assert!(matches!(noted, Noted::Refuse(_)), "{noted:?}"),
    }

    let mut line = vec![];
    write_challenge(message, |piece| line.extend_from_slice(piece));
    assert_eq!(line, format!("+ {}\r\n", STANDARD.encode(message)).as_bytes());
});

/// From the end: the digest's length is known, so the place of the space is.
fn accepted(message: &[u8]) -> Option<Noted> {
    let (name, rest) = message.split_at_checked(message.len().checked_sub(33)?)?;
    let digest = rest.strip_prefix(b" ")?;

    (is_login(name) && is_digest(digest))
        .then(|| Noted::Authenticate(Method::CramMd5, Some(name.into()), digest.into()))
}
