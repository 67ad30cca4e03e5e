//! Numbers in decimal.

/// Gives out a number.
pub fn decimal(number: u64, put: &mut dyn FnMut(&[u8])) {
    let digits: [u8; 20] = last_digits(number);
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    match digits.get(zeros..) {
        Some(digits @ [_, ..]) => put(digits),
        _ => put(b"0"),
    }
}

/// Gives out milliseconds as seconds: `1.234`.
pub fn seconds(milliseconds: u64, put: &mut dyn FnMut(&[u8])) {
    let fraction: [u8; 3] = last_digits(milliseconds);
    decimal(milliseconds / 1000, put);
    put(b".");
    put(&fraction);
}

fn last_digits<const COUNT: usize>(mut number: u64) -> [u8; COUNT] {
    let mut digits = [b'0'; COUNT];
    for digit in digits.iter_mut().rev() {
        *digit = digit.wrapping_add((number % 10) as u8);
        number /= 10;
    }
    digits
}
