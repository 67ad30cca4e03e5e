//! What the fuzz targets share. The caller of the `pop3` crate that they play
//! is that of its own tests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use pop3::backend::MAX_LINE;
use pop3::{Credentials, Mechanism, Method, Policy, Refusal};

#[path = "../../pop3/tests/support/mod.rs"]
#[expect(missing_docs, reason = "as a part of tests it needs no documentation")]
pub mod support;

#[path = "../../pop3/tests/support/backend.rs"]
#[expect(missing_docs, reason = "as a part of tests it needs no documentation")]
pub mod backend;

pub mod proxy;

use support::{Noted, POLICY, play};

/// Places to cut `length` bytes at, after gaps of up to 32 bytes that `seed`
/// tells.
pub fn cuts(seed: [u8; 2], length: usize) -> Vec<usize> {
    let mut random = u32::from(u16::from_be_bytes(seed)) + 1;
    let mut cuts = vec![];
    let mut at = 0;

    loop {
        // xorshift
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        at += (random % 33) as usize;
        if at > length {
            return cuts;
        }
        cuts.push(at);
    }
}

/// Places to cut `length` bytes at so that each one comes alone.
pub fn single_bytes(length: usize) -> Vec<usize> {
    (1..=length).collect()
}

/// As [`single_bytes`], but for what stands in the middle of a line that [`turns`] has
/// filled: it comes at once, or a run would look at little else.
pub fn turn_bytes(length: usize) -> Vec<usize> {
    let near_an_end = |at: &usize| *at < 64 || length - at < 64;
    (1..=length).filter(|at| length < MAX_LINE - 64 || near_an_end(at)).collect()
}

/// The lines that have ended, without their ends; nothing for one that is
/// longer than `limit`.
pub fn lines(bytes: &[u8], limit: usize) -> Vec<Option<&[u8]>> {
    bytes
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .map(|line| {
            let text = &line[..line.len() - 1];
            (line.len() <= limit).then(|| text.strip_suffix(b"\r").unwrap_or(text))
        })
        .collect()
}

/// What a backend sends at each of its turns: a line, and with it those behind it that
/// begin with `&`. The first `~` stands for so many letters that a line of them alone
/// is 16 bytes below the bound, and `fill` more, up to 31.
pub fn turns(bytes: &[u8], fill: u8) -> Vec<Vec<u8>> {
    let letters = MAX_LINE - 16 + usize::from(fill & 31);
    let filled: Vec<u8> = match bytes.iter().position(|&byte| byte == b'~') {
        Some(at) => [&bytes[..at], &vec![b'a'; letters], &bytes[at + 1..]].concat(),
        None => bytes.to_vec(),
    };

    let mut turns: Vec<Vec<u8>> = vec![];
    for line in filled.split_inclusive(|&byte| byte == b'\n') {
        match (line.strip_prefix(b"&"), turns.last_mut()) {
            (Some(behind), Some(turn)) => turn.extend_from_slice(behind),
            _ => turns.push(line.to_vec()),
        }
    }
    turns
}

/// Whether it is text that ends in its only CRLF, without another control character.
pub fn is_line(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\r\n").is_some_and(|text| !text.iter().any(u8::is_ascii_control))
}

/// Whether it is a line by which a backend goes on.
pub fn is_ok(bytes: &[u8]) -> bool {
    let separated = bytes.starts_with(b"+OK ") || bytes.starts_with(b"+OK\r\n");
    separated && bytes.len() <= MAX_LINE && is_line(bytes)
}

/// Whether `part` stands somewhere in `bytes`.
pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    (0..bytes.len()).any(|at| bytes[at..].starts_with(part))
}

/// Whether a login name may go to the auth server and into a log.
pub fn is_login(name: &[u8]) -> bool {
    !name.is_empty() && !name.iter().any(|&byte| byte < 0x20 || byte == 0x7f)
}

/// Whether a password may go to the auth server and the backend.
pub fn is_password(password: &[u8]) -> bool {
    !password.is_empty() && !password.iter().any(|byte| b"\r\n\0".contains(byte))
}

/// Whether it is what MD5 gives, as text.
pub fn is_digest(digest: &[u8]) -> bool {
    digest.len() == 32 && digest.iter().all(|byte| b"0123456789abcdefABCDEF".contains(byte))
}

/// Whether it has the form of a bearer token.
pub fn is_token(token: &[u8]) -> bool {
    let end = token.iter().position(|&byte| byte == b'=').unwrap_or(token.len());
    let (bare, padding) = token.split_at(end);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !bare.is_empty() && bare.iter().all(fits) && padding.iter().all(|&byte| byte == b'=')
}

/// The token in the credentials of HTTP.
pub fn authorization(value: &[u8]) -> Option<&[u8]> {
    let space = value.iter().position(|&byte| byte == b' ')?;
    let (scheme, spaced) = value.split_at(space);
    let spaces = spaced.iter().take_while(|&&byte| byte == b' ').count();
    let token = &spaced[spaces..];
    (scheme.to_ascii_lowercase() == b"bearer" && is_token(token)).then_some(token)
}

/// Panics if an action carries what must not leave the session.
pub fn assert_fit(noted: &Noted) {
    match noted {
        Noted::KeepLogin(name, _) => assert!(is_login(name), "{noted:?}"),
        Noted::Authenticate(method, login, secret) => {
            let secret_fits = match method {
                Method::User | Method::Plain | Method::Login => is_password(secret),
                Method::Apop | Method::CramMd5 => is_digest(secret),
                Method::External => secret.is_empty(),
                Method::Xoauth2 | Method::Oauthbearer => is_token(secret),
            };
            let login_fits = login.as_ref().is_none_or(|name| {
                is_login(name) || (*method == Method::External && name.is_empty())
            });
            assert!(secret_fits && login_fits, "{noted:?}");
        }
        Noted::Reply(_)
        | Noted::Capabilities
        | Noted::Mechanisms
        | Noted::Challenge
        | Noted::Refuse(_)
        | Noted::Refusal(_)
        | Noted::Close(_)
        | Noted::StartTls
        | Noted::Quit => {}
    }
}

/// Notes what the session has to make of a message.
pub fn note(result: Result<Credentials<'_>, Refusal>) -> Noted {
    result.map_or_else(Noted::Refuse, |credentials| Noted::from(&credentials))
}

/// Sends `messages` with AUTH in each way there is: the first one as initial
/// response or for a challenge, with and without padding. Gives what the
/// session makes of the last one.
///
/// # Panics
///
/// The ways differ.
pub fn auth(mechanism: Mechanism, messages: &[&[u8]]) -> Noted {
    let policy = Policy { max_line: usize::MAX, ..POLICY };
    let separators = match mechanism {
        // The server goes first.
        Mechanism::CramMd5 => &["\r\n"][..],
        _ => &["\r\n", " "],
    };
    let mut results = vec![];

    for engine in [STANDARD, STANDARD_NO_PAD] {
        for separator in separators {
            let mut texts = messages.iter().map(|message| engine.encode(message));
            let mut first = texts.next().unwrap_or_default();
            if *separator == " " && first.is_empty() {
                first.push('=');
            }

            let mut bytes = [b"AUTH ", mechanism.name(), separator.as_bytes()].concat();
            bytes.extend_from_slice(first.as_bytes());
            for text in texts {
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(text.as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");

            results.extend(play(&bytes, &[], &policy, false).pop());
        }
    }

    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
    results.remove(0)
}
