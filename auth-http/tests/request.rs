//! Requests, byte for byte as nginx's own client has sent them, but for values of the
//! machine.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use auth_http::Method;
use auth_http::request::{ProxyProtocol, Request, Ssl, Version, header, is_escaped_in};
use proptest::prelude::*;

const BOB: Request<'_> = Request {
    version: Version::Http10,
    uri: b"/auth?a=b",
    host: b"127.0.0.1",
    method: Method::Plain,
    login: b"bob",
    secret: b"x",
    salt: None,
    protocol: b"pop3",
    login_attempt: 1,
    client_ip: b"127.0.0.1",
    client_host: None,
    proxy_protocol: None,
    ssl: None,
    headers: b"",
};

fn written(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.write(|piece| bytes.extend_from_slice(piece));
    bytes
}

fn text(request: &Request<'_>) -> String {
    String::from_utf8(written(request)).unwrap()
}

/// The value of a header.
fn value(request: &Request<'_>, name: &str) -> Option<Vec<u8>> {
    let begin = format!("\r\n{name}: ");
    let bytes = written(request);
    let at = bytes.windows(begin.len()).position(|window| window == begin.as_bytes())?;
    let value = &bytes[at + begin.len()..];
    let end = value.windows(2).position(|window| window == b"\r\n")?;
    Some(value[..end].to_vec())
}

#[test]
fn as_nginx_sends_it() {
    let mut headers = Vec::new();
    header(b"X-Auth-Key", b"a b%c", &mut |piece| headers.extend_from_slice(piece));
    header(b"X-Two", b"two", &mut |piece| headers.extend_from_slice(piece));

    assert_eq!(
        text(&Request { login: b"bob 100%", secret: b"a b%\t\x01z", headers: &headers, ..BOB }),
        "GET /auth?a=b HTTP/1.0\r\nHost: 127.0.0.1\r\nAuth-Method: plain\r\n\
         Auth-User: bob%20100%25\r\nAuth-Pass: a%20b%25%09%01z\r\nAuth-Protocol: pop3\r\n\
         Auth-Login-Attempt: 1\r\nClient-IP: 127.0.0.1\r\nX-Auth-Key: a b%c\r\nX-Two: two\r\n\
         \r\n"
    );
}

#[test]
fn http11_differs_in_its_first_line_alone() {
    let old = text(&BOB);
    let new = text(&Request { version: Version::Http11, ..BOB });

    assert_eq!(new, old.replacen("HTTP/1.0", "HTTP/1.1", 1));
    assert_ne!(new, old);
}

#[test]
fn the_salt_stands_behind_the_digest() {
    let digest = b"c4c9334bac560ecc979e58001b3e22fb";
    let request = Request {
        method: Method::Apop,
        secret: digest,
        salt: Some(b"<818184250.1795652298@vm>"),
        ..BOB
    };

    assert!(text(&request).contains(
        "\r\nAuth-Method: apop\r\nAuth-User: bob\r\n\
         Auth-Pass: c4c9334bac560ecc979e58001b3e22fb\r\n\
         Auth-Salt: <818184250.1795652298@vm>\r\nAuth-Protocol: pop3\r\n"
    ));
}

#[test]
fn methods_have_nginx_names() {
    for (method, name) in [
        (Method::Plain, "plain"),
        (Method::Apop, "apop"),
        (Method::CramMd5, "cram-md5"),
        (Method::External, "external"),
        (Method::Xoauth2, "xoauth2"),
        (Method::OauthBearer, "oauthbearer"),
    ] {
        let request = Request { method, secret: b"", ..BOB };
        assert_eq!(value(&request, "Auth-Method").unwrap(), name.as_bytes());
        // An empty secret is sent.
        assert_eq!(value(&request, "Auth-Pass").unwrap(), b"");
    }
}

#[test]
fn what_the_proxy_protocol_said_stands_behind_the_client() {
    let proxy_protocol = ProxyProtocol {
        addr: b"192.0.2.1",
        port: 1234,
        server_addr: b"192.0.2.2",
        server_port: 65535,
    };
    let request = Request {
        client_host: Some(b"mail.example.org"),
        proxy_protocol: Some(proxy_protocol),
        headers: b"X-Two: two\r\n",
        ..BOB
    };

    assert!(text(&request).ends_with(
        "\r\nClient-IP: 127.0.0.1\r\nClient-Host: mail.example.org\r\n\
         Proxy-Protocol-Addr: 192.0.2.1\r\nProxy-Protocol-Port: 1234\r\n\
         Proxy-Protocol-Server-Addr: 192.0.2.2\r\nProxy-Protocol-Server-Port: 65535\r\n\
         X-Two: two\r\n\r\n"
    ));
}

#[test]
fn tls_without_a_certificate() {
    let ssl = Ssl {
        protocol: b"TLSv1.3",
        cipher: b"TLS_AES_256_GCM_SHA384",
        verify: b"NONE",
        ..Ssl::default()
    };
    let request = Request { ssl: Some(ssl), headers: b"X-Two: two\r\n", ..BOB };

    assert!(text(&request).ends_with(
        "\r\nClient-IP: 127.0.0.1\r\nAuth-SSL: on\r\nAuth-SSL-Protocol: TLSv1.3\r\n\
         Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384\r\nAuth-SSL-Verify: NONE\r\n\
         X-Two: two\r\n\r\n"
    ));
    let nothing_known = Request { ssl: Some(Ssl::default()), ..BOB };
    assert!(text(&nothing_known).ends_with("\r\nClient-IP: 127.0.0.1\r\nAuth-SSL: on\r\n\r\n"));
}

#[test]
fn tls_with_a_certificate() {
    let ssl = Ssl {
        protocol: b"TLSv1.3",
        cipher: b"TLS_AES_256_GCM_SHA384",
        verify: b"SUCCESS",
        subject: b"CN=bob%x,O=Exa mple,C=DE",
        issuer: b"CN=ca,O=Exa mple,C=DE",
        serial: b"24742EE66109B1A70BADB84393A2935B5ED0531E",
        fingerprint: b"6e5eaf0e32421a6bc8cb2c9a3bb8dbb23c3c771c",
        cert: b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
    };

    assert!(text(&Request { ssl: Some(ssl), ..BOB }).ends_with(
        "\r\nAuth-SSL-Verify: SUCCESS\r\nAuth-SSL-Subject: CN=bob%x,O=Exa mple,C=DE\r\n\
         Auth-SSL-Issuer: CN=ca,O=Exa mple,C=DE\r\n\
         Auth-SSL-Serial: 24742EE66109B1A70BADB84393A2935B5ED0531E\r\n\
         Auth-SSL-Fingerprint: 6e5eaf0e32421a6bc8cb2c9a3bb8dbb23c3c771c\r\n\
         Auth-SSL-Cert: -----BEGIN%20CERTIFICATE-----%0AMAA=%0A\
         -----END%20CERTIFICATE-----%0A\r\n\r\n"
    ));
}

#[test]
fn numbers_are_decimal() {
    for number in [0, 1, 9, 10, 99, 100, 12345, u64::MAX / 2, u64::MAX] {
        let request = Request { login_attempt: number, ..BOB };
        assert_eq!(value(&request, "Auth-Login-Attempt").unwrap(), number.to_string().as_bytes());
    }
}

#[test]
fn a_space_a_percent_sign_and_control_characters_are_escaped() {
    for byte in 0..=u8::MAX {
        let escaped = match byte {
            0..=b' ' | b'%' => format!("x%{byte:02X}y").into_bytes(),
            plain => vec![b'x', plain, b'y'],
        };
        let bytes = [b'x', byte, b'y'];
        let request = Request { login: &bytes, secret: &bytes, client_host: Some(&bytes), ..BOB };
        for name in ["Auth-User", "Auth-Pass", "Client-Host"] {
            assert_eq!(value(&request, name).unwrap(), escaped);
        }
    }
}

/// What an auth server makes of `%XX`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut left = text;
    while let [first, behind @ ..] = left {
        left = behind;
        if let (b'%', [high, low, behind @ ..]) = (first, behind) {
            let digits = [*high, *low];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            left = behind;
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

proptest! {
    #[test]
    fn no_secret_ends_a_line(login: Vec<u8>, secret: Vec<u8>, cert in "\\PC{1,40}") {
        let ssl = Ssl { cert: cert.as_bytes(), ..Ssl::default() };
        let request = Request { login: &login, secret: &secret, ssl: Some(ssl), ..BOB };
        let bytes = written(&request);
        let plain = written(&Request { ssl: Some(ssl), ..BOB });
        let ends = |bytes: &[u8]| bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();

        prop_assert_eq!(ends(&bytes), ends(&plain));
        prop_assert_eq!(&unescaped(&value(&request, "Auth-User").unwrap()), &login);
        prop_assert_eq!(&unescaped(&value(&request, "Auth-Pass").unwrap()), &secret);
        prop_assert_eq!(unescaped(&value(&request, "Auth-SSL-Cert").unwrap()), cert.as_bytes());
    }

    #[test]
    fn numbers_are_decimal_whatever_they_are(number: u64, port: u16) {
        let proxy_protocol =
            ProxyProtocol { addr: b"", port, server_addr: b"", server_port: !port };
        let request = Request {
            login_attempt: number,
            proxy_protocol: Some(proxy_protocol),
            ..BOB
        };
        for (name, number) in [
            ("Auth-Login-Attempt", number),
            ("Proxy-Protocol-Port", port.into()),
            ("Proxy-Protocol-Server-Port", (!port).into()),
        ] {
            let decimal = number.to_string();
            prop_assert_eq!(value(&request, name).unwrap(), decimal.as_bytes());
        }
    }
}

#[test]
fn an_escaped_text_is_found() {
    for (secret, text, found) in [
        ("secret", "no secret here", true),
        ("a b", "pass=a%20b is wrong", true),
        ("100 %", "100%20%25", true),
        ("\x01", "%01", true),
        ("a b", "a b", false),
        ("a b", "a%20", false),
        ("a b", "a%2", false),
        ("secret", "", false),
        ("", "text", false),
        ("a longer one: 16 bytes are enough", "a%20longer%20one", true),
        ("a longer one: 15 bytes are not", "a%20longer%20on", false),
    ] {
        assert_eq!(is_escaped_in(secret.as_bytes(), text.as_bytes()), found, "{secret:?} {text:?}");
    }
}
