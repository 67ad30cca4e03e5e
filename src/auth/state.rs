//! What is kept while an auth server is asked.

use auth_http::reply::MAX_HEAD;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;

/// Room for a reply in bytes: few need more.
const REPLY: usize = 1024;

/// What is kept while an auth server is asked.
pub struct State {
    /// The request.
    pub request: Bytes,
    /// How much of it has been sent.
    pub sent: usize,
    /// What has come of the reply.
    pub reply: Bytes,
    /// Whether the connection has been used before.
    pub kept: bool,
    /// The address to begin with, and how many have been tried.
    first: usize,
    tried: usize,
}

impl State {
    /// Begins with a connection that has been used before, if one is kept, and else with
    /// the addresses from `first` on.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(request: Bytes, kept: bool, first: usize) -> Result<Self, NoMemory> {
        let reply = Bytes::with_capacity(REPLY)?;
        Ok(Self { request, sent: 0, reply, kept, first, tried: 0 })
    }

    /// The index of the next address to be tried, of so many, by a new connection.
    pub fn next_address(&mut self, count: usize) -> Option<usize> {
        if self.tried >= count {
            return None;
        }
        let index = self.first.wrapping_add(self.tried);
        self.tried = self.tried.saturating_add(1);
        self.kept = false;
        self.sent = 0;
        self.reply.clear();

        Some(index)
    }

    /// What is still to be sent.
    pub fn unsent(&self) -> &[u8] {
        self.request.as_slice().get(self.sent..).unwrap_or_default()
    }

    /// Makes room for more of a reply, up to what its head may have.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn make_room(&mut self) -> Result<(), NoMemory> {
        if self.reply.room().is_empty() && self.reply.capacity() < MAX_HEAD {
            let mut larger = Bytes::with_capacity(MAX_HEAD)?;
            larger.append(self.reply.as_slice())?;
            self.reply = larger;
        }
        Ok(())
    }
}
