//! Numbers that nobody can guess.

use core::ffi::c_int;

use nginx_sys::RAND_bytes;

/// Two random numbers, of which to make others (RAND_bytes()); two zeros if OpenSSL has none.
pub fn seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    // SAFETY: OpenSSL writes as many bytes as there are.
    unsafe { RAND_bytes(bytes.as_mut_ptr(), bytes.len() as c_int) };
    let numbers = u128::from_ne_bytes(bytes);
    [(numbers >> 64) as u64, numbers as u64]
}
