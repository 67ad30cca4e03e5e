//! The connection to a client, of a session that is live.

use core::ffi::CStr;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_OK, SSL_has_pending, ngx_add_timer, ngx_connection_local_sockaddr, ngx_connection_t,
    ngx_event_t, ngx_handle_write_event, ngx_pid, ngx_random, ngx_slprintf, ngx_str_t, ngx_time,
};

use crate::attempt::Attempt;
use crate::bindings::{
    ngx_mail_core_module, ngx_mail_core_srv_conf_t, ngx_mail_salt, ngx_mail_session_t,
};
use crate::client::{Client, Received};
use crate::endpoint::{Endpoint, Short};
use crate::error::{Fault, NoMemory};
use crate::heap::Bytes;
use crate::log::{Log, Refused};
use crate::place::{Owned, Place};
use crate::record::{End, Finish, Record, TlsNames};
use crate::registered::Registered;
use crate::socket::{self, peek};

/// nginx's connection to a client.
pub struct Connection<'a, M> {
    /// Live, and so is its session, which has a [`Place`], for `'a`.
    raw: NonNull<ngx_connection_t>,
    live: PhantomData<(&'a mut ngx_connection_t, M)>,
}

impl<'a, M: Registered> Connection<'a, M> {
    /// # Safety
    ///
    /// `raw` is that of a live session that has a [`Place`], and nothing else uses
    /// it, for `'a`.
    pub(crate) const unsafe fn new(raw: NonNull<ngx_connection_t>) -> Self {
        Self { raw, live: PhantomData }
    }

    /// nginx's pointer to the session.
    pub(crate) const fn session(&self) -> *mut ngx_mail_session_t {
        // SAFETY: the invariant; the mail core has its session as the data of
        // the client's connection.
        unsafe { (*self.raw.as_ptr()).data.cast() }
    }

    /// nginx's pointer to the connection.
    pub(crate) const fn as_ptr(&self) -> *mut ngx_connection_t {
        self.raw.as_ptr()
    }

    /// The same, for another [`Connection`]: it is not null.
    pub(crate) const fn raw(&self) -> NonNull<ngx_connection_t> {
        self.raw
    }

    /// nginx's pointer to the read event.
    pub(crate) const fn read(&self) -> *mut ngx_event_t {
        // SAFETY: the invariant.
        unsafe { (*self.raw.as_ptr()).read }
    }

    /// The session's place.
    #[inline(always)]
    pub(crate) fn place(&self) -> *mut Place<M> {
        // SAFETY: the invariant.
        unsafe { Place::of(self.session(), M::ctx_index()) }
    }

    pub(crate) fn shown(&mut self) -> &mut Owned {
        // SAFETY: the invariant, and `&mut self`; no other reference to it is made.
        unsafe { &mut (*self.place()).shown }
    }

    /// The configuration of the session's server.
    pub fn conf(&self) -> &'a M::ServerConf {
        // SAFETY: the invariant; a configuration outlives the callbacks of its
        // sessions, and is not written to while there are any.
        unsafe { &*(*(*self.session()).srv_conf.add(M::ctx_index())).cast() }
    }

    pub(crate) fn core_conf(&self) -> *const ngx_mail_core_srv_conf_t {
        // SAFETY: the invariant; the configuration holds that of each module.
        unsafe { (*(*self.session()).srv_conf.add(ngx_mail_core_module.ctx_index)).cast() }
    }

    /// The session's log.
    pub fn error_log(&self) -> Log<'_> {
        // SAFETY: the invariant; a connection that is live has a log.
        unsafe { Log::from_raw(NonNull::new_unchecked((*self.raw.as_ptr()).log)) }
    }

    /// What is noted for the end of the session, if anything is.
    #[inline]
    pub(crate) fn record(&mut self) -> Option<&mut Record> {
        self.shown().record.as_deref_mut()
    }

    /// Begins to note what there will be to say of the session at its end, which `finish`
    /// does with its place.
    #[cold]
    pub(crate) fn begin_record(&mut self, finish: Finish) -> Result<(), NoMemory> {
        // SAFETY: the record goes with the place, before that does.
        let record = unsafe { Record::new(finish, self.place().cast()) };
        self.shown().record = Some(self.logged(record)?);
        self.note_tls();
        // It cannot be asked for when the session has ended.
        self.find_server_address();
        Ok(())
    }

    /// Has nginx look where the client has connected to, which it keeps; gives whether that
    /// is known.
    fn find_server_address(&self) -> bool {
        // SAFETY: the invariant.
        let rc = unsafe { ngx_connection_local_sockaddr(self.raw.as_ptr(), ptr::null_mut(), 0) };
        rc == NGX_OK as isize
    }

    /// Notes the client's TLS, if there is any.
    pub(crate) fn note_tls(&mut self) {
        let connection = self.raw.as_ptr();
        if self.tls()
            && let Some(record) = self.record()
        {
            // SAFETY: the invariant; the connection is in TLS.
            record.tls = unsafe { TlsNames::of((*(*connection).ssl).connection) };
        }
    }

    /// Whether there is input, at a time when nothing has been read: behind a TLS handshake
    /// nginx takes every connection for [ready](Client::ready). To look for it is less than
    /// to have OpenSSL read, for which that takes 16 KB for a moment.
    pub fn has_input(&mut self) -> bool {
        if self.tls() {
            // SAFETY: the invariant; the connection is in TLS.
            unsafe {
                let pending = SSL_has_pending((*(*self.as_ptr()).ssl).connection) != 0;
                let there = pending || !matches!(peek(self.as_ptr()), Received::Nothing);
                (*self.read()).set_ready(there.into());
            }
        }
        self.ready()
    }

    /// Sets what is said in log lines after the word "while".
    pub const fn set_action(&mut self, action: &'static CStr) {
        // SAFETY: the invariant; nginx only reads the text.
        unsafe { (*(*self.raw.as_ptr()).log).action = action.as_ptr().cast_mut() };
    }

    /// Shows the login that is kept for log lines, or none.
    #[inline(never)]
    fn present_login(&mut self) {
        let login = self.shown().login.as_ref().map_or(ngx_str_t::empty(), |login| {
            let bytes = login.as_slice();
            ngx_str_t { data: bytes.as_ptr().cast_mut(), len: bytes.len() }
        });
        // SAFETY: the invariant; nginx only reads it, and the place owns it until
        // another one is shown or none.
        unsafe { (*self.session()).login = login };
    }

    /// Closes the connection to a backend, if there is one: while the client is told
    /// good-bye nothing is to be done about what the backend sends.
    pub(crate) fn drop_upstream(&mut self) {
        self.shown().upstream = None;
    }

    #[cold]
    #[inline(never)]
    fn log_no_memory(&self) {
        self.error_log().no_memory();
    }
}

impl<M: Registered> Client for Connection<'_, M> {
    type Reborrowed<'b>
        = Connection<'b, M>
    where
        Self: 'b;

    #[inline(always)]
    fn reborrow(&mut self) -> Connection<'_, M> {
        Connection { raw: self.raw, live: PhantomData }
    }

    #[inline(always)]
    fn tls(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { !(*self.raw.as_ptr()).ssl.is_null() }
    }

    fn client_endpoint(&self) -> Option<Endpoint> {
        let connection = self.raw.as_ptr();
        // SAFETY: the invariant.
        unsafe { Endpoint::of((*connection).sockaddr, (*connection).socklen) }
    }

    fn server_endpoint(&self) -> Option<Endpoint> {
        if !self.find_server_address() {
            return None;
        }
        let connection = self.raw.as_ptr();
        // SAFETY: the invariant.
        unsafe { Endpoint::of((*connection).local_sockaddr, (*connection).local_socklen) }
    }

    fn name(&self) -> Short {
        // SAFETY: the invariant; a process has one number from its start on.
        let (process, connection) = unsafe { (ngx_pid, (*self.raw.as_ptr()).number) };
        let connection = i64::try_from(connection).unwrap_or(i64::MAX);
        Short::of_numbers(c"%L-%L", process.into(), connection)
    }

    #[inline(always)]
    fn ready(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.read()).ready() != 0 }
    }

    fn note_attempt(&mut self, method: &'static CStr) {
        if let Owned { record: Some(record), attempt: Some(attempt), .. } = self.shown() {
            record.attempt(method, attempt.login());
        }
    }

    fn note_end(&mut self, end: End) {
        if let Some(record) = self.record() {
            record.end(end);
        }
    }

    #[inline(always)]
    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        // SAFETY: the invariant.
        let received = unsafe { socket::receive(self.raw.as_ptr(), memory) };
        if let (Ok(Received::Bytes(count)), Some(record)) = (&received, self.record()) {
            record.add_received(*count);
        }
        received
    }

    #[inline(always)]
    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        // SAFETY: the invariant.
        unsafe { socket::send(self.raw.as_ptr(), bytes) }
    }

    fn send_later(&mut self, unsent: Bytes, at: usize) -> Result<(), Fault> {
        let rest = unsent.as_slice().get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let out = ngx_str_t { data: rest.as_ptr().cast_mut(), len: rest.len() };
        self.shown().unsent = Some(unsent);
        // SAFETY: the invariant; nginx only reads the bytes, which the place owns
        // until they have gone or others take their place.
        let rc = unsafe {
            let session = self.session();
            let write = (*self.raw.as_ptr()).write;
            (*session).out = out;
            (*session).set_blocked(1);
            ngx_add_timer(write, (*self.core_conf()).timeout);
            ngx_handle_write_event(write, 0)
        };
        if rc == NGX_OK as isize { Ok(()) } else { Err(Fault::Broken) }
    }

    #[inline(always)]
    fn sending(&self) -> bool {
        // SAFETY: the invariant.
        unsafe { (*self.session()).out.len != 0 }
    }

    fn forget_sent(&mut self) {
        if !self.sending() {
            self.shown().unsent = None;
        }
    }

    fn restart_timer(&mut self) -> bool {
        if self.time_left() == 0 {
            self.note_timeout();
            return false;
        }
        self.start_timer();
        true
    }

    #[inline]
    fn logged<T>(&self, result: Result<T, NoMemory>) -> Result<T, NoMemory> {
        if result.is_err() {
            self.log_no_memory();
        }
        result
    }

    fn make_session_challenge(&mut self) -> Result<&[u8], NoMemory> {
        // SAFETY: the invariant.
        unsafe {
            let session = self.session();
            let rc = ngx_mail_salt(session, self.raw.as_ptr(), self.core_conf().cast_mut());
            if rc == NGX_OK as isize { Ok((*session).salt.as_bytes()) } else { Err(NoMemory) }
        }
    }

    fn make_challenge(&self) -> Result<Bytes, NoMemory> {
        // Of the numbers, and what is around them.
        const REST: usize = "<18446744073709551615.-9223372036854775808@>\r\n".len();

        // SAFETY: the invariant; the configuration's text stays.
        let name = unsafe { (*self.core_conf()).server_name };
        let mut challenge = self.allocate(name.len.saturating_add(REST))?;
        let room = challenge.room().as_mut_ptr_range();
        // SAFETY: it writes no further than the end of the room; "%ul" takes an
        // unsigned long, "%T" a time_t and "%V" a string.
        let end = unsafe {
            ngx_slprintf(
                room.start,
                room.end,
                c"<%ul.%T@%V>\r\n".as_ptr(),
                ngx_random(),
                ngx_time(),
                &raw const name,
            )
        };
        challenge.grow(end.addr().saturating_sub(room.start.addr()));

        Ok(challenge)
    }

    fn show_login(&mut self, login: Bytes) {
        let old = self.shown().login.replace(login);
        self.present_login();
        drop(old);
    }

    fn login(&self) -> &[u8] {
        // SAFETY: the invariant, and `&self`.
        unsafe { (*self.place()).shown.login.as_ref().map_or(&[], Bytes::as_slice) }
    }

    fn hide_login(&mut self) {
        let old = self.shown().login.take();
        self.present_login();
        drop(old);
    }

    fn show_attempt(&mut self, attempt: Attempt) {
        drop(self.take_attempt());
        // SAFETY: the invariant; the place owns the attempt until it is taken back.
        unsafe {
            let session = self.session();
            (*session).login = attempt.raw_login();
            (*session).buffer = attempt.raw_buffer();
        }
        self.shown().attempt = Some(attempt);
        self.shown().login = None;
    }

    fn attempt(&self) -> Option<&Attempt> {
        // SAFETY: the invariant, and `&self`.
        unsafe { (*self.place()).shown.attempt.as_ref() }
    }

    fn put_ahead(&mut self, ahead: &[u8]) -> Result<(), NoMemory> {
        let put = self.shown().attempt.as_mut().map_or(Ok(()), |attempt| attempt.put_ahead(ahead));
        self.logged(put)
    }

    #[inline(never)]
    fn take_attempt(&mut self) -> Option<Attempt> {
        let attempt = self.shown().attempt.take()?;
        self.present_login();
        // SAFETY: the invariant.
        unsafe { (*self.session()).buffer = ptr::null_mut() };

        Some(attempt)
    }

    fn log(&self, did: &CStr, command: Option<&CStr>) {
        self.error_log().client(did, command);
    }

    fn log_refused(&self, refused: &Refused<'_>) {
        self.error_log().refused(refused);
    }

    fn debug(&self, text: &CStr, bytes: &[u8]) {
        self.error_log().debug(text, bytes);
    }
}
