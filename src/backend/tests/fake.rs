//! A server that is logged in at, or asked, without nginx.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::string::String;
use std::vec::Vec;

use ngx_mail::backend::Backend;
use ngx_mail::client::Received;
use ngx_mail::error::Fault;

use crate::client::tests::fake::Input;

/// A server that gives what a test says, and keeps what it is sent.
#[derive(Default)]
pub struct Server {
    pub gives: VecDeque<Input>,
    pub sent: String,
    pub broken: bool,
    /// How many bytes it takes at once, if not all.
    pub takes: Option<usize>,
    pub shares: Vec<usize>,
    pub action: Option<&'static CStr>,
    pub logged: RefCell<Vec<String>>,
    pub passes_error_message: bool,
}

impl Backend for Server {
    fn receive(&mut self, memory: &mut [u8]) -> Result<Received, Fault> {
        match self.gives.pop_front() {
            Some(Input::Bytes(mut bytes)) => {
                let rest = bytes.split_off(bytes.len().min(memory.len()));
                memory[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.gives.push_front(Input::Bytes(rest));
                }
                Ok(Received::Bytes(bytes.len()))
            }
            Some(Input::End) => Ok(Received::End),
            Some(Input::Broken) => Err(Fault::Broken),
            Some(Input::Nothing) | None => Ok(Received::Nothing),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        if self.broken {
            return Err(Fault::Broken);
        }
        let count = self.takes.map_or(bytes.len(), |count| count.min(bytes.len()));
        self.sent.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        Ok(count)
    }

    fn set_timer(&mut self, shares: usize) {
        self.shares.push(shares);
    }

    fn set_action(&mut self, action: &'static CStr) {
        self.action = Some(action);
    }

    fn log_error(&self, did: &CStr, text: &[u8]) {
        let text = std::str::from_utf8(text).unwrap();
        self.logged.borrow_mut().push(format!("error {} {text}", did.to_str().unwrap()));
    }

    fn passes_error_message(&self) -> bool {
        self.passes_error_message
    }
}
