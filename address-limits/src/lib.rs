//! What the addresses of clients have: how many sessions, and how many failed logins. It is
//! in a block of memory that several processes share.
//!
//! [`Limits`] is the block while a process has its lock. Whoever ends in the midst of a
//! change leaves it half done: until [`Limits::reclaim_dead`] makes all anew of what the
//! living have, it may count wrong, but each call ends, and none goes astray. There is no
//! pointer in the block. Nothing here allocates or panics.
//!
//! A call takes the same time however many addresses there are, but those that begin and end
//! a process, which look at all of the block.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod address;
mod failures;
mod limits;
mod owners;
mod pair;
mod place;
mod places;
mod sessions;
mod word;

pub use address::Address;
pub use failures::{Attempt, FORGOTTEN_AFTER};
pub use limits::{Entered, Limits};
pub use owners::{MAX_OWNERS, Owner};
pub use pair::pair;
pub use sessions::Session;
