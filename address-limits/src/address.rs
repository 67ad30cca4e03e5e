//! Whom clients are told apart by.

use core::num::NonZeroU64;

/// An IPv4 address, or the /64 of an IPv6 one: that is the least that a site has, which may
/// take any address in it for each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address(NonZeroU64);

impl Address {
    /// Takes an IPv4 address. It stands as `0:1:aabb:ccdd::/64`: of `::/8`, which is
    /// reserved, and in which nobody has been given this.
    pub const fn v4([a, b, c, d]: [u8; 4]) -> Self {
        Self::of([0, 0, 0, 1, a, b, c, d])
    }

    /// Takes an IPv6 address. One of IPv4 in IPv6's form (`::ffff:192.0.2.1`) is the same
    /// client as by IPv4.
    pub const fn v6(address: [u8; 16]) -> Self {
        match address {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] => Self::v4([a, b, c, d]),
            [a, b, c, d, e, f, g, h, ..] => Self::of([a, b, c, d, e, f, g, h]),
        }
    }

    /// The complement, as 0 is no address: it would be one of multicast, `::1` is not.
    const fn of(prefix: [u8; 8]) -> Self {
        match NonZeroU64::new(!u64::from_be_bytes(prefix)) {
            Some(address) => Self(address),
            None => Self(NonZeroU64::MIN),
        }
    }

    pub(crate) fn from_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    pub(crate) const fn word(self) -> u64 {
        self.0.get()
    }
}
