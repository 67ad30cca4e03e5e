//! LOGIN: the name is kept and the password accepted if they are fit, and the
//! password is not asked for if the name is not.
//!
//! Input: length of the name, name and password before base64.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::reply::PASSWORD_PROMPT;
use pop3::sasl::login;
use pop3::{Mechanism, Method, Refusal};
use pop3_fuzz::support::Noted;
use pop3_fuzz::{auth, is_login, is_password, note};

fuzz_target!(|data: &[u8]| {
    let Some((&length, text)) = data.split_first() else { return };
    let (name, password) = text.split_at(text.len().min(length.into()));

    let asked = auth(Mechanism::Login, &[name]);
    let answered = auth(Mechanism::Login, &[name, password]);

    if !is_login(name) {
        assert_eq!(asked, Noted::Refuse(Refusal::InvalidLogin));
        // The password is taken for a command, whatever it is.
        assert!(!matches!(answered, Noted::Authenticate(..)), "{answered:?}");
        return;
    }
    assert_eq!(asked, Noted::KeepLogin(name.into(), PASSWORD_PROMPT));
    assert_eq!(login::username(name), Ok(name));

    assert_eq!(answered, note(login::credentials(password)));
    if is_password(password) {
        assert_eq!(answered, Noted::Authenticate(Method::Login, None, password.into()));
    } else {
        assert_eq!(answered, Noted::Refuse(Refusal::InvalidPassword));
    }
});
