//! What becomes of values.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use log_format::Escape;

const ALL: [Escape; 3] = [Escape::Default, Escape::Json, Escape::None];

fn written(escape: Escape, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    escape.write(value, &mut |piece| bytes.extend_from_slice(piece));
    bytes
}

#[track_caller]
fn becomes(escape: Escape, value: impl AsRef<[u8]>, expected: &str) {
    let bytes = written(escape, value.as_ref());
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn names() {
    assert_eq!(Escape::named(b"default"), Some(Escape::Default));
    assert_eq!(Escape::named(b"json"), Some(Escape::Json));
    assert_eq!(Escape::named(b"none"), Some(Escape::None));
    for name in ["", "Default", "JSON", "jso", "jsonx", "off", "None"] {
        assert_eq!(Escape::named(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn nothing_can_be_seen() {
    becomes(Escape::Default, "", "-");
    becomes(Escape::Json, "", "");
    becomes(Escape::None, "", "-");
}

#[test]
fn default_is_printable_ascii() {
    let plain: String = (' '..='~').filter(|&c| c != '"' && c != '\\').collect();
    becomes(Escape::Default, &plain, &plain);
    for byte in (0..=u8::MAX).filter(|byte| !plain.as_bytes().contains(byte)) {
        becomes(Escape::Default, [byte], &format!("\\x{byte:02X}"));
        becomes(
            Escape::Default,
            [b'a', byte, byte, b'b'],
            &format!("a\\x{byte:02X}\\x{byte:02X}b"),
        );
    }
    becomes(Escape::Default, "-", "-");
    becomes(Escape::Default, "b\u{fc}b \"x\"", "b\\xC3\\xBCb \\x22x\\x22");
    becomes(Escape::Default, "\\x22\n", "\\x5Cx22\\x0A");
}

#[test]
fn json_escapes_what_it_has_to() {
    let plain: String = (' '..='\u{7f}').filter(|&c| c != '"' && c != '\\').collect();
    becomes(Escape::Json, &plain, &plain);
    becomes(Escape::Json, "\"\\\n\r\t\u{8}\u{c}", r#"\"\\\n\r\t\b\f"#);
    becomes(Escape::Json, "\\n", r"\\n");
    for byte in (0..0x20).filter(|byte| !b"\n\r\t\x08\x0c".contains(byte)) {
        becomes(Escape::Json, [b'a', byte, b'b'], &format!("a\\u00{byte:02X}b"));
    }
}

#[test]
fn json_leaves_characters_alone() {
    let text = "b\u{fc}b \u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}\u{2028}";
    becomes(Escape::Json, text, text);
}

#[test]
fn json_takes_what_is_no_utf_8_byte_for_byte() {
    becomes(Escape::Json, b"b\xfcb", r"b\u00FCb");
    for byte in 0x80..=u8::MAX {
        becomes(Escape::Json, [byte], &format!("\\u00{byte:02X}"));
    }
    // Cut off, too long, a surrogate, beyond Unicode.
    becomes(Escape::Json, b"\xe2\x82", r"\u00E2\u0082");
    becomes(Escape::Json, b"\xe2\x82\xc3\xbc", "\\u00E2\\u0082\u{fc}");
    becomes(Escape::Json, b"\xc0\xa2", r"\u00C0\u00A2");
    becomes(Escape::Json, b"\xed\xa0\x80", r"\u00ED\u00A0\u0080");
    becomes(Escape::Json, b"\xf4\x90\x80\x80", r"\u00F4\u0090\u0080\u0080");
    // Nothing that it swallows can end the string.
    becomes(Escape::Json, b"\xc3\"\xf0\x9f\\", "\\u00C3\\\"\\u00F0\\u009F\\\\");
}

#[test]
fn none_is_as_it_is() {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    assert_eq!(written(Escape::None, &bytes), bytes);
}

#[test]
fn how_long_it_can_be() {
    for escape in ALL {
        for bytes in 0..9 {
            let longest =
                (0..=u8::MAX).map(|byte| written(escape, &vec![byte; bytes]).len()).max().unwrap();
            assert_eq!(escape.longest(bytes), longest, "{escape:?} {bytes}");
        }
        assert_eq!(escape.longest(usize::MAX), usize::MAX);
    }
}
