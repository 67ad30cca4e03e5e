//! XOAUTH2: what is accepted, and as what, by a reading of Google's description that
//! shares nothing with the crate's; and what is accepted is written again as it was.
//!
//! Input: a message before base64.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::sasl::xoauth2::{credentials, write_message};
use pop3::{Mechanism, Method, Secret};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, authorization, is_login, note};

fuzz_target!(|message: &[u8]| {
    let noted = note(credentials(message));

    assert_eq!(auth(Mechanism::Xoauth2, &[message]), noted);
    match accepted(message) {
        Some((login, token)) => {
            let expected = Noted::Authenticate(Method::Xoauth2, Some(login.into()), token.into());
            assert_eq!(noted, expected);

            let mut written = vec![];
            write_message(login, Secret::new(token), &mut |piece: &[u8]| {
                written.extend_from_slice(piece)
            });
            assert_eq!(note(credentials(&written)), expected);
            assert!(written.len() <= message.len());
        }
        None => assert!(matches!(noted, Noted::Refuse(_)), "{noted:?}"),
    }
});

fn accepted(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let parts: Vec<_> = message.split(|&byte| byte == 1).collect();
    let [user, auth, b"", b""] = parts[..] else { return None };
    let login = user.strip_prefix(b"user=")?;
    let token = authorization(auth.strip_prefix(b"auth=")?)?;

    is_login(login).then_some((login, token))
}
