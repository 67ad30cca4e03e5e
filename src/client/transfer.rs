//! A client's bytes: from its connection into the worker's scratch memory, and
//! into memory of the session.

use ngx_mail::client::{Client, Received};
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::Bytes;

/// What a session's buffer for an incomplete line grows by, in bytes.
const LINE: usize = 256;

/// Puts what was held at the head of `memory`, without reading.
#[cold]
pub fn copy_held<'m>(held: &Bytes, memory: &'m mut [u8]) -> Result<&'m mut [u8], NoMemory> {
    let held = held.as_slice();
    let head = memory.get_mut(..held.len()).ok_or(NoMemory)?;
    head.copy_from_slice(held);

    Ok(head)
}

/// Puts what was held at the head of `memory` and reads behind it. Gives all of
/// it, or nothing if the client has closed its side.
#[inline(always)]
pub fn receive<'m>(
    client: &mut impl Client,
    held: Option<&Bytes>,
    memory: &'m mut [u8],
) -> Result<Option<&'m mut [u8]>, Fault> {
    let length = match held {
        Some(held) => copy_held(held, memory)?.len(),
        None => 0,
    };

    let free = memory.get_mut(length..).ok_or(Fault::NoMemory)?;
    let count = match client.receive(free) {
        Ok(Received::Bytes(count)) => count,
        Ok(Received::Nothing) => 0,
        other => {
            // What was held may be a secret.
            memory.get_mut(..length).unwrap_or_default().fill(0);
            return other.map(|_| None);
        }
    };

    Ok(Some(memory.get_mut(..length.saturating_add(count)).ok_or(Fault::NoMemory)?))
}

/// Keeps input that is not answered yet, in the memory where it was held before
/// if that has the right size.
pub fn keep(rest: &[u8], held: Option<Bytes>, client: &impl Client) -> Result<Bytes, NoMemory> {
    let size = rest.len().checked_next_multiple_of(LINE).ok_or(NoMemory)?;
    let mut bytes = match held.filter(|bytes| bytes.capacity() == size) {
        Some(bytes) => bytes,
        None => client.allocate(size)?,
    };
    bytes.clear();
    bytes.append(rest)?;
    // What is behind it was answered.
    bytes.room().fill(0);

    Ok(bytes)
}
