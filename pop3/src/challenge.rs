//! The challenge of APOP and CRAM-MD5, `<number.number@server name>` (RFC 1939,
//! section 7; RFC 2195, section 2).

use crate::Methods;

/// What makes a server's name unfit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitName {
    /// It holds a control character, which no reply can hold.
    ControlCharacter,
    /// It holds `<`, `>` or a space: the challenge would end there, or seem to.
    Delimiter,
}

/// Checks the name of a server that has these methods.
///
/// # Errors
///
/// What makes it unfit.
pub fn check_name(name: &[u8], methods: &Methods) -> Result<(), UnfitName> {
    if name.iter().any(u8::is_ascii_control) {
        return Err(UnfitName::ControlCharacter);
    }
    if (methods.apop || methods.cram_md5) && name.iter().any(|byte| b"<> ".contains(byte)) {
        return Err(UnfitName::Delimiter);
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_a_challenge() {
        let none = Methods::default();
        let apop = Methods { apop: true, ..none };
        let cram_md5 = Methods { cram_md5: true, ..none };

        for methods in [&none, &apop, &cram_md5] {
            assert_eq!(check_name(b"mail.example.com", methods), Ok(()));
            for name in [&b"a\r\n-ERR"[..], b"a\nb", b"a\0", b"a\x7f"] {
                assert_eq!(check_name(name, methods), Err(UnfitName::ControlCharacter));
            }
        }
        for name in [&b"a b"[..], b"<a", b"a>"] {
            assert_eq!(check_name(name, &none), Ok(()));
            for methods in [&apop, &cram_md5] {
                assert_eq!(check_name(name, methods), Err(UnfitName::Delimiter));
            }
        }
    }
}
