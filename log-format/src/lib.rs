//! A format of log lines, as an operator writes it, and a session's line in it, without
//! I/O.
//!
//! [`segments`] tells what a format's text says, or what is wrong with it. [`write_line`]
//! makes a line of that and of a session's [`Values`], which [`Escape`] keeps within their
//! places, and `longest_line` says how long one can be. Nothing here allocates or panics.

#![no_std]
#![forbid(unsafe_code)]

pub mod number;

mod escape;
mod line;
mod segment;
mod split;
mod variable;

pub use escape::Escape;
pub use line::{Values, longest_line, write_line};
pub use segment::{Fault, Segment, segments};
pub use variable::{MAX_VALUE, Variable};
