//! What the server will do by itself, and in which order at one instant.

use crate::ConsumerRef;

/// Something due by time. The variants stand in the order in which they run at one instant; within a kind: by stream, then consumer, in
/// order of creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// A pull request expires or owes a heartbeat.
    Pull(ConsumerRef),
    /// A push consumer owes a heartbeat.
    Heartbeat(ConsumerRef),
    /// The consumer's one ack-wait timer sweeps its unacknowledged messages; a delayed nak runs on it too.
    AckWait(ConsumerRef),
    /// The pinned client of a priority group has asked for nothing for too long.
    Pin(ConsumerRef),
    /// Messages outlive max_age.
    MaxAge(jetlag_model::Text),
    /// A consumer nobody used goes away.
    Inactive(ConsumerRef),
}

impl Deadline {
    /// Whether only expiry of something idle is due: a run in which nothing else is left has settled.
    pub fn is_idle(&self) -> bool {
        Deadline::is_idle_kind(self.kind())
    }

    /// The same of a kind.
    pub(crate) fn is_idle_kind(kind: &str) -> bool {
        kind != "ack-wait"
    }

    /// The words of all kinds, in the order in which they run at one instant.
    pub const KINDS: [&str; 6] = ["pull", "heartbeat", "ack-wait", "pin", "max-age", "inactive"];

    /// One word for a trace.
    pub fn kind(&self) -> &'static str {
        match self {
            Deadline::Pull(_) => "pull",
            Deadline::Heartbeat(_) => "heartbeat",
            Deadline::AckWait(_) => "ack-wait",
            Deadline::Pin(_) => "pin",
            Deadline::MaxAge(_) => "max-age",
            Deadline::Inactive(_) => "inactive",
        }
    }
}
