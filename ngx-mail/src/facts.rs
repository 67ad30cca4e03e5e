//! What nginx knows of a client, for an auth server.

use core::ffi::CStr;
use core::net::IpAddr;
use core::ptr::NonNull;

use nginx_sys::{
    AF_INET, AF_INET6, NGX_OK, ngx_connection_t, ngx_create_pool, ngx_destroy_pool, ngx_int_t,
    ngx_pool_t, ngx_ssl_get_cipher_name, ngx_ssl_get_client_verify, ngx_ssl_get_fingerprint,
    ngx_ssl_get_issuer_dn, ngx_ssl_get_protocol, ngx_ssl_get_raw_certificate,
    ngx_ssl_get_serial_number, ngx_ssl_get_subject_dn, ngx_str_t, sockaddr_in, sockaddr_in6,
};

use crate::bindings::{ngx_mail_ssl_conf_t, ngx_mail_ssl_module};
use crate::client::Client;
use crate::connection::Connection;
use crate::error::NoMemory;
use crate::registered::Registered;

/// What the header of the PROXY protocol said.
#[derive(Clone, Copy)]
pub struct ProxyHeader<'a> {
    /// The address of the source.
    pub source: &'a [u8],
    /// Its port.
    pub source_port: u16,
    /// The address of the destination.
    pub destination: &'a [u8],
    /// Its port.
    pub destination_port: u16,
}

/// The client's TLS, and its certificate where the server asks for one
/// (`ssl_verify_client`). What there is not is empty.
pub struct TlsFacts {
    /// It holds the texts.
    pool: NonNull<ngx_pool_t>,
    texts: [ngx_str_t; 8],
}

impl TlsFacts {
    fn text(&self, index: usize) -> &[u8] {
        self.texts.get(index).map_or(&[], |text| if text.len == 0 { &[] } else { text.as_bytes() })
    }

    /// Such as `TLSv1.3`.
    pub fn protocol(&self) -> &[u8] {
        self.text(0)
    }

    /// The cipher's name.
    pub fn cipher(&self) -> &[u8] {
        self.text(1)
    }

    /// `SUCCESS`, `FAILED:reason` or `NONE`.
    pub fn verify(&self) -> &[u8] {
        self.text(2)
    }

    /// Whose the certificate is (RFC 2253).
    pub fn subject(&self) -> &[u8] {
        self.text(3)
    }

    /// Who has issued it (RFC 2253).
    pub fn issuer(&self) -> &[u8] {
        self.text(4)
    }

    /// Its serial number.
    pub fn serial(&self) -> &[u8] {
        self.text(5)
    }

    /// Its SHA-1.
    pub fn fingerprint(&self) -> &[u8] {
        self.text(6)
    }

    /// The certificate, in PEM, if it was asked for.
    pub fn certificate(&self) -> &[u8] {
        self.text(7)
    }
}

impl Drop for TlsFacts {
    fn drop(&mut self) {
        // SAFETY: it is owned here.
        unsafe { ngx_destroy_pool(self.pool.as_ptr()) };
    }
}

type Get =
    unsafe extern "C" fn(*mut ngx_connection_t, *mut ngx_pool_t, *mut ngx_str_t) -> ngx_int_t;

impl<M: Registered> Connection<'_, M> {
    /// The name of the protocol.
    pub fn protocol_name(&self) -> &'static [u8] {
        // SAFETY: the table is static, and has a name.
        unsafe { (*M::protocol()).name.as_bytes() }
    }

    /// The client's address, without its port.
    pub fn address(&self) -> &[u8] {
        // SAFETY: the invariant; a connection that was accepted has it.
        unsafe { (*self.as_ptr()).addr_text.as_bytes() }
    }

    /// The same as an address, if it is one of IP.
    pub fn ip(&self) -> Option<IpAddr> {
        // SAFETY: the invariant; an address has the size of its family.
        unsafe {
            let address = (*self.as_ptr()).sockaddr;
            match u32::from((*address).sa_family) {
                AF_INET => {
                    let address = (*address.cast::<sockaddr_in>()).sin_addr.s_addr;
                    Some(IpAddr::from(address.to_ne_bytes()))
                }
                AF_INET6 => {
                    let address = &raw const (*address.cast::<sockaddr_in6>()).sin6_addr;
                    Some(IpAddr::from(*address.cast::<[u8; 16]>()))
                }
                _ => None,
            }
        }
    }

    /// The client's name, where one was looked up; else it is empty.
    pub fn host(&self) -> &[u8] {
        // SAFETY: the invariant.
        unsafe {
            let host = &(*self.session()).host;
            if host.len == 0 { &[] } else { host.as_bytes() }
        }
    }

    /// The session's challenge with its CRLF, if it has one (ngx_mail_salt()).
    pub fn session_challenge(&self) -> &[u8] {
        // SAFETY: the invariant.
        unsafe {
            let salt = &(*self.session()).salt;
            if salt.len == 0 { &[] } else { salt.as_bytes() }
        }
    }

    /// How many logins have been begun in this session.
    pub fn login_attempts(&self) -> usize {
        // SAFETY: the invariant.
        unsafe { (*self.session()).login_attempt }
    }

    /// What the header of the PROXY protocol said, if there was one.
    pub fn proxy_header(&self) -> Option<ProxyHeader<'_>> {
        // SAFETY: the invariant; what nginx has read stays with the connection.
        unsafe {
            let header = (*self.as_ptr()).proxy_protocol.as_ref()?;
            Some(ProxyHeader {
                source: header.src_addr.as_bytes(),
                source_port: header.src_port,
                destination: header.dst_addr.as_bytes(),
                destination_port: header.dst_port,
            })
        }
    }

    /// The client's TLS, if there is any, with its certificate if that is wanted.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn tls_facts(&self, certificate: bool) -> Result<Option<TlsFacts>, NoMemory> {
        if !self.tls() {
            return Ok(None);
        }
        // SAFETY: the invariant; the configuration holds that of each module.
        let (pool, verify) = unsafe {
            let pool = ngx_create_pool(1024, self.error_log().as_ptr());
            let conf = *(*self.session()).srv_conf.add(ngx_mail_ssl_module.ctx_index);
            (pool, (*conf.cast::<ngx_mail_ssl_conf_t>()).verify != 0)
        };
        let pool = self.logged(NonNull::new(pool).ok_or(NoMemory))?;
        let mut facts = TlsFacts { pool, texts: [ngx_str_t::empty(); 8] };
        let always: [Get; 2] = [ngx_ssl_get_protocol, ngx_ssl_get_cipher_name];
        let verified: [Get; 6] = [
            ngx_ssl_get_client_verify,
            ngx_ssl_get_subject_dn,
            ngx_ssl_get_issuer_dn,
            ngx_ssl_get_serial_number,
            ngx_ssl_get_fingerprint,
            ngx_ssl_get_raw_certificate,
        ];
        let count = match (verify, certificate) {
            (false, _) => 0,
            (true, false) => 5,
            (true, true) => 6,
        };
        let functions = always.into_iter().chain(verified.into_iter().take(count));
        for (text, (index, get)) in facts.texts.iter_mut().zip(functions.enumerate()) {
            // SAFETY: the connection is live and in TLS; the pool is, too, and holds what
            // is found. Of the first two nginx gives no length.
            unsafe {
                if get(self.as_ptr(), pool.as_ptr(), text) != NGX_OK as isize {
                    return Err(NoMemory);
                }
                if index < 2 {
                    text.len = CStr::from_ptr(text.data.cast()).count_bytes();
                }
            }
        }

        Ok(Some(facts))
    }
}
