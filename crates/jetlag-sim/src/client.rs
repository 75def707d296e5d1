//! A client as a state machine: subscriptions, inboxes, pulls, requests and known deliveries. It neither sends nor waits: it says what
//! to send and is told what came. Links, faults and time are the world's.

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_core::ConnectOptions;
use jetlag_model::{
    AckKind, AckToken, Message, Payload, PullRequest, SeqMap, Sequence, Sid, StreamSeq, Text, TextBuilder, Time, is_valid_filter,
    is_valid_literal,
};

use crate::crossing::{Known, MSG_ID, Peer};
use crate::delivery::Deliveries;
use crate::{Delivery, DeliveryRef, DeliveryRefError, Frame, ToSend};

/// What a client is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// What it asks for in its CONNECT.
    pub connect: ConnectOptions,
    /// Comes back by itself when the server is back.
    pub reconnect: bool,
}

impl Default for ClientOptions {
    /// What client libraries do.
    fn default() -> ClientOptions {
        ClientOptions { connect: ConnectOptions::default(), reconnect: true }
    }
}

/// A misuse of a client that is known before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Not a subject that can be published to.
    #[error("{0:?} can not be published to: a subject has no wildcards, no white space and no empty tokens")]
    Subject(String),
    /// Not a subject that can be subscribed to.
    #[error("{0:?} is not a valid subject to listen to")]
    Filter(String),
    /// A subscription that is not there.
    #[error("{client} has no subscription to {subject}")]
    NotSubscribed {
        /// Who was asked.
        client: Text,
        /// The subject.
        subject: String,
    },
    /// A pull's name that is in use.
    #[error("{client} has a pull named {name} already")]
    PullExists {
        /// Who was asked.
        client: Text,
        /// The name.
        name: Text,
    },
    /// No such delivery.
    #[error(transparent)]
    Delivery(#[from] DeliveryRefError),
}

/// A request's number at its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl Sequence for RequestId {
    fn number(self) -> u64 {
        self.0
    }

    fn of(number: u64) -> RequestId {
        RequestId(number)
    }
}

/// What an answer in a reply inbox answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A publish to a stream.
    Publish {
        /// Where to.
        subject: Text,
        /// The message's id, if it has one.
        msg_id: Option<Text>,
    },
    /// An acknowledgement whose confirmation is wanted.
    Ack {
        /// Of which delivery.
        token: Arc<AckToken>,
    },
    /// Anything else; the whole answer is wanted.
    Api {
        /// Where to.
        subject: Text,
    },
}

/// One pull request, open or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The client's name for it.
    pub name: Text,
    /// The stream it asks.
    pub stream: Text,
    /// The consumer it asks.
    pub consumer: Text,
    /// How many messages may still come.
    pub missing: u64,
    /// Whether more may come.
    pub open: bool,
}

/// So many pulls that ended a client remembers, at least: what a fault kept back of them may still come.
pub(crate) const PULLS: usize = 5_000;

/// So many requests a client has under way: of the older ones it does not wait for an answer any more.
pub(crate) const REQUESTS: usize = 100_000;

/// How a request's number, which is above 0, is written in its reply subject.
const REPLY_RADIX: u32 = 36;

/// What a subscription is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// The script's own, with how many messages it still gets.
    Plain { subject: Text, queue: Option<Text>, remaining: Option<u64> },
    /// One pull's inbox.
    Pull(Pull),
    /// The inbox of all requests.
    Replies,
}

/// What the client makes of a message that came to one of its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A consumer's message.
    Delivery {
        /// Which.
        token: Arc<AckToken>,
        /// The pull it answers; `None` from a push consumer.
        pull: Option<Text>,
    },
    /// A status: heartbeat, end of a pull.
    Status {
        /// Three digits.
        code: u16,
        /// What follows them.
        text: String,
        /// The pull it answers; `None` from a push consumer.
        pull: Option<Text>,
    },
    /// The answer to a request; the request is answered with it.
    Answer {
        /// The request's number.
        id: RequestId,
        /// What it asked.
        request: Request,
    },
    /// An advisory of the server.
    Advisory,
    /// Any other message.
    Message,
    /// Something for a subscription or a request that the client knows nothing of any more.
    Stray,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    name: Text,
    /// What its inboxes begin with.
    inbox: String,
    options: ClientOptions,
    next_sid: u64,
    next_pull: u64,
    next_request: u64,
    subscriptions: SeqMap<Sid, Purpose>,
    /// Pulls by their names, ended ones too.
    pulls: BTreeMap<Text, Sid>,
    /// Whether the inbox of all requests is subscribed to.
    hears_replies: bool,
    requests: SeqMap<RequestId, Request>,
    deliveries: Deliveries,
    /// The last subject that it published to.
    last_literal: Option<Text>,
    /// The payload of most of what it sends.
    plain_ack: Payload,
    /// Under which id it was the pinned client last.
    pin: Option<Text>,
}

/// A pull that was opened at the client: its name, its inbox, and what subscribes to it.
struct Opened {
    name: Text,
    inbox: Text,
    frames: Vec<Frame>,
}

/// The header that says under which id a client is the pinned one.
pub(crate) const PIN: &str = "Nats-Pin-Id";
/// Stands for the id that came last.
const LAST_PIN: &str = "last";
/// What every advisory's subject starts with.
const ADVISORY: &str = "$JS.EVENT.ADVISORY.";

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(name: Text, options: ClientOptions) -> Client {
        Client {
            inbox: format!("_INBOX.{name}."),
            name,
            options,
            next_sid: 1,
            next_pull: 1,
            next_request: 1,
            pin: None,
            subscriptions: SeqMap::new(),
            pulls: BTreeMap::new(),
            hears_replies: false,
            requests: SeqMap::new(),
            deliveries: Deliveries::default(),
            last_literal: None,
            plain_ack: AckKind::Ack.payload().into(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// What it is like.
    pub fn options(&self) -> ClientOptions {
        self.options
    }

    /// Subscribes to a subject, for `max` messages if given.
    ///
    /// # Errors
    /// When the subject is not valid.
    pub fn subscribe(&mut self, subject: &str, queue: Option<&str>, max: Option<u64>) -> Result<Vec<Frame>, ClientError> {
        if !is_valid_filter(subject) {
            return Err(ClientError::Filter(subject.to_owned()));
        }
        let purpose = Purpose::Plain { subject: subject.into(), queue: queue.map(Into::into), remaining: max };
        let (sid, mut frames) = self.add_subscription(purpose);
        frames.extend(max.map(|max| Frame::Unsubscribe { sid, max: Some(max) }));
        Ok(frames)
    }

    /// Ends the oldest subscription to a subject.
    ///
    /// # Errors
    /// When there is none.
    pub fn unsubscribe(&mut self, subject: &str) -> Result<Vec<Frame>, ClientError> {
        let is_it = |purpose: &Purpose| matches!(purpose, Purpose::Plain { subject: of, .. } if **of == *subject);
        let found = self.subscriptions.iter().find(|(_, purpose)| is_it(purpose)).map(|(sid, _)| sid);
        let sid = found.ok_or_else(|| ClientError::NotSubscribed { client: self.name.clone(), subject: subject.to_owned() })?;
        self.subscriptions.remove(sid);
        Ok(vec![Frame::Unsubscribe { sid, max: None }])
    }

    /// Publishes a message; with `confirm`, asks for the pub ack.
    ///
    /// # Errors
    /// When the subject can not be published to.
    pub fn publish(&mut self, message: Message, confirm: bool) -> Result<ToSend, ClientError> {
        let subject: Text = self.literal(&message)?;
        let msg_id = message.header(MSG_ID).map(Into::into);
        Ok(if confirm { self.request_with(Request::Publish { subject, msg_id }, message).1 } else { message.into() })
    }

    /// Sends a request whose whole answer is wanted.
    ///
    /// # Errors
    /// When the subject can not be published to.
    pub fn request(&mut self, message: Message) -> Result<(RequestId, ToSend), ClientError> {
        let subject: Text = self.literal(&message)?;
        Ok(self.request_with(Request::Api { subject }, message))
    }

    /// Sends a pull request; its name is `alias`, or `p1`, `p2` and so on. Where it says to be the pinned client under the id `last`, the id
    /// is the one that came with the last delivery.
    ///
    /// # Errors
    /// When the alias is in use, or stream or consumer have a name that can not be part of a subject.
    pub fn fetch(
        &mut self,
        stream: &str,
        consumer: &str,
        request: &PullRequest,
        alias: Option<&str>,
    ) -> Result<(Text, ToSend), ClientError> {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        if !is_valid_literal(&subject) {
            return Err(ClientError::Subject(subject));
        }
        let mut request = request.clone();
        if request.priority.id == LAST_PIN {
            request.priority.id = self.pin.as_deref().unwrap_or_default().to_owned();
        }
        let Opened { name, inbox, frames } = self.open_pull(stream, consumer, request.batch, alias)?;
        Ok((name, ToSend { frames, message: Some(Message::new(subject, request.body()).with_reply(inbox)) }))
    }

    /// Acknowledges a delivery; with `sync`, asks for the confirmation. A `next` opens a pull, whose name is returned.
    ///
    /// # Errors
    /// None that a caller who took `token` from a delivery can meet.
    pub fn ack(&mut self, token: &Arc<AckToken>, kind: &AckKind, sync: bool) -> Result<(Option<Text>, ToSend), ClientError> {
        let payload = if *kind == AckKind::Ack { self.plain_ack.clone() } else { kind.payload().into() };
        let message = Message { subject: token.clone().into(), reply: None, headers: None, payload };
        if let AckKind::Next { request } = kind {
            let batch = PullRequest::parse(request).map_or(1, |request| request.batch);
            let Opened { name, inbox, frames } = self.open_pull(&token.stream, &token.consumer, batch, None)?;
            return Ok((Some(name), ToSend { frames, message: Some(message.with_reply(inbox)) }));
        }
        Ok((None, if sync { self.request_with(Request::Ack { token: token.clone() }, message).1 } else { message.into() }))
    }

    /// The delivery that a reference names.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find(&self, reference: &DeliveryRef) -> Result<&Delivery, DeliveryRefError> {
        self.deliveries.find(&self.name, reference)
    }

    /// Takes a message: what it is, and what the client sends because of it (the end of a pull, an answer to flow control).
    pub fn receive(&mut self, sid: Sid, message: &Message) -> (Received, ToSend) {
        let received = self.classify(sid, message);
        if let Some(pin) = message.headers.as_ref().and_then(|headers| headers.get(PIN)) {
            self.pin = Some(pin.into());
        }
        let mut answer = ToSend::default();
        match &received {
            Received::Delivery { pull: Some(_), .. } => answer.frames.extend(self.count_pull(sid)),
            Received::Status { code, pull: Some(_), .. } if *code != 100 => answer.frames.extend(self.end_pull(sid)),
            Received::Status { code: 100, pull: None, .. } => {
                // A push consumer's flow control asks for an empty answer.
                answer.message = message.reply.as_ref().map(|reply| Message::new(reply.clone(), b""));
                self.count_plain(sid);
            }
            Received::Answer { id, .. } => {
                self.requests.remove(*id);
            }
            Received::Stray => {}
            _ => self.count_plain(sid),
        }
        (received, answer)
    }

    /// Remembers a delivery, so that it can be acknowledged.
    pub fn remember(&mut self, delivery: Arc<Delivery>) {
        self.deliveries.add(delivery);
    }

    /// A request whose answer will not come.
    pub fn forget_request(&mut self, id: RequestId) {
        self.requests.remove(id);
    }

    /// The pull of this name.
    pub fn pull(&self, name: &str) -> Option<&Pull> {
        self.pull_at(self.inbox_of(name)?)
    }

    /// The subscription of a pull's inbox.
    pub(crate) fn inbox_of(&self, name: &str) -> Option<Sid> {
        self.pulls.get(name).copied()
    }

    /// The pull whose inbox this subscription is.
    pub(crate) fn pull_at(&self, inbox: Sid) -> Option<&Pull> {
        match self.subscriptions.get(inbox)? {
            Purpose::Pull(pull) => Some(pull),
            _ => None,
        }
    }

    /// Gives up a pull before its end.
    pub fn abandon_pull(&mut self, name: &str) -> Vec<Frame> {
        let sid = self.pulls.get(name).copied();
        sid.and_then(|sid| self.end_pull(sid)).into_iter().collect()
    }

    /// The connection is gone: unanswered requests stay so. Subscriptions and pulls are kept for the next connection.
    pub fn disconnected(&mut self) {
        self.requests.clear();
    }

    /// The server is gone, and with it all pulls it knew of.
    pub fn server_lost(&mut self) {
        for purpose in self.subscriptions.values_mut() {
            if let Purpose::Pull(pull) = purpose {
                pull.open = false;
            }
        }
    }

    /// What a client library sends on a new connection: its subscriptions and open inboxes again, but no pull request.
    pub fn connected(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for (sid, purpose) in self.subscriptions.iter() {
            let (subject, queue, max) = match purpose {
                Purpose::Plain { subject, queue, remaining } => (subject.clone(), queue.clone(), *remaining),
                Purpose::Pull(pull) if !pull.open => continue,
                Purpose::Pull(_) => (self.pull_inbox(sid), None, None),
                Purpose::Replies => (self.replies(), None, None),
            };
            frames.push(Frame::Subscribe { sid, subject, queue });
            frames.extend(max.map(|max| Frame::Unsubscribe { sid, max: Some(max) }));
        }
        frames
    }

    /// The process is gone: all it knew is forgotten. Numbers go on, so that no name of an earlier life comes back.
    pub fn crashed(&mut self) {
        self.subscriptions.clear();
        self.pulls.clear();
        self.hears_replies = false;
        self.requests.clear();
        self.deliveries = Deliveries::default();
    }

    fn literal(&mut self, message: &Message) -> Result<Text, ClientError> {
        let subject = message.subject.shared();
        // A series of messages goes to one subject.
        if self.last_literal.as_ref().is_some_and(|last| *last == subject) {
            return Ok(subject);
        }
        if !is_valid_literal(&subject) {
            return Err(ClientError::Subject(subject.to_string()));
        }
        self.last_literal = Some(subject.clone());
        Ok(subject)
    }

    fn add_subscription(&mut self, purpose: Purpose) -> (Sid, Vec<Frame>) {
        let sid = Sid(self.next_sid);
        self.next_sid += 1;
        let (subject, queue) = match &purpose {
            Purpose::Plain { subject, queue, .. } => (subject.clone(), queue.clone()),
            Purpose::Pull(_) => (self.pull_inbox(sid), None),
            Purpose::Replies => (self.replies(), None),
        };
        self.subscriptions.insert(sid, purpose);
        (sid, vec![Frame::Subscribe { sid, subject, queue }])
    }

    fn pull_inbox(&self, sid: Sid) -> Text {
        format!("{}{sid}", self.inbox).into()
    }

    /// The inbox of all requests.
    fn replies(&self) -> Text {
        format!("{}r.*", self.inbox).into()
    }

    fn reply_subject(&self, id: RequestId) -> Text {
        // Made for each request, and kept in place while it is short: so the number is written with letters, too.
        const DIGITS: &[u8; REPLY_RADIX as usize] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut number = [b'0'; 13];
        let (mut at, mut rest) = (number.len(), id.0);
        while rest > 0 {
            at -= 1;
            number[at] = DIGITS[(rest % u64::from(REPLY_RADIX)) as usize];
            rest /= u64::from(REPLY_RADIX);
        }
        let number = str::from_utf8(&number[at..]).expect("digits are text");
        let mut subject = TextBuilder::new();
        [&*self.inbox, "r.", number].into_iter().for_each(|part| subject.push_str(part));
        subject.finish()
    }

    fn open_pull(&mut self, stream: &str, consumer: &str, batch: i64, alias: Option<&str>) -> Result<Opened, ClientError> {
        let name: Text = match alias {
            Some(alias) if self.pull(alias).is_some() => {
                return Err(ClientError::PullExists { client: self.name.clone(), name: alias.into() });
            }
            Some(alias) => alias.into(),
            None => loop {
                let name: Text = format!("p{}", self.next_pull).into();
                self.next_pull += 1;
                if self.pull(&name).is_none() {
                    break name;
                }
            },
        };
        // A batch below one still gets one message.
        let missing = u64::try_from(batch).unwrap_or(0).max(1);
        self.forget_old_pulls();
        let pull = Pull { name: name.clone(), stream: stream.into(), consumer: consumer.into(), missing, open: true };
        let (sid, frames) = self.add_subscription(Purpose::Pull(pull));
        self.pulls.insert(name.clone(), sid);
        Ok(Opened { name, inbox: self.pull_inbox(sid), frames })
    }

    /// Of pulls that ended, only the latest are remembered.
    fn forget_old_pulls(&mut self) {
        if self.pulls.len() < 2 * PULLS {
            return;
        }
        let is_over = |purpose: &Purpose| matches!(purpose, Purpose::Pull(pull) if !pull.open);
        let over: Vec<Sid> = self.subscriptions.iter().filter(|(_, purpose)| is_over(purpose)).map(|(sid, _)| sid).collect();
        for sid in &over[..over.len().saturating_sub(PULLS)] {
            if let Some(Purpose::Pull(pull)) = self.subscriptions.remove(*sid) {
                self.pulls.remove(&pull.name);
            }
        }
    }

    fn request_with(&mut self, request: Request, message: Message) -> (RequestId, ToSend) {
        let mut frames = Vec::new();
        if !self.hears_replies {
            self.hears_replies = true;
            frames = self.add_subscription(Purpose::Replies).1;
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.requests.insert(id, request);
        if self.requests.len() > REQUESTS {
            self.requests.pop_first();
        }
        (id, ToSend { frames, message: Some(message.with_reply(self.reply_subject(id))) })
    }

    /// The request that a reply subject of this client stands for.
    pub fn request_of_reply(&self, subject: &str) -> Option<(RequestId, &Request)> {
        let number = subject.strip_prefix(&*self.inbox)?.strip_prefix("r.")?;
        let id = RequestId(u64::from_str_radix(number, REPLY_RADIX).ok()?);
        self.requests.get(id).map(|request| (id, request))
    }

    fn classify_answer(&self, message: &Message) -> Received {
        match self.request_of_reply(&message.subject.text()) {
            Some((id, request)) => Received::Answer { id, request: request.clone() },
            None => Received::Stray,
        }
    }

    /// One message of a pull came: counts it, and ends the pull with the last one.
    fn count_pull(&mut self, sid: Sid) -> Option<Frame> {
        let Some(Purpose::Pull(pull)) = self.subscriptions.get_mut(sid) else { return None };
        pull.missing = pull.missing.saturating_sub(1);
        if pull.missing == 0 { self.end_pull(sid) } else { None }
    }

    /// Closes a pull's inbox. The pull is remembered: what a fault kept back may still come, and is shown as its own.
    fn end_pull(&mut self, sid: Sid) -> Option<Frame> {
        match self.subscriptions.get_mut(sid) {
            Some(Purpose::Pull(pull)) if pull.open => {
                pull.open = false;
                Some(Frame::Unsubscribe { sid, max: None })
            }
            _ => None,
        }
    }

    fn count_plain(&mut self, sid: Sid) {
        if let Some(Purpose::Plain { remaining: Some(remaining), .. }) = self.subscriptions.get_mut(sid) {
            *remaining = remaining.saturating_sub(1);
            if *remaining == 0 {
                self.subscriptions.remove(sid);
            }
        }
    }
}

impl Peer for Client {
    fn name(&self) -> &Text {
        &self.name
    }

    fn message_of(&self, stream: &Text, consumer: &Text, seq: StreamSeq) -> Option<Known<'_>> {
        let delivery = self.deliveries.message_of(stream, consumer, seq)?;
        Some(Known { subject: &delivery.subject, headers: delivery.headers.as_ref(), payload: &delivery.payload })
    }

    fn awaits(&self, reply: &str) -> bool {
        self.request_of_reply(reply).is_some()
    }

    fn pull_of_reply(&self, reply: &str) -> Option<Text> {
        let inbox = reply.strip_prefix(&*self.inbox)?;
        match self.subscriptions.get(Sid(inbox.parse().ok()?))? {
            Purpose::Pull(pull) => Some(pull.name.clone()),
            _ => None,
        }
    }

    fn asked_by(&self, pull: &str) -> Option<(Text, Text)> {
        self.pull(pull).map(|pull| (pull.stream.clone(), pull.consumer.clone()))
    }

    fn classify(&self, sid: Sid, message: &Message) -> Received {
        let pull = match self.subscriptions.get(sid) {
            None => return Received::Stray,
            Some(Purpose::Replies) => return self.classify_answer(message),
            Some(Purpose::Pull(pull)) => Some(pull.name.clone()),
            Some(Purpose::Plain { .. }) => None,
        };
        if let Some(token) = message.reply.as_ref().and_then(|reply| reply.ack_token()) {
            return Received::Delivery { token, pull };
        }
        if let Some(status) = message.headers.as_ref().and_then(|headers| headers.status()) {
            return Received::Status { code: status.code, text: status.text.to_owned(), pull };
        }
        if message.subject.text().starts_with(ADVISORY) { Received::Advisory } else { Received::Message }
    }
}

/// A delivery as the world records it.
pub(crate) fn delivery(client: &Text, at: Time, token: Arc<AckToken>, message: Message, pull: Option<Text>, record: u64) -> Delivery {
    let Message { subject, headers, payload, .. } = message;
    Delivery { client: client.clone(), at, token, subject: subject.shared(), headers, payload, pull, record }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_finds_its_request() {
        let mut client = Client::new("c".into(), ClientOptions::default());
        for (number, reply) in
            [(1, "_INBOX.c.r.1"), (35, "_INBOX.c.r.z"), (36, "_INBOX.c.r.10"), (u64::MAX - 1, "_INBOX.c.r.3w5e11264sgse")]
        {
            client.next_request = number;
            let (id, sent) = client.request(Message::new("a", b"")).unwrap();
            let asked = sent.message.and_then(|message| message.reply).map(|reply| reply.text().into_owned());
            assert_eq!((id, asked.as_deref()), (RequestId(number), Some(reply)));
            assert_eq!(client.request_of_reply(reply).map(|(found, _)| found), Some(id));
        }
        assert_eq!(client.request_of_reply("_INBOX.c.r."), None);
    }
}
