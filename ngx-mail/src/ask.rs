//! Asking the auth server about a login.

use core::mem;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_BUSY, NGX_DECLINED, NGX_ERROR, ngx_add_timer, ngx_close_connection,
    ngx_connection_log_error_e_NGX_ERROR_INFO as NGX_ERROR_INFO, ngx_connection_t,
    ngx_event_connect_peer, ngx_event_get_peer, ngx_event_t, ngx_msec_t, ngx_peer_connection_t,
    ngx_post_event, ngx_posted_events,
};

use crate::address::Address;
use crate::client::Client;
use crate::heap::Boxed;
use crate::kept::Kept;
use crate::login::{Authenticator, Login, client_event};
use crate::session::Session;
use crate::upstream::{Phase, Purpose, Upstream};

impl<M: Authenticator> Login<'_, M> {
    /// Connects to an auth server; [`Authenticator::auth_server`] is called when that is
    /// done, and if it has not succeeded after so many milliseconds, or its share of the
    /// time that is left to the session: it is one of so many.
    ///
    /// # Errors
    ///
    /// It is known at once to be in vain, and has been logged.
    pub fn ask(mut self, address: Address, time: usize, shares: usize) -> Result<(), Self> {
        self.drop_backend();
        let share = self.session.connection().time_left().checked_div(shares).unwrap_or(0);
        let time = time.min(share);
        match self.open(address) {
            Some(raw) => self.adopt(raw, address, Phase::Connecting, time).map(|_| ()),
            None => Err(self),
        }
    }

    /// As [`Login::ask`], by a connection that is kept. Nothing is to be read from it by
    /// now: it has to be asked at once, as what comes before would be taken for the reply.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn ask_kept(mut self, kept: Kept, time: usize) -> Result<Self, Self> {
        self.drop_backend();
        match kept.take() {
            Some((raw, address)) => self.adopt(raw, address, Phase::Open, time),
            None => Err(self),
        }
    }

    /// Has the auth server's connection kept for others, who need not wait for their own:
    /// it must have nothing more to send.
    pub fn give_back(&mut self, kept: Kept) {
        let Some(upstream) = self.upstream() else { return };
        if upstream.purpose != Purpose::AuthServer || upstream.phase != Phase::Open {
            return;
        }
        let raw = mem::replace(&mut upstream.connection, ptr::null_mut());
        if let Some(raw) = NonNull::new(raw) {
            let address = upstream.address;
            // SAFETY: it was the upstream's, and has no TLS; that one is of the
            // configuration's addresses, as all of auth servers are.
            unsafe { kept.put(raw, Address::from_raw(address)) };
        }
        self.drop_backend();
    }

    /// Closes the server's connection, which has sent what nobody has asked for, and has
    /// none kept any more.
    pub fn distrust(&mut self, kept: Kept) {
        if let Some(upstream) = self.upstream() {
            // It is of the configuration's addresses, as all of auth servers are.
            kept.distrust(Address::from_raw(upstream.address));
        }
        self.drop_backend();
    }

    /// Closes the server's connection.
    pub fn hang_up(&mut self) {
        self.drop_backend();
    }

    /// Waits for something that can be done without: for a second at most, and it is not
    /// logged that it has not come.
    pub fn wait_briefly(mut self) {
        const SECOND: ngx_msec_t = 1000;

        let time = self.session.connection().time_left().min(SECOND);
        if let (Some(raw), Some(upstream)) = (self.raw(), self.upstream())
            && !upstream.dispensable
        {
            upstream.dispensable = true;
            // SAFETY: the connection is live, and its event is.
            unsafe { ngx_add_timer((*raw.as_ptr()).read, time) };
        }
        self.wait();
    }

    /// Waits for so many milliseconds, or as long as there is time for the session
    /// (`timeout`), without any server; [`Authenticator::awake`] is called then.
    pub fn sleep(mut self, time: usize) {
        self.drop_backend();
        let connection = self.session.connection();
        let time = connection.time_left().min(time);
        // SAFETY: the session is live, and its event is.
        unsafe {
            let read = connection.read();
            (*read).handler = Some(sleeping::<M>);
            ngx_add_timer(read, time);
            // A reset that came along with the login raises no event of its own.
            if (*read).pending_eof() != 0 {
                ngx_post_event(read, &raw mut ngx_posted_events);
            }
        }
    }

    /// Connects (ngx_event_connect_peer()).
    fn open(&mut self, address: Address) -> Option<NonNull<ngx_connection_t>> {
        let connection = self.session.connection();
        // SAFETY: all zeros are a valid ngx_peer_connection_t, which nginx needs for
        // this call alone; the address is live as long as the session.
        unsafe {
            let address = address.raw().as_ptr();
            let mut peer: ngx_peer_connection_t = mem::zeroed();
            peer.sockaddr = (*address).sockaddr;
            peer.socklen = (*address).socklen;
            peer.name = &raw mut (*address).name;
            peer.get = Some(ngx_event_get_peer);
            peer.log = connection.error_log().as_ptr();
            // The module says whose error it is.
            peer.set_log_error(NGX_ERROR_INFO);
            let rc = ngx_event_connect_peer(&raw mut peer);
            let raw = NonNull::new(peer.connection)?;
            if [NGX_ERROR, NGX_BUSY, NGX_DECLINED].iter().any(|&failed| rc == failed as isize) {
                ngx_close_connection(raw.as_ptr());
                return None;
            }
            Some(raw)
        }
    }

    /// Makes a connection the session's, which fails after so many milliseconds.
    fn adopt(
        mut self,
        raw: NonNull<ngx_connection_t>,
        address: Address,
        phase: Phase,
        time: usize,
    ) -> Result<Self, Self> {
        let connection = self.session.connection();
        let upstream = Boxed::new(Upstream::new(Purpose::AuthServer, address.raw()));
        let Ok(mut upstream) = connection.logged(upstream) else {
            // SAFETY: it is the caller's.
            unsafe { ngx_close_connection(raw.as_ptr()) };
            return Err(self);
        };
        upstream.connection = raw.as_ptr();
        upstream.phase = phase;
        let time: ngx_msec_t = connection.time_left().min(time);
        let session = connection.session();
        let client = connection.as_ptr();
        // SAFETY: the connection is live and the caller's, and so is the session.
        unsafe {
            let raw = raw.as_ptr();
            (*raw).data = session.cast();
            (*raw).pool = (*client).pool;
            (*raw).log = (*client).log;
            (*(*raw).read).log = (*client).log;
            (*(*raw).write).log = (*client).log;
        }
        connection.shown().upstream = Some(upstream);
        self.watch(time);
        Ok(self)
    }
}

/// The handler of the client's read event while the session sleeps.
unsafe extern "C" fn sleeping<M: Authenticator>(event: *mut ngx_event_t) {
    // SAFETY: sleep() sets it on sessions that are live; nginx does nothing more with
    // the session after this call.
    unsafe {
        if (*event).timedout() == 0 {
            return client_event::<M>(event);
        }
        (*event).set_timedout(0);
        M::awake(Login { session: Session::from_event(event) });
    }
}
