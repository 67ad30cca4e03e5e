//! Where a reply ends, and so whether its connection may be used again.

use super::head::{Head, Header};
use super::number;

/// What is behind a reply's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: the connection may be used again if nothing more comes.
    Ended,
    /// So many bytes, at least one. Behind them the connection may be used again.
    Length(u64),
    /// What cannot be told without doubt, or the server closes: not to be used again.
    Unknown,
}

impl Body {
    /// What is left when `count` more bytes have come. More than there should be make it
    /// [`Body::Unknown`].
    #[must_use]
    pub const fn take(self, count: u64) -> Self {
        match self {
            Self::Length(length) => match length.checked_sub(count) {
                Some(0) => Self::Ended,
                Some(left) => Self::Length(left),
                None => Self::Unknown,
            },
            Self::Ended if count == 0 => Self::Ended,
            _ => Self::Unknown,
        }
    }

    /// That of a head.
    pub(super) fn of(head: Head<'_>) -> Self {
        let Some(status) = head.status else { return Self::Unknown };
        let named = |name| head.headers().filter(move |header| header.is(name));
        let says = |token| named("Connection").any(|header| lists(header, token));
        let kept = !says("close") && (status.http11 || says("keep-alive"));
        if !kept || status.code == *b"101" || named("Transfer-Encoding").next().is_some() {
            return Self::Unknown;
        }

        let mut lengths = named("Content-Length").map(|header| number::parse(header.value));
        let empty = matches!(&status.code, b"204" | b"304");
        match (lengths.next(), lengths.next()) {
            (None, None) if empty => Self::Ended,
            (Some(Some(0)), None) => Self::Ended,
            // Such a reply has no body, but the server may err.
            (Some(Some(_)), None) if empty => Self::Unknown,
            (Some(Some(length)), None) => Self::Length(length),
            _ => Self::Unknown,
        }
    }
}

/// Whether a list has a token.
fn lists(list: Header<'_>, token: &str) -> bool {
    list.value
        .split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
