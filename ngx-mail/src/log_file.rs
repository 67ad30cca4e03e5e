//! Files to which lines are logged, beside nginx's error log.

use core::ffi::{CStr, c_void};
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use nginx_sys::{
    NGX_LOG_ALERT, NGX_PROCESS_SINGLE, ngx_add_timer, ngx_conf_open_file, ngx_cycle, ngx_cycle_t,
    ngx_del_timer, ngx_errno, ngx_event_t, ngx_int_t, ngx_log_error_core, ngx_log_t, ngx_msec_t,
    ngx_open_file_t, ngx_pcalloc, ngx_pnalloc, ngx_process, write,
};

use crate::alert::Alert;
use crate::conf::{Conf, Refused};
use crate::error::NoMemory;
use crate::list::for_each;
use crate::text::Text;

/// How lines are buffered before they are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Buffering {
    /// How many bytes of them.
    pub size: usize,
    /// For how many milliseconds at most, if it is not until that is full, or the process
    /// ends.
    pub flush: Option<usize>,
}

/// A file to which lines are logged. nginx opens it, and opens it anew at USR1.
#[derive(Clone, Copy)]
pub struct LogFile {
    /// Live as long as the configuration.
    raw: NonNull<ngx_open_file_t>,
    /// Of that it cannot be written to.
    alert: Alert,
}

/// Lines that are to be written. nginx's HTTP and stream modules have such buffers, and
/// look at that of a file which they share: it has to begin as theirs.
#[repr(C)]
struct Buffer {
    /// A block of the configuration's pool: up to `pos` it is filled, and to `last` free.
    start: *mut u8,
    pos: *mut u8,
    last: *mut u8,
    /// Null without `flush`.
    event: *mut ngx_event_t,
    flush: ngx_msec_t,
    /// The level of compression: there is none.
    gzip: ngx_int_t,
    file: LogFile,
}

impl LogFile {
    /// Whether it is the same file, of the same configuration.
    pub fn is_same_as(self, other: Self) -> bool {
        self.raw == other.raw
    }

    /// Logs a line, which ends with a LF.
    pub fn log(&self, line: &[u8]) {
        let Some(file) = self.opened() else { return };
        // SAFETY: the invariant; nothing else refers to the buffer here.
        match unsafe { Buffer::of(file.raw.as_ptr()).as_mut() } {
            Some(buffer) => buffer.add(line),
            None => file.write(line),
        }
    }

    /// The file as it is open. A process without workers (`master_process off`) closes all
    /// files when another configuration comes into force, while sessions of the one before
    /// go on: the descriptor may be somebody else's then. They log to the file of the same
    /// name, unless nobody else does any more.
    fn opened(self) -> Option<Self> {
        // SAFETY: nginx has decided what the process is before it serves anybody.
        if unsafe { ngx_process } != NGX_PROCESS_SINGLE as usize {
            return Some(self);
        }
        let mut found = None;
        // SAFETY: the cycle is live; the invariant, and what is in the cycle has a name, too.
        unsafe {
            let name = (*self.raw.as_ptr()).name.as_bytes();
            for_each(&raw const (*ngx_cycle).open_files, |file: *mut ngx_open_file_t| {
                if (*file).name.as_bytes() == name {
                    found = NonNull::new(file);
                }
            });
        }
        found.map(|raw| Self { raw, ..self })
    }

    /// Writes, and logs at level alert what has come of that if it is not all that was to be
    /// written, and was not said lately.
    fn write(&self, bytes: &[u8]) {
        // SAFETY: the invariant; the cycle is live, and has a log. "%V" takes a string, "%z"
        // an ssize_t, "%uz" a size_t.
        unsafe {
            let file = self.raw.as_ptr();
            let written = write((*file).fd, bytes.as_ptr().cast::<c_void>(), bytes.len() as _);
            let errno = if written < 0 { ngx_errno() } else { 0 };
            if usize::try_from(written) == Ok(bytes.len()) || !self.alert.is_due() {
                return;
            }
            ngx_log_error_core(
                NGX_LOG_ALERT as usize,
                (*ngx_cycle).log,
                errno,
                c"write() to \"%V\" has written %z of %uz bytes: lines are lost".as_ptr(),
                &raw const (*file).name,
                written,
                bytes.len(),
            );
        }
    }
}

impl Buffer {
    /// That of a file; null if it has none, or that of another module.
    ///
    /// # Safety
    ///
    /// `file` is live.
    unsafe fn of(file: *mut ngx_open_file_t) -> *mut Self {
        // SAFETY: the caller's promise; whose buffer it is tells the function for it.
        unsafe {
            match (*file).flush {
                Some(flush) if ptr::fn_addr_eq(flush, FLUSH) => (*file).data.cast(),
                _ => ptr::null_mut(),
            }
        }
    }

    /// Adds a line, for which the others are written if there is no room.
    fn add(&mut self, line: &[u8]) {
        if self.room() < line.len() {
            self.write();
        }
        if self.room() < line.len() {
            return self.file.write(line);
        }
        // SAFETY: there is room.
        unsafe {
            if !self.event.is_null() && self.pos == self.start {
                ngx_add_timer(self.event, self.flush);
            }
            self.pos.copy_from_nonoverlapping(line.as_ptr(), line.len());
            self.pos = self.pos.add(line.len());
        }
    }

    fn room(&self) -> usize {
        self.last.addr().saturating_sub(self.pos.addr())
    }

    /// Writes all of it.
    fn write(&mut self) {
        let length = self.pos.addr().saturating_sub(self.start.addr());
        if length == 0 {
            return;
        }
        // SAFETY: so much of the block is filled. The event is live.
        unsafe {
            self.file.write(slice::from_raw_parts(self.start, length));
            self.pos = self.start;
            if !self.event.is_null() && (*self.event).timer_set() != 0 {
                ngx_del_timer(self.event);
            }
        }
    }
}

/// `flush` of ngx_open_file_t: nginx calls it before it opens the file anew.
const FLUSH: unsafe extern "C" fn(*mut ngx_open_file_t, *mut ngx_log_t) = flush_file;

unsafe extern "C" fn flush_file(file: *mut ngx_open_file_t, _log: *mut ngx_log_t) {
    // SAFETY: it stands with a file that has a buffer.
    if let Some(buffer) = unsafe { Buffer::of(file).as_mut() } {
        buffer.write();
    }
}

unsafe extern "C" fn flush_event(event: *mut ngx_event_t) {
    // SAFETY: log_file() has set it, with the file as its data.
    unsafe { flush_file((*event).data.cast(), ptr::null_mut()) };
}

/// Writes what the files of a configuration have buffered.
///
/// # Safety
///
/// `cycle` is live.
pub(crate) unsafe fn flush_all(cycle: *const ngx_cycle_t) {
    // SAFETY: the caller's promise.
    unsafe { for_each(&raw const (*cycle).open_files, |file| flush_file(file, ptr::null_mut())) };
}

impl Conf<'_> {
    /// Opens a file for lines (ngx_conf_open_file()): one that does not begin with `/` is
    /// from nginx's own folder. All who open it buffer lines alike.
    ///
    /// # Errors
    ///
    /// It is opened already in another way, which is logged; or there is no memory.
    pub fn log_file(
        &mut self,
        path: Text,
        buffering: Option<Buffering>,
        place: &CStr,
    ) -> Result<LogFile, Refused> {
        let mut name = path.as_raw();
        // SAFETY: the configuration is live, and the text ends with a NUL.
        let raw = unsafe { ngx_conf_open_file((*self.as_ptr()).cycle, &raw mut name) };
        let file = LogFile { raw: NonNull::new(raw).ok_or(NoMemory)?, alert: self.alert()? };
        let Some(Buffering { size, flush }) = buffering else { return Ok(file) };
        let flush = flush.unwrap_or(0);

        // SAFETY: the file is live, and so is its buffer.
        unsafe {
            if !(*raw).data.is_null() {
                let same = Buffer::of(raw).as_ref().is_some_and(|buffer| {
                    let length = buffer.last.addr().saturating_sub(buffer.start.addr());
                    length == size && buffer.flush == flush
                });
                return if same {
                    Ok(file)
                } else {
                    Err(self.refuse(c"file", path.as_bytes(), place))
                };
            }
            let buffer = self.buffer(file, size, flush)?;
            (*raw).data = buffer.as_ptr().cast();
            (*raw).flush = Some(FLUSH);
        }
        Ok(file)
    }

    fn buffer(
        &mut self,
        file: LogFile,
        size: usize,
        flush: ngx_msec_t,
    ) -> Result<NonNull<Buffer>, NoMemory> {
        // SAFETY: the configuration is live; the memory is new and aligned, and all zeros
        // are a valid event.
        unsafe {
            let start = NonNull::new(ngx_pnalloc(self.pool(), size)).ok_or(NoMemory)?;
            let start = start.cast::<u8>().as_ptr();
            let mut event = ptr::null_mut();
            if flush != 0 {
                event = ngx_pcalloc(self.pool(), size_of::<ngx_event_t>()).cast::<ngx_event_t>();
                let event = event.as_mut().ok_or(NoMemory)?;
                event.data = file.raw.as_ptr().cast();
                event.handler = Some(flush_event);
                event.log = &raw mut (*(*self.as_ptr()).cycle).new_log;
                // A worker that shuts down does not wait for it.
                event.set_cancelable(1);
            }
            let place = self.allocate(size_of::<Buffer>()).cast::<Buffer>();
            let buffer = NonNull::new(place).ok_or(NoMemory)?;
            let last = start.add(size);
            buffer.write(Buffer { start, pos: start, last, event, flush, gzip: 0, file });
            Ok(buffer)
        }
    }
}
