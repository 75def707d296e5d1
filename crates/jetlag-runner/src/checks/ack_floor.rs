//! `ack-floor`: a consumer's ack floor never goes back. Exempt is a server that died and lost a tail of what it had stored; a consumer that was
//! deleted and made again starts afresh.

use std::collections::BTreeMap;

use jetlag_trace::{Key, Kind, Record};

use super::{ConsumerKey, Finding, consumer_of, lost_a_tail};

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    let mut floors: BTreeMap<ConsumerKey, (u64, u64)> = BTreeMap::new();
    let mut lost: BTreeMap<ConsumerKey, ()> = BTreeMap::new();
    for record in records {
        if lost_a_tail(record) {
            lost.extend(floors.keys().map(|consumer| (consumer.clone(), ())));
        }
        match record.kind {
            Kind::ConsumerDeleted => {
                consumer_of(record).map(|consumer| floors.remove(&consumer));
            }
            Kind::StreamDeleted => {
                let gone = record.fields.text(Key::Stream);
                floors.retain(|(stream, _), _| Some(stream) != gone);
            }
            _ => {}
        }
        let (Some(consumer), Some(floor)) = (consumer_of(record), record.fields.pair(Key::AckFloor)) else { continue };
        if record.kind.is_client_visible() {
            continue;
        }
        finding.look();
        let before = floors.insert(consumer.clone(), floor).unwrap_or((0, 0));
        if floor.0 >= before.0 && floor.1 >= before.1 {
            continue;
        }
        if lost.remove(&consumer).is_some() {
            finding.exempt("lost tail");
        } else {
            let (stream, consumer) = &consumer;
            let message = format!(
                "{stream}/{consumer}: the ack floor went back from {}/{} to {}/{} at {}",
                before.0, before.1, floor.0, floor.1, record.at
            );
            finding.fail(message, Some(record.n));
        }
    }
}
