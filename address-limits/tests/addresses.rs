//! Whom clients are told apart by, and pairs of login and secret.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use address_limits::{Address, pair};
use md5::Md5;

#[test]
fn ipv4_is_told_by_the_whole_address() {
    assert_eq!(Address::v4([192, 0, 2, 1]), Address::v4([192, 0, 2, 1]));
    assert_ne!(Address::v4([192, 0, 2, 1]), Address::v4([192, 0, 2, 2]));
    assert_ne!(Address::v4([1, 0, 2, 1]), Address::v4([2, 0, 2, 1]));
    assert_ne!(Address::v4([0; 4]), Address::v4([255; 4]));
}

fn v6(groups: [u16; 8]) -> Address {
    let mut bytes = [0; 16];
    let given = groups.map(u16::to_be_bytes);
    bytes.copy_from_slice(given.as_flattened());
    Address::v6(bytes)
}

#[test]
fn ipv6_is_told_by_its_first_half() {
    let address = v6([0x2001, 0xdb8, 1, 2, 3, 4, 5, 6]);
    assert_eq!(address, v6([0x2001, 0xdb8, 1, 2, 0, 0, 0, 0]));
    assert_eq!(address, v6([0x2001, 0xdb8, 1, 2, 0xffff, 0xffff, 0xffff, 0xffff]));
    assert_ne!(address, v6([0x2001, 0xdb8, 1, 3, 3, 4, 5, 6]));
    assert_ne!(address, v6([0x2000, 0xdb8, 1, 2, 3, 4, 5, 6]));
    // Of all that a client may have.
    assert_ne!(v6([0, 0, 0, 0, 0, 0, 0, 1]), v6([0, 0, 0, 1, 0, 0, 0, 1]));
    assert_ne!(v6([0, 0, 0, 0, 0, 0, 0, 1]), v6([0xfeff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 1]));
}

#[test]
fn ipv4_in_the_form_of_ipv6_is_the_same() {
    let address = Address::v4([192, 0, 2, 1]);
    assert_eq!(v6([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x201]), address);
    let loopback = v6([0, 0, 0, 0, 0, 0, 0, 1]);
    for other in [
        [0, 0, 0, 0, 0, 0, 0xc000, 0x201],
        [0, 0, 0, 0, 0, 0xfffe, 0xc000, 0x201],
        [0, 0, 0, 0, 0, 0xff, 0xc000, 0x201],
        [0, 0, 0, 0, 1, 0xffff, 0xc000, 0x201],
    ] {
        assert_eq!(v6(other), loopback, "{other:x?}");
        assert_ne!(v6(other), address, "{other:x?}");
    }
}

#[test]
fn ipv4_is_apart_from_ipv6() {
    for [a, b] in [[0, 0], [0xc000, 0x201], [0xffff, 0xffff]] {
        let [[a1, a2], [b1, b2]] = [a, b].map(u16::to_be_bytes);
        let address = Address::v4([a1, a2, b1, b2]);
        // 0:1::/32 is nobody's; what begins otherwise is never the same.
        assert_eq!(v6([0, 1, a, b, 0, 0, 0, 0]), address);
        for first in [[0, 0], [0x64, 0xff9b], [0x2001, 0xdb8], [0xfe80, 0], [1, 0], [0, 2]] {
            assert_ne!(v6([first[0], first[1], a, b, 0, 0, 0, 0]), address);
        }
    }
}

/// HMAC (RFC 2104) as it is written there.
fn hmac_md5(key: [u64; 2], text: &[u8]) -> u64 {
    use md5::Digest;
    let pad = |with: u8| {
        let mut padded = [with; 64];
        let key = key.iter().flat_map(|word| word.to_be_bytes());
        padded.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        padded
    };
    let inner = Md5::new().chain_update(pad(0x36)).chain_update(text).finalize();
    let outer = Md5::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    u64::from_be_bytes(*outer.first_chunk().unwrap())
}

#[test]
fn a_pair_is_an_hmac_of_both() {
    let key = [0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f];
    for (login, secret) in [("bob", "secret"), ("", ""), ("b", "obsecret"), ("bob", "")] {
        let length = u64::try_from(login.len()).unwrap().to_be_bytes();
        let text = [&length, login.as_bytes(), secret.as_bytes()].concat();
        assert_eq!(pair(key, login.as_bytes(), secret.as_bytes()), hmac_md5(key, &text));
    }
    let secret = [b'x'; 500];
    let text = [&3_u64.to_be_bytes(), &b"bob"[..], &secret].concat();
    assert_eq!(pair(key, b"bob", &secret), hmac_md5(key, &text));
}

#[test]
fn pairs_that_differ() {
    let key = [1, 2];
    let one = pair(key, b"bob", b"secret");
    assert_eq!(one, pair(key, b"bob", b"secret"));
    for other in [
        pair(key, b"bob", b"Secret"),
        pair(key, b"tom", b"secret"),
        pair(key, b"bobs", b"ecret"),
        pair(key, b"", b"bobsecret"),
        pair([1, 3], b"bob", b"secret"),
        pair([0, 2], b"bob", b"secret"),
    ] {
        assert_ne!(one, other);
    }
}
