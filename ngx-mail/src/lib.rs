//! nginx's mail core for a protocol module that is written in Rust.
//!
//! A module has two types, the configuration of a server
//! ([`ServerConf`](conf::ServerConf)) and what it keeps of a session, a type for
//! each [`Directive`](conf::Directive), and a [`Handler`](session::Handler), whose
//! functions nginx calls with a [`Session`](session::Session). [`module!`] makes
//! nginx's tables of them, [`exports!`] has nginx find them in a file. All of it is
//! safe: what may free a session takes it by value, and what nginx is given a
//! pointer to is owned by the wrapper and goes with it.
//!
//! `examples/echo.rs` is a whole module in one file: start there.
//!
//! A log, like all that belongs to a session, ends before the session does:
//!
//! ```compile_fail,E0505
//! use ngx_mail::client::Client;
//! use ngx_mail::session::{Handler, Session};
//!
//! fn close<M: Handler>(mut session: Session<'_, M>) {
//!     let (connection, _) = session.parts();
//!     session.close();
//!     connection.log(c"client is gone", None);
//! }
//! ```
//!
//! So does what it is given:
//!
//! ```compile_fail,E0505
//! use ngx_mail::client::Client;
//! use ngx_mail::session::{Handler, Session};
//!
//! fn close<M: Handler>(mut session: Session<'_, M>) -> usize {
//!     let login = session.connection().login();
//!     session.close();
//!     login.len()
//! }
//! ```
//!
//! A session that was given away is gone:
//!
//! ```compile_fail,E0382
//! use ngx_mail::session::{Handler, Session};
//!
//! fn close<M: Handler>(session: Session<'_, M>) {
//!     session.read_soon();
//!     session.close();
//! }
//! ```
//!
//! What nginx is shown is handed over:
//!
//! ```compile_fail,E0382
//! use ngx_mail::client::Client;
//! use ngx_mail::heap::Bytes;
//!
//! fn show(client: &mut impl Client, login: Bytes) -> usize {
//!     client.show_login(login);
//!     login.as_slice().len()
//! }
//! ```
//!
//! And nobody takes it away from under nginx:
//!
//! ```compile_fail,E0594
//! use ngx_mail::attempt::Attempt;
//! use ngx_mail::client::Client;
//!
//! fn replace(client: &mut impl Client, other: Attempt) {
//!     if let Some(attempt) = client.attempt() {
//!         *attempt = other;
//!     }
//! }
//! ```
//!
//! No text of a configuration gets out of it:
//!
//! ```compile_fail,E0277
//! use ngx_mail::text::Text;
//!
//! static KEPT: std::sync::Mutex<Option<Text>> = std::sync::Mutex::new(None);
//! ```

#![no_std]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod alert;
mod ask;
pub mod attempt;
pub mod backend;
mod bindings;
pub mod certificate;
pub mod client;
pub mod client_certificate;
pub mod clock;
pub mod conf;
mod connect;
pub mod connection;
pub mod crypt;
pub mod cycle;
pub mod ended;
pub mod endpoint;
pub mod error;
pub mod facts;
#[doc(hidden)]
pub mod file;
mod freed;
mod handshake;
pub mod heap;
pub mod kept;
mod kind;
mod learnt;
mod lines;
mod list;
mod listening;
pub mod log;
pub mod log_file;
pub mod login;
mod owner;
mod passing;
mod place;
pub mod process;
pub mod random;
pub mod record;
#[doc(hidden)]
pub mod registered;
mod relay;
pub mod resolve;
pub mod scratch;
pub mod secret_file;
pub mod session;
pub mod shared;
mod socket;
pub mod syslog;
#[doc(hidden)]
pub mod tables;
pub mod text;
mod timer;
pub mod tls;
mod tls_sessions;
mod upstream;
pub mod zone;

#[doc(hidden)]
pub use bindings::{ngx_mail_module_t, ngx_mail_protocol_t};
pub use kind::Kind;
#[doc(hidden)]
pub use nginx_sys::ngx_module_t;
pub use tables::Protocol;

/// Ends the process: what a panic comes to, of which a module should have none.
pub fn abort() -> ! {
    // SAFETY: abort() takes no argument and may be called at any time.
    unsafe { nginx_sys::abort() }
}

/// Makes the tables of a module, as the static `MODULE` and what that points to, and
/// ties its types to them. An attribute in front goes to `MODULE`. It brings along
/// what a `no_std` library needs, where a panic aborts: with `panic = "unwind"`, as
/// `cargo test` has it, there has to be `std`.
#[macro_export]
macro_rules! module {
    (
        $(#[$attribute:meta])*
        $module:ty {
            server_conf: $conf:ty,
            state: $state:ty,
            protocol: $protocol:expr,
            directives: [$($directive:ty),* $(,)?] $(,)?
        }
    ) => {
        static PROTOCOL: $crate::tables::Table<$crate::ngx_mail_protocol_t> =
            $crate::tables::protocol::<$module>(&$protocol);

        static COMMANDS: $crate::tables::Table<
            [$crate::tables::Command<$module>; [$(stringify!($directive),)* ""].len()],
        > = $crate::tables::commands([
            $($crate::tables::Command::new::<$directive>(),)*
            $crate::tables::Command::last(),
        ]);

        static CONTEXT: $crate::tables::Table<$crate::ngx_mail_module_t> =
            $crate::tables::context::<$module>(&PROTOCOL);

        $(#[$attribute])*
        static MODULE: $crate::tables::Table<$crate::ngx_module_t> = {
            // SAFETY: the context is that of the same type, which gives this one's
            // place and that one's protocol.
            unsafe { $crate::tables::module::<$module, _>(&CONTEXT, &COMMANDS) }
        };

        // SAFETY: these are the tables of this type, and of no other.
        unsafe impl $crate::registered::Registered for $module {
            type ServerConf = $conf;
            type State = $state;

            #[inline(always)]
            fn ctx_index() -> usize {
                $crate::tables::ctx_index(&MODULE)
            }

            #[inline(always)]
            fn protocol() -> *mut $crate::ngx_mail_protocol_t {
                PROTOCOL.as_ptr()
            }
        }

        /// The dynamic linker calls it in dlopen().
        #[used]
        #[unsafe(link_section = ".init_array")]
        static AT_LOAD: unsafe extern "C" fn() = $crate::file::remember;

        /// No code can panic: a release build holds no call of this, and a check
        /// of its symbols shows it.
        #[cfg(panic = "abort")]
        #[panic_handler]
        fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::abort()
        }

        // `core` comes compiled for unwinding, and unless the optimizer takes all of
        // that out it asks for a personality routine, which nothing ever calls.
        #[cfg(all(debug_assertions, panic = "abort"))]
        core::arch::global_asm!(
            ".hidden rust_eh_personality",
            ".globl rust_eh_personality",
            "rust_eh_personality:"
        );
    };
}

/// Makes what nginx looks for in a module's file (ngx_load_module()): the arrays
/// `ngx_modules`, `ngx_module_names` and `ngx_module_order`, of the `MODULE` of
/// [`module!`] with its name. It stands before the modules that are listed with
/// `before`, or behind all others.
#[macro_export]
macro_rules! exports {
    ($module:path as $name:expr $(, before $($other:literal),+)? $(,)?) => {
        #[unsafe(no_mangle)]
        static ngx_modules: $crate::tables::Exported<[*const $crate::ngx_module_t; 2]> =
            $crate::tables::Exported([
                $crate::tables::Table::<$crate::ngx_module_t>::as_ptr(&$module),
                core::ptr::null(),
            ]);

        #[unsafe(no_mangle)]
        static ngx_module_names: $crate::tables::Exported<[*const core::ffi::c_char; 2]> =
            $crate::tables::Exported([$crate::tables::name($name), core::ptr::null()]);

        #[unsafe(no_mangle)]
        static ngx_module_order: $crate::tables::Exported<
            [*const core::ffi::c_char; [$name, $($($other,)+)?].len() + 1],
        > = $crate::tables::Exported([
            $crate::tables::name($name),
            $($($crate::tables::name($other),)+)?
            core::ptr::null(),
        ]);
    };
}
