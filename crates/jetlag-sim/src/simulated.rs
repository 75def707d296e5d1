//! The simulated server as a backend: the core, virtual time, and what storage holds while it is down.

use std::collections::VecDeque;

use jetlag_core::{Core, CoreConfig, Deadline, Input, LostTail, Output, Stored};
use jetlag_model::{Duration, Now, Time, WallTime};

use crate::{Backend, BackendError, Limit, Polled};

/// The wall clock at the start of a run: 2026-01-01T00:00:00Z.
const STARTED: WallTime = WallTime::from_unix_nanos(1_767_225_600_000_000_000);

/// The server between two lives, or in one.
#[derive(Clone)]
enum Life {
    Up(Box<Core>),
    Down(Stored),
}

/// A simulated server in virtual time. Time stands still except in [`Backend::poll`], where it jumps from one deadline to the next.
#[derive(Clone)]
pub struct Simulated {
    config: CoreConfig,
    started: WallTime,
    life: Life,
    now: Time,
    /// The last words of a server that stopped.
    last_words: VecDeque<Output>,
}

impl Simulated {
    /// A server of the newest version with empty storage.
    pub fn new() -> Simulated {
        Simulated::with_config(CoreConfig::default())
    }

    /// A server so configured with empty storage.
    pub fn with_config(config: CoreConfig) -> Simulated {
        Simulated::starting(config, STARTED)
    }

    /// A server so configured with empty storage, whose wall clock shows `started` at the start of the run.
    pub fn starting(config: CoreConfig, started: WallTime) -> Simulated {
        Simulated::on_storage(config, started, Stored::default())
    }

    /// A server so configured on what storage holds, whose wall clock shows `started` at the start of the run.
    pub fn on_storage(config: CoreConfig, started: WallTime, stored: Stored) -> Simulated {
        let now = Now { mono: Time::START, wall: started };
        let core = Core::open(config, stored, now);
        Simulated { config, started, life: Life::Up(Box::new(core)), now: Time::START, last_words: VecDeque::new() }
    }

    /// The core, while the server runs.
    pub fn core(&self) -> Option<&Core> {
        match &self.life {
            Life::Up(core) => Some(core),
            Life::Down(_) => None,
        }
    }

    /// What storage holds, while no server runs on it.
    pub fn stored(&self) -> Option<&Stored> {
        match &self.life {
            Life::Up(_) => None,
            Life::Down(stored) => Some(stored),
        }
    }

    /// What the server has said and nobody has taken yet.
    pub fn poll_output(&mut self) -> Option<Output> {
        match &mut self.life {
            Life::Up(core) if self.last_words.is_empty() => core.poll_output(),
            _ => self.last_words.pop_front(),
        }
    }

    /// When the server does something by itself next.
    pub fn next_due(&self) -> Option<Time> {
        self.core()?.next_due()
    }

    /// What the server does next by itself, and when that is due.
    pub fn next_deadline(&self) -> Option<(Time, Deadline)> {
        self.core()?.next_deadline()
    }

    /// Has the server do what is due next, at this instant: no earlier than due, and not before now.
    pub fn fire(&mut self, now: Time) {
        self.now = now;
        let both = self.both(now);
        if let Life::Up(core) = &mut self.life {
            core.handle_deadline(both);
        }
    }

    /// What the server does next by itself of a kind of deadlines, and when that is due.
    pub fn next_deadline_of(&self, kind: &str) -> Option<(Time, Deadline)> {
        self.core()?.next_deadline_of(kind)
    }

    /// Has the server do what is due next of a kind, at this instant: no earlier than due, and not before now.
    pub fn fire_of(&mut self, now: Time, kind: &str) {
        self.now = now;
        let both = self.both(now);
        if let Life::Up(core) = &mut self.life {
            core.handle_deadline_of(both, kind);
        }
    }

    /// Lets time go on to this instant, whatever is due until then: a machine that is late.
    pub fn lag(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Both clocks at an instant; nothing skews the wall clock yet.
    fn both(&self, now: Time) -> Now {
        Now { mono: now, wall: self.started + now.since_start() }
    }

    fn running(&mut self, what: &str) -> Result<&mut Core, BackendError> {
        match &mut self.life {
            Life::Up(core) => Ok(core),
            Life::Down(_) => Err(BackendError::Misuse(format!("the server is down and can not {what}"))),
        }
    }

    /// Ends a life.
    fn end(&mut self, what: &str, how: impl FnOnce(Core, Now) -> (Stored, Vec<Output>)) -> Result<(), BackendError> {
        let core = self.running(what)?.clone();
        let (stored, outputs) = how(core, self.both(self.now));
        self.life = Life::Down(stored);
        self.last_words.extend(outputs);
        Ok(())
    }
}

impl Default for Simulated {
    fn default() -> Simulated {
        Simulated::new()
    }
}

impl Backend for Simulated {
    fn now(&self) -> Time {
        self.now
    }

    fn started(&self) -> WallTime {
        self.started
    }

    fn input(&mut self, input: Input) -> Result<(), BackendError> {
        let now = self.both(self.now);
        self.running("take an input")?.handle_input(now, input);
        Ok(())
    }

    fn said(&mut self) -> Option<Output> {
        self.poll_output()
    }

    fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError> {
        if let Some(output) = self.poll_output() {
            return Ok(Polled::Output(output));
        }
        let is_due = self.next_due().is_some_and(|due| limit.allows(due.max(self.now)));
        if is_due && let Some((due, deadline)) = self.next_deadline() {
            self.fire(self.now.max(due));
            return Ok(Polled::Fired(deadline));
        }
        self.lag(limit.time());
        Ok(Polled::Reached)
    }

    fn stop(&mut self) -> Result<(), BackendError> {
        self.end("stop", Core::stop)
    }

    fn kill(&mut self, lost: LostTail) -> Result<(), BackendError> {
        self.end("be killed", |core, now| (core.kill(now, lost), Vec::new()))
    }

    fn start(&mut self) -> Result<(), BackendError> {
        match &self.life {
            Life::Up(_) => Err(BackendError::Misuse("the server runs already".to_owned())),
            Life::Down(stored) => {
                self.life = Life::Up(Box::new(Core::open(self.config, stored.clone(), self.both(self.now))));
                Ok(())
            }
        }
    }

    fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
        self.core()?.next_busy_deadline()
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}
