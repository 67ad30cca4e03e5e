//! The POP3 front end of nginx's mail proxy, as a dynamic module for an
//! unmodified nginx.
//!
//! The `pop3` crate knows the protocol and `ngx-mail` knows nginx. Here,
//! [`callbacks`] is what nginx's event loop calls for a client and [`logins`] what for a
//! login; [`client`] has the dialogue with a client, [`auth`] that with an auth server and
//! [`backend`] that with a backend, [`conf`] the configuration with its directives, and
//! [`module`] the tables by which nginx finds it all.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)]
#![cfg_attr(test, expect(dead_code, reason = "what only nginx calls is not there"))]

#[forbid(unsafe_code)]
mod auth;
#[forbid(unsafe_code)]
mod backend;
#[cfg(not(test))]
#[forbid(unsafe_code)]
mod callbacks;
#[forbid(unsafe_code)]
mod client;
#[forbid(unsafe_code)]
mod conf;
#[forbid(unsafe_code)]
mod gather;
#[forbid(unsafe_code)]
mod limits;
#[cfg(not(test))]
#[forbid(unsafe_code)]
mod logins;
#[cfg(not(test))]
mod module;
#[forbid(unsafe_code)]
mod refusal;
#[cfg(not(test))]
#[forbid(unsafe_code)]
mod session_log;
#[forbid(unsafe_code)]
mod turns;
#[forbid(unsafe_code)]
mod users;
