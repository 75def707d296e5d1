//! A server that listens: what starts one, and what whoever started it can see and do.

use std::net::SocketAddr;
use std::sync::Arc;

use jetlag_core::LostTail;
use jetlag_fault::{Report, Rule};
use jetlag_model::{Duration, Time};
use jetlag_trace::{Record, Trace};
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::broker::{Broker, DEFAULT_NAMESPACE};
use crate::canary;
use crate::config::ServerConfig;
use crate::error::ServerError;
use crate::limit::VirtualLimit;
use crate::namespace::Namespace;
use crate::sockets::{Shared, TURNS, serve};
use crate::state::{body, scrape, state, varz};

/// How many records a dump shows.
const DUMPED: usize = 40;

/// A server that listens, in the tokio runtime that it was started in, until it is dropped.
pub struct Running {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: AbortHandle,
}

impl Running {
    /// Starts a server on `address`. Port 0 chooses a free one. With `limit`, the process ends when so much time has passed on the runtime's
    /// clock.
    ///
    /// # Errors
    /// When it can not listen there, the runtime's clock is paused and runs ahead of sockets, or what is kept on disk is of no use.
    pub async fn start(config: ServerConfig, address: SocketAddr, limit: Option<Duration>) -> Result<Running, ServerError> {
        let failed = |source| ServerError::Listen { address: address.to_string(), source };
        canary::check().await?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let limit = limit.map(|limit| VirtualLimit::new(Time::START + limit));
        let shared = Arc::new(Shared::new(Broker::open(config, address)?, limit));
        let task = tokio::spawn(serve(shared.clone(), listener)).abort_handle();
        Ok(Running { shared, address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What whoever started it may want to know.
    pub fn notes(&self) -> Vec<String> {
        self.shared.look(|broker| broker.notes().to_vec())
    }

    /// Stops in good order: waiting pulls are told so, connections end when all is written to them, and the store holds everything. A client
    /// that does not read is waited for no longer than `patience`.
    ///
    /// # Errors
    /// When the store can not be written.
    pub async fn stop(&self, patience: std::time::Duration) -> Result<(), ServerError> {
        self.shared.with(|broker, now| broker.stop(now));
        // Who does not read is cut off.
        let _ = tokio::time::timeout(patience, self.shared.deserted()).await;
        self.shared.with(|broker, _| broker.finish_traces());
        self.task.abort();
        self.shared.take_failure().map_or(Ok(()), Err)
    }

    /// Waits until something fails that the server can not go on without, and says what. A server that does not fail is waited for in vain.
    pub async fn failed(&self) -> ServerError {
        self.shared.failed().await
    }

    /// Lets all tasks run several times, so that what is under way at this instant arrives.
    pub async fn quiet(&self) {
        for _ in 0..4 * TURNS {
            tokio::task::yield_now().await;
        }
    }

    /// Virtual time of a namespace.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn now(&self, namespace: &str) -> Result<Time, ServerError> {
        self.in_namespace(namespace, |namespace| Ok(namespace.now()))
    }

    /// Adds a fault rule.
    ///
    /// # Errors
    /// When the rule makes no sense for real clients, or its id is in use.
    pub fn add_rule(&self, namespace: &str, rule: Rule) -> Result<(), ServerError> {
        self.in_namespace(namespace, |namespace| namespace.add_rule(rule))
    }

    /// Takes a fault rule away.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn clear_rule(&self, namespace: &str, id: &str) -> Result<(), ServerError> {
        self.in_namespace(namespace, |namespace| namespace.clear_rule(id))
    }

    /// How often each rule was asked and acted.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn reports(&self, namespace: &str) -> Result<Vec<Report>, ServerError> {
        self.in_namespace(namespace, |namespace| Ok(namespace.reports().cloned().collect()))
    }

    /// Stops the simulated server in good order; it starts again after `downtime`. The listening socket stays, and refuses clients until then.
    ///
    /// # Errors
    /// When it is down already, or the downtime is below zero.
    pub fn restart(&self, namespace: &str, downtime: Duration) -> Result<(), ServerError> {
        self.in_namespace(namespace, |namespace| namespace.take_down(None, downtime, None))
    }

    /// Kills the simulated server; its storage loses `lost`, and it starts again after `downtime`.
    ///
    /// # Errors
    /// As [`Running::restart`].
    pub fn kill(&self, namespace: &str, downtime: Duration, lost: LostTail) -> Result<(), ServerError> {
        self.in_namespace(namespace, |namespace| namespace.take_down(Some(lost), downtime, None))
    }

    /// Breaks the connections of all clients of this name. Says how many there were.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn disconnect(&self, namespace: &str, client: &str) -> Result<usize, ServerError> {
        self.in_namespace(namespace, |namespace| namespace.disconnect_client(client))
    }

    /// The trace so far, if everything is kept (see [`Keep`](crate::Keep)).
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn trace(&self, namespace: &str) -> Result<Option<Trace>, ServerError> {
        self.in_namespace(namespace, |namespace| Ok(namespace.ledger().trace().cloned()))
    }

    /// Looks at the records so far; at none if not everything is kept (see [`Keep`](crate::Keep)).
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn with_records<R>(&self, namespace: &str, look: impl FnOnce(&[Record]) -> R) -> Result<R, ServerError> {
        self.in_namespace(namespace, |namespace| Ok(look(namespace.ledger().trace().map_or(&[], Trace::records))))
    }

    /// What the infos of all streams and consumers say now, as the records that set gauges.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn scrape(&self, namespace: &str) -> Result<Vec<Record>, ServerError> {
        self.in_namespace(namespace, scrape)
    }

    /// Counters and gauges of a namespace as Prometheus text; of counters there are none unless
    /// [`ServerConfig::count`](crate::ServerConfig::count) is set.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn metrics_text(&self, namespace: &str) -> Result<String, ServerError> {
        self.in_namespace(namespace, |namespace| {
            let mut metrics = namespace.ledger().metrics().cloned().unwrap_or_default();
            metrics.add_all(&scrape(namespace)?);
            Ok(metrics.text())
        })
    }

    /// What nats-server's `/varz` says, as far as it is known here.
    pub fn varz(&self) -> Json {
        self.shared.with(|broker, now| varz(broker, now))
    }

    /// Whether the simulated server of a namespace runs.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn is_up(&self, namespace: &str) -> Result<bool, ServerError> {
        self.in_namespace(namespace, |namespace| Ok(namespace.is_up()))
    }

    /// Waits until a client sends something, comes or goes, or something is due. What happens after this was called counts, awaited or not.
    pub fn traffic(&self) -> impl Future<Output = ()> + '_ {
        self.shared.traffic.notified()
    }

    /// How many pieces of bytes were read from clients so far.
    pub fn reads(&self) -> u64 {
        self.shared.reads()
    }

    /// How many connections there are, with those that have said nothing yet.
    pub fn connection_count(&self) -> usize {
        self.shared.connection_count()
    }

    /// Streams, consumers, connections and rules as JSON.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn state(&self, namespace: &str) -> Result<Json, ServerError> {
        self.in_namespace(namespace, state)
    }

    /// The JSON with which the simulated server answers an API request, unseen by rules and clients. `None` while it is down.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn ask(&self, namespace: &str, subject: &str, request: &Json) -> Result<Option<Json>, ServerError> {
        let request = if request.is_null() { Vec::new() } else { request.to_string().into_bytes() };
        self.in_namespace(namespace, |namespace| Ok(namespace.ask(subject, &request)?.map(|answer| body(&answer))))
    }

    fn in_namespace<R>(&self, name: &str, f: impl FnOnce(&mut Namespace) -> Result<R, ServerError>) -> Result<R, ServerError> {
        self.shared.with(|broker, now| {
            // What is due by now has happened before anybody looks.
            broker.tick_one(now, &name.into());
            let place = broker.places.get_mut(name).ok_or_else(|| ServerError::NoNamespace(name.to_owned()))?;
            let result = f(&mut place.namespace);
            broker.collect(&name.into());
            result
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a server knows when something went wrong: where time stands, what is due, who is there, what happened last.
pub(crate) fn dump(broker: &mut Broker) -> String {
    let mut text = String::new();
    for (name, place) in &mut broker.places {
        let namespace = &mut place.namespace;
        let which = if &**name == DEFAULT_NAMESPACE { String::new() } else { format!(" of user {name}") };
        text += &format!("At {}{which}:\n", namespace.now());
        for (conn, client) in namespace.connections() {
            text += &format!("  connection {conn}: {client}\n");
        }
        if let Ok(state) = state(namespace) {
            for consumer in state["streams"].as_array().into_iter().flatten().flat_map(|stream| stream["consumers"].as_array()).flatten() {
                text += &format!(
                    "  consumer {}/{}: {} unacknowledged, {} to deliver, {} pulls waiting\n",
                    consumer["stream_name"].as_str().unwrap_or("?"),
                    consumer["name"].as_str().unwrap_or("?"),
                    consumer["num_ack_pending"],
                    consumer["num_pending"],
                    consumer["num_waiting"],
                );
            }
        }
        text += "  what happened last:\n";
        for record in namespace.ledger().latest(DUMPED) {
            let line = jetlag_trace::line(record).unwrap_or_else(|| jetlag_trace::json_line(record));
            text += &format!("    {line}\n");
        }
    }
    text
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}
