//! What clients present.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use user_file::{Password, Text, verify};

fn text(field: &[u8]) -> Text<'_> {
    match Password::parse(field) {
        Ok(Password::Plain(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// base64 without a crate: as in RFC 4648.
fn encoded(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let byte = |at| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |at: usize| match at <= group.len() {
            true => char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Both forms of a text.
fn fields(bytes: &[u8]) -> [Vec<u8>; 2] {
    [[b"{PLAIN}", bytes].concat(), format!("{{PLAIN.b64}}{}", encoded(bytes)).into_bytes()]
}

type Verify = fn(Text<'_>, &[u8], &[u8]) -> bool;

/// Whether the digest is taken, in any case of letters, and no other.
fn check(verify: Verify, password: &[u8], challenge: &str, digest: &str) {
    for field in fields(password) {
        let is = |digest: &str| verify(text(&field), challenge.as_bytes(), digest.as_bytes());
        assert!(is(digest) && is(&digest.to_ascii_uppercase()), "{challenge}");

        for at in 0..digest.len() {
            let mut other = digest.to_string();
            let digit = if digest[at..].starts_with('0') { "1" } else { "0" };
            other.replace_range(at..=at, digit);
            assert!(!is(&other), "{other}");
            other.replace_range(at..=at, "g");
            assert!(!is(&other), "{other}");
        }
        for end in 0..digest.len() {
            assert!(!is(&digest[..end]));
        }
        assert!(!is(&format!("{digest}0")) && !is(&format!("{digest}00")));
        assert!(!verify(text(&field), format!("{challenge}\r\n").as_bytes(), digest.as_bytes()));
    }

    let longer = [password, b"x"].concat();
    assert!(!verify(text(&fields(&longer)[0]), challenge.as_bytes(), digest.as_bytes()));
}

#[test]
fn apop_of_rfc_1939() {
    check(
        verify::apop,
        b"tanstaaf",
        "<1896.697170952@dbc.mtview.ca.us>",
        "c4c9334bac560ecc979e58001b3e22fb",
    );
}

#[test]
fn apop_of_a_text_with_a_colon() {
    check(verify::apop, "p:\u{fc}ss".as_bytes(), "<1@x>", "154f15a4f293ed20d501de75f33daaf3");
}

#[test]
fn cram_md5_of_rfc_2195() {
    check(
        verify::cram_md5,
        b"tanstaaftanstaaf",
        "<1896.697170952@postoffice.reston.mci.net>",
        "b913a602c7eda7a495b4e6e7334d3890",
    );
}

#[test]
fn cram_md5_of_a_text_with_a_colon() {
    check(verify::cram_md5, "p:\u{fc}ss".as_bytes(), "<1@x>", "9b23c01ab4741e9dfc0b6689ca4d492c");
}

/// RFC 2202, section 2: those whose key is text.
#[test]
fn hmac_md5_of_rfc_2202() {
    let key_first = "Test Using Larger Than Block-Size Key - Hash Key First";
    let both = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data";
    for (key, data, digest) in [
        (&[0x0b; 16][..], "Hi There", "9294727a3638bb1c13f48ef8158bfc9d"),
        (b"Jefe", "what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738"),
        (&[0xaa; 80], key_first, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
        (&[0xaa; 80], both, "6f630fad67cda0ee1fb1f562db3aa53e"),
    ] {
        check(verify::cram_md5, key, data, digest);
    }
}

/// By Python's hmac.
#[test]
fn keys_of_about_a_block() {
    let challenge = "<1896.697170952@postoffice.reston.mci.net>";
    for (length, digest) in [
        (63, "edf3fcb6905a5f99a19b7bf38da7f471"),
        (64, "74fee2b81b3fa690e1d62efcd80c549d"),
        (65, "51b0d67ee183ee89c7b49ff6f2284f42"),
        (66, "cec8722061b7f69ddf5c8a66d056d394"),
        (128, "441b7cf55888b14106e6d6de85dc9c0d"),
    ] {
        let key: Vec<u8> = (0..length).map(|at: u32| ((at * 7 + 65) % 26 + 97) as u8).collect();
        check(verify::cram_md5, &key, challenge, digest);
    }
}

#[test]
fn a_text_is_the_same_or_not() {
    for password in [&b"s"[..], b"se", b"sec", b"secret", b"secret:", b"a secret that is longer"] {
        for field in fields(password) {
            assert!(verify::plain(text(&field), password));
            for at in 0..password.len() {
                let mut other = password.to_vec();
                other[at] ^= 1;
                assert!(!verify::plain(text(&field), &other));
                assert!(!verify::plain(text(&field), &password[..at]));
                assert!(!verify::plain(text(&field), &password[at + 1..]));
            }
            assert!(!verify::plain(text(&field), &[password, b"x"].concat()));
            assert!(!verify::plain(text(&field), &[password, password].concat()));
        }
    }
}

#[test]
fn what_crypt_has_made_is_the_same_or_not() {
    assert!(verify::crypt(b"$1$x$y", b"$1$x$y"));
    for other in [&b"$1$x$z"[..], b"$1$x$", b"$1$x$yy", b"", b"*0"] {
        assert!(!verify::crypt(b"$1$x$y", other));
        assert!(!verify::crypt(other, b"$1$x$y"));
    }
}
