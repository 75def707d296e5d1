//! Records of what happened inside a simulated server.

use jetlag_core::{ConsumerRef, Deadline, Note};
use jetlag_model::{SequencePair, StreamConfig, Text, Time};
use jetlag_trace::{Key, Kind, Place, Record, Value};

/// The record of a note.
#[inline]
pub fn note_record(at: Time, note: Note) -> Record {
    // The particulars first and the record last: so it is made in its place, where a record that is added to would be moved with each field.
    let (kind, fields) = match note {
        Note::StreamCreated { config } => (Kind::StreamCreated, of_stream(&config)),
        Note::StreamUpdated { config } => (Kind::StreamUpdated, of_stream(&config)),
        Note::StreamDeleted { stream } => (Kind::StreamDeleted, vec![(Key::Stream, stream.into())]),
        Note::Stored { stream, seq, subject } => {
            (Kind::MsgStored, vec![(Key::Stream, stream.into()), (Key::Subject, subject.into()), (Key::StreamSeq, seq.into())])
        }
        Note::Removed { stream, seq, why } => {
            let why = Text::new_static(why.as_str());
            (Kind::MsgRemoved, vec![(Key::Stream, stream.into()), (Key::StreamSeq, seq.into()), (Key::Reason, why.into())])
        }
        Note::ConsumerCreated { at: of, config } => (Kind::ConsumerCreated, of_consumer(of, [(Key::Text, json(&config).into())])),
        Note::ConsumerUpdated { at: of, config } => (Kind::ConsumerUpdated, of_consumer(of, [(Key::Text, json(&config).into())])),
        Note::ConsumerDeleted { at: of } => (Kind::ConsumerDeleted, of_consumer(of, [])),
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
        // Back in the queue without having been seen by anybody.
        Note::Undelivered { at: of, stream_seq } => {
            (Kind::Expired, of_consumer(of, [(Key::StreamSeq, stream_seq.into()), (Key::Reason, UNDELIVERED.into())]))
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
        Note::AckIgnored { at: of, stream_seq } => (Kind::AckIgnored, of_consumer(of, [(Key::StreamSeq, stream_seq.into())])),
        Note::Naked { at: of, stream_seq, delay } => {
            let mut fields = of_consumer(of, [(Key::StreamSeq, stream_seq.into())]);
            fields.extend(delay.map(|delay| (Key::Delay, delay.into())));
            (Kind::Naked, fields)
        }
        Note::InProgress { at: of, stream_seq } => (Kind::InProgress, of_consumer(of, [(Key::StreamSeq, stream_seq.into())])),
        Note::Terminated { at: of, stream_seq, ack_floor } => {
            (Kind::Terminated, of_consumer(of, [(Key::StreamSeq, stream_seq.into()), (Key::AckFloor, floor(ack_floor))]))
        }
        Note::Expired { at: of, stream_seq } => (Kind::Expired, of_consumer(of, [(Key::StreamSeq, stream_seq.into())])),
        Note::Exhausted { at: of, stream_seq, deliveries, advised } => {
            let mut fields = of_consumer(of, [(Key::StreamSeq, stream_seq.into()), (Key::Deliveries, deliveries.into())]);
            fields.extend((!advised).then(|| (Key::Reason, "without advisory".into())));
            (Kind::Exhausted, fields)
        }
        Note::Forgotten { at: of, ack_floor } => {
            (Kind::Terminated, of_consumer(of, [(Key::AckFloor, floor(ack_floor)), (Key::Reason, FORGOTTEN.into())]))
        }
        Note::PullQueued { at: of, reply, batch } => {
            (Kind::PullQueued, of_consumer(of, [(Key::Reply, reply.into()), (Key::Batch, batch.into())]))
        }
        Note::PullEnded { at: of, reply, missing } => {
            (Kind::PullEnded, of_consumer(of, [(Key::Reply, reply.into()), (Key::PendingMessages, missing.into())]))
        }
    };
    Record::of(at, Place::Server, kind, fields)
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
            record.with(Key::Stream, of.stream).with(Key::Consumer, of.consumer)
        }
        Deadline::MaxAge(stream) => record.with(Key::Stream, stream),
    }
}

fn of_stream(config: &StreamConfig) -> Vec<(Key, Value)> {
    vec![(Key::Stream, config.name.as_str().into()), (Key::Text, json(config).into())]
}

/// A consumer, and what stands behind it in the order of keys.
fn of_consumer<const N: usize>(of: ConsumerRef, more: [(Key, Value); N]) -> Vec<(Key, Value)> {
    [(Key::Stream, of.stream.into()), (Key::Consumer, of.consumer.into())].into_iter().chain(more).collect()
}

fn floor(floor: SequencePair) -> Value {
    (floor.consumer_seq, floor.stream_seq).into()
}

fn json<T: serde::Serialize>(config: &T) -> String {
    serde_json::to_string(config).unwrap_or_else(|error| panic!("a configuration can be written as JSON: {error}"))
}
