//! The bindings to nginx's mail core, made by build.rs.

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
