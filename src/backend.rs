//! The login at a backend.
//!
//! [`login`] is what is kept of one while it is under way, [`route`] where it goes and
//! with what, [`dialogue`] from the backend's socket to the `pop3` crate and back. Who
//! says where it goes is not known here.

pub mod dialogue;
pub mod login;
#[cfg(not(test))]
pub mod route;

#[cfg(test)]
mod tests;
