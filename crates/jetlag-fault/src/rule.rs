//! What a fault rule is: what it acts on, when, and what it does. Whether it makes sense is `validate`, acting is `rules`.

use std::fmt;
use std::sync::Arc;

use jetlag_model::{DeliveryCount, Duration, StreamSeq, Subject, Time, matches};

use crate::{Crossing, CrossingKind, Direction};

/// What a rule is called.
pub type RuleId = Arc<str>;

/// A fault rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it is called, in transcripts and in draws.
    pub id: RuleId,
    /// What it acts on.
    pub matcher: Match,
    /// When it acts.
    pub when: When,
    /// What it does.
    pub effect: Effect,
}

impl Rule {
    /// Whether the rule is about this crossing, at whatever time.
    ///
    /// Besides what [`Rule::matcher`] asks for, a lost reply needs a sender that waits for one, an error needs a client that sends,
    /// slowness needs a delivery, and a partition needs its direction.
    pub fn is_about(&self, crossing: &Crossing<'_>) -> bool {
        let possible = match &self.effect {
            Effect::ReplyLost => crossing.answered && crossing.kind.reply().is_some(),
            Effect::Error(_) => crossing.direction() == Direction::Up,
            Effect::Slow { .. } => crossing.kind == CrossingKind::Delivery,
            Effect::Partition(partition) => partition.cuts(crossing.direction()),
            _ => true,
        };
        possible && self.matcher.matches(crossing)
    }

    /// How often the rule acts. Where nothing is said, a partition, slowness, and a rule limited by probability, window or cycle act
    /// without end; every other rule acts once.
    pub fn occurrence(&self) -> Occurrence {
        let lasting = matches!(self.effect, Effect::Partition(_) | Effect::Slow { .. });
        let limited = self.when.probability.is_some() || self.when.from.is_some() || self.when.to.is_some() || self.when.cycle.is_some();
        let default = if lasting || limited { Occurrence::Always } else { Occurrence::First(1) };
        self.when.occurrence.unwrap_or(default)
    }
}

/// What a rule acts on: all that is there must hold; what is absent always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The kind of crossing.
    pub kind: Option<CrossingKind>,
    /// The client's name.
    pub client: Option<Arc<str>>,
    /// The stream's name.
    pub stream: Option<Arc<str>>,
    /// The consumer's name.
    pub consumer: Option<Arc<str>>,
    /// A filter for the subject.
    pub subject: Option<Subject>,
    /// The message's place in its stream.
    pub stream_seq: Option<StreamSeq>,
    /// The attempt at the message.
    pub delivery_count: Option<DeliveryCount>,
}

impl Match {
    /// Whether all that is asked for holds.
    pub fn matches(&self, crossing: &Crossing<'_>) -> bool {
        let name = |wanted: &Option<Arc<str>>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        self.kind.is_none_or(|kind| kind == crossing.kind)
            && name(&self.client, Some(crossing.client))
            && name(&self.stream, crossing.stream)
            && name(&self.consumer, crossing.consumer)
            && self.subject.as_ref().is_none_or(|filter| crossing.subject.is_some_and(|subject| matches(filter, subject)))
            && (self.stream_seq.is_none() || self.stream_seq == crossing.stream_seq)
            && (self.delivery_count.is_none() || self.delivery_count == crossing.delivery_count)
    }
}

/// When a rule acts on what it matches: all that is there must hold.
///
/// Of the matching crossings, those at a time when window and cycle are open count; [`Occurrence::Nth`] picks one of these; then
/// chance decides; and [`Occurrence::First`] limits how often the rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// How often. [`Rule::occurrence`] says what holds when nothing is said.
    pub occurrence: Option<Occurrence>,
    /// By chance.
    pub probability: Option<Probability>,
    /// Not before this, since the start of the run.
    pub from: Option<Duration>,
    /// Before this, since the start of the run.
    pub to: Option<Duration>,
    /// Part of the time, again and again.
    pub cycle: Option<Cycle>,
}

impl When {
    /// Whether window and cycle are open at `now`, for a rule that was added at `added`.
    pub(crate) fn is_open(&self, now: Time, added: Time) -> bool {
        let at = now.since_start();
        if self.from.is_some_and(|from| at < from) || self.to.is_some_and(|to| at >= to) {
            return false;
        }
        self.cycle.is_none_or(|cycle| {
            let base = self.from.map_or(added, |from| Time::START + from);
            now.since(base).as_nanos().rem_euclid(cycle.every.as_nanos()) < cycle.active.as_nanos()
        })
    }
}

/// How often a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// So many times and never again; at least 1.
    First(u64),
    /// On this one alone, counted from 1.
    Nth(u64),
    /// Every time.
    Always,
}

/// A chance of `numerator / denominator`: above zero and at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    /// How many times,
    pub numerator: u64,
    /// of so many.
    pub denominator: u64,
}

/// Open for `active` out of each `every`, counted from the start of the window, or from when the rule was added if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The period.
    pub every: Duration,
    /// The open part at the beginning of each period; above zero and at most `every`.
    pub active: Duration,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It never arrives, and nobody is told.
    Drop,
    /// It arrives later, by a length drawn evenly from `min` to `max`, both included.
    Delay {
        /// At least.
        min: Duration,
        /// At most; the same as `min` for a fixed delay.
        max: Duration,
    },
    /// It arrives more than once.
    Duplicate {
        /// How many times more; at least 1.
        copies: u64,
    },
    /// It arrives and is done, but the answer does not come back.
    ReplyLost,
    /// Sending it fails on the client's side, with this text.
    Error(Arc<str>),
    /// The client loses its connection afterwards.
    Disconnect {
        /// How long until it is back; as the client itself decides when absent.
        reconnect: Option<Duration>,
    },
    /// Nothing passes on the links of the matching clients, while window and cycle are open.
    Partition(Partition),
    /// The server stops in good order afterwards, and starts again.
    Restart {
        /// How long it is down.
        downtime: Duration,
    },
    /// The server is killed afterwards, and starts again.
    Kill {
        /// How long it is down.
        downtime: Duration,
        /// What its storage loses.
        lost: LostTail,
    },
    /// The client's process ends afterwards, without a word.
    Crash,
    /// Whoever handles the delivery takes longer.
    Slow {
        /// By how much.
        by: Duration,
    },
}

/// Which way a partition cuts a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
    /// Both ways.
    Both,
}

impl Partition {
    /// All of them.
    pub const ALL: [Partition; 3] = [Partition::Up, Partition::Down, Partition::Both];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Partition::Up => "up",
            Partition::Down => "down",
            Partition::Both => "both",
        }
    }

    /// The partition of this name.
    pub fn from_name(name: &str) -> Option<Partition> {
        Partition::ALL.into_iter().find(|partition| partition.name() == name)
    }

    /// Whether it cuts this direction.
    pub fn cuts(self, direction: Direction) -> bool {
        match self {
            Partition::Up => direction == Direction::Up,
            Partition::Down => direction == Direction::Down,
            Partition::Both => true,
        }
    }
}

/// How much of what it was told last one part of a killed server's storage loses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// Nothing: it had all reached the disk.
    #[default]
    Nothing,
    /// What the server had not written yet: the process died, the machine lives.
    Unwritten,
    /// What was written in this last length of time.
    Since(Duration),
    /// The last so many operations.
    Last(u64),
    /// Everything.
    All,
}

impl fmt::Display for Lost {
    /// As scenarios write it: `nothing`, `unwritten`, `all`, a duration or a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Nothing => f.write_str("nothing"),
            Lost::Unwritten => f.write_str("unwritten"),
            Lost::All => f.write_str("all"),
            Lost::Since(since) => since.fmt(f),
            Lost::Last(operations) => operations.fmt(f),
        }
    }
}

/// What the storage of a killed server loses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostTail {
    /// Of the messages of each stream.
    pub messages: Lost,
    /// Of the state of each consumer.
    pub state: Lost,
}

impl From<Lost> for LostTail {
    /// As much of the one as of the other.
    fn from(lost: Lost) -> LostTail {
        LostTail { messages: lost, state: lost }
    }
}
