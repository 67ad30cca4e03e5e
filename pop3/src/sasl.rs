//! SASL in POP3 (RFC 4422, RFC 5034): one file for each mechanism.

use core::ffi::CStr;

use oauth::OAuth;

pub mod base64;
pub mod bearer;
pub mod cram_md5;
pub mod external;
pub mod login;
pub mod oauth;
pub mod oauthbearer;
pub mod plain;
pub mod xoauth2;

/// A SASL mechanism. It is an order: that of the capability list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// Never standardized; described in draft-murchison-sasl-login.
    Login,
    /// RFC 2195
    CramMd5,
    /// RFC 4422, appendix A
    External,
    /// Never standardized; described by Google.
    Xoauth2,
    /// RFC 7628
    Oauthbearer,
}

impl Mechanism {
    /// All of them, in the order in which they are announced.
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::Login, Self::CramMd5, Self::External, Self::Xoauth2, Self::Oauthbearer];

    /// The registered name.
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Plain => b"PLAIN",
            Self::Login => b"LOGIN",
            Self::CramMd5 => b"CRAM-MD5",
            Self::External => b"EXTERNAL",
            Self::Xoauth2 => OAuth::Xoauth2.name(),
            Self::Oauthbearer => OAuth::Oauthbearer.name(),
        }
    }

    /// Takes a name in any case; nothing if it is unknown.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| same(mechanism.name(), name))
    }

    /// The name to log.
    pub const fn log_text(self) -> &'static CStr {
        match self {
            Self::Plain => c"AUTH PLAIN",
            Self::Login => c"AUTH LOGIN",
            Self::CramMd5 => c"AUTH CRAM-MD5",
            Self::External => c"AUTH EXTERNAL",
            Self::Xoauth2 => c"AUTH XOAUTH2",
            Self::Oauthbearer => c"AUTH OAUTHBEARER",
        }
    }
}

/// Whether two names differ in nothing but case. All bytes are looked at, so
/// that the compiler takes several at once.
fn same(known: &'static [u8], name: &[u8]) -> bool {
    known.len() == name.len()
        && known.iter().zip(name).fold(true, |same, (a, b)| same & a.eq_ignore_ascii_case(b))
}

/// The methods of the `pop3_auth` directive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods {
    /// AUTH PLAIN and AUTH LOGIN are announced. They and USER/PASS are
    /// accepted either way.
    pub plain: bool,
    /// APOP.
    pub apop: bool,
    /// AUTH CRAM-MD5.
    pub cram_md5: bool,
    /// AUTH EXTERNAL.
    pub external: bool,
    /// AUTH XOAUTH2.
    pub xoauth2: bool,
    /// AUTH OAUTHBEARER.
    pub oauthbearer: bool,
}

impl Methods {
    /// The method of that name in the directive, in any case: nginx compares such
    /// values so (ngx_conf_set_bitmask_slot()). Nothing if it is unknown.
    pub fn named(&mut self, name: &[u8]) -> Option<&mut bool> {
        [
            (&b"plain"[..], &mut self.plain),
            (b"apop", &mut self.apop),
            (b"cram-md5", &mut self.cram_md5),
            (b"external", &mut self.external),
            (b"xoauth2", &mut self.xoauth2),
            (b"oauthbearer", &mut self.oauthbearer),
        ]
        .into_iter()
        .find_map(|(known, on)| known.eq_ignore_ascii_case(name).then_some(on))
    }

    /// The mechanisms to announce.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.into_iter().filter(|mechanism| match mechanism {
            Mechanism::Plain | Mechanism::Login => self.plain,
            Mechanism::CramMd5 => self.cram_md5,
            Mechanism::External => self.external,
            Mechanism::Xoauth2 => self.xoauth2,
            Mechanism::Oauthbearer => self.oauthbearer,
        })
    }

    /// Whether the mechanism can be used.
    pub const fn accept(&self, mechanism: Mechanism) -> bool {
        match mechanism {
            Mechanism::Plain | Mechanism::Login => true,
            Mechanism::CramMd5 => self.cram_md5,
            Mechanism::External => self.external,
            Mechanism::Xoauth2 => self.xoauth2,
            Mechanism::Oauthbearer => self.oauthbearer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_by_name() {
        let none = Methods::default();
        for (name, expected) in [
            ("plain", Methods { plain: true, ..none }),
            ("APOP", Methods { apop: true, ..none }),
            ("Cram-MD5", Methods { cram_md5: true, ..none }),
            ("external", Methods { external: true, ..none }),
            ("xoauth2", Methods { xoauth2: true, ..none }),
            ("OAuthBearer", Methods { oauthbearer: true, ..none }),
        ] {
            let mut methods = none;
            *methods.named(name.as_bytes()).unwrap() = true;
            assert_eq!(methods, expected);
        }
        for name in ["", "login", "plainx", "cram_md5"] {
            assert_eq!(none.clone().named(name.as_bytes()), None);
        }
    }

    #[test]
    fn names_in_any_case_and_nothing_else() {
        for mechanism in Mechanism::ALL {
            let name = mechanism.name();
            assert_eq!(Mechanism::parse(&name.to_ascii_lowercase()), Some(mechanism));
            assert_eq!(Mechanism::parse(&name[1..]), None);
            assert_eq!(Mechanism::parse(&[name, b" "].concat()), None);

            for at in 0..name.len() {
                for byte in 0..=u8::MAX {
                    let mut other = name.to_vec();
                    other[at] = byte;
                    let known = other.eq_ignore_ascii_case(name);
                    assert_eq!(Mechanism::parse(&other).is_some(), known, "{byte:#x} at {at}");
                }
            }
        }
    }
}
