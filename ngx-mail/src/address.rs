//! Addresses of servers, from a configuration.

use core::cell::Cell;
use core::ffi::CStr;
use core::marker::PhantomData;
use core::mem::{self, size_of};
use core::ptr::NonNull;

use nginx_sys::{
    AF_UNIX, NGX_OK, in6_addr, ngx_addr_t, ngx_inet_addr, ngx_inet_set_port, ngx_inet6_addr,
    ngx_parse_url, ngx_sock_ntop, ngx_str_t, ngx_url_t, sockaddr,
};

use crate::bindings::{NGX_RS_INADDR_NONE, NGX_RS_SOCKADDR_STRLEN};
use crate::conf::{Conf, Refused};
use crate::error::NoMemory;
use crate::text::Text;

/// The addresses that a name stands for; one at least.
pub struct Addresses {
    /// `count` of them, live as long as the configuration.
    list: NonNull<ngx_addr_t>,
    count: usize,
    /// The first to be tried by the next session.
    next: Cell<usize>,
}

/// What stands before the port.
#[derive(Clone, Copy)]
pub enum Host {
    /// A name.
    Name(Text),
    /// An IP address, without brackets.
    Address(Text),
    /// A unix socket's path: neither.
    Unix,
}

/// One of [`Addresses`]. Like a [`Text`] it is live as long as the configuration, and
/// has no way out of there.
#[derive(Clone, Copy)]
pub struct Address {
    raw: NonNull<ngx_addr_t>,
    kept: PhantomData<*const ngx_addr_t>,
}

impl Address {
    /// `raw` is one of the configuration's addresses.
    pub(crate) const fn from_raw(raw: NonNull<ngx_addr_t>) -> Self {
        Self { raw, kept: PhantomData }
    }

    /// nginx's address, live as long as the configuration.
    pub(crate) const fn raw(self) -> NonNull<ngx_addr_t> {
        self.raw
    }
}

impl Addresses {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Gives all addresses their turn at being first: an index for [`Addresses::get`].
    pub fn take_turn(&self) -> usize {
        let first = self.next.get();
        self.next.set(first.wrapping_add(1));
        first
    }

    /// The address at an index, which begins anew behind the last one.
    pub fn get(&self, index: usize) -> Address {
        let index = index.checked_rem(self.count).unwrap_or(0);
        // SAFETY: the invariant, and the index is below `count`.
        Address { raw: unsafe { self.list.add(index) }, kept: PhantomData }
    }
}

/// What has been looked up, for [`Conf::addresses`].
#[derive(Clone, Copy)]
pub struct Found {
    /// The addresses, live as long as the configuration.
    list: NonNull<ngx_addr_t>,
    count: usize,
    host: Host,
    has_port: bool,
    /// What stood before the port, as it stood there.
    text: Text,
    uri: Text,
}

impl Found {
    /// What stood before the port, with the brackets of IPv6; of a unix socket it is the
    /// path.
    pub const fn text(&self) -> Text {
        self.text
    }

    /// The path behind all that, of [`Conf::look_up_url`]; it may be empty.
    pub const fn uri(&self) -> Text {
        self.uri
    }

    /// What stands before the port.
    pub const fn host(&self) -> Host {
        self.host
    }
}

impl Conf<'_> {
    /// Looks up `host[:port]`, `[v6]:port` or `unix:path` (ngx_parse_url()). `usage`
    /// ends the message about what is none.
    ///
    /// # Errors
    ///
    /// There is no such host, or no memory.
    pub fn look_up(&mut self, value: Text, usage: &CStr) -> Result<Found, Refused> {
        let found = self.find(value.as_raw(), false)?;
        found.map_err(|reason| self.refuse(reason, value.as_bytes(), usage))
    }

    /// The same without a message, as the value may be a secret: gives nginx's reason, which
    /// does not hold it.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn look_up_silently(
        &mut self,
        value: Text,
    ) -> Result<Result<Found, &'static CStr>, NoMemory> {
        self.find(value.as_raw(), false)
    }

    /// Looks up the server of a URL, of which the scheme may be left out.
    ///
    /// # Errors
    ///
    /// As for [`Conf::look_up`].
    pub fn look_up_url(&mut self, value: Text, usage: &CStr) -> Result<Found, Refused> {
        const SCHEME: &[u8] = b"http://";

        let mut url = value.as_raw();
        if value.as_bytes().starts_with(SCHEME) {
            // SAFETY: the text is that long.
            url.data = unsafe { url.data.add(SCHEME.len()) };
            url.len = url.len.saturating_sub(SCHEME.len());
        }
        let found = self.find(url, true)?;
        found.map_err(|reason| self.refuse(reason, value.as_bytes(), usage))
    }

    /// Gives nginx's reason if there is none.
    fn find(
        &mut self,
        text: ngx_str_t,
        uri: bool,
    ) -> Result<Result<Found, &'static CStr>, NoMemory> {
        // SAFETY: all zeros are a valid ngx_url_t.
        let mut url: ngx_url_t = unsafe { mem::zeroed() };
        url.url = text;
        url.set_uri_part(uri.into());
        // SAFETY: the configuration's pool is live, and gets what is found; `err` is
        // null or one of nginx's texts.
        unsafe {
            if ngx_parse_url(self.pool(), &raw mut url) != NGX_OK as isize {
                let reason =
                    if url.err.is_null() { c"no memory for" } else { CStr::from_ptr(url.err) };
                return Ok(Err(reason));
            }
        }
        let list = NonNull::new(url.addrs).ok_or(NoMemory)?;
        let has_port = url.no_port() == 0;

        // SAFETY: both are parts of the directive's value, which stays, or empty.
        let (text, uri) = unsafe { (Text::from_raw(url.host), Text::from_raw(url.uri)) };

        Ok(Ok(Found { list, count: url.naddrs, host: host(&url), has_port, text, uri }))
    }

    /// Makes the addresses of a server, with this port where none was looked up.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn addresses(&mut self, found: &Found, port: u16) -> Result<Addresses, NoMemory> {
        let &Found { list: from, count, has_port, .. } = found;
        let list = self.allocate(size_of::<ngx_addr_t>().saturating_mul(count));
        let list = NonNull::new(list.cast::<ngx_addr_t>()).ok_or(NoMemory)?;
        // SAFETY: nginx has put `count` addresses there, and the memory has room for as
        // many.
        unsafe {
            for index in 0..count {
                let mut address = from.add(index).read();
                if !has_port {
                    self.set_port(&mut address, port)?;
                }
                list.add(index).write(address);
            }
        }

        Ok(Addresses { list, count, next: Cell::new(0) })
    }

    /// Gives an address another port, and a name with that.
    ///
    /// # Safety
    ///
    /// `address` is one of nginx's.
    unsafe fn set_port(&mut self, address: &mut ngx_addr_t, port: u16) -> Result<(), NoMemory> {
        let mut room = [0; NGX_RS_SOCKADDR_STRLEN as usize];
        let length = address.socklen as usize;
        let socket = NonNull::new(self.allocate(length).cast::<sockaddr>()).ok_or(NoMemory)?;
        // SAFETY: the caller's promise; the new memory has the length of the old one,
        // and nginx writes no more of a name than there is room for.
        let length = unsafe {
            socket
                .cast::<u8>()
                .copy_from_nonoverlapping(NonNull::new_unchecked(address.sockaddr).cast(), length);
            address.sockaddr = socket.as_ptr();
            ngx_inet_set_port(address.sockaddr, port);
            ngx_sock_ntop(address.sockaddr, address.socklen, room.as_mut_ptr(), room.len(), 1)
        };
        let name = room.get(..length).unwrap_or_default();
        address.name = self.text(&|put| put(name))?.as_raw();

        Ok(())
    }
}

fn host(url: &ngx_url_t) -> Host {
    if url.family == AF_UNIX as i32 {
        return Host::Unix;
    }
    // SAFETY: ngx_parse_url() has set it to a part of the directive's value, which
    // stays as long as the configuration.
    Host::of(unsafe { Text::from_raw(url.host) })
}

impl Host {
    /// What a text is that is no path. An address of IPv6 may have its brackets.
    pub fn of(text: Text) -> Self {
        let mut raw = text.as_raw();
        if let [b'[', .., b']'] = text.as_bytes() {
            // SAFETY: there are two bytes at least.
            raw.data = unsafe { raw.data.add(1) };
            raw.len = raw.len.saturating_sub(2);
        }
        let mut room = [0; size_of::<in6_addr>()];
        // SAFETY: nginx only reads the text, and writes an address of IPv6. What is left
        // of a text stays as long as that.
        unsafe {
            let address = ngx_inet_addr(raw.data, raw.len) != NGX_RS_INADDR_NONE
                || ngx_inet6_addr(raw.data, raw.len, room.as_mut_ptr()) == NGX_OK as isize;
            if address { Self::Address(Text::from_raw(raw)) } else { Self::Name(text) }
        }
    }
}
