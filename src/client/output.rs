//! Replies gathered to be sent together.

use ngx_mail::scratch::OUTPUT;

/// A bound on the length of a reply, in bytes.
pub const LONGEST_REPLY: usize = 8 * 1024;

/// Replies that wait for one send.
pub struct Output<'a> {
    memory: &'a mut [u8; OUTPUT],
    length: usize,
}

impl<'a> Output<'a> {
    /// Gathers replies in `memory`.
    pub const fn new(memory: &'a mut [u8; OUTPUT]) -> Self {
        Self { memory, length: 0 }
    }

    /// Whether there may be no room for another reply.
    pub const fn is_full(&self) -> bool {
        self.length > OUTPUT - LONGEST_REPLY
    }

    /// Adds bytes. They are lost if there is no room for them all, so ask
    /// [`Output::is_full`] first.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(free) = self.memory.get_mut(self.length..) else { return };

        if let Some(room) = free.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.length = self.length.wrapping_add(bytes.len());
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
