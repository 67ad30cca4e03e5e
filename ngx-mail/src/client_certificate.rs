//! Whom a client's certificate names.

use core::ffi::{CStr, c_char, c_int, c_long};

use nginx_sys::{
    NID_commonName, OPENSSL_sk_num, OPENSSL_sk_value, SSL_get_verify_result,
    SSL_get1_peer_certificate, X509, X509_NAME_get_text_by_NID, X509_V_OK, X509_email_free,
    X509_free, X509_get_subject_name, X509_get1_email,
};

use crate::client::Client;
use crate::connection::Connection;
use crate::error::NoMemory;
use crate::heap::Bytes;
use crate::registered::Registered;

/// The longest name that is looked at, in bytes: what RFC 5321 lets a mailbox be.
const LONGEST: usize = 320;

impl<M: Registered> Connection<'_, M> {
    /// The first name of the client's certificate that fits, if nginx has verified it: of its
    /// e-mail names, and of its common name behind those. It may hold any byte but NUL.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn certified(&self, fits: impl Fn(&[u8]) -> bool) -> Result<Option<Bytes>, NoMemory> {
        if !self.tls() {
            return Ok(None);
        }
        // SAFETY: the connection is in TLS; the certificate is freed behind its use.
        unsafe {
            let ssl = (*(*self.as_ptr()).ssl).connection;
            let certificate = SSL_get1_peer_certificate(ssl);
            if certificate.is_null() {
                return Ok(None);
            }
            let verified = SSL_get_verify_result(ssl) == X509_V_OK as c_long;
            let name = if verified { self.named(certificate, &fits) } else { Ok(None) };
            X509_free(certificate);
            name
        }
    }

    /// # Safety
    ///
    /// The certificate is live.
    unsafe fn named(
        &self,
        certificate: *mut X509,
        fits: &impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Bytes>, NoMemory> {
        // SAFETY: the caller's promise. The list has strings without a NUL in them, and is
        // live until it is freed; it may be null, which is an empty one.
        unsafe {
            let list = X509_get1_email(certificate);
            let mut found = Ok(None);
            for index in 0..OPENSSL_sk_num(list.cast_const().cast()).max(0) {
                let name = OPENSSL_sk_value(list.cast_const().cast(), index);
                let name = CStr::from_ptr(name.cast_const().cast()).to_bytes();
                if fits(name) {
                    found = self.copy(name).map(Some);
                    break;
                }
            }
            X509_email_free(list);
            if !matches!(found, Ok(None)) {
                return found;
            }
            let mut room = [0_u8; LONGEST];
            let subject = X509_get_subject_name(certificate);
            let length = X509_NAME_get_text_by_NID(
                subject,
                NID_commonName as c_int,
                room.as_mut_ptr().cast::<c_char>(),
                room.len() as c_int,
            );
            let name = usize::try_from(length).ok().and_then(|length| room.get(..length));
            // It was cut, or has a NUL, where others would take it to end.
            let whole = |name: &&[u8]| name.len() < LONGEST - 1 && !name.contains(&0);
            name.filter(whole).filter(|name| fits(name)).map(|name| self.copy(name)).transpose()
        }
    }
}
