//! What the address of a client may do, and what it has done.

use core::cell::Cell;
use core::net::IpAddr;

use address_limits::{Address, Attempt, Entered, Limits, Owner, Session, pair};
use ngx_mail::alert::Alert;
use ngx_mail::attempt::Attempt as Credentials;
use ngx_mail::conf::{Conf, Refused};
use ngx_mail::error::NoMemory;
use ngx_mail::heap::Boxed;
use ngx_mail::{clock, process, random, zone};

/// For how many milliseconds nobody looks for dead processes again.
const LOOKED: u64 = 1000;

/// What all addresses have, in memory that all workers share.
pub struct Zone {
    memory: zone::Zone,
    /// This process, as it is known there, and its number.
    owner: Cell<Option<(u32, Owner)>>,
    key: Cell<Option<[u64; 2]>>,
    /// When it looked for dead processes.
    looked: Cell<u64>,
    /// Of that there is no room.
    full: Alert,
}

/// What becomes of a session that begins.
pub enum Begun {
    /// It goes on; it may be counted until [`Zone::end`].
    Counted(Option<Boxed<Counted>>),
    /// It goes on, and is the first one in a while that there is no room to count.
    Full,
    /// Its address has as many as it may.
    TooMany,
}

/// A session that is counted.
pub struct Counted {
    owner: Owner,
    session: Option<Session>,
}

impl Zone {
    /// Takes so many bytes.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn new(cf: &mut Conf<'_>, size: usize) -> Result<Self, Refused> {
        Ok(Self {
            memory: cf.zone(c"pop3_limit_zone", size)?,
            owner: Cell::new(None),
            key: Cell::new(None),
            looked: Cell::new(0),
            full: cf.alert()?,
        })
    }

    /// Does something with it, which is to be short: the other workers wait. Nothing is done
    /// if it cannot be used.
    fn with<T>(&self, act: impl FnOnce(&mut Limits<'_>) -> T) -> Option<T> {
        self.memory.lock(|words| {
            if Limits::open(words).is_none() {
                Limits::format(words, random::seed())?;
            }
            Limits::open(words).as_mut().map(act)
        })?
    }

    /// This process. It is new there if it was forked from the one that is known.
    fn owner(&self) -> Option<Owner> {
        let id = process::id();
        if let Some((known, owner)) = self.owner.get()
            && known == id
        {
            return Some(owner);
        }
        let owner = self.with(|limits| limits.register(id, process::is_alive))??;
        self.owner.set(Some((id, owner)));
        Some(owner)
    }

    fn key(&self) -> Option<[u64; 2]> {
        let key = self.key.get().or_else(|| self.with(|limits| limits.key()));
        self.key.set(key);
        key
    }

    /// Begins a session of an address, which may have so many.
    ///
    /// # Errors
    ///
    /// There is no memory.
    pub fn begin(&self, address: IpAddr, most: u32) -> Result<Begun, NoMemory> {
        let Some(owner) = self.owner() else { return Ok(Begun::Counted(None)) };
        let mut counted = Boxed::new(Counted { owner, session: None })?;
        let entered = self.with(|limits| {
            let entered = limits.enter(named(address), owner, Some(most));
            if entered == Entered::TooMany && self.may_look() {
                limits.reclaim_dead(process::is_alive);
                return limits.enter(named(address), owner, Some(most));
            }
            entered
        });
        Ok(match entered {
            Some(Entered::Counted(session)) => {
                counted.session = Some(session);
                Begun::Counted(Some(counted))
            }
            Some(Entered::TooMany) => Begun::TooMany,
            Some(Entered::Uncounted) if self.full.is_due() => Begun::Full,
            Some(Entered::Uncounted) | None => Begun::Counted(None),
        })
    }

    /// Ends one.
    pub fn end(&self, mut counted: Boxed<Counted>) {
        if let Some(session) = counted.session.take() {
            self.with(|limits| limits.leave(session, counted.owner));
        }
    }

    /// Takes this process out, which ends.
    pub fn leave(&self) {
        if let Some((_, owner)) = self.owner.take() {
            self.with(|limits| limits.release(owner));
        }
    }

    /// Asks when credentials may be checked. The delay is at most `most`, and the session
    /// has `left`, in milliseconds.
    pub fn attempt(&self, address: IpAddr, most: u64, left: u64) -> Attempt {
        let now = clock::monotonic();
        let attempt = self.with(|limits| limits.attempt(named(address), now, most, left));
        attempt.unwrap_or(Attempt::Now)
    }

    /// Notes that credentials were refused.
    pub fn failed(&self, address: IpAddr, credentials: &Credentials) {
        let Some(key) = self.key() else { return };
        let pair = pair(key, credentials.login(), credentials.secret());
        self.with(|limits| limits.failed(named(address), clock::monotonic(), pair));
    }

    /// Notes that a login was made.
    pub fn succeeded(&self, address: IpAddr) {
        self.with(|limits| limits.succeeded(named(address)));
    }

    /// Whether it is time to look for dead processes.
    fn may_look(&self) -> bool {
        let now = clock::monotonic();
        let may = now.saturating_sub(self.looked.get()) >= LOOKED;
        if may {
            self.looked.set(now);
        }
        may
    }
}

fn named(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.octets()),
        IpAddr::V6(address) => Address::v6(address.octets()),
    }
}
