//! What happens inside the server, as values: for traces, counters and checks. Nothing in the core depends on a note being read.

use jetlag_model::{ConsumerConfig, ConsumerSeq, DeliveryCount, Duration, SequencePair, StreamConfig, StreamSeq, Text};

/// A consumer's place: its stream's name and its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerRef {
    /// The stream's name.
    pub stream: Text,
    /// The consumer's name.
    pub consumer: Text,
}

/// Something that happened inside the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A stream was created.
    StreamCreated {
        /// Its configuration, defaults filled in.
        config: Box<StreamConfig>,
    },
    /// A stream's configuration changed.
    StreamUpdated {
        /// The new configuration.
        config: Box<StreamConfig>,
    },
    /// A stream was deleted.
    StreamDeleted {
        /// Its name.
        stream: Text,
    },
    /// A message entered a stream.
    Stored {
        /// The stream's name.
        stream: Text,
        /// Its place there.
        seq: StreamSeq,
        /// Its subject.
        subject: Text,
    },
    /// A message left a stream.
    Removed {
        /// The stream's name.
        stream: Text,
        /// Its place there.
        seq: StreamSeq,
        /// Why.
        why: Removal,
    },
    /// A consumer was created, or recovered from storage.
    ConsumerCreated {
        /// Which.
        at: ConsumerRef,
        /// Its configuration, defaults filled in.
        config: Box<ConsumerConfig>,
    },
    /// A consumer's configuration changed.
    ConsumerUpdated {
        /// Which.
        at: ConsumerRef,
        /// The new configuration.
        config: Box<ConsumerConfig>,
    },
    /// A consumer was deleted.
    ConsumerDeleted {
        /// Which.
        at: ConsumerRef,
    },
    /// A message was handed to a pull request or a deliver subject.
    Delivered {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
        /// The delivery's number.
        consumer_seq: ConsumerSeq,
        /// Which attempt.
        delivery_count: DeliveryCount,
        /// Unacknowledged messages after it.
        num_ack_pending: u64,
        /// Matching messages not yet delivered.
        num_pending: u64,
    },
    /// A delivery met nobody: it is taken back.
    Undelivered {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
    },
    /// An acknowledgement settled a message, or several under `ack all`.
    Acked {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
        /// Which attempt the acknowledgement answers.
        delivery_count: DeliveryCount,
        /// The ack floor after it.
        ack_floor: SequencePair,
    },
    /// An acknowledgement of any kind that changed nothing.
    AckIgnored {
        /// By which consumer.
        at: ConsumerRef,
        /// The message it names.
        stream_seq: StreamSeq,
    },
    /// A nak was taken.
    Naked {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
        /// The delay asked for.
        delay: Option<Duration>,
    },
    /// An in-progress was taken.
    InProgress {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
    },
    /// A message was settled for good without an acknowledgement: by a client, or because it left the stream.
    Terminated {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
        /// The ack floor after it.
        ack_floor: SequencePair,
    },
    /// ack_wait (or a backoff step, or a nak's delay) passed: the message waits for redelivery.
    Expired {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
    },
    /// A message used up max_deliver.
    Exhausted {
        /// By which consumer.
        at: ConsumerRef,
        /// The message.
        stream_seq: StreamSeq,
        /// How often it was delivered, as the advisory says.
        deliveries: u64,
        /// Whether an advisory was published.
        advised: bool,
    },
    /// A purge or a recovery dropped messages from a consumer's state without a word to clients.
    Forgotten {
        /// By which consumer.
        at: ConsumerRef,
        /// The ack floor after it.
        ack_floor: SequencePair,
    },
    /// A pull request was queued.
    PullQueued {
        /// At which consumer.
        at: ConsumerRef,
        /// Where its messages go.
        reply: Text,
        /// How many it asked for.
        batch: i64,
    },
    /// A pull request left the queue.
    PullEnded {
        /// At which consumer.
        at: ConsumerRef,
        /// Where its messages went.
        reply: Text,
        /// How many it was still owed.
        missing: i64,
    },
}

/// Why a message left its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// max_msgs, max_bytes or max_msgs_per_subject.
    Limit,
    /// max_age.
    Age,
    /// A delete request.
    Delete,
    /// A purge request or a rollup.
    Purge,
    /// Every consumer that needed it is done with it.
    Interest,
}

impl Removal {
    /// One word for a trace.
    pub fn as_str(self) -> &'static str {
        match self {
            Removal::Limit => "limit",
            Removal::Age => "age",
            Removal::Delete => "delete",
            Removal::Purge => "purge",
            Removal::Interest => "interest",
        }
    }
}
