//! The request: the headers that nginx's own client sends, in its order.

/// How the credentials were proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Login and password in clear.
    Plain,
    /// A digest over the challenge (RFC 1939, section 7).
    Apop,
    /// A keyed digest over the challenge (RFC 2195).
    CramMd5,
    /// A proof outside of the protocol (RFC 4422, appendix A).
    External,
    /// A bearer token, in Google's form.
    Xoauth2,
    /// A bearer token (RFC 7628).
    OauthBearer,
}

/// What HTTP the request is. There is one header for both, `Host`, that HTTP/1.1 needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0, as nginx's own client speaks it: the server ends the connection.
    Http10,
    /// HTTP/1.1: the server may keep the connection.
    Http11,
}

/// A request. Login, secret, certificate and host name are written with `%XX` for what
/// may not stand in a header; no other value may hold a CR, LF or NUL. What is empty in
/// an [`Ssl`] is not written.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// What HTTP it is.
    pub version: Version,
    /// Path and query of the auth server's address.
    pub uri: &'a [u8],
    /// Host of the auth server's address, without port; `localhost` for a unix socket.
    pub host: &'a [u8],
    /// How the credentials were proven.
    pub method: Method,
    /// Whose they are.
    pub login: &'a [u8],
    /// The password, digest or token.
    pub secret: &'a [u8],
    /// The challenge that a digest is over, without CRLF; not for other methods.
    pub salt: Option<&'a [u8]>,
    /// The mail protocol, as nginx calls it.
    pub protocol: &'a [u8],
    /// How many logins the client has tried in this session, this one included.
    pub login_attempt: u64,
    /// The client's address, without port; `unix:` if it has none.
    pub client_ip: &'a [u8],
    /// The client's name, where one was looked up.
    pub client_host: Option<&'a [u8]>,
    /// What the PROXY protocol's header said.
    pub proxy_protocol: Option<ProxyProtocol<'a>>,
    /// The client's TLS.
    pub ssl: Option<Ssl<'a>>,
    /// Lines that [`header`] has written, for `auth_http_header`.
    pub headers: &'a [u8],
}

/// What the PROXY protocol's header said.
#[derive(Clone, Copy)]
pub struct ProxyProtocol<'a> {
    /// The source's address.
    pub addr: &'a [u8],
    /// The source's port.
    pub port: u16,
    /// The destination's address.
    pub server_addr: &'a [u8],
    /// The destination's port.
    pub server_port: u16,
}

/// The client's TLS, and its certificate where the server asks for one.
#[derive(Clone, Copy, Default)]
pub struct Ssl<'a> {
    /// Such as `TLSv1.3`.
    pub protocol: &'a [u8],
    /// The cipher's name.
    pub cipher: &'a [u8],
    /// `SUCCESS`, `FAILED:reason` or `NONE`.
    pub verify: &'a [u8],
    /// Whose the certificate is (RFC 2253).
    pub subject: &'a [u8],
    /// Who has issued it (RFC 2253).
    pub issuer: &'a [u8],
    /// Its serial number.
    pub serial: &'a [u8],
    /// Its SHA-1.
    pub fingerprint: &'a [u8],
    /// The certificate in PEM, where `auth_http_pass_client_cert` is on.
    pub cert: &'a [u8],
}

impl Request<'_> {
    /// Writes the request, piece by piece.
    pub fn write(&self, mut put: impl FnMut(&[u8])) {
        let put = &mut put;

        put(b"GET ");
        put(self.uri);
        put(self.version.line_end());
        header(b"Host", self.host, put);
        header(b"Auth-Method", self.method.name(), put);
        escaped_header(b"Auth-User", self.login, put);
        escaped_header(b"Auth-Pass", self.secret, put);
        if let Some(salt) = self.salt {
            header(b"Auth-Salt", salt, put);
        }
        header(b"Auth-Protocol", self.protocol, put);
        decimal_header(b"Auth-Login-Attempt", self.login_attempt, put);
        header(b"Client-IP", self.client_ip, put);
        if let Some(host) = self.client_host {
            escaped_header(b"Client-Host", host, put);
        }
        if let Some(proxy_protocol) = &self.proxy_protocol {
            proxy_protocol.write(put);
        }
        if let Some(ssl) = &self.ssl {
            ssl.write(put);
        }
        put(self.headers);
        put(b"\r\n");
    }
}

impl ProxyProtocol<'_> {
    fn write(&self, put: &mut impl FnMut(&[u8])) {
        header(b"Proxy-Protocol-Addr", self.addr, put);
        decimal_header(b"Proxy-Protocol-Port", self.port.into(), put);
        header(b"Proxy-Protocol-Server-Addr", self.server_addr, put);
        decimal_header(b"Proxy-Protocol-Server-Port", self.server_port.into(), put);
    }
}

impl Ssl<'_> {
    fn write(&self, put: &mut impl FnMut(&[u8])) {
        header(b"Auth-SSL", b"on", put);
        for (name, value) in [
            (&b"Auth-SSL-Protocol"[..], self.protocol),
            (b"Auth-SSL-Cipher", self.cipher),
            (b"Auth-SSL-Verify", self.verify),
            (b"Auth-SSL-Subject", self.subject),
            (b"Auth-SSL-Issuer", self.issuer),
            (b"Auth-SSL-Serial", self.serial),
            (b"Auth-SSL-Fingerprint", self.fingerprint),
        ] {
            if !value.is_empty() {
                header(name, value, put);
            }
        }
        if !self.cert.is_empty() {
            escaped_header(b"Auth-SSL-Cert", self.cert, put);
        }
    }
}

impl Method {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Plain => b"plain",
            Self::Apop => b"apop",
            Self::CramMd5 => b"cram-md5",
            Self::External => b"external",
            Self::Xoauth2 => b"xoauth2",
            Self::OauthBearer => b"oauthbearer",
        }
    }
}

impl Version {
    const fn line_end(self) -> &'static [u8] {
        match self {
            Self::Http10 => b" HTTP/1.0\r\n",
            Self::Http11 => b" HTTP/1.1\r\n",
        }
    }
}

/// Writes a header with its CRLF, piece by piece.
pub fn header(name: &[u8], value: &[u8], put: &mut impl FnMut(&[u8])) {
    put(name);
    put(b": ");
    put(value);
    put(b"\r\n");
}

fn escaped_header(name: &[u8], value: &[u8], put: &mut impl FnMut(&[u8])) {
    put(name);
    put(b": ");
    escape(value, put);
    put(b"\r\n");
}

fn decimal_header(name: &[u8], number: u64, put: &mut impl FnMut(&[u8])) {
    put(name);
    put(b": ");
    decimal(number, put);
    put(b"\r\n");
}

/// Writes `%XX` for control characters, spaces and `%`; DEL and what is not ASCII stand
/// for themselves.
fn escape(mut text: &[u8], put: &mut impl FnMut(&[u8])) {
    let unfit = |&byte: &u8| is_escaped(byte);

    while let Some((plain, [byte, behind @ ..])) =
        text.iter().position(unfit).and_then(|at| text.split_at_checked(at))
    {
        put(plain);
        put(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 0x0f)]);
        text = behind;
    }
    put(text);
}

/// Whether a text holds a secret in the form in which a request has it, or so much of that
/// that it is no accident.
pub fn is_escaped_in(secret: &[u8], text: &[u8]) -> bool {
    const ENOUGH: usize = 16;

    let mut room = [0; ENOUGH];
    let mut places = room.iter_mut();
    escape(secret, &mut |piece| {
        piece.iter().zip(&mut places).for_each(|(from, to)| *to = *from);
    });
    let length = ENOUGH.saturating_sub(places.len());
    let head = room.get(..length).unwrap_or_default();

    !head.is_empty() && text.windows(head.len()).any(|window| window == head)
}

const fn is_escaped(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'%')
}

/// That of a number below 16.
const fn hex_digit(number: u8) -> u8 {
    if number < 10 { number.wrapping_add(b'0') } else { number.wrapping_add(b'A' - 10) }
}

fn decimal(mut number: u64, put: &mut impl FnMut(&[u8])) {
    let mut digits = [0; 20];
    let mut start = digits.len();

    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add((number % 10) as u8);
        number /= 10;
        start = start.saturating_sub(1);
        if number == 0 {
            break;
        }
    }
    put(digits.get(start..).unwrap_or_default());
}
