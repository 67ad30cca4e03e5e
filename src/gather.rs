//! What is written piece by piece.

use ngx_mail::client::Client;
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Bytes;

/// Gives what `write` puts, in memory that is wiped when it goes; it is called twice.
///
/// # Errors
///
/// There is no memory.
pub fn gather(
    client: &impl Client,
    write: impl Fn(&mut dyn FnMut(&[u8])),
) -> Result<Bytes, NoMemory> {
    let mut length = 0_usize;
    write(&mut |piece| length = length.saturating_add(piece.len()));
    let mut bytes = client.allocate(length)?;
    let mut done = Ok(());
    write(&mut |piece| done = done.and(bytes.append(piece)));

    done.map(|()| bytes)
}
