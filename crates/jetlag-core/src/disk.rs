//! What a driver has to write so that a server can come back after the driver itself is gone: the storage as a list of writes, and the
//! storage that a list of writes makes. How they are put into files is the driver's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jetlag_model::{
    ConsumerConfig, ConsumerSeq, Headers, Payload, SequencePair, StorageType, StreamConfig, StreamSeq, Text, Time, WallTime,
};

use crate::consumer::{Consumer, ConsumerStore};
use crate::core::Core;
use crate::stored::{StoredConsumer, StoredStream};
use crate::stream::{Ends, Log, LogEntry, Stream};
use crate::{ConsumerRef, Lost, Stored};

/// One change of what storage holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// So many ids were drawn.
    Ids(u64),
    /// A stream is there, or has another configuration.
    Stream {
        /// Its configuration, its name included.
        config: Box<StreamConfig>,
        /// When it was created.
        created: WallTime,
    },
    /// A stream is gone.
    StreamGone(Text),
    /// A message entered a stream.
    Message {
        /// The stream.
        stream: Text,
        /// The message.
        message: StoredMessage,
    },
    /// Messages left a stream.
    Removed {
        /// The stream.
        stream: Text,
        /// Which.
        seqs: Vec<StreamSeq>,
    },
    /// All messages left a stream; what it holds follows.
    Emptied(Text),
    /// Where a stream begins and ends.
    Ends {
        /// The stream.
        stream: Text,
        /// Its first sequence.
        first: StreamSeq,
        /// The last sequence it used.
        last: StreamSeq,
        /// The time of its last message.
        last_time: Option<WallTime>,
    },
    /// A consumer is there, or has another configuration.
    Consumer {
        /// Which.
        at: ConsumerRef,
        /// Its configuration.
        config: Box<ConsumerConfig>,
        /// When it was created.
        created: WallTime,
    },
    /// A consumer is gone.
    ConsumerGone(ConsumerRef),
    /// A consumer has this state.
    State {
        /// Which.
        at: ConsumerRef,
        /// The state.
        state: ConsumerState,
    },
}

/// A message as storage holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its place in the stream.
    pub seq: StreamSeq,
    /// Its subject.
    pub subject: Text,
    /// When it was stored.
    pub time: WallTime,
    /// Its headers.
    pub headers: Option<Headers>,
    /// Its payload.
    pub payload: Payload,
}

/// A consumer's state as storage holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// The last delivery.
    pub delivered: SequencePair,
    /// Everything up to here is settled.
    pub floor: SequencePair,
    /// What is delivered and not settled: its place, the number of its first delivery, and the time its deadline counts from.
    pub pending: Vec<(StreamSeq, ConsumerSeq, WallTime)>,
    /// What was delivered more than once, and how often more.
    pub redelivered: Vec<(StreamSeq, u64)>,
}

/// When the state of consumers reaches storage. Messages always do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateWrites {
    /// With each change.
    AtOnce,
    /// As a server's does, which writes it ten times a second at most: see [`Lost::Unwritten`].
    Delayed,
}

/// What has been written of a server.
#[derive(Clone, Debug, Default)]
pub struct Written {
    ids_drawn: u64,
    streams: BTreeMap<Text, WrittenStream>,
}

#[derive(Clone, Debug)]
struct WrittenStream {
    order: u64,
    config: StreamConfig,
    changes: u64,
    ends: Ends,
    consumers: BTreeMap<Text, WrittenConsumer>,
}

#[derive(Clone, Debug)]
struct WrittenConsumer {
    order: u64,
    config: ConsumerConfig,
    revision: u64,
}

/// Writes that make no storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// One is about a stream that was not written before.
    NoStream(Text),
    /// One is about a consumer that was not written before.
    NoConsumer(ConsumerRef),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::NoStream(stream) => write!(f, "it speaks of a stream {stream:?} that is not there"),
            DiskError::NoConsumer(at) => {
                write!(f, "it speaks of a consumer {:?} of stream {:?} that is not there", at.consumer, at.stream)
            }
        }
    }
}

impl std::error::Error for DiskError {}

impl Core {
    /// What has to be written because of what happened since `written`, which is brought up to date. For a server that was not looked at
    /// before, everything.
    ///
    /// It must be asked before the server's next life: `written` of one life says nothing about another.
    pub fn writes(&self, now: Time, when: StateWrites, written: &mut Written) -> Vec<Write> {
        let mut writes = Vec::new();
        if self.ids.drawn() != written.ids_drawn {
            written.ids_drawn = self.ids.drawn();
            writes.push(Write::Ids(written.ids_drawn));
        }
        written.streams.retain(|name, before| {
            let stays = self.streams.get(name).is_some_and(|stream| stream.order == before.order);
            if !stays {
                writes.push(Write::StreamGone(name.clone()));
            }
            stays
        });
        let mut streams: Vec<&Stream> = self.streams.values().filter(|stream| stream.config.storage == StorageType::File).collect();
        streams.sort_unstable_by_key(|stream| stream.order);
        for stream in streams {
            stream_writes(stream, now, when, written, &mut writes);
        }
        writes
    }

    /// When something will have to be written although nothing happens.
    pub fn next_write(&self) -> Option<Time> {
        let consumers = self.streams.values().flat_map(|stream| stream.consumers.values());
        consumers.filter(|consumer| !consumer.config.mem_storage).filter_map(|consumer| consumer.store().next_write()).min()
    }
}

fn stream_writes(stream: &Stream, now: Time, when: StateWrites, written: &mut Written, writes: &mut Vec<Write>) {
    let name = &stream.name;
    let before = written.streams.get(name);
    if before.is_none_or(|before| before.config != stream.config) {
        writes.push(Write::Stream { config: Box::new(stream.config.clone()), created: stream.created });
    }
    let changed = before.is_none_or(|before| before.changes != stream.log.changes() || before.ends != stream.log.ends());
    if changed {
        log_writes(name, &stream.log, before.map(|before| before.changes), writes);
    }
    let entry = written.streams.entry(name.clone()).or_insert_with(|| WrittenStream {
        order: stream.order,
        config: stream.config.clone(),
        changes: 0,
        ends: stream.log.ends(),
        consumers: BTreeMap::new(),
    });
    if entry.config != stream.config {
        entry.config = stream.config.clone();
    }
    entry.changes = stream.log.changes();
    entry.ends = stream.log.ends();
    let at = |consumer: &Text| ConsumerRef { stream: name.clone(), consumer: consumer.clone() };
    let on_disk = |consumer: &Consumer| !consumer.config.mem_storage;
    entry.consumers.retain(|name, before| {
        let stays = stream.consumers.get(name).is_some_and(|consumer| consumer.order == before.order && on_disk(consumer));
        if !stays {
            writes.push(Write::ConsumerGone(at(name)));
        }
        stays
    });
    let mut consumers: Vec<&Consumer> = stream.consumers.values().filter(|consumer| on_disk(consumer)).collect();
    consumers.sort_unstable_by_key(|consumer| consumer.order);
    for consumer in consumers {
        let revision = consumer.store().revision(now, when);
        let before = entry.consumers.get(&consumer.name);
        if before.is_none_or(|before| before.config != consumer.config) {
            writes.push(consumer_write(at(&consumer.name), &consumer.config, consumer.created()));
        }
        if before.is_none_or(|before| before.revision != revision) {
            let mut store = consumer.store().clone();
            if when == StateWrites::Delayed {
                store.lose(now, Lost::Unwritten);
            }
            writes.push(Write::State { at: at(&consumer.name), state: store.state() });
        }
        let known = WrittenConsumer { order: consumer.order, config: consumer.config.clone(), revision };
        entry.consumers.insert(consumer.name.clone(), known);
    }
}

fn consumer_write(at: ConsumerRef, config: &ConsumerConfig, created: WallTime) -> Write {
    Write::Consumer { at, config: Box::new(config.clone()), created }
}

/// What changed in a log since so many changes; all of it, if that is not known any more.
fn log_writes(name: &Text, log: &Log, since: Option<u64>, writes: &mut Vec<Write>) {
    let message = |entry: &LogEntry| Write::Message {
        stream: name.clone(),
        message: StoredMessage {
            seq: entry.seq,
            subject: entry.subject.clone(),
            time: entry.time,
            headers: entry.headers.clone(),
            payload: entry.payload.clone(),
        },
    };
    match since.map(|since| log.changed_since(since)) {
        None => writes.extend(log.entries().map(message)),
        Some(None) => {
            writes.push(Write::Emptied(name.clone()));
            writes.extend(log.entries().map(message));
        }
        Some(Some((added, removed))) => {
            let seqs: Vec<StreamSeq> = removed.difference(&added).copied().collect();
            if !seqs.is_empty() {
                writes.push(Write::Removed { stream: name.clone(), seqs });
            }
            writes.extend(added.difference(&removed).filter_map(|seq| log.entry(*seq)).map(message));
        }
    }
    let Ends { first_seq, last_seq, last_time } = log.ends();
    writes.push(Write::Ends { stream: name.clone(), first: first_seq, last: last_seq, last_time });
}

impl Stored {
    /// All that storage holds, as writes to an empty one.
    pub fn writes(&self) -> Vec<Write> {
        let mut writes = vec![Write::Ids(self.ids_drawn)];
        for stream in &self.streams {
            let name: Text = stream.config.name.as_str().into();
            writes.push(Write::Stream { config: Box::new(stream.config.clone()), created: stream.created });
            log_writes(&name, &stream.log, None, &mut writes);
            for consumer in &stream.consumers {
                let at = ConsumerRef { stream: name.clone(), consumer: consumer.name.clone() };
                writes.push(consumer_write(at.clone(), &consumer.config, consumer.created));
                writes.push(Write::State { at, state: consumer.state.state() });
            }
        }
        writes
    }

    /// Takes a write.
    ///
    /// # Errors
    /// When it is about something that was not written before.
    pub fn apply(&mut self, write: Write) -> Result<(), DiskError> {
        match write {
            Write::Ids(drawn) => self.ids_drawn = drawn,
            Write::Stream { config, created } => match self.stream(&config.name) {
                Ok(stream) => stream.config = *config,
                Err(_) => {
                    let log = Log::new(config.storage, config.first_seq);
                    self.streams.push(StoredStream { config: *config, created, log, consumers: Vec::new() });
                }
            },
            Write::StreamGone(name) => {
                self.stream(&name)?;
                self.streams.retain(|stream| *stream.config.name != *name);
            }
            Write::Message { stream, message } => {
                let StoredMessage { seq, subject, time, headers, payload } = message;
                self.stream(&stream)?.log.restore(LogEntry { seq, subject, headers, payload, time });
            }
            Write::Removed { stream, seqs } => self.stream(&stream)?.log.unstore(&seqs),
            Write::Emptied(stream) => {
                let stream = self.stream(&stream)?;
                stream.log = Log::new(stream.config.storage, stream.config.first_seq);
            }
            Write::Ends { stream, first, last, last_time } => {
                self.stream(&stream)?.log.set_ends(Ends { first_seq: first, last_seq: last, last_time });
            }
            Write::Consumer { at, config, created } => {
                let stream = self.stream(&at.stream)?;
                match stream.consumers.iter_mut().find(|consumer| consumer.name == at.consumer) {
                    Some(consumer) => consumer.config = *config,
                    None => {
                        let state = ConsumerStore::default();
                        stream.consumers.push(StoredConsumer { name: at.consumer, config: *config, created, state });
                    }
                }
            }
            Write::ConsumerGone(at) => {
                self.consumer(&at)?;
                self.stream(&at.stream)?.consumers.retain(|consumer| consumer.name != at.consumer);
            }
            Write::State { at, state } => self.consumer(&at)?.state = ConsumerStore::of(state),
        }
        Ok(())
    }

    /// Whether it holds no stream.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    fn stream(&mut self, name: &str) -> Result<&mut StoredStream, DiskError> {
        self.streams.iter_mut().find(|stream| stream.config.name == name).ok_or_else(|| DiskError::NoStream(name.into()))
    }

    fn consumer(&mut self, at: &ConsumerRef) -> Result<&mut StoredConsumer, DiskError> {
        let stream = self.stream(&at.stream)?;
        stream.consumers.iter_mut().find(|consumer| consumer.name == at.consumer).ok_or_else(|| DiskError::NoConsumer(at.clone()))
    }
}

/// The sequences that were added and removed.
pub(crate) type Changed = (BTreeSet<StreamSeq>, BTreeSet<StreamSeq>);
