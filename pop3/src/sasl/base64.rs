//! base64 (RFC 4648) as clients send it: padding may be missing, anything
//! else must be right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

use crate::Refusal;

/// So many bytes are so many characters. Groups of a size that the compiler
/// knows let it see that the `base64` crate's bounds checks hold: none is left
/// to panic.
const BYTES: usize = 24;
const TEXT: usize = 32;

/// The character for six zero bits.
const ZERO: u8 = b'A';

/// Where a group is decoded. A password goes through it: it is not to stay on the
/// stack.
struct Group {
    text: [u8; TEXT],
    bytes: [u8; BYTES],
}

impl Drop for Group {
    fn drop(&mut self) {
        // Of an array, it would wipe byte by byte.
        self.text.as_mut_slice().zeroize();
        self.bytes.as_mut_slice().zeroize();
    }
}

/// Decodes a text where it stands: the result is the head of the same memory,
/// so that a line of any length needs no second buffer.
///
/// # Errors
///
/// [`Refusal::InvalidBase64`]
pub fn decode(text: &mut [u8]) -> Result<&mut [u8], Refusal> {
    let characters = without_padding(text).ok_or(Refusal::InvalidBase64)?.len();
    let mut group = Group { text: [ZERO; TEXT], bytes: [0; BYTES] };
    let mut at = 0_usize;
    let mut length = 0_usize;

    // What is decoded is shorter than its text, so it never reaches the text
    // that follows.
    while at < characters {
        let rest = text.get(at..characters).unwrap_or_default();
        let count = bytes_of(fill(&mut group.text, rest, ZERO));
        if !decode_group(&group.text, &mut group.bytes) {
            return Err(Refusal::InvalidBase64);
        }

        let (decoded, behind) = group.bytes.split_at_checked(count).unwrap_or_default();
        // Bits of a last character that are no part of a byte.
        if behind.first().is_some_and(|&bits| bits != 0) {
            return Err(Refusal::InvalidBase64);
        }
        let place = text.get_mut(length..).and_then(|place| place.get_mut(..count));
        place.ok_or(Refusal::InvalidBase64)?.copy_from_slice(decoded);
        at = at.wrapping_add(TEXT);
        length = length.wrapping_add(count);
    }

    text.get_mut(..length).ok_or(Refusal::InvalidBase64)
}

/// Decodes a group; gives whether it was right. A function of its own, where
/// the compiler sees the sizes.
#[inline(never)]
fn decode_group(text: &[u8; TEXT], bytes: &mut [u8; BYTES]) -> bool {
    STANDARD.decode_slice(text, bytes) == Ok(BYTES)
}

/// Fills a group with the head of `source`, and with `rest` where that is
/// shorter; gives how much it took.
fn fill<const N: usize>(group: &mut [u8; N], source: &[u8], rest: u8) -> usize {
    if let Some(whole) = source.first_chunk() {
        *group = *whole;
        return N;
    }

    group.fill(rest);
    if let Some(head) = group.get_mut(..source.len()) {
        head.copy_from_slice(source);
    }
    source.len()
}

/// How many whole bytes there are in so many characters, of six bits each.
const fn bytes_of(characters: usize) -> usize {
    characters.saturating_mul(6) / 8
}

/// How many characters so many bytes need, without padding.
const fn characters_of(bytes: usize) -> usize {
    bytes.saturating_mul(8).div_ceil(6)
}

/// Takes the padding off, if there is a right amount of it or none.
fn without_padding(text: &[u8]) -> Option<&[u8]> {
    let bare = match text {
        [bare @ .., b'=', b'='] | [bare @ .., b'='] => bare,
        bare => bare,
    };
    let padding = text.len().wrapping_sub(bare.len());
    let missing = bare.len().wrapping_neg() % 4;

    // Six bits are no byte.
    (missing != 3 && padding <= missing).then_some(bare)
}

/// Writes the base64 of `bytes`, piece by piece.
pub fn encode(bytes: &[u8], mut put: impl FnMut(&[u8])) {
    let mut group = [0; BYTES];
    let mut text = [0; TEXT];

    for rest in bytes.chunks(BYTES) {
        let characters = characters_of(fill(&mut group, rest, 0));
        encode_group(&group, &mut text);
        put(text.get(..characters).unwrap_or_default());
    }

    put(match bytes.len() % 3 {
        1 => b"==",
        2 => b"=",
        _ => b"",
    });
}

/// Encodes a group. A function of its own, as [`decode_group`] is.
#[inline(never)]
fn encode_group(bytes: &[u8; BYTES], text: &mut [u8; TEXT]) {
    // It fails for want of room only.
    let _ = STANDARD.encode_slice(bytes, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// RFC 4648, section 10.
    const VECTORS: [(&str, &str); 7] = [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ];

    fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
        let mut text = text.as_bytes().to_vec();
        decode(&mut text).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in VECTORS {
            let mut encoded = Vec::new();
            encode(bytes.as_bytes(), |piece| encoded.extend_from_slice(piece));
            assert_eq!(encoded, text.as_bytes());
            assert_eq!(decoded(text), Ok(bytes.as_bytes().to_vec()));
        }
    }

    #[test]
    fn quirk_missing_padding() {
        for (bytes, text) in VECTORS {
            let text = text.trim_end_matches('=');
            assert_eq!(decoded(text), Ok(bytes.as_bytes().to_vec()), "{text}");
        }
        assert_eq!(decoded("Zg="), Ok(b"f".to_vec()));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "=",
            "==",
            "====",
            "Z",
            "Z===",
            "Zm9vY",
            "Zg==Zg==",
            "Zm8=Zm8=",
            "Zg==Zm9v",
            "Zm9v=",
            "Zm9v====",
            "Zm 9v",
            " Zm9v",
            "Zm9v ",
            "Zm9v\r",
            "Zm9v\0",
            "Zm_-",
            "Zm9\u{e9}",
            "Zh==",
            "Zm9=",
        ] {
            assert_eq!(decoded(text), Err(Refusal::InvalidBase64), "{text:?}");
        }
    }
}
