//! Commands on one connection, as many at a time as one likes.

use std::net::SocketAddr;

use crate::Failure;
use crate::client::{Acks, Client};

/// What to send.
pub struct Commands<'a> {
    /// The lines without their ends, sent in turn.
    pub lines: &'a [String],
    /// Lines to send in all.
    pub count: usize,
    /// Lines in one segment; the replies are read before the next.
    pub batch: usize,
    /// When the client acknowledges.
    pub acks: Acks,
    /// Whether commands may be refused.
    pub refused: bool,
}

impl Commands<'_> {
    /// Sends them all and reads every reply.
    pub fn run(&self, server: SocketAddr) -> Result<(), Failure> {
        let mut client = Client::connect(server, self.acks)?;
        let lines: Vec<_> = self.lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut replies = Vec::new();
        for line in &lines {
            replies.push(reply_lines(&mut client, line)?);
        }

        let mut turn = lines.iter().zip(&replies).cycle();
        let mut left = self.count;
        while left > 0 {
            let size = self.batch.min(left);
            let (mut bytes, mut expected) = (String::new(), 0_usize);
            for (line, reply) in turn.by_ref().take(size) {
                bytes.push_str(line);
                expected = expected.saturating_add(*reply);
            }

            client.send(bytes.as_bytes())?;
            if self.refused {
                client.read_lines(expected)?;
            } else {
                client.read_good_lines(expected)?;
            }
            left = left.saturating_sub(size);
        }

        client.reset_when_dropped()
    }
}

/// The number of lines that a line with its end is answered with.
pub fn reply_lines(client: &mut Client, line: &str) -> Result<usize, Failure> {
    if line.starts_with("CAPA") { client.count_lines(line.as_bytes()) } else { Ok(1) }
}
