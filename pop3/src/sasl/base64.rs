//! base64 (RFC 4648) as clients send it: padding may be missing, anything
//! else must be right.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Refusal;

/// Three bytes are four characters. Groups of a size that the compiler knows
/// let it see that the `base64` crate's bounds checks hold: none is left to
/// panic.
const BYTES: usize = 3;
const TEXT: usize = 4;

/// Decodes a text where it stands: the result is the head of the same memory,
/// so that a line of any length needs no second buffer.
///
/// # Errors
///
/// [`Refusal::InvalidBase64`]
pub fn decode(text: &mut [u8]) -> Result<&mut [u8], Refusal> {
    let mut length = 0_usize;
    let mut at = 0_usize;
    let mut complete = true;

    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if !complete {
            return Err(Refusal::InvalidBase64);
        }
        let mut group = [b'='; TEXT];
        for (to, from) in group.iter_mut().zip(rest) {
            *to = *from;
        }
        let mut bytes = [0; BYTES];
        let decoded =
            STANDARD.decode_slice(group, &mut bytes).map_err(|_| Refusal::InvalidBase64)?;

        complete = decoded == BYTES;
        at = at.saturating_add(TEXT);
        for byte in bytes.iter().take(decoded) {
            if let Some(to) = text.get_mut(length) {
                *to = *byte;
                length = length.saturating_add(1);
            }
        }
    }

    text.get_mut(..length).ok_or(Refusal::InvalidBase64)
}

/// Writes the base64 of `bytes`, piece by piece.
pub fn encode(bytes: &[u8], mut put: impl FnMut(&[u8])) {
    for group in bytes.chunks(BYTES) {
        match *group {
            [a] => encode_group([a], &mut put),
            [a, b] => encode_group([a, b], &mut put),
            [a, b, c] => encode_group([a, b, c], &mut put),
            _ => {}
        }
    }
}

fn encode_group<const N: usize>(bytes: [u8; N], put: &mut impl FnMut(&[u8])) {
    let mut text = [0; TEXT];

    if STANDARD.encode_slice(bytes, &mut text).is_ok() {
        put(&text);
    }
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
