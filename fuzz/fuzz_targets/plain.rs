//! PLAIN: what is accepted, and as what, by a reading of RFC 4616 that shares
//! nothing with the crate's.
//!
//! Input: a message before base64.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::sasl::plain::credentials;
use pop3::{Mechanism, Method};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, is_login, is_password, note};

fuzz_target!(|message: &[u8]| {
    let noted = note(credentials(message));

    assert_eq!(auth(Mechanism::Plain, &[message]), noted);
    match accepted(message) {
        Some(credentials) => assert_eq!(noted, credentials),
        None => assert!(matches!(noted, Noted::Refuse(_)), "{noted:?}"),
    }
});

fn accepted(message: &[u8]) -> Option<Noted> {
    let parts: Vec<_> = message.split(|&byte| byte == 0).collect();
    let [authzid, authcid, passwd] = parts[..] else { return None };
    let identity_fits = authzid.is_empty() || authzid == authcid;

    (identity_fits && is_login(authcid) && is_password(passwd))
        .then(|| Noted::Authenticate(Method::Plain, Some(authcid.into()), passwd.into()))
}
