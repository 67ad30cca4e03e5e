//! What nginx's mail core calls.

use nginx_sys::{ngx_connection_t, ngx_event_t};

use super::mail::{
    NGX_MAIL_POP3_PROTOCOL, ngx_mail_protocol_t, ngx_mail_session_internal_server_error,
    ngx_mail_session_t,
};
use super::session::Session;
use super::string;
use crate::dialogue;

/// POP3, as the mail core finds it by `protocol pop3;` or by port.
pub static PROTOCOL: Protocol = Protocol(ngx_mail_protocol_t {
    name: string(c"pop3"),
    alpn: string(c"\x04pop3"),
    port: [110, 995, 0, 0],
    type_: NGX_MAIL_POP3_PROTOCOL as usize,

    init_session: Some(init_session),
    init_protocol: Some(init_protocol),
    // Only ngx_mail_read_command() calls it, and only protocols call that.
    parse_command: None,
    auth_state: Some(auth_state),

    internal_server_error: string(c"-ERR [SYS/TEMP] internal server error\r\n"),
    cert_error: string(c"-ERR SSL certificate error\r\n"),
    no_cert: string(c"-ERR No required SSL certificate\r\n"),
});

/// A table that nginx only reads.
#[repr(transparent)]
pub struct Protocol(ngx_mail_protocol_t);

// SAFETY: it is never written to, and its strings are static.
unsafe impl Sync for Protocol {}

impl Protocol {
    /// nginx's pointer; nothing writes through it.
    pub const fn as_ptr(&self) -> *mut ngx_mail_protocol_t {
        (&raw const self.0).cast_mut()
    }
}

/// A client has connected; TLS, if the port has it, is up.
unsafe extern "C" fn init_session(s: *mut ngx_mail_session_t, _c: *mut ngx_connection_t) {
    // SAFETY: the mail core gives a live session of a server whose protocol
    // is ours, and does nothing more with it after this call.
    match unsafe { Session::start(s) } {
        Ok(session) => dialogue::greet(session),
        // SAFETY: as above.
        Err(_) => unsafe { ngx_mail_session_internal_server_error(s) },
    }
}

/// The TLS handshake after STLS is done.
unsafe extern "C" fn init_protocol(event: *mut ngx_event_t) {
    // SAFETY: the mail core gives the read event of a session for which
    // init_session was called, and does nothing more with it after this call.
    dialogue::resume(unsafe { Session::from_event(event) });
}

/// A login has failed and the session is kept. The mail core goes on with the
/// session after this call, so all that is done here is to have the read
/// handler called later.
unsafe extern "C" fn auth_state(event: *mut ngx_event_t) {
    // SAFETY: as in init_protocol(); resume() leaves the session alive
    // unless the event cannot be added, which the caller looks for.
    dialogue::resume(unsafe { Session::from_event(event) });
}

/// The client has sent something, the time is over, or output that was waited
/// for has gone.
pub unsafe extern "C" fn read_event(event: *mut ngx_event_t) {
    // SAFETY: connection.rs sets this handler on sessions for which init_session
    // was called; nginx does nothing more with the session after this call.
    dialogue::read(unsafe { Session::from_event(event) });
}

/// After STLS, the client has sent something or the time is over.
pub unsafe extern "C" fn handshake_event(event: *mut ngx_event_t) {
    // SAFETY: as in read_event(), but that session.rs sets it.
    dialogue::start_tls(unsafe { Session::from_event(event) });
}
