//! Rules that contradict themselves: what can be known of a rule before anything crosses.

use std::fmt;

use jetlag_model::Duration;

use crate::{CrossingKind, Direction, Effect, Match, Occurrence, Probability, Rule, RuleId};

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
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Attribute::Kind => "kind",
            Attribute::Stream => "stream",
            Attribute::Consumer => "consumer",
            Attribute::Subject => "subject",
            Attribute::StreamSeq => "stream-seq",
            Attribute::DeliveryCount => "delivery-count",
        })
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
    /// A number from 1 that is 0.
    #[error("{0}=0 can never match; sequences, attempts and counts start at 1")]
    Zero(&'static str),
    /// An attribute that crossings of the kind do not have.
    #[error("the rule can never match: {kind} has no {attribute}; leave out one of the two")]
    NotCarried {
        /// The kind.
        kind: CrossingKind,
        /// What it does not have.
        attribute: Attribute,
    },
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
    /// A partition for some of the traffic.
    #[error("a partition cuts everything on a link, so it can not ask for {0}; use drop, or match by client alone")]
    PartialPartition(Attribute),
    /// A partition by count or chance.
    #[error("a partition lasts for a time; limit it by from, to, every and for, not by count or probability")]
    CountedPartition,
}

impl Rule {
    /// Whether the rule makes sense by itself.
    ///
    /// # Errors
    /// The first contradiction found: a rule that can never act, or that says nothing.
    pub fn validate(&self) -> Result<(), RuleError> {
        if self.id.is_empty() {
            return Err(RuleError::NoId);
        }
        self.validate_match()?;
        self.validate_when()?;
        self.validate_effect()
    }

    fn validate_match(&self) -> Result<(), RuleError> {
        if self.matcher.stream_seq.is_some_and(|seq| seq.0 == 0) {
            return Err(RuleError::Zero("stream-seq"));
        }
        if self.matcher.delivery_count.is_some_and(|count| count.0 == 0) {
            return Err(RuleError::Zero("delivery-count"));
        }
        match self.matcher.kind {
            None => Ok(()),
            Some(kind) => match self.matcher.attributes().find(|attribute| !kind.carries(*attribute)) {
                Some(attribute) => Err(RuleError::NotCarried { kind, attribute }),
                None => Ok(()),
            },
        }
    }

    fn validate_when(&self) -> Result<(), RuleError> {
        let when = &self.when;
        match when.occurrence {
            Some(Occurrence::First(0)) => return Err(RuleError::Zero("first")),
            Some(Occurrence::Nth(0)) => return Err(RuleError::Zero("nth")),
            _ => {}
        }
        if let Some(probability) = when.probability
            && !(1..=probability.denominator).contains(&probability.numerator)
        {
            return Err(RuleError::BadProbability(probability));
        }
        if let Some(from) = when.from.filter(|from| from.is_negative()) {
            return Err(RuleError::EarlyWindow(from));
        }
        let from = when.from.unwrap_or(Duration::ZERO);
        if let Some(to) = when.to.filter(|to| *to <= from) {
            return Err(RuleError::EmptyWindow { from, to });
        }
        match when.cycle {
            Some(cycle) if cycle.active <= Duration::ZERO || cycle.active > cycle.every => {
                Err(RuleError::BadCycle { every: cycle.every, active: cycle.active })
            }
            _ => Ok(()),
        }
    }

    fn validate_effect(&self) -> Result<(), RuleError> {
        let kind = self.matcher.kind;
        match &self.effect {
            Effect::Delay { min, max } if max < min => Err(RuleError::BadRange { min: *min, max: *max }),
            Effect::Delay { min, .. } if min.is_negative() => Err(RuleError::Negative { what: "by", value: *min }),
            Effect::Delay { max, .. } => positive("by", *max),
            Effect::Slow { by } => match kind.filter(|kind| *kind != CrossingKind::Delivery) {
                Some(kind) => Err(RuleError::NotHandled(kind)),
                None => positive("by", *by),
            },
            Effect::Duplicate { copies: 0 } => Err(RuleError::NoCopies),
            Effect::ReplyLost => kind.filter(|kind| kind.reply().is_none()).map_or(Ok(()), |kind| Err(RuleError::NoReply(kind))),
            Effect::Error(_) => {
                kind.filter(|kind| kind.direction() == Direction::Down).map_or(Ok(()), |kind| Err(RuleError::NotSentByClient(kind)))
            }
            Effect::Disconnect { reconnect } => not_negative("reconnect", reconnect.unwrap_or_default()),
            Effect::Restart { downtime } | Effect::Kill { downtime, .. } => not_negative("downtime", *downtime),
            Effect::Partition(_) => self.validate_partition(),
            Effect::Drop | Effect::Duplicate { .. } | Effect::Crash => Ok(()),
        }
    }

    fn validate_partition(&self) -> Result<(), RuleError> {
        let kind = self.matcher.kind.map(|_| Attribute::Kind);
        if let Some(attribute) = kind.into_iter().chain(self.matcher.attributes()).next() {
            return Err(RuleError::PartialPartition(attribute));
        }
        let counted = matches!(self.when.occurrence, Some(Occurrence::First(_) | Occurrence::Nth(_)));
        if counted || self.when.probability.is_some() { Err(RuleError::CountedPartition) } else { Ok(()) }
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
            Attribute::Kind | Attribute::Stream => true,
            Attribute::Consumer => !matches!(self, CrossingKind::Publish | CrossingKind::PubAck | CrossingKind::Message),
            Attribute::Subject => !matches!(self, CrossingKind::Pull | CrossingKind::Status | CrossingKind::Heartbeat),
            Attribute::StreamSeq => of_a_delivery || matches!(self, CrossingKind::PubAck | CrossingKind::Advisory),
            Attribute::DeliveryCount => of_a_delivery,
        }
    }
}

fn positive(what: &'static str, value: Duration) -> Result<(), RuleError> {
    if value > Duration::ZERO { Ok(()) } else { Err(RuleError::NotPositive { what, value }) }
}

fn not_negative(what: &'static str, value: Duration) -> Result<(), RuleError> {
    if value.is_negative() { Err(RuleError::Negative { what, value }) } else { Ok(()) }
}
