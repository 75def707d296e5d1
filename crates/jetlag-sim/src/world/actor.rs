//! What the driver of a world can have its clients do: by name and without waiting, for scenario runners; and through an [`Actor`], which
//! lets everything due at the instant happen, for tests in Rust.

use jetlag_core::ConnectOptions;
use jetlag_model::{AckKind, ConsumerConfig, Duration, Message, PullRequest, StreamConfig, StreamSeq, Text};
use jetlag_trace::{Key, Kind, Record};
use serde_json::Value as Json;

use super::connections::Return;
use super::{Connection, Item, Series, World};
use crate::client::RequestId;
use crate::schedule::Rank;
use crate::worker::Worker;
use crate::{Backend, ClientOptions, Delivery, DeliveryRef, Handler, Sent, WorkerOptions, WorldError};

impl<B: Backend> World<B> {
    /// Makes a client that is not as others are. A client that is needs no making.
    ///
    /// # Errors
    /// When there is one of this name already.
    pub fn add_client(&mut self, name: &str, options: ClientOptions) -> Result<(), WorldError> {
        self.add_member(name, options, false).map(|_| ())
    }

    /// Makes a client whose connecting and disconnecting is not recorded: the driver's own.
    ///
    /// # Errors
    /// When there is one of this name already.
    pub fn add_quiet_client(&mut self, name: &str) -> Result<(), WorldError> {
        self.add_member(name, ClientOptions::default(), true).map(|_| ())
    }

    /// A client publishes a message; with `confirm` it asks for the pub ack, which becomes a record when it comes.
    ///
    /// # Errors
    /// When the subject can not be published to, or the server fails.
    pub fn publish(&mut self, client: &str, message: Message, confirm: bool) -> Result<Sent, WorldError> {
        let member = self.member_or_new(client)?;
        let to_send = self.members[member].client.publish(message, confirm)?;
        self.send(member, to_send)
    }

    /// A client publishes a message `count` times, one now and one `every` so long; its process does so by itself, so that what it publishes
    /// while it has no connection fails, and no more comes after a crash.
    ///
    /// # Errors
    /// As [`World::publish`], and when `every` is no time.
    pub fn publish_every(&mut self, client: &str, message: Message, confirm: bool, count: u64, every: Duration) -> Result<(), WorldError> {
        if every <= Duration::ZERO {
            return Err(WorldError::Negative { what: "the time between two messages", length: every });
        }
        let member = self.member_or_new(client)?;
        self.publish_next(member, Box::new(Series { message, confirm, left: count, every, cause: self.cause }))
    }

    /// A client publishes the next message of a series.
    pub(super) fn publish_next(&mut self, member: usize, mut series: Box<Series>) -> Result<(), WorldError> {
        if series.left == 0 {
            return Ok(());
        }
        series.left -= 1;
        self.set_cause(series.cause);
        let to_send = self.members[member].client.publish(series.message.clone(), series.confirm)?;
        if series.left > 0 {
            self.schedule(self.now() + series.every, Rank::Worker, Item::Publish { member, series });
        }
        self.send(member, to_send).map(|_| ())
    }

    /// A client sends a pull request, and returns its name for it.
    ///
    /// # Errors
    /// When the alias is in use, or the server fails.
    pub fn fetch(
        &mut self,
        client: &str,
        stream: &str,
        consumer: &str,
        request: &PullRequest,
        alias: Option<&str>,
    ) -> Result<(Text, Sent), WorldError> {
        let member = self.member_or_new(client)?;
        let (name, to_send) = self.members[member].client.fetch(stream, consumer, request, alias)?;
        let sent = self.send(member, to_send)?;
        self.abandon_unsent(member, &name, &sent)?;
        Ok((name, sent))
    }

    /// A client acknowledges a delivery; with `sync` it asks for the confirmation, which becomes a record when it comes.
    ///
    /// # Errors
    /// When the client got no such delivery, or the server fails.
    pub fn ack(&mut self, client: &str, delivery: &DeliveryRef, kind: &AckKind, sync: bool) -> Result<Sent, WorldError> {
        let member = self.member(client)?;
        let client = &mut self.members[member].client;
        let token = client.find(delivery).map_err(crate::ClientError::from)?.token.clone();
        let (pull, to_send) = client.ack(&token, kind, sync)?;
        let sent = self.send(member, to_send)?;
        if let Some(pull) = pull {
            self.abandon_unsent(member, &pull, &sent)?;
        }
        Ok(sent)
    }

    /// A pull that never left its client is over.
    fn abandon_unsent(&mut self, member: usize, pull: &str, sent: &Sent) -> Result<(), WorldError> {
        if let Sent::Failed(_) = sent {
            let frames = self.members[member].client.abandon_pull(pull);
            self.send(member, frames)?;
        }
        Ok(())
    }

    /// A client subscribes, for `max` messages if given.
    ///
    /// # Errors
    /// When the subject is not valid.
    pub fn subscribe(&mut self, client: &str, subject: &str, queue: Option<&str>, max: Option<u64>) -> Result<(), WorldError> {
        let member = self.member_or_new(client)?;
        let frames = self.members[member].client.subscribe(subject, queue, max)?;
        self.send(member, frames).map(|_| ())
    }

    /// A client ends a subscription.
    ///
    /// # Errors
    /// When it has none to this subject.
    pub fn unsubscribe(&mut self, client: &str, subject: &str) -> Result<(), WorldError> {
        let member = self.member(client)?;
        let frames = self.members[member].client.unsubscribe(subject)?;
        self.send(member, frames).map(|_| ())
    }

    /// A client sends a request. Its answer can be had by [`World::take_answer`] once it came.
    ///
    /// # Errors
    /// When the subject can not be published to, or the server fails.
    pub fn request(&mut self, client: &str, message: Message) -> Result<(RequestId, Sent), WorldError> {
        let member = self.member_or_new(client)?;
        let (id, to_send) = self.members[member].client.request(message)?;
        Ok((id, self.send(member, to_send)?))
    }

    /// Lets time run until a request is answered, and no longer than an answer that comes at once may take ([`Backend::patience`]).
    ///
    /// # Errors
    /// When the server fails, or when there is no end of things at one instant.
    pub fn await_answer(&mut self, client: &str, id: RequestId) -> Result<Option<Message>, WorldError> {
        let member = self.member(client)?;
        let end = self.now() + self.backend.patience();
        self.run_until(end, |world| world.answers.contains_key(&(member, id)))?;
        Ok(self.answers.remove(&(member, id)))
    }

    /// Takes the answer to a request, if it came.
    pub fn take_answer(&mut self, client: &str, id: RequestId) -> Option<Message> {
        let member = self.member(client).ok()?;
        self.answers.remove(&(member, id))
    }

    /// A client gives up its connection, and stays away until [`World::reconnect`].
    ///
    /// # Errors
    /// When it is not connected.
    pub fn disconnect(&mut self, client: &str) -> Result<(), WorldError> {
        let member = self.member(client)?;
        if self.members[member].conn().is_none() {
            return Err(WorldError::NotConnected(client.into()));
        }
        self.lose_connection(member, Kind::Disconnected, None, Return::Closed)
    }

    /// A client connects again, as soon as the server is up and its link not cut.
    ///
    /// # Errors
    /// When it is connected.
    pub fn reconnect(&mut self, client: &str) -> Result<(), WorldError> {
        let member = self.member(client)?;
        if self.members[member].conn().is_some() {
            return Err(WorldError::Connected(client.into()));
        }
        self.members[member].connection = Connection::Waiting;
        self.try_connect(member)
    }

    /// A client's process ends without a word. It comes back by [`World::reconnect`], with nothing of what it knew.
    ///
    /// # Errors
    /// When there is no such client.
    pub fn crash(&mut self, client: &str) -> Result<(), WorldError> {
        let member = self.member(client)?;
        self.end_client(member, None)
    }

    /// Puts a worker to work at a consumer. The worker is the client of its name.
    ///
    /// # Errors
    /// When a worker of this name runs, or the server fails.
    pub fn start_worker(
        &mut self,
        name: &str,
        stream: &str,
        consumer: &str,
        options: WorkerOptions,
        handler: Box<dyn Handler>,
    ) -> Result<(), WorldError> {
        if self.running_workers.contains_key(name) {
            return Err(WorldError::WorkerExists(name.into()));
        }
        let member = self.member_or_new(name)?;
        let worker = self.workers.len();
        self.workers.push(Worker::new(member, stream, consumer, options, handler));
        self.running_workers.insert(name.into(), worker);
        if self.members[member].conn().is_some() {
            self.connection_of(worker, crate::ConnectionChange::Up)?;
        }
        self.work(worker)
    }

    /// Ends a worker: it fetches no more, gives up its open pull, and finishes what it has in hand.
    ///
    /// # Errors
    /// When no worker of this name runs.
    pub fn stop_worker(&mut self, name: &str) -> Result<(), WorldError> {
        let worker = self.running_workers.remove(name).ok_or_else(|| WorldError::UnknownWorker(name.into()))?;
        self.workers[worker].stop();
        let member = self.workers[worker].client;
        if let Some(pull) = self.workers[worker].pull_ended() {
            let frames = self.members[member].client.abandon_pull(&pull);
            self.send(member, frames)?;
        }
        Ok(())
    }

    /// Whether any worker still fetches.
    pub fn has_running_workers(&self) -> bool {
        !self.running_workers.is_empty()
    }

    /// Sends a request to the API as the client `script` and waits for its answer.
    ///
    /// # Errors
    /// When it is refused, not answered, or the server fails.
    pub fn api(&mut self, subject: &str, body: &Json) -> Result<Json, WorldError> {
        let payload = if body.is_null() { String::new() } else { body.to_string() };
        if !self.names.contains_key(SCRIPT) {
            self.add_quiet_client(SCRIPT)?;
        }
        let (id, _) = self.request(SCRIPT, Message::new(subject, payload))?;
        let waited = self.backend.patience();
        let answer = self.await_answer(SCRIPT, id)?.ok_or_else(|| WorldError::NoAnswer { subject: subject.into(), waited })?;
        let json: Json = serde_json::from_slice(&answer.payload)
            .map_err(|_| WorldError::NotJson { subject: subject.into(), answer: String::from_utf8_lossy(&answer.payload).into_owned() })?;
        let Some(error) = json.get("error") else { return Ok(json) };
        let number = |key: &str| error.get(key).and_then(Json::as_u64).unwrap_or(0);
        Err(WorldError::Refused {
            subject: subject.into(),
            code: number("code"),
            err_code: number("err_code"),
            description: error.get("description").and_then(Json::as_str).unwrap_or_default().to_owned(),
        })
    }

    /// Creates a stream.
    ///
    /// # Errors
    /// As [`World::api`].
    pub fn create_stream(&mut self, config: &StreamConfig) -> Result<(), WorldError> {
        let body = config_json(config);
        self.api(&format!("$JS.API.STREAM.CREATE.{}", config.name), &body).map(|_| ())
    }

    /// Creates a consumer. Its name is the durable name if it has one, otherwise its name.
    ///
    /// # Errors
    /// As [`World::api`].
    pub fn create_consumer(&mut self, stream: &str, config: &ConsumerConfig) -> Result<(), WorldError> {
        let name = if config.durable_name.is_empty() { &config.name } else { &config.durable_name };
        let body = serde_json::json!({ "stream_name": stream, "config": config_json(config), "action": "create" });
        self.api(&format!("$JS.API.CONSUMER.CREATE.{stream}.{name}"), &body).map(|_| ())
    }

    /// What a consumer's info says: the whole answer.
    ///
    /// # Errors
    /// As [`World::api`].
    pub fn consumer_info(&mut self, stream: &str, consumer: &str) -> Result<Json, WorldError> {
        self.api(&format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), &Json::Null)
    }

    /// A client to act through, connected if it is new.
    ///
    /// # Errors
    /// When the server fails.
    pub fn client(&mut self, name: &str) -> Result<Actor<'_, B>, WorldError> {
        self.member_or_new(name)?;
        self.finish_instant()?;
        Ok(Actor { world: self, name: name.into() })
    }

    /// A client that is not as others are, to act through.
    ///
    /// # Errors
    /// When there is one of this name already, or the server fails.
    pub fn client_with(&mut self, name: &str, connect: ConnectOptions, reconnect: bool) -> Result<Actor<'_, B>, WorldError> {
        self.add_client(name, ClientOptions { connect, reconnect })?;
        self.client(name)
    }
}

/// The client that sends API requests where no other is named.
const SCRIPT: &str = "script";

fn config_json<T: serde::Serialize>(config: &T) -> Json {
    serde_json::to_value(config).unwrap_or_else(|error| panic!("a configuration can be written as JSON: {error}"))
}

/// What came of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// The message is in the stream.
    Stored(PubAck),
    /// The server refused it.
    Refused {
        /// The JetStream error code.
        err_code: u64,
        /// The text.
        description: String,
    },
    /// No stream wants the subject, and nobody else does.
    NoResponders,
    /// Sending failed on the client's side.
    NotSent(Text),
    /// No answer came, or not yet.
    Unanswered,
}

/// The server's word that a message is in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubAck {
    /// Its place there.
    pub stream_seq: StreamSeq,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// A client of a world. Whatever it does, everything that is due at the instant has happened when the call returns.
pub struct Actor<'w, B> {
    world: &'w mut World<B>,
    name: Text,
}

impl<B: Backend> Actor<'_, B> {
    /// Publishes to a stream and asks for the pub ack.
    ///
    /// # Errors
    /// When the subject can not be published to, or the server fails.
    pub fn publish(&mut self, subject: &str, payload: impl AsRef<[u8]>) -> Result<Publication, WorldError> {
        self.publish_message(Message::new(subject, payload))
    }

    /// The same, with headers.
    ///
    /// # Errors
    /// When the subject can not be published to, or the server fails.
    pub fn publish_message(&mut self, message: Message) -> Result<Publication, WorldError> {
        let from = self.world.trace.len();
        if let Sent::Failed(text) = self.world.publish(&self.name, message, true)? {
            return Ok(Publication::NotSent(text));
        }
        let end = self.world.now() + self.world.backend.patience();
        let name = self.name.clone();
        self.world.run_until(end, |world| publication(world.trace.since(from), &name).is_some())?;
        self.world.finish_instant()?;
        Ok(publication(self.world.trace.since(from), &name).unwrap_or(Publication::Unanswered))
    }

    /// Sends a pull request for `batch` messages that does not expire, and returns its name.
    ///
    /// # Errors
    /// When the server fails.
    pub fn fetch(&mut self, stream: &str, consumer: &str, batch: u32) -> Result<Text, WorldError> {
        self.fetch_with(stream, consumer, &PullRequest { batch: batch.into(), ..PullRequest::default() })
    }

    /// Sends a pull request, and returns its name.
    ///
    /// # Errors
    /// When the server fails.
    pub fn fetch_with(&mut self, stream: &str, consumer: &str, request: &PullRequest) -> Result<Text, WorldError> {
        let (name, _) = self.world.fetch(&self.name, stream, consumer, request, None)?;
        self.world.finish_instant()?;
        Ok(name)
    }

    /// Acknowledges a delivery, given itself or by its place in the stream.
    ///
    /// # Errors
    /// When this client got no such delivery, or the server fails.
    pub fn ack(&mut self, delivery: impl Into<DeliveryRef>) -> Result<Sent, WorldError> {
        self.settle_with(delivery, &AckKind::Ack)
    }

    /// Asks for redelivery, after `delay` if given.
    ///
    /// # Errors
    /// As [`Actor::ack`].
    pub fn nak(&mut self, delivery: impl Into<DeliveryRef>, delay: Option<Duration>) -> Result<Sent, WorldError> {
        self.settle_with(delivery, &AckKind::Nak { delay })
    }

    /// Says that work goes on.
    ///
    /// # Errors
    /// As [`Actor::ack`].
    pub fn in_progress(&mut self, delivery: impl Into<DeliveryRef>) -> Result<Sent, WorldError> {
        self.settle_with(delivery, &AckKind::InProgress)
    }

    /// Asks that the message never come again.
    ///
    /// # Errors
    /// As [`Actor::ack`].
    pub fn term(&mut self, delivery: impl Into<DeliveryRef>, reason: &str) -> Result<Sent, WorldError> {
        self.settle_with(delivery, &AckKind::Term { reason: reason.to_owned() })
    }

    fn settle_with(&mut self, delivery: impl Into<DeliveryRef>, kind: &AckKind) -> Result<Sent, WorldError> {
        let sent = self.world.ack(&self.name, &delivery.into(), kind, false)?;
        self.world.finish_instant()?;
        Ok(sent)
    }

    /// Subscribes to a subject; what comes is in the trace.
    ///
    /// # Errors
    /// When the subject is not valid.
    pub fn subscribe(&mut self, subject: &str) -> Result<(), WorldError> {
        self.world.subscribe(&self.name, subject, None, None)?;
        self.world.finish_instant()
    }

    /// Puts this client to work at a consumer; a closure from delivery to plan is a handler.
    ///
    /// # Errors
    /// When it works already, or the server fails.
    pub fn work(
        &mut self,
        stream: &str,
        consumer: &str,
        options: WorkerOptions,
        handler: impl Handler + 'static,
    ) -> Result<(), WorldError> {
        self.world.start_worker(&self.name, stream, consumer, options, Box::new(handler))?;
        self.world.finish_instant()
    }

    /// Gives up the connection.
    ///
    /// # Errors
    /// When there is none.
    pub fn disconnect(&mut self) -> Result<(), WorldError> {
        self.world.disconnect(&self.name)?;
        self.world.finish_instant()
    }

    /// Connects again.
    ///
    /// # Errors
    /// When it is connected.
    pub fn reconnect(&mut self) -> Result<(), WorldError> {
        self.world.reconnect(&self.name)?;
        self.world.finish_instant()
    }

    /// Ends without a word.
    ///
    /// # Errors
    /// When the server fails.
    pub fn crash(&mut self) -> Result<(), WorldError> {
        self.world.crash(&self.name)?;
        self.world.finish_instant()
    }

    /// What this client got, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.world.deliveries.iter().map(|delivery| &**delivery).filter(|delivery| delivery.client == self.name)
    }
}

/// The first answer to a publish of this client among some records.
fn publication(records: &[Record], client: &Text) -> Option<Publication> {
    records.iter().filter(|record| record.place.actor() == Some(client)).find_map(|record| {
        let fields = &record.fields;
        match record.kind {
            Kind::Stored => Some(Publication::Stored(PubAck {
                stream_seq: StreamSeq(fields.uint(Key::StreamSeq).unwrap_or(0)),
                duplicate: fields.flag(Key::Duplicate),
            })),
            Kind::Refused => Some(Publication::Refused {
                err_code: fields.uint(Key::ErrCode).unwrap_or(0),
                description: fields.text(Key::Description).map(|text| text.to_string()).unwrap_or_default(),
            }),
            Kind::NoResponders => Some(Publication::NoResponders),
            _ => None,
        }
    })
}
