//! The forms of a password.

#![expect(clippy::panic, reason = "a test may panic")]

use user_file::{Form, Password, Unfit};

/// Made by `openssl passwd`.
const APR1: &str = "$apr1$a.b/salt$wZgXhBSWUvrUB/vN1ff9y/";
const MD5: &str = "$1$a.b/salt$apWUwtjrjC/nbba9QCv.30";
const SHA256: &str = "$5$a.b/salt$qkbQzJsSsPIcpNbp8SWWiZlkM8eEK22ZtNXM.qFhHB8";
const SHA512: &str = "$6$a.b/salt$HUG.3y26YNQ1B1eV7mxVAsQt23TWPn3ItqJrXDekNZlRFjALxBbd11WBo8DUssVOkTihZ.mO6hOb9FU1lvHDQ/";

/// Made by Dovecot's `doveadm pw`.
const SHA: &str = "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=";
const SSHA: &str = "{SSHA}pwURrZFyKJHOu0J+bM+ZrvF0BUZuHhbf";
const ROUNDS: &str = "$6$rounds=20000$y.QQW6QzW8E2SEhT$85lxeiK7WwFPq.zATpGQPjQGfpn17RWYWPOe/nXIBO5Eu8Q9cY9LPkMzKR9h0QKev.8tc27BkIefyFZFJ3Zok/";

const FIVE: u32 = 5000;

fn is(field: &str, form: Form) {
    assert_eq!(Password::parse(field.as_bytes()), Ok(Password::Crypt(form, field.as_bytes())));
}

fn is_not(field: &str, unfit: Unfit) {
    assert_eq!(Password::parse(field.as_bytes()), Err(unfit), "{field}");
}

/// The text of a password, and how long it says that it is.
fn text(field: &str) -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    match Password::parse(field.as_bytes()) {
        Ok(Password::Plain(text)) => {
            text.expose(|piece| bytes.extend_from_slice(piece));
            (bytes, text.len())
        }
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn what_programs_write_is_taken() {
    is(SHA, Form::Sha);
    is(SSHA, Form::Ssha);
    is(APR1, Form::Apr1);
    is(MD5, Form::Md5);
    is(SHA256, Form::Sha256 { rounds: FIVE });
    is(SHA512, Form::Sha512 { rounds: FIVE });
    is(ROUNDS, Form::Sha512 { rounds: 20_000 });
    assert_eq!(Password::parse(b""), Ok(Password::Empty));
}

#[test]
fn rounds_of_forms() {
    let rounds = |field: &str| match Password::parse(field.as_bytes()) {
        Ok(Password::Crypt(form, _)) => form.rounds(),
        other => panic!("{field}: {other:?}"),
    };
    let all = [SHA, SSHA, APR1, MD5, SHA256, SHA512, ROUNDS].map(rounds);
    assert_eq!(all, [None, None, Some(1000), Some(1000), Some(FIVE), Some(FIVE), Some(20_000)]);
}

#[test]
fn what_would_block_a_worker_is_refused() {
    for version in ["2", "2a", "2b", "2x", "2y"] {
        is_not(&format!("${version}$12$x"), Unfit::Bcrypt);
    }
    is_not("$y$j9T$x$y", Unfit::Yescrypt);
    is_not("$gy$j9T$x$y", Unfit::Yescrypt);
    is_not("$7$CU..../....x$y", Unfit::Scrypt);

    for rounds in ["20001", "999999999", "4294968296", "99999999999999999999999"] {
        is_not(&SHA256.replace("$5$", &format!("$5$rounds={rounds}$")), Unfit::Rounds);
        is_not(&SHA512.replace("$6$", &format!("$6$rounds={rounds}$")), Unfit::Rounds);
    }
}

#[test]
fn rounds_are_as_crypt_takes_them() {
    let with = |rounds: &str| SHA256.replace("$5$", &format!("$5$rounds={rounds}"));
    is(&with("1000$"), Form::Sha256 { rounds: 1000 });
    is(&with("20000$"), Form::Sha256 { rounds: 20_000 });
    for rounds in ["999$", "0$", "01000$", "$", "+1000$", "1000a$", " 1000$", "1000"] {
        is_not(&with(rounds), Unfit::Crypt);
    }
    is_not("$5$rounds=", Unfit::Crypt);
    is_not("$5$rounds=5000", Unfit::Crypt);
    is_not("$5$rounds=5000$", Unfit::Crypt);
    // It is a part of SHA-crypt's alone.
    is_not(&MD5.replace("$1$", "$1$rounds=1000$"), Unfit::Crypt);
}

#[test]
fn what_no_password_fits_is_refused() {
    for field in [APR1, MD5, SHA256, SHA512] {
        is_not(&field[..field.len() - 1], Unfit::Crypt);
        is_not(&format!("{field}x"), Unfit::Crypt);
        is_not(&format!("{field}$"), Unfit::Crypt);
        is_not(&field.replace("salt$", "salt"), Unfit::Crypt);
        is_not(&field.replace("salt$", "salt$$"), Unfit::Crypt);
        for salt in ["a b", "a\tb", "\u{fc}", "a!", "a*", "a;", "a\\", "\u{7f}"] {
            is_not(&field.replace("a.b/salt", salt), Unfit::Crypt);
        }
        // In the hash.
        for byte in ["-", "+", "=", " ", "\u{1}"] {
            is_not(&format!("{}{byte}", &field[..field.len() - 1]), Unfit::Crypt);
        }
    }
    for prefix in ["$apr1$", "$1$", "$5$", "$6$"] {
        is_not(prefix, Unfit::Crypt);
    }
}

#[test]
fn a_salt_is_as_long_as_crypt_takes_it() {
    let salted = |field: &str, length| field.replace("a.b/salt", &"s".repeat(length));
    for (field, form, longest) in [
        (APR1, Form::Apr1, 8),
        (MD5, Form::Md5, 8),
        (SHA256, Form::Sha256 { rounds: FIVE }, 16),
        (SHA512, Form::Sha512 { rounds: FIVE }, 16),
    ] {
        is(&salted(field, 0), form);
        is(&salted(field, longest), form);
        is_not(&salted(field, longest + 1), Unfit::Crypt);
        // Others than programs make.
        is(&field.replace("a.b/salt", "-_\"#~"), form);
    }
}

#[test]
fn a_hash_in_base64_has_its_length() {
    is_not("{SHA}", Unfit::Sha);
    is_not("{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI", Unfit::Sha);
    // 19 bytes and 21.
    is_not("{SHA}EfatjsUqKYSrqv18O1FlA3hcIA==", Unfit::Sha);
    is_not("{SHA}EfatjsUqKYSrqv18O1FlA3hcIHIx", Unfit::Sha);
    is_not("{SHA}EfatjsUqKYSrqv18O1FlA3hcIH!=", Unfit::Sha);

    is_not("{SSHA}", Unfit::Ssha);
    is_not("{SSHA}EfatjsUqKYSrqv18O1FlA3hcIA==", Unfit::Ssha);
    is_not("{SSHA}pwURrZFyKJHOu0J+bM+ZrvF0BUZuHhb", Unfit::Ssha);
    // Without a salt nginx takes it, too, and with one of any length.
    is("{SSHA}EfatjsUqKYSrqv18O1FlA3hcIHI=", Form::Ssha);
    is("{SSHA}EfatjsUqKYSrqv18O1FlA3hcIHIx", Form::Ssha);
    is(&format!("{SSHA}{}", "AAAA".repeat(100)), Form::Ssha);
}

#[test]
fn other_schemes_and_hashes_are_refused() {
    for field in
        ["{", "{}", "{plain}x", "{Sha}x", "{PLAIN", "{PLAIN.B65}x", "{PLAIN.b64", "{CRYPT}x"]
    {
        is_not(field, Unfit::Scheme);
    }
    is_not(&format!("{{SHA512-CRYPT}}{SHA512}"), Unfit::Scheme);
    for field in
        ["$", "$$", "$1", "$5x$", "$sha1$x", "$argon2id$x", "$md5$x", "$apr1", "$3$$x", "$Y$x"]
    {
        is_not(field, Unfit::Hash);
    }
    for field in
        ["secret", "rl.3StKT.4T8M", "*", "!", "x{PLAIN}", " {PLAIN}x", "_J9..rasmBYk8r9AiWNc"]
    {
        is_not(field, Unfit::NoPrefix);
    }
}

#[test]
fn a_text_is_given_as_it_is() {
    assert_eq!(text("{PLAIN}secret"), (b"secret".to_vec(), 6));
    assert_eq!(text("{PLAIN}{PLAIN} \t"), (b"{PLAIN} \t".to_vec(), 9));
    assert_eq!(text("{PLAIN}\u{fc}"), (b"\xc3\xbc".to_vec(), 2));
}

/// RFC 4648, section 10, and one with every character.
#[test]
fn a_text_in_base64_is_decoded() {
    for (encoded, bytes) in [
        ("Zg==", "f"),
        ("Zm8=", "fo"),
        ("Zm9v", "foo"),
        ("Zm9vYg==", "foob"),
        ("Zm9vYmE=", "fooba"),
        ("Zm9vYmFy", "foobar"),
        ("ICAg", "   "),
    ] {
        assert_eq!(text(&format!("{{PLAIN.b64}}{encoded}")), (bytes.into(), bytes.len()));
    }

    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let six_bits = |bytes: &[u8]| -> Vec<u8> {
        let bits = |at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        let value = |at: usize| (0..6).fold(0, |value, bit| value << 1 | bits(at * 6 + bit));
        (0..bytes.len() * 8 / 6).map(value).collect()
    };
    // The first characters are NUL, which no text has.
    let encoded = &all[4..];
    let (decoded, length) = text(&format!("{{PLAIN.b64}}{encoded}"));
    assert_eq!(six_bits(&decoded), (4..64).collect::<Vec<u8>>());
    assert_eq!(length, 45);
}

#[test]
fn what_is_no_base64_is_refused() {
    for encoded in [
        "Zg",
        "Zg=",
        "Zm8",
        "Z",
        "=",
        "==",
        "====",
        "Z===",
        "Zm9v=",
        "Zm9v====",
        "Zm9vY===",
        "Zg==Zg==",
        "Zm8=Zm8=",
        "Zm9=",
        "Zh==",
        "Zm 9",
        " Zm9v",
        "Zm9v ",
        "Zm_-",
        "Zm9\u{fc}",
        "Zm9@",
        "Zm9[",
        "Zm9`",
        "Zm9{",
        "Zm9*",
        "Zm9,",
        "Zm9.",
        "Zm9\t",
        "-m9v",
        "Z-9v",
        "Zm-v",
        "Z--v",
        "=m9v",
        "Z=9v",
        "Zm=v",
    ] {
        is_not(&format!("{{PLAIN.b64}}{encoded}"), Unfit::PlainBase64);
        is_not(&format!("{{PLAIN.b64}}Zm9v{encoded}"), Unfit::PlainBase64);
    }
    // In any group, even one that cannot be a text.
    for encoded in ["YQpi", "YWIN", "AGFi", "YWJjYQ0=", "YWJjZAA="] {
        is_not(&format!("{{PLAIN.b64}}{encoded}"), Unfit::Plain);
        is_not(&format!("{{PLAIN.b64}}{encoded}-"), Unfit::PlainBase64);
    }
}
