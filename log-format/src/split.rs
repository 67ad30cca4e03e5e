//! Where a text is cut.

/// What is before the first byte that is an end, and that with all behind it.
pub fn split_at_first(text: &[u8], is_end: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(is_end).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, b""))
}
