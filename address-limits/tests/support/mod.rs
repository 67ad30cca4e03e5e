//! Blocks, and addresses in them.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

use address_limits::Address;

pub const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0x5851_f42d_4c95_7f2d];

/// How many words a block has with room for so many addresses.
pub fn words_for(addresses: usize) -> usize {
    3 + 512 + (addresses + 1) * 14
}

pub fn address(number: u8) -> Address {
    Address::v4([192, 0, 2, number])
}
