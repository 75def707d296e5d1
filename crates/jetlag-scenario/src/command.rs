//! The commands: one type each, with what a line can say. Reading and printing them is elsewhere.

use jetlag_fault::LostTail;
use jetlag_model::{DeliveryCount, Duration, Payload, StreamSeq};

use crate::words::words;
use crate::{Expect, FaultSpec, Name, Settings, Span, WorkerCommand};

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `stream NAME key=value...`: creates.
    Stream(StreamCommand),
    /// `update stream NAME key=value...`: reads, changes, sends.
    UpdateStream(StreamCommand),
    /// `delete stream NAME`
    DeleteStream(DeleteStream),
    /// `purge NAME [filter=] [seq=] [keep=]`
    Purge(Purge),
    /// `delete message NAME SEQ`
    DeleteMessage(DeleteMessage),
    /// `consumer S/C key=value...`: creates.
    Consumer(ConsumerCommand),
    /// `update consumer S/C key=value...`: reads, changes, sends.
    UpdateConsumer(ConsumerCommand),
    /// `delete consumer S/C`
    DeleteConsumer(DeleteConsumer),
    /// `info STREAM` or `info S/C`
    Info(Info),
    /// `publish SUBJECT PAYLOAD ...`
    Publish(Publish),
    /// `fetch S/C ...`
    Fetch(Fetch),
    /// `ack`, `nak`, `in-progress`, `term` or `next` of a delivery
    Ack(AckCommand),
    /// `subscribe SUBJECT ...`
    Subscribe(Subscribe),
    /// `unsubscribe SUBJECT`
    Unsubscribe(Unsubscribe),
    /// `request SUBJECT` with the payload as its body
    Request(Request),
    /// `client NAME ...`: connects one that is not as others are
    Client(ClientCommand),
    /// `disconnect`
    Disconnect,
    /// `reconnect`
    Reconnect,
    /// `crash`
    Crash,
    /// `restart [downtime=D]`
    Restart(Restart),
    /// `kill [downtime=D] [lost=...] [lost-state=...]`
    Kill(Kill),
    /// `fault ID EFFECT ...`
    Fault(Box<FaultSpec>),
    /// `clear ID`: ends a fault rule
    Clear(Name),
    /// `worker NAME S/C ...` with rules as its body
    Worker(WorkerCommand),
    /// `stop NAME`: ends a worker
    Stop(Name),
    /// `advance D` or `advance to start+D`
    Advance(Advance),
    /// `settle`: until nothing is in flight and only idle deadlines are left
    Settle,
    /// `check NAME...`
    Check(Check),
    /// `expect ...`: metrics and alerts
    Expect(Expect),
}

/// `stream NAME key=value...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamCommand {
    /// The stream's name.
    pub name: Name,
    /// Its settings.
    pub settings: Settings,
}

/// `delete stream NAME`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStream {
    /// The stream's name.
    pub name: Name,
}

/// `purge NAME [filter=SUBJECT] [seq=N] [keep=N]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The stream's name.
    pub name: Name,
    /// Only messages of this subject.
    pub filter: Option<String>,
    /// Only messages below this one.
    pub seq: Option<StreamSeq>,
    /// All but the last so many.
    pub keep: Option<u64>,
}

/// `delete message NAME SEQ`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteMessage {
    /// The stream's name.
    pub stream: Name,
    /// Which message.
    pub seq: StreamSeq,
}

/// `S/C`: a consumer of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerPath {
    /// The stream's name, without `/`.
    pub stream: Name,
    /// The consumer's name.
    pub consumer: Name,
}

impl std::fmt::Display for ConsumerPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.stream, self.consumer)
    }
}

/// `consumer S/C key=value...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerCommand {
    /// Which consumer.
    pub path: ConsumerPath,
    /// Its settings.
    pub settings: Settings,
}

/// `delete consumer S/C`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteConsumer {
    /// Which consumer.
    pub path: ConsumerPath,
}

/// `info STREAM` or `info S/C`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Info {
    /// Of a stream.
    Stream(Name),
    /// Of a consumer.
    Consumer(ConsumerPath),
}

/// `publish SUBJECT PAYLOAD [id=X] [expected-...=X] [header=K:V]... [count=N] [every=D [for=D]] [reply=SUBJECT | no-reply]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// Where to.
    pub subject: String,
    /// What.
    pub payload: Payload,
    /// `Nats-Msg-Id`
    pub id: Option<String>,
    /// `Nats-Expected-Last-Sequence`
    pub expected_last_seq: Option<u64>,
    /// `Nats-Expected-Last-Subject-Sequence`
    pub expected_last_subject_seq: Option<u64>,
    /// `Nats-Expected-Stream`
    pub expected_stream: Option<String>,
    /// `Nats-Expected-Last-Msg-Id`
    pub expected_last_msg_id: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// How many times, at least 1. Follows from `lasting` where that is given.
    pub count: u64,
    /// The time from one to the next, more than zero; all at once without.
    pub every: Option<Duration>,
    /// For how long, instead of how many times; only with `every`.
    pub lasting: Option<Duration>,
    /// Where answers go, instead of an inbox of the client's own.
    pub reply: Option<String>,
    /// Does not ask for a pub ack.
    pub no_reply: bool,
}

impl Publish {
    /// One message without headers.
    pub fn new(subject: impl Into<String>, payload: impl Into<Payload>) -> Publish {
        Publish {
            subject: subject.into(),
            payload: payload.into(),
            id: None,
            expected_last_seq: None,
            expected_last_subject_seq: None,
            expected_stream: None,
            expected_last_msg_id: None,
            headers: Vec::new(),
            count: 1,
            every: None,
            lasting: None,
            reply: None,
            no_reply: false,
        }
    }
}

/// `fetch S/C [batch=N] [expires=D] [no-wait] [idle-heartbeat=D] [max-bytes=N] [group=G] [id=X] [priority=N] [min-pending=N]
/// [min-ack-pending=N] [as=NAME]`: one pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// From which consumer.
    pub path: ConsumerPath,
    /// Messages asked for; the runner's default without.
    pub batch: Option<u64>,
    /// How long the server may hold it.
    pub expires: Option<Duration>,
    /// Answer at once.
    pub no_wait: bool,
    /// How often the server shows that it is alive.
    pub idle_heartbeat: Option<Duration>,
    /// Bytes asked for.
    pub max_bytes: Option<u64>,
    /// The priority group.
    pub group: Option<String>,
    /// Under which id it is of the pinned client; `last` for the one that came with the client's last delivery.
    pub id: Option<String>,
    /// How urgent it is, 0 before 9.
    pub priority: Option<u64>,
    /// How many messages have to be pending.
    pub min_pending: Option<u64>,
    /// How many messages have to be unacknowledged.
    pub min_ack_pending: Option<u64>,
    /// What the transcript calls the pull; numbered by client without.
    pub alias: Option<Name>,
}

/// `S/C:SEQ[#N]`, `C:SEQ[#N]` or `SEQ[#N]`: a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRef {
    /// The stream, where it is written; never without the consumer.
    pub stream: Option<Name>,
    /// The consumer, where it is written.
    pub consumer: Option<Name>,
    /// The message.
    pub seq: StreamSeq,
    /// Which attempt; the latest without.
    pub delivery_count: Option<DeliveryCount>,
    /// The whole reference.
    pub span: Span,
}

/// `ack|nak|in-progress|term|next REF ... [sync]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckCommand {
    /// Which of them.
    pub verb: AckVerb,
    /// Of which delivery.
    pub delivery: DeliveryRef,
    /// Asks for the server's confirmation and prints it.
    pub sync: bool,
}

/// What a client tells the server about a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckVerb {
    /// `ack`
    Ack,
    /// `nak [delay=D]`
    Nak {
        /// When to deliver again; at once without.
        delay: Option<Duration>,
    },
    /// `in-progress`
    InProgress,
    /// `term [reason=TEXT]`
    Term {
        /// Given to the advisory.
        reason: Option<String>,
    },
    /// `next [batch=N]`: acknowledges and asks for more
    Next {
        /// How many more.
        batch: Option<u64>,
    },
}

/// `subscribe SUBJECT [queue=G] [max=N]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// What to listen to.
    pub subject: String,
    /// The queue group.
    pub queue: Option<String>,
    /// Ends after so many messages.
    pub max: Option<u64>,
}

/// `unsubscribe SUBJECT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The subject as it was subscribed.
    pub subject: String,
}

/// `request SUBJECT` with the payload as indented lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub subject: String,
    /// The payload: the body's lines without their common indentation, joined by newlines. No line is blank, and some line is not indented.
    pub body: Option<String>,
}

/// `client NAME [reconnect=no] [no-responders=no] [headers=no] [echo=no]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCommand {
    /// The client's name.
    pub name: Name,
    /// Comes back after its connection broke.
    pub reconnect: bool,
    /// Hears at once that nobody listens to a request.
    pub no_responders: bool,
    /// Understands headers.
    pub headers: bool,
    /// Hears its own messages.
    pub echo: bool,
}

impl ClientCommand {
    /// A client as all others are.
    pub fn new(name: impl Into<Name>) -> ClientCommand {
        ClientCommand { name: name.into(), reconnect: true, no_responders: true, headers: true, echo: true }
    }
}

/// `restart [downtime=D]`: the server stops in good order and starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restart {
    /// How long it is down.
    pub downtime: Option<Duration>,
}

/// `kill [downtime=D] [lost=nothing|unwritten|all|D|N] [lost-state=...]`: the server dies and starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    /// How long it is down.
    pub downtime: Option<Duration>,
    /// What its disk has lost.
    pub lost: LostTail,
}

/// How time moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// `advance D`: this much further.
    By(Duration),
    /// `advance to start+D`: until this long after the start of the run.
    To(Duration),
}

/// `check NAME...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked, in order.
    pub names: Vec<CheckName>,
}

/// Something that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckName {
    /// `no-message-lost`
    NoMessageLost,
    /// `max-deliver`
    MaxDeliver,
    /// `redelivery-deadline`
    RedeliveryDeadline,
    /// `ack-floor`
    AckFloor,
    /// `max-ack-pending`
    MaxAckPending,
    /// `settled`
    Settled,
    /// `idle`
    Idle,
    /// `count-tracking`
    CountTracking,
}

words!(CheckName {
    NoMessageLost => "no-message-lost",
    MaxDeliver => "max-deliver",
    RedeliveryDeadline => "redelivery-deadline",
    AckFloor => "ack-floor",
    MaxAckPending => "max-ack-pending",
    Settled => "settled",
    Idle => "idle",
    CountTracking => "count-tracking",
});
