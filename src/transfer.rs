//! Bytes between a session's connection, the worker's scratch memory, and what
//! the session keeps.

use crate::dialogue::Undone;
use crate::nginx::connection::{Connection, Received};
use crate::nginx::heap::Bytes;
use crate::nginx::log::Log;
use crate::nginx::{Fault, NoMemory};

/// What is read from a client in one go, in bytes.
pub const READ: usize = 16 * 1024;

/// What a session's buffer for an incomplete line grows by, in bytes.
const LINE: usize = 256;

/// Whether output has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// All of it.
    All,
    /// The client does not read: the rest is kept.
    Part,
}

/// Puts what was held at the head of `memory`, without reading.
#[cold]
pub fn copy_held<'m>(held: &Bytes, memory: &'m mut [u8]) -> Result<&'m mut [u8], NoMemory> {
    let held = held.as_slice();
    let head = memory.get_mut(..held.len()).ok_or(NoMemory)?;
    head.copy_from_slice(held);

    Ok(head)
}

/// Puts what was held at the head of `memory` and reads behind it; gives all of
/// it, and whether the client has closed its side.
pub fn receive<'m>(
    connection: &mut Connection<'_>,
    held: Option<&Bytes>,
    memory: &'m mut [u8],
) -> Result<(&'m mut [u8], bool), Fault> {
    let mut length = match held {
        Some(held) => copy_held(held, memory)?.len(),
        None => 0,
    };

    let free = memory.get_mut(length..).ok_or(Fault::NoMemory)?;
    let ended = match connection.receive(free) {
        Ok(Received::Bytes(count)) => {
            length = length.saturating_add(count);
            false
        }
        Ok(Received::Nothing) => false,
        Ok(Received::End) => true,
        Err(fault) => {
            // What was held may be a secret.
            memory.fill(0);
            return Err(fault);
        }
    };

    Ok((memory.get_mut(..length).ok_or(Fault::NoMemory)?, ended))
}

/// Keeps input that is not answered yet, in the memory where it was held before
/// if that has the right size.
pub fn keep(rest: &[u8], held: Option<Bytes>, log: Log<'_>) -> Result<Bytes, NoMemory> {
    let size = rest.len().checked_next_multiple_of(LINE).ok_or(NoMemory)?;
    let mut bytes = match held.filter(|bytes| bytes.capacity() == size) {
        Some(bytes) => bytes,
        None => Bytes::with_capacity(size, log)?,
    };
    bytes.clear();
    bytes.append(rest)?;
    // What is behind it was answered.
    bytes.room().fill(0);

    Ok(bytes)
}

/// Sends output. What the client does not take is left undone, and nginx sends
/// it when it does.
#[inline]
pub fn flush(
    connection: &mut Connection<'_>,
    undone: &mut Option<Undone>,
    output: &[u8],
) -> Result<Sent, Fault> {
    if output.is_empty() {
        return Ok(Sent::All);
    }
    if connection.tls() {
        return flush_tls(connection, undone, output);
    }

    let count = connection.send(output)?;
    if count < output.len() {
        // Nothing can follow a part of a reply but the rest of it.
        let bytes = Bytes::copy_of(output, connection.log()).map_err(|_| Fault::Broken)?;
        return send_later(connection, undone, bytes, count);
    }

    Ok(Sent::All)
}

/// OpenSSL wants a write that could not be completed to be tried again from the
/// same memory, as nginx does not set SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER.
#[inline(never)]
fn flush_tls(
    connection: &mut Connection<'_>,
    undone: &mut Option<Undone>,
    output: &[u8],
) -> Result<Sent, Fault> {
    let bytes = Bytes::copy_of(output, connection.log())?;
    let count = connection.send(bytes.as_slice())?;
    if count < output.len() {
        return send_later(connection, undone, bytes, count);
    }

    Ok(Sent::All)
}

/// Leaves it to nginx to send `bytes` from `at` on.
#[cold]
fn send_later(
    connection: &mut Connection<'_>,
    undone: &mut Option<Undone>,
    bytes: Bytes,
    at: usize,
) -> Result<Sent, Fault> {
    let unsent = undone.get_or_insert_default().unsent.insert(bytes);
    connection.send_later(unsent, at)?;

    Ok(Sent::Part)
}
