//! A password of a file of logins: in clear it is what the `base64` crate makes of it, and
//! fits the digests that the `md-5` and `hmac` crates make of the whole of it; a hash is
//! one that crypt makes.
//!
//! Input: the password's field, a LF, and what a client presents, or a challenge.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};
use user_file::password::MAX_ROUNDS;
use user_file::{Form, Password, Text, Unfit, verify};

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == b'\n');
    let (field, given) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());

    let password = Password::parse(field);
    check_clear(field, password);
    assert!(!shows(field, password));

    match password {
        Ok(Password::Empty) => assert!(field.is_empty()),
        Ok(Password::Plain(text)) => check_text(text, given),
        Ok(Password::Crypt(form, stored)) => {
            assert_eq!(stored, field);
            check_form(form, stored);
            assert_eq!(verify::crypt(stored, given), stored == given);
        }
        Err(unfit) => assert!(unfit.log_text().to_bytes().windows(2).any(|text| text == b"; ")),
    }
});

/// A text in clear is taken exactly if it is one.
fn check_clear(field: &[u8], password: Result<Password<'_>, Unfit>) {
    let encoded = [&b"{PLAIN.b64}"[..], b"{PLAIN.B64}"].map(|prefix| field.strip_prefix(prefix));
    let decoded = match (field.strip_prefix(b"{PLAIN}"), encoded) {
        (Some(text), _) => text.to_vec(),
        (_, [Some(encoded), _] | [_, Some(encoded)]) => match STANDARD.decode(encoded) {
            Ok(text) => text,
            Err(_) => return assert_eq!(password, Err(Unfit::PlainBase64)),
        },
        _ => return assert!(!matches!(password, Ok(Password::Plain(_)))),
    };

    match password {
        Ok(Password::Plain(text)) => assert_eq!(whole(text), decoded),
        Err(Unfit::EmptyPlain) => assert!(decoded.is_empty()),
        other => assert!(other == Err(Unfit::Plain) && !fits(&decoded), "{other:?}"),
    }
}

fn fits(text: &[u8]) -> bool {
    !text.iter().any(|byte| b"\r\n\0".contains(byte))
}

fn whole(text: Text<'_>) -> Vec<u8> {
    let mut whole = vec![];
    text.expose(|piece| whole.extend_from_slice(piece));
    whole
}

/// Whether `Debug` shows a secret that is long enough not to be there by chance.
fn shows(field: &[u8], password: Result<Password<'_>, Unfit>) -> bool {
    let shown = format!("{password:?}");
    let secret = String::from_utf8_lossy(field);
    secret.len() > 24 && (shown.contains(&*secret) || shown.contains(&format!("{field:?}")))
}

fn check_text(text: Text<'_>, given: &[u8]) {
    let bytes = whole(text);
    assert!(!bytes.is_empty() && fits(&bytes));
    assert_eq!(text.len(), bytes.len());

    assert!(verify::plain(text, &bytes));
    assert_eq!(verify::plain(text, given), bytes == given);

    let md5 = Md5::digest([given, &bytes].concat());
    check_digest(md5.into(), |digits| verify::apop(text, given, digits));
    assert!(!verify::apop(text, given, given));

    let mut hmac = <Hmac<Md5> as KeyInit>::new_from_slice(&bytes).unwrap();
    hmac.update(given);
    check_digest(hmac.finalize().into_bytes().into(), |digits| {
        verify::cram_md5(text, given, digits)
    });
}

/// The digest's digits are taken, and no others.
fn check_digest(digest: [u8; 16], is: impl Fn(&[u8]) -> bool) {
    let digits: String = digest.map(|byte| format!("{byte:02x}")).concat();
    assert!(is(digits.as_bytes()) && is(digits.to_uppercase().as_bytes()));

    let mut other = digits.into_bytes();
    let at = usize::from(digest[0] % 32);
    other[at] ^= 1;
    assert!(!is(&other));
    other[at] = b'g';
    assert!(!is(&other) && !is(&other[1..]) && !is(b""));
}

fn check_form(form: Form, stored: &[u8]) {
    // It goes to crypt as a string of C.
    assert!(stored.iter().all(u8::is_ascii_graphic) && stored.len() < 8192);
    let decoded = |prefix: &[u8]| STANDARD.decode(&stored[prefix.len()..]).unwrap().len();

    let (prefix, least) = match form {
        Form::Sha => return assert!(decoded(b"{SHA}") == 20 && form.rounds().is_none()),
        Form::Ssha => return assert!(decoded(b"{SSHA}") >= 20 && form.rounds().is_none()),
        Form::Apr1 => ("$apr1$", 1000),
        Form::Md5 => ("$1$", 1000),
        Form::Sha256 { rounds } => ("$5$", rounds),
        Form::Sha512 { rounds } => ("$6$", rounds),
    };
    assert!(stored.starts_with(prefix.as_bytes()) && form.rounds() == Some(least));
    assert!((1000..=MAX_ROUNDS).contains(&least));
}
