//! Rules that contradict themselves: what can be known of a rule before anything crosses.

use std::fmt;

use jetlag_model::Duration;

use crate::{CrossingKind, Cycle, Direction, Effect, Lost, Match, Numbers, Occurrence, Probability, Rule, RuleId};

/// Something a rule can ask of a crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// The kind.
    Kind,
    /// The stream's name.
    Stream,
    /// The consumer's name.
    Consumer,
    /// The subject.
    Subject,
    /// The place in the stream.
    StreamSeq,
    /// The attempt.
    DeliveryCount,
    /// A field of the header.
    Header,
    /// The payload.
    Payload,
    /// A part of the payload.
    PayloadContains,
}

impl Attribute {
    /// The name in scenarios: the key of the option that asks for it.
    pub const fn name(self) -> &'static str {
        match self {
            Attribute::Kind => "kind",
            Attribute::Stream => "stream",
            Attribute::Consumer => "consumer",
            Attribute::Subject => "subject",
            Attribute::StreamSeq => "stream-seq",
            Attribute::DeliveryCount => "delivery-count",
            Attribute::Header => "header",
            Attribute::Payload => "payload",
            Attribute::PayloadContains => "payload-contains",
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a rule is no rule, or can not be added or cleared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No id.
    #[error("the rule has no id; give it one, because transcripts and draws name it")]
    NoId,
    /// The id is in use.
    #[error("there is a rule {0:?} already; clear it first, or choose another id")]
    Taken(RuleId),
    /// No such rule.
    #[error("there is no rule {0:?} to clear; it was never added, or was cleared before")]
    NotThere(RuleId),
    /// It waits for a rule that was never added.
    #[error("there is no rule {0:?} to wait for; add it before the rule that waits for it")]
    NoSuchEvent(RuleId),
    /// It waits for itself.
    #[error("the rule can never match: it waits for itself; name another rule, such as one that is a mark")]
    WaitsForItself(&'static str),
    /// A number from 1 that is 0.
    #[error("the rule can never match: {}", from_one(.0))]
    Zero(&'static str),
    /// An attribute that crossings of the kind do not have.
    #[error("the rule can never match: {kind} has no {attribute}; leave out one of the two")]
    NotCarried {
        /// The kind.
        kind: CrossingKind,
        /// What it does not have.
        attribute: Attribute,
    },
    /// Numbers that end before they begin.
    #[error("the rule can never match: {what}={numbers} is no range; write the smaller number first")]
    BadNumbers {
        /// Of what.
        what: &'static str,
        /// The numbers.
        numbers: Numbers,
    },
    /// A share that is none, or all.
    #[error("{what}={acting}/{of} is no share; it must be above 0 and below 1 (write `always` for all)")]
    BadShare {
        /// Which one.
        what: &'static str,
        /// How many,
        acting: u64,
        /// of so many.
        of: u64,
    },
    /// Places that are not in ascending order, or none.
    #[error("the places of nth are not in order; write each once, in ascending order, such as nth=1,3,4")]
    BadPlaces,
    /// A window without time in it.
    #[error("the rule can never match: its window ends at {to}, and does not begin before {from}")]
    EmptyWindow {
        /// The window's start.
        from: Duration,
        /// The window's end.
        to: Duration,
    },
    /// A window from before the start of the run.
    #[error("from={0} is before the start of the run; windows count from the start, so write 0s or more")]
    EarlyWindow(Duration),
    /// A cycle that is never open, or open for longer than it is long.
    #[error("every={every} for={active} is no cycle; the open part must be above 0s and at most the whole")]
    BadCycle {
        /// The period.
        every: Duration,
        /// The open part.
        active: Duration,
    },
    /// A probability not above zero and at most one.
    #[error("{}/{} is no probability; it must be above 0 and at most 1", .0.numerator, .0.denominator)]
    BadProbability(Probability),
    /// A length of time that must not be zero or less.
    #[error("{what}={value} does nothing; write a length of time above 0s")]
    NotPositive {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: Duration,
    },
    /// A length of time that must not be below zero.
    #[error("{what}={value} lies in the past; write 0s or more")]
    Negative {
        /// Which one.
        what: &'static str,
        /// What it is.
        value: Duration,
    },
    /// A range of delays that ends before it begins.
    #[error("by={min}..{max} is no range; write the shorter delay first")]
    BadRange {
        /// The first.
        min: Duration,
        /// The second.
        max: Duration,
    },
    /// A duplicate that is none.
    #[error("copies=0 does nothing; write how many times more it arrives")]
    NoCopies,
    /// A lost reply for a kind that has none.
    #[error("the rule can never match: {0} has no reply to lose; its kinds are publish, api, ack, nak, in-progress and term")]
    NoReply(CrossingKind),
    /// A failure to send what the client does not send.
    #[error("the rule can never match: {0} is sent by the server, and an error is what a client meets when it sends; use drop")]
    NotSentByClient(CrossingKind),
    /// A slow handler of what is not handled.
    #[error("the rule can never match: slow is about handling deliveries, not about {0}")]
    NotHandled(CrossingKind),
    /// Something that can not be done to an attempt to connect.
    #[error(
        "the rule can never match: a connection is made or not, which {0} says nothing about; use error, drop, disconnect, crash or a partition"
    )]
    NotOfConnecting(&'static str),
    /// A partition for some of the traffic.
    #[error("a partition cuts everything on a link, so it can not ask for {0}; use drop, or match by client alone")]
    PartialPartition(Attribute),
    /// A partition by count or chance.
    #[error("a partition lasts for a time; limit it by from, to, after, until, every and for, not by count or probability")]
    CountedPartition,
}

impl Rule {
    /// Whether the rule makes sense by itself.
    ///
    /// # Errors
    /// The first of its [contradictions](Rule::contradictions).
    pub fn validate(&self) -> Result<(), RuleError> {
        self.contradictions().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that makes no sense in the rule by itself: why it can never act, or says nothing. Empty for a good rule.
    pub fn contradictions(&self) -> Vec<RuleError> {
        let mut found = Vec::new();
        found.extend(self.id.is_empty().then_some(RuleError::NoId));
        self.judge_match(&mut found);
        self.judge_when(&mut found);
        self.judge_effect(&mut found);
        found
    }

    fn judge_match(&self, found: &mut Vec<RuleError>) {
        let zero = |what, number: Option<u64>| (number == Some(0)).then_some(RuleError::Zero(what));
        for (what, numbers) in [("stream-seq", self.matcher.stream_seq), ("delivery-count", self.matcher.delivery_count)] {
            found.extend(zero(what, numbers.map(|numbers| numbers.first)));
            let is_empty = |numbers: &Numbers| numbers.last.is_some_and(|last| last < numbers.first);
            found.extend(numbers.filter(is_empty).map(|numbers| RuleError::BadNumbers { what, numbers }));
        }
        if let Some(kind) = self.matcher.kind {
            let missing = self.matcher.attributes().filter(|attribute| !kind.carries(*attribute));
            found.extend(missing.map(|attribute| RuleError::NotCarried { kind, attribute }));
        }
    }

    fn judge_when(&self, found: &mut Vec<RuleError>) {
        let when = &self.when;
        let mut share = |what, acting: u64, of: u64| {
            found.extend((acting == 0 || acting >= of).then_some(RuleError::BadShare { what, acting, of }));
        };
        match &when.occurrence {
            Some(Occurrence::Burst { acting, of }) => share("burst", *acting, *of),
            Some(Occurrence::Ratio { acting, of }) => share("ratio", *acting, *of),
            Some(Occurrence::First(0)) => found.push(RuleError::Zero("first")),
            Some(Occurrence::Nth(places)) if places.contains(&0) => found.push(RuleError::Zero("nth")),
            Some(Occurrence::Nth(places)) if places.is_empty() || !places.is_sorted_by(|a, b| a < b) => found.push(RuleError::BadPlaces),
            _ => {}
        }
        for (what, event) in [("after", &when.after), ("until", &when.until)] {
            found.extend((event.as_ref() == Some(&self.id)).then_some(RuleError::WaitsForItself(what)));
        }
        let is_one = |chance: &Probability| (1..=chance.denominator).contains(&chance.numerator);
        found.extend(when.probability.filter(|chance| !is_one(chance)).map(RuleError::BadProbability));
        found.extend(when.from.filter(|from| from.is_negative()).map(RuleError::EarlyWindow));
        let from = when.from.unwrap_or(Duration::ZERO);
        found.extend(when.to.filter(|to| *to <= from).map(|to| RuleError::EmptyWindow { from, to }));
        if let Some(Cycle { every, active }) = when.cycle.filter(|cycle| cycle.active <= Duration::ZERO || cycle.active > cycle.every) {
            found.push(RuleError::BadCycle { every, active });
        }
    }

    fn judge_effect(&self, found: &mut Vec<RuleError>) {
        // What the effect says of the kind, where one is asked for.
        let kind = |bad: fn(&CrossingKind) -> bool, error: fn(CrossingKind) -> RuleError| self.matcher.kind.filter(bad).map(error);
        let connecting = self.matcher.kind == Some(CrossingKind::Connect);
        match &self.effect {
            Effect::Delay { .. } | Effect::Ramp { .. } if connecting => found.push(RuleError::NotOfConnecting("delay")),
            Effect::Duplicate { .. } if connecting => found.push(RuleError::NotOfConnecting("duplicate")),
            Effect::Delay { min, max } if max < min => found.push(RuleError::BadRange { min: *min, max: *max }),
            Effect::Delay { min, .. } if min.is_negative() => found.push(RuleError::Negative { what: "by", value: *min }),
            Effect::Delay { max, .. } => found.extend(not_positive("by", *max)),
            Effect::Ramp { first, last, over } => {
                found.extend([*first, *last].into_iter().find_map(|by| negative("by", by)));
                found.extend(not_positive("over", *over));
            }
            Effect::Slow { by } => {
                found.extend(kind(|kind| *kind != CrossingKind::Delivery, RuleError::NotHandled));
                found.extend(not_positive("by", *by));
            }
            Effect::Duplicate { copies: 0 } => found.push(RuleError::NoCopies),
            Effect::ReplyLost => found.extend(kind(|kind| kind.reply().is_none(), RuleError::NoReply)),
            Effect::Error(_) => found.extend(kind(|kind| kind.direction() == Direction::Down, RuleError::NotSentByClient)),
            Effect::Disconnect { reconnect } => found.extend(negative("reconnect", reconnect.unwrap_or_default())),
            Effect::Restart { downtime } => found.extend(negative("downtime", *downtime)),
            Effect::Kill { downtime, lost } => {
                found.extend(negative("downtime", *downtime));
                if let Lost::Since(since) = lost.messages {
                    found.extend(negative("lost", since));
                }
                if let Lost::Since(since) = lost.state
                    && lost.state != lost.messages
                {
                    found.extend(negative("lost-state", since));
                }
            }
            Effect::Partition(_) => self.judge_partition(found),
            Effect::Drop | Effect::Duplicate { .. } | Effect::Crash | Effect::Mark => {}
        }
    }

    fn judge_partition(&self, found: &mut Vec<RuleError>) {
        let kind = self.matcher.kind.map(|_| Attribute::Kind);
        found.extend(kind.into_iter().chain(self.matcher.attributes()).map(RuleError::PartialPartition));
        let counted = !matches!(self.when.occurrence, None | Some(Occurrence::Always));
        found.extend((counted || self.when.probability.is_some()).then_some(RuleError::CountedPartition));
    }
}

impl Match {
    /// What is asked for, apart from kind and client.
    fn attributes(&self) -> impl Iterator<Item = Attribute> {
        [
            (self.stream.is_some(), Attribute::Stream),
            (self.consumer.is_some(), Attribute::Consumer),
            (self.subject.is_some(), Attribute::Subject),
            (self.stream_seq.is_some(), Attribute::StreamSeq),
            (self.delivery_count.is_some(), Attribute::DeliveryCount),
            (self.header.is_some(), Attribute::Header),
            (self.payload.is_some(), Attribute::Payload),
            (self.payload_contains.is_some(), Attribute::PayloadContains),
        ]
        .into_iter()
        .filter_map(|(there, attribute)| there.then_some(attribute))
    }
}

impl CrossingKind {
    /// Whether crossings of this kind can have this attribute, whoever drives the link.
    fn carries(self, attribute: Attribute) -> bool {
        let of_a_delivery = matches!(
            self,
            CrossingKind::Delivery
                | CrossingKind::Ack
                | CrossingKind::Nak
                | CrossingKind::InProgress
                | CrossingKind::Term
                | CrossingKind::Next
                | CrossingKind::AckReply
        );
        match attribute {
            Attribute::Kind => true,
            Attribute::Stream => {
                !matches!(self, CrossingKind::Publish | CrossingKind::ApiReply | CrossingKind::Message | CrossingKind::Connect)
            }
            Attribute::Consumer => self != CrossingKind::PubAck && self.carries(Attribute::Stream),
            Attribute::Subject => {
                !matches!(self, CrossingKind::Pull | CrossingKind::Status | CrossingKind::Heartbeat | CrossingKind::Connect)
            }
            Attribute::StreamSeq => of_a_delivery || matches!(self, CrossingKind::PubAck | CrossingKind::Advisory),
            Attribute::DeliveryCount => of_a_delivery,
            Attribute::Header => of_a_delivery || matches!(self, CrossingKind::Publish | CrossingKind::Message),
            Attribute::Payload | Attribute::PayloadContains => {
                self.carries(Attribute::Header) || matches!(self, CrossingKind::Api | CrossingKind::ApiReply | CrossingKind::Advisory)
            }
        }
    }
}

/// What is said of a number that is 0.
fn from_one(what: &str) -> &'static str {
    match what {
        "stream-seq" => "stream sequences count from 1",
        "delivery-count" => "deliveries are counted from 1",
        "nth" => "matches are counted from 1",
        _ => "it would act no times",
    }
}

fn not_positive(what: &'static str, value: Duration) -> Option<RuleError> {
    (value <= Duration::ZERO).then_some(RuleError::NotPositive { what, value })
}

fn negative(what: &'static str, value: Duration) -> Option<RuleError> {
    value.is_negative().then_some(RuleError::Negative { what, value })
}
