//! Records of what happened inside a simulated server.

use jetlag_core::{ConsumerRef, Deadline, Note};
use jetlag_model::{SequencePair, Text, Time};
use jetlag_trace::{Key, Kind, Place, Record, Value};

/// The record of a note.
#[inline]
pub fn note_record(at: Time, note: Note) -> Record {
    // What each message leads to is made in its place; a record that is handed on, or added to, is moved each time.
    let (kind, fields) = match note {
        Note::Stored { stream, seq, subject } => {
            (Kind::MsgStored, vec![(Key::Stream, stream.into()), (Key::Subject, subject.into()), (Key::StreamSeq, seq.into())])
        }
        Note::Delivered { at: of, stream_seq, consumer_seq, delivery_count, num_ack_pending, num_pending } => {
            let fields = vec![
                (Key::Stream, of.stream.into()),
                (Key::Consumer, of.consumer.into()),
                (Key::StreamSeq, stream_seq.into()),
                (Key::ConsumerSeq, consumer_seq.into()),
                (Key::DeliveryCount, delivery_count.into()),
                (Key::NumAckPending, num_ack_pending.into()),
                (Key::NumPending, num_pending.into()),
            ];
            (Kind::Delivered, fields)
        }
        Note::Acked { at: of, stream_seq, delivery_count, ack_floor } => {
            let fields = vec![
                (Key::Stream, of.stream.into()),
                (Key::Consumer, of.consumer.into()),
                (Key::StreamSeq, stream_seq.into()),
                (Key::DeliveryCount, delivery_count.into()),
                (Key::AckFloor, floor(ack_floor)),
            ];
            (Kind::Acked, fields)
        }
        Note::Removed { stream, seq, why } => {
            let why = Text::new_static(why.as_str());
            (Kind::MsgRemoved, vec![(Key::Stream, stream.into()), (Key::StreamSeq, seq.into()), (Key::Reason, why.into())])
        }
        rarer => return rarer_record(at, rarer),
    };
    Record::of(at, Place::Server, kind, fields)
}

/// The record of a note that not every message leads to.
#[inline(never)]
fn rarer_record(at: Time, note: Note) -> Record {
    let record = |kind| Record::new(at, Place::Server, kind);
    match note {
        Note::Stored { .. } | Note::Delivered { .. } | Note::Acked { .. } | Note::Removed { .. } => note_record(at, note),
        Note::StreamCreated { config } => {
            record(Kind::StreamCreated).with(Key::Stream, config.name.as_str()).with(Key::Text, json(&config))
        }
        Note::StreamUpdated { config } => {
            record(Kind::StreamUpdated).with(Key::Stream, config.name.as_str()).with(Key::Text, json(&config))
        }
        Note::StreamDeleted { stream } => record(Kind::StreamDeleted).with(Key::Stream, stream),
        Note::ConsumerCreated { at: of, config } => consumer(record(Kind::ConsumerCreated), of).with(Key::Text, json(&config)),
        Note::ConsumerUpdated { at: of, config } => consumer(record(Kind::ConsumerUpdated), of).with(Key::Text, json(&config)),
        Note::ConsumerDeleted { at: of } => consumer(record(Kind::ConsumerDeleted), of),
        // Back in the queue without having been seen by anybody.
        Note::Undelivered { at: of, stream_seq } => {
            consumer(record(Kind::Expired), of).with(Key::StreamSeq, stream_seq).with(Key::Reason, UNDELIVERED)
        }
        Note::AckIgnored { at: of, stream_seq } => consumer(record(Kind::AckIgnored), of).with(Key::StreamSeq, stream_seq),
        Note::Naked { at: of, stream_seq, delay } => {
            let naked = consumer(record(Kind::Naked), of).with(Key::StreamSeq, stream_seq);
            match delay {
                Some(delay) => naked.with(Key::Delay, delay),
                None => naked,
            }
        }
        Note::InProgress { at: of, stream_seq } => consumer(record(Kind::InProgress), of).with(Key::StreamSeq, stream_seq),
        Note::Terminated { at: of, stream_seq, ack_floor } => {
            consumer(record(Kind::Terminated), of).with(Key::StreamSeq, stream_seq).with(Key::AckFloor, floor(ack_floor))
        }
        Note::Expired { at: of, stream_seq } => consumer(record(Kind::Expired), of).with(Key::StreamSeq, stream_seq),
        Note::Exhausted { at: of, stream_seq, deliveries, advised } => {
            let exhausted = consumer(record(Kind::Exhausted), of).with(Key::StreamSeq, stream_seq).with(Key::Deliveries, deliveries);
            if advised { exhausted } else { exhausted.with(Key::Reason, "without advisory") }
        }
        Note::Forgotten { at: of, ack_floor } => {
            consumer(record(Kind::Terminated), of).with(Key::AckFloor, floor(ack_floor)).with(Key::Reason, FORGOTTEN)
        }
        Note::PullQueued { at: of, reply, batch } => consumer(record(Kind::PullQueued), of).with(Key::Reply, reply).with(Key::Batch, batch),
        Note::PullEnded { at: of, reply, missing } => {
            consumer(record(Kind::PullEnded), of).with(Key::Reply, reply).with(Key::PendingMessages, missing)
        }
    }
}

/// The reason of an `expired` record that stands for a delivery which met nobody.
pub const UNDELIVERED: &str = "undelivered";

/// The reason of a `terminated` record without message: a purge or a recovery dropped messages from a consumer's state.
pub const FORGOTTEN: &str = "forgotten";

/// The record of a timer that fired.
pub fn deadline_record(at: Time, deadline: Deadline) -> Record {
    let record = Record::new(at, Place::Server, Kind::DeadlineFired).with(Key::Deadline, deadline.kind());
    match deadline {
        Deadline::Pull(of) | Deadline::Heartbeat(of) | Deadline::AckWait(of) | Deadline::Pin(of) | Deadline::Inactive(of) => {
            consumer(record, of)
        }
        Deadline::MaxAge(stream) => record.with(Key::Stream, stream),
    }
}

fn consumer(record: Record, of: ConsumerRef) -> Record {
    record.with(Key::Stream, of.stream).with(Key::Consumer, of.consumer)
}

fn floor(floor: SequencePair) -> Value {
    (floor.consumer_seq, floor.stream_seq).into()
}

fn json<T: serde::Serialize>(config: &T) -> String {
    serde_json::to_string(config).unwrap_or_else(|error| panic!("a configuration can be written as JSON: {error}"))
}
