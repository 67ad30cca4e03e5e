//! What the text of a format says: `$name` and `${name}` are variables, all else stands
//! for itself. There is no way to write a `$` that stands for itself.

use core::iter;

use crate::Variable;
use crate::split::split_at_first;

/// A part of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// What is in every line. It is never empty.
    Literal(&'a [u8]),
    /// What a session's line says in its place.
    Variable(Variable),
}

/// What is wrong with a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// There is no variable of this name.
    Unknown(&'a [u8]),
    /// The text that begins with this `$` has no name behind it, or a `${` that is not
    /// closed behind the name.
    Invalid(&'a [u8]),
}

/// What a text says, part by part; the first fault is the last part.
pub fn segments(text: &[u8]) -> impl Iterator<Item = Result<Segment<'_>, Fault<'_>>> {
    let mut left = text;

    iter::from_fn(move || {
        let (segment, behind) = match left {
            [] => return None,
            [b'$', ..] => variable(left),
            _ => literal(left),
        };
        left = behind;
        Some(segment)
    })
}

/// What a text begins with, and what is behind that.
type Split<'a> = (Result<Segment<'a>, Fault<'a>>, &'a [u8]);

/// Takes a text that does not begin with a `$`.
fn literal(text: &[u8]) -> Split<'_> {
    let (literal, behind) = split_at_first(text, |byte| *byte == b'$');
    (Ok(Segment::Literal(literal)), behind)
}

/// Takes a text that begins with a `$`.
fn variable(text: &[u8]) -> Split<'_> {
    let Some((name, behind)) = reference(text) else {
        return (Err(Fault::Invalid(text)), b"");
    };
    match Variable::named(name) {
        Some(variable) => (Ok(Segment::Variable(variable)), behind),
        None => (Err(Fault::Unknown(name)), b""),
    }
}

/// The name that a text begins with, and what is behind it, if there is one.
fn reference(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, behind) = match text.strip_prefix(b"${") {
        Some(text) => {
            let (name, behind) = split_at_first(text, is_of_no_name);
            (name, behind.strip_prefix(b"}")?)
        }
        None => split_at_first(text.strip_prefix(b"$")?, is_of_no_name),
    };
    (!name.is_empty()).then_some((name, behind))
}

const fn is_of_no_name(byte: &u8) -> bool {
    !byte.is_ascii_alphanumeric() && *byte != b'_'
}
