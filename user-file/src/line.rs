//! A line: `login:password[:backend]`, ended by LF, CRLF or the file's end. Empty lines and
//! those that begin with `#` say nothing. Spaces stand for themselves.

use memchr::memchr;

use crate::{Password, Unfit};

/// How long a field may be: what a client's line holds, unless it is allowed more. It bounds
/// what a login costs, for its line is read anew each time.
pub const MAX_FIELD: usize = 4096;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Not empty, no control characters, no colon.
    pub login: &'a [u8],
    /// How it is proven.
    pub password: Password<'a>,
    /// What is behind the second colon, to be checked: not empty, no control characters.
    pub backend: Option<&'a [u8]>,
}

/// What the lines of a file say, with their numbers, from 1.
pub struct Lines<'a> {
    left: &'a [u8],
    number: usize,
    offset: usize,
}

/// A line that says something.
pub(crate) struct Line<'a> {
    pub number: usize,
    pub offset: usize,
    pub text: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Takes a whole file.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, number: 0, offset: 0 }
    }

    pub(crate) fn next_line(&mut self) -> Option<Line<'a>> {
        loop {
            let line = self.next_of_any_kind()?;
            if !matches!(line.text, [] | [b'#', ..]) {
                return Some(line);
            }
        }
    }

    fn next_of_any_kind(&mut self) -> Option<Line<'a>> {
        if self.left.is_empty() {
            return None;
        }

        let (text, length) = split(self.left);
        let offset = self.offset;
        self.left = self.left.get(length..).unwrap_or_default();
        self.offset = offset.saturating_add(length);
        self.number = self.number.saturating_add(1);

        Some(Line { number: self.number, offset, text })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, Result<Entry<'a>, Unfit>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().map(|line| (line.number, Entry::parse(line.text)))
    }
}

impl<'a> Entry<'a> {
    /// Takes a line without its end.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Unfit> {
        let mut fields = text.splitn(3, is_colon);
        let (Some(login), Some(password)) = (fields.next(), fields.next()) else {
            return Err(Unfit::NoColon);
        };
        let backend = fields.next().unwrap_or_default();

        if [login, password, backend].iter().any(|field| field.len() > MAX_FIELD) {
            return Err(Unfit::TooLong);
        }
        if login.is_empty() {
            return Err(Unfit::EmptyLogin);
        }
        if has_control(login) {
            return Err(Unfit::Login);
        }
        if has_control(backend) {
            return Err(Unfit::Backend);
        }

        let password = Password::parse(password)?;
        Ok(Self { login, password, backend: (!backend.is_empty()).then_some(backend) })
    }
}

/// The line that begins at an offset.
pub(crate) fn text_at(bytes: &[u8], offset: usize) -> &[u8] {
    split(bytes.get(offset..).unwrap_or_default()).0
}

/// The login of a line that has one.
pub(crate) fn login_of(text: &[u8]) -> &[u8] {
    text.split(is_colon).next().unwrap_or_default()
}

/// The text of the first line, and the length of the whole of it.
fn split(bytes: &[u8]) -> (&[u8], usize) {
    let length = memchr(b'\n', bytes).map_or(bytes.len(), |end| end.saturating_add(1));
    let line = bytes.get(..length).unwrap_or_default();
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    (text.strip_suffix(b"\r").unwrap_or(text), length)
}

fn is_colon(byte: &u8) -> bool {
    *byte == b':'
}

fn has_control(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_control)
}
