//! A client's connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::Failure;

/// When the client acknowledges what it receives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// As Linux does it: up to 40 ms later, in the hope of data to send along.
    Delayed,
    /// Immediately (TCP_QUICKACK).
    AtOnce,
}

/// A connection to a POP3 server.
pub struct Client {
    stream: TcpStream,
    acks: Acks,
    input: Vec<u8>,
}

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(server: SocketAddr, acks: Acks) -> Result<Self, Failure> {
        Self::greeted(TcpStream::connect(server)?, acks)
    }

    /// The same, from an address of one's own.
    pub fn connect_from(
        address: Ipv4Addr,
        server: SocketAddr,
        acks: Acks,
    ) -> Result<Self, Failure> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((address, 0)).into())?;
        socket.connect(&server.into())?;

        Self::greeted(socket.into(), acks)
    }

    fn greeted(stream: TcpStream, acks: Acks) -> Result<Self, Failure> {
        stream.set_read_timeout(Some(PATIENCE))?;
        // A client sends each batch in one write: nothing is to hold it back.
        stream.set_nodelay(true)?;

        let mut client = Self { stream, acks, input: Vec::new() };
        client.read_lines(1)?;

        Ok(client)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads until so many lines have come, and gives them.
    pub fn read_lines(&mut self, count: usize) -> Result<&[u8], Failure> {
        let mut missing = count;
        self.input.clear();

        while missing > 0 {
            let from = self.input.len();
            self.read_some()?;
            let came = self.input.iter().skip(from).filter(|&&byte| byte == b'\n').count();
            missing = missing.checked_sub(came).ok_or("the server sent more than was asked")?;
        }

        Ok(&self.input)
    }

    /// Reads lines that may all be good news only.
    pub fn read_good_lines(&mut self, count: usize) -> Result<&[u8], Failure> {
        let lines = self.read_lines(count)?;
        let refused = || lines.starts_with(b"-") || lines.windows(2).any(|pair| pair == b"\n-");
        // Looking for one byte is a lot faster.
        if lines.contains(&b'-') && refused() {
            return Err(format!("refused: {}", String::from_utf8_lossy(lines)).into());
        }

        Ok(lines)
    }

    /// Sends a line and reads a reply of several lines; gives their number.
    pub fn count_lines(&mut self, line: &[u8]) -> Result<usize, Failure> {
        self.send(line)?;
        self.input.clear();
        while !self.input.ends_with(b"\r\n.\r\n") {
            self.read_some()?;
        }

        Ok(self.input.iter().filter(|&&byte| byte == b'\n').count())
    }

    /// What was read last.
    pub fn last(&self) -> &[u8] {
        &self.input
    }

    fn read_some(&mut self) -> Result<(), Failure> {
        if self.acks == Acks::AtOnce {
            // Linux takes it back by itself, so it is set for each read.
            SockRef::from(&self.stream).set_tcp_quickack(true)?;
        }

        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(length) => {
                self.input.extend_from_slice(piece.get(..length).unwrap_or_default());
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                Err("the server does not answer".into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has the connection reset when it is dropped: no port waits for its end.
    pub fn reset_when_dropped(&self) -> Result<(), Failure> {
        Ok(SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?)
    }
}
