//! Who logs in by a certificate.

use ngx_mail::client_certificate::Name;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;

/// Who logs in by a certificate: the one of its e-mail names that may, or else its common
/// name. Which of several names stands first is nothing to go by.
#[derive(Default)]
pub struct Certified {
    /// Nobody has said who, or this one.
    login: Option<Result<Bytes, NoMemory>>,
    /// It may be another one as well.
    several: bool,
}

/// Why there is nobody.
#[derive(Debug, PartialEq, Eq)]
pub enum Nobody {
    /// No name may log in.
    None,
    /// Several may, and the client has to say which.
    Several,
    /// There is no memory.
    NoMemory,
}

impl Certified {
    /// Takes the next name, if that may log in: those of e-mail come first.
    pub fn take(&mut self, name: Name<'_>, copy: impl FnOnce(&[u8]) -> Result<Bytes, NoMemory>) {
        match (name, &self.login) {
            (Name::Mail(name) | Name::Common(name), None) => self.login = Some(copy(name)),
            (Name::Mail(name), Some(Ok(login))) => self.several |= login.as_slice() != name,
            (Name::Mail(_), Some(Err(NoMemory))) | (Name::Common(_), Some(_)) => {}
        }
    }

    /// Gives the login.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn login(self) -> Result<Bytes, Nobody> {
        match self {
            Self { several: true, .. } => Err(Nobody::Several),
            Self { login: None, .. } => Err(Nobody::None),
            Self { login: Some(Err(NoMemory)), .. } => Err(Nobody::NoMemory),
            Self { login: Some(Ok(login)), .. } => Ok(login),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(names: &[Name<'_>]) -> Result<Vec<u8>, Nobody> {
        let mut certified = Certified::default();
        names.iter().for_each(|&name| certified.take(name, Bytes::copy_of));
        certified.login().map(|login| login.as_slice().to_vec())
    }

    #[test]
    fn the_one_that_may_log_in() {
        let (anna, bob) = (Name::Mail(b"anna"), Name::Mail(b"bob"));
        let (common, one) = (Name::Common(b"common"), |name: &[u8]| Ok(name.to_vec()));
        assert_eq!(login(&[]), Err(Nobody::None));
        assert_eq!(login(&[anna]), one(b"anna"));
        assert_eq!(login(&[common]), one(b"common"));
        assert_eq!(login(&[anna, common]), one(b"anna"));
        assert_eq!(login(&[bob, bob]), one(b"bob"));
        assert_eq!(login(&[anna, bob]), Err(Nobody::Several));
        assert_eq!(login(&[bob, anna, common]), Err(Nobody::Several));
    }

    #[test]
    fn memory_that_there_is_not() {
        let mut certified = Certified::default();
        certified.take(Name::Mail(b"anna"), |_| Err(NoMemory));
        certified.take(Name::Common(b"common"), Bytes::copy_of);
        assert_eq!(certified.login().err(), Some(Nobody::NoMemory));
    }
}
