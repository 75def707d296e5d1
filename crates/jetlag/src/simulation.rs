//! A run: a world on a simulated server, with what a test needs in few words.

use std::sync::Arc;

use jetlag_core::{CoreConfig, LostTail};
use jetlag_fault::{Report, RuleId};
use jetlag_model::{ConsumerConfig, ConsumerInfo, Duration, ServerVersion, StreamConfig, StreamInfo, Time};
use jetlag_sim::{Actor, Delivery, Handler, Plan, PubAck, Publication, Simulated, WorkerOptions, World, WorldError};
use jetlag_trace::Trace;
use serde_json::Value as Json;

use crate::names::{ConsumerPath, is_name};
use crate::{Error, Fault, IntoDuration};

/// How a run is set up.
///
/// ```
/// use jetlag::{Error, Simulation, SimulationOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sim = Simulation::with_options(SimulationOptions { version: "2.10.29".parse()?, seed: 7 });
/// # let _ = sim;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulationOptions {
    /// The release of nats-server that the simulated one behaves like.
    pub version: ServerVersion,
    /// What faults that act by chance draw from.
    pub seed: u64,
}

impl Default for SimulationOptions {
    /// The newest version, and seed 1.
    fn default() -> SimulationOptions {
        SimulationOptions { version: ServerVersion::NEWEST, seed: 1 }
    }
}

/// A run: one server, its clients and workers, faults, and a clock that moves when told to.
///
/// The same calls give the same run: [`Trace::digest`] of [`Simulation::trace`] says whether two runs were the same to the last byte.
pub struct Simulation {
    world: World<Simulated>,
    faults: u64,
}

/// Who publishes where nobody is named.
const PRODUCER: &str = "producer";
/// What the server calls a stream that is not there, and a consumer.
const STREAM_NOT_FOUND: u64 = 10_059;
const CONSUMER_NOT_FOUND: u64 = 10_014;

impl Simulation {
    /// A run with an empty server of the newest version, at time zero.
    pub fn new() -> Simulation {
        Simulation::with_options(SimulationOptions::default())
    }

    /// A run that is set up otherwise.
    pub fn with_options(options: SimulationOptions) -> Simulation {
        let server = Simulated::with_config(CoreConfig::of(options.version));
        Simulation { world: World::with_seed(server, options.seed), faults: 0 }
    }

    /// Creates a stream with the server's defaults that stores these subjects.
    ///
    /// # Errors
    /// When the name is none, or the server refuses the stream.
    pub fn stream<S: Into<String>>(&mut self, name: &str, subjects: impl IntoIterator<Item = S>) -> Result<(), Error> {
        let subjects = subjects.into_iter().map(Into::into).collect();
        self.stream_with(StreamConfig { name: name.to_owned(), subjects, ..StreamConfig::default() })
    }

    /// Creates a stream. What the configuration leaves at its default the server fills in: a file stream without limits.
    ///
    /// # Errors
    /// As [`Simulation::stream`].
    pub fn stream_with(&mut self, config: StreamConfig) -> Result<(), Error> {
        self.check_stream_name(&config.name)?;
        Ok(self.world.create_stream(&config)?)
    }

    /// Creates a consumer, named by its path `STREAM/CONSUMER`. It is durable unless the configuration has the same name in `name` alone.
    ///
    /// As on the server, the default of `ack_policy` is none: without `AckPolicy::Explicit` nothing is ever delivered again.
    ///
    /// # Errors
    /// When the path is none, the stream is not there, or the server refuses the consumer.
    pub fn consumer(&mut self, path: &str, mut config: ConsumerConfig) -> Result<(), Error> {
        let ConsumerPath { stream, consumer } = ConsumerPath::parse(path)?;
        if let Some(name) = [&config.durable_name, &config.name].into_iter().find(|name| !name.is_empty() && *name != consumer) {
            return Err(Error::TwoNames { path: path.to_owned(), name: name.clone() });
        }
        if config.name.is_empty() {
            config.durable_name = consumer.to_owned();
        }
        let created = self.world.create_consumer(stream, &config);
        created.map_err(|error| self.explain(stream, consumer, error))
    }

    /// Puts a worker to work: it pulls one message after the other from a consumer, and does with each what the closure says. It is the
    /// client of its name.
    ///
    /// ```
    /// use jetlag::{AckPolicy, Action, ConsumerConfig, Error, Plan, Simulation};
    ///
    /// # fn main() -> Result<(), Error> {
    /// let mut sim = Simulation::new();
    /// sim.stream("ORDERS", ["orders.>"])?;
    /// sim.consumer("ORDERS/WORK", ConsumerConfig { ack_policy: AckPolicy::Explicit, ..Default::default() })?;
    /// sim.worker("w1", "ORDERS/WORK", |delivery| {
    ///     let seconds = jetlag::Duration::from_secs;
    ///     match &*delivery.subject {
    ///         "orders.bad" => Plan::from(Action::term("not an order")),
    ///         "orders.slow" => Plan::new([Action::in_progress().after(seconds(20)), Action::ack().after(seconds(40))]),
    ///         _ if delivery.delivery_count().0 == 1 => Action::nak_after(seconds(5)).into(),
    ///         _ => Action::ack().into(),
    ///     }
    /// })?;
    /// sim.publish("orders.1", "a parcel")?;
    /// sim.settle()?;
    /// assert_eq!(sim.deliveries().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the path is none, the consumer is not there or is no pull consumer, or a worker of this name runs.
    pub fn worker<F, P>(&mut self, name: &str, path: &str, handler: F) -> Result<(), Error>
    where
        F: FnMut(&Delivery) -> P + Send + 'static,
        P: Into<Plan>,
    {
        self.worker_with(name, path, WorkerOptions::default(), handler)
    }

    /// The same, fetching as `options` say, and with any [`Handler`]: one that wants to know what became of its actions, for example.
    ///
    /// # Errors
    /// As [`Simulation::worker`].
    pub fn worker_with(&mut self, name: &str, path: &str, options: WorkerOptions, handler: impl Handler + 'static) -> Result<(), Error> {
        let ConsumerPath { stream, consumer } = ConsumerPath::parse(path)?;
        // While the server is down nobody can say whether the consumer is there; the worker begins once it is back.
        if self.world.is_up() {
            let info = self.consumer_info(path)?;
            if info.config.is_push() {
                return Err(Error::PushConsumer { path: path.to_owned(), deliver_subject: info.config.deliver_subject });
            }
        }
        self.world.start_worker(name, stream, consumer, options, Box::new(handler))?;
        Ok(self.world.finish_instant()?)
    }

    /// Ends a worker: it fetches no more, and finishes what it has in hand.
    ///
    /// # Errors
    /// When no worker of this name runs.
    pub fn stop_worker(&mut self, name: &str) -> Result<(), Error> {
        self.world.stop_worker(name)?;
        Ok(self.world.finish_instant()?)
    }

    /// A client to act through, step by step; it comes to be when it is first asked for. A worker is the client of its name.
    ///
    /// ```
    /// use jetlag::{AckPolicy, ConsumerConfig, Error, Simulation};
    ///
    /// # fn main() -> Result<(), Error> {
    /// let mut sim = Simulation::new();
    /// sim.stream("ORDERS", ["orders.>"])?;
    /// sim.consumer("ORDERS/WORK", ConsumerConfig { ack_policy: AckPolicy::Explicit, ..Default::default() })?;
    /// sim.publish("orders.1", "a parcel")?;
    ///
    /// let mut client = sim.client("c1")?;
    /// client.fetch("ORDERS", "WORK", 1)?;
    /// client.disconnect()?;
    /// sim.advance("1s")?;
    /// let mut client = sim.client("c1")?;
    /// client.reconnect()?;
    /// client.ack(1)?;
    /// assert_eq!(sim.consumer_info("ORDERS/WORK")?.num_ack_pending, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the run has no end at this instant.
    pub fn client(&mut self, name: &str) -> Result<Actor<'_, Simulated>, Error> {
        Ok(self.world.client(name)?)
    }

    /// Publishes a message as the client `producer`, and wants it stored at once. A publish that is to fail, or a message with headers,
    /// goes through [`Simulation::client`].
    ///
    /// # Errors
    /// When the message is not stored: each way of failing is an [`Error`] of its own.
    pub fn publish(&mut self, subject: &str, payload: impl AsRef<[u8]>) -> Result<PubAck, Error> {
        let publication = self.client(PRODUCER)?.publish(subject, payload)?;
        let subject = subject.to_owned();
        match publication {
            Publication::Stored(ack) => Ok(ack),
            Publication::Refused { err_code, description } => Err(Error::PublishRefused { subject, err_code, description }),
            Publication::NoResponders => Err(Error::NoStream(subject)),
            Publication::NotSent(text) => Err(Error::NotSent { subject, description: text.to_string() }),
            Publication::Unanswered => Err(Error::NoPubAck(subject)),
        }
    }

    /// Makes something go wrong from now on. Returns what the fault is called.
    ///
    /// # Errors
    /// When the fault contradicts itself, or its name is taken.
    pub fn fault(&mut self, fault: Fault) -> Result<RuleId, Error> {
        let number = self.faults + 1;
        let rule = fault.into_rule(|| format!("fault{number}"))?;
        let id = rule.id.clone();
        self.world.add_rule(rule)?;
        self.faults = number;
        Ok(id)
    }

    /// Takes a fault away.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn clear_fault(&mut self, name: &str) -> Result<(), Error> {
        Ok(self.world.clear_rule(name)?)
    }

    /// How often a fault acted; `None` if there never was one of this name.
    pub fn hits(&self, fault: &str) -> Option<u64> {
        self.faults().find(|report| *report.id == *fault).map(|report| report.hits)
    }

    /// How often each fault was asked and acted, in the order in which they were added, cleared ones included.
    pub fn faults(&self) -> impl ExactSizeIterator<Item = &Report> {
        self.world.rule_reports()
    }

    /// The server stops in good order now, and starts again after `downtime`. Its clients come back by themselves.
    ///
    /// # Errors
    /// When it is down already.
    pub fn restart(&mut self, downtime: impl IntoDuration) -> Result<(), Error> {
        self.world.restart(passing(downtime)?)?;
        Ok(self.world.finish_instant()?)
    }

    /// The server is killed now, its storage loses a tail of messages and consumer state alike, or as a [`LostTail`] says, and it starts
    /// again after `downtime`.
    ///
    /// # Errors
    /// When it is down already.
    pub fn kill(&mut self, downtime: impl IntoDuration, lost: impl Into<LostTail>) -> Result<(), Error> {
        self.world.kill(passing(downtime)?, lost.into())?;
        Ok(self.world.finish_instant()?)
    }

    /// The time since the run started.
    pub fn now(&self) -> Time {
        self.world.now()
    }

    /// Lets time run for this long, and all that is due at the end of it happen.
    ///
    /// # Errors
    /// When this is no length of time, lies in the past, or when things at one instant have no end.
    pub fn advance(&mut self, by: impl IntoDuration) -> Result<(), Error> {
        Ok(self.world.advance(passing(by)?)?)
    }

    /// Lets time run until so long after the start of the run, and all that is due then happen.
    ///
    /// # Errors
    /// As [`Simulation::advance`], and when that instant has passed.
    pub fn advance_to(&mut self, since_start: impl IntoDuration) -> Result<(), Error> {
        Ok(self.world.advance_to(Time::START + passing(since_start)?)?)
    }

    /// Lets time run until nothing is left to happen but the expiry of what is idle: pull requests, heartbeats, old messages, unused
    /// consumers. Returns the instant.
    ///
    /// # Errors
    /// When things have no end: a worker that never acknowledges, and a consumer without `max_deliver`.
    pub fn settle(&mut self) -> Result<Time, Error> {
        Ok(self.world.settle()?)
    }

    /// All deliveries that clients got, in order.
    pub fn deliveries(&self) -> &[Arc<Delivery>] {
        self.world.deliveries()
    }

    /// What a consumer's info request says.
    ///
    /// # Errors
    /// When the path is none, or there is no such consumer.
    pub fn consumer_info(&mut self, path: &str) -> Result<ConsumerInfo, Error> {
        let ConsumerPath { stream, consumer } = ConsumerPath::parse(path)?;
        let answer = self.world.consumer_info(stream, consumer).map_err(|error| self.explain(stream, consumer, error))?;
        let text = answer.to_string();
        serde_json::from_value(answer).map_err(|_| unreadable(&format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), text))
    }

    /// What a stream's info request says.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn stream_info(&mut self, name: &str) -> Result<StreamInfo, Error> {
        self.check_stream_name(name)?;
        let subject = format!("$JS.API.STREAM.INFO.{name}");
        let answer = self.world.api(&subject, &Json::Null).map_err(|error| self.explain(name, "", error))?;
        let text = answer.to_string();
        serde_json::from_value(answer).map_err(|_| unreadable(&subject, text))
    }

    /// All that clients saw and did, a line each: the same lines as in scenario files.
    pub fn transcript(&self) -> String {
        self.trace().lines().map(|line| line + "\n").collect()
    }

    /// All that happened, inside the server too.
    pub fn trace(&self) -> &Trace {
        self.world.trace()
    }

    /// Ends the run, and gives its trace if every fault acted at least once. Faults with a probability need not.
    ///
    /// # Errors
    /// When a fault never acted: then the test did not test what its author had in mind.
    pub fn finish(self) -> Result<Trace, Error> {
        let unused: Vec<_> =
            self.faults().filter(|report| report.hits == 0 && !report.exempt).map(|report| report.id.to_string()).collect();
        if unused.is_empty() { Ok(self.world.into_trace()) } else { Err(Error::FaultUnused(unused)) }
    }

    /// The world below.
    pub fn world(&self) -> &World<Simulated> {
        &self.world
    }

    /// The world below, for what has no shorter word here: raw API requests, clients with options, other versions of a kill.
    pub fn world_mut(&mut self) -> &mut World<Simulated> {
        &mut self.world
    }

    fn check_stream_name(&self, name: &str) -> Result<(), Error> {
        if is_name(name) { Ok(()) } else { Err(Error::StreamName(name.to_owned())) }
    }

    /// A refusal because of a name becomes an error that tells the names there are.
    fn explain(&mut self, stream: &str, consumer: &str, error: WorldError) -> Error {
        let WorldError::Refused { err_code, .. } = &error else { return error.into() };
        match *err_code {
            STREAM_NOT_FOUND => Error::UnknownStream { stream: stream.to_owned(), known: self.names("$JS.API.STREAM.NAMES", "streams") },
            CONSUMER_NOT_FOUND => Error::UnknownConsumer {
                stream: stream.to_owned(),
                consumer: consumer.to_owned(),
                known: self.names(&format!("$JS.API.CONSUMER.NAMES.{stream}"), "consumers"),
            },
            _ => error.into(),
        }
    }

    /// The names that an API request lists; none where it is not answered, because this only helps to explain another error.
    fn names(&mut self, subject: &str, key: &str) -> Vec<String> {
        let answer = self.world.api(subject, &Json::Null).unwrap_or_default();
        let names = answer.get(key).and_then(Json::as_array);
        names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation::new()
    }
}

/// A length of time that is to pass.
fn passing(length: impl IntoDuration) -> Result<Duration, Error> {
    let length = length.into_duration()?;
    if length.is_negative() { Err(Error::Negative(length)) } else { Ok(length) }
}

/// The server's answer to an info request can not be read.
fn unreadable(subject: &str, answer: String) -> Error {
    WorldError::NotJson { subject: subject.into(), answer }.into()
}
