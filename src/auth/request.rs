//! What an auth server is asked.

use auth_http::request::{ProxyProtocol, Ssl, Version};
use auth_http::{Method, Request};
use ngx_mail::client::Client;
use ngx_mail::connection::Connection;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;

use crate::conf::auth::Auth;
use crate::gather::gather;
use crate::module::Pop3;

/// The request about the attempt that is shown, which came by this method. The challenge
/// is that of the login, with its CRLF.
///
/// # Errors
///
/// There is no memory, or no attempt.
pub fn make(
    connection: &Connection<'_, Pop3>,
    auth: &Auth,
    method: pop3::Method,
    challenge: &[u8],
) -> Result<Bytes, NoMemory> {
    let attempt = connection.attempt().ok_or(NoMemory)?;
    let tls = connection.tls_facts(auth.certificate)?;
    let proxy = connection.proxy_header();
    let request = Request {
        version: if auth.kept.is_some() { Version::Http11 } else { Version::Http10 },
        uri: auth.uri.as_bytes(),
        host: auth.host.as_bytes(),
        method: named(method),
        login: attempt.login(),
        secret: attempt.secret(),
        salt: salt(connection, method, challenge),
        protocol: connection.protocol_name(),
        login_attempt: connection.login_attempts() as u64,
        client_ip: connection.address(),
        client_host: Some(connection.host()).filter(|host| !host.is_empty()),
        proxy_protocol: proxy.map(|header| ProxyProtocol {
            addr: header.source,
            port: header.source_port,
            server_addr: header.destination,
            server_port: header.destination_port,
        }),
        ssl: tls.as_ref().map(|tls| Ssl {
            protocol: tls.protocol(),
            cipher: tls.cipher(),
            verify: tls.verify(),
            subject: tls.subject(),
            issuer: tls.issuer(),
            serial: tls.serial(),
            fingerprint: tls.fingerprint(),
            cert: tls.certificate(),
        }),
        headers: auth.headers.as_bytes(),
    };

    gather(connection, |put| request.write(put))
}

/// The challenge that a digest is over, without its CRLF.
fn salt<'a>(
    connection: &'a Connection<'_, Pop3>,
    method: pop3::Method,
    challenge: &'a [u8],
) -> Option<&'a [u8]> {
    let challenge = match method {
        pop3::Method::Apop => connection.session_challenge(),
        pop3::Method::CramMd5 => challenge,
        _ => return None,
    };

    Some(challenge.strip_suffix(b"\r\n").unwrap_or(challenge))
}

const fn named(method: pop3::Method) -> Method {
    match method {
        pop3::Method::User | pop3::Method::Plain | pop3::Method::Login => Method::Plain,
        pop3::Method::Apop => Method::Apop,
        pop3::Method::CramMd5 => Method::CramMd5,
        pop3::Method::External => Method::External,
        pop3::Method::Xoauth2 => Method::Xoauth2,
        pop3::Method::Oauthbearer => Method::OauthBearer,
    }
}
