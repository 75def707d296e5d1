//! A server for real clients inside a test: it listens on loopback and takes its time from tokio's clock.

mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use jetlag_core::LostTail;
use jetlag_fault::{Report, RuleId};
use jetlag_metrics::Metrics;
use jetlag_model::{ApiError, ConsumerInfo, Duration, ServerVersion, StreamInfo, Time};
use jetlag_server::{Running, ServerConfig, ServerError};
use jetlag_trace::Trace;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::names::{ConsumerPath, is_name};
use crate::{Error, Fault, IntoDuration};

pub use watch::Arrival;

/// How a [`Server`] is set up.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use jetlag::{Error, Server, ServerOptions};
///
/// let server = Server::start_with(ServerOptions { version: "2.11.11".parse().unwrap(), ..Default::default() }).await?;
/// # drop(server);
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ServerOptions {
    /// The release of nats-server that it behaves like.
    pub version: ServerVersion,
    /// What faults that act by chance draw from.
    pub seed: u64,
    /// So much time on tokio's clock ends the process, after a report of what the server knows: a test on a paused clock that waits for
    /// what never comes would not end otherwise. On a running clock it is never reached.
    pub virtual_limit: Duration,
    /// The port on 127.0.0.1; 0 chooses a free one.
    pub port: u16,
}

impl Default for ServerOptions {
    /// The newest version, seed 1, a limit of 7 days, any port.
    fn default() -> ServerOptions {
        ServerOptions { version: ServerVersion::NEWEST, seed: 1, virtual_limit: Duration::from_secs(7 * 24 * 3600), port: 0 }
    }
}

/// A NATS server with JetStream for real clients in the same tokio runtime, until it is dropped.
///
/// Under `#[tokio::test(start_paused = true)]` time jumps whenever everybody waits: hours of ack_wait and backoff pass in milliseconds. On a
/// running clock the same test takes as long as on a real server.
///
/// What it needs of tokio: the current-thread runtime (a paused clock exists there alone), and 1.53.3 or later (or 1.51.6 and later of 1.51),
/// which is checked at the start.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use jetlag::{Error, Fault, Server};
///
/// let server = Server::start().await?;
/// server.fault(Fault::drop().acks().first(2))?;
/// // let client = async_nats::connect(server.url()).await?;
/// # assert!(server.url().starts_with("nats://127.0.0.1:"));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Server {
    running: Running,
    faults: AtomicU64,
}

/// The namespace of clients without a user name.
const NAMESPACE: &str = "";
/// What the server calls a stream that is not there, and a consumer.
const NOT_FOUND: [u64; 2] = [10_059, 10_014];

impl Server {
    /// Starts a server of the newest version on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When it can not listen, or tokio's clock is paused and runs ahead of sockets; the text says what to do.
    pub async fn start() -> Result<Server, Error> {
        Server::start_with(ServerOptions::default()).await
    }

    /// Starts a server that is set up otherwise.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_with(options: ServerOptions) -> Result<Server, Error> {
        let mut config = ServerConfig::default();
        config.version = options.version;
        config.seed = options.seed;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let running = Running::start(config, address, Some(options.virtual_limit)).await?;
        Ok(Server { running, faults: AtomicU64::new(0) })
    }

    /// What clients connect to: `nats://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.running.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// Time since the start, on the server's clock.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn now(&self) -> Result<Time, Error> {
        Ok(self.running.now(NAMESPACE)?)
    }

    /// Lets everybody run until what clients have sent is done, at this instant: for looking at the server right after an
    /// acknowledgement that nobody confirms. On a paused clock no time passes.
    pub async fn quiet(&self) {
        self.running.quiet().await;
    }

    /// Makes something go wrong from now on. Returns what the fault is called. A client's name is what it gives itself when it connects
    /// (`ConnectOptions::name` of async-nats); without one it is `c1`, `c2` and so on.
    ///
    /// # Errors
    /// When the fault contradicts itself, its name is taken, or it is one that acts inside a client (`slow`, and `error` but for
    /// [connections](Fault::connections), which are turned away with its text).
    pub fn fault(&self, fault: Fault) -> Result<RuleId, Error> {
        let number = self.faults.load(Ordering::Relaxed) + 1;
        let rule = fault.into_rule(|| format!("fault{number}"))?;
        let id = rule.id.clone();
        self.running.add_rule(NAMESPACE, rule)?;
        self.faults.store(number, Ordering::Relaxed);
        Ok(id)
    }

    /// Takes a fault away.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn clear_fault(&self, name: &str) -> Result<(), Error> {
        Ok(self.running.clear_rule(NAMESPACE, name)?)
    }

    /// How often each fault was asked and acted, in the order in which they were added, cleared ones included.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn faults(&self) -> Result<Vec<Report>, Error> {
        Ok(self.running.reports(NAMESPACE)?)
    }

    /// How often a fault acted.
    ///
    /// # Errors
    /// When there never was one of this name.
    pub fn hits(&self, fault: &str) -> Result<u64, Error> {
        let report = self.faults()?.into_iter().find(|report| *report.id == *fault);
        report.map(|report| report.hits).ok_or_else(|| Error::Fault(jetlag_fault::RuleError::NotThere(fault.into())))
    }

    /// The server stops in good order, and starts again after `downtime`. Until then clients are turned away; they come back by themselves.
    ///
    /// # Errors
    /// When it is down already, or the downtime is none.
    pub fn restart(&self, downtime: impl IntoDuration) -> Result<(), Error> {
        Ok(self.running.restart(NAMESPACE, downtime.into_duration()?)?)
    }

    /// The server is killed, its storage loses a tail of messages and consumer state alike, or as a [`LostTail`] says, and it starts again
    /// after `downtime`.
    ///
    /// # Errors
    /// As [`Server::restart`].
    pub fn kill(&self, downtime: impl IntoDuration, lost: impl Into<LostTail>) -> Result<(), Error> {
        Ok(self.running.kill(NAMESPACE, downtime.into_duration()?, lost.into())?)
    }

    /// Breaks the connections of all clients of this name. Says how many there were.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn disconnect(&self, client: &str) -> Result<usize, Error> {
        Ok(self.running.disconnect(NAMESPACE, client)?)
    }

    /// What the server says of a stream.
    ///
    /// # Errors
    /// When the name is none, or there is no such stream.
    pub fn stream_info(&self, stream: &str) -> Result<StreamInfo, Error> {
        if !is_name(stream) {
            return Err(Error::StreamName(stream.to_owned()));
        }
        self.info(&format!("$JS.API.STREAM.INFO.{stream}"), &Json::Null).map_err(|error| match error {
            Error::Api(error) if NOT_FOUND.contains(&error.err_code.into()) => {
                Error::UnknownStream { stream: stream.to_owned(), known: self.names("$JS.API.STREAM.NAMES", "streams") }
            }
            other => other,
        })
    }

    /// What the server says of a consumer, named by its path `STREAM/CONSUMER`.
    ///
    /// # Errors
    /// When the path is none, or there is no such consumer.
    pub fn consumer_info(&self, path: &str) -> Result<ConsumerInfo, Error> {
        let ConsumerPath { stream, consumer } = ConsumerPath::parse(path)?;
        self.info(&format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), &Json::Null).map_err(|error| match error {
            Error::Api(error) if NOT_FOUND.contains(&error.err_code.into()) => Error::UnknownConsumer {
                stream: stream.to_owned(),
                consumer: consumer.to_owned(),
                known: self.names(&format!("$JS.API.CONSUMER.NAMES.{stream}"), "consumers"),
            },
            other => other,
        })
    }

    /// Everything that crossed the wire and happened behind it, with inboxes and other random names replaced by their order of appearance:
    /// the same test has the same trace, whatever the clients drew.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn trace(&self) -> Result<Trace, Error> {
        Ok(self.running.trace(NAMESPACE)?.unwrap_or_default())
    }

    /// What clients saw, one line each, as a scenario's transcript has it.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn transcript(&self) -> Result<Vec<String>, Error> {
        Ok(self.trace()?.lines().collect())
    }

    /// Counters and gauges of what happened, as a run of the simulator and `jetlag serve` have them: values of series, or Prometheus text.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn metrics(&self) -> Result<Metrics, Error> {
        let mut metrics = Metrics::new();
        self.running.with_records(NAMESPACE, |records| metrics.add_all(records))?;
        metrics.add_all(&self.running.scrape(NAMESPACE)?);
        Ok(metrics)
    }

    /// How many pieces of bytes clients have sent so far: what a test costs, whatever the machine. Most of them in a long wait are the
    /// client's pings and renewed pulls.
    pub fn reads(&self) -> u64 {
        self.running.reads()
    }

    /// How many connections there are, with those that have said nothing yet.
    pub fn connection_count(&self) -> usize {
        self.running.connection_count()
    }

    /// Streams, consumers, connections, the number of subscriptions (those of the server among them), and faults as JSON, for a failing test to print.
    ///
    /// # Errors
    /// None on a server that was started.
    pub fn state(&self) -> Result<Json, Error> {
        Ok(self.running.state(NAMESPACE)?)
    }

    fn info<T: DeserializeOwned>(&self, subject: &str, request: &Json) -> Result<T, Error> {
        let answer = self.running.ask(NAMESPACE, subject, request)?.ok_or(ServerError::Down)?;
        if let Some(error) = answer.get("error") {
            let error: ApiError = serde_json::from_value(error.clone()).map_err(Error::Answer)?;
            return Err(Error::Api(error));
        }
        serde_json::from_value(answer).map_err(Error::Answer)
    }

    /// Names of what there is, for an error to show.
    fn names(&self, subject: &str, key: &str) -> Vec<String> {
        let answer = self.running.ask(NAMESPACE, subject, &json!({})).ok().flatten().unwrap_or_default();
        answer[key].as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}
