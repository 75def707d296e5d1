//! Handlers in the shape of a router service: it counts deliveries itself, is idempotent, and accepts messages of known tenants only.
//! Two of them are shipped: `router`, and `router-forgetful` with a bug that such services do have. What they count is in `tally`.

mod tally;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jetlag_model::{AckKind, Address, Headers, Message, StreamSeq, Text, is_valid_literal};
use jetlag_trace::MetricChange;

use self::tally::Tally;
use crate::{Action, ConnectionChange, Delivery, Handler, Plan, Sending, Sent};

/// A message, as the router tells messages apart.
type MessageKey = (Text, Text, StreamSeq);

/// So many publishes wait for a connection; one more, and the oldest is dropped.
const PENDING_OPERATIONS: usize = 1000;

/// So many failed attempts to get the connection back, and the router gives up waiting for it.
const RECONNECT_ATTEMPTS: u64 = 10;

/// The text of a failure to send without a connection.
const NOT_CONNECTED: &str = "not connected";

/// The router's handler.
///
/// On each delivery it bumps its own count for the message. A message of a known tenant is acknowledged, and processed if it was not
/// before; one of an unknown tenant is rejected with a plain nak, and given up when the count reaches the limit; one without a tenant
/// gets no answer at all, so that only ack_wait brings it back. The tenant is the header `tenant_id`, or `tenant_id` of a JSON payload.
#[derive(Clone, Debug)]
pub struct Router {
    tenants: BTreeSet<String>,
    limit: u64,
    forgetful: bool,
    exhausted: Exhausted,
    /// Where a usage event goes for each message that is processed.
    usage: Option<String>,
    counts: BTreeMap<MessageKey, u64>,
    /// The count after the latest delivery of each message, also of those that are not tracked any more.
    latest: BTreeMap<MessageKey, u64>,
    processed: BTreeSet<MessageKey>,
    /// Usage events that wait for a connection.
    pending: VecDeque<(Delivery, Message)>,
    tally: Tally,
}

/// What a router does with a rejected message at its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exhausted {
    /// Naks it once more: the server gives it up.
    Nak,
    /// Publishes it to the subject with `.dlq` behind it, and acknowledges it.
    Dlq,
}

/// Options that are no router's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// An option that does not exist.
    #[error("a router has no option {0:?}; it has tenants, limit, exhausted, usage and ids")]
    UnknownOption(String),
    /// A limit that is no number above zero.
    #[error("limit={0:?} is not a number of deliveries; write limit=3")]
    Limit(String),
    /// Something else than to nak or to publish to the DLQ.
    #[error("exhausted={0:?} is nothing that a router does with a message at its limit; write exhausted=nak or exhausted=dlq")]
    Exhausted(String),
    /// No subject to publish to.
    #[error("usage={0:?} is no subject that can be published to")]
    Usage(String),
    /// Something else than the two ways to name messages without ids.
    #[error("ids={0:?} is no way to name messages that have no ids; write ids=unknown or ids=sequence")]
    Ids(String),
}

impl Router {
    /// A router that accepts these tenants and gives a rejected message up at its `limit`th delivery.
    pub fn new<T: Into<String>>(tenants: impl IntoIterator<Item = T>, limit: u64) -> Router {
        Router {
            tenants: tenants.into_iter().map(Into::into).collect(),
            limit,
            forgetful: false,
            exhausted: Exhausted::Nak,
            usage: None,
            counts: BTreeMap::new(),
            latest: BTreeMap::new(),
            processed: BTreeSet::new(),
            pending: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// The same with a bug: it forgets its count of a message when it sends the ack, even if sending failed, so that the message counts
    /// from 1 again when it comes back.
    #[must_use]
    pub fn forgetful(mut self) -> Router {
        self.forgetful = true;
        self
    }

    /// Reads `tenants=acme,corp` (default `acme`), `limit=3` (default 3), `exhausted=nak` or `dlq` (default `nak`), `usage=SUBJECT` (default
    /// none: no usage events), and `ids=unknown` or `sequence` (default `unknown`): what stands in the labels of messages without ids.
    ///
    /// # Errors
    /// When an option is unknown or can not be read.
    pub fn from_options<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Router, RouterError> {
        let mut router = Router::new(["acme"], 3);
        for (key, value) in options {
            match key {
                "tenants" => router.tenants = value.split(',').filter(|tenant| !tenant.is_empty()).map(str::to_owned).collect(),
                "limit" => {
                    router.limit = value.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| RouterError::Limit(value.to_owned()))?;
                }
                "exhausted" => {
                    router.exhausted = match value {
                        "nak" => Exhausted::Nak,
                        "dlq" => Exhausted::Dlq,
                        _ => return Err(RouterError::Exhausted(value.to_owned())),
                    }
                }
                "usage" if is_valid_literal(value) => router.usage = Some(value.to_owned()),
                "usage" => return Err(RouterError::Usage(value.to_owned())),
                "ids" => {
                    router.tally.by_sequence = match value {
                        "unknown" => false,
                        "sequence" => true,
                        _ => return Err(RouterError::Ids(value.to_owned())),
                    }
                }
                _ => return Err(RouterError::UnknownOption(key.to_owned())),
            }
        }
        Ok(router)
    }

    /// How many messages it keeps a count of.
    pub fn tracked(&self) -> usize {
        self.counts.len()
    }

    /// How many messages it processed, each once.
    pub fn processed(&self) -> usize {
        self.processed.len()
    }

    /// A message of a known tenant: a usage event the first time, and an ack.
    fn accept(&mut self, delivery: &Delivery, key: MessageKey) -> Plan {
        let first = self.processed.insert(key);
        self.tally.acking();
        let usage = self.usage.as_ref().filter(|_| first).map(|subject| Action::publish(Message::new(subject.as_str(), &delivery.payload)));
        Plan::new(usage.into_iter().chain([Action::ack()]))
    }

    /// A message of an unknown tenant: rejected, and given up at the limit.
    fn reject(&mut self, delivery: &Delivery, key: &MessageKey, count: u64, tenant: &str) -> Plan {
        self.tally.rejected(delivery, tenant);
        if count >= self.limit {
            self.counts.remove(key);
            self.tally.exhausted(delivery, count, self.limit);
            if self.exhausted == Exhausted::Dlq {
                self.tally.dead(delivery, tenant);
                self.tally.acking();
                return Plan::new([Action::publish(dead_letter(delivery)).sync(), Action::ack()]);
            }
        }
        self.tally.redelivery_asked(delivery, tenant);
        Action::nak().into()
    }

    /// A usage event could not be sent for want of a connection: it waits for one.
    fn wait(&mut self, delivery: &Delivery, message: &Message) {
        self.pending.push_back((delivery.clone(), message.clone()));
        if self.pending.len() > PENDING_OPERATIONS {
            self.pending.pop_front();
            self.tally.pending_dropped();
        }
        self.tally.pending(self.pending.len());
    }
}

fn key(delivery: &Delivery) -> MessageKey {
    (delivery.token.stream.clone(), delivery.token.consumer.clone(), delivery.token.stream_seq)
}

/// A field of a message: a header, or a text in its JSON payload.
fn field(delivery: &Delivery, name: &str) -> Option<String> {
    if let Some(value) = delivery.header(name) {
        return Some(value.to_owned());
    }
    let body: serde_json::Value = serde_json::from_slice(&delivery.payload).ok()?;
    body.get(name)?.as_str().map(str::to_owned)
}

/// What goes to the DLQ: the message, its headers, and why.
fn dead_letter(delivery: &Delivery) -> Message {
    let own = delivery.headers.iter().flat_map(Headers::fields).filter(|(name, _)| !name.starts_with("Nats-"));
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let id = tally::msg_id(delivery).unwrap_or_else(|| delivery.stream_seq().to_string());
    let why = [("x-dlq-reason".to_owned(), tally::MAXDELIVER_EXHAUSTED.to_owned()), ("x-original-msg-id".to_owned(), id)];
    let fields: Vec<_> = own.chain(why).collect();
    let headers = Headers::from_fields(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Message::new(format!("{}.dlq", delivery.subject).as_str(), &delivery.payload).with_headers(headers)
}

impl Handler for Router {
    fn handle(&mut self, delivery: &Delivery) -> Plan {
        let key = key(delivery);
        let count = self.counts.entry(key.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        self.latest.insert(key.clone(), count);
        match field(delivery, "tenant_id") {
            None => Plan::ignore(),
            Some(tenant) if self.tenants.contains(&tenant) => self.accept(delivery, key),
            Some(tenant) => self.reject(delivery, &key, count, &tenant),
        }
    }

    fn sent(&mut self, delivery: &Delivery, action: &Action, sent: &Sent) {
        self.tally.sent(delivery, action, sent);
        match (&action.send, sent) {
            (Sending::Ack(AckKind::Ack), _) if self.forgetful || !matches!(sent, Sent::Failed(_)) => {
                self.counts.remove(&key(delivery));
            }
            (Sending::Publish(message), Sent::Failed(reason)) if !action.sync && **reason == *NOT_CONNECTED => {
                self.wait(delivery, message);
            }
            _ => {}
        }
    }

    fn own_count(&self, delivery: &Delivery) -> Option<u64> {
        self.latest.get(&key(delivery)).copied()
    }

    fn pulled(&mut self, stream: &str, consumer: &str, sent: &Sent) {
        self.tally.pulled(stream, consumer, sent);
    }

    fn connection(&mut self, change: ConnectionChange) -> Vec<(Delivery, Action)> {
        self.tally.connection(change);
        if change != ConnectionChange::Up || self.pending.is_empty() {
            return Vec::new();
        }
        self.tally.pending(0);
        self.pending.drain(..).map(|(delivery, message)| (delivery, Action::publish(message))).collect()
    }

    fn take_metrics(&mut self) -> Vec<MetricChange> {
        self.tally.take()
    }

    fn crashed(&mut self) {
        self.counts.clear();
        self.latest.clear();
        self.processed.clear();
        self.pending.clear();
        self.tally.crashed();
    }
}

/// A subject as text.
fn text(address: &Address) -> Text {
    address.text().as_ref().into()
}
