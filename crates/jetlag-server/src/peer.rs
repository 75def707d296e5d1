//! What a server remembers of a real client, to tell what crosses its link: which replies it waits for, which pulls it has open, which
//! messages it got. A simulated client knows all that of itself.
//!
//! Memory is bounded: of each kind the oldest entries are forgotten first, and then a crossing is described by less.

use std::collections::{BTreeMap, VecDeque};

use jetlag_model::{Headers, Message, Payload, Sid, StreamSeq, Text};
use jetlag_sim::{Known, Peer, Received, Request, RequestId};

/// How many unanswered requests, open pulls and messages are remembered of one client, each.
const REMEMBERED: usize = 10_000;

/// What every advisory's subject starts with.
const ADVISORY: &str = "$JS.EVENT.ADVISORY.";

/// A map that forgets its oldest entries.
#[derive(Debug)]
struct Memory<K, V> {
    entries: BTreeMap<K, V>,
    order: VecDeque<K>,
}

impl<K: Ord + Clone, V> Memory<K, V> {
    const fn new() -> Memory<K, V> {
        Memory { entries: BTreeMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
    }
}

/// A pull request under way.
#[derive(Debug)]
struct OpenPull {
    name: Text,
    stream: Text,
    consumer: Text,
}

/// What is remembered of a message.
#[derive(Debug)]
struct Content {
    subject: Text,
    headers: Option<Headers>,
    payload: Payload,
}

/// What is remembered of one connection.
#[derive(Debug)]
pub(crate) struct Observed {
    name: Text,
    /// What waits for an answer, by reply subject.
    requests: Memory<Text, (RequestId, Request)>,
    /// The latest pull of each inbox.
    pulls: Memory<Text, OpenPull>,
    messages: Memory<(Text, Text, StreamSeq), Content>,
    next_request: u64,
    next_pull: u64,
}

impl Observed {
    pub(crate) fn new(name: Text) -> Observed {
        Observed { name, requests: Memory::new(), pulls: Memory::new(), messages: Memory::new(), next_request: 1, next_pull: 1 }
    }

    /// Takes note of a message that the client sends, before it is described.
    pub(crate) fn sends(&mut self, message: &Message) {
        let Some(reply) = &message.reply else { return };
        let reply: Text = reply.text().as_ref().into();
        let subject = message.subject.text();
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let request = if let Some(pull) = subject.strip_prefix("$JS.API.CONSUMER.MSG.NEXT.") {
            let (stream, consumer) = pull.split_once('.').unwrap_or((pull, ""));
            return self.opens_pull(reply, stream.into(), consumer.into());
        } else if let Some(token) = message.subject.ack_token() {
            if message.payload.starts_with(b"+NXT") {
                return self.opens_pull(reply, token.stream.clone(), token.consumer.clone());
            }
            Request::Ack { token }
        } else if subject.starts_with("$JS.API.") {
            Request::Api { subject: subject.as_ref().into() }
        } else {
            Request::Publish { subject: subject.as_ref().into(), msg_id: message.header("Nats-Msg-Id").map(Into::into) }
        };
        self.requests.insert(reply, (id, request));
    }

    fn opens_pull(&mut self, reply: Text, stream: Text, consumer: Text) {
        let name = format!("p{}", self.next_pull).into();
        self.next_pull += 1;
        self.pulls.insert(reply, OpenPull { name, stream, consumer });
    }

    /// Takes note of a message that reached the client, after it was described.
    pub(crate) fn got(&mut self, received: &Received, message: &Message) {
        match received {
            Received::Delivery { token, .. } => {
                let subject = message.subject.text().as_ref().into();
                let content = Content { subject, headers: message.headers.clone(), payload: message.payload.clone() };
                self.messages.insert((token.stream.clone(), token.consumer.clone(), token.stream_seq), content);
            }
            Received::Answer { .. } => {
                self.requests.entries.remove(&*message.subject.text());
            }
            Received::Status { .. } | Received::Advisory | Received::Message | Received::Stray => {}
        }
    }

    /// The number of the request that waits at this reply subject.
    pub(crate) fn request_at(&self, reply: &str) -> Option<RequestId> {
        self.requests.entries.get(reply).map(|(id, _)| *id)
    }
}

impl Peer for Observed {
    fn name(&self) -> &Text {
        &self.name
    }

    fn message_of(&self, stream: &Text, consumer: &Text, seq: StreamSeq) -> Option<Known<'_>> {
        let Content { subject, headers, payload } = self.messages.entries.get(&(stream.clone(), consumer.clone(), seq))?;
        Some(Known { subject, headers: headers.as_ref(), payload })
    }

    fn awaits(&self, reply: &str) -> bool {
        self.requests.entries.contains_key(reply)
    }

    fn pull_of_reply(&self, reply: &str) -> Option<Text> {
        self.pulls.entries.get(reply).map(|pull| pull.name.clone())
    }

    fn asked_by(&self, name: &str) -> Option<(Text, Text)> {
        let pull = self.pulls.entries.values().find(|pull| *pull.name == *name)?;
        Some((pull.stream.clone(), pull.consumer.clone()))
    }

    fn classify(&self, _sid: Sid, message: &Message) -> Received {
        let subject = message.subject.text();
        // Which pull a delivery answers is known to the client alone: the inbox is not in the message.
        if let Some(token) = message.reply.as_ref().and_then(|reply| reply.ack_token()) {
            return Received::Delivery { token, pull: None };
        }
        if let Some((id, request)) = self.requests.entries.get(&*subject) {
            return Received::Answer { id: *id, request: request.clone() };
        }
        if let Some(status) = message.headers.as_ref().and_then(|headers| headers.status()) {
            return Received::Status { code: status.code, text: status.text.to_owned(), pull: self.pull_of_reply(&subject) };
        }
        if subject.starts_with(ADVISORY) { Received::Advisory } else { Received::Message }
    }
}
