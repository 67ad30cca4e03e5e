//! What is kept of a login at a backend while it is under way.

use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;
use pop3::backend::{Dialogue, MAX_LINE, Options};

use crate::turns::Turns;

/// Room for the line of a backend in bytes: few need more.
const LINE: usize = 256;

/// Room for the longest, and for one byte behind it.
const ROOM: usize = MAX_LINE + 1;

/// What is kept of a login at a backend while it is under way.
pub struct State {
    /// Where it stands.
    pub dialogue: Dialogue,
    /// What the backend has sent in its turn.
    pub input: Bytes,
    /// What the backend has said of a token that it refuses, in base64.
    pub challenge: Option<Bytes>,
    /// Which place of the configuration it is at, if that has several.
    pub place: Option<usize>,
    options: Options,
    turns: Turns,
}

impl State {
    /// Begins one that is to try the addresses from `first` on.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(options: Options, first: usize, place: Option<usize>) -> Result<Self, NoMemory> {
        Ok(Self {
            dialogue: Dialogue::new(options),
            input: Bytes::with_capacity(LINE)?,
            challenge: None,
            place,
            options,
            turns: Turns::new(first),
        })
    }

    /// The index of the next address to be tried, of so many, and how many are left with
    /// it. There the login begins anew.
    pub fn next_address(&mut self, count: usize) -> Option<(usize, usize)> {
        let next = self.turns.next(count)?;
        self.dialogue = Dialogue::new(self.options);
        self.input.clear();

        Some(next)
    }

    /// Makes room for more of a line, up to one byte more than that can have.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn make_room(&mut self) -> Result<(), NoMemory> {
        self.input.make_room(ROOM)
    }

    /// Whether there can be more room than there is.
    pub const fn can_grow(&self) -> bool {
        self.input.capacity() < ROOM
    }
}
