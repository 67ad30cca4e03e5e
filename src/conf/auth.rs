//! What the configuration says of auth servers: the directives of
//! ngx_mail_auth_http_module, which reads them for other protocols.

use core::cell::Cell;

use auth_http::request::header;
use ngx_mail::address::{Addresses, Found, Host};
use ngx_mail::conf::{Conf, Refused};
use ngx_mail::error::NoMemory;
use ngx_mail::kept::Kept;
use ngx_mail::text::{Text, Texts};

/// The default of `auth_http_timeout`, in milliseconds.
const TIMEOUT: usize = 60_000;

/// The port of HTTP.
const PORT: u16 = 80;

/// What stands in one level of the configuration.
#[derive(Default)]
pub struct Settings {
    /// `auth_http`, and what was found there.
    pub url: Option<(Text, Found)>,
    /// `auth_http_header`: names and values, in turn.
    pub headers: Option<Texts>,
    /// `auth_http_timeout`, in milliseconds.
    pub timeout: Option<usize>,
    /// `auth_http_pass_client_cert`.
    pub certificate: Option<bool>,
    /// `pop3_auth_http_keepalive`.
    pub keepalive: Option<usize>,
    /// The connections that are kept for the servers of mail{} that say nothing else.
    shared: Cell<Option<Kept>>,
}

/// The auth server of a server.
pub struct Auth {
    /// Where it is.
    pub addresses: Addresses,
    /// What it is called.
    pub host: Text,
    /// What it is asked for.
    pub uri: Text,
    /// What stands in the configuration.
    pub text: Text,
    /// Lines to be put into each request.
    pub headers: Text,
    /// How long it may take to answer, in milliseconds.
    pub timeout: usize,
    /// Whether it is given the client's certificate.
    pub certificate: bool,
    /// The connections to it that are kept, if any are.
    pub kept: Option<Kept>,
}

impl Settings {
    /// The auth server, if there is any.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn merge(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<Auth>, Refused> {
        let Some((text, url)) = self.url.or(parent.url) else { return Ok(None) };
        let headers = self.headers.as_ref().or(parent.headers.as_ref());
        let write = |mut put: &mut dyn FnMut(&[u8])| {
            let mut words = headers.into_iter().flat_map(Texts::iter);
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                header(name, value, &mut put);
            }
        };
        let uri = url.uri();

        Ok(Some(Auth {
            addresses: cf.addresses(&url, PORT)?,
            host: match url.host() {
                Host::Unix => Text::fixed(b"localhost"),
                _ => url.text(),
            },
            text,
            uri: if uri.as_bytes().is_empty() { Text::fixed(b"/") } else { uri },
            headers: cf.text(&write)?,
            timeout: self.timeout.or(parent.timeout).unwrap_or(TIMEOUT),
            certificate: self.certificate.or(parent.certificate).unwrap_or(false),
            kept: self.kept(parent, cf)?,
        }))
    }

    /// The connections that are kept, if any are. Servers that have both the auth server
    /// and their number from mail{} have them in common.
    fn kept(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<Kept>, NoMemory> {
        let count = self.keepalive.or(parent.keepalive).unwrap_or(0);
        let common = self.url.is_none() && self.keepalive.is_none();
        let kept = match parent.shared.get().filter(|_| common) {
            None if count > 0 => Some(cf.kept(count)?),
            kept => kept,
        };
        if common {
            parent.shared.set(kept);
        }
        Ok(kept)
    }
}
