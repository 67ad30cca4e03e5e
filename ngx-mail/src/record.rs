//! What is noted of a session until it ends.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_void};
use core::ptr;

use nginx_sys::{SSL, SSL_CIPHER_get_name, SSL_get_current_cipher, SSL_get_version, ngx_msec_t};

use crate::error::NoMemory;
use crate::heap::{Boxed, Bytes};

/// The longest name that is kept of who logs in, in bytes: what RFC 5321 lets a mailbox be.
const LONGEST_LOGIN: usize = 320;

/// Who or what has ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client: it has said so, or has closed its connection.
    Client,
    /// The backend has closed its connection.
    Backend,
    /// A time was over.
    Timeout,
    /// A limit was reached.
    Limit,
    /// Something has failed.
    Error,
    /// The worker shuts down.
    Shutdown,
}

/// What has come of a session's logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// There were none.
    #[default]
    None,
    /// All have failed.
    Failed,
    /// The last one has not.
    Ok,
}

/// Protocol and cipher of a connection in TLS, which may be empty.
#[derive(Clone, Copy)]
pub struct TlsNames {
    /// Such as `TLSv1.3`.
    pub protocol: &'static CStr,
    /// The cipher's name.
    pub cipher: &'static CStr,
}

impl TlsNames {
    const NONE: Self = Self { protocol: c"", cipher: c"" };

    /// # Safety
    ///
    /// `ssl` is live, and its handshake is over.
    pub(crate) unsafe fn of(ssl: *const SSL) -> Self {
        // SAFETY: the caller's promise; OpenSSL has the names in tables of its own, that of
        // no cipher, too.
        unsafe {
            Self {
                protocol: CStr::from_ptr(SSL_get_version(ssl)),
                cipher: CStr::from_ptr(SSL_CIPHER_get_name(SSL_get_current_cipher(ssl))),
            }
        }
    }
}

/// What is noted of a session until it ends.
pub struct Record {
    /// Who has tried to log in last.
    pub(crate) login: Option<Bytes>,
    /// How: as the module calls it.
    pub(crate) method: &'static CStr,
    pub(crate) status: Status,
    /// How many bytes have come from the client.
    pub(crate) received: u64,
    pub(crate) tls: TlsNames,
    /// The address of the backend that was connected to last.
    pub(crate) upstream: Option<Bytes>,
    pub(crate) upstream_tls: TlsNames,
    /// When the login was made, in milliseconds from the connection on.
    pub(crate) login_time: Option<ngx_msec_t>,
    pub(crate) end: Option<End>,
    last_words: LastWords,
    link: Link,
}

/// The last bytes of what a client has sent, in however many pieces that came: 16 at most.
#[derive(Default)]
struct LastWords {
    bytes: u128,
    length: usize,
}

impl LastWords {
    const MOST: usize = 16;

    fn add(&mut self, bytes: &[u8]) {
        let new = bytes.get(bytes.len().saturating_sub(Self::MOST)..).unwrap_or_default();
        self.bytes = new.iter().fold(self.bytes, |words, &byte| words << 8 | u128::from(byte));
        self.length = self.length.saturating_add(new.len()).min(Self::MOST);
    }

    fn tell<T>(&self, listen: impl FnOnce(&[u8]) -> T) -> T {
        let bytes = self.bytes.to_be_bytes();
        listen(bytes.get(Self::MOST.saturating_sub(self.length)..).unwrap_or_default())
    }
}

/// A place in the list of the process's records.
struct Link {
    /// Null at the head.
    before: *mut Record,
    /// Null at the end.
    behind: *mut Record,
    /// What is to be done with `of` when the session ends, or before that the process.
    finish: Option<Finish>,
    of: *mut c_void,
}

/// Ends what a record is of.
pub(crate) type Finish = unsafe fn(*mut c_void);

/// The head of the list.
struct Head(UnsafeCell<*mut Record>);

// SAFETY: nginx has one thread that serves sessions, and it is used by that alone.
unsafe impl Sync for Head {}

static HEAD: Head = Head(UnsafeCell::new(ptr::null_mut()));

impl Record {
    /// Makes one, and puts it into the list until it is dropped.
    ///
    /// # Safety
    ///
    /// `finish` may be called with `of` as long as the record is there, and does not drop it.
    pub(crate) unsafe fn new(finish: Finish, of: *mut c_void) -> Result<Boxed<Self>, NoMemory> {
        let mut record = Boxed::new(Self {
            login: None,
            method: c"",
            status: Status::None,
            received: 0,
            tls: TlsNames::NONE,
            upstream: None,
            upstream_tls: TlsNames::NONE,
            login_time: None,
            end: None,
            last_words: LastWords::default(),
            link: Link {
                before: ptr::null_mut(),
                behind: ptr::null_mut(),
                finish: Some(finish),
                of,
            },
        })?;
        let first = HEAD.0.get();
        let own = &raw mut *record;
        // SAFETY: what is in the list is live: each record takes itself out of it. It
        // stays where it is in its box.
        unsafe {
            (*own).link.behind = *first;
            if let Some(second) = (*first).as_mut() {
                second.link.before = own;
            }
            *first = own;
        }
        Ok(record)
    }

    /// Ends each record of the process, which ends.
    pub(crate) fn finish_all() {
        // SAFETY: as in new(); no record is dropped here.
        unsafe {
            let mut next = *HEAD.0.get();
            while let Some(record) = next.as_mut() {
                next = record.link.behind;
                record.end(End::Shutdown);
                Self::finish(record);
            }
        }
    }

    /// Ends a record, if it has not been ended.
    ///
    /// # Safety
    ///
    /// It is live, and nothing refers to it.
    pub(crate) unsafe fn finish(record: *mut Self) {
        // SAFETY: the caller's promise, and that of new(), which is relied upon once.
        unsafe {
            let link = &mut (*record).link;
            if let (Some(finish), of) = (link.finish.take(), link.of) {
                finish(of);
            }
        }
    }

    /// Notes a login that begins, by a method that the module calls so.
    pub(crate) fn attempt(&mut self, method: &'static CStr, login: &[u8]) {
        self.method = method;
        self.status = Status::Failed;
        self.upstream = None;
        self.upstream_tls = TlsNames::NONE;
        self.name(login);
    }

    /// Notes who logs in: no more than a mailbox's name can have, and nothing where there
    /// is no memory.
    pub(crate) fn name(&mut self, login: &[u8]) {
        self.login = Bytes::copy_of(login.get(..LONGEST_LOGIN).unwrap_or(login)).ok();
    }

    /// Notes to which backend the login goes.
    pub(crate) fn connect(&mut self, upstream: &[u8]) {
        self.upstream = Bytes::copy_of(upstream).ok();
        self.upstream_tls = TlsNames::NONE;
    }

    /// Notes that the login is made, by whom.
    pub(crate) fn logged_in(&mut self, login: &[u8], time: ngx_msec_t) {
        self.status = Status::Ok;
        self.login_time = Some(time);
        self.name(login);
    }

    /// Notes why the session ends; what was noted first stays.
    pub(crate) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Notes what the backend is sent of the client's.
    pub(crate) fn relay(&mut self, bytes: &[u8]) {
        self.last_words.add(bytes);
    }

    /// Tells the last of that.
    pub(crate) fn tell_last_words<T>(&self, listen: impl FnOnce(&[u8]) -> T) -> T {
        self.last_words.tell(listen)
    }

    /// Notes that so many bytes have come from the client.
    pub(crate) fn add_received(&mut self, count: usize) {
        self.received = self.received.saturating_add(count.try_into().unwrap_or(u64::MAX));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Link { before, behind, .. } = self.link;
        // SAFETY: as in new().
        unsafe {
            match before.as_mut() {
                Some(before) => before.link.behind = behind,
                None => *HEAD.0.get() = behind,
            }
            if let Some(behind) = behind.as_mut() {
                behind.link.before = before;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// Notes which records were finished.
    unsafe fn note(of: *mut c_void) {
        // SAFETY: the test gives a live list.
        unsafe { (*of.cast::<Vec<u8>>()).push(0) };
    }

    #[test]
    fn those_that_are_there_are_finished_and_the_first_reason_stays() {
        let mut finished = Vec::<u8>::new();
        let of = (&raw mut finished).cast();
        // SAFETY: the list outlives the records.
        let make = || unsafe { Record::new(note, of) }.ok().unwrap();

        for gone in 0..3 {
            let mut records: Vec<_> = (0..3).map(|_| make()).collect();
            drop(records.remove(gone));
            Record::finish_all();
            assert_eq!(core::mem::take(&mut finished).len(), 2, "{gone}");
            assert!(records.iter().all(|record| record.end == Some(End::Shutdown)));
        }
        Record::finish_all();
        assert!(finished.is_empty());

        // In the same test: there is one list, and tests have threads.
        let mut record = make();
        record.end(End::Client);
        record.end(End::Error);
        assert_eq!(record.end, Some(End::Client));
        record.attempt(c"plain", &[b'x'; 1000]);
        assert_eq!(record.login.as_ref().unwrap().as_slice(), [b'x'; LONGEST_LOGIN]);
    }

    #[test]
    fn last_words_are_the_same_in_any_pieces() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut words = LastWords::default();
                words.add(&text[..first]);
                words.add(&text[first..second]);
                assert_eq!(words.tell(<[u8]>::to_vec), &text[second.saturating_sub(16)..second]);
                words.add(&text[second..]);
                assert_eq!(words.tell(<[u8]>::to_vec), &text[10..], "{first}, {second}");
            }
        }
    }
}
