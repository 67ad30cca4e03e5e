//! The classes of a file's hashes: those of one class take as long to be checked. A password
//! that is refused is held against one of each class, so that the time which that takes is
//! the same for all logins. Salts of another length count as the same class.

use core::ops::Range;

use crate::{Form, Unfit};

/// How many classes a file may have.
pub const MAX_CLASSES: usize = 8;

/// How many rounds all classes may have together: a worker does nothing else meanwhile.
pub const MAX_ROUNDS: u32 = 30_000;

/// The classes of a file.
#[derive(Clone, Default)]
pub struct Classes {
    /// Each has the first hash of its class; they are in order, with nothing between them.
    samples: [Option<Sample>; MAX_CLASSES],
}

/// One hash of a class.
#[derive(Clone)]
pub struct Sample {
    /// The class.
    pub form: Form,
    /// The number of its line.
    pub line: usize,
    /// Where the hash stands in the file.
    pub place: Range<usize>,
}

impl Classes {
    /// Takes the hash of the next line into account.
    ///
    /// # Errors
    ///
    /// The file has too many classes with it, or classes that take too long together.
    pub fn add(&mut self, sample: Sample) -> Result<(), Unfit> {
        if self.iter().any(|other| other.form == sample.form) {
            return Ok(());
        }
        let rounds = |form: Form| form.rounds().unwrap_or(0);
        let all = self.iter().map(|other| rounds(other.form)).sum::<u32>();
        if all.saturating_add(rounds(sample.form)) > MAX_ROUNDS {
            return Err(Unfit::ManyRounds);
        }
        let free = self.samples.iter_mut().find(|place| place.is_none());
        *free.ok_or(Unfit::ManyClasses)? = Some(sample);
        Ok(())
    }

    /// One hash of each class.
    pub fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().flatten()
    }
}
