//! The AUTHORIZATION state of POP3 (RFC 1939, section 4) without I/O.
//!
//! [`Session::next`] takes the bytes that a client has sent, line by line, and
//! tells a [`Server`] what to do about each: send a reply, check credentials,
//! start TLS, close. Sockets, timers, memory and logs are the server's; nothing
//! here allocates, panics or performs I/O.
//!
//! [`backend`] is the other side: the login that a client's credentials are used for.
//!
//! A line is answered in [`session`]; [`command`] tells what it asks for,
//! [`sasl`] has a file for each mechanism and [`reply`] the texts.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod backend;
pub mod capability;
pub mod challenge;
pub mod command;
pub mod credentials;
pub mod line;
pub mod refusal;
pub mod reply;
pub mod response_code;
pub mod sasl;
pub mod server;
pub mod session;

pub use capability::{Capabilities, StartTls};
pub use command::ends_with_quit;
pub use credentials::{Credentials, Login, Method, Secret};
pub use refusal::Refusal;
pub use response_code::ResponseCode;
pub use sasl::oauth::OAuth;
pub use sasl::{Mechanism, Methods};
pub use server::{Policy, Refused, Server};
pub use session::Session;
