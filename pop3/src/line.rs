//! Lines out of a stream of bytes, with a bound on their length.

use core::mem;

/// Finds the lines of one session. CRLF ends a line, a bare LF is tolerated.
#[derive(Debug, Default)]
pub enum Lines {
    /// The input starts with a line of which nothing has been seen.
    #[default]
    New,
    /// It starts with so many bytes that are known to hold no LF.
    Scanned(u32),
    /// It starts within a line that is too long, which is being skipped.
    Skipping,
}

/// A line that has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its text without the line end.
    Text(&'a mut [u8]),
    /// It was longer than the limit and is gone.
    TooLong,
}

/// A line, if one has ended, and how many bytes at the head of the input are done
/// with.
pub type Step<'a> = (Option<Line<'a>>, usize);

impl Lines {
    /// Whether the input holds no whole line: more bytes have to come.
    pub const fn incomplete(&self) -> bool {
        !matches!(self, Self::New)
    }

    /// Whether the input starts within a line that is being skipped.
    pub const fn skipping(&self) -> bool {
        matches!(self, Self::Skipping)
    }

    /// Takes one line off the head of `input`, or what belongs to a line that is
    /// too long.
    ///
    /// If no line has ended, what is not done with must stand at the head of the
    /// next call's input, with more bytes behind it: it is the head of a line,
    /// shorter than `limit`. `limit` is the longest line in bytes, its end
    /// included.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a mut [u8], limit: usize) -> Step<'a> {
        if self.incomplete() {
            return self.go_on(input, limit);
        }

        match find_lf(input) {
            Some(at) => take(input, at, limit),
            None => self.wait(input, limit),
        }
    }

    /// Goes on with a line whose head has been seen.
    #[cold]
    fn go_on<'a>(&mut self, input: &'a mut [u8], limit: usize) -> Step<'a> {
        let (scanned, limit) = match mem::take(self) {
            Self::New => (0, limit),
            Self::Scanned(count) => (count as usize, limit),
            Self::Skipping => (0, 0),
        };

        match input.get(scanned..).and_then(find_lf) {
            Some(at) => take(input, scanned.saturating_add(at), limit),
            None => self.wait(input, limit),
        }
    }

    /// Notes that `input` holds no line end, and drops what belongs to a line
    /// that is too long.
    #[cold]
    fn wait<'a>(&mut self, input: &'a mut [u8], limit: usize) -> Step<'a> {
        match u32::try_from(input.len()) {
            Ok(count) if input.len() < limit => {
                *self = Self::Scanned(count);
                (None, 0)
            }
            _ => {
                *self = Self::Skipping;
                (None, input.len())
            }
        }
    }
}

/// Finds the first LF. memchr is for what it takes more than a few bytes at a
/// time of: a lone short command is looked through sooner without it.
#[inline]
fn find_lf(input: &[u8]) -> Option<usize> {
    if input.len() < 16 {
        input.iter().position(|&byte| byte == b'\n')
    } else {
        memchr::memchr(b'\n', input)
    }
}

/// Takes a line off whose LF is `at`.
#[inline]
fn take(input: &mut [u8], at: usize, limit: usize) -> Step<'_> {
    let taken = at.saturating_add(1);
    let line = match input.get_mut(..at) {
        Some(text) if at < limit => Line::Text(without_cr(text)),
        _ => Line::TooLong,
    };

    (Some(line), taken)
}

fn without_cr(line: &mut [u8]) -> &mut [u8] {
    match line {
        [text @ .., b'\r'] => text,
        text => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    /// Splits `bytes`, which arrive in pieces that end at `cuts`.
    fn split(bytes: &[u8], cuts: &[usize], limit: usize) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::default();
        let mut held = vec![];
        let mut found = vec![];
        let mut from = 0;

        for &to in cuts.iter().chain([&bytes.len()]) {
            held.extend_from_slice(&bytes[from..to]);
            from = to;

            while let (line, taken @ 1..) = lines.next(&mut held, limit) {
                found.extend(line.map(|line| match line {
                    Line::Text(text) => Some(text.to_vec()),
                    Line::TooLong => None,
                }));
                held.drain(..taken);
            }
            assert!(held.len() < limit, "a held line is shorter than the limit");
        }

        found
    }

    fn text(line: &[u8]) -> Option<Vec<u8>> {
        Some(line.to_vec())
    }

    #[test]
    fn crlf_and_bare_lf_end_a_line() {
        assert_eq!(
            split(b"NOOP\r\nCAPA\n\r\n\nA\rB\r\r\n", &[], 100),
            [text(b"NOOP"), text(b"CAPA"), text(b""), text(b""), text(b"A\rB\r")]
        );
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        assert_eq!(split(b"123456\r\n", &[], 8), [text(b"123456")]);
        assert_eq!(split(b"1234567\r\n", &[], 8), [None]);
        assert_eq!(split(b"1234567\n", &[], 8), [text(b"1234567")]);
    }

    #[test]
    fn a_long_line_is_skipped_to_its_end() {
        assert_eq!(split(b"0123456789\r\nNOOP\r\n", &[], 8), [None, text(b"NOOP")]);
        assert_eq!(split(b"0123456789", &[], 8), []);
    }

    #[test]
    fn an_incomplete_line_wants_input() {
        let mut lines = Lines::default();
        let mut text = *b"NOOP\r\nNO";

        assert_eq!(lines.next(&mut text, 100), (Some(Line::Text(&mut b"NOOP".to_vec())), 6));
        assert!(!lines.incomplete());

        assert_eq!(lines.next(&mut text[6..], 100), (None, 0));
        assert!(lines.incomplete());
    }

    #[test]
    fn every_cut_gives_the_same_lines() {
        let bytes = b"USER bob\r\n0123456789ABC\r\n\r\nQUIT\nrest";
        let whole = split(bytes, &[], 11);

        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                assert_eq!(split(bytes, &[first, second], 11), whole, "{first} {second}");
            }
        }

        let every: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(split(bytes, &every, 11), whole);
    }
}
