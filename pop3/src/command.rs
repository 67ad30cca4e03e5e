//! What a line asks for.

use core::ffi::CStr;

/// The commands of RFC 1939 and its extensions. Those of the TRANSACTION
/// state are known as well, though they belong after the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// RFC 1939, section 7.
    User,
    /// RFC 1939, section 7.
    Pass,
    /// RFC 1939, section 7.
    Apop,
    /// RFC 5034, section 4.
    Auth,
    /// RFC 2449, section 5.
    Capa,
    /// RFC 1939, section 5; answered before the login as well.
    Noop,
    /// RFC 1939, section 4.
    Quit,
    /// RFC 2595, section 4.
    Stls,
    /// RFC 1939, section 5.
    Stat,
    /// RFC 1939, section 5.
    List,
    /// RFC 1939, section 5.
    Retr,
    /// RFC 1939, section 5.
    Dele,
    /// RFC 1939, section 5.
    Rset,
    /// RFC 1939, section 7.
    Top,
    /// RFC 1939, section 7.
    Uidl,
}

/// Four bytes as a number: they are compared at once.
const fn number(word: &[u8; 4]) -> u32 {
    u32::from_ne_bytes(*word)
}

/// Takes away the bit in which upper and lower case differ. No byte but a
/// letter becomes a letter by it.
const UPPER_CASE: u32 = number(&[!0x20; 4]);

const USER: u32 = number(b"USER");
const PASS: u32 = number(b"PASS");
const APOP: u32 = number(b"APOP");
const AUTH: u32 = number(b"AUTH");
const CAPA: u32 = number(b"CAPA");
const NOOP: u32 = number(b"NOOP");
const QUIT: u32 = number(b"QUIT");
const STLS: u32 = number(b"STLS");
const STAT: u32 = number(b"STAT");
const LIST: u32 = number(b"LIST");
const RETR: u32 = number(b"RETR");
const DELE: u32 = number(b"DELE");
const RSET: u32 = number(b"RSET");
const UIDL: u32 = number(b"UIDL");

impl Keyword {
    /// Takes a keyword of four letters in any case; nothing if it is unknown.
    const fn parse(word: &[u8; 4]) -> Option<Self> {
        Some(match number(word) & UPPER_CASE {
            USER => Self::User,
            PASS => Self::Pass,
            APOP => Self::Apop,
            AUTH => Self::Auth,
            CAPA => Self::Capa,
            NOOP => Self::Noop,
            QUIT => Self::Quit,
            STLS => Self::Stls,
            STAT => Self::Stat,
            LIST => Self::List,
            RETR => Self::Retr,
            DELE => Self::Dele,
            RSET => Self::Rset,
            UIDL => Self::Uidl,
            _ => return None,
        })
    }

    /// The length of a line that is a keyword of four letters and CRLF, in bytes.
    pub const ALONE: usize = 6;

    /// The keyword that the first line of `input` consists of, if that is one of
    /// four letters and CRLF. NOOP and CAPA come so: no line end has to be
    /// searched for, and nothing taken apart.
    #[inline]
    pub const fn alone(input: &[u8]) -> Option<Self> {
        match *input {
            [a, b, c, d, b'\r', b'\n', ..] => Self::parse(&[a, b, c, d]),
            _ => None,
        }
    }

    /// The keyword that a line begins with, and where its argument begins; nothing
    /// if it is unknown.
    #[inline(always)]
    fn first(line: &[u8]) -> Option<(Self, usize)> {
        let of_four = match *line {
            [a, b, c, d] | [a, b, c, d, b' ', ..] => Self::parse(&[a, b, c, d]),
            _ => None,
        };

        match (of_four, line) {
            (Some(keyword), _) => Some((keyword, 5)),
            (None, &[t, o, p] | &[t, o, p, b' ', ..]) if [t, o, p].eq_ignore_ascii_case(b"TOP") => {
                Some((Self::Top, 4))
            }
            _ => None,
        }
    }

    /// The name to log.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::User => c"USER",
            Self::Pass => c"PASS",
            Self::Apop => c"APOP",
            Self::Auth => c"AUTH",
            Self::Capa => c"CAPA",
            Self::Noop => c"NOOP",
            Self::Quit => c"QUIT",
            Self::Stls => c"STLS",
            Self::Stat => c"STAT",
            Self::List => c"LIST",
            Self::Retr => c"RETR",
            Self::Dele => c"DELE",
            Self::Rset => c"RSET",
            Self::Top => c"TOP",
            Self::Uidl => c"UIDL",
        }
    }
}

/// A line taken apart: its keyword, and what follows the first space.
#[derive(Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What is asked for.
    pub keyword: Keyword,
    /// The argument, with every space but the first one; empty without one.
    pub argument: &'a mut [u8],
}

impl<'a> Command<'a> {
    /// Takes a line apart; nothing if its keyword is unknown.
    #[inline(always)]
    pub fn parse(line: &'a mut [u8]) -> Option<Self> {
        let (keyword, argument) = Keyword::first(line)?;

        Some(Self { keyword, argument: line.get_mut(argument..).unwrap_or_default() })
    }
}

/// Whether a line is the head of an HTTP/1 request (RFC 9112, section 3): a word
/// that is no command here, a target and the version.
pub fn is_http_request(line: &[u8]) -> bool {
    let [request @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'] = line else {
        return false;
    };
    let mut words = request.split(|&byte| byte == b' ');

    matches!((words.next(), words.next(), words.next()), (Some([_, ..]), Some([_, ..]), None))
        && Keyword::first(line).is_none()
}

/// Whether a line that is too long to be kept may be the head of an HTTP/1 request,
/// by what there is of it: the target is as long as somebody likes.
pub fn may_be_http_request(head: &[u8]) -> bool {
    let mut words = head.split(|&byte| byte == b' ');
    let (Some([_, ..]), Some([_, ..])) = (words.next(), words.next()) else { return false };
    let version = words.next().unwrap_or_default();
    let known = version.len().min(b"HTTP/1.".len());

    version.get(..known) == b"HTTP/1.".get(..known)
        && words.next().is_none()
        && Keyword::first(head).is_none()
}

/// Parts an argument at the spaces behind its first word; there are none around
/// the two parts.
pub fn split_word(argument: &mut [u8]) -> (&mut [u8], &mut [u8]) {
    let text = without_leading_spaces(without_trailing_spaces(argument));
    let length = memchr::memchr(b' ', text).unwrap_or(text.len());
    let (word, rest) = text.split_at_mut_checked(length).unwrap_or_default();

    (word, without_leading_spaces(rest))
}

/// An argument without the spaces before it.
pub fn without_leading_spaces(argument: &mut [u8]) -> &mut [u8] {
    let mut rest = argument;
    while let [b' ', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

/// An argument without the spaces behind it.
pub fn without_trailing_spaces(argument: &mut [u8]) -> &mut [u8] {
    let mut rest = argument;
    while let [head @ .., b' '] = rest {
        rest = head;
    }
    rest
}

/// Whether bytes of a client end with the line QUIT (RFC 1939, section 6): it is about to go.
pub fn ends_with_quit(bytes: &[u8]) -> bool {
    let Some(bytes) = bytes.strip_suffix(b"\n") else { return false };
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let line = bytes.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();

    matches!(Keyword::first(line), Some((Keyword::Quit, _)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn parse(line: &str) -> Option<(Keyword, Vec<u8>)> {
        let mut line = line.as_bytes().to_vec();
        Command::parse(&mut line).map(|command| (command.keyword, command.argument.to_vec()))
    }

    #[test]
    fn keywords_in_any_case() {
        for (word, keyword) in [
            ("USER", Keyword::User),
            ("pass", Keyword::Pass),
            ("Apop", Keyword::Apop),
            ("aUTH", Keyword::Auth),
            ("CAPA", Keyword::Capa),
            ("NoOp", Keyword::Noop),
            ("quit", Keyword::Quit),
            ("sTLs", Keyword::Stls),
            ("top", Keyword::Top),
            ("RETR", Keyword::Retr),
            ("stat", Keyword::Stat),
            ("List", Keyword::List),
            ("dELE", Keyword::Dele),
            ("RSET", Keyword::Rset),
            ("UidL", Keyword::Uidl),
        ] {
            assert_eq!(parse(word), Some((keyword, Vec::new())), "{word}");
        }
    }

    #[test]
    fn a_keyword_alone() {
        assert_eq!(Keyword::alone(b"noop\r\n"), Some(Keyword::Noop));
        assert_eq!(Keyword::alone(b"CAPA\r\nNOOP\r\n"), Some(Keyword::Capa));
        for input in
            ["", "NOOP", "NOOP\r", "NOOP\n", "NOOP \r\n", "NO\r\n\r\n", "TOP\r\n", "TOP \r\n"]
        {
            assert_eq!(Keyword::alone(input.as_bytes()), None, "{input:?}");
        }
    }

    #[test]
    fn nothing_but_letters_stands_for_letters() {
        for at in 0..4 {
            for byte in 0..=u8::MAX {
                let mut line = *b"NOOP";
                line[at] = byte;
                let known = line.eq_ignore_ascii_case(b"NOOP");
                assert_eq!(Command::parse(&mut line).is_some(), known, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn whatever_else_is_unknown() {
        for word in
            ["", " ", " USER", "USE", "USERS", "NOOP\t", "UTF8", "LANG", "U\0ER", "TOPS", "TOP\0"]
        {
            assert_eq!(parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn the_argument_starts_after_one_space() {
        assert_eq!(parse("PASS  a b "), Some((Keyword::Pass, b" a b ".to_vec())));
        assert_eq!(parse("PASS "), Some((Keyword::Pass, Vec::new())));
        assert_eq!(parse("TOP "), Some((Keyword::Top, Vec::new())));
    }

    #[test]
    fn a_word_ends_with_a_space() {
        for (argument, word, rest) in [
            ("", "", ""),
            ("  ", "", ""),
            ("PLAIN", "PLAIN", ""),
            ("PLAIN ", "PLAIN", ""),
            ("  PLAIN   AGI=  ", "PLAIN", "AGI="),
            ("bob a b", "bob", "a b"),
        ] {
            let mut argument = argument.as_bytes().to_vec();
            let (first, second) = split_word(&mut argument);
            assert_eq!((&*first, &*second), (word.as_bytes(), rest.as_bytes()));
        }
    }

    #[test]
    fn rfc_9112_request_line() {
        for line in ["GET / HTTP/1.1", "POST /a?b=c HTTP/1.0", "OPTIONS * HTTP/1.1", "x y HTTP/1.9"]
        {
            assert!(is_http_request(line.as_bytes()), "{line}");
        }
        for line in [
            "GET / HTTP/2",
            "GET / HTTP/1.x",
            "GET / HTTP/1.1 ",
            "GET /HTTP/1.1",
            "GET  HTTP/1.1",
            "GET a b HTTP/1.1",
            " / HTTP/1.1",
            "/ HTTP/1.1",
            " HTTP/1.1",
            "HTTP/1.1",
            "USER ann HTTP/1.1",
            "top 1 HTTP/1.1",
            "",
        ] {
            assert!(!is_http_request(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_head_of_a_long_request_line() {
        for head in ["GET /aaa", "x y", "GET /aaa ", "GET /aaa HTT", "GET /aaa HTTP/1.1\r"] {
            assert!(may_be_http_request(head.as_bytes()), "{head}");
        }
        for head in [
            "",
            "GET",
            "GET ",
            " /",
            "GET /aaa b",
            "GET /aaa HTTP/2",
            "GET /a HTTP/1.1 b",
            "USER a",
        ] {
            assert!(!may_be_http_request(head.as_bytes()), "{head}");
        }
    }

    #[test]
    fn leading_spaces_go() {
        assert_eq!(without_leading_spaces(&mut b"  a b ".to_vec()), b"a b ");
        assert_eq!(without_leading_spaces(&mut b"   ".to_vec()), b"");
    }

    #[test]
    fn the_last_line_tells_that_a_client_goes() {
        for bytes in [&b"QUIT\r\n"[..], b"quit\n", b"QUIT \r\n", b"DELE 1\r\nQuit\r\n"] {
            assert!(ends_with_quit(bytes), "{bytes:?}");
        }
        for bytes in [&b""[..], b"\n", b"QUIT", b"XQUIT\r\n", b"QUITS\r\n", b"QUIT\r\nSTAT\r\n"] {
            assert!(!ends_with_quit(bytes), "{bytes:?}");
        }
    }
}
