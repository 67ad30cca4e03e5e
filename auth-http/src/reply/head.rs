//! The head of a reply: status line and headers (RFC 9112).
//!
//! A line counts when it has ended, and what is wrong is found in the first line that
//! has it: so it does not depend on how much of the input has come.

use memchr::{memchr, memchr3};

use super::unfit::Unfit;

/// A whole head.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// How many bytes of the input it is.
    pub length: usize,
    /// What the status line says, where it has the form that HTTP gives it.
    pub status: Option<StatusLine>,
    lines: &'a [u8],
}

/// What a status line says.
#[derive(Clone, Copy)]
pub struct StatusLine {
    /// Whether it is HTTP/1.1, or 1.0.
    pub http11: bool,
    /// The status code's digits.
    pub code: [u8; 3],
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// In any case.
    pub name: &'a [u8],
    /// Without the spaces around it; no CR, LF or NUL.
    pub value: &'a [u8],
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has not ended.
    Incomplete,
    /// What no further byte can mend.
    Unfit(Unfit),
}

struct Line<'a> {
    text: &'a [u8],
    behind: &'a [u8],
}

impl<'a> Head<'a> {
    /// Takes the head that `input` begins with.
    pub fn parse(input: &'a [u8]) -> Result<Self, Stop> {
        const BEGIN: &[u8] = b"HTTP/";

        let Some(version) = input.strip_prefix(BEGIN) else {
            let begun = BEGIN.starts_with(input);
            return Err(if begun { Stop::Incomplete } else { Stop::Unfit(Unfit::NotHttp) });
        };
        let Line { text, behind: lines } = Line::split(version)?;
        let status = StatusLine::parse(text);

        let mut left = lines;
        loop {
            let Line { text, behind } = Line::split(left)?;
            if text.is_empty() {
                let lines = before(lines, left);
                return Ok(Self { length: before(input, behind).len(), status, lines });
            }
            if !Header::split(text).is_some_and(Header::is_named) {
                return Err(Stop::Unfit(Unfit::Header));
            }
            left = behind;
        }
    }

    /// The headers, in their order.
    pub fn headers(self) -> impl Iterator<Item = Header<'a>> {
        let mut left = self.lines;
        core::iter::from_fn(move || {
            let Line { text, behind } = Line::split(left).ok()?;
            left = behind;
            Header::split(text)
        })
    }

    /// Whether another head follows for the same request. 101 is the last one.
    pub fn interim(self) -> bool {
        self.status.is_some_and(|status| status.code[0] == b'1' && status.code != *b"101")
    }
}

impl StatusLine {
    /// Takes what is behind `HTTP/`. To an auth server's client the status is nothing:
    /// nginx takes any text.
    fn parse(text: &[u8]) -> Option<Self> {
        let (http11, behind) = match text {
            [b'1', b'.', minor @ (b'0' | b'1'), b' ', behind @ ..] => (*minor == b'1', behind),
            _ => return None,
        };
        let (code, reason) = behind.split_first_chunk()?;
        let whole = code.iter().all(u8::is_ascii_digit) && matches!(reason, [] | [b' ', ..]);

        whole.then_some(Self { http11, code: *code })
    }
}

impl<'a> Header<'a> {
    /// Whether this is its name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Takes a line.
    fn split(line: &'a [u8]) -> Option<Self> {
        let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
        let value = trim(value.strip_prefix(b":")?);

        Some(Self { name, value })
    }

    /// Whether it has a name. A line that goes on with the one before begins with a space,
    /// which no name does.
    fn is_named(self) -> bool {
        !self.name.is_empty() && self.name.iter().all(is_token)
    }
}

impl<'a> Line<'a> {
    fn split(input: &'a [u8]) -> Result<Self, Stop> {
        let at = memchr3(b'\r', b'\n', 0, input);
        let (text, end) = at.and_then(|at| input.split_at_checked(at)).ok_or(Stop::Incomplete)?;

        match end {
            [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..] => Ok(Self { text, behind }),
            [b'\r'] => Err(Stop::Incomplete),
            _ => Err(Stop::Unfit(Unfit::NulOrCr)),
        }
    }
}

/// Whether a name may hold it (RFC 9110, section 5.6.2).
const fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// `text` without its end.
fn before<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    text.get(..text.len().saturating_sub(end.len())).unwrap_or_default()
}

/// Without spaces and HTAB at both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', inner @ ..] | [inner @ .., b' ' | b'\t'] = text {
        text = inner;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const STATUS_LINE: &str = "HTTP/1.1 200 OK\r\n";

    fn ours(input: &[u8]) -> Option<(usize, Vec<Header<'_>>)> {
        let head = Head::parse(input).ok()?;
        Some((head.length, head.headers().collect()))
    }

    /// The same by httparse, which takes no control character but HTAB.
    fn theirs(input: &[u8]) -> Option<(usize, Vec<Header<'_>>)> {
        let mut room = [httparse::EMPTY_HEADER; 64];
        let lines = &input[STATUS_LINE.len()..];
        let Ok(httparse::Status::Complete((length, headers))) =
            httparse::parse_headers(lines, &mut room)
        else {
            return None;
        };
        let mut found = Vec::new();
        for header in headers {
            found.push(Header { name: header.name.as_bytes(), value: header.value });
        }
        Some((STATUS_LINE.len().saturating_add(length), found))
    }

    #[test]
    fn headers_end_with_the_head() {
        let head = Head::parse(b"HTTP/1.1 200 OK\r\na: b\r\n\r\nc: d\r\n\r\n").ok().unwrap();
        let mut headers = head.headers();
        assert_eq!(headers.next(), Some(Header { name: b"a", value: b"b" }));
        assert_eq!((headers.next(), headers.next(), headers.next()), (None, None, None));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn as_another_parser_has_them(
            lines in "([A-z0-9()-]{0,3}[ \t]?: ?[ -~\t\u{e4}]{0,9}\r{0,2}\n){0,4}\r?\nx?"
        ) {
            let input = [STATUS_LINE, &lines].concat().into_bytes();
            prop_assert_eq!(ours(&input), theirs(&input));
        }

        #[test]
        fn bytes_of_any_kind_as_another_parser_has_them(bytes: Vec<u8>) {
            let input = [STATUS_LINE.as_bytes(), &bytes, b"\r\n\r\n"].concat();
            let theirs = theirs(&input);
            prop_assert!(theirs.is_none() || theirs == ours(&input));
        }
    }
}
