//! The POP3 front end of nginx's mail proxy, as a dynamic module for an
//! unmodified nginx.
//!
//! The `pop3` crate knows the protocol. Here, [`dialogue`] is what nginx's
//! event loop calls, [`server`] does what the crate says about each line,
//! [`transfer`] moves its bytes, and [`conf`] has the directives. Under [`nginx`]
//! are safe wrappers around what these need of nginx, and [`module`] has the
//! tables by which nginx finds it all.

#![no_std]
#![deny(unsafe_code)]

mod conf;
mod dialogue;
mod module;
mod nginx;
mod output;
mod server;
mod transfer;
