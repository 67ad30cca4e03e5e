//! Asking an auth server about a login.
//!
//! [`state`] is what is kept while it is asked, [`request`] what it is asked, and
//! [`dialogue`] from its socket to the `auth-http` crate and back.

pub mod dialogue;
#[cfg(not(test))]
pub mod request;
pub mod state;

#[cfg(test)]
mod tests;
