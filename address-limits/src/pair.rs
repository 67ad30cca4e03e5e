//! A login and what it was to be proven by, so that the same one again can be told.

use hmac::{HmacReset, KeyInit, Mac};
use md5::Md5;

/// Makes the number of a pair, by HMAC-MD5: nobody can try passwords on it without the key
/// of the block, which ends with it.
pub fn pair(key: [u64; 2], login: &[u8], secret: &[u8]) -> u64 {
    let mut padded = [0; 64];
    padded
        .iter_mut()
        .zip(key.map(u64::to_be_bytes).as_flattened())
        .for_each(|(to, from)| *to = *from);

    let mut hmac = HmacReset::<Md5>::new((&padded).into());
    // The length tells where the secret begins.
    hmac.update(&u64::try_from(login.len()).unwrap_or(u64::MAX).to_be_bytes());
    hmac.update(login);
    hmac.update(secret);
    // The state is wiped where it is: to be moved would leave the secret in its old place.
    let [a, b, c, d, e, f, g, h, ..]: [u8; 16] = hmac.finalize_reset().into_bytes().into();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
