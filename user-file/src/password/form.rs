//! The forms of passwords that crypt checks.

use crate::{Unfit, base64};

/// How many rounds a hash may have. Crypt takes some milliseconds for them, in which a
/// worker does nothing else.
pub const MAX_ROUNDS: u32 = 20_000;

/// The fewest that there can be, and how many there are where a hash does not tell.
const MIN_ROUNDS: u32 = 1000;
const DEFAULT_ROUNDS: u32 = 5000;

/// The bytes of a SHA-1.
const SHA1: usize = 20;

/// What would keep a worker from its sessions for long.
const SLOW: [(&[u8], Unfit); 4] = [
    // With a letter for the version.
    (b"$2", Unfit::Bcrypt),
    (b"$y$", Unfit::Yescrypt),
    (b"$gy$", Unfit::Yescrypt),
    (b"$7$", Unfit::Scrypt),
];

/// The form of a password that crypt checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{SHA}`
    Sha,
    /// `{SSHA}`
    Ssha,
    /// `$apr1$`
    Apr1,
    /// `$1$`
    Md5,
    /// `$5$`
    Sha256 {
        /// 1000 to [`MAX_ROUNDS`].
        rounds: u32,
    },
    /// `$6$`
    Sha512 {
        /// 1000 to [`MAX_ROUNDS`].
        rounds: u32,
    },
}

impl Form {
    /// That of a password field with another form than a text in clear.
    pub(super) fn of(field: &[u8]) -> Result<Self, Unfit> {
        let behind = |prefix: &[u8]| field.strip_prefix(prefix);
        if let Some(encoded) = behind(b"{SHA}") {
            let fits = decoded_length(encoded) == Some(SHA1);
            fits.then_some(Self::Sha).ok_or(Unfit::Sha)
        } else if let Some(encoded) = behind(b"{SSHA}") {
            let fits = decoded_length(encoded) >= Some(SHA1);
            fits.then_some(Self::Ssha).ok_or(Unfit::Ssha)
        } else if let Some(text) = behind(b"$apr1$") {
            salted(text, Self::Apr1, 8, 22)
        } else if let Some(text) = behind(b"$1$") {
            salted(text, Self::Md5, 8, 22)
        } else if let Some(text) = behind(b"$5$") {
            let (rounds, text) = rounds_of(text)?;
            salted(text, Self::Sha256 { rounds }, 16, 43)
        } else if let Some(text) = behind(b"$6$") {
            let (rounds, text) = rounds_of(text)?;
            salted(text, Self::Sha512 { rounds }, 16, 86)
        } else {
            Err(unknown(field))
        }
    }

    /// How many rounds crypt makes, if it takes its time.
    pub const fn rounds(self) -> Option<u32> {
        match self {
            Self::Sha | Self::Ssha => None,
            // Of MD5.
            Self::Apr1 | Self::Md5 => Some(1000),
            Self::Sha256 { rounds } | Self::Sha512 { rounds } => Some(rounds),
        }
    }
}

/// Why a field has none of the forms.
fn unknown(field: &[u8]) -> Unfit {
    let slow = SLOW.iter().find(|(prefix, _)| field.starts_with(prefix));
    match (slow, field) {
        (Some((_, unfit)), _) => *unfit,
        (None, [b'$', ..]) => Unfit::Hash,
        (None, [b'{', ..]) => Unfit::Scheme,
        _ => Unfit::NoPrefix,
    }
}

/// How many bytes there are in base64.
fn decoded_length(encoded: &[u8]) -> Option<usize> {
    base64::decode(encoded, |_| ()).then(|| base64::decoded_length(encoded))
}

/// Takes `rounds=N$` off, if a text begins with it.
fn rounds_of(text: &[u8]) -> Result<(u32, &[u8]), Unfit> {
    let Some(behind) = text.strip_prefix(b"rounds=") else {
        return Ok((DEFAULT_ROUNDS, text));
    };
    let end = behind.iter().position(|&byte| byte == b'$').ok_or(Unfit::Crypt)?;
    let (digits, behind) = behind.split_at_checked(end).ok_or(Unfit::Crypt)?;
    let rounds = number(digits).ok_or(Unfit::Crypt)?;
    if rounds > MAX_ROUNDS {
        return Err(Unfit::Rounds);
    }
    // Crypt takes fewer for an error, or for as many as these.
    if rounds < MIN_ROUNDS {
        return Err(Unfit::Crypt);
    }

    Ok((rounds, behind.get(1..).unwrap_or_default()))
}

/// Takes a number as crypt does, without a zero before it. One that is too large is the
/// largest.
fn number(digits: &[u8]) -> Option<u32> {
    if matches!(digits, [] | [b'0', ..]) {
        return None;
    }

    digits.iter().try_fold(0_u32, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

/// Looks whether `salt$hash` can be what crypt makes.
fn salted(text: &[u8], form: Form, max_salt: usize, length: usize) -> Result<Form, Unfit> {
    let mut parts = text.split(|&byte| byte == b'$');
    let (Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Unfit::Crypt);
    };
    // All of them, without a branch: the compiler takes many at once.
    let is_hash = |fits, byte: &u8| fits & matches!(byte, b'.'..=b'9' | b'A'..=b'Z' | b'a'..=b'z');
    // Others libxcrypt does not take.
    let is_salt = |byte: &u8| byte.is_ascii_graphic() && !b"!*:;\\".contains(byte);
    let fits = salt.len() <= max_salt
        && salt.iter().all(is_salt)
        && hash.len() == length
        && hash.iter().fold(true, is_hash);

    fits.then_some(form).ok_or(Unfit::Crypt)
}
