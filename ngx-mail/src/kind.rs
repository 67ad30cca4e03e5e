//! Kinds of protocols.

use crate::bindings::{
    NGX_MAIL_IMAP_PROTOCOL, NGX_MAIL_POP3_PROTOCOL, NGX_MAIL_SMTP_PROTOCOL,
    ngx_pop3_state_e_ngx_pop3_passwd,
};

/// Which of nginx's dialogues with a backend and which `Auth-Protocol` a protocol
/// has (`type` of ngx_mail_protocol_t).
#[derive(Clone, Copy)]
pub enum Kind {
    /// That of ngx_mail_pop3_module.
    Pop3,
    /// That of ngx_mail_imap_module.
    Imap,
    /// That of ngx_mail_smtp_module.
    Smtp,
    /// None of them: such a protocol has no logins.
    Other,
}

impl Kind {
    pub(crate) const fn as_raw(self) -> usize {
        match self {
            Self::Pop3 => NGX_MAIL_POP3_PROTOCOL as usize,
            Self::Imap => NGX_MAIL_IMAP_PROTOCOL as usize,
            Self::Smtp => NGX_MAIL_SMTP_PROTOCOL as usize,
            // None of nginx's own in the three bits, either, that a session has for it.
            Self::Other => usize::MAX,
        }
    }
}

/// Where nginx's dialogue with a backend stands (`mail_state` of the session) when it
/// waits for the reply to a login, if it relays at once when it gets this one
/// (ngx_mail_proxy_read_response()). It goes on in another way with other protocols.
pub(crate) fn last_state(protocol: usize, reply: &[u8]) -> Option<usize> {
    let done = reply.starts_with(b"+OK") && reply.ends_with(b"\r\n");
    match protocol as u32 {
        NGX_MAIL_POP3_PROTOCOL if done => Some(ngx_pop3_state_e_ngx_pop3_passwd as usize),
        _ => None,
    }
}
