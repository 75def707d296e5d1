//! Stream and consumer configurations, field for field as the server has them (`server/stream.go`, `server/consumer.go`, 2.15.1).
//!
//! Defaults here are Go's zero values; what the server makes of a missing field is filled in by `jetlag-core`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::is_default;
use crate::{Duration, Json, WallTime};

macro_rules! policy {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// The word in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }
    };
}

policy! {
    /// When a stream lets go of messages.
    RetentionPolicy {
        /// When a limit is reached.
        #[default]
        Limits = "limits",
        /// When no consumer needs them any more.
        Interest = "interest",
        /// When one consumer acknowledged them.
        WorkQueue = "workqueue",
    }
}
policy! {
    /// What gives way when a limit is reached.
    DiscardPolicy {
        /// The oldest message.
        #[default]
        Old = "old",
        /// The new message: it is refused.
        New = "new",
    }
}
policy! {
    /// Where a stream is kept.
    StorageType {
        /// On disk: survives a restart.
        #[default]
        File = "file",
        /// In memory: gone after a restart.
        Memory = "memory",
    }
}
policy! {
    /// How file blocks are compressed; nothing else depends on it.
    Compression {
        /// Not at all.
        #[default]
        None = "none",
        /// S2.
        S2 = "s2",
    }
}
policy! {
    /// Where in the stream a consumer starts.
    DeliverPolicy {
        /// At the first message.
        #[default]
        All = "all",
        /// At the last message.
        Last = "last",
        /// After the last message.
        New = "new",
        /// At `opt_start_seq`.
        ByStartSequence = "by_start_sequence",
        /// At `opt_start_time`.
        ByStartTime = "by_start_time",
        /// At the last message of each subject.
        LastPerSubject = "last_per_subject",
    }
}
policy! {
    /// What must be acknowledged.
    AckPolicy {
        /// Nothing. The server's default.
        #[default]
        None = "none",
        /// One acknowledgement settles all messages up to its own.
        All = "all",
        /// Each message.
        Explicit = "explicit",
    }
}
policy! {
    /// Which waiting pull request gets a message.
    PriorityPolicy {
        /// The one that has waited longest.
        #[default]
        None = "none",
        /// Only one that asked for so many pending messages when there are as many.
        Overflow = "overflow",
        /// Those of one client, until it is gone.
        PinnedClient = "pinned_client",
        /// The one with the least priority number.
        Prioritized = "prioritized",
    }
}
policy! {
    /// How fast stored messages are delivered.
    ReplayPolicy {
        /// At once.
        #[default]
        Instant = "instant",
        /// With the gaps they were stored with.
        Original = "original",
    }
}

/// Caps and defaults that a stream sets for its consumers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerLimits {
    /// Default and largest `inactive_threshold`, ns; 0 means none.
    #[serde(skip_serializing_if = "is_default")]
    pub inactive_threshold: Duration,
    /// Default and largest `max_ack_pending`; 0 means none.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
}

/// A stream's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// Name.
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// Which subjects it stores.
    #[serde(skip_serializing_if = "is_default")]
    pub subjects: Vec<String>,
    /// When messages leave.
    pub retention: RetentionPolicy,
    /// Most consumers; -1 for no limit.
    pub max_consumers: i64,
    /// Most messages; -1 for no limit.
    pub max_msgs: i64,
    /// Most bytes; -1 for no limit.
    pub max_bytes: i64,
    /// Oldest message, ns; 0 for no limit.
    pub max_age: Duration,
    /// Most messages of one subject; -1 for no limit.
    pub max_msgs_per_subject: i64,
    /// Largest message, bytes; -1 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_msg_size: i32,
    /// What gives way at a limit.
    pub discard: DiscardPolicy,
    /// Where messages are kept.
    pub storage: StorageType,
    /// Copies in a cluster.
    pub num_replicas: i64,
    /// Publishes are not confirmed.
    #[serde(skip_serializing_if = "is_default")]
    pub no_ack: bool,
    /// How long message ids are remembered, ns.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate_window: Duration,
    /// File compression.
    pub compression: Compression,
    /// First sequence; 0 for 1.
    #[serde(skip_serializing_if = "is_default")]
    pub first_seq: u64,
    /// Messages may be read by `DIRECT.GET`.
    pub allow_direct: bool,
    /// The same for mirrors.
    pub mirror_direct: bool,
    /// `discard: new` also per subject.
    #[serde(skip_serializing_if = "is_default")]
    pub discard_new_per_subject: bool,
    /// Nothing can change any more.
    pub sealed: bool,
    /// Messages can not be deleted.
    pub deny_delete: bool,
    /// The stream can not be purged.
    pub deny_purge: bool,
    /// `Nats-Rollup` is obeyed.
    pub allow_rollup_hdrs: bool,
    /// Caps for consumers.
    pub consumer_limits: ConsumerLimits,
    /// `Nats-TTL` is obeyed. Unknown before 2.11.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_msg_ttl: Option<bool>,
    /// Free pairs; those starting with `_nats.` are the server's own.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
}

impl Json for StreamConfig {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "description",
        "subjects",
        "retention",
        "max_consumers",
        "max_msgs",
        "max_bytes",
        "max_age",
        "max_msgs_per_subject",
        "max_msg_size",
        "discard",
        "storage",
        "num_replicas",
        "no_ack",
        "duplicate_window",
        "compression",
        "first_seq",
        "allow_direct",
        "mirror_direct",
        "discard_new_per_subject",
        "sealed",
        "deny_delete",
        "deny_purge",
        "allow_rollup_hdrs",
        "consumer_limits",
        "allow_msg_ttl",
        "metadata",
        "pedantic",
    ];
    const NOT_MODELLED: &'static [&'static str] = &[
        "template_owner",
        "placement",
        "mirror",
        "sources",
        "subject_transform",
        "republish",
        "subject_delete_marker_ttl",
        "allow_msg_counter",
        "allow_atomic",
        "allow_msg_schedules",
        "persist_mode",
        "allow_batched",
    ];
}

/// A consumer's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsumerConfig {
    /// Name of a durable consumer; empty for an ephemeral one.
    #[serde(skip_serializing_if = "is_default")]
    pub durable_name: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Free text.
    #[serde(skip_serializing_if = "is_default")]
    pub description: String,
    /// Where it starts.
    pub deliver_policy: DeliverPolicy,
    /// For `by_start_sequence`.
    #[serde(skip_serializing_if = "is_default")]
    pub opt_start_seq: u64,
    /// For `by_start_time`.
    #[serde(skip_serializing_if = "is_default")]
    pub opt_start_time: Option<WallTime>,
    /// What must be acknowledged.
    pub ack_policy: AckPolicy,
    /// How long until an unacknowledged message is delivered again, ns. Overwritten by the first backoff step.
    #[serde(skip_serializing_if = "is_default")]
    pub ack_wait: Duration,
    /// Most deliveries of one message; -1 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_deliver: i64,
    /// How long until the next delivery, by attempt, ns; the last one repeats.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff: Vec<Duration>,
    /// Which subject; empty for all.
    #[serde(skip_serializing_if = "is_default")]
    pub filter_subject: String,
    /// Which subjects.
    #[serde(skip_serializing_if = "is_default")]
    pub filter_subjects: Vec<String>,
    /// How fast.
    pub replay_policy: ReplayPolicy,
    /// Bits per second that a push consumer may send; 0 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_limit_bps: u64,
    /// Ack samples, percent as text.
    #[serde(skip_serializing_if = "is_default")]
    pub sample_freq: String,
    /// Most waiting pull requests.
    #[serde(skip_serializing_if = "is_default")]
    pub max_waiting: i64,
    /// Most unacknowledged messages before new ones stop; -1 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_ack_pending: i64,
    /// Flow control on a push consumer.
    #[serde(skip_serializing_if = "is_default")]
    pub flow_control: bool,
    /// Headers only, with the payload's size in `Nats-Msg-Size`.
    #[serde(skip_serializing_if = "is_default")]
    pub headers_only: bool,
    /// Largest batch of a pull request; 0 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_batch: i64,
    /// Longest expiry of a pull request, ns; 0 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_expires: Duration,
    /// Most bytes of a pull request; 0 for no limit.
    #[serde(skip_serializing_if = "is_default")]
    pub max_bytes: i64,
    /// Where a push consumer sends; empty for a pull consumer.
    #[serde(skip_serializing_if = "is_default")]
    pub deliver_subject: String,
    /// The queue group that must listen there.
    #[serde(skip_serializing_if = "is_default")]
    pub deliver_group: String,
    /// How often an idle push consumer says so, ns; 0 for never.
    #[serde(skip_serializing_if = "is_default")]
    pub idle_heartbeat: Duration,
    /// After how long without use it goes away, ns; 0 for never.
    #[serde(skip_serializing_if = "is_default")]
    pub inactive_threshold: Duration,
    /// Copies in a cluster; 0 for as many as the stream.
    pub num_replicas: i64,
    /// Kept in memory even if the stream is on disk.
    #[serde(skip_serializing_if = "is_default")]
    pub mem_storage: bool,
    /// Free pairs; those starting with `_nats.` are the server's own.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// The groups that pull requests belong to. Unknown before 2.11, as the two that follow.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_groups: Vec<String>,
    /// Which request of a group gets a message.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_policy: PriorityPolicy,
    /// After how long without a request a client is not the pinned one any more, ns.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_timeout: Duration,
}

impl ConsumerConfig {
    /// Whether it delivers by itself instead of waiting for pull requests.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Whether it has a durable name.
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// Its filters, one way or the other; empty for all subjects.
    pub fn filters(&self) -> &[String] {
        if self.filter_subject.is_empty() { &self.filter_subjects } else { std::slice::from_ref(&self.filter_subject) }
    }

    /// How long after delivery number `count` of a message its next one is due: the backoff step, or ack_wait.
    pub fn wait_after(&self, count: u64) -> Duration {
        match self.backoff.len() {
            0 => self.ack_wait,
            steps => self.backoff[usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX).min(steps - 1)],
        }
    }
}

impl Json for ConsumerConfig {
    const FIELDS: &'static [&'static str] = &[
        "durable_name",
        "name",
        "description",
        "deliver_policy",
        "opt_start_seq",
        "opt_start_time",
        "ack_policy",
        "ack_wait",
        "max_deliver",
        "backoff",
        "filter_subject",
        "filter_subjects",
        "replay_policy",
        "rate_limit_bps",
        "sample_freq",
        "max_waiting",
        "max_ack_pending",
        "flow_control",
        "headers_only",
        "max_batch",
        "max_expires",
        "max_bytes",
        "deliver_subject",
        "deliver_group",
        "idle_heartbeat",
        "inactive_threshold",
        "num_replicas",
        "mem_storage",
        "metadata",
        "priority_groups",
        "priority_policy",
        "priority_timeout",
    ];
    const NOT_MODELLED: &'static [&'static str] = &["direct", "sourcing", "pause_until"];
}
