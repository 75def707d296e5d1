//! `redelivery-deadline`: no message is delivered again before its deadline: ack_wait or the backoff step after the last delivery or
//! in-progress, or a nak's delay after the nak.
//!
//! Exempt are redeliveries after a plain nak, after a restart (deadlines then count from the publish time), after a delivery that met
//! nobody, and after an update of the consumer (which moves all its deadlines).

use jetlag_model::{AckPolicy, ConsumerConfig, Duration, SeqMap, Time};
use jetlag_sim::UNDELIVERED;
use jetlag_trace::{Key, Kind, Record};

use super::{About, ByConsumer, Configs, ConsumerKey, Finding, Judge, show};

/// What each consumer waits for.
#[derive(Default)]
pub(super) struct Deadlines(ByConsumer<SeqMap<u64, Waiting>>);

/// What is known of a message that waits for an acknowledgement.
struct Waiting {
    count: u64,
    due: Time,
    /// Its deadline has passed, or it was nakked: it is queued, and nothing but a delayed nak takes it off.
    queued: bool,
    excuse: Option<&'static str>,
}

impl Judge for Deadlines {
    fn kinds(&self) -> &'static [Kind] {
        &[
            Kind::ServerDown,
            Kind::ConsumerUpdated,
            Kind::ConsumerDeleted,
            Kind::StreamDeleted,
            Kind::Delivered,
            Kind::Naked,
            Kind::InProgress,
            Kind::Expired,
            Kind::Acked,
            Kind::Terminated,
            Kind::Exhausted,
        ]
    }

    fn follow(&mut self, record: &Record, about: &About<'_>, configs: &Configs, finding: &mut Finding) {
        match record.kind {
            Kind::ServerDown => self.0.values_mut().for_each(|waiting| excuse(waiting, "restart")),
            Kind::ConsumerUpdated => {
                let updated = about.consumer.and_then(|consumer| self.0.get_mut(consumer));
                updated.into_iter().for_each(|waiting| excuse(waiting, "consumer updated"));
            }
            Kind::ConsumerDeleted | Kind::StreamDeleted => self.0.forget_deleted(record, about),
            Kind::Delivered | Kind::Naked | Kind::InProgress | Kind::Expired | Kind::Acked | Kind::Terminated | Kind::Exhausted => {
                let Some((consumer, seq)) = about.message() else { return };
                let Some(config) = configs.of(consumer) else { return };
                match record.kind {
                    Kind::Delivered => self.delivered(record, consumer, seq, config, finding),
                    _ => {
                        if let Some(waiting) = self.0.get_mut(consumer) {
                            change(waiting, record, seq, config);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl Deadlines {
    fn delivered(&mut self, record: &Record, consumer: &ConsumerKey, seq: u64, config: &ConsumerConfig, finding: &mut Finding) {
        let count = record.fields.uint(Key::DeliveryCount).unwrap_or(1);
        let due = record.at + config.wait_after(count);
        let before = self.0.of(consumer).insert(seq, Waiting { count, due, queued: false, excuse: None });
        if count > 1 {
            finding.look();
            match before {
                None => finding.exempt("restart"),
                Some(Waiting { excuse: Some(why), .. }) => finding.exempt(why),
                Some(Waiting { due, .. }) if record.at < due => {
                    let name = show(consumer, seq);
                    finding.fail(format!("{name} was delivered again at {}, before its deadline at {due}", record.at), Some(record.n));
                }
                Some(_) => {}
            }
        }
    }
}

/// Something happened to a message that may be waiting.
fn change(waiting: &mut SeqMap<u64, Waiting>, record: &Record, seq: u64, config: &ConsumerConfig) {
    if config.ack_policy == AckPolicy::All && matches!(record.kind, Kind::Acked | Kind::Terminated) {
        waiting.retain(|waiting, _| waiting >= seq);
    }
    if matches!(record.kind, Kind::Acked | Kind::Terminated | Kind::Exhausted) {
        waiting.remove(seq);
        return;
    }
    let Some(state) = waiting.get_mut(seq) else { return };
    match record.kind {
        Kind::Naked => match record.fields.duration(Key::Delay) {
            None => {
                state.queued = true;
                state.excuse = Some("plain nak");
            }
            Some(delay) => {
                state.queued = false;
                state.excuse = None;
                state.due = record.at + nak_delay(config, state.count, delay);
            }
        },
        Kind::InProgress if !state.queued => state.due = record.at + config.wait_after(state.count),
        Kind::Expired if record.fields.text(Key::Reason).is_some_and(|reason| **reason == *UNDELIVERED) => {
            state.excuse = Some("met nobody");
        }
        Kind::Expired => state.queued = true,
        _ => {}
    }
}

fn excuse(waiting: &mut SeqMap<u64, Waiting>, why: &'static str) {
    waiting.values_mut().for_each(|state| state.excuse = Some(why));
}

/// How long a delayed nak delays at least: with backoff, the server stamps with the first step and compares with the current one.
fn nak_delay(config: &ConsumerConfig, count: u64, delay: Duration) -> Duration {
    let shift = if config.backoff.is_empty() { Duration::ZERO } else { config.wait_after(count) - config.wait_after(1) };
    delay.min(delay + shift).max(Duration::ZERO)
}
