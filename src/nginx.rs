//! What the module needs of nginx, behind safe interfaces: the only place,
//! with the tables of [`module`](crate::module), that has `unsafe` code.

#![allow(unsafe_code)]

use core::ffi::CStr;

use nginx_sys::ngx_str_t;

pub mod attempt;
pub mod conf;
pub mod connection;
pub mod cycle;
mod file;
pub mod heap;
pub mod log;
pub mod protocol;
mod runtime;
pub mod scratch;
pub mod session;

/// The bindings to nginx's mail core, made by build.rs.
pub mod mail {
    #![allow(
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        dead_code,
        unused_qualifications,
        unnecessary_transmutes,
        unsafe_op_in_unsafe_fn,
        clippy::all,
        clippy::undocumented_unsafe_blocks,
        clippy::missing_safety_doc,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing
    )]

    include!(concat!(env!("OUT_DIR"), "/mail.rs"));
}

/// An allocation failed. nginx has logged it.
#[derive(Clone, Copy, Debug)]
pub struct NoMemory;

/// Why a session cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is broken.
    Broken,
    /// An allocation failed.
    NoMemory,
}

impl From<NoMemory> for Fault {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// A text as nginx's tables have it; the NUL behind it is for strcmp().
pub const fn string(text: &'static CStr) -> ngx_str_t {
    ngx_str_t { data: text.as_ptr().cast_mut().cast(), len: text.count_bytes() }
}
