//! A client's connection, in plain or in TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};
use socket2::SockRef;

use crate::Failure;

/// How long a server may be silent in a measurement.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to a POP3 server that has been greeted.
pub struct Client {
    stream: Stream,
    /// Whether to acknowledge at once what is received; else as Linux does it, up to 40 ms
    /// later, in the hope of data to send along.
    pub ack_at_once: bool,
    /// From the connection, or the end of the handshake, to the greeting.
    pub greeting: Duration,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(
        server: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let tcp = TcpStream::connect_timeout(&server, patience)?;
        tcp.set_read_timeout(Some(patience))?;
        // Each command is one write: nothing is to hold it back.
        tcp.set_nodelay(true)?;

        let stream = match tls {
            None => Stream::Plain(tcp),
            Some(config) => Stream::Tls(Box::new(shake_hands(tcp, config)?)),
        };
        let start = Instant::now();
        let mut client = Self { stream, ack_at_once: false, greeting: Duration::ZERO };
        client.read_good_line()?;
        client.greeting = start.elapsed();

        Ok(client)
    }

    /// Whether the handshake took up a session of before.
    pub fn resumed(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => false,
            Stream::Tls(tls) => tls.conn.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Sends the login, and reads what comes of it.
    pub fn log_in(&mut self) -> Result<(), Failure> {
        self.order("USER bob@example.org\r\n")?;
        self.order("PASS correct horse\r\n")
    }

    /// Says QUIT, reads the reply and closes.
    pub fn log_out(mut self) -> Result<(), Failure> {
        self.order("QUIT\r\n")?;
        if let Stream::Tls(tls) = &mut self.stream {
            tls.conn.send_close_notify();
            // A server that has closed already misses nothing.
            let _ = tls.flush();
        }

        Ok(())
    }

    /// Reads a message, and gives its size on the wire.
    pub fn fetch(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        const END: &[u8] = b"\r\n.\r\n";

        self.stream.write_all(b"RETR 1\r\n")?;
        let mut size = 0;
        let mut tail = Vec::with_capacity(2 * END.len());
        loop {
            let read = self.read(buffer)?;
            size += read.len();
            tail.extend_from_slice(&read[read.len().saturating_sub(END.len())..]);
            tail.drain(..tail.len().saturating_sub(END.len()));
            if tail == END {
                return Ok(size);
            }
        }
    }

    /// Reads so many messages of this size, which are asked for together.
    pub fn fetch_together(
        &mut self,
        buffer: &mut [u8],
        messages: usize,
        size: usize,
    ) -> Result<usize, Failure> {
        self.stream.write_all("RETR 1\r\n".repeat(messages).as_bytes())?;
        let all = size * messages;
        let mut left = all;
        while left > 0 {
            let came = self.read(buffer)?.len();
            left = left.checked_sub(came).ok_or("the server sent more than was asked")?;
        }

        Ok(all)
    }

    fn order(&mut self, line: &str) -> Result<(), Failure> {
        self.stream.write_all(line.as_bytes())?;
        self.read_good_line()
    }

    fn read_good_line(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 512];
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            line.extend_from_slice(self.read(&mut buffer)?);
        }

        if line.starts_with(b"+OK") {
            Ok(())
        } else {
            Err(format!("refused: {}", String::from_utf8_lossy(&line).trim_end()).into())
        }
    }

    fn read<'a>(&mut self, buffer: &'a mut [u8]) -> Result<&'a [u8], Failure> {
        if self.ack_at_once {
            // Linux takes it back by itself, so it is set for each read.
            SockRef::from(self.stream.tcp()).set_tcp_quickack(true)?;
        }

        match self.stream.read(buffer) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(length) => Ok(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err("the server does not answer".into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn shake_hands(
    mut tcp: TcpStream,
    config: &Arc<ClientConfig>,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Failure> {
    let mut connection = ClientConnection::new(config.clone(), ServerName::try_from("localhost")?)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }

    Ok(StreamOwned::new(connection, tcp))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
