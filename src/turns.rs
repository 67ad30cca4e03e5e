//! Which address is tried next.

/// All addresses of a server in turn, from one of them on.
pub struct Turns {
    first: usize,
    tried: usize,
}

impl Turns {
    /// Begins with this one.
    pub const fn new(first: usize) -> Self {
        Self { first, tried: 0 }
    }

    /// The index of the next one, of so many, and how many are left with it; it begins anew
    /// behind the last one.
    pub fn next(&mut self, count: usize) -> Option<(usize, usize)> {
        let left = count.checked_sub(self.tried).filter(|&left| left > 0)?;
        let index = self.first.wrapping_add(self.tried);
        self.tried = self.tried.saturating_add(1);

        Some((index, left))
    }
}
