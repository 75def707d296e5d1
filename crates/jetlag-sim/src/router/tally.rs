//! What a router counts of itself, under the names and labels that such a service publishes. Some of its accounting surprises, and is kept:
//! redeliveries are counted when they are asked for, also when asking fails and when the server will give the message up; acks are
//! counted before they are sent; a counter is not there before it counts something; and the connection's status has a series a state.

use jetlag_model::{AckKind, Message, Text};
use jetlag_trace::{Labels, MetricChange};

use super::{RECONNECT_ATTEMPTS, field, text};
use crate::{Action, ConnectionChange, Delivery, Sending, Sent};

/// Why a message was given up.
pub(super) const MAXDELIVER_EXHAUSTED: &str = "maxdeliver_exhausted";

/// Why a message was rejected.
const TENANT_VALIDATION_FAILED: &str = "tenant_validation_failed";

/// What stands in a label of which nothing is known.
const UNKNOWN: &str = "unknown";

/// What was counted since it was last taken, and what it takes to count.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Messages without ids are named by their stream sequence.
    pub(super) by_sequence: bool,
    changes: Vec<MetricChange>,
    /// Whether there was a connection before.
    was_connected: bool,
    /// Failed attempts since the connection was lost; `None` while it is there.
    attempts: Option<u64>,
}

/// The message's own id.
pub(super) fn msg_id(delivery: &Delivery) -> Option<String> {
    field(delivery, "Nats-Msg-Id").or_else(|| field(delivery, "msg_id"))
}

impl Tally {
    pub(super) fn take(&mut self) -> Vec<MetricChange> {
        std::mem::take(&mut self.changes)
    }

    /// The process is gone, and with it what it knew; what it has said is said.
    pub(super) fn crashed(&mut self) {
        *self = Tally { by_sequence: self.by_sequence, ..Tally::default() };
    }

    fn count(&mut self, name: &str, labels: Labels) {
        self.changes.push(MetricChange::count(name, labels));
    }

    fn gauge(&mut self, name: &str, labels: Labels, value: f64) {
        self.changes.push(MetricChange::gauge(name, labels, value));
    }

    /// Assignment and request, and the message's id where it has one.
    fn ids(&self, delivery: &Delivery) -> Labels {
        let unknown = if self.by_sequence { delivery.stream_seq().to_string() } else { UNKNOWN.to_owned() };
        let mut labels = Labels::new();
        for name in ["assignment_id", "request_id"] {
            labels = labels.with(name, field(delivery, name).unwrap_or_else(|| unknown.clone()));
        }
        let id = msg_id(delivery).or_else(|| self.by_sequence.then_some(unknown));
        id.into_iter().fold(labels, |labels, id| labels.with("msg_id", id))
    }

    /// An ack is about to be sent.
    pub(super) fn acking(&mut self) {
        self.count("router_jetstream_ack_total", Labels::new());
    }

    /// A message of an unknown tenant came.
    pub(super) fn rejected(&mut self, delivery: &Delivery, tenant: &str) {
        let labels = self.ids(delivery).with("reason", TENANT_VALIDATION_FAILED).with("tenant_id", tenant);
        self.count("router_results_tenant_rejected_total", labels);
    }

    /// A nak is about to be sent.
    pub(super) fn redelivery_asked(&mut self, delivery: &Delivery, tenant: &str) {
        let labels = self.ids(delivery).with("reason", TENANT_VALIDATION_FAILED).with("source", "tenant_validation");
        self.count("router_jetstream_redelivery_total", labels.with("tenant_id", tenant));
    }

    /// A message came for the last time.
    pub(super) fn exhausted(&mut self, delivery: &Delivery, count: u64, limit: u64) {
        let labels = self.ids(delivery).with("reason", MAXDELIVER_EXHAUSTED);
        let labels = labels.with("delivery_count", count.to_string()).with("max_deliver", limit.to_string());
        self.count("router_jetstream_maxdeliver_exhausted_total", labels);
    }

    /// A message goes to the DLQ.
    pub(super) fn dead(&mut self, delivery: &Delivery, tenant: &str) {
        let id = msg_id(delivery).unwrap_or_else(|| delivery.stream_seq().to_string());
        let labels = self.ids(delivery).with("reason", MAXDELIVER_EXHAUSTED).with("source", "tenant_validation");
        self.count("router_dlq_total", labels.with("tenant_id", tenant).with("msg_id", id));
    }

    /// So many publishes wait for a connection.
    pub(super) fn pending(&mut self, operations: usize) {
        self.gauge("router_nats_pending_operations_count", Labels::new(), operations as f64);
    }

    /// One publish more than can wait: the oldest is gone.
    pub(super) fn pending_dropped(&mut self) {
        self.count("router_nats_pending_operations_dropped_total", Labels::new());
    }

    /// What became of something sent.
    pub(super) fn sent(&mut self, delivery: &Delivery, action: &Action, sent: &Sent) {
        let token = &delivery.token;
        match &action.send {
            Sending::Ack(AckKind::Ack) => match sent {
                Sent::Done => self.count("router_nats_ack_total", Labels::new()),
                Sent::Failed(reason) => {
                    let labels = Labels::new().with("reason", reason.clone()).with("subject", delivery.subject.clone());
                    let labels = labels.with("stream", token.stream.clone()).with("consumer", token.consumer.clone());
                    self.count("router_nats_ack_failures_total", labels);
                }
                Sent::Confirmed | Sent::Refused(_) => {}
            },
            Sending::Ack(AckKind::Nak { .. }) => match sent {
                Sent::Done => self.count("router_nats_nak_total", Labels::new()),
                Sent::Failed(reason) => {
                    let labels = Labels::new().with("reason", reason.clone()).with("subject", delivery.subject.clone());
                    self.count("router_nats_nak_failures_total", labels.with("stream", token.stream.clone()));
                }
                Sent::Confirmed | Sent::Refused(_) => {}
            },
            Sending::Publish(message) if action.sync => self.published_with_ack(message, sent),
            Sending::Publish(message) => self.published(message, sent),
            Sending::Ack(_) | Sending::Nothing => {}
        }
    }

    fn published(&mut self, message: &Message, sent: &Sent) {
        match sent {
            Sent::Failed(reason) | Sent::Refused(reason) => {
                self.count("router_nats_publish_failures_total", failure(message, reason, "usage"));
                self.count("router_usage_emit_failed_total", Labels::new().with("subject", text(&message.subject)));
            }
            Sent::Done | Sent::Confirmed => {
                self.count("router_nats_publish_total", Labels::new());
                self.count("router_usage_emit_total", Labels::new().with("status", "ok"));
            }
        }
    }

    fn published_with_ack(&mut self, message: &Message, sent: &Sent) {
        match sent {
            // Whether it is stored, only the pub ack says.
            Sent::Done => {}
            Sent::Failed(reason) | Sent::Refused(reason) => {
                self.count("router_nats_publish_with_ack_failures_total", failure(message, reason, "dlq"));
            }
            Sent::Confirmed => self.count("router_nats_publish_with_ack_total", Labels::new()),
        }
    }

    /// What became of a pull request, which here is what a subscription is to a push consumer.
    pub(super) fn pulled(&mut self, stream: &str, consumer: &str, sent: &Sent) {
        match sent {
            Sent::Failed(reason) | Sent::Refused(reason) => {
                let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
                let labels = Labels::new().with("reason", reason.clone()).with("subject", subject);
                self.count("router_nats_subscribe_failures_total", labels.with("stream", stream).with("consumer", consumer));
            }
            Sent::Done | Sent::Confirmed => self.count("router_nats_subscribe_total", Labels::new()),
        }
    }

    /// What became of the connection.
    pub(super) fn connection(&mut self, change: ConnectionChange) {
        match change {
            ConnectionChange::Up => {
                self.status("connected", 1.0);
                let again = std::mem::replace(&mut self.was_connected, true);
                self.attempts = None;
                if again {
                    self.count("router_nats_reconnect_attempts_total", Labels::new());
                    self.count("router_nats_connection_restored_total", Labels::new());
                } else {
                    self.count("router_nats_connection_established_total", Labels::new());
                }
            }
            ConnectionChange::Lost => {
                self.status("disconnected", 0.0);
                self.attempts = Some(0);
                self.count("router_nats_connection_lost_total", Labels::new());
            }
            ConnectionChange::AttemptFailed => self.attempt_failed(),
        }
    }

    fn attempt_failed(&mut self) {
        let attempt = self.attempts.unwrap_or(0) + 1;
        self.attempts = Some(attempt);
        // A service that has given up tries no more; the client below it does.
        if attempt > RECONNECT_ATTEMPTS {
            return;
        }
        self.status("reconnecting", 0.5);
        self.count("router_nats_reconnect_attempts_total", Labels::new());
        let labels = Labels::new().with("reason", "connection_refused").with("cluster", "default");
        self.count("router_nats_reconnect_failures_total", labels.with("attempt", attempt.to_string()));
        if attempt == RECONNECT_ATTEMPTS {
            self.status("disconnected", 0.0);
            self.count("router_nats_reconnection_exhausted_total", Labels::new());
        }
    }

    fn status(&mut self, state: &str, value: f64) {
        self.gauge("router_nats_connection_status", Labels::new().with("state", state), value);
    }
}

fn failure(message: &Message, reason: &Text, source: &str) -> Labels {
    let labels = Labels::new().with("reason", reason.clone()).with("subject", text(&message.subject));
    // A subject does not say which stream takes it.
    labels.with("stream", UNKNOWN).with("source", source)
}
