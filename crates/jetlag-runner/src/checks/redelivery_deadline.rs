//! `redelivery-deadline`: no message is delivered again before its deadline: ack_wait or the backoff step after the last delivery or
//! in-progress, or a nak's delay after the nak.
//!
//! Exempt are redeliveries after a plain nak, after a restart (deadlines then count from the publish time), after a delivery that met
//! nobody, and after an update of the consumer (which moves all its deadlines).

use std::collections::BTreeMap;

use jetlag_model::{ConsumerConfig, Duration, Time};
use jetlag_sim::UNDELIVERED;
use jetlag_trace::{Key, Kind, Record};

use super::{Configs, ConsumerKey, Finding, consumer_of, forget_deleted, message_of, show};

/// What is known of a message that waits for an acknowledgement.
struct Waiting {
    count: u64,
    due: Time,
    /// Its deadline has passed, or it was nakked: it is queued, and nothing but a delayed nak takes it off.
    queued: bool,
    excuse: Option<&'static str>,
}

pub(super) fn check(records: &[Record], finding: &mut Finding) {
    let mut configs = Configs::default();
    let mut waiting: BTreeMap<(ConsumerKey, u64), Waiting> = BTreeMap::new();
    for record in records {
        configs.follow(record);
        forget_deleted(record, &mut waiting);
        match record.kind {
            Kind::ServerDown => excuse(&mut waiting, |_| true, "restart"),
            Kind::ConsumerUpdated => {
                let of = consumer_of(record);
                excuse(&mut waiting, |consumer| Some(consumer) == of.as_ref(), "consumer updated");
            }
            _ => {}
        }
        let Some(message) = message_of(record) else { continue };
        let Some(config) = configs.of(&message.0) else { continue };
        if record.kind == Kind::Delivered {
            let count = record.fields.uint(Key::DeliveryCount).unwrap_or(1);
            if count > 1 {
                judge(record, &message, waiting.get(&message), finding);
            }
            waiting.insert(message, Waiting { count, due: record.at + config.wait_after(count), queued: false, excuse: None });
            continue;
        }
        let Some(state) = waiting.get_mut(&message) else { continue };
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
            Kind::Acked | Kind::Terminated | Kind::Exhausted => {
                waiting.remove(&message);
            }
            _ => {}
        }
    }
}

fn judge(record: &Record, message: &(ConsumerKey, u64), waiting: Option<&Waiting>, finding: &mut Finding) {
    finding.look();
    match waiting {
        None => finding.exempt("restart"),
        Some(Waiting { excuse: Some(why), .. }) => finding.exempt(why),
        Some(Waiting { due, .. }) if record.at < *due => {
            let name = show(&message.0, message.1);
            finding.fail(format!("{name} was delivered again at {}, before its deadline at {due}", record.at), Some(record.n));
        }
        Some(_) => {}
    }
}

fn excuse(waiting: &mut BTreeMap<(ConsumerKey, u64), Waiting>, of: impl Fn(&ConsumerKey) -> bool, why: &'static str) {
    for ((consumer, _), state) in waiting.iter_mut() {
        if of(consumer) {
            state.excuse = Some(why);
        }
    }
}

/// How long a delayed nak delays at least: with backoff, the server stamps with the first step and compares with the current one.
fn nak_delay(config: &ConsumerConfig, count: u64, delay: Duration) -> Duration {
    let shift = if config.backoff.is_empty() { Duration::ZERO } else { config.wait_after(count) - config.wait_after(1) };
    delay.min(delay + shift).max(Duration::ZERO)
}
