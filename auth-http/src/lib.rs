//! What a mail proxy asks an auth server, and what it is answered: the protocol of
//! nginx's `auth_http`, without I/O.
//!
//! A [`Request`] is written piece by piece. [`reply::parse`] takes what has come of the
//! reply, in whatever cut, and tells what it says and whether the connection may be used
//! again. Nothing here allocates or panics.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod reply;
pub mod request;

pub use reply::{Answer, Body, Parsed, Password, Refusal, Reply, Route, Unfit};
pub use request::{Method, Request};
