//! Bytes between a session's connection, the worker's scratch memory, and what
//! the session keeps.

use crate::nginx::heap::Bytes;
use crate::nginx::log::Log;
use crate::nginx::session::{Received, Session};
use crate::nginx::{Fault, NoMemory};
use crate::output::Output;

/// What is read from a client in one go, in bytes.
pub const READ: usize = 16 * 1024;

/// What a session's buffer for an incomplete line grows by, in bytes.
const LINE: usize = 256;

/// Whether output has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// All of it.
    All,
    /// The client does not read: the rest is in
    /// [`State::unsent`](crate::dialogue::State::unsent).
    Part,
}

/// Puts what was held at the head of `memory` and reads behind it; gives the
/// bytes in all, and whether the client has closed its side.
pub fn receive(
    session: &mut Session<'_>,
    head: &[u8],
    memory: &mut [u8],
) -> Result<(usize, bool), Fault> {
    let (place, free) = memory.split_at_mut_checked(head.len()).ok_or(Fault::NoMemory)?;
    place.copy_from_slice(head);
    if free.is_empty() {
        return Ok((head.len(), false));
    }

    Ok(match session.receive(free)? {
        Received::Bytes(count) => (head.len().saturating_add(count), false),
        Received::Nothing => (head.len(), false),
        Received::End => (head.len(), true),
    })
}

/// Keeps input that is not answered yet, in the memory where it was held before
/// if that has the right size.
pub fn keep(rest: &[u8], held: Option<Bytes>, log: Log<'_>) -> Result<Option<Bytes>, NoMemory> {
    if rest.is_empty() {
        return Ok(None);
    }

    let size = rest.len().checked_next_multiple_of(LINE).ok_or(NoMemory)?;
    let mut bytes = match held.filter(|bytes| bytes.capacity() == size) {
        Some(bytes) => bytes,
        None => Bytes::with_capacity(size, log)?,
    };
    bytes.clear();
    bytes.append(rest)?;

    Ok(Some(bytes))
}

/// Sends what has been gathered. What the client does not take is kept, and
/// nginx sends it when it does.
pub fn flush(session: &mut Session<'_>, output: &mut Output<'_>) -> Result<Sent, Fault> {
    if output.bytes().is_empty() {
        return Ok(Sent::All);
    }

    // OpenSSL wants a write that could not be completed to be tried again from
    // the same memory, as nginx does not set SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER.
    let log = session.log();
    let kept = if session.tls() { Some(Bytes::copy_of(output.bytes(), log)?) } else { None };
    let bytes = kept.as_ref().map_or(output.bytes(), Bytes::as_slice);

    let count = session.send(bytes)?;
    let sent = if count == bytes.len() {
        Sent::All
    } else {
        let unsent = kept.map_or_else(|| Bytes::copy_of(output.bytes(), log), Ok)?;
        session.state().unsent = Some(unsent);
        session.send_later(count)?;
        Sent::Part
    };
    output.clear();

    Ok(sent)
}
