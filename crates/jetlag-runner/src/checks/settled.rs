//! `settled`: whatever is acknowledged is settled. Each ack or term that a client sends takes effect, and a message whose acknowledgement took
//! effect is not delivered again.
//!
//! Exempt are acknowledgements that were lost, failed or are under way, those that came too late to change anything, those for a consumer that
//! is gone, and deliveries after a server died and lost a tail.

use std::collections::BTreeSet;

use jetlag_model::{SeqMap, SeqSet, Time};
use jetlag_trace::{Key, Kind, Record};

use super::{About, ByConsumer, Configs, ConsumerKey, Finding, Judge, Observed, lost_a_tail, show};

#[derive(Default)]
pub(super) struct Settled {
    /// Acknowledgements that have had no effect yet, by their records.
    open: SeqMap<u64, Open>,
    settled: ByConsumer<SeqSet>,
    tail_lost: bool,
    /// Consumers that were deleted at some time.
    deleted: BTreeSet<ConsumerKey>,
}

/// An acknowledgement that a client decided on.
struct Open {
    message: Option<(ConsumerKey, u64)>,
    at: Time,
    /// A fault holds it back.
    delayed: bool,
}

impl Judge for Settled {
    fn kinds(&self) -> &'static [Kind] {
        &[
            Kind::Sent,
            Kind::Command,
            Kind::Acked,
            Kind::Terminated,
            Kind::Delivered,
            Kind::ServerDown,
            Kind::ConsumerDeleted,
            Kind::StreamDeleted,
            Kind::Lost,
            Kind::Failed,
            Kind::AckIgnored,
            Kind::Delayed,
        ]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, _: &Configs, finding: &mut Finding) {
        if let Some(cause) = record.cause.filter(|_| !self.open.is_empty()) {
            self.effect(cause, record.kind, finding);
        }
        match record.kind {
            Kind::Sent | Kind::Command if is_ack(record) => {
                finding.look();
                self.open.insert(
                    record.n,
                    Open { message: about.message().map(|(consumer, seq)| (consumer.clone(), seq)), at: record.at, delayed: false },
                );
            }
            Kind::Acked | Kind::Terminated => {
                if let Some((consumer, seq)) = about.message() {
                    finding.look();
                    self.settled.of(consumer).insert(seq);
                }
            }
            Kind::Delivered => self.delivered(record, about, finding),
            Kind::ServerDown => self.tail_lost |= lost_a_tail(record),
            Kind::ConsumerDeleted | Kind::StreamDeleted => {
                self.settled.forget_deleted(record, about);
                self.deleted.extend(about.consumer.cloned());
            }
            _ => {}
        }
    }

    /// What has had no effect until now should have had one.
    fn conclude(&self, _: &Configs, _: &Observed, finding: &mut Finding) {
        for (n, open) in self.open.iter() {
            match &open.message {
                _ if open.delayed => finding.exempt("under way"),
                Some((consumer, _)) if self.deleted.contains(consumer) => finding.exempt("consumer gone"),
                None => finding.exempt("consumer gone"),
                Some((consumer, seq)) => {
                    let what = show(consumer, *seq);
                    finding.fail(format!("the acknowledgement of {what} at {} had no effect", open.at), Some(n));
                }
            }
        }
    }
}

impl Settled {
    /// Something came of an acknowledgement.
    fn effect(&mut self, of: u64, kind: Kind, finding: &mut Finding) {
        let exemption = match kind {
            Kind::Acked | Kind::Terminated => None,
            Kind::Lost => Some("acknowledgement lost"),
            Kind::Failed => Some("acknowledgement failed"),
            Kind::AckIgnored => Some("too late"),
            Kind::Delayed => {
                if let Some(open) = self.open.get_mut(of) {
                    open.delayed = true;
                }
                return;
            }
            _ => return,
        };
        if self.open.remove(of).is_some()
            && let Some(why) = exemption
        {
            finding.exempt(why);
        }
    }

    /// No delivery follows an acknowledgement that took effect.
    fn delivered(&self, record: &Record, about: &About<'_>, finding: &mut Finding) {
        let Some((consumer, seq)) = about.message() else { return };
        if !self.settled.get(consumer).is_some_and(|settled| settled.contains(seq)) {
            return;
        }
        if self.tail_lost {
            return finding.exempt("lost tail");
        }
        let name = show(consumer, seq);
        finding.fail(format!("{name} was delivered at {}, although it had been settled", record.at), Some(record.n));
    }
}

/// Whether a record is a client's decision to settle a message.
fn is_ack(record: &Record) -> bool {
    record.fields.text(Key::Crossing).is_some_and(|crossing| matches!(&**crossing, "ack" | "term"))
}
