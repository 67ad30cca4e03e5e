//! The login at a backend.
//!
//! [`state`] is what is kept of one while it is under way, [`route`] where it goes by the
//! configuration and with what, [`dialogue`] from the backend's socket to the `pop3` crate
//! and back.

pub mod dialogue;
#[cfg(not(test))]
pub mod route;
pub mod state;

#[cfg(test)]
pub mod tests;
