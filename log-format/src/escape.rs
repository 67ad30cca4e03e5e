//! How a value stands in a line, so that none is taken for more than one value.

use crate::split::split_at_first;

/// Gives out a piece of a line.
type Put<'a> = dyn FnMut(&[u8]) + 'a;

/// What becomes of the bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Quotes, backslashes and what is no printable ASCII are `\xXX`; an empty value is
    /// `-`.
    Default,
    /// The inside of a JSON string, whatever the bytes are. What is no UTF-8 is taken byte
    /// for byte for the characters up to U+00FF; an empty value is empty.
    Json,
    /// Nothing: whoever gives the value keeps ends of lines out of it; an empty one is
    /// `-`.
    None,
}

impl Escape {
    /// That of a name.
    pub const fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"default" => Some(Self::Default),
            b"json" => Some(Self::Json),
            b"none" => Some(Self::None),
            _ => None,
        }
    }

    /// Gives out a whole value, piece by piece.
    pub fn write(self, value: &[u8], put: &mut dyn FnMut(&[u8])) {
        match (self, value) {
            (Self::Json, _) => json(value, put),
            (_, []) => put(b"-"),
            (Self::Default, _) => escape(value, is_special, hexadecimal, put),
            (Self::None, _) => put(value),
        }
    }

    /// How many bytes become of so many at most.
    pub const fn longest(self, bytes: usize) -> usize {
        match (self, bytes) {
            (Self::Json, _) => bytes.saturating_mul(6),
            (_, 0) => 1,
            (Self::Default, _) => bytes.saturating_mul(4),
            (Self::None, _) => bytes,
        }
    }
}

/// Gives out special bytes by `put_special`, and all others as they are.
fn escape(
    bytes: &[u8],
    is_special: fn(&u8) -> bool,
    put_special: fn(u8, &mut Put<'_>),
    put: &mut Put<'_>,
) {
    let mut left = bytes;
    loop {
        let (others, behind) = split_at_first(left, is_special);
        put(others);
        let [special, behind @ ..] = behind else { return };
        put_special(*special, put);
        left = behind;
    }
}

const fn is_special(byte: &u8) -> bool {
    matches!(byte, ..b' ' | b'"' | b'\\' | 0x7f..)
}

fn hexadecimal(byte: u8, put: &mut Put<'_>) {
    let [high, low] = hex(byte);
    put(&[b'\\', b'x', high, low]);
}

fn json(value: &[u8], put: &mut Put<'_>) {
    for chunk in value.utf8_chunks() {
        escape(chunk.valid().as_bytes(), is_special_in_json, json_special, put);
        for &byte in chunk.invalid() {
            json_character(byte, put);
        }
    }
}

const fn is_special_in_json(byte: &u8) -> bool {
    matches!(byte, ..b' ' | b'"' | b'\\')
}

fn json_special(byte: u8, put: &mut Put<'_>) {
    match byte {
        b'"' => put(b"\\\""),
        b'\\' => put(b"\\\\"),
        b'\n' => put(b"\\n"),
        b'\r' => put(b"\\r"),
        b'\t' => put(b"\\t"),
        0x08 => put(b"\\b"),
        0x0c => put(b"\\f"),
        _ => json_character(byte, put),
    }
}

fn json_character(byte: u8, put: &mut Put<'_>) {
    let [high, low] = hex(byte);
    put(&[b'\\', b'u', b'0', b'0', high, low]);
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

    [byte >> 4, byte & 0xf].map(|at| DIGITS.get(usize::from(at)).copied().unwrap_or_default())
}
