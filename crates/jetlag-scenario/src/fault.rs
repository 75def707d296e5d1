//! `fault`: what goes wrong, to which traffic, when. Values only; acting on them is `jetlag-fault`'s.

use jetlag_model::{DeliveryCount, Duration, StreamSeq};

use crate::words::words;
use crate::{Lost, Name, Span};

/// `fault ID EFFECT [effect arguments] [match...] [when...]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// What the transcript calls it.
    pub id: Name,
    /// What happens.
    pub effect: FaultEffect,
    /// To what.
    pub matching: FaultMatch,
    /// When.
    pub when: FaultWhen,
    /// The rule from its id to its end.
    pub span: Span,
}

impl FaultSpec {
    /// How often the rule acts. Where nothing is written: a partition, a slow client, and a rule limited by probability, window or cycle
    /// act without end; all others once.
    pub fn occurrence(&self) -> Occurrence {
        let lasting = matches!(self.effect, FaultEffect::Partition(_) | FaultEffect::Slow { .. });
        let limited = self.when.probability.is_some() || self.when.from.is_some() || self.when.to.is_some() || self.when.cycle.is_some();
        let default = if lasting || limited { Occurrence::Always } else { Occurrence::First(1) };
        self.when.occurrence.unwrap_or(default)
    }
}

/// What a fault rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultEffect {
    /// `drop`: it never arrives.
    Drop,
    /// `delay by=D` or `delay by=D1..D2`: it arrives later, by a length drawn evenly between the two.
    Delay {
        /// At least.
        min: Duration,
        /// At most; the same as `min` when fixed.
        max: Duration,
    },
    /// `duplicate [copies=N]`: it arrives `copies` times more.
    Duplicate {
        /// How often more, at least 1.
        copies: u64,
    },
    /// `reply-lost`: it is done, but the answer never arrives.
    ReplyLost,
    /// `error "text"`: sending fails with this text.
    Error {
        /// The text.
        text: String,
    },
    /// `disconnect [reconnect=D]`: the client's connection breaks.
    Disconnect {
        /// When the client is back; by the client's own rules without.
        reconnect: Option<Duration>,
    },
    /// `partition up|down|both`: nothing passes.
    Partition(Partition),
    /// `restart [downtime=D]`: the server stops in good order and starts again.
    Restart {
        /// How long it is down.
        downtime: Option<Duration>,
    },
    /// `kill [downtime=D] [lost=...]`: the server dies and starts again.
    Kill {
        /// How long it is down.
        downtime: Option<Duration>,
        /// What its disk has lost.
        lost: Option<Lost>,
    },
    /// `crash`: the client dies.
    Crash,
    /// `slow by=D`: the client reads late.
    Slow {
        /// By how much.
        by: Duration,
    },
}

/// Which direction a partition cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partition {
    /// From client to server.
    Up,
    /// From server to client.
    Down,
    /// Both.
    Both,
}

words!(Partition { Up => "up", Down => "down", Both => "both" });

/// What a rule acts on: all that are written must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultMatch {
    /// `kind=`
    pub kind: Option<CrossingKind>,
    /// `client=`
    pub client: Option<Name>,
    /// `stream=`
    pub stream: Option<Name>,
    /// `consumer=`
    pub consumer: Option<Name>,
    /// `subject=FILTER`
    pub subject: Option<String>,
    /// `stream-seq=`
    pub stream_seq: Option<StreamSeq>,
    /// `delivery-count=`
    pub delivery_count: Option<DeliveryCount>,
}

/// What crosses a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrossingKind {
    /// A message to a stream.
    Publish,
    /// The answer to a publish.
    PubAck,
    /// A pull request.
    Pull,
    /// A consumer's message.
    Delivery,
    /// `+ACK`
    Ack,
    /// `-NAK`
    Nak,
    /// `+WPI`
    InProgress,
    /// `+TERM`
    Term,
    /// `+NXT`
    Next,
    /// The confirmation of an acknowledgement.
    AckReply,
    /// A status message to a pull request.
    Status,
    /// An idle heartbeat.
    Heartbeat,
    /// An advisory.
    Advisory,
    /// A request to `$JS.API`.
    Api,
    /// The answer to one.
    ApiReply,
    /// Any other message.
    Message,
}

words!(CrossingKind {
    Publish => "publish",
    PubAck => "pub-ack",
    Pull => "pull",
    Delivery => "delivery",
    Ack => "ack",
    Nak => "nak",
    InProgress => "in-progress",
    Term => "term",
    Next => "next",
    AckReply => "ack-reply",
    Status => "status",
    Heartbeat => "heartbeat",
    Advisory => "advisory",
    Api => "api",
    ApiReply => "api-reply",
    Message => "message",
});

/// When a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultWhen {
    /// `first=N`, `nth=N` or `always`; see [`FaultSpec::occurrence`] for what holds when nothing is written.
    pub occurrence: Option<Occurrence>,
    /// `probability=P/Q`
    pub probability: Option<Probability>,
    /// `from=T`: since the start of the run.
    pub from: Option<Duration>,
    /// `to=T`: since the start of the run; later than `from`.
    pub to: Option<Duration>,
    /// `every=D for=D`
    pub cycle: Option<Cycle>,
}

/// How many of the matching crossings a rule acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// The first so many, at least 1.
    First(u64),
    /// This one alone, counted from 1.
    Nth(u64),
    /// All.
    Always,
}

/// `numerator/denominator`, above zero and at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    /// P
    pub numerator: u64,
    /// Q
    pub denominator: u64,
}

/// Active for `active` out of each `every`, counted from `from` or from when the rule was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The period.
    pub every: Duration,
    /// The active part at the beginning of each period, above zero and at most `every`.
    pub active: Duration,
}
