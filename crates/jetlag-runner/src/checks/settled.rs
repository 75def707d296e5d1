//! `settled`: whatever is acknowledged is settled. Each ack or term that a client sends takes effect, and a message whose acknowledgement took
//! effect is not delivered again.
//!
//! Exempt are acknowledgements that were lost, failed or are under way, those that came too late to change anything, those for a consumer that
//! is gone, and deliveries after a server died and lost a tail.

use std::collections::BTreeMap;

use jetlag_trace::{Key, Kind, Record};

use super::{ConsumerKey, Finding, consumer_of, forget_deleted, lost_a_tail, message_of, show};

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    deliveries_after(records, finding);
    let mut effects: BTreeMap<u64, Vec<Kind>> = BTreeMap::new();
    let mut deleted: Vec<ConsumerKey> = Vec::new();
    for record in records {
        if let Some(cause) = record.cause {
            effects.entry(cause).or_default().push(record.kind);
        }
        if record.kind == Kind::ConsumerDeleted {
            deleted.extend(consumer_of(record));
        }
    }
    for record in records.iter().filter(|record| is_ack(record)) {
        let effects = effects.get(&record.n).map_or(&[][..], Vec::as_slice);
        let any = |kinds: &[Kind]| effects.iter().any(|kind| kinds.contains(kind));
        finding.look();
        if any(&[Kind::Acked, Kind::Terminated]) {
            continue;
        }
        let exemption = [
            (any(&[Kind::Lost]), "acknowledgement lost"),
            (any(&[Kind::Failed]), "acknowledgement failed"),
            (any(&[Kind::AckIgnored]), "too late"),
            (any(&[Kind::Delayed]), "under way"),
            (consumer_of(record).is_none_or(|consumer| deleted.contains(&consumer)), "consumer gone"),
        ];
        match exemption.into_iter().find(|(holds, _)| *holds) {
            Some((_, why)) => finding.exempt(why),
            None => {
                let what = message_of(record).map_or("a message".to_owned(), |(consumer, seq)| show(&consumer, seq));
                finding.fail(format!("the acknowledgement of {what} at {} had no effect", record.at), Some(record.n));
            }
        }
    }
}

/// Whether a record is a client's decision to settle a message.
fn is_ack(record: &Record) -> bool {
    let settles = record.fields.text(Key::Crossing).is_some_and(|crossing| matches!(&**crossing, "ack" | "term"));
    settles && matches!(record.kind, Kind::Sent | Kind::Command)
}

/// No delivery follows an acknowledgement that took effect.
fn deliveries_after(records: &[Record], finding: &mut Finding) {
    let mut settled = BTreeMap::new();
    let mut tail_lost = false;
    for record in records {
        forget_deleted(record, &mut settled);
        tail_lost |= lost_a_tail(record);
        let Some(message) = message_of(record) else { continue };
        match record.kind {
            Kind::Acked | Kind::Terminated => {
                finding.look();
                settled.insert(message, record.at);
            }
            Kind::Delivered => match settled.get(&message) {
                Some(_) if tail_lost => finding.exempt("lost tail"),
                Some(at) => {
                    let name = show(&message.0, message.1);
                    finding.fail(format!("{name} was delivered at {}, although it was settled at {at}", record.at), Some(record.n));
                }
                None => {}
            },
            _ => {}
        }
    }
}
