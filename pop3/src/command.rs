//! What a line asks for.

use core::ffi::CStr;

/// The commands of the AUTHORIZATION state, and the others of RFC 1939, which
/// belong after the login.
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
    /// STAT, LIST, RETR, DELE, RSET, TOP, UIDL by name: RFC 1939, sections 5
    /// and 7.
    Transaction(&'static CStr),
}

impl Keyword {
    /// Takes a keyword in any case; nothing if it is unknown.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let Ok(word) = <[u8; 4]>::try_from(word) else {
            return word.eq_ignore_ascii_case(b"TOP").then_some(Self::Transaction(c"TOP"));
        };

        match &word.map(|byte| byte.to_ascii_uppercase()) {
            b"USER" => Some(Self::User),
            b"PASS" => Some(Self::Pass),
            b"APOP" => Some(Self::Apop),
            b"AUTH" => Some(Self::Auth),
            b"CAPA" => Some(Self::Capa),
            b"NOOP" => Some(Self::Noop),
            b"QUIT" => Some(Self::Quit),
            b"STLS" => Some(Self::Stls),
            b"STAT" => Some(Self::Transaction(c"STAT")),
            b"LIST" => Some(Self::Transaction(c"LIST")),
            b"RETR" => Some(Self::Transaction(c"RETR")),
            b"DELE" => Some(Self::Transaction(c"DELE")),
            b"RSET" => Some(Self::Transaction(c"RSET")),
            b"UIDL" => Some(Self::Transaction(c"UIDL")),
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
            Self::Transaction(name) => name,
        }
    }
}

/// A line taken apart: its keyword, and what follows the first space.
#[derive(Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// What is asked for, if it is known.
    pub keyword: Option<Keyword>,
    /// The argument, with every space but the first one; empty without one.
    pub argument: &'a mut [u8],
}

impl<'a> Command<'a> {
    /// Takes a line apart.
    pub fn parse(line: &'a mut [u8]) -> Self {
        let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let (word, rest) = line.split_at_mut_checked(end).unwrap_or_default();

        Self {
            keyword: Keyword::parse(word),
            argument: rest.split_first_mut().map_or(&mut [], |(_space, argument)| argument),
        }
    }
}

/// The words of an argument, parted by any number of spaces.
pub fn words(argument: &mut [u8]) -> impl Iterator<Item = &mut [u8]> {
    argument.split_mut(|&byte| byte == b' ').filter(|word| !word.is_empty())
}

/// An argument without the spaces before it.
pub fn without_leading_spaces(argument: &[u8]) -> &[u8] {
    let mut rest = argument;
    while let [b' ', tail @ ..] = rest {
        rest = tail;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn parse(line: &str) -> (Option<Keyword>, Vec<u8>) {
        let mut line = line.as_bytes().to_vec();
        let command = Command::parse(&mut line);
        (command.keyword, command.argument.to_vec())
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
            ("top", Keyword::Transaction(c"TOP")),
            ("RETR", Keyword::Transaction(c"RETR")),
        ] {
            assert_eq!(parse(word), (Some(keyword), Vec::new()), "{word}");
        }
    }

    #[test]
    fn whatever_else_is_unknown() {
        for word in ["", " ", " USER", "USE", "USERS", "NOOP\t", "UTF8", "LANG", "U\0ER", "TOPS"] {
            assert_eq!(parse(word).0, None, "{word:?}");
        }
    }

    #[test]
    fn the_argument_starts_after_one_space() {
        assert_eq!(parse("PASS  a b "), (Some(Keyword::Pass), b" a b ".to_vec()));
        assert_eq!(parse("PASS "), (Some(Keyword::Pass), Vec::new()));
    }

    #[test]
    fn words_are_parted_by_spaces() {
        let mut argument = *b"  PLAIN   AGI=  ";
        let words: Vec<_> = words(&mut argument).collect();
        assert_eq!(words, [b"PLAIN", b"AGI=\x20".trim_ascii_end()] as [&[u8]; 2]);
    }

    #[test]
    fn leading_spaces_go() {
        assert_eq!(without_leading_spaces(b"  a b "), b"a b ");
        assert_eq!(without_leading_spaces(b"   "), b"");
    }
}
