//! The capability list (RFC 2449, section 5) and the list of mechanisms
//! (RFC 5034, section 4).

use crate::{Mechanism, Methods};

/// The `starttls` directive of nginx's ngx_mail_ssl_module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTls {
    /// STLS is refused.
    Off,
    /// STLS is offered.
    On,
    /// STLS is offered, and required before a login.
    Only,
}

/// The names announced when the configuration has none.
pub const DEFAULT: [&[u8]; 3] = [b"TOP", b"USER", b"UIDL"];

/// The capability of servers whose replies may have a response code.
const RESPONSE_CODES: &[u8] = b"RESP-CODES";

/// The capability of servers that tell wrong credentials from everything else
/// (RFC 3206, section 6).
const AUTH_RESPONSE_CODE: &[u8] = b"AUTH-RESP-CODE";

/// What a server announces.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'a, N> {
    /// The configured capabilities, in order; see [`check`].
    pub names: N,
    /// The login methods that are switched on.
    pub methods: &'a Methods,
    /// Whether STLS is offered.
    pub starttls: StartTls,
}

/// What is wrong with a configured capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is empty.
    Empty,
    /// It holds a control character, which would break the list.
    ControlCharacter,
    /// It starts with a dot, which would end the list.
    LeadingDot,
    /// It is SASL, which the list gets from the methods that are on.
    Sasl,
    /// It is STLS, which the list gets from `starttls`.
    Stls,
    /// It is UTF8, whose command belongs before the login (RFC 6856, section 2)
    /// and is refused there.
    Utf8,
}

/// Checks a configured capability.
///
/// # Errors
///
/// What makes it unfit for the list.
pub fn check(name: &[u8]) -> Result<(), Unfit> {
    if name.is_empty() {
        return Err(Unfit::Empty);
    }
    if name.iter().any(u8::is_ascii_control) {
        return Err(Unfit::ControlCharacter);
    }
    if name.starts_with(b".") {
        return Err(Unfit::LeadingDot);
    }
    if is_tag(name, b"SASL") {
        return Err(Unfit::Sasl);
    }
    if is_tag(name, b"STLS") {
        return Err(Unfit::Stls);
    }
    if is_tag(name, b"UTF8") {
        return Err(Unfit::Utf8);
    }

    Ok(())
}

/// Whether the first word of a capability is `tag`. The configuration asks for it, in
/// no hurry.
#[inline(never)]
fn is_tag(name: &[u8], tag: &[u8]) -> bool {
    name.split(|&byte| byte == b' ').next().is_some_and(|word| word.eq_ignore_ascii_case(tag))
}

impl<'a, 'n, N: Iterator<Item = &'n [u8]> + Clone> Capabilities<'a, N> {
    /// Writes the answer to CAPA, piece by piece. Before TLS under `starttls
    /// only` it holds neither USER nor SASL. RESP-CODES and AUTH-RESP-CODE are in it, as
    /// replies may have a response code (RFC 2449, section 8) and those to wrong
    /// credentials have theirs (RFC 3206, section 6).
    pub fn write(&self, tls: bool, mut put: impl FnMut(&[u8])) {
        let login = tls || self.starttls != StartTls::Only;

        put(b"+OK Capability list follows\r\n");
        for name in self.names.clone() {
            if login || !is_tag(name, b"USER") {
                put(name);
                put(b"\r\n");
            }
        }
        for code in [RESPONSE_CODES, AUTH_RESPONSE_CODE] {
            if !self.names.clone().any(|name| is_tag(name, code)) {
                put(code);
                put(b"\r\n");
            }
        }
        if login && self.methods.mechanisms().next().is_some() {
            put(b"SASL");
            for mechanism in self.methods.mechanisms() {
                put(b" ");
                put(mechanism.name());
            }
            put(b"\r\n");
        }
        if !tls && self.starttls != StartTls::Off {
            put(b"STLS\r\n");
        }
        put(b".\r\n");
    }
}

/// Writes the answer to AUTH without argument, piece by piece.
pub fn write_mechanisms(mechanisms: impl Iterator<Item = Mechanism>, mut put: impl FnMut(&[u8])) {
    put(b"+OK methods supported:\r\n");
    for mechanism in mechanisms {
        put(mechanism.name());
        put(b"\r\n");
    }
    put(b".\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{string::String, vec::Vec};

    fn capa(names: &[&str], methods: Methods, starttls: StartTls, tls: bool) -> String {
        let mut text = Vec::new();
        let names = names.iter().map(|name| name.as_bytes());
        Capabilities { names, methods: &methods, starttls }
            .write(tls, |piece| text.extend_from_slice(piece));
        String::from_utf8(text).unwrap()
    }

    const ALL: Methods = Methods {
        plain: true,
        apop: true,
        cram_md5: true,
        external: true,
        xoauth2: true,
        oauthbearer: true,
    };
    const APOP: Methods = Methods {
        plain: false,
        apop: true,
        cram_md5: false,
        external: false,
        xoauth2: false,
        oauthbearer: false,
    };

    #[test]
    fn rfc_2449_list_in_configured_order() {
        assert_eq!(
            capa(&["UIDL", "EXPIRE NEVER", "USER"], ALL, StartTls::Off, false),
            "+OK Capability list follows\r\nUIDL\r\nEXPIRE NEVER\r\nUSER\r\n\
             RESP-CODES\r\nAUTH-RESP-CODE\r\nSASL PLAIN LOGIN CRAM-MD5 EXTERNAL XOAUTH2 OAUTHBEARER\r\n.\r\n"
        );
    }

    #[test]
    fn rfc_2595_stls_until_tls() {
        assert!(
            capa(&["USER"], ALL, StartTls::On, false).ends_with("OAUTHBEARER\r\nSTLS\r\n.\r\n")
        );
        assert!(!capa(&["USER"], ALL, StartTls::On, true).contains("STLS"));
    }

    #[test]
    fn starttls_only_announces_no_login_before_tls() {
        let names = ["TOP", "User", "USERS"];
        assert_eq!(
            capa(&names, ALL, StartTls::Only, false),
            "+OK Capability list follows\r\nTOP\r\nUSERS\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nSTLS\r\n.\r\n"
        );
        assert!(capa(&names, ALL, StartTls::Only, true).contains("\r\nUser\r\n"));
    }

    #[test]
    fn no_sasl_line_without_mechanism() {
        assert_eq!(
            capa(&["TOP"], APOP, StartTls::Off, false),
            "+OK Capability list follows\r\nTOP\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n.\r\n"
        );
    }

    #[test]
    fn each_token_has_a_mechanism_of_its_own() {
        let none = Methods::default();
        for (methods, name) in [
            (Methods { xoauth2: true, ..none }, "XOAUTH2"),
            (Methods { oauthbearer: true, ..none }, "OAUTHBEARER"),
        ] {
            let list = capa(&[], methods, StartTls::Only, true);
            assert!(list.ends_with(&std::format!("\r\nSASL {name}\r\n.\r\n")), "{list}");
            assert!(!capa(&[], methods, StartTls::Only, false).contains("SASL"));
        }
    }

    #[test]
    fn rfc_2449_response_codes_are_announced_once() {
        assert_eq!(
            capa(&["resp-codes", "TOP"], APOP, StartTls::Off, false),
            "+OK Capability list follows\r\nresp-codes\r\nTOP\r\nAUTH-RESP-CODE\r\n.\r\n"
        );
    }

    #[test]
    fn rfc_3206_response_code_is_announced_once() {
        assert_eq!(
            capa(&["auth-resp-code"], APOP, StartTls::Off, false),
            "+OK Capability list follows\r\nauth-resp-code\r\nRESP-CODES\r\n.\r\n"
        );
    }

    #[test]
    fn list_of_mechanisms() {
        let written = |mechanisms: &[Mechanism]| {
            let mut text = Vec::new();
            write_mechanisms(mechanisms.iter().copied(), |piece| text.extend_from_slice(piece));
            String::from_utf8(text).unwrap()
        };

        assert_eq!(
            written(&[Mechanism::Plain, Mechanism::CramMd5]),
            "+OK methods supported:\r\nPLAIN\r\nCRAM-MD5\r\n.\r\n"
        );
        assert_eq!(written(&[]), "+OK methods supported:\r\n.\r\n");
    }

    #[test]
    fn unfit_capabilities() {
        for (name, unfit) in [
            (&b""[..], Unfit::Empty),
            (b"TOP\r\nUSER", Unfit::ControlCharacter),
            (b"A\0", Unfit::ControlCharacter),
            (b".", Unfit::LeadingDot),
            (b"sasl PLAIN", Unfit::Sasl),
            (b"STLS", Unfit::Stls),
            (b"UTF8 USER", Unfit::Utf8),
        ] {
            assert_eq!(check(name), Err(unfit));
        }
        assert_eq!(check(b"IMPLEMENTATION nginx"), Ok(()));
    }
}
