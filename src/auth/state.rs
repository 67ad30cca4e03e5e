//! What is kept while an auth server is asked.

use auth_http::reply::MAX_HEAD;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;

use crate::turns::Turns;

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
    turns: Turns,
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
        Ok(Self { request, sent: 0, reply, kept, turns: Turns::new(first) })
    }

    /// The index of the next address to be tried, of so many, and how many are left with
    /// it. It is by a new connection.
    pub fn next_address(&mut self, count: usize) -> Option<(usize, usize)> {
        let next = self.turns.next(count)?;
        self.kept = false;
        self.sent = 0;
        self.reply.clear();

        Some(next)
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
        self.reply.make_room(MAX_HEAD)
    }
}
