//! What is said once in a while.

use core::cell::Cell;

use nginx_sys::{ngx_time, time_t};

use crate::conf::Conf;
use crate::error::NoMemory;
use crate::shared::Shared;

/// For how many seconds nothing more is said.
const SILENCE: time_t = 60;

/// When something was said last.
#[derive(Clone, Copy)]
pub struct Alert(Shared<Cell<time_t>>);

impl Alert {
    /// Whether it is to be said now, as it was not lately.
    pub fn is_due(&self) -> bool {
        let now = ngx_time();
        let due = now.saturating_sub(self.0.get()) >= SILENCE;
        if due {
            self.0.set(now);
        }
        due
    }
}

impl Conf<'_> {
    /// One of what was never said.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn alert(&mut self) -> Result<Alert, NoMemory> {
        self.share(Cell::new(0)).map(Alert)
    }
}
