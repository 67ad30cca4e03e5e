//! base64 (RFC 4648, section 4) as programs write it: with its padding, and no bits that
//! are part of no byte. How long decoding takes tells of a text no more than its length.

use core::iter::repeat;

use ctutils::{CtLt, CtSelect};
use zeroize::Zeroizing;

/// Characters that follow each other: the first, how many, and what the first stands for.
const RANGES: [(u8, u8, u8); 5] =
    [(b'A', 26, 0), (b'a', 26, 26), (b'0', 10, 52), (b'+', 1, 62), (b'/', 1, 63)];

/// What no character stands for.
const NONE: u8 = 0xff;

/// Decodes a text, at most three bytes at a time; gives whether it is right. What is wrong
/// may be found when a part of it was taken.
pub fn decode(text: &[u8], mut take: impl FnMut(&[u8])) -> bool {
    let bare = without_padding(text);
    let right = text.len() % 4 == 0 && text.len().saturating_sub(bare.len()) <= 2;

    right && bare.chunks(4).all(|quad| decode_quad(quad, &mut take))
}

/// How many bytes a right text has.
pub const fn decoded_length(text: &[u8]) -> usize {
    bytes_of(without_padding(text))
}

/// How many whole bytes there are in characters of six bits each.
const fn bytes_of(bare: &[u8]) -> usize {
    bare.len().saturating_mul(6) / 8
}

const fn without_padding(mut text: &[u8]) -> &[u8] {
    while let [bare @ .., b'='] = text {
        text = bare;
    }
    text
}

/// Decodes two to four characters.
fn decode_quad(quad: &[u8], take: &mut impl FnMut(&[u8])) -> bool {
    let mut bits = 0_u32;
    let mut wrong = 0;
    for value in quad.iter().map(|&character| value_of(character)).chain(repeat(0)).take(4) {
        wrong |= value & !0x3f;
        bits = bits.wrapping_mul(64).wrapping_add(value.into());
    }

    let bytes = Zeroizing::new(bits.to_be_bytes());
    let bytes = bytes.get(1..).unwrap_or_default();
    let (decoded, behind) = bytes.split_at_checked(bytes_of(quad)).unwrap_or_default();
    let right = wrong == 0 && behind.iter().all(|&bits| bits == 0);
    if right {
        take(decoded);
    }
    right
}

/// What a character stands for.
fn value_of(character: u8) -> u8 {
    RANGES.iter().fold(NONE, |value, &(first, count, stands_for)| {
        let at = character.wrapping_sub(first);
        value.ct_select(&stands_for.wrapping_add(at), at.ct_lt(&count))
    })
}
