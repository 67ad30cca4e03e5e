//! Files with secrets that a configuration reads.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::slice;

use nginx_sys::{
    __errno_location, EACCES, NGX_LOG_EMERG, NGX_OK, O_CLOEXEC, O_NONBLOCK, O_RDONLY, close,
    explicit_bzero, free, fstat, getpwuid, ngx_alloc, ngx_conf_full_name, ngx_conf_log_error,
    ngx_file_info_t, ngx_pool_cleanup_add, open, read, stat,
};

use crate::conf::{Conf, Refused, printable};
use crate::error::NoMemory;
use crate::text::Text;

/// Everybody may read a file (S_IROTH).
const READABLE_BY_OTHERS: u32 = 0o4;

/// What kind of file it is (S_IFMT), and a regular one (S_IFREG).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// How many bytes a file may have: it is held in memory, and by two configurations while
/// nginx is reloaded.
const MOST: usize = 1 << 30;

/// What is said of a file that had another length when it had been read. A part of it may
/// be missing.
const CHANGED: &CStr = c"length changed while it was read, write another file and rename it to";

/// What a file holds: wiped and given back with the configuration.
pub struct SecretFile {
    /// `length` bytes from malloc(), live as long as the configuration, and never written
    /// to.
    bytes: NonNull<u8>,
    length: usize,
    path: Text,
}

/// What a cleanup of the configuration's pool has to wipe.
struct Block {
    bytes: NonNull<u8>,
    length: usize,
}

impl SecretFile {
    /// What it holds.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the invariant.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.length) }
    }

    /// Its whole path.
    pub const fn path(&self) -> Text {
        self.path
    }
}

impl Conf<'_> {
    /// The whole path of a file: one that does not begin with `/` is from the folder of
    /// nginx.conf (ngx_conf_full_name()).
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn full_path(&mut self, path: Text) -> Result<Text, NoMemory> {
        let mut raw = path.as_raw();
        // SAFETY: the configuration is live; nginx puts a new text into its pool, or leaves
        // this one, which ends with a NUL as all values of directives do.
        unsafe {
            if ngx_conf_full_name((*self.as_ptr()).cycle, &raw mut raw, 1) != NGX_OK as isize {
                return Err(NoMemory);
            }
            Ok(Text::from_raw(raw))
        }
    }

    /// Reads a file of that [whole path](Conf::full_path). Warns if everybody may read it.
    /// `place` is where the path stands, for messages.
    ///
    /// # Errors
    ///
    /// It cannot be read, which has been logged: who may. It has more than 1 GB, or changed
    /// while it was read.
    pub fn secret_file(&mut self, path: Text, place: &CStr) -> Result<SecretFile, Refused> {
        let name = path.as_raw().data.cast_const().cast();
        // SAFETY: the text ends with a NUL.
        let (file, info) = unsafe {
            // A FIFO without a writer does not hold up the start.
            let file = open(name, (O_RDONLY | O_CLOEXEC | O_NONBLOCK) as c_int);
            if file < 0 {
                let errno = *__errno_location();
                return Err(self.refuse_file(path, place, errno));
            }
            let mut info = MaybeUninit::<ngx_file_info_t>::zeroed();
            fstat(file, info.as_mut_ptr());
            (Descriptor(file), info.assume_init())
        };
        if info.st_mode & KIND != REGULAR {
            return Err(self.refuse(c"no regular file", path.as_bytes(), place));
        }
        if info.st_mode & READABLE_BY_OTHERS != 0 {
            self.warn(c"everybody can read", path.as_bytes(), place);
        }
        let length = usize::try_from(info.st_size).map_err(|_| Refused::Logged)?;
        if length > MOST {
            return Err(self.refuse(c"more than 1 GB in", path.as_bytes(), place));
        }
        // One byte more, to see that there is none.
        let size = length.saturating_add(1);
        let bytes = self.wiped(size)?;
        // SAFETY: the block has so many bytes, and nobody else has it.
        let room = unsafe { slice::from_raw_parts_mut(bytes.as_ptr(), size) };
        match file.read(room) {
            Ok(read) if read == length => Ok(SecretFile { bytes, length, path }),
            Ok(_) => Err(self.refuse(CHANGED, path.as_bytes(), place)),
            Err(errno) => Err(self.refuse_file(path, place, errno)),
        }
    }

    /// A block of zeros that is wiped and given back with the configuration.
    fn wiped(&mut self, length: usize) -> Result<NonNull<u8>, NoMemory> {
        // SAFETY: the log and the pool are live, and the pool's cleanup has room for the
        // block's address. The memory is that of malloc().
        unsafe {
            let block = ngx_alloc(length, (*self.as_ptr()).log);
            let bytes = NonNull::new(block.cast::<u8>()).ok_or(NoMemory)?;
            bytes.write_bytes(0, length);
            let Some(cleanup) = NonNull::new(ngx_pool_cleanup_add(self.pool(), size_of::<Block>()))
            else {
                free(bytes.as_ptr().cast());
                return Err(NoMemory);
            };
            (*cleanup.as_ptr()).data.cast::<Block>().write(Block { bytes, length });
            (*cleanup.as_ptr()).handler = Some(wipe);
            Ok(bytes)
        }
    }

    /// Says why a file cannot be read, and whose it is if that is the reason.
    fn refuse_file(&mut self, path: Text, place: &CStr, errno: c_int) -> Refused {
        let mut info = MaybeUninit::<ngx_file_info_t>::zeroed();
        let raw = path.as_raw();
        let shown = printable(path.as_bytes());
        // SAFETY: the text ends with a NUL. "%*s" takes a length and a pointer to as many
        // bytes, "%s" a string; the name of a user stays until the next one is looked up.
        unsafe {
            let known = stat(raw.data.cast_const().cast(), info.as_mut_ptr()) == 0;
            let info = info.assume_init();
            let user = getpwuid(info.st_uid);
            let owner = if user.is_null() { c"?".as_ptr() } else { (*user).pw_name.cast_const() };
            if errno == EACCES as c_int && known {
                ngx_conf_log_error(
                    NGX_LOG_EMERG as usize,
                    self.as_ptr(),
                    errno,
                    c"\"%*s\" %s cannot be read: it belongs to user \"%s\" and has mode %s"
                        .as_ptr(),
                    shown.len(),
                    shown.as_ptr(),
                    place.as_ptr(),
                    owner,
                    octal(info.st_mode).as_ptr(),
                );
            } else {
                ngx_conf_log_error(
                    NGX_LOG_EMERG as usize,
                    self.as_ptr(),
                    errno,
                    c"\"%*s\" %s cannot be read".as_ptr(),
                    shown.len(),
                    shown.as_ptr(),
                    place.as_ptr(),
                );
            }
        }
        Refused::Logged
    }
}

/// The permissions in four digits, with a NUL behind them: nginx's formats have no octal.
fn octal(mode: u32) -> [c_char; 5] {
    let digit = |shift: u32| (mode.wrapping_shr(shift) & 7 | u32::from(b'0')) as c_char;
    [digit(9), digit(6), digit(3), digit(0), 0]
}

/// An open file.
struct Descriptor(c_int);

impl Descriptor {
    /// Reads until the room is full or the file has ended; gives how many bytes, or the
    /// error.
    fn read(&self, room: &mut [u8]) -> Result<usize, c_int> {
        let mut length = 0_usize;
        while let Some(free) = room.get_mut(length..).filter(|free| !free.is_empty()) {
            // SAFETY: the file is open, and the room has so many bytes.
            let n = unsafe { read(self.0, free.as_mut_ptr().cast::<c_void>(), free.len() as _) };
            match usize::try_from(n) {
                Ok(0) => break,
                Ok(count) => length = length.saturating_add(count),
                // SAFETY: it is the error of that call.
                Err(_) => return Err(unsafe { *__errno_location() }),
            }
        }
        Ok(length)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody else's.
        unsafe { close(self.0) };
    }
}

unsafe extern "C" fn wipe(block: *mut c_void) {
    // SAFETY: wiped() registered it with what is not used again.
    unsafe {
        let Block { bytes, length } = block.cast::<Block>().read();
        explicit_bzero(bytes.as_ptr().cast(), length as _);
        free(bytes.as_ptr().cast());
    }
}
