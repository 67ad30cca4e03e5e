//! A client's connection without nginx.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::string::String;
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

use ngx_mail::attempt::Attempt;
use ngx_mail::client::{Client, Received};
use ngx_mail::endpoint::{Endpoint, Short};
use ngx_mail::error::{Fault, NoMemory};
use ngx_mail::heap::{Boxed, Bytes};
use ngx_mail::log::Refused;
use ngx_mail::record::End;
use pop3::{Method, Methods, Policy, StartTls};

use crate::client::dialogue;
use crate::client::state::{Login, Next, Stage, State};
use crate::conf::ServerConf;
use crate::refusal::Refusal;

/// What comes of reading once.
pub enum Input {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Broken,
}

/// What comes of sending once. If a test says nothing, all is taken.
pub enum Take {
    Some(usize),
    Broken,
}

pub struct Fake {
    pub conf: ServerConf,
    pub state: State,
    pub input: VecDeque<Input>,
    pub takes: VecDeque<Take>,
    pub sends: usize,
    pub received: Vec<u8>,
    /// What is sent later, from where on, and where its memory was at first.
    pub unsent: Option<(Bytes, usize)>,
    pub tried_from: *const u8,
    pub login: Option<Bytes>,
    pub attempt: Option<Attempt>,
    pub tls: bool,
    pub ready: bool,
    pub time_over: bool,
    pub challenges: Cell<u32>,
    pub logged: RefCell<Vec<String>>,
    pub methods: Vec<&'static CStr>,
    pub end: Option<End>,
    /// How many allocations succeed.
    pub memory: Cell<usize>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            conf: ServerConf::with_policy(Policy {
                methods: Methods {
                    plain: true,
                    apop: true,
                    cram_md5: true,
                    external: true,
                    xoauth2: true,
                    oauthbearer: true,
                },
                starttls: StartTls::On,
                max_line: 4096,
                max_errors: 1000,
                max_commands: 1000,
            }),
            state: State::default(),
            input: VecDeque::new(),
            takes: VecDeque::new(),
            sends: 0,
            received: Vec::new(),
            unsent: None,
            tried_from: std::ptr::null(),
            login: None,
            attempt: None,
            tls: false,
            ready: false,
            time_over: false,
            challenges: Cell::new(0),
            logged: RefCell::default(),
            methods: Vec::new(),
            end: None,
            memory: Cell::new(usize::MAX),
        }
    }
}

/// A worker has one thread, and its sessions share memory.
static WORKER: Mutex<()> = Mutex::new(());

impl Fake {
    pub fn without_apop() -> Self {
        let mut fake = Self::default();
        fake.policy(|policy| policy.methods.apop = false);
        fake
    }

    pub fn policy(&mut self, change: impl Fn(&mut Policy)) {
        change(&mut self.conf.policy);
    }

    pub fn sent(&self) -> &str {
        std::str::from_utf8(&self.received).unwrap()
    }

    pub fn greet(&mut self) -> Next {
        self.with(|fake, conf, state| dialogue::greet(fake, conf, state))
    }

    pub fn turn_away(&mut self) -> Next {
        self.with(|fake, conf, state| dialogue::turn_away(fake, conf, state))
    }

    pub fn read(&mut self) -> Next {
        self.with(|fake, conf, state| dialogue::read(fake, conf, state))
    }

    /// Input, and what is done about it.
    pub fn event(&mut self, input: &[u8]) -> Next {
        self.input.push_back(Input::Bytes(input.to_vec()));
        self.read()
    }

    /// What nginx does before it asks the auth server.
    pub fn hand_on(&mut self) -> Result<(), NoMemory> {
        self.with(|mut fake, _, state| dialogue::hand_on(&mut fake, state))
    }

    /// A backend has refused the login.
    pub fn refuse(&mut self, reply: &[u8]) -> Next {
        self.with(|fake, conf, state| dialogue::refuse(fake, conf, state, reply, false))
    }

    /// The auth server has refused the login, and the session goes on.
    pub fn refuse_login(&mut self) -> Next {
        match self.refuse(b"-ERR refused\r\n") {
            Next::Read => self.go_on(),
            next => next,
        }
    }

    /// The session goes on behind a login that has failed.
    pub fn go_on(&mut self) -> Next {
        dialogue::resume(&mut self.state);
        self.read()
    }

    /// A token is refused, which the client is told in a challenge first.
    pub fn challenge(&mut self, challenge: &[u8], reply: &[u8], last: bool) -> Next {
        let challenge = Bytes::copy_of(challenge).unwrap();
        let reply = Bytes::copy_of(reply).unwrap();
        let refusal = Refusal { challenge: None, reply, credentials: true, last };
        let login = Login { method: Method::Xoauth2, stage: Stage::Begun };
        self.state.kept.login = Some(Boxed::new(login).unwrap());
        self.with(|fake, conf, state| dialogue::challenge(fake, conf, state, &challenge, refusal))
    }

    pub fn forget(&mut self) {
        self.with(|mut fake, _, state| dialogue::forget(&mut fake, state));
    }

    /// The client takes what was left (ngx_mail_send()).
    pub fn take_unsent(&mut self) {
        let (bytes, at) = self.unsent.take().unwrap();
        self.received.extend_from_slice(&bytes.as_slice()[at..]);
    }

    fn with<T>(&mut self, call: impl FnOnce(&mut Self, &ServerConf, &mut State) -> T) -> T {
        let _turn = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
        let conf = std::mem::take(&mut self.conf);
        let mut state = std::mem::take(&mut self.state);
        let result = call(self, &conf, &mut state);
        (self.conf, self.state) = (conf, state);
        result
    }
}

/// What a client gets whose bytes come in these pieces.
pub fn play(pieces: &[&[u8]]) -> String {
    let mut fake = Fake::default();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        assert_eq!(fake.event(piece), Next::Read);
    }
    fake.sent().into()
}

impl Client for &mut Fake {
    type Reborrowed<'b>
        = &'b mut Fake
    where
        Self: 'b;

    fn reborrow(&mut self) -> Self::Reborrowed<'_> {
        self
    }

    fn tls(&self) -> bool {
        self.tls
    }

    fn client_endpoint(&self) -> Option<Endpoint> {
        Some(Endpoint { address: Short::new(b"192.0.2.1"), port: Short::new(b"4321") })
    }

    fn server_endpoint(&self) -> Option<Endpoint> {
        None
    }

    fn name(&self) -> Short {
        Short::new(b"7-8")
    }

    fn ready(&self) -> bool {
        self.ready
    }

    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        match self.input.pop_front() {
            Some(Input::Bytes(bytes)) => {
                memory[..bytes.len()].copy_from_slice(&bytes);
                Ok(Received::Bytes(bytes.len()))
            }
            Some(Input::End) => Ok(Received::End),
            Some(Input::Broken) => Err(Fault::Broken),
            Some(Input::Nothing) | None => Ok(Received::Nothing),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        assert!(self.unsent.is_none(), "a reply overtakes what waits");
        self.sends += 1;
        self.tried_from = bytes.as_ptr();
        let count = match self.takes.pop_front() {
            Some(Take::Some(count)) => count.min(bytes.len()),
            Some(Take::Broken) => return Err(Fault::Broken),
            None => bytes.len(),
        };
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn send_later(&mut self, unsent: Bytes, at: usize) -> Result<(), Fault> {
        self.unsent = Some((unsent, at));
        Ok(())
    }

    fn sending(&self) -> bool {
        self.unsent.is_some()
    }

    fn forget_sent(&mut self) {}

    fn restart_timer(&mut self) -> bool {
        !self.time_over
    }

    fn allocate(&self, capacity: usize) -> Result<Bytes, NoMemory> {
        self.take_memory()?;
        Bytes::with_capacity(capacity)
    }

    fn copy(&self, bytes: &[u8]) -> Result<Bytes, NoMemory> {
        self.take_memory()?;
        Bytes::copy_of(bytes)
    }

    /// Of what was allocated elsewhere.
    fn logged<T>(&self, result: Result<T, NoMemory>) -> Result<T, NoMemory> {
        self.take_memory()?;
        result
    }

    fn make_session_challenge(&mut self) -> Result<&[u8], NoMemory> {
        self.take_memory()?;
        Ok(b"<session@fake>\r\n")
    }

    fn make_challenge(&self) -> Result<Bytes, NoMemory> {
        self.challenges.set(self.challenges.get() + 1);
        self.copy(format!("<{}@fake>\r\n", self.challenges.get()).as_bytes())
    }

    fn show_login(&mut self, login: Bytes) {
        self.login = Some(login);
    }

    fn login(&self) -> &[u8] {
        self.login.as_ref().map_or(&[], Bytes::as_slice)
    }

    fn hide_login(&mut self) {
        self.login = None;
    }

    fn show_attempt(&mut self, attempt: Attempt) {
        self.login = None;
        self.attempt = Some(attempt);
    }

    fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    fn put_ahead(&mut self, ahead: &[u8]) -> Result<(), NoMemory> {
        self.take_memory()?;
        self.attempt.as_mut().map_or(Ok(()), |attempt| attempt.put_ahead(ahead))
    }

    fn take_attempt(&mut self) -> Option<Attempt> {
        self.attempt.take()
    }

    fn log(&self, did: &CStr, _command: Option<&CStr>) {
        self.logged.borrow_mut().push(did.to_str().unwrap().into());
    }

    fn log_refused(&self, refused: &Refused<'_>) {
        let words = std::str::from_utf8(refused.words).unwrap();
        let (method, by) = (refused.method.to_str().unwrap(), refused.by.to_str().unwrap());
        let what = if refused.credentials { "failed" } else { "refused" };
        self.logged.borrow_mut().push(format!("{what} {method} by {by}: {words}"));
    }

    fn note_attempt(&mut self, method: &'static CStr) {
        self.methods.push(method);
    }

    fn note_end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    fn debug(&self, _text: &CStr, _bytes: &[u8]) {}
}

impl Fake {
    fn take_memory(&self) -> Result<(), NoMemory> {
        let left = self.memory.get().checked_sub(1).ok_or(NoMemory)?;
        self.memory.set(left);
        Ok(())
    }
}
