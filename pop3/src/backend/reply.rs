//! A backend's lines.

use core::ffi::CStr;

/// The longest line of a backend in bytes, its CRLF included.
pub const MAX_LINE: usize = 4096;

/// Why there can be no login at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It sent something else than a reply.
    NoReply,
    /// It sent a control character within a reply.
    ControlCharacter,
    /// It sent a line longer than [`MAX_LINE`].
    LineTooLong,
    /// It sent something behind a reply, ahead of its next turn.
    AheadOfTurn,
    /// It greeted with `-ERR`.
    GreetingRefused,
    /// It refused STLS.
    StlsRefused,
    /// It refused XCLIENT, which it had offered.
    XclientRefused,
}

/// A backend's line.
pub struct Reply<'a> {
    /// All of it.
    pub line: &'a [u8],
    /// What it begins with.
    pub status: Status,
    /// What follows that, without the line's end.
    pub text: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Takes the one line that `input` is to be; nothing if it has not ended. What is
    /// wrong is found at its place, so that it does not depend on how much of the
    /// input has come. Where it cannot be one, a challenge is no reply.
    pub fn parse(input: &'a [u8], challenge: bool) -> Result<Option<Self>, Broken> {
        Self::only(input, challenge, MAX_LINE)
    }

    /// Takes the second of the two lines that `input` is to be, or the first one if that is
    /// not `+OK`: then nobody waits for the second. Both have [`MAX_LINE`] bytes at most.
    pub fn parse_second(input: &'a [u8]) -> Result<Option<Self>, Broken> {
        match Self::first(input, false, MAX_LINE)? {
            Some((Self { line, status: Status::Ok, .. }, rest)) => {
                Self::only(rest, false, MAX_LINE.saturating_sub(line.len()))
            }
            first => Ok(first.map(|(reply, _)| reply)),
        }
    }

    fn only(input: &'a [u8], challenge: bool, most: usize) -> Result<Option<Self>, Broken> {
        match Self::first(input, challenge, most)? {
            Some((_, [_, ..])) => Err(Broken::AheadOfTurn),
            first => Ok(first.map(|(reply, _)| reply)),
        }
    }

    /// Takes the first line, of so many bytes at most; gives what is behind it as well.
    fn first(
        input: &'a [u8],
        challenge: bool,
        most: usize,
    ) -> Result<Option<(Self, &'a [u8])>, Broken> {
        let end = memchr::memchr(b'\n', input).map(|at| at.saturating_add(1));
        let (line, rest) = end.and_then(|end| input.split_at_checked(end)).unwrap_or((input, &[]));
        let head = line.get(..most).unwrap_or(line);

        let status = Status::parse(head, challenge).ok_or(Broken::NoReply)?;
        let text = head.strip_suffix(b"\r\n").or(head.strip_suffix(b"\r")).unwrap_or(head);
        if text.iter().any(u8::is_ascii_control) {
            return Err(Broken::ControlCharacter);
        }
        if line.len() > most || (end.is_none() && line.len() == most) {
            return Err(Broken::LineTooLong);
        }
        let (Some(_), Some(status)) = (end, status) else { return Ok(None) };
        let text = text.get(status.indicator().len()..).unwrap_or_default();
        let text = text.strip_prefix(b" ").unwrap_or(text);

        Ok(Some((Self { line, status, text }, rest)))
    }
}

/// What a line begins with: the status indicator of a reply (RFC 1939, section 3), or
/// that of a challenge (RFC 5034, section 4).
#[derive(Clone, Copy)]
pub enum Status {
    /// The command has been done.
    Ok,
    /// It has not.
    Err,
    /// The client is to answer.
    Challenge,
}

impl Status {
    const fn indicator(self) -> &'static [u8] {
        match self {
            Self::Ok => b"+OK",
            Self::Err => b"-ERR",
            Self::Challenge => b"+",
        }
    }

    /// The one that a line begins with, or nothing inside if so far it may become one.
    fn parse(line: &[u8], challenge: bool) -> Option<Option<Self>> {
        let mut begun = None;
        let known = [Some(Self::Ok), Some(Self::Err), challenge.then_some(Self::Challenge)];

        for status in known.into_iter().flatten() {
            let indicator = status.indicator();
            match line.strip_prefix(indicator) {
                Some([b' ' | b'\r' | b'\n', ..]) => return Some(Some(status)),
                Some([_, ..]) => {}
                Some([]) => begun = Some(None),
                None if indicator.starts_with(line) => begun = Some(None),
                None => {}
            }
        }
        begun
    }
}

impl Broken {
    /// What the error log says that the backend did.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::NoReply => c"sent invalid response",
            Self::ControlCharacter => c"sent control character in response",
            Self::LineTooLong => c"sent too long response line",
            Self::AheadOfTurn => c"sent data ahead of its turn",
            Self::GreetingRefused => c"refused session",
            Self::StlsRefused => c"refused STLS",
            Self::XclientRefused => c"refused XCLIENT",
        }
    }
}
