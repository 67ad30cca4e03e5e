//! Lines, and the numbers in them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use log_format::number::{decimal, seconds};
use log_format::{
    Escape, MAX_VALUE, Segment, Values, Variable, longest_line, segments, write_line,
};

/// Each value is made of these pieces, but the number of bytes.
struct Pieces<'a>(&'a [&'a [u8]]);

impl Values for Pieces<'_> {
    fn value(&self, variable: Variable, put: &mut dyn FnMut(&[u8])) {
        match variable {
            Variable::BytesSent => decimal(1234, put),
            _ => self.0.iter().for_each(|piece| put(piece)),
        }
    }
}

fn format(text: &str) -> impl Iterator<Item = Segment<'_>> {
    segments(text.as_bytes()).map(Result::unwrap)
}

fn line(text: &str, escape: Escape, pieces: &[&[u8]]) -> String {
    let mut bytes = vec![];
    write_line(format(text), escape, &Pieces(pieces), &mut |piece| bytes.extend_from_slice(piece));
    String::from_utf8(bytes).unwrap()
}

/// What a number becomes.
fn told(number: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
    let mut bytes = vec![];
    number(&mut |piece| bytes.extend_from_slice(piece));
    String::from_utf8(bytes).unwrap()
}

#[test]
fn values_are_in_their_places() {
    let text = "\"$login\" ${bytes_sent}B $end";
    assert_eq!(line(text, Escape::Default, &[b"bob"]), "\"bob\" 1234B bob\n");
    assert_eq!(line("$login$login", Escape::Default, &[b"bob"]), "bobbob\n");
    assert_eq!(line("", Escape::Default, &[b"bob"]), "\n");
}

#[test]
fn only_values_are_escaped() {
    let text = "\"\\\u{fc}\n$login";
    assert_eq!(line(text, Escape::Default, &[b"\"\xfc\n"]), "\"\\\u{fc}\n\\x22\\xFC\\x0A\n");
    assert_eq!(line(text, Escape::Json, &[b"\"\xfc\n"]), "\"\\\u{fc}\n\\\"\\u00FC\\n\n");
    assert_eq!(line(text, Escape::None, &[b"\" "]), "\"\\\u{fc}\n\" \n");
}

#[test]
fn a_value_is_one_in_any_number_of_pieces() {
    for none in [&[][..], &[&b""[..]], &[b"", b""]] {
        assert_eq!(line("$login", Escape::Default, none), "-\n");
        assert_eq!(line("$login", Escape::None, none), "-\n");
        assert_eq!(line("\"$login\"", Escape::Json, none), "\"\"\n");
    }
    assert_eq!(line("$login", Escape::Default, &[b"", b"bo", b"", b"b"]), "bob\n");
    assert_eq!(line("$login", Escape::Json, &[b"b\xe2", b"\x82", b"\xac"]), "b\u{20ac}\n");
    assert_eq!(line("$login", Escape::Json, &[b"\xe2\x82", b"b"]), "\\u00E2\\u0082b\n");
}

#[test]
fn a_value_is_cut() {
    let longest = "b".repeat(MAX_VALUE);
    let expected = format!("{longest}\n");
    let all = longest.as_bytes();
    let (most, last) = all.split_at(MAX_VALUE - 1);
    for pieces in [
        &[all][..],
        &[all, b"", b"x"],
        &[most, last, b"x", b"x"],
        &[most, b"bx"],
        &[&[all, b"x"].concat()],
        &[&all.repeat(9)],
    ] {
        assert_eq!(line("$login", Escape::Default, pieces), expected);
    }
    assert_eq!(line("$login", Escape::None, &[most]), format!("{}\n", "b".repeat(319)));
    // The next value has all of its room.
    assert_eq!(line("$login $login", Escape::None, &[all, b"x"]), format!("{longest} {longest}\n"));
    // In the midst of a character.
    let cut = line("$login", Escape::Json, &[most, "\u{fc}".as_bytes()]);
    assert_eq!(cut, format!("{}\\u00C3\n", "b".repeat(319)));
}

#[test]
fn how_long_a_line_can_be() {
    for (escape, worst) in
        [(Escape::Default, "\u{1}"), (Escape::Json, "\u{1}"), (Escape::None, "b")]
    {
        let login = worst.repeat(MAX_VALUE + 1);
        for text in ["", "x", "$login", "x$login y ${login}"] {
            let longest = line(text, escape, &[login.as_bytes()]).len();
            assert_eq!(longest_line(format(text), escape), longest, "{escape:?} {text:?}");
        }
    }
}

#[test]
fn each_variable_has_room_for_what_it_tells() {
    let others = |variable: &&Variable| **variable != Variable::BytesSent;
    for &variable in Variable::ALL.iter().filter(others) {
        let name = std::str::from_utf8(variable.name()).unwrap();
        let free = ["login", "upstream_addr"].contains(&name);
        let text = if free { "\u{1}" } else { "b" }.repeat(MAX_VALUE);
        for escape in [Escape::Default, Escape::Json, Escape::None] {
            let longest = line(&format!("${name}"), escape, &[text.as_bytes()]).len();
            assert_eq!(longest_line(format(&format!("${name}")), escape), longest, "{name}");
        }
    }
    for (name, value) in [
        ("remote_addr", "2001:db8:1111:2222:3333:4444:5555:6666%enp0s31f6"),
        ("remote_port", "65535"),
        ("connection", "18446744073709551615"),
        ("time_iso8601", "2026-11-26T06:36:32+00:00"),
        ("msec", "18446744073709551.615"),
        ("method", "oauthbearer"),
        ("status", "failed"),
        ("ssl_protocol", "TLSv1.3"),
        ("ssl_cipher", "ECDHE-ECDSA-CAMELLIA256-SHA384"),
        ("bytes_received", "18446744073709551615"),
        ("session_time", "18446744073709551.615"),
        ("end", "shutdown"),
    ] {
        let text = line(&format!("${name}"), Escape::Default, &[value.as_bytes()]);
        assert_eq!(text, format!("{value}\n"));
    }
}

#[test]
fn numbers() {
    for number in [0, 1, 9, 10, 99, 100, 1_000_000, 12_345_678_901, u64::MAX - 1, u64::MAX] {
        assert_eq!(told(|put| decimal(number, put)), number.to_string());
    }
}

#[test]
fn seconds_have_milliseconds() {
    for (milliseconds, expected) in [
        (0, "0.000"),
        (1, "0.001"),
        (10, "0.010"),
        (999, "0.999"),
        (1000, "1.000"),
        (1234, "1.234"),
        (61_050, "61.050"),
        (1_764_137_195_123, "1764137195.123"),
        (u64::MAX, "18446744073709551.615"),
    ] {
        assert_eq!(told(|put| seconds(milliseconds, put)), expected);
    }
}
