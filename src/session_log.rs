//! The line of a session in the session log.

use log_format::number::{decimal, seconds};
use log_format::{Values, Variable, write_line};
use ngx_mail::clock;
use ngx_mail::ended::Ended;
use ngx_mail::endpoint::Endpoint;
use ngx_mail::record::{End, Status};

use crate::conf::log::{LONGEST_LINE, Log, Sink};
use crate::module::Pop3;

/// Logs a session that has ended.
pub fn write(session: &Ended<'_, Pop3>) {
    let Some(logs) = &session.conf().logs else { return };
    for log in logs.as_slice() {
        write_to(log, session);
    }
}

fn write_to(log: &Log, session: &Ended<'_, Pop3>) {
    let mut line = Line { bytes: [0; LONGEST_LINE], length: 0 };
    let format = &log.format;
    write_line(format.segments(), format.escape, &Session(session), &mut |piece| line.push(piece));
    let line = line.as_bytes();
    match log.sink {
        Sink::File(file) => file.log(line),
        Sink::Syslog(server) => server.log(line.strip_suffix(b"\n").unwrap_or(line)),
    }
}

/// A line; no format makes one that is longer.
struct Line {
    bytes: [u8; LONGEST_LINE],
    length: usize,
}

impl Line {
    fn push(&mut self, piece: &[u8]) {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        if let Some(room) = room.get_mut(..piece.len()) {
            room.copy_from_slice(piece);
            self.length = self.length.saturating_add(piece.len());
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

struct Session<'a>(&'a Ended<'a, Pop3>);

impl Values for Session<'_> {
    fn value(&self, variable: Variable, put: &mut dyn FnMut(&[u8])) {
        let session = self.0;
        match variable {
            Variable::RemoteAddr => put(session.address()),
            Variable::RemotePort => put_port(session.client_endpoint(), put),
            Variable::ServerAddr => put_address(session.server_endpoint(), put),
            Variable::ServerPort => put_port(session.server_endpoint(), put),
            Variable::Connection => decimal(session.number() as u64, put),
            Variable::TimeIso8601 => put(&clock::iso8601()),
            Variable::Msec => seconds(clock::milliseconds(), put),
            Variable::Login => put(session.login()),
            Variable::Method => put(session.method().to_bytes()),
            Variable::Status => put(status(session.status())),
            Variable::LoginAttempts => decimal(session.login_attempts() as u64, put),
            Variable::SslProtocol => put(session.tls().protocol.to_bytes()),
            Variable::SslCipher => put(session.tls().cipher.to_bytes()),
            Variable::UpstreamAddr => put(session.upstream()),
            Variable::UpstreamSslProtocol => put(session.upstream_tls().protocol.to_bytes()),
            Variable::BytesReceived => decimal(session.received(), put),
            Variable::BytesSent => decimal(session.sent(), put),
            Variable::LoginTime => {
                if let Some(time) = session.login_time() {
                    seconds(time, put);
                }
            }
            Variable::SessionTime => seconds(session.session_time(), put),
            Variable::End => put(end(session.end())),
        }
    }
}

fn put_address(endpoint: Option<Endpoint>, put: &mut dyn FnMut(&[u8])) {
    put(endpoint.as_ref().map_or(&[], |endpoint| endpoint.address.as_bytes()));
}

fn put_port(endpoint: Option<Endpoint>, put: &mut dyn FnMut(&[u8])) {
    put(endpoint.as_ref().map_or(&[], |endpoint| endpoint.port.as_bytes()));
}

const fn status(status: Status) -> &'static [u8] {
    match status {
        Status::None => b"none",
        Status::Failed => b"failed",
        Status::Ok => b"ok",
    }
}

const fn end(end: End) -> &'static [u8] {
    match end {
        End::Client => b"client",
        End::Backend => b"backend",
        End::Timeout => b"timeout",
        End::Limit => b"limit",
        End::Error => b"error",
        End::Shutdown => b"shutdown",
    }
}
