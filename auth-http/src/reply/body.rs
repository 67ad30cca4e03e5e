//! Where a reply ends, and so whether its connection may be used again.

use super::head::{Header, StatusLine};
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
}

/// What the headers say of it.
#[derive(Default)]
pub(super) struct Framing {
    close: bool,
    keep_alive: bool,
    encoded: bool,
    length: Length,
}

/// The `Content-Length`.
#[derive(Clone, Copy, Default)]
enum Length {
    #[default]
    Absent,
    Given(u64),
    /// There are several, or it is no number.
    Unfit,
}

impl Framing {
    /// Takes the next header.
    pub fn take(&mut self, header: Header<'_>) {
        if header.is("Connection") {
            self.close |= lists(header, "close");
            self.keep_alive |= lists(header, "keep-alive");
        } else if header.is("Transfer-Encoding") {
            self.encoded = true;
        } else if header.is("Content-Length") {
            self.length = match (self.length, number::parse(header.value)) {
                (Length::Absent, Some(length)) => Length::Given(length),
                _ => Length::Unfit,
            };
        }
    }

    /// What is behind the head that these were all headers of.
    pub fn body(&self, status: Option<StatusLine>) -> Body {
        let Some(status) = status else { return Body::Unknown };
        let kept = !self.close && (status.http11 || self.keep_alive);
        if !kept || status.code == *b"101" || self.encoded {
            return Body::Unknown;
        }

        let empty = matches!(&status.code, b"204" | b"304");
        match self.length {
            Length::Absent if empty => Body::Ended,
            Length::Given(0) => Body::Ended,
            // Such a reply has no body, but the server may err.
            Length::Given(length) if !empty => Body::Length(length),
            _ => Body::Unknown,
        }
    }
}

/// Whether a list has a token.
fn lists(list: Header<'_>, token: &str) -> bool {
    list.value
        .split(|&byte| byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
