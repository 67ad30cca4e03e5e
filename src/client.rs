//! The dialogue with a client, up to its login: from the socket to the `pop3` crate
//! and back.
//!
//! [`dialogue`] has what is done at each event, [`server`] what is done about each
//! line; [`transfer`] moves the bytes and [`output`] gathers the replies. All of it
//! is written for any [`Client`](ngx_mail::client::Client), so that it can be tested
//! without nginx.

pub mod dialogue;
pub mod output;
mod server;
pub mod state;
mod transfer;

#[cfg(test)]
pub mod tests;
