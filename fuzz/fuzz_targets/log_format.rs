//! A format of log lines: it says what it does when it is read byte by byte, each value
//! stands in its place as it does in a slow line, and JSON is such to another parser.
//!
//! Input: three bytes, for the way to escape, the length of the format's text and that of
//! a piece; then the text, then what is a value from some byte on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use log_format::{Escape, Fault, Segment, Values, Variable, longest_line, segments, write_line};

/// Of each variable another part.
struct Parts<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl<'a> Parts<'a> {
    fn of(&self, variable: Variable) -> &'a [u8] {
        self.bytes.get(variable as usize..).unwrap_or_default()
    }

    /// What is taken of it.
    fn taken(&self, variable: Variable) -> &'a [u8] {
        let value = self.of(variable);
        &value[..value.len().min(variable.longest())]
    }

    /// Whether it is what it may be.
    fn may_be(&self, variable: Variable) -> bool {
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        variable.is_free() || self.taken(variable).iter().copied().all(is_plain)
    }
}

impl Values for Parts<'_> {
    fn value(&self, variable: Variable, put: &mut dyn FnMut(&[u8])) {
        self.of(variable).chunks(self.piece).for_each(put);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([escape, length, piece], bytes)) = data.split_first_chunk::<3>() else { return };
    let escape = [Escape::Default, Escape::Json, Escape::None][usize::from(escape % 3)];
    let (text, bytes) = bytes.split_at(usize::from(*length).min(bytes.len()));
    let values = Parts { bytes, piece: usize::from(*piece).max(1) };

    let parts: Vec<_> = segments(text).collect();
    assert_eq!(parts, simple(text));
    let format: Vec<_> = parts.into_iter().filter_map(Result::ok).collect();

    let mut line = vec![];
    write_line(format.iter().copied(), escape, &values, &mut |piece| line.extend_from_slice(piece));
    assert_eq!(line, simple_line(&format, escape, &values));
    let told = |segment: &Segment<'_>| match segment {
        Segment::Literal(_) => true,
        Segment::Variable(variable) => values.may_be(*variable),
    };
    let longest = longest_line(format.iter().copied(), escape);
    assert!(line.len() <= longest || !format.iter().all(told));
});

/// What a text says, if it is read byte by byte.
fn simple(text: &[u8]) -> Vec<Result<Segment<'_>, Fault<'_>>> {
    let mut parts = vec![];
    let mut at = 0;
    while at < text.len() {
        let start = at;
        if text[at] != b'$' {
            while at < text.len() && text[at] != b'$' {
                at += 1;
            }
            parts.push(Ok(Segment::Literal(&text[start..at])));
            continue;
        }

        let braces = text.get(at + 1) == Some(&b'{');
        let first = at + if braces { 2 } else { 1 };
        at = first;
        while at < text.len() && (text[at].is_ascii_alphanumeric() || text[at] == b'_') {
            at += 1;
        }
        let name = &text[first..at];
        if name.is_empty() || braces && text.get(at) != Some(&b'}') {
            parts.push(Err(Fault::Invalid(&text[start..])));
            return parts;
        }
        let Some(variable) = Variable::ALL.iter().find(|variable| variable.name() == name) else {
            parts.push(Err(Fault::Unknown(name)));
            return parts;
        };
        parts.push(Ok(Segment::Variable(*variable)));
        at += usize::from(braces);
    }
    parts
}

fn simple_line(format: &[Segment<'_>], escape: Escape, values: &Parts<'_>) -> Vec<u8> {
    let mut line = vec![];
    for segment in format {
        let variable = match segment {
            Segment::Literal(text) => {
                line.extend_from_slice(text);
                continue;
            }
            Segment::Variable(variable) => *variable,
        };
        let value = values.taken(variable);
        match escape {
            Escape::Json => line.extend_from_slice(checked_json(value).as_bytes()),
            _ if value.is_empty() => line.push(b'-'),
            Escape::None => line.extend_from_slice(value),
            Escape::Default => {
                for &byte in value {
                    match byte {
                        b'"' | b'\\' | ..0x20 | 0x7f.. => {
                            line.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
                        }
                        _ => line.push(byte),
                    }
                }
            }
        }
    }
    line.push(b'\n');
    line
}

/// The inside of the string for the characters of a value, which another parser reads back.
fn checked_json(value: &[u8]) -> String {
    let mut characters = String::new();
    let mut json = String::new();
    let mut at = 0;
    while at < value.len() {
        let one = |length| std::str::from_utf8(value.get(at..at + length)?).ok();
        let Some(text) = (1..=4).find_map(one) else {
            characters.push(char::from(value[at]));
            json += &format!("\\u00{:02X}", value[at]);
            at += 1;
            continue;
        };
        characters += text;
        match text {
            "\n" => json += "\\n",
            "\r" => json += "\\r",
            "\t" => json += "\\t",
            "\u{8}" => json += "\\b",
            "\u{c}" => json += "\\f",
            "\"" => json += "\\\"",
            "\\" => json += "\\\\",
            _ if value[at] < b' ' => json += &format!("\\u00{:02X}", value[at]),
            _ => json += text,
        }
        at += text.len();
    }
    assert_eq!(serde_json::from_str::<String>(&format!("\"{json}\"")).unwrap(), characters);
    json
}
