//! The file that the module was loaded from.
//!
//! dlopen() of a path that is loaded already gives what was loaded from it, and
//! nginx loads the modules of a new configuration before it closes those of the
//! old one: a reload goes on with the old code, whatever file is there by then.
//! So it is with glibc; musl opens the file and loads it if it is another one.

use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;

use nginx_sys::{Dl_info, dladdr, ngx_file_info_t, ngx_test_config, stat};

/// The path of the file and what it was. Lasts as long as the file stays
/// loaded, over any number of reloads; none if the module is linked into nginx.
static mut LOADED: Option<(&CStr, ngx_file_info_t)> = None;

/// Remembers the file. The dynamic linker calls it in dlopen(): later on, the path
/// may be another file's. What `/proc/self/maps` says of the mapping is of no use, as
/// its device, on overlay and btrfs, is not that of stat().
///
/// # Safety
///
/// Nothing else of the module has run yet.
pub unsafe extern "C" fn remember() {
    let loaded = path().and_then(|path| Some((path, status(path)?)));
    // SAFETY: the caller's promise.
    unsafe { LOADED = loaded };
}

/// The path, if the file that the module was loaded from is not there any more.
pub fn replaced() -> Option<&'static CStr> {
    // SAFETY: nothing writes to it once the module is loaded.
    let (path, then) = unsafe { LOADED }?;
    match status(path) {
        Some(now) if now.st_dev == then.st_dev && now.st_ino == then.st_ino => None,
        _ => Some(path),
    }
}

fn path() -> Option<&'static CStr> {
    let module = object((&raw const LOADED).cast())?;
    let nginx = object((&raw const ngx_test_config).cast())?;
    if module.dli_fbase == nginx.dli_fbase {
        return None;
    }
    // SAFETY: dladdr() gives a string that stays as long as the module does.
    Some(unsafe { CStr::from_ptr(module.dli_fname) })
}

/// The program or library that an address is in.
fn object(address: *const c_void) -> Option<Dl_info> {
    let mut info = MaybeUninit::uninit();
    // SAFETY: dladdr() does not look at what is at the address, and fills `info`
    // unless it returns 0.
    unsafe { (dladdr(address, info.as_mut_ptr()) != 0).then(|| info.assume_init()) }
}

fn status(path: &CStr) -> Option<ngx_file_info_t> {
    let mut info = MaybeUninit::uninit();
    // SAFETY: the path ends with NUL, and stat() fills `info` if it returns 0.
    unsafe { (stat(path.as_ptr(), info.as_mut_ptr()) == 0).then(|| info.assume_init()) }
}
