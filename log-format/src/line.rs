//! A line: what a format says, with a session's values in it.

use crate::{Escape, MAX_VALUE, Segment, Variable};

/// What there is to tell of a session.
pub trait Values {
    /// Gives out the value of a variable, in as many pieces as it likes; in none, if there
    /// is nothing to tell.
    fn value(&self, variable: Variable, put: &mut dyn FnMut(&[u8]));
}

/// Gives out a line, piece by piece, with the LF that ends it. What a format says for
/// itself is not escaped.
pub fn write_line<'a>(
    segments: impl IntoIterator<Item = Segment<'a>>,
    escape: Escape,
    values: &impl Values,
    put: &mut dyn FnMut(&[u8]),
) {
    for segment in segments {
        match segment {
            Segment::Literal(text) => put(text),
            Segment::Variable(variable) => {
                let mut value = Value::new(variable.longest());
                values.value(variable, &mut |piece| value.add(piece));
                escape.write(value.as_bytes(), put);
            }
        }
    }
    put(b"\n");
}

/// How many bytes a line has at most, with its end.
pub fn longest_line<'a>(segments: impl IntoIterator<Item = Segment<'a>>, escape: Escape) -> usize {
    segments.into_iter().fold(1, |sum, segment| {
        sum.saturating_add(match segment {
            Segment::Literal(text) => text.len(),
            Segment::Variable(variable) if variable.is_free() => escape.longest(variable.longest()),
            Segment::Variable(variable) => variable.longest(),
        })
    })
}

/// A value that is put together: neither whether it is empty, nor what is UTF-8, can be
/// said of a piece.
struct Value {
    bytes: [u8; MAX_VALUE],
    length: usize,
    longest: usize,
}

impl Value {
    const fn new(longest: usize) -> Self {
        Self { bytes: [0; MAX_VALUE], length: 0, longest }
    }

    fn add(&mut self, piece: &[u8]) {
        let room = self.bytes.get_mut(self.length..self.longest).unwrap_or_default();
        self.length = self.length.saturating_add(room.len().min(piece.len()));
        for (place, &byte) in room.iter_mut().zip(piece) {
            *place = byte;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
