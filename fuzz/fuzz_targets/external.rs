//! EXTERNAL: an authorization identity that is fit, or none.
//!
//! Input: a message before base64.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::sasl::external::credentials;
use pop3::{Mechanism, Method, Refusal};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, is_login, note};

fuzz_target!(|message: &[u8]| {
    let noted = note(credentials(message));

    assert_eq!(auth(Mechanism::External, &[message]), noted);
    if message.is_empty() || is_login(message) {
        assert_eq!(noted, Noted::Authenticate(Method::External, Some(message.into()), vec![]));
    } else {
        assert_eq!(noted, Noted::Refuse(Refusal::InvalidLogin));
    }
});
