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

/// Where a group is decoded or encoded. A password goes through it: it is not to stay
/// on the stack.
struct Group {
    text: [u8; TEXT],
    bytes: [u8; BYTES],
}

impl Group {
    const EMPTY: Self = Self { text: [ZERO; TEXT], bytes: [0; BYTES] };

    /// Decodes the head of a text without padding; nothing if it is wrong.
    fn decode(&mut self, text: &[u8]) -> Option<&[u8]> {
        let count = bytes_of(fill(&mut self.text, text, ZERO));
        if !decode_group(&self.text, &mut self.bytes) {
            return None;
        }

        let (decoded, behind) = self.bytes.split_at_checked(count)?;
        // Bits of a last character that are no part of a byte.
        behind.first().is_none_or(|&bits| bits == 0).then_some(decoded)
    }
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
    let mut group = Group::EMPTY;
    let mut at = 0_usize;
    let mut length = 0_usize;

    // What is decoded is shorter than its text, so it never reaches the text
    // that follows.
    while at < characters {
        let rest = text.get(at..characters).unwrap_or_default();
        let decoded = group.decode(rest).ok_or(Refusal::InvalidBase64)?;
        let place = text.get_mut(length..).and_then(|place| place.get_mut(..decoded.len()));
        place.ok_or(Refusal::InvalidBase64)?.copy_from_slice(decoded);
        at = at.wrapping_add(TEXT);
        length = length.wrapping_add(decoded.len());
    }

    text.get_mut(..length).ok_or(Refusal::InvalidBase64)
}

/// Whether it is a text that [`decode`] takes.
pub fn is_valid(text: &[u8]) -> bool {
    let mut group = Group::EMPTY;
    without_padding(text)
        .is_some_and(|bare| bare.chunks(TEXT).all(|chunk| group.decode(chunk).is_some()))
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
pub fn encode(bytes: &[u8], put: impl FnMut(&[u8])) {
    let mut encoder = Encoder::new(put);
    encoder.write(bytes);
    encoder.finish();
}

/// Writes the base64 of what comes piece by piece.
pub struct Encoder<P> {
    put: P,
    group: Group,
    /// How many of the group's bytes there are; the rest is zero.
    length: usize,
}

impl<P: FnMut(&[u8])> Encoder<P> {
    /// Writes to `put`.
    pub const fn new(put: P) -> Self {
        Self { put, group: Group::EMPTY, length: 0 }
    }

    /// Takes a piece.
    pub fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.group.bytes.get_mut(self.length) {
                *place = byte;
                self.length = self.length.wrapping_add(1);
            }
            if self.length >= BYTES {
                self.flush();
            }
        }
    }

    /// Writes the end.
    pub fn finish(mut self) {
        let padding: &[u8] = match self.length % 3 {
            1 => b"==",
            2 => b"=",
            _ => b"",
        };
        self.flush();
        (self.put)(padding);
    }

    fn flush(&mut self) {
        encode_group(&self.group.bytes, &mut self.group.text);
        (self.put)(self.group.text.get(..characters_of(self.length)).unwrap_or_default());
        self.group.bytes.fill(0);
        self.length = 0;
    }
}

/// How many characters so many bytes are, with padding.
pub const fn encoded_length(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
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
        let valid = is_valid(text.as_bytes());
        let mut text = text.as_bytes().to_vec();
        let decoded = decode(&mut text).map(|bytes| bytes.to_vec());
        assert_eq!(valid, decoded.is_ok());
        decoded
    }

    #[test]
    fn rfc_4648_vectors() {
        for (bytes, text) in VECTORS {
            let mut encoded = Vec::new();
            encode(bytes.as_bytes(), |piece| encoded.extend_from_slice(piece));
            assert_eq!(encoded, text.as_bytes());
            assert_eq!(encoded_length(bytes.len()), text.len());
            assert_eq!(decoded(text), Ok(bytes.as_bytes().to_vec()));
        }
    }

    #[test]
    fn pieces_of_any_length() {
        let bytes: Vec<u8> = (0..100).map(|at: u8| at.wrapping_mul(89)).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let mut expected = std::vec![0; encoded_length(length)];
            assert_eq!(STANDARD.encode_slice(bytes, &mut expected), Ok(expected.len()));
            for size in [1, 2, 3, 7, 23, 24, 25, 100] {
                let mut encoded = Vec::new();
                let mut encoder = Encoder::new(|piece: &[u8]| encoded.extend_from_slice(piece));
                bytes.chunks(size).for_each(|piece| encoder.write(piece));
                encoder.finish();
                assert_eq!(encoded, expected, "{length} in pieces of {size}");
            }
        }
    }

    #[test]
    fn an_error_is_found_in_every_group() {
        let text = "QUJD".repeat(20);
        for at in 0..text.len() {
            let mut wrong = text.clone();
            wrong.replace_range(at..=at, "-");
            assert_eq!(decoded(&wrong), Err(Refusal::InvalidBase64), "{at}");
        }
        assert_eq!(decoded(&text), Ok(b"ABC".repeat(20)));
        assert_eq!(decoded(&(text + "Zh")), Err(Refusal::InvalidBase64));
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
