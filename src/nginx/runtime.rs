//! What a `no_std` library has to bring along itself.

use core::panic::PanicInfo;

/// No code of the module can panic: a release build holds no call of this, and
/// `make check` fails if one comes in.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: abort() takes no argument and may be called at any time.
    unsafe { nginx_sys::abort() }
}

// `core` comes compiled for unwinding, and unless the optimizer takes all of
// that out it asks for a personality routine, which nothing ever calls.
#[cfg(debug_assertions)]
core::arch::global_asm!(
    ".hidden rust_eh_personality",
    ".globl rust_eh_personality",
    "rust_eh_personality:"
);
