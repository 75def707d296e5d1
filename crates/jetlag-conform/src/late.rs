//! A simulated server that is late, as a real one on a real machine is: what it does by time happens later, and what it is sent takes a while.
//!
//! A scenario whose transcript survives this may be replayed at the pace; one whose transcript depends on which of two near events comes
//! first does not survive it. So nothing has to be known about which events depend on which: it is tried out.

use jetlag_core::{CoreConfig, Deadline, Input, Lost, LostTail};
use jetlag_model::{Duration, ServerVersion, Time, WallTime};
use jetlag_sim::{Backend, BackendError, Limit, Polled, Simulated};

use crate::lane::{Lane, Wait};
use crate::led::Barrier;
use crate::slack::Timers;

/// What a frame costs, at most, besides the pause before it.
const FRAME: Duration = Duration::from_micros(100);

/// What a flush costs, at most.
const FLUSH: Duration = Duration::from_micros(300);

/// How late the world wakes up, at most.
const WAKE: Duration = Duration::from_millis(1);

/// What a barrier costs, at most.
const BARRIER: Duration = Duration::from_millis(5);

/// Who is late, and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Nobody, ever.
    Prompt,
    /// Timers, as much as can be.
    Timers,
    /// Inputs, as much as can be.
    Inputs,
    /// Both.
    Both,
    /// What the server does in rounds, as much as can be: it lets go of aged messages and idle consumers. Other timers are not late, so that they
    /// overtake it.
    Rounds,
    /// Both, by lengths drawn from this seed.
    Drawn(u64),
}

impl Pattern {
    /// What is tried before a replay.
    pub(crate) const ALL: &[Pattern] = &[
        Pattern::Prompt,
        Pattern::Timers,
        Pattern::Inputs,
        Pattern::Both,
        Pattern::Rounds,
        Pattern::Drawn(1),
        Pattern::Drawn(2),
        Pattern::Drawn(3),
        Pattern::Drawn(4),
    ];

    /// How late a timer is, by its deadline's one word.
    fn timer(self, deadline: &str, key: u64, most: Duration) -> Duration {
        match self {
            Pattern::Rounds if matches!(deadline, "max-age" | "inactive") => most,
            Pattern::Prompt | Pattern::Inputs | Pattern::Rounds => Duration::ZERO,
            Pattern::Timers | Pattern::Both => most,
            Pattern::Drawn(seed) => drawn(seed, key, most),
        }
    }

    fn input(self, key: u64, most: Duration) -> Duration {
        match self {
            Pattern::Prompt | Pattern::Timers | Pattern::Rounds => Duration::ZERO,
            Pattern::Inputs | Pattern::Both => most,
            Pattern::Drawn(seed) => drawn(seed, !key, most),
        }
    }
}

fn of_std(duration: std::time::Duration) -> Duration {
    Duration::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// Up to `most`, the same for the same seed and key.
fn drawn(seed: u64, key: u64, most: Duration) -> Duration {
    // splitmix64: anything that spreads will do, and nothing else depends on it.
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(key.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let part = i64::from((z >> 44) as u32);
    Duration::from_nanos(most.as_nanos() / (1 << 20) * part)
}

/// The late server.
pub(crate) struct LateServer {
    server: Simulated,
    last: Option<Lane>,
    pattern: Pattern,
    timers: Timers,
    patience: Duration,
    /// Counts what was late, to draw anew each time.
    drawn: u64,
}

impl LateServer {
    pub(crate) fn new(version: ServerVersion, pattern: Pattern, timers: Timers, patience: Duration) -> LateServer {
        let server = Simulated::with_config(CoreConfig::of(version));
        LateServer { server, last: None, pattern, timers, patience, drawn: 0 }
    }

    /// What the server does next by itself, and when it gets to it. Timers of each kind keep their order; those that are later than others are
    /// overtaken.
    fn next_timer(&self) -> Option<(Time, Deadline)> {
        let first = |kind| {
            let (due, deadline) = self.server.next_deadline_of(kind)?;
            let late = self.pattern.timer(kind, due.as_nanos(), self.timers.lateness(kind));
            Some(((due + late).max(self.now()), deadline))
        };
        // Of two at one instant the first, as the kinds are in their order.
        Deadline::KINDS.into_iter().filter_map(first).min_by_key(|(fires, _)| *fires)
    }

    /// Time goes by while somebody is late: the server's timers do not wait.
    fn pass(&mut self, most: Duration) {
        self.drawn += 1;
        let end = self.now() + self.pattern.input(self.drawn, most);
        while let Some((fires, deadline)) = self.next_timer()
            && fires <= end
        {
            self.server.fire_of(fires, deadline.kind());
        }
        self.server.lag(end);
    }
}

impl Backend for LateServer {
    fn now(&self) -> Time {
        self.server.now()
    }

    fn started(&self) -> WallTime {
        self.server.started()
    }

    fn input(&mut self, input: Input) -> Result<(), BackendError> {
        let next = Lane::of(&input);
        let wait = self.last.zip(next).map_or(Wait::Nothing, |(last, next)| last.before(next));
        self.last = next.or(self.last);
        self.pass(match wait {
            Wait::Nothing => FRAME,
            Wait::Flush => FRAME + FLUSH,
            Wait::FlushAndPause(pause) => FRAME + FLUSH + of_std(pause) + of_std(pause),
        });
        self.server.input(input)
    }

    fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError> {
        if let Some(output) = self.server.poll_output() {
            return Ok(Polled::Output(output));
        }
        if let Some((fires, deadline)) = self.next_timer()
            && limit.allows(fires)
        {
            self.server.fire_of(fires, deadline.kind());
            return Ok(Polled::Fired(deadline));
        }
        if limit.time() > self.now() {
            self.server.lag(limit.time());
            self.pass(WAKE + self.timers.machine());
        }
        Ok(Polled::Reached)
    }

    fn stop(&mut self) -> Result<(), BackendError> {
        self.last = None;
        self.server.stop()
    }

    fn kill(&mut self, lost: LostTail) -> Result<(), BackendError> {
        self.last = None;
        // A scenario that says that nothing is lost has to wait for it to be written.
        self.server.kill(if lost == LostTail::default() { Lost::Unwritten.into() } else { lost })
    }

    fn start(&mut self) -> Result<(), BackendError> {
        self.server.start()
    }

    fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
        None
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

impl Barrier for LateServer {
    fn barrier(&mut self, answered: bool) -> Result<(), BackendError> {
        if let Some(lane) = self.last.take() {
            self.pass(self.timers.machine() + if lane.needs_pause(answered) { BARRIER } else { FLUSH });
        }
        Ok(())
    }
}
