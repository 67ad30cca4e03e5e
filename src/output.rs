//! Replies gathered to be sent together.

/// Replies that wait for one send.
pub struct Output<'a> {
    memory: &'a mut [u8],
    length: usize,
}

impl<'a> Output<'a> {
    /// Gathers in `memory`, whose size is the bound.
    pub const fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, length: 0 }
    }

    /// How many bytes there is room for.
    pub const fn room(&self) -> usize {
        self.memory.len().saturating_sub(self.length)
    }

    /// Adds bytes; those that there is no room for are lost, so ask
    /// [`Output::room`] first.
    pub fn push(&mut self, bytes: &[u8]) {
        let free = self.memory.get_mut(self.length..).unwrap_or_default();
        let length = bytes.len().min(free.len());

        if let (Some(to), Some(from)) = (free.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
            self.length = self.length.saturating_add(length);
        }
    }

    /// What has been gathered.
    pub fn bytes(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }

    /// Forgets what has been gathered.
    pub const fn clear(&mut self) {
        self.length = 0;
    }
}
