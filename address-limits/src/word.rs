//! Two numbers in a word of the block.

pub const fn join([high, low]: [u32; 2]) -> u64 {
    let [a, b, c, d] = high.to_be_bytes();
    let [e, f, g, h] = low.to_be_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub const fn split(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

/// Where in a slice it is; what no slice reaches has no place in any.
pub fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
