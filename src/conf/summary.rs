//! What a server does, by the directives that say so: for the log, when it comes into force.

use ngx_mail::shared::List;
use ngx_mail::text::Text;
use pop3::{Methods, Policy, StartTls};

use super::backend::{Backend, Source, Ssl};
use super::limits::Limits;
use super::log::Log;

/// The parts of a server's configuration that it is made of.
pub struct Summary<'a> {
    /// What the server allows.
    pub policy: &'a Policy,
    /// Where logins go, or who says it.
    pub backend: &'a Backend,
    /// What the address of a client may do.
    pub limits: Option<&'a Limits>,
    /// Where there is a line for each session.
    pub logs: Option<&'a List<Log>>,
}

impl Summary<'_> {
    /// Writes it, piece by piece.
    pub fn write(&self, put: &mut dyn FnMut(&[u8])) {
        put(b"pop3_auth");
        write_methods(&self.policy.methods, put);
        put(match self.policy.starttls {
            StartTls::Off => b", starttls off",
            StartTls::On => b", starttls on",
            StartTls::Only => b", starttls only",
        });
        self.write_backend(put);
        if let Some(Limits { sessions, delay, .. }) = self.limits {
            write(put, b"pop3_limit_conn", sessions.map(|(_, text)| text));
            write(put, b"pop3_login_delay", delay.map(|(_, text)| text));
        }
        for log in self.logs.map_or(&[][..], List::as_slice) {
            write(put, b"pop3_log", Some(log.target));
        }
        if self.logs.is_none() {
            put(b", pop3_log off");
        }
    }

    fn write_backend(&self, put: &mut dyn FnMut(&[u8])) {
        match &self.backend.source {
            Source::Pass(pass) => write(put, b"pop3_proxy_pass", Some(pass.text)),
            Source::Auth(auth) => {
                // Its arguments are for the auth server alone: a key may be among them.
                let mut parts = auth.text.as_bytes().split(|&byte| byte == b'?');
                write_bytes(put, b"auth_http", parts.next().unwrap_or_default());
            }
            Source::File(file) => {
                write(put, b"pop3_auth_user_file", Some(file.path));
                write(put, b"pop3_proxy_pass", file.fallback.as_ref().map(|pass| pass.text));
            }
        }
        put(match self.backend.tls {
            None | Some((Ssl::Off, _)) => b", pop3_proxy_ssl off",
            Some((Ssl::On, _)) => b", pop3_proxy_ssl on",
            Some((Ssl::StartTls, _)) => b", pop3_proxy_ssl starttls",
        });
        if self.backend.tls.as_ref().is_some_and(|(_, tls)| !tls.verifies()) {
            put(b", pop3_proxy_ssl_verify off");
        }
    }
}

/// As `pop3_auth` has them.
fn write_methods(methods: &Methods, put: &mut dyn FnMut(&[u8])) {
    let named: [(_, &[u8]); 6] = [
        (methods.plain, b" plain"),
        (methods.apop, b" apop"),
        (methods.cram_md5, b" cram-md5"),
        (methods.external, b" external"),
        (methods.xoauth2, b" xoauth2"),
        (methods.oauthbearer, b" oauthbearer"),
    ];
    for (_, name) in named.into_iter().filter(|&(on, _)| on) {
        put(name);
    }
}

/// A directive with its value, if it has one.
fn write(put: &mut dyn FnMut(&[u8]), name: &[u8], value: Option<Text>) {
    if let Some(value) = value {
        write_bytes(put, name, value.as_bytes());
    }
}

/// A directive with its value, up to a control character.
fn write_bytes(put: &mut dyn FnMut(&[u8]), name: &[u8], value: &[u8]) {
    put(b", ");
    put(name);
    put(b" ");
    put(value.split(u8::is_ascii_control).next().unwrap_or_default());
}
