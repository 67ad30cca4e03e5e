//! A request to an auth server: its lines are those that a list of headers gives, and
//! nothing that a client has sent ends one.
//!
//! Input: two bytes that choose what there is, eight of numbers, one for the length of
//! the login; then the login, and what serves as all the rest.

#![no_main]

use auth_http::Method;
use auth_http::request::{ProxyProtocol, Request, Ssl, Version, header};
use libfuzzer_sys::fuzz_target;

const METHODS: [(Method, &str); 6] = [
    (Method::Plain, "plain"),
    (Method::Apop, "apop"),
    (Method::CramMd5, "cram-md5"),
    (Method::External, "external"),
    (Method::Xoauth2, "xoauth2"),
    (Method::OauthBearer, "oauthbearer"),
];

fuzz_target!(|data: &[u8]| {
    let Some(([method, chosen, numbers @ .., length], texts)) = data.split_first_chunk::<11>()
    else {
        return;
    };
    let (login, secret) = texts.split_at(usize::from(*length).min(texts.len()));
    let number = u64::from_be_bytes(*numbers);
    let port = number as u16;
    let is = |bit: u8| chosen & 1 << bit != 0;
    let (method, method_name) = METHODS[usize::from(*method) % METHODS.len()];
    // What is not escaped, ends no line as it is.
    let line: Vec<u8> = secret.iter().copied().filter(|byte| !b"\r\n\0".contains(byte)).collect();

    let mut headers = vec![];
    if is(0) {
        header(b"X-Key", &line, &mut |piece| headers.extend_from_slice(piece));
    }
    let ssl = Ssl {
        protocol: b"TLSv1.3",
        cipher: if is(1) { b"x" } else { b"" },
        subject: &line,
        cert: if is(2) { secret } else { b"" },
        ..Ssl::default()
    };
    let request = Request {
        version: if is(3) { Version::Http11 } else { Version::Http10 },
        uri: b"/auth",
        host: b"localhost",
        method,
        login,
        secret,
        salt: is(4).then_some(&line),
        protocol: b"pop3",
        login_attempt: number,
        client_ip: b"::1",
        client_host: is(5).then_some(login),
        proxy_protocol: is(6).then_some(ProxyProtocol {
            addr: b"192.0.2.1",
            port,
            server_addr: b"192.0.2.2",
            server_port: !port,
        }),
        ssl: is(7).then_some(ssl),
        headers: &headers,
    };

    let mut lines = Lines(vec![]);
    lines.add("GET /auth HTTP/1.", if is(3) { b"1" } else { b"0" });
    lines.add("Host: ", b"localhost");
    lines.add("Auth-Method: ", method_name.as_bytes());
    lines.add("Auth-User: ", &escaped(login));
    lines.add("Auth-Pass: ", &escaped(secret));
    if is(4) {
        lines.add("Auth-Salt: ", &line);
    }
    lines.add("Auth-Protocol: ", b"pop3");
    lines.add("Auth-Login-Attempt: ", number.to_string().as_bytes());
    lines.add("Client-IP: ", b"::1");
    if is(5) {
        lines.add("Client-Host: ", &escaped(login));
    }
    if is(6) {
        lines.add("Proxy-Protocol-Addr: ", b"192.0.2.1");
        lines.add("Proxy-Protocol-Port: ", port.to_string().as_bytes());
        lines.add("Proxy-Protocol-Server-Addr: ", b"192.0.2.2");
        lines.add("Proxy-Protocol-Server-Port: ", (!port).to_string().as_bytes());
    }
    if is(7) {
        lines.add("Auth-SSL: ", b"on");
        lines.add("Auth-SSL-Protocol: ", b"TLSv1.3");
        lines.add_any("Auth-SSL-Cipher: ", ssl.cipher);
        lines.add_any("Auth-SSL-Subject: ", &line);
        lines.add_any("Auth-SSL-Cert: ", &escaped(ssl.cert));
    }
    if is(0) {
        lines.add("X-Key: ", &line);
    }
    lines.add("", b"");

    let mut written = vec![];
    request.write(|piece| written.extend_from_slice(piece));
    assert_eq!(written.escape_ascii().to_string(), lines.0.escape_ascii().to_string());
    let ends = written.split(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\r")).count();
    assert_eq!(ends, written.iter().filter(|byte| b"\r\n\0".contains(byte)).count() / 2);
});

struct Lines(Vec<u8>);

impl Lines {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.0.extend([name.as_bytes(), value, b"\r\n"].concat());
    }

    /// Adds it if there is a value.
    fn add_any(&mut self, name: &str, value: &[u8]) {
        if !value.is_empty() {
            self.add(name, value);
        }
    }
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let byte = |byte: &u8| match byte {
        0..0x21 | 0x25 => format!("%{byte:02X}").into_bytes(),
        plain => vec![*plain],
    };
    text.iter().flat_map(byte).collect()
}
