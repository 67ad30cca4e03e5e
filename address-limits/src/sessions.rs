//! Who has a session at which place: a slot for each session, so that those of a process
//! that is no more can be found.
//!
//! A slot is the number of its owner and that of the place. One that is free is 0 and the
//! number of the next free one; slot 0 has the first of these.

use core::ops::Range;

use crate::Owner;
use crate::word::{index, join, split};

/// A session that is counted: the number of its slot. It is to be ended by who began it,
/// once.
#[derive(Debug, PartialEq, Eq)]
pub struct Session(u32);

pub struct Sessions<'a> {
    slots: &'a mut [u64],
}

impl<'a> Sessions<'a> {
    /// Takes slots, fewer than a number of 32 bits can tell.
    pub const fn new(slots: &'a mut [u64]) -> Self {
        Self { slots }
    }

    /// Whether there is a free slot.
    pub fn has_room(&self) -> bool {
        self.first_free().is_some()
    }

    pub fn begin(&mut self, owner: Owner, place: u32) -> Option<Session> {
        let (slot, next) = self.first_free()?;
        self.set(0, [0, next]);
        self.set(slot, [owner.number(), place]);
        Some(Session(slot))
    }

    /// Gives the place, if it is the owner's.
    pub fn end(&mut self, Session(slot): Session, owner: Owner) -> Option<u32> {
        let [held_by, place] = self.get(slot);
        if held_by != owner.number() {
            return None;
        }
        self.free(slot);
        Some(place)
    }

    /// What each slot may be: [`end`](Self::end) tells whose it is.
    pub fn all(&self) -> impl Iterator<Item = Session> + use<> {
        self.numbers().map(Session)
    }

    /// Asks for each slot, whatever is in it, where the session is that has this owner and
    /// place: if nowhere, the slot is free.
    pub fn retain(&mut self, mut place_of: impl FnMut(u32, u32) -> Option<u32>) {
        self.set(0, [0, 0]);
        for slot in self.numbers() {
            let [owner, place] = self.get(slot);
            match place_of(owner, place) {
                Some(place) => self.set(slot, [owner, place]),
                None => self.free(slot),
            }
        }
    }

    fn free(&mut self, slot: u32) {
        let [_, next] = self.get(0);
        self.set(slot, [0, next]);
        self.set(0, [0, slot]);
    }

    fn numbers(&self) -> Range<u32> {
        1..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// The first free slot, and the next one. If somebody has it, the list is half done.
    fn first_free(&self) -> Option<(u32, u32)> {
        let [_, slot] = self.get(0);
        let [owner, next] = self.get(slot);
        (slot != 0 && owner == 0).then_some((slot, next))
    }

    fn get(&self, slot: u32) -> [u32; 2] {
        self.slots.get(index(slot)).copied().map(split).unwrap_or_default()
    }

    fn set(&mut self, slot: u32, numbers: [u32; 2]) {
        if let Some(word) = self.slots.get_mut(index(slot)) {
            *word = join(numbers);
        }
    }
}
