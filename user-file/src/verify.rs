//! What a client presents, held against a password. How long that takes tells of the lengths
//! of the two texts, and nothing else of them.

use ctutils::{Choice, CtEq};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::Text;

/// The bytes of an MD5, and those that it takes at once.
const MD5: usize = 16;
const BLOCK: usize = 64;

/// Whether a password is this one.
pub fn plain(text: Text<'_>, given: &[u8]) -> bool {
    let mut left = given;
    let mut same = Choice::from_u8_lsb(u8::from(text.len() == given.len()));
    text.expose(|piece| {
        let (head, behind) = left.split_at_checked(piece.len()).unwrap_or_default();
        same &= piece.ct_eq(head);
        left = behind;
    });
    same.to_bool()
}

/// Whether what crypt has made of a password is what is stored.
pub fn crypt(stored: &[u8], made: &[u8]) -> bool {
    stored.ct_eq(made).to_bool()
}

/// Whether a digest is that of the challenge and the password (RFC 1939, section 7). The
/// challenge has its angle brackets, and no CRLF. Digits are taken in any case.
pub fn apop(text: Text<'_>, challenge: &[u8], digest: &[u8]) -> bool {
    let mut md5 = Md5::new();
    md5.update(challenge);
    text.expose(|piece| md5.update(piece));
    is_digest(digest, &finish(&mut md5))
}

/// Whether a digest is that of the challenge with the password as key (RFC 2195, section
/// 2). Challenge and digits are as those of [`apop`].
pub fn cram_md5(text: Text<'_>, challenge: &[u8], digest: &[u8]) -> bool {
    let key = key_of(text);
    let mut hmac = Hmac::<Md5>::new((&*key).into());
    hmac.update(challenge);
    is_digest(digest, &hmac.finalize().into_bytes().into())
}

/// What HMAC makes of a key first (RFC 2104, section 2): it is filled with zeros, and one
/// that is longer is its digest.
fn key_of(text: Text<'_>) -> Zeroizing<[u8; BLOCK]> {
    let mut key = Zeroizing::new([0; BLOCK]);
    let mut places = key.iter_mut();
    let mut fill = |piece: &[u8]| piece.iter().zip(&mut places).for_each(|(from, to)| *to = *from);

    if text.len() > BLOCK {
        let mut md5 = Md5::new();
        text.expose(|piece| md5.update(piece));
        fill(&finish(&mut md5));
    } else {
        text.expose(fill);
    }
    key
}

/// Gives the digest. The state is wiped where it is: to be moved would leave the end of the
/// text in its old place.
fn finish(md5: &mut Md5) -> [u8; MD5] {
    md5.finalize_reset().into()
}

/// Whether it is this MD5, in hex digits.
fn is_digest(digits: &[u8], md5: &[u8; MD5]) -> bool {
    digest_of(digits).is_some_and(|digest| digest.ct_eq(md5).to_bool())
}

/// Takes the hex digits of an MD5. They are the client's own: no secret.
fn digest_of(digits: &[u8]) -> Option<[u8; MD5]> {
    let mut digest = [0; MD5];
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| value.try_into().ok());

    if digits.len() != MD5.saturating_mul(2) {
        return None;
    }
    for (place, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        let (high, low): (u8, u8) = (value(high)?, value(low)?);
        *place = (high << 4).wrapping_add(low);
    }
    Some(digest)
}
