//! Whether a server's certificate is right.

use core::ffi::{CStr, c_int, c_long};
use core::ptr;

use nginx_sys::{
    OPENSSL_sk_value, SSL, SSL_get_ex_data_X509_STORE_CTX_idx, SSL_get_peer_cert_chain,
    SSL_get_verify_result, SSL_set_verify_result, X509, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
    X509_STORE_CTX, X509_STORE_CTX_get_error, X509_STORE_CTX_get_ex_data, X509_STORE_CTX_set_error,
    X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH, X509_V_OK, X509_check_host,
    X509_check_ip_asc, X509_verify_cert_error_string,
};

use crate::address::Host;
use crate::error::NoMemory;
use crate::heap::Bytes;

/// Who a server is: what its certificate has to name.
#[derive(Clone, Copy)]
pub enum ServerName<'a> {
    /// A host, by its DNS names.
    Name(&'a [u8]),
    /// An IP address, by its IP names.
    Address(&'a [u8]),
    /// Neither: no certificate is right.
    Unknown,
}

impl<'a> From<&'a Host> for ServerName<'a> {
    fn from(host: &'a Host) -> Self {
        match host {
            Host::Name(name) => Self::Name(name.as_bytes()),
            Host::Address(address) => Self::Address(address.as_bytes()),
            Host::Unix => Self::Unknown,
        }
    }
}

/// What OpenSSL calls at each certificate, and at each thing that is wrong: it goes on,
/// and the first of those stays the result, which it would give the last of.
pub(crate) unsafe extern "C" fn go_on(good: c_int, context: *mut X509_STORE_CTX) -> c_int {
    // SAFETY: OpenSSL gives a context that is live, with the connection as its data.
    unsafe {
        let index = SSL_get_ex_data_X509_STORE_CTX_idx();
        let ssl = X509_STORE_CTX_get_ex_data(context, index).cast::<SSL>();
        let first = SSL_get_verify_result(ssl);
        if first != X509_V_OK as c_long {
            X509_STORE_CTX_set_error(context, c_int::try_from(first).unwrap_or(c_int::MAX));
        } else if good == 0 {
            SSL_set_verify_result(ssl, X509_STORE_CTX_get_error(context).into());
        }
    }
    1
}

/// Says what is wrong with the certificate of a server, which has to be this one.
///
/// # Safety
///
/// `ssl` is live, verifies its peer, and its handshake is over.
pub(crate) unsafe fn check(ssl: *const SSL, server: ServerName<'_>) -> Result<(), &'static CStr> {
    // SAFETY: the caller's promise; OpenSSL's texts are static.
    unsafe {
        let mut result = SSL_get_verify_result(ssl);
        if result == X509_V_OK as c_long {
            // That is the result if there was nothing to verify, too.
            let chain = SSL_get_peer_cert_chain(ssl).cast();
            let certificate = OPENSSL_sk_value(chain, 0).cast::<X509>();
            if certificate.is_null() {
                return Err(c"no certificate");
            }
            result = check_name(certificate, server);
        }
        if result == X509_V_OK as c_long {
            Ok(())
        } else {
            Err(CStr::from_ptr(X509_verify_cert_error_string(result)))
        }
    }
}

/// Whether it is the right server's. OpenSSL would do this in the handshake, but for
/// want of memory forget whom it was to look for.
///
/// # Safety
///
/// `certificate` is live.
unsafe fn check_name(certificate: *mut X509, server: ServerName<'_>) -> c_long {
    // SAFETY: the caller's promise; an address ends with a NUL.
    let (named, mismatch) = unsafe {
        match server {
            ServerName::Name(name) => {
                let (data, length) = (name.as_ptr().cast(), name.len());
                // The common name is none of its DNS names.
                let flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
                let named = X509_check_host(certificate, data, length, flags, ptr::null_mut());
                (named, X509_V_ERR_HOSTNAME_MISMATCH)
            }
            ServerName::Address(address) => {
                let named = terminated(address).map_or(0, |mut address| {
                    X509_check_ip_asc(certificate, address.as_mut_ptr().cast(), 0)
                });
                (named, X509_V_ERR_IP_ADDRESS_MISMATCH)
            }
            ServerName::Unknown => (0, X509_V_ERR_HOSTNAME_MISMATCH),
        }
    };
    if named == 1 { X509_V_OK as c_long } else { mismatch as c_long }
}

/// A copy with a NUL behind it.
pub(crate) fn terminated(text: &[u8]) -> Result<Bytes, NoMemory> {
    let mut copy = Bytes::with_capacity(text.len().saturating_add(1))?;
    copy.append(text)?;
    copy.append(b"\0")?;

    Ok(copy)
}
