//! What info requests are answered with.

use serde::{Deserialize, Serialize};

use crate::json::is_default;
use crate::{ConsumerConfig, ConsumerSeq, StreamConfig, StreamSeq, WallTime};

/// A consumer sequence and the stream sequence that goes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SequencePair {
    /// Deliveries.
    pub consumer_seq: ConsumerSeq,
    /// Place in the stream.
    pub stream_seq: StreamSeq,
}

/// A pair with the time it last changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceInfo {
    /// Deliveries.
    pub consumer_seq: ConsumerSeq,
    /// Place in the stream.
    pub stream_seq: StreamSeq,
    /// When it last changed; absent before the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active: Option<WallTime>,
}

impl From<SequencePair> for SequenceInfo {
    fn from(pair: SequencePair) -> SequenceInfo {
        SequenceInfo { consumer_seq: pair.consumer_seq, stream_seq: pair.stream_seq, last_active: None }
    }
}

/// A consumer's state as `CONSUMER.INFO` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerInfo {
    /// Its stream.
    pub stream_name: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: WallTime,
    /// Its configuration, defaults filled in.
    pub config: ConsumerConfig,
    /// What was last delivered.
    pub delivered: SequenceInfo,
    /// Everything up to here is settled.
    pub ack_floor: SequenceInfo,
    /// Messages delivered and not settled.
    pub num_ack_pending: u64,
    /// Messages delivered more than once and not settled.
    pub num_redelivered: u64,
    /// Waiting pull requests.
    pub num_waiting: u64,
    /// Matching messages not delivered yet.
    pub num_pending: u64,
    /// A push consumer somebody listens to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub push_bound: bool,
    /// When this was written.
    pub ts: WallTime,
    /// Who is pinned, by group.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority_groups: Vec<PriorityGroupState>,
}

/// Who the pinned client of a priority group is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityGroupState {
    /// The group.
    pub group: String,
    /// What the client is known by; empty when there is none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pinned_client_id: String,
    /// Since when; year 1 when there is none.
    #[serde(with = "go_time")]
    pub pinned_ts: Option<WallTime>,
}

/// A stream's contents as `STREAM.INFO` tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// Messages stored.
    pub messages: u64,
    /// Their bytes, as the storage counts them.
    pub bytes: u64,
    /// First sequence.
    pub first_seq: StreamSeq,
    /// Its time; year 1 when there is none.
    #[serde(with = "go_time")]
    pub first_ts: Option<WallTime>,
    /// Last sequence ever used.
    pub last_seq: StreamSeq,
    /// Its time; year 1 when there is none.
    #[serde(with = "go_time")]
    pub last_ts: Option<WallTime>,
    /// Distinct subjects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub num_subjects: u64,
    /// Sequences missing between first and last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub num_deleted: u64,
    /// Consumers.
    pub consumer_count: u64,
}

/// A stream as `STREAM.INFO` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Its configuration, defaults filled in.
    pub config: StreamConfig,
    /// When it was created.
    pub created: WallTime,
    /// Its contents.
    pub state: StreamState,
    /// When this was written.
    pub ts: WallTime,
}

/// Go's zero time stands for "no time".
mod go_time {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::WallTime;

    const ZERO: &str = "0001-01-01T00:00:00Z";

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &Option<WallTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_str(ZERO),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WallTime>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == ZERO {
            return Ok(None);
        }
        WallTime::parse_rfc3339(&text).map(Some).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}
