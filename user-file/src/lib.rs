//! The file of `login:password[:backend]` that a mail proxy checks logins by, without I/O.
//!
//! [`Lines`] takes the file's bytes and tells what each line says, or what is wrong with
//! it. [`index`] finds a login's line. What a client presents is held against its
//! [`Password`] by [`verify`], and if it is refused against all [`classes`] of hashes. Nothing here allocates or panics.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod classes;
pub mod index;
pub mod line;
pub mod password;
pub mod verify;

mod base64;
mod unfit;

pub use line::{Entry, Lines};
pub use password::{Form, Password, Text};
pub use unfit::Unfit;
