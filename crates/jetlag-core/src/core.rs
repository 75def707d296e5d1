//! The server: takes inputs, fires deadlines, hands out outputs. Routing happens here; streams and consumers do the rest.

use jetlag_model::{
    AckKind, AckPolicy, AckToken, Address, ApiUsage, ConnId, Headers, Message, Now, ServerVersion, Sid, StorageType, Text, Time, matches,
};

use crate::by_name::ByName;
use crate::connections::Connections;
use crate::consumer::{Consumer, FLOW_PREFIX};
use crate::context::{Context, Effect, Outgoing};
use crate::fifo::Fifo;
use crate::ids::Ids;
use crate::room::StoreLimits;
use crate::rules::{Rule, Rules};
use crate::stored::{LostTail, Stored};
use crate::stream::{Log, Stream};
use crate::{ConsumerRef, Deadline, Input, Output};

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreConfig {
    /// Which release it behaves like. One newer than all known rules gets the newest rules.
    pub version: ServerVersion,
    /// A rule that holds where it does not in this version, and the other way around: for finding out what depends on it.
    pub flipped: Option<Rule>,
    /// How much it may store.
    pub stores: StoreLimits,
}

impl CoreConfig {
    /// A release as it is, which may store without limits.
    pub fn of(version: ServerVersion) -> CoreConfig {
        CoreConfig { version, flipped: None, stores: StoreLimits::default() }
    }
}

impl Default for CoreConfig {
    fn default() -> CoreConfig {
        CoreConfig::of(ServerVersion::NEWEST)
    }
}

/// A NATS server with JetStream, as a state machine.
///
/// A driver feeds it and drains it, in this order at every instant:
/// 1. all inputs of the instant, in the order in which they arrived, through [`handle_input`](Core::handle_input);
/// 2. then, while [`next_deadline`](Core::next_deadline) is due, one [`handle_deadline`](Core::handle_deadline) at a time; an input that
///    one of them causes at the same instant goes before the next one.
///
/// After each of these calls the driver takes everything that [`poll_output`](Core::poll_output) gives. Time never goes back between
/// calls. Things due at one instant run in the order of [`Deadline`]'s variants, then by creation of stream and consumer.
///
/// What a client did wrong is answered as a server answers it. What the driver does wrong (a connection number used twice, a deadline
/// handled that is not due) is a panic.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) rules: Rules,
    pub(crate) stores: StoreLimits,
    pub(crate) connections: Connections,
    pub(crate) streams: ByName<Stream>,
    pub(crate) streams_created: u64,
    pub(crate) ids: Ids,
    /// Requests of the API since the start.
    pub(crate) api_usage: ApiUsage,
    effects: Fifo<Effect>,
    outputs: Fifo<Output>,
    /// Room for those who hear a message, while it is handed out.
    hearers: Vec<(ConnId, Sid)>,
    now: Now,
    /// When something is due next, as far as it is known: drivers ask far more often than it changes.
    due: Due,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Known(Option<Time>),
    /// Something happened since.
    Unknown,
}

impl Core {
    /// Starts a server on what storage holds: file streams come back with their consumers, what was in memory is gone. Ack deadlines
    /// count from the stored stamps, so messages may be due at once.
    pub fn open(config: CoreConfig, stored: Stored, now: Now) -> Core {
        let mut core = Core {
            rules: Rules::new(config.version, config.flipped),
            stores: config.stores,
            connections: Connections::default(),
            streams: ByName::default(),
            streams_created: 0,
            ids: Ids::after(stored.ids_drawn),
            api_usage: ApiUsage::default(),
            effects: Fifo::new(),
            outputs: Fifo::new(),
            hearers: Vec::new(),
            now,
            due: Due::Unknown,
        };
        for stored in stored.streams {
            core.streams_created += 1;
            let order = core.streams_created;
            let stream = Stream::recover(stored, order, &mut core.context(now));
            core.streams.insert(stream.name.clone(), stream);
        }
        core.streams_changed(now);
        core
    }

    /// Stops the server in an orderly way: waiting pull requests get `409 Server Shutdown`, everything reaches the disk. Returns what the
    /// disk holds and what is still to be sent.
    pub fn stop(mut self, now: Now) -> (Stored, Vec<Output>) {
        self.due = Due::Unknown;
        for name in self.stream_names_by_order() {
            self.with_stream(now, &name, |stream, cx| stream.each_consumer(cx, |consumer, _, cx| consumer.shut_down(cx)));
        }
        let mut outputs = Vec::new();
        while let Some(output) = self.poll_output() {
            outputs.push(output);
        }
        (self.into_stored(now.mono, LostTail::default()), outputs)
    }

    /// Kills the server: nobody is told anything, and what was written last may be lost.
    pub fn kill(self, now: Now, lost: LostTail) -> Stored {
        self.into_stored(now.mono, lost)
    }

    fn into_stored(self, now: Time, lost: LostTail) -> Stored {
        let ids_drawn = self.ids.drawn();
        let mut streams: Vec<_> = self.streams.into_values().collect();
        streams.sort_by_key(|stream| stream.order);
        Stored { streams: streams.into_iter().filter_map(|stream| stream.into_stored(now, lost)).collect(), ids_drawn }
    }

    /// The connections that are open.
    pub fn connections(&self) -> Vec<ConnId> {
        self.connections.open().collect()
    }

    /// How many subscriptions there are, over all connections.
    pub fn subscription_count(&self) -> usize {
        self.connections.subscription_count()
    }

    /// Takes one input.
    ///
    /// # Panics
    /// If a connection number is used twice, or one is named that is not open.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.now = now;
        self.due = Due::Unknown;
        match input {
            Input::Connect { conn, options } => self.connections.connect(conn, options),
            Input::Disconnect { conn } => {
                self.connections.disconnect(conn);
                self.interest_changed(now);
            }
            Input::Subscribe { conn, sid, subject, queue } => {
                self.connections.subscribe(conn, sid, subject, queue);
                self.interest_changed(now);
            }
            Input::Unsubscribe { conn, sid, max } => {
                self.connections.unsubscribe(conn, sid, max);
                self.interest_changed(now);
            }
            Input::Publish { conn, message } => self.publish(now, conn, message),
        }
    }

    /// Does what is due first.
    ///
    /// # Panics
    /// If nothing is due yet.
    pub fn handle_deadline(&mut self, now: Now) {
        let (at, deadline) = self.next_deadline().expect("a deadline is handled only when there is one");
        self.fire(now, at, deadline);
    }

    /// Does what is due first of its kind (see [`Deadline::kind`]), although something of another kind may be due before: a driver's timers need not
    /// be equally late.
    ///
    /// # Panics
    /// If nothing of this kind is due yet.
    pub fn handle_deadline_of(&mut self, now: Now, kind: &str) {
        let (at, deadline) = self.next_deadline_of(kind).expect("a deadline is handled only when there is one");
        self.fire(now, at, deadline);
    }

    fn fire(&mut self, now: Now, at: Time, deadline: Deadline) {
        self.now = now;
        self.due = Due::Unknown;
        assert!(at <= now.mono, "the deadline is due at {at}, not yet at {}", now.mono);
        match deadline {
            Deadline::Pull(at) => self.with_consumer(now, &at.stream, &at.consumer, |consumer, log, cx| consumer.expire_pulls(log, cx)),
            Deadline::Heartbeat(at) => self.with_consumer(now, &at.stream, &at.consumer, |consumer, log, cx| consumer.beat(log, cx)),
            Deadline::AckWait(at) => self.with_consumer(now, &at.stream, &at.consumer, |consumer, log, cx| consumer.sweep(log, cx)),
            Deadline::Pin(at) => self.with_consumer(now, &at.stream, &at.consumer, |consumer, log, cx| consumer.pin_expired(log, cx)),
            Deadline::MaxAge(stream) => self.with_stream(now, &stream, |stream, cx| stream.drop_aged(cx)),
            Deadline::Inactive(at) => self.drop_if_abandoned(now, &at),
        };
    }

    /// What is due next, and when.
    pub fn next_deadline(&self) -> Option<(Time, Deadline)> {
        self.first_deadline(|_| true)
    }

    /// When something is due next. Once all outputs are taken this is known without a search.
    pub fn next_due(&self) -> Option<Time> {
        match self.due {
            Due::Known(due) => due,
            Due::Unknown => {
                let first_of = |consumer: &Consumer| consumer.deadlines().iter().flatten().min().copied();
                let of_stream = |stream: &Stream| stream.consumers.values().filter_map(first_of).chain(stream.age_deadline(self.now)).min();
                self.streams.values().filter_map(of_stream).min()
            }
        }
    }

    /// What is due next of a kind (see [`Deadline::kind`]), and when.
    pub fn next_deadline_of(&self, kind: &str) -> Option<(Time, Deadline)> {
        self.first_deadline(|other| other == kind)
    }

    /// What is due next of the things that are not idle (see [`Deadline::is_idle`]): with none of these left, a run has settled.
    pub fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
        self.first_deadline(|kind| !Deadline::is_idle_kind(kind))
    }

    fn first_deadline(&self, wanted: impl Fn(&str) -> bool) -> Option<(Time, Deadline)> {
        let mut first: Option<((Time, u8, u64, u64), Whose)> = None;
        let mut offer = |at: Option<Time>, kind: u8, (stream, consumer): (u64, u64), whose| {
            let Some(at) = at else { return };
            let key = (at, kind, stream, consumer);
            if first.as_ref().is_none_or(|(best, _)| key < *best) && wanted(Deadline::KINDS[usize::from(kind)]) {
                first = Some((key, whose));
            }
        };
        for stream in self.streams.values() {
            offer(stream.age_deadline(self.now), 4, (stream.order, 0), Whose::Stream(stream));
            for consumer in stream.consumers.values() {
                let order = (stream.order, consumer.order);
                for (at, (kind, deadline)) in consumer.deadlines().into_iter().zip(OF_CONSUMER) {
                    offer(at, kind, order, Whose::Consumer(consumer, deadline));
                }
            }
        }
        let ((at, ..), whose) = first?;
        let deadline = match whose {
            Whose::Stream(stream) => Deadline::MaxAge(stream.name.clone()),
            Whose::Consumer(consumer, deadline) => deadline(consumer.at()),
        };
        Some((at, deadline))
    }

    /// The next thing the server does in answer, if any. Who gets a message is decided here: a delivery that meets nobody any more is taken
    /// back.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Due::Known(_) = self.due {
            // All was taken, and nothing has happened since.
            return None;
        }
        loop {
            if let Some(output) = self.outputs.pop() {
                return Some(output);
            }
            match self.effects.pop() {
                Some(Effect::Note(note)) => return Some(Output::Note(note)),
                Some(Effect::Send(outgoing)) => self.route(outgoing),
                // A consumer hears that its listener has had enough when it has sent what it was about to send.
                None if self.connections.take_ended() => self.interest_changed(self.now),
                None => {
                    self.due = Due::Known(self.next_due());
                    return None;
                }
            }
        }
    }

    pub(crate) fn context(&mut self, now: Now) -> Context<'_> {
        Context { now, rules: self.rules, connections: &self.connections, ids: &mut self.ids, effects: &mut self.effects }
    }

    /// Does something with one stream.
    pub(crate) fn with_stream<R>(&mut self, now: Now, name: &str, f: impl FnOnce(&mut Stream, &mut Context) -> R) -> Option<R> {
        let stream = self.streams.get_mut(name)?;
        let mut cx = Context { now, rules: self.rules, connections: &self.connections, ids: &mut self.ids, effects: &mut self.effects };
        Some(f(stream, &mut cx))
    }

    /// Does something with one consumer.
    pub(crate) fn with_consumer<R>(
        &mut self,
        now: Now,
        stream: &str,
        consumer: &str,
        f: impl FnOnce(&mut Consumer, &Log, &mut Context) -> R,
    ) -> Option<R> {
        self.with_stream(now, stream, |stream, cx| stream.with_consumer(consumer, cx, f))?
    }

    fn stream_names_by_order(&self) -> Vec<Text> {
        let mut names: Vec<_> = self.streams.values().map(|stream| (stream.order, stream.name.clone())).collect();
        names.sort_unstable();
        names.into_iter().map(|(_, name)| name).collect()
    }

    /// Streams listen on their subjects: there is one more, one less, or one with others.
    pub(crate) fn streams_changed(&mut self, now: Now) {
        let subjects = self.streams.values().flat_map(|stream| stream.config.subjects.iter().cloned()).collect();
        self.connections.set_streams(subjects);
        self.interest_changed(now);
    }

    /// Push consumers look again whether somebody listens.
    fn interest_changed(&mut self, now: Now) {
        for name in self.stream_names_by_order() {
            self.with_stream(now, &name, |stream, cx| stream.each_consumer(cx, |consumer, log, cx| consumer.interest_changed(log, cx)));
        }
    }

    fn drop_if_abandoned(&mut self, now: Now, at: &ConsumerRef) -> Option<()> {
        let abandoned = self.with_consumer(now, &at.stream, &at.consumer, |consumer, _, cx| consumer.is_abandoned(cx))?;
        if abandoned {
            self.with_stream(now, &at.stream, |stream, cx| stream.delete_consumer(&at.consumer, cx));
        }
        Some(())
    }

    /// A client published: streams store it, the API answers it, an acknowledgement is taken, and subscribers hear it.
    fn publish(&mut self, now: Now, conn: ConnId, message: Message) {
        if matches!(message.subject, Address::Ack(_)) && !self.connections.hear_acks() {
            // Spelling its subject out would take longer than taking it.
            let taken = self.acknowledge(now, &message);
            return self.answer_unheard(conn, &message.subject, message.reply.as_ref().filter(|_| !taken));
        }
        let (subject, reply) = (message.subject.shared(), message.reply.clone());
        let taken = self.take(now, &subject, &message);
        let heard = self.fan_out(&subject, Some(conn), message);
        self.answer_unheard(conn, &Address::Subject(subject), reply.as_ref().filter(|_| !taken && !heard));
    }

    /// Who waits for an answer to what met nobody is told so: the client itself, where it listens for the answer, and nobody else who does. Rules
    /// of `processMsgResults` and `subForReply` (`server/client.go`, 2.14).
    fn answer_unheard(&mut self, conn: ConnId, subject: &Address, reply: Option<&Address>) {
        let Some(reply) = reply else { return };
        let options = self.connections.options(conn);
        if options.no_responders
            && options.headers
            && let Some(sid) = self.connections.own_listener(conn, &reply.text())
        {
            let mut status = Headers::from_status(503, "");
            if self.rules.has(Rule::NoRespondersNamesSubject) {
                status = status.with("Nats-Subject", &subject.text());
            }
            let message = Message { subject: reply.clone(), reply: None, headers: Some(status), payload: (*b"").into() };
            self.outputs.push(Output::Deliver { conn, sid, message });
        }
    }

    /// JetStream's own ears: says whether anything of it listens on the subject.
    fn take(&mut self, now: Now, subject: &Text, message: &Message) -> bool {
        let stored = self.capture(now, subject, message);
        let acknowledged = subject.starts_with(AckToken::PREFIX) && self.acknowledge(now, message);
        stored || acknowledged || self.answer_flow(now, subject) || self.handle_api(now, subject, message)
    }

    fn capture(&mut self, now: Now, subject: &Text, message: &Message) -> bool {
        let takes = |stream: &Stream| stream.config.subjects.iter().any(|filter| matches(filter, subject));
        let (memory_is_full, file_is_full) = (self.is_full(StorageType::Memory), self.is_full(StorageType::File));
        let Some(stream) = self.streams.values_mut().find(|stream| takes(stream)) else { return false };
        let is_full = if stream.config.storage == StorageType::Memory { memory_is_full } else { file_is_full };
        let mut cx = Context { now, rules: self.rules, connections: &self.connections, ids: &mut self.ids, effects: &mut self.effects };
        // A delivery is stored under the subject that clients see, not the one it was sent to.
        stream.publish(&message.subject.shared(), message, is_full, &mut cx);
        true
    }

    fn acknowledge(&mut self, now: Now, message: &Message) -> bool {
        let Some(token) = message.subject.token() else { return false };
        let kind = AckKind::parse(&message.payload);
        let reply = message.reply.as_ref().map(Address::shared);
        self.with_consumer(now, &token.stream, &token.consumer, |consumer, log, cx| {
            let listens = consumer.config.ack_policy != AckPolicy::None;
            if listens {
                consumer.acknowledge(&token, kind, reply.as_deref(), log, cx);
            }
            listens
        })
        .unwrap_or(false)
    }

    fn answer_flow(&mut self, now: Now, subject: &str) -> bool {
        let Some((stream, rest)) = subject.strip_prefix(FLOW_PREFIX).and_then(|rest| rest.split_once('.')) else { return false };
        let Some((consumer, id)) = rest.split_once('.') else { return false };
        let listens = self.with_consumer(now, stream, consumer, |consumer, log, cx| consumer.flow_answered(subject, log, cx));
        listens.unwrap_or(false) && !id.contains('.')
    }

    /// A message of the server's own is on its way: to streams that capture it, and to whoever listens.
    #[expect(clippy::boxed_local, reason = "out of its box it would be moved once more, and every message of the server's goes this way")]
    fn route(&mut self, outgoing: Box<Outgoing>) {
        let now = self.now;
        let captured = self.capture(now, &outgoing.to, &outgoing.message);
        let heard = self.fan_out(&outgoing.to, None, outgoing.message);
        if let Some((at, seq)) = outgoing.delivery
            && !captured
            && !heard
        {
            self.with_consumer(now, &at.stream, &at.consumer, |consumer, log, cx| consumer.not_delivered(seq, log, cx));
        }
    }

    /// Hands a message to whoever listens on a subject, and says whether anybody does; `from` is the client that published it, if one did.
    fn fan_out(&mut self, subject: &str, from: Option<ConnId>, message: Message) -> bool {
        let mut to = std::mem::take(&mut self.hearers);
        self.connections.route(subject, from, &mut to);
        let last = to.pop();
        for to in to.drain(..) {
            self.hand_out(to, message.clone());
        }
        self.hearers = to;
        let Some(last) = last else { return false };
        self.hand_out(last, message);
        true
    }

    fn hand_out(&mut self, (conn, sid): (ConnId, Sid), mut message: Message) {
        if !self.connections.options(conn).headers {
            message.headers = None;
        }
        self.outputs.push(Output::Deliver { conn, sid, message });
    }
}

/// Makes a deadline of a consumer.
type OfConsumer = fn(ConsumerRef) -> Deadline;

/// The kinds of a consumer's deadlines, as [`Consumer::deadlines`] gives them: their places among all kinds, and the deadlines themselves.
const OF_CONSUMER: [(u8, OfConsumer); 5] =
    [(0, Deadline::Pull), (1, Deadline::Heartbeat), (2, Deadline::AckWait), (3, Deadline::Pin), (5, Deadline::Inactive)];

/// Whose deadline it is; of a consumer's, also which.
enum Whose<'a> {
    Stream(&'a Stream),
    Consumer(&'a Consumer, OfConsumer),
}
