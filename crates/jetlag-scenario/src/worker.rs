//! `worker`: a client that fetches and handles messages by rules, or by a handler known to the runner.

use jetlag_model::{DeliveryCount, Duration, Payload, StreamSeq};

use crate::{Comparison, ConsumerPath, Name, SettingValue, Span};

/// `worker NAME S/C [batch=N] [expires=D] [concurrency=N] [handler=NAME ...]`, with rules as indented lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The worker's name; it is a client too.
    pub name: Name,
    /// Where it fetches.
    pub consumer: ConsumerPath,
    /// Messages a pull asks for.
    pub batch: Option<u64>,
    /// How long a pull waits.
    pub expires: Option<Duration>,
    /// Messages handled at the same time.
    pub concurrency: Option<u64>,
    /// A handler known to the runner. With one there are no rules.
    pub handler: Option<Name>,
    /// What the handler is told. Empty without one.
    pub options: Vec<HandlerOption>,
    /// The first rule that matches a delivery decides. Nothing follows a rule that matches all.
    pub rules: Vec<WorkerRule>,
    /// Comment lines after the last rule, each with what follows its `#`.
    pub comments: Vec<String>,
}

/// `key=value` for a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerOption {
    /// The key: lower-case letters, digits, `-`.
    pub key: String,
    /// A [`SettingValue::Duration`] if it was written as one without quotes, otherwise a [`SettingValue::Text`].
    pub value: SettingValue,
    /// Key and value.
    pub span: Span,
}

/// `on CONDITION... ACTION, ACTION` or `otherwise ACTION, ACTION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRule {
    /// The comment lines above, each with what follows its `#`.
    pub comments: Vec<String>,
    /// Which deliveries it handles.
    pub matching: WorkerMatch,
    /// What is done, at least one thing.
    pub actions: Vec<Action>,
    /// The comment at the end of the line: what follows its `#`.
    pub remark: Option<String>,
    /// The rule's line.
    pub span: Span,
}

/// Which deliveries a rule handles: all conditions hold. Without conditions it is `otherwise` and handles all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerMatch {
    /// `subject=FILTER`
    pub subject: Option<String>,
    /// `delivery-count=N`, `<=N` or `>=N`
    pub delivery_count: Option<CountCondition>,
    /// `stream-seq=N`
    pub stream_seq: Option<StreamSeq>,
    /// `payload="x"`
    pub payload: Option<Payload>,
}

impl WorkerMatch {
    /// Whether it handles all deliveries.
    pub fn is_otherwise(&self) -> bool {
        *self == WorkerMatch::default()
    }
}

/// A condition on the delivery count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountCondition {
    /// `=`, `<=` or `>=`.
    pub comparison: Comparison,
    /// With what.
    pub count: DeliveryCount,
}

/// One thing a worker does with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What.
    pub kind: ActionKind,
    /// `after=D`: how long after handling began.
    pub after: Option<Duration>,
    /// `sync`: waits for the server's confirmation.
    pub sync: bool,
}

/// What a worker does with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// `ack`
    Ack,
    /// `nak [delay=D]`
    Nak {
        /// When to deliver again; at once without.
        delay: Option<Duration>,
    },
    /// `in-progress`
    InProgress,
    /// `term [reason=TEXT]`
    Term {
        /// Given to the advisory.
        reason: Option<String>,
    },
    /// `ignore`: nothing, and that at once.
    Ignore,
}
