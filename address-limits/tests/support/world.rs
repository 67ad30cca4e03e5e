//! A block that several processes use, held against a plain model: each step has to do to
//! both the same.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, VecDeque};
use std::mem::take;

use crate::support::{KEY, address, words_for};
use address_limits::{Address, Attempt, Entered, FORGOTTEN_AFTER, Limits, Owner, Session};

/// How many addresses and processes there are to choose from.
pub const ADDRESSES: u8 = 9;
pub const PIDS: u32 = 5;

/// What happens. Who is not there does nothing.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Start {
        pid: u32,
    },
    /// It ends as it should.
    End {
        pid: u32,
    },
    /// It ends without a word.
    Kill {
        pid: u32,
    },
    /// It is killed in the midst of a call: of the words that the call would have changed,
    /// those are that the mask tells.
    Crash {
        pid: u32,
        call: Call,
        mask: u64,
    },
    Reclaim,
    Call {
        pid: u32,
        call: Call,
    },
    Wait {
        ms: u64,
    },
    /// A word of the block is another one, whoever has done it.
    Poke {
        at: u16,
        word: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Call {
    Enter {
        address: u8,
        limit: Option<u32>,
    },
    /// The session of the process with this number, if it has as many.
    Leave {
        number: u8,
    },
    Attempt {
        address: u8,
        most: u64,
        left: u64,
    },
    Failed {
        address: u8,
        pair: u64,
    },
    Succeeded {
        address: u8,
    },
}

/// What is known of the block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Who has counted sessions, for somebody has crashed.
    Torn,
    /// Nothing: it has been poked.
    Wild,
}

pub struct World {
    words: Vec<u64>,
    state: State,
    now: u64,
    changes: u64,
    capacity: usize,
    /// Those that are registered, and whether they are alive.
    owners: BTreeMap<u32, (Owner, bool)>,
    sessions: Vec<(u32, u8, Session)>,
    failures: BTreeMap<u8, Failures>,
}

#[derive(Clone, Default)]
struct Failures {
    count: u32,
    last: u64,
    scheduled: u64,
    pairs: VecDeque<u64>,
    /// The change of the address that was the last one; 0 if that is lost.
    changed: u64,
}

impl World {
    /// A block with room for so many addresses.
    pub fn new(addresses: usize) -> Self {
        let mut words = vec![u64::MAX; words_for(addresses)];
        let limits = Limits::format(&mut words, KEY);
        assert_eq!(limits.unwrap().capacity() as usize, addresses);
        Self {
            words,
            state: State::Whole,
            now: 1_000_000_000,
            changes: 0,
            capacity: addresses,
            owners: BTreeMap::new(),
            sessions: vec![],
            failures: BTreeMap::new(),
        }
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Start { pid } => self.start(pid),
            Step::End { pid } => self.end(pid),
            Step::Kill { pid } => self.kill(pid),
            Step::Crash { pid, call, mask } => self.crash(pid, call, mask),
            Step::Reclaim => self.reclaim(),
            Step::Call { pid, call } => {
                if let Some(owner) = self.alive(pid) {
                    self.call(pid, owner, call);
                }
            }
            Step::Wait { ms } => self.now += ms,
            Step::Poke { at, word } => {
                let at = usize::from(at) % self.words.len();
                self.words[at] = word;
                self.state = State::Wild;
            }
        }
        if self.state == State::Whole {
            self.check();
        }
    }

    /// When all have ended, there is room for as many addresses as ever.
    pub fn finish(mut self) {
        let mut limits = match Limits::open(&mut self.words) {
            Some(limits) => limits,
            None => return assert!(self.state == State::Wild),
        };
        limits.register(1, |_| false).unwrap();
        limits.reclaim_dead(|_| false);
        assert!((0..ADDRESSES).all(|number| limits.sessions(address(number)) == 0));

        let owner = limits.register(1, |_| false).unwrap();
        for round in 0..2 {
            let fresh = |number: usize| Address::v4([10, round, 0, number as u8]);
            let enter = |number| match limits.enter(fresh(number), owner, None) {
                Entered::Counted(session) => session,
                other => panic!("{other:?} of {number}"),
            };
            let sessions: Vec<_> = (0..self.capacity).map(enter).collect();
            assert_eq!(limits.enter(fresh(99), owner, None), Entered::Uncounted);
            for (number, session) in sessions.into_iter().enumerate() {
                assert_eq!(limits.sessions(fresh(number)), 1);
                limits.leave(session, owner);
                assert_eq!(limits.sessions(fresh(number)), 0);
            }
        }
    }

    fn alive(&self, pid: u32) -> Option<Owner> {
        self.owners.get(&pid).and_then(|&(owner, alive)| alive.then_some(owner))
    }

    fn start(&mut self, pid: u32) {
        if self.alive(pid).is_some() {
            return;
        }
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        let owners = &self.owners;
        // That of the same id is dead, whatever is said of it.
        let alive = |other| other == pid || owners.get(&other).is_some_and(|owner| owner.1);
        let owner = limits.register(pid, alive);
        self.reclaimed();
        match owner {
            Some(owner) => _ = self.owners.insert(pid, (owner, true)),
            None => assert!(self.state == State::Wild),
        }
    }

    fn end(&mut self, pid: u32) {
        let Some(owner) = self.alive(pid) else { return };
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        limits.release(owner);
        self.owners.remove(&pid);
        // Which of their addresses is the oldest then says only where they were.
        self.changes += 1;
        let (ended, left): (Vec<_>, _) =
            take(&mut self.sessions).into_iter().partition(|&(of, ..)| of == pid);
        self.sessions = left;
        for (_, number, _) in ended {
            self.failures.entry(number).and_modify(|failures| failures.changed = self.changes);
        }
    }

    fn kill(&mut self, pid: u32) {
        if let Some((_, alive)) = self.owners.get_mut(&pid) {
            *alive = false;
        }
    }

    fn crash(&mut self, pid: u32, call: Call, mask: u64) {
        let Some(owner) = self.alive(pid) else { return };
        let before = self.words.clone();
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        match call {
            Call::Enter { address: at, limit } => _ = limits.enter(address(at), owner, limit),
            Call::Leave { number } => {
                if let Some(at) = self.session_of(pid, number) {
                    let (.., session) = self.sessions.remove(at);
                    Limits::open(&mut self.words).unwrap().leave(session, owner);
                }
            }
            Call::Attempt { address: at, most, left } => {
                limits.attempt(address(at), self.now, most, left);
            }
            Call::Failed { address: at, pair } => limits.failed(address(at), self.now, pair),
            Call::Succeeded { address: at } => limits.succeeded(address(at)),
        }
        let changed: Vec<_> =
            (0..before.len()).filter(|&at| self.words[at] != before[at]).collect();
        for (bit, at) in changed.into_iter().enumerate() {
            if mask >> (bit % 64) & 1 == 0 {
                self.words[at] = before[at];
            }
        }
        self.kill(pid);
        if self.state == State::Whole {
            self.state = State::Torn;
        }
    }

    fn reclaim(&mut self) {
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        limits.reclaim_dead(|pid| self.owners.get(&pid).is_some_and(|owner| owner.1));
        self.reclaimed();
    }

    /// The dead are out.
    fn reclaimed(&mut self) {
        let owners = self.owners.len();
        self.owners.retain(|_, &mut (_, alive)| alive);
        self.sessions.retain(|(pid, ..)| self.owners.contains_key(pid));
        if self.owners.len() == owners {
            return;
        }
        self.failures.values_mut().for_each(|failures| failures.changed = 0);
        if self.state == State::Torn {
            // What is known of failures is lost.
            let mut limits = Limits::open(&mut self.words).unwrap();
            (0..ADDRESSES).for_each(|number| limits.succeeded(address(number)));
            self.failures.clear();
            self.state = State::Whole;
        }
    }

    fn session_of(&self, pid: u32, number: u8) -> Option<usize> {
        let mut all = self.sessions.iter().enumerate().filter(|(_, (of, ..))| *of == pid);
        all.nth(number.into()).map(|(at, _)| at)
    }

    fn call(&mut self, pid: u32, owner: Owner, call: Call) {
        match call {
            Call::Enter { address, limit } => self.enter(pid, owner, address, limit),
            Call::Leave { number } => {
                let Some(at) = self.session_of(pid, number) else { return };
                let (_, number, session) = self.sessions.remove(at);
                let Some(mut limits) = Limits::open(&mut self.words) else { return };
                limits.leave(session, owner);
                self.touch(number);
            }
            Call::Attempt { address: number, most, left } => {
                let Some(mut limits) = Limits::open(&mut self.words) else { return };
                let attempt = limits.attempt(address(number), self.now, most, left);
                let expected = self.attempt(number, most, left);
                assert!(self.state != State::Whole || attempt == expected);
            }
            Call::Failed { address, pair } => self.failed(address, pair),
            Call::Succeeded { address: number } => {
                let Some(mut limits) = Limits::open(&mut self.words) else { return };
                limits.succeeded(address(number));
                self.failures.remove(&number);
            }
        }
    }

    fn enter(&mut self, pid: u32, owner: Owner, number: u8, limit: Option<u32>) {
        let has_room = self.sessions.len() < (self.capacity + 1) * 4 - 1 && self.has_place(number);
        let sessions = self.sessions_of(number);
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        let entered = limits.enter(address(number), owner, limit);
        if self.state == State::Whole {
            match entered {
                Entered::TooMany => assert!(limit.is_some_and(|limit| sessions >= limit)),
                Entered::Uncounted => assert!(!has_room),
                Entered::Counted(_) => {
                    assert!(has_room && limit.is_none_or(|limit| sessions < limit));
                    self.make_room(number);
                }
            }
        }
        if let Entered::Counted(session) = entered {
            self.sessions.push((pid, number, session));
        }
    }

    fn failed(&mut self, number: u8, pair: u64) {
        let has_place = self.has_place(number);
        let Some(mut limits) = Limits::open(&mut self.words) else { return };
        limits.failed(address(number), self.now, pair);
        if self.state != State::Whole || !has_place {
            return;
        }
        self.make_room(number);
        self.forget_old(number);
        let failures = self.failures.entry(number).or_default();
        failures.last = self.now;
        match failures.pairs.iter().position(|&known| known == pair) {
            Some(at) => _ = failures.pairs.remove(at),
            None => failures.count += 1,
        }
        failures.pairs.push_front(pair);
        failures.pairs.truncate(4);
        self.touch(number);
    }

    fn attempt(&mut self, number: u8, most: u64, left: u64) -> Attempt {
        self.forget_old(number);
        self.touch(number);
        let Some(failures) = self.failures.get_mut(&number) else { return Attempt::Now };
        let delay = (1..failures.count).fold(1000, |delay: u64, _| delay.saturating_mul(2));
        let scheduled = failures.scheduled.max(self.now) + delay.min(most);
        if scheduled > self.now + left {
            return Attempt::TooLate;
        }
        failures.scheduled = scheduled;
        Attempt::After(scheduled - self.now)
    }

    fn forget_old(&mut self, number: u8) {
        let now = self.now;
        self.failures.retain(|&of, it| of != number || now < it.last + FORGOTTEN_AFTER);
    }

    fn touch(&mut self, number: u8) {
        self.changes += 1;
        if let Some(failures) = self.failures.get_mut(&number) {
            failures.changed = self.changes;
        }
    }

    fn sessions_of(&self, number: u8) -> u32 {
        self.sessions.iter().filter(|&&(_, at, _)| at == number).count() as u32
    }

    /// The addresses that have a place, and nothing but failures.
    fn idle(&self) -> Vec<u8> {
        self.failures.keys().copied().filter(|&number| self.sessions_of(number) == 0).collect()
    }

    /// How many addresses have a place, as far as the model knows.
    fn taken(&self) -> usize {
        let is_known =
            |&number: &u8| self.failures.contains_key(&number) || self.sessions_of(number) > 0;
        (0..ADDRESSES).filter(is_known).count()
    }

    fn has_place(&self, number: u8) -> bool {
        let known = self.failures.contains_key(&number) || self.sessions_of(number) > 0;
        known || self.taken() < self.capacity || !self.idle().is_empty()
    }

    /// Finds whose place another address got, if it had none: it has to be the oldest's.
    fn make_room(&mut self, number: u8) {
        let known = self.failures.contains_key(&number) || self.sessions_of(number) > 0;
        if known || self.taken() < self.capacity {
            return;
        }
        let idle = self.idle();
        let oldest = idle.iter().map(|number| self.failures[number].changed).min();
        let limits = Limits::open(&mut self.words).unwrap();
        let gone: Vec<_> =
            idle.into_iter().filter(|&number| limits.failures(address(number)) == 0).collect();
        assert_eq!(gone.len(), 1);
        assert_eq!(self.failures.remove(&gone[0]).map(|it| it.changed), oldest);
    }

    fn check(&mut self) {
        let limits = Limits::open(&mut self.words).unwrap();
        for number in 0..ADDRESSES {
            let sessions = self.sessions.iter().filter(|&&(_, at, _)| at == number).count();
            assert_eq!(limits.sessions(address(number)) as usize, sessions, "{number}");
            let failures = self.failures.get(&number).map_or(0, |failures| failures.count);
            assert_eq!(limits.failures(address(number)), failures, "{number}");
        }
    }
}
