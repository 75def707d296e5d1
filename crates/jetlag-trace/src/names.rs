//! The closed vocabularies of a trace: kinds of records and keys of fields. The kebab-case names are a public schema.

use std::fmt;

/// A name as it stands in the bytes of a trace.
pub(crate) struct Encoded {
    /// The name with its length before it, and zeros behind it: so many bytes are copied without a look at how many there are.
    pub(crate) bytes: [u8; Encoded::ROOM],
    /// How many bytes it takes with its length.
    pub(crate) len: usize,
}

impl Encoded {
    /// As many bytes as the longest name takes with its length before it, rounded up.
    pub(crate) const ROOM: usize = 24;

    const fn of(name: &str) -> Encoded {
        assert!(name.len() < Encoded::ROOM, "a longer name needs more room");
        let mut bytes = [0; Encoded::ROOM];
        bytes[0] = name.len() as u8;
        let mut at = 0;
        while at < name.len() {
            bytes[at + 1] = name.as_bytes()[at];
            at += 1;
        }
        Encoded { bytes, len: name.len() + 1 }
    }
}

/// Declares an enum whose variants have public names, and the conversions both ways.
macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $enum {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $enum {
            /// Every one of them, in the order of declaration.
            pub const ALL: &[$enum] = &[$($enum::$variant),*];

            /// The public name, in kebab case.
            pub const fn name(self) -> &'static str {
                match self {
                    $($enum::$variant => $name,)*
                }
            }

            /// The public name as it stands in the bytes of a trace.
            #[inline]
            pub(crate) const fn encoded(self) -> &'static Encoded {
                match self {
                    $($enum::$variant => const { &Encoded::of($name) },)*
                }
            }

            /// The one with this public name.
            pub fn from_name(name: &str) -> Option<$enum> {
                match name {
                    $($name => Some($enum::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// What happened. The first group is what clients and the script see, and has a transcript line; the second is what the
    /// server did, for checks and metrics; the third is what the run itself did.
    Kind {
        /// A client got a delivery of a consumer.
        Got = "got",
        /// A client got a plain message.
        Message = "message",
        /// A client got a status: 100, 404, 408, 409.
        Status = "status",
        /// A client got an advisory.
        Advisory = "advisory",
        /// A pub ack: the message is in the stream, possibly already was.
        Stored = "stored",
        /// An error answer to a publish or an API request.
        Refused = "refused",
        /// Nobody listens where a request went.
        NoResponders = "no-responders",
        /// The server confirmed an acknowledgement.
        Confirmed = "confirmed",
        /// What a worker decided to send: an ack, a nak and so on.
        Sent = "sent",
        /// A rule dropped a crossing.
        Lost = "lost",
        /// A rule delayed a crossing.
        Delayed = "delayed",
        /// A rule duplicated a crossing.
        Duplicated = "duplicated",
        /// A rule made sending fail with an error.
        Failed = "failed",
        /// A client lost or gave up its connection.
        Disconnected = "disconnected",
        /// A client has its connection back.
        Connected = "connected",
        /// A client process ended without a word.
        Crashed = "crashed",
        /// A script command succeeded and has nothing more to say.
        Ok = "ok",
        /// A stream's state, as the server tells it.
        StreamInfo = "stream-info",
        /// A consumer's state, as the server tells it.
        ConsumerInfo = "consumer-info",
        /// The server stopped.
        ServerDown = "server-down",
        /// The server runs again.
        ServerUp = "server-up",
        /// The answer to a raw request, as one line of text.
        ApiReply = "api-reply",

        /// A message entered a stream.
        MsgStored = "msg-stored",
        /// A message left a stream; the reason says why.
        MsgRemoved = "msg-removed",
        /// A consumer handed out a message.
        Delivered = "delivered",
        /// An acknowledgement took effect.
        Acked = "acked",
        /// An acknowledgement of any kind had no effect; the reason says why.
        AckIgnored = "ack-ignored",
        /// A nak took effect.
        Naked = "naked",
        /// An in-progress took effect.
        InProgress = "in-progress",
        /// A term took effect, or the stream ended a message that was pending.
        Terminated = "terminated",
        /// A delivery ran out of time and is queued for redelivery.
        Expired = "expired",
        /// A message used up its deliveries.
        Exhausted = "exhausted",
        /// A pull request waits at a consumer.
        PullQueued = "pull-queued",
        /// A pull request is over; the reason says why.
        PullEnded = "pull-ended",
        /// A stream came to be.
        StreamCreated = "stream-created",
        /// A stream's configuration changed.
        StreamUpdated = "stream-updated",
        /// A stream is gone.
        StreamDeleted = "stream-deleted",
        /// A consumer came to be.
        ConsumerCreated = "consumer-created",
        /// A consumer's configuration changed.
        ConsumerUpdated = "consumer-updated",
        /// A consumer is gone.
        ConsumerDeleted = "consumer-deleted",
        /// A timer of the server fired.
        DeadlineFired = "deadline-fired",

        /// The script issued a command.
        Command = "command",
        /// A rule acted on a crossing.
        RuleHit = "rule-hit",
        /// How often a rule was evaluated and acted, at the end of the run.
        RuleCount = "rule-count",
        /// The verdict of a check.
        Check = "check",
        /// A worker's own idea of how often it got a message.
        WorkerCount = "worker-count",
        /// A worker's program counted something or set a gauge.
        Metric = "metric",
    }
}

impl Kind {
    /// Whether records of this kind have a transcript line.
    pub const fn is_client_visible(self) -> bool {
        (self as u8) <= (Kind::ApiReply as u8)
    }
}

names! {
    /// What a field says. Fields of a record stand in the order of this declaration, in lines, JSON and digest alike. Unless the
    /// comment says otherwise, durations are in nanoseconds, sequences and counts are plain numbers.
    Key {
        /// What crosses a link: `ack`, `pull`, `publish` and the other kinds of crossings.
        Crossing = "crossing",
        /// An advisory's type: the last word of it, as the server spells it.
        Advisory = "advisory",
        /// A check's, worker's or other thing's name.
        Name = "name",
        /// A stream's name.
        Stream = "stream",
        /// A consumer's name.
        Consumer = "consumer",
        /// A subject.
        Subject = "subject",
        /// A payload, in bytes.
        Payload = "payload",
        /// A header block, in bytes, as it crosses the wire.
        Headers = "headers",
        /// A reply subject.
        Reply = "reply",
        /// The code of a status or an API error.
        Code = "code",
        /// The err_code of an API error.
        ErrCode = "err-code",
        /// The text of a status or an error.
        Description = "description",
        /// Whether the stream had the message already.
        Duplicate = "duplicate",
        /// What was done: `create`, `modify`, `delete`.
        Action = "action",
        /// A check's verdict.
        Verdict = "verdict",
        /// A message's place in its stream.
        StreamSeq = "stream-seq",
        /// A delivery's number at its consumer.
        ConsumerSeq = "consumer-seq",
        /// Which attempt at the message the delivery is.
        DeliveryCount = "delivery-count",
        /// Messages in a stream.
        Messages = "messages",
        /// Bytes in a stream, as the server counts them.
        Bytes = "bytes",
        /// A stream's first sequence.
        FirstSeq = "first-seq",
        /// A stream's last sequence.
        LastSeq = "last-seq",
        /// Consumers of a stream.
        ConsumerCount = "consumer-count",
        /// Subjects in a stream.
        NumSubjects = "num-subjects",
        /// Holes in a stream's sequences.
        NumDeleted = "num-deleted",
        /// A consumer's delivered: consumer sequence, stream sequence.
        Delivered = "delivered",
        /// A consumer's ack floor: consumer sequence, stream sequence.
        AckFloor = "ack-floor",
        /// Deliveries that wait for an acknowledgement.
        NumAckPending = "num-ack-pending",
        /// Messages delivered more than once and not settled.
        NumRedelivered = "num-redelivered",
        /// Messages not yet delivered.
        NumPending = "num-pending",
        /// Pull requests waiting.
        NumWaiting = "num-waiting",
        /// What a pull request did not get, in messages.
        PendingMessages = "pending-messages",
        /// What a pull request did not get, in bytes.
        PendingBytes = "pending-bytes",
        /// A heartbeat's last consumer sequence.
        LastConsumerSeq = "last-consumer-seq",
        /// A heartbeat's last stream sequence.
        LastStreamSeq = "last-stream-seq",
        /// How often the message was delivered, in an advisory.
        Deliveries = "deliveries",
        /// Messages a pull request asks for.
        Batch = "batch",
        /// How long a pull request waits.
        Expires = "expires",
        /// Bytes a pull request asks for.
        MaxBytes = "max-bytes",
        /// Whether a pull request does not wait.
        NoWait = "no-wait",
        /// How often the server says that it is alive.
        IdleHeartbeat = "idle-heartbeat",
        /// A message's id, as its publisher chose it.
        MsgId = "msg-id",
        /// Messages removed by a purge.
        Purged = "purged",
        /// Whether a consumer is paused.
        Paused = "paused",
        /// How long a consumer stays paused.
        PauseRemaining = "pause-remaining",
        /// A consumer group's name.
        Group = "group",
        /// The delay that a nak asks for.
        Delay = "delay",
        /// How much later a crossing arrives.
        For = "for",
        /// Further copies of a crossing.
        Copies = "copies",
        /// How long the server stays down.
        Downtime = "downtime",
        /// What a killed server loses, of messages and of the state of consumers.
        Lost = "lost",
        /// What a killed server loses of the state of consumers, where that differs.
        LostState = "lost-state",
        /// Why, in words.
        Reason = "reason",
        /// Which timer.
        Deadline = "deadline",
        /// When something is due: the time since the start of the run.
        Due = "due",
        /// A number of things, where no other key says what.
        Count = "count",
        /// The labels of a metric's series: a JSON object, sorted by name.
        Labels = "labels",
        /// What a gauge is now, as a decimal number.
        Gauge = "gauge",
        /// How often a rule was evaluated.
        Evaluated = "evaluated",
        /// How often a rule acted.
        Hits = "hits",
        /// Whether a rule may stay without hits.
        Exempt = "exempt",
        /// Whether an answer is waited for.
        Sync = "sync",
        /// A connection's number.
        Conn = "conn",
        /// A subscription's number on its connection.
        Sid = "sid",
        /// The pull request this belongs to, by its client's name for it.
        Pull = "pull",
        /// Any other text: a command, a raw answer.
        Text = "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
        }
        for key in Key::ALL {
            assert_eq!(Key::from_name(key.name()), Some(*key));
        }
        assert_eq!(Kind::from_name("Got"), None);
        assert_eq!(Key::from_name(""), None);
    }

    #[test]
    fn names_are_kebab_case() {
        let names = Kind::ALL.iter().map(|kind| kind.name()).chain(Key::ALL.iter().map(|key| key.name()));
        for name in names {
            assert!(name.split('-').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase())), "{name}");
        }
    }

    #[test]
    fn what_clients_see_ends_with_api_reply() {
        assert!(Kind::Got.is_client_visible() && Kind::ApiReply.is_client_visible());
        assert!(!Kind::MsgStored.is_client_visible() && !Kind::WorkerCount.is_client_visible());
    }
}
