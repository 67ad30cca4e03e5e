//! Whom a client's certificate names.

use core::ffi::{CStr, c_int, c_long};
use core::{ptr, slice};

use nginx_sys::{
    ASN1_STRING_to_UTF8, CRYPTO_free, ERR_clear_error, NID_commonName, OPENSSL_sk_num,
    OPENSSL_sk_value, SSL_SESSION_get0_peer, SSL_get_session, SSL_get_verify_result, X509,
    X509_NAME_ENTRY_get_data, X509_NAME_get_entry, X509_NAME_get_index_by_NID, X509_V_OK,
    X509_email_free, X509_get_subject_name, X509_get1_email,
};

use crate::client::Client as _;
use crate::connection::Connection;
use crate::registered::Registered;

/// The longest common name that is looked at, in bytes: what RFC 5321 lets a mailbox be.
const LONGEST: usize = 320;

/// A name in a client's certificate. It may hold any byte but NUL.
#[derive(Clone, Copy)]
pub enum Name<'a> {
    /// An e-mail address, as an alternative name or in the subject.
    Mail(&'a [u8]),
    /// The common name.
    Common(&'a [u8]),
}

impl<M: Registered> Connection<'_, M> {
    /// Gives the names of the client's certificate, if nginx has verified it: those of
    /// e-mail first, in no order that is its own.
    pub fn certified(&self, mut take: impl FnMut(Name<'_>)) {
        if !self.tls() {
            return;
        }
        // SAFETY: the connection is in TLS; a certificate stays with its session. (The
        // function that gives a peer's has not the same name in all versions of OpenSSL.)
        unsafe {
            let ssl = (*(*self.as_ptr()).ssl).connection;
            let session = SSL_get_session(ssl);
            if session.is_null() || SSL_get_verify_result(ssl) != X509_V_OK as c_long {
                return;
            }
            let certificate = SSL_SESSION_get0_peer(session);
            if !certificate.is_null() {
                mail_names(certificate, |name| take(Name::Mail(name)));
                common_name(certificate, |name| take(Name::Common(name)));
                // nginx would take what is left of a name that is none for an error of its
                // next call.
                ERR_clear_error();
            }
        }
    }
}

/// Gives the e-mail addresses, which OpenSSL has sorted.
///
/// # Safety
///
/// The certificate is live.
unsafe fn mail_names(certificate: *mut X509, mut take: impl FnMut(&[u8])) {
    // SAFETY: the caller's promise. The list has strings without a NUL in them, and is live
    // until it is freed; it may be null, which is an empty one.
    unsafe {
        let list = X509_get1_email(certificate);
        for index in 0..OPENSSL_sk_num(list.cast_const().cast()).max(0) {
            let name = OPENSSL_sk_value(list.cast_const().cast(), index);
            take(CStr::from_ptr(name.cast_const().cast()).to_bytes());
        }
        X509_email_free(list);
    }
}

/// Gives the common name in UTF-8, whatever type of string it is: others have two bytes or
/// four for a character, which would be read as other names.
///
/// # Safety
///
/// The certificate is live.
unsafe fn common_name(certificate: *mut X509, take: impl FnOnce(&[u8])) {
    // SAFETY: the caller's promise: so is its subject, and what is found in that. OpenSSL
    // gives a text of that length, which is freed behind its use.
    unsafe {
        let subject = X509_get_subject_name(certificate);
        let index = X509_NAME_get_index_by_NID(subject, NID_commonName as c_int, -1);
        let entry = X509_NAME_get_entry(subject, index);
        if entry.is_null() {
            return;
        }
        let mut text = ptr::null_mut();
        let length = ASN1_STRING_to_UTF8(&raw mut text, X509_NAME_ENTRY_get_data(entry));
        let Ok(length) = usize::try_from(length) else { return };
        let name = if length == 0 { &[] } else { slice::from_raw_parts(text, length) };
        // Others would take it to end at a NUL.
        if !name.is_empty() && name.len() <= LONGEST && !name.contains(&0) {
            take(name);
        }
        CRYPTO_free(text.cast(), c"".as_ptr(), 0);
    }
}
