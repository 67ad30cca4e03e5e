//! The lines are those that a plain search finds, however the input is cut,
//! and less than the limit is held.
//!
//! Input: limit - 1, two bytes that choose the cuts, the lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::line::{Line, Lines};
use pop3_fuzz::{cuts, lines, single_bytes};

fuzz_target!(|data: &[u8]| {
    let Some(([limit, seed @ ..], bytes)) = data.split_first_chunk::<3>() else { return };
    let limit = usize::from(*limit) + 1;
    let expected: Vec<_> =
        lines(bytes, limit).into_iter().map(|line| line.map(<[u8]>::to_vec)).collect();

    for cuts in [vec![], cuts(*seed, bytes.len()), single_bytes(bytes.len())] {
        assert_eq!(split(bytes, &cuts, limit), expected, "cuts: {cuts:?}");
    }
});

fn split(bytes: &[u8], cuts: &[usize], limit: usize) -> Vec<Option<Vec<u8>>> {
    let mut lines = Lines::default();
    let mut held = vec![];
    let mut found = vec![];
    let mut from = 0;

    for &to in cuts.iter().chain([&bytes.len()]) {
        held.extend_from_slice(&bytes[from..to]);
        from = to;

        while let (line, taken @ 1..) = lines.next(&mut held, limit) {
            found.extend(line.map(|line| match line {
                Line::Text(text) => Some(text.to_vec()),
                Line::TooLong => None,
            }));
            held.drain(..taken);
        }
        assert!(held.len() < limit, "{} bytes held", held.len());
    }

    found
}
