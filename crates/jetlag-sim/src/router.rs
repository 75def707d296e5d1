//! Handlers in the shape of a router service: it counts deliveries itself, is idempotent, and accepts messages of known tenants only.
//! Two of them are shipped: `router`, and `router-forgetful` with a bug that such services do have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jetlag_model::{AckKind, StreamSeq};

use crate::{Action, Delivery, Handler, Plan, Sent};

/// A message, as the router tells messages apart.
type MessageKey = (Arc<str>, Arc<str>, StreamSeq);

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
    counts: BTreeMap<MessageKey, u64>,
    /// The count after the latest delivery of each message, also of those that are not tracked any more.
    latest: BTreeMap<MessageKey, u64>,
    processed: BTreeSet<MessageKey>,
}

/// Options that are no router's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// An option that does not exist.
    #[error("a router has no option {0:?}; it has tenants=NAME,NAME and limit=N")]
    UnknownOption(String),
    /// A limit that is no number above zero.
    #[error("limit={0:?} is not a number of deliveries; write limit=3")]
    Limit(String),
}

impl Router {
    /// A router that accepts these tenants and gives a rejected message up at its `limit`th delivery.
    pub fn new<T: Into<String>>(tenants: impl IntoIterator<Item = T>, limit: u64) -> Router {
        Router {
            tenants: tenants.into_iter().map(Into::into).collect(),
            limit,
            forgetful: false,
            counts: BTreeMap::new(),
            latest: BTreeMap::new(),
            processed: BTreeSet::new(),
        }
    }

    /// The same with a bug: it forgets its count of a message when it sends the ack, even if sending failed, so that the message counts
    /// from 1 again when it comes back.
    #[must_use]
    pub fn forgetful(mut self) -> Router {
        self.forgetful = true;
        self
    }

    /// Reads `tenants=acme,corp` (default `acme`) and `limit=3` (default 3).
    ///
    /// # Errors
    /// When an option is unknown or can not be read.
    pub fn from_options<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Router, RouterError> {
        let (mut tenants, mut limit) = ("acme", 3);
        for (key, value) in options {
            match key {
                "tenants" => tenants = value,
                "limit" => {
                    limit = value.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| RouterError::Limit(value.to_owned()))?;
                }
                _ => return Err(RouterError::UnknownOption(key.to_owned())),
            }
        }
        Ok(Router::new(tenants.split(',').filter(|tenant| !tenant.is_empty()), limit))
    }

    /// How many messages it keeps a count of.
    pub fn tracked(&self) -> usize {
        self.counts.len()
    }

    /// How many messages it processed, each once.
    pub fn processed(&self) -> usize {
        self.processed.len()
    }
}

fn key(delivery: &Delivery) -> MessageKey {
    (delivery.token.stream.clone(), delivery.token.consumer.clone(), delivery.token.stream_seq)
}

/// Whose message it is.
fn tenant(delivery: &Delivery) -> Option<String> {
    if let Some(tenant) = delivery.header("tenant_id") {
        return Some(tenant.to_owned());
    }
    let body: serde_json::Value = serde_json::from_slice(&delivery.payload).ok()?;
    body.get("tenant_id")?.as_str().map(str::to_owned)
}

impl Handler for Router {
    fn handle(&mut self, delivery: &Delivery) -> Plan {
        let key = key(delivery);
        let count = self.counts.entry(key.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        self.latest.insert(key.clone(), count);
        match tenant(delivery) {
            None => Plan::ignore(),
            Some(tenant) if self.tenants.contains(&tenant) => {
                self.processed.insert(key);
                Action::ack().into()
            }
            Some(_) => {
                if count >= self.limit {
                    self.counts.remove(&key);
                }
                Action::nak().into()
            }
        }
    }

    fn sent(&mut self, delivery: &Delivery, action: &Action, sent: &Sent) {
        if action.send == Some(AckKind::Ack) && (self.forgetful || !matches!(sent, Sent::Failed(_))) {
            self.counts.remove(&key(delivery));
        }
    }

    fn own_count(&self, delivery: &Delivery) -> Option<u64> {
        self.latest.get(&key(delivery)).copied()
    }

    fn crashed(&mut self) {
        self.counts.clear();
        self.latest.clear();
        self.processed.clear();
    }
}
