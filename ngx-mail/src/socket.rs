//! The bytes of a connection.

use core::ffi::c_int;
use core::mem::size_of;

use nginx_sys::{
    __errno_location, EAGAIN, MSG_DONTWAIT, MSG_PEEK, NGX_AGAIN, NGX_ERROR, SO_ERROR, SOL_SOCKET,
    getsockopt, ngx_connection_t, recv, socklen_t,
};

use crate::client::Received;
use crate::error::Fault;

/// Reads (`recv` of ngx_connection_t).
///
/// # Safety
///
/// `connection` is live.
#[inline(always)]
pub(crate) unsafe fn receive(
    connection: *mut ngx_connection_t,
    memory: &mut [u8],
) -> Result<Received, Fault> {
    // It would look like the end.
    if memory.is_empty() {
        return Ok(Received::Nothing);
    }
    // SAFETY: the caller's promise; `recv` of a live connection is set, which nginx
    // does not look for either, and writes to the memory that it is given.
    let n = unsafe {
        let recv = (*connection).recv.unwrap_unchecked();
        recv(connection, memory.as_mut_ptr(), memory.len())
    };

    match usize::try_from(n) {
        Ok(0) => Ok(Received::End),
        Ok(n) => Ok(Received::Bytes(n)),
        Err(_) if n == NGX_AGAIN as isize => Ok(Received::Nothing),
        Err(_) => Err(Fault::Broken),
    }
}

/// Sends (`send` of ngx_connection_t); gives how many bytes have gone.
///
/// # Safety
///
/// `connection` is live.
#[inline(always)]
pub(crate) unsafe fn send(connection: *mut ngx_connection_t, bytes: &[u8]) -> Result<usize, Fault> {
    // OpenSSL does not say what it makes of that.
    if bytes.is_empty() {
        return Ok(0);
    }
    // SAFETY: as in receive(); `send` only reads the bytes.
    let n = unsafe {
        let send = (*connection).send.unwrap_unchecked();
        send(connection, bytes.as_ptr().cast_mut(), bytes.len())
    };

    match usize::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) if n == NGX_ERROR as isize => Err(Fault::Broken),
        Err(_) => Ok(0),
    }
}

/// Takes the error of a connection's socket; 0 if there is none.
///
/// # Safety
///
/// `connection` is live.
pub(crate) unsafe fn take_error(connection: *const ngx_connection_t) -> c_int {
    let mut error: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: the caller's promise; the kernel writes a C int.
    let rc = unsafe {
        getsockopt(
            (*connection).fd,
            SOL_SOCKET as c_int,
            SO_ERROR as c_int,
            (&raw mut error).cast(),
            &raw mut length,
        )
    };
    if rc == 0 { error } else { 0 }
}

/// Looks what there is to be read, and leaves it there. An error is the end.
///
/// # Safety
///
/// `connection` is live.
pub(crate) unsafe fn peek(connection: *const ngx_connection_t) -> Received {
    let mut byte = 0_u8;
    // SAFETY: the caller's promise; one byte is looked at.
    let n = unsafe {
        recv((*connection).fd, (&raw mut byte).cast(), 1, (MSG_PEEK | MSG_DONTWAIT) as c_int)
    };
    match usize::try_from(n) {
        Ok(0) => Received::End,
        Ok(count) => Received::Bytes(count),
        // SAFETY: it is the error of that call.
        Err(_) if unsafe { *__errno_location() } == EAGAIN as c_int => Received::Nothing,
        Err(_) => Received::End,
    }
}
