//! Lines out of a stream of bytes, with a bound on their length.

/// Finds the lines of one session. CRLF ends a line, a bare LF is tolerated.
#[derive(Debug, Default)]
pub struct Lines {
    /// Bytes at the head of the input that are known to hold no LF.
    scanned: usize,
    /// Whether the rest of a too long line is being skipped.
    skipping: bool,
}

/// A line that has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its text without the line end.
    Text(&'a mut [u8]),
    /// It was longer than the limit and is gone.
    TooLong,
}

impl Lines {
    /// Takes one line from the head of `input`.
    ///
    /// Gives the number of bytes that are done with, and the line if one has
    /// ended. What is not done with must stand at the head of the next call's
    /// input, with more bytes behind it: it is the head of a line, shorter
    /// than `limit`. `limit` is the longest line in bytes, its end included.
    pub fn next<'a>(&mut self, input: &'a mut [u8], limit: usize) -> (usize, Option<Line<'a>>) {
        let end = input
            .get(self.scanned..)
            .and_then(|unseen| memchr::memchr(b'\n', unseen))
            .and_then(|at| at.checked_add(self.scanned));

        let Some(end) = end else {
            return (self.wait(input.len(), limit), None);
        };

        let length = end.saturating_add(1);
        let too_long = self.skipping || length > limit;
        *self = Self::default();

        let line = match input.get_mut(..end) {
            Some(text) if !too_long => Line::Text(without_cr(text)),
            _ => Line::TooLong,
        };

        (length, Some(line))
    }

    /// Notes that `length` bytes hold no line end; gives how many of them can
    /// be dropped.
    fn wait(&mut self, length: usize, limit: usize) -> usize {
        self.skipping |= length >= limit;

        if self.skipping {
            self.scanned = 0;
            return length;
        }

        self.scanned = length;
        0
    }
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

            loop {
                let (done, line) = lines.next(&mut held, limit);
                let ended = line.is_some();
                found.extend(line.map(|line| match line {
                    Line::Text(text) => Some(text.to_vec()),
                    Line::TooLong => None,
                }));
                held.drain(..done);
                if !ended {
                    assert!(held.len() < limit, "a held line is shorter than the limit");
                    break;
                }
            }
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
