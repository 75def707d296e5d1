//! What a fault rule is: what it acts on, when, and what it does. Whether it makes sense is `validate`, acting is `rules`.

use std::fmt;
use std::sync::Arc;

use jetlag_model::{Duration, Subject, Text, Time, matches};

use crate::{Crossing, CrossingKind, Direction};

/// What a rule is called.
pub type RuleId = Text;

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
    /// slowness needs a delivery, and a partition needs its direction. Who means an attempt to connect says so; what a partition makes of one is
    /// [`Rules::connects`](crate::Rules::connects) to say.
    pub fn is_about(&self, crossing: &Crossing<'_>) -> bool {
        let possible = || match &self.effect {
            Effect::ReplyLost => crossing.answered && crossing.kind.reply().is_some(),
            Effect::Error(_) => crossing.direction() == Direction::Up,
            Effect::Slow { .. } => crossing.kind == CrossingKind::Delivery,
            Effect::Partition(partition) => partition.cuts(crossing.direction()),
            _ => true,
        };
        // Most rules name a kind, and most crossings are of another: that is asked first.
        self.matcher.matches(crossing) && self.may_mean(crossing.kind) && possible()
    }

    /// Whether crossings of this kind are put to it at all: attempts to connect only where it asks for them.
    pub(crate) fn may_mean(&self, kind: CrossingKind) -> bool {
        kind != CrossingKind::Connect || self.matcher.kind == Some(CrossingKind::Connect)
    }

    /// How it cuts this client's link, if it is a partition of it.
    pub(crate) fn partition_of(&self, client: &str) -> Option<Partition> {
        match self.effect {
            Effect::Partition(partition) if self.matcher.client.as_deref().is_none_or(|wanted| wanted == client) => Some(partition),
            _ => None,
        }
    }

    /// How often the rule acts. Where nothing is said, a partition, slowness, a ramp, and a rule limited by probability, window, event or
    /// cycle act without end; every other rule acts once.
    pub fn occurrence(&self) -> &Occurrence {
        let lasting = matches!(self.effect, Effect::Partition(_) | Effect::Slow { .. } | Effect::Ramp { .. });
        let When { probability, from, to, after, until, cycle, .. } = &self.when;
        let window = from.is_some() || to.is_some() || after.is_some() || until.is_some();
        let limited = window || probability.is_some() || cycle.is_some();
        let default = if lasting || limited { &Occurrence::Always } else { &Occurrence::First(1) };
        self.when.occurrence.as_ref().unwrap_or(default)
    }
}

/// What a rule acts on: all that is there must hold; what is absent always holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The kind of crossing.
    pub kind: Option<CrossingKind>,
    /// The client's name.
    pub client: Option<Text>,
    /// The stream's name.
    pub stream: Option<Text>,
    /// The consumer's name.
    pub consumer: Option<Text>,
    /// A filter for the subject.
    pub subject: Option<Subject>,
    /// The message's place in its stream.
    pub stream_seq: Option<Numbers>,
    /// The attempt at the message.
    pub delivery_count: Option<Numbers>,
    /// A field of the message's header, and its value.
    pub header: Option<(Text, Text)>,
    /// The message's whole payload.
    pub payload: Option<Arc<[u8]>>,
    /// A part of the message's payload.
    pub payload_contains: Option<Arc<[u8]>>,
}

impl Match {
    /// Whether it asks for what is in a message.
    pub(crate) fn looks_inside(&self) -> bool {
        self.header.is_some() || self.payload.is_some() || self.payload_contains.is_some()
    }

    /// Whether all that is asked for holds.
    pub fn matches(&self, crossing: &Crossing<'_>) -> bool {
        let name = |wanted: &Option<Text>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        self.kind.is_none_or(|kind| kind == crossing.kind)
            && name(&self.client, Some(crossing.client))
            && name(&self.stream, crossing.stream)
            && name(&self.consumer, crossing.consumer)
            && self.subject.as_ref().is_none_or(|filter| crossing.subject.is_some_and(|subject| matches(filter, subject)))
            && self.stream_seq.is_none_or(|numbers| crossing.stream_seq.is_some_and(|seq| numbers.contain(seq.0)))
            && self.delivery_count.is_none_or(|numbers| crossing.delivery_count.is_some_and(|count| numbers.contain(count.0)))
            && self.header.as_ref().is_none_or(|(name, value)| crossing.headers.and_then(|all| all.get(name)) == Some(&**value))
            && self.payload.as_ref().is_none_or(|wanted| crossing.content == Some(&**wanted))
            && self.payload_contains.as_ref().is_none_or(|part| crossing.content.is_some_and(|content| contains(content, part)))
    }
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    part.is_empty() || content.windows(part.len()).any(|window| window == part)
}

/// The numbers from `first` to `last`, both included; without end if there is no last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The least.
    pub first: u64,
    /// The greatest.
    pub last: Option<u64>,
}

impl Numbers {
    /// Whether this is one of them.
    pub fn contain(self, number: u64) -> bool {
        self.first <= number && self.last.is_none_or(|last| number <= last)
    }
}

impl From<u64> for Numbers {
    /// This one alone.
    fn from(number: u64) -> Numbers {
        Numbers { first: number, last: Some(number) }
    }
}

impl fmt::Display for Numbers {
    /// As scenarios write it: `7`, `2..5` or `2..`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) if last == self.first => last.fmt(f),
            Some(last) => write!(f, "{}..{last}", self.first),
            None => write!(f, "{}..", self.first),
        }
    }
}

/// When a rule acts on what it matches: all that is there must hold.
///
/// Of the matching crossings, those at a time when window and cycle are open count; [`Occurrence`] picks some of these; then chance
/// decides; and [`Occurrence::First`] limits how often the rule acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// How often. [`Rule::occurrence`] says what holds when nothing is said.
    pub occurrence: Option<Occurrence>,
    /// By chance.
    pub probability: Option<Probability>,
    /// Not before this, since the start of the run.
    pub from: Option<Duration>,
    /// Before this, since the start of the run.
    pub to: Option<Duration>,
    /// Not before the rule of this id has acted: what crosses behind the crossing on which it acted first.
    pub after: Option<RuleId>,
    /// Not once the rule of this id has acted, but still on the crossing on which it acted first.
    pub until: Option<RuleId>,
    /// Part of the time, again and again.
    pub cycle: Option<Cycle>,
}

impl When {
    /// The rules whose acting it waits for.
    pub fn events(&self) -> impl Iterator<Item = &RuleId> {
        self.after.iter().chain(&self.until)
    }

    /// Whether window and cycle are open at `now`, for a rule whose cycle counts from `base`.
    pub(crate) fn is_open(&self, now: Time, base: Time) -> bool {
        let at = now.since_start();
        if self.from.is_some_and(|from| at < from) || self.to.is_some_and(|to| at >= to) {
            return false;
        }
        self.cycle.is_none_or(|cycle| now.since(base).as_nanos().rem_euclid(cycle.every.as_nanos()) < cycle.active.as_nanos())
    }
}

/// How often a rule acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// So many times and never again; at least 1.
    First(u64),
    /// On these alone, counted from 1, in ascending order.
    Nth(Vec<u64>),
    /// On the first `acting` of each `of`: at least 1, and fewer than `of`.
    Burst {
        /// How many,
        acting: u64,
        /// of so many.
        of: u64,
    },
    /// On `acting` of each `of`, evenly spread and the last of each `of` among them: at least 1, and fewer than `of`.
    Ratio {
        /// How many,
        acting: u64,
        /// of so many.
        of: u64,
    },
    /// Every time.
    Always,
}

impl Occurrence {
    /// Whether it is the turn of the `place`th in time, counted from 1, for a rule that has acted `acted` times.
    pub(crate) fn picks(&self, place: u64, acted: u64) -> bool {
        match self {
            Occurrence::First(limit) => acted < *limit,
            Occurrence::Nth(places) => places.contains(&place),
            Occurrence::Burst { acting, of } => (place - 1) % of < *acting,
            Occurrence::Ratio { acting, of } => {
                let due = |place: u64| u128::from(place) * u128::from(*acting) / u128::from(*of);
                due(place) > due(place - 1)
            }
            Occurrence::Always => true,
        }
    }
}

/// A chance of `numerator / denominator`: above zero and at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    /// How many times,
    pub numerator: u64,
    /// of so many.
    pub denominator: u64,
}

/// Open for `active` out of each `every`, counted from the start of the window (by time, or by the event that it comes after; the later
/// of the two), or from when the rule was added if it has none.
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
    /// It arrives later, by a length that goes evenly from `first` to `last` within `over`, and stays there. Counted as a [`Cycle`] is.
    Ramp {
        /// In the beginning.
        first: Duration,
        /// In the end; may be shorter.
        last: Duration,
        /// How long it takes to get there.
        over: Duration,
    },
    /// It arrives more than once.
    Duplicate {
        /// How many times more; at least 1.
        copies: u64,
    },
    /// It arrives and is done, but the answer does not come back.
    ReplyLost,
    /// Sending it fails on the client's side, with this text.
    Error(Text),
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
    /// Nothing: that it crosses is an event, for other rules to come [after](When::after) or to hold [until](When::until).
    Mark,
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
