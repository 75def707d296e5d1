//! Stream and consumer settings: `ack-wait=30s`. Which there are and of which type; their meaning is the server's.

use jetlag_model::Duration;

use crate::Span;

/// The settings of one command, in the order in which they were written, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub Vec<Setting>);

impl Settings {
    /// The value of a setting, by the key as it is written (`ack-wait`).
    pub fn value(&self, key: &str) -> Option<&SettingValue> {
        self.0.iter().find(|setting| setting.key == key).map(|setting| &setting.value)
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key as written: the server's name in kebab case.
    pub key: &'static str,
    /// The value.
    pub value: SettingValue,
    /// Key and value.
    pub span: Span,
}

impl Setting {
    /// The key in the server's JSON: `ack_wait` for `ack-wait`. `durable=no` says whether `durable_name` is sent at all.
    pub fn json_key(&self) -> String {
        match self.key {
            "durable" => "durable_name".to_owned(),
            key => key.replace('-', "_"),
        }
    }
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// Text; words such as `explicit` are spelt as in the server's JSON.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `yes` or `no`.
    Flag(bool),
    /// A length of time.
    Duration(Duration),
    /// Lengths of time, joined by commas; `""` is the empty list.
    Durations(Vec<Duration>),
    /// Texts, joined by commas; `""` is the empty list.
    Texts(Vec<String>),
    /// `start+10s`: the wall time this long after the run started, for settings that the server wants as a date.
    SinceStart(Duration),
}

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number, possibly negative.
    Integer,
    /// `yes` or `no`.
    Flag,
    /// A duration, possibly negative.
    Duration,
    /// Durations joined by commas.
    Durations,
    /// Texts joined by commas.
    Texts,
    /// RFC 3339 in UTC, or `start+D`.
    Instant,
}

/// The settings of a stream.
pub(crate) const STREAM: &[(&str, Shape)] = &[
    ("subjects", Shape::Texts),
    ("description", Shape::Text),
    ("retention", Shape::Word(&["limits", "interest", "workqueue"])),
    ("max-consumers", Shape::Integer),
    ("max-msgs", Shape::Integer),
    ("max-bytes", Shape::Integer),
    ("max-age", Shape::Duration),
    ("max-msgs-per-subject", Shape::Integer),
    ("max-msg-size", Shape::Integer),
    ("discard", Shape::Word(&["old", "new"])),
    ("discard-new-per-subject", Shape::Flag),
    ("storage", Shape::Word(&["file", "memory"])),
    ("num-replicas", Shape::Integer),
    ("no-ack", Shape::Flag),
    ("duplicate-window", Shape::Duration),
    ("first-seq", Shape::Integer),
    ("allow-direct", Shape::Flag),
    ("sealed", Shape::Flag),
    ("deny-delete", Shape::Flag),
    ("deny-purge", Shape::Flag),
    ("allow-rollup-hdrs", Shape::Flag),
    ("allow-msg-ttl", Shape::Flag),
];

/// The settings of a consumer.
pub(crate) const CONSUMER: &[(&str, Shape)] = &[
    ("durable", Shape::Flag),
    ("description", Shape::Text),
    ("deliver-policy", Shape::Word(&["all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject"])),
    ("opt-start-seq", Shape::Integer),
    ("opt-start-time", Shape::Instant),
    ("ack-policy", Shape::Word(&["none", "all", "explicit"])),
    ("ack-wait", Shape::Duration),
    ("max-deliver", Shape::Integer),
    ("backoff", Shape::Durations),
    ("filter-subject", Shape::Text),
    ("filter-subjects", Shape::Texts),
    ("replay-policy", Shape::Word(&["instant", "original"])),
    ("rate-limit-bps", Shape::Integer),
    ("sample-freq", Shape::Text),
    ("max-waiting", Shape::Integer),
    ("max-ack-pending", Shape::Integer),
    ("headers-only", Shape::Flag),
    ("max-batch", Shape::Integer),
    ("max-expires", Shape::Duration),
    ("max-bytes", Shape::Integer),
    ("deliver-subject", Shape::Text),
    ("deliver-group", Shape::Text),
    ("flow-control", Shape::Flag),
    ("idle-heartbeat", Shape::Duration),
    ("inactive-threshold", Shape::Duration),
    ("num-replicas", Shape::Integer),
    ("mem-storage", Shape::Flag),
    ("pause-until", Shape::Instant),
    ("priority-groups", Shape::Texts),
    ("priority-policy", Shape::Word(&["none", "overflow", "pinned_client", "prioritized"])),
    ("priority-timeout", Shape::Duration),
];
