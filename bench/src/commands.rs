//! Commands on one connection, as many at a time as one likes.

use std::io::{self, Write};
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
    /// Whether to keep the connection until the standard input ends.
    pub hold: bool,
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

        let size = self.batch.max(1);
        let turn = lines.iter().map(String::as_str).zip(replies).cycle();
        // As many as there are lines: then it is the first one's turn again.
        let mut ahead = turn.clone();
        let batches: Vec<_> = lines.iter().map(|_| Batch::of(&mut ahead, size)).collect();

        let mut left = self.count;
        for batch in batches.iter().cycle() {
            if left < size {
                break;
            }
            self.exchange(&mut client, batch)?;
            left = left.saturating_sub(size);
        }
        if left > 0 {
            let mut rest = turn.skip(self.count.saturating_sub(left));
            self.exchange(&mut client, &Batch::of(&mut rest, left))?;
        }

        self.hold()?;
        client.reset_when_dropped()
    }

    fn exchange(&self, client: &mut Client, batch: &Batch) -> Result<(), Failure> {
        client.send(batch.text.as_bytes())?;
        if self.refused {
            client.read_lines(batch.replies)?;
        } else {
            client.read_good_lines(batch.replies)?;
        }

        Ok(())
    }

    /// Keeps the connection open, if that is asked for, so that somebody can
    /// look at what it costs.
    fn hold(&self) -> Result<(), Failure> {
        if self.hold {
            println!("done");
            io::stdout().flush()?;
            io::copy(&mut io::stdin().lock(), &mut io::sink())?;
        }

        Ok(())
    }
}

/// Lines that are sent together, made once: the client is not to be slower than
/// the server.
struct Batch {
    text: String,
    /// Lines of the replies.
    replies: usize,
}

impl Batch {
    fn of<'a>(turn: &mut impl Iterator<Item = (&'a str, usize)>, size: usize) -> Self {
        let mut batch = Self { text: String::new(), replies: 0 };
        for (line, replies) in turn.take(size) {
            batch.text.push_str(line);
            batch.replies = batch.replies.saturating_add(replies);
        }

        batch
    }
}

/// The number of lines that a line with its end is answered with.
pub fn reply_lines(client: &mut Client, line: &str) -> Result<usize, Failure> {
    if line.starts_with("CAPA") { client.count_lines(line.as_bytes()) } else { Ok(1) }
}
