//! The ends of a client's connection, in words.

use core::ffi::CStr;

use nginx_sys::{
    AF_INET, AF_INET6, ngx_inet_get_port, ngx_slprintf, ngx_sock_ntop, sockaddr, socklen_t,
};

/// A text of a few bytes.
#[derive(Clone, Copy)]
pub struct Short {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Short {
    /// NGX_SOCKADDR_STRLEN of what is no path is less.
    const ROOM: usize = 64;

    /// A text, cut to 64 bytes.
    pub fn new(text: &[u8]) -> Self {
        let mut short = Self { bytes: [0; Self::ROOM], length: text.len().min(Self::ROOM) };
        for (to, from) in short.bytes.iter_mut().zip(text) {
            *to = *from;
        }
        short
    }

    /// Two numbers in nginx's format, which takes a `%L` for each.
    pub(crate) fn of_numbers(format: &CStr, first: i64, second: i64) -> Self {
        let mut bytes = [0; Self::ROOM];
        let room = bytes.as_mut_ptr_range();
        // SAFETY: it writes no further than the end of the room; "%L" takes an int64_t.
        let end = unsafe { ngx_slprintf(room.start, room.end, format.as_ptr(), first, second) };
        Self { length: end.addr().saturating_sub(room.start.addr()), bytes }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// An end of a connection over IP.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// The address, without brackets.
    pub address: Short,
    /// The port, in decimal.
    pub port: Short,
}

impl Endpoint {
    /// That of a socket's address, if it is one of IP.
    ///
    /// # Safety
    ///
    /// `address` is live and has that length.
    pub(crate) unsafe fn of(address: *mut sockaddr, length: socklen_t) -> Option<Self> {
        let mut text = [0; Short::ROOM];
        // SAFETY: the caller's promise; nginx writes no more than there is room for.
        unsafe {
            if address.is_null() || ![AF_INET, AF_INET6].contains(&u32::from((*address).sa_family))
            {
                return None;
            }
            let length = ngx_sock_ntop(address, length, text.as_mut_ptr(), text.len(), 0);
            Some(Self {
                address: Short::new(text.get(..length)?),
                port: Short::of_numbers(c"%L", ngx_inet_get_port(address).into(), 0),
            })
        }
    }
}
