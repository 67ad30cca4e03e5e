//! What holds for formats and values of any kind.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::str;

use log_format::{
    Escape, Fault, MAX_VALUE, Segment, Values, Variable, longest_line, segments, write_line,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Each value is made of these pieces: of letters in their place, where it may not be any
/// text.
struct Pieces(Vec<Vec<u8>>);

impl Values for Pieces {
    fn value(&self, variable: Variable, put: &mut dyn FnMut(&[u8])) {
        for piece in &self.0 {
            if variable.is_free() { put(piece) } else { put(&b"x".repeat(piece.len())) }
        }
    }
}

fn line(format: &[Segment<'_>], escape: Escape, pieces: Pieces) -> Vec<u8> {
    let mut bytes = vec![];
    write_line(format.iter().copied(), escape, &pieces, &mut |piece| {
        bytes.extend_from_slice(piece);
    });
    bytes
}

/// A format, and what it says.
fn format() -> impl Strategy<Value = (String, Vec<Segment<'static>>)> {
    let literal = "([^$0-9A-Za-z_][^$]{0,5})?".prop_map(|text| &*text.leak());
    vec((select(Variable::ALL), any::<bool>(), literal), 0..6).prop_map(|parts| {
        let mut text = String::new();
        let mut says = vec![];
        for (variable, braces, literal) in parts {
            let name = str::from_utf8(variable.name()).unwrap();
            text += &if braces { format!("${{{name}}}") } else { format!("${name}") };
            text += literal;
            says.push(Segment::Variable(variable));
            says.extend((!literal.is_empty()).then_some(Segment::Literal(literal.as_bytes())));
        }
        (text, says)
    })
}

fn escape() -> impl Strategy<Value = Escape> {
    select(&[Escape::Default, Escape::Json, Escape::None][..])
}

/// Bytes, and among them what is special, or UTF-8, or nearly.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    const SPECIAL: &[&[u8]] = &[b"\"", b"\\", b"\n", b"\xc3", b"\xbc", b"\xf0\x9f", b"\x98\x80"];
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        select(SPECIAL).prop_map(<[u8]>::to_vec),
    ];
    vec(piece, 0..8)
}

/// The characters of a value: those of UTF-8, and bytes otherwise.
fn characters(mut left: &[u8]) -> String {
    let mut text = String::new();
    while let [first, behind @ ..] = left {
        let one = |length| str::from_utf8(left.get(..length)?).ok();
        if let Some(character) = (1..=4).find_map(one) {
            text += character;
            left = &left[character.len()..];
        } else {
            text.push(char::from(*first));
            left = behind;
        }
    }
    text
}

/// What escaped characters say, if there is none that had to be escaped.
fn unescaped(escaped: &str) -> Option<String> {
    let mut text = String::new();
    let mut left = escaped;
    while let Some(first) = left.chars().next() {
        let (character, length) = match (first, left.get(..2)) {
            ('"' | ..' ', _) => return None,
            (_, Some("\\n")) => ('\n', 2),
            (_, Some("\\r")) => ('\r', 2),
            (_, Some("\\t")) => ('\t', 2),
            (_, Some("\\b")) => ('\u{8}', 2),
            (_, Some("\\f")) => ('\u{c}', 2),
            (_, Some("\\\"")) => ('"', 2),
            (_, Some("\\\\")) => ('\\', 2),
            (_, Some("\\u")) => (number(left.get(2..6)?)?, 6),
            (_, Some("\\x")) => (number(left.get(2..4)?)?, 4),
            ('\\', _) => return None,
            _ => (first, first.len_utf8()),
        };
        text.push(character);
        left = left.get(length..)?;
    }
    Some(text)
}

fn number(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_said((text, says) in format()) {
        let parts: Vec<_> = segments(text.as_bytes()).collect();
        prop_assert_eq!(parts, says.into_iter().map(Ok).collect::<Vec<_>>());
    }

    #[test]
    fn a_fault_is_the_last_part(text in "[ ${}a-z]{0,9}|.*") {
        let parts: Vec<_> = segments(text.as_bytes()).collect();
        let faults: Vec<_> = parts.iter().filter_map(|part| part.err()).collect();
        if let [fault] = faults[..] {
            prop_assert_eq!(parts.last(), Some(&Err(fault)));
            if let Fault::Invalid(fault) = fault {
                prop_assert!(fault.starts_with(b"$") && text.as_bytes().ends_with(fault));
            }
        }
        prop_assert!(faults.len() <= 1);
    }

    #[test]
    fn a_line_is_within_its_bound((_, format) in format(), escape in escape(), pieces in pieces()) {
        let line = line(&format, escape, Pieces(pieces));
        prop_assert!(line.len() <= longest_line(format.iter().copied(), escape));
        prop_assert_eq!(line.last(), Some(&b'\n'));
    }

    #[test]
    fn a_value_is_what_is_told(pieces in pieces()) {
        let mut value = pieces.concat();
        value.truncate(MAX_VALUE);
        let told = |escape| {
            let format = [Segment::Variable(Variable::Login)];
            let line = line(&format, escape, Pieces(pieces.clone()));
            String::from_utf8(line).unwrap().strip_suffix('\n').unwrap().to_string()
        };

        prop_assert_eq!(unescaped(&told(Escape::Json)), Some(characters(&value)));
        if value.is_empty() {
            value.push(b'-');
        }
        let default = told(Escape::Default);
        prop_assert!(!default.contains(|character| !matches!(character, ' '..='~')));
        let bytes: String = value.iter().copied().map(char::from).collect();
        prop_assert_eq!(unescaped(&default), Some(bytes));
    }
}
