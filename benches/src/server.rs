//! A core with one stream, one consumer and one client, as the benchmarks of its cycles need it.

use std::sync::Arc;

use jetlag_core::{ConnectOptions, Core, CoreConfig, Input, Note, Output, Stored};
use jetlag_model::{AckKind, AckToken, Address, ConnId, Duration, Message, Now, Payload, Sid, Time, WallTime};

const CONN: ConnId = ConnId(1);
/// More than any run delivers.
const WITHOUT_END: u64 = 1 << 60;

/// What came out of one call.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Deliveries, by what acknowledges them.
    pub(crate) delivered: Vec<Arc<AckToken>>,
    pub(crate) acked: u64,
    pub(crate) naked: u64,
    pub(crate) expired: u64,
    /// What the last delivery says is unsettled.
    pub(crate) num_ack_pending: u64,
}

/// A server with the memory stream S, its consumer C, a client that listens to the pulls' inbox, and a clock that stands unless moved.
pub(crate) struct Server {
    core: Core,
    now: Time,
}

impl Server {
    /// The consumer waits `ack_wait` and limits nothing; the stream keeps the newest `max_msgs`, or all if that is -1.
    pub(crate) fn new(ack_wait: Duration, max_msgs: i64) -> Server {
        let core = Core::open(CoreConfig::default(), Stored::default(), both(Time::START));
        let mut server = Server { core, now: Time::START };
        server.input(Input::Connect { conn: CONN, options: ConnectOptions::default() });
        server.input(Input::Subscribe { conn: CONN, sid: Sid(1), subject: "inbox".into(), queue: None });
        let stream = format!(r#"{{"name":"S","subjects":["s"],"storage":"memory","max_msgs":{max_msgs}}}"#);
        server.publish(Message::new("$JS.API.STREAM.CREATE.S", stream));
        let ns = ack_wait.as_nanos();
        let consumer = format!(
            r#"{{"stream_name":"S","config":{{"durable_name":"C","ack_policy":"explicit","ack_wait":{ns},"max_ack_pending":-1,"max_deliver":-1}}}}"#
        );
        server.publish(Message::new("$JS.API.CONSUMER.CREATE.S.C", consumer));
        server
    }

    /// Stores so many messages of 16 bytes, `apart` from each other. What they lead to is returned.
    pub(crate) fn store(&mut self, count: u64, apart: Duration) -> Vec<Arc<AckToken>> {
        let message = Message::new("s", [7_u8; 16]);
        let mut tokens = Vec::new();
        for _ in 0..count {
            self.now += apart;
            tokens.extend(self.publish(message.clone()).delivered);
        }
        tokens
    }

    /// Pulls.
    pub(crate) fn pull(&mut self, batch: u64) -> Outcome {
        self.publish(Message::new("$JS.API.CONSUMER.MSG.NEXT.S.C", batch.to_string()).with_reply("inbox"))
    }

    /// Pulls everything there is and ever will be.
    pub(crate) fn pull_without_end(&mut self) -> Vec<Arc<AckToken>> {
        self.pull(WITHOUT_END).delivered
    }

    /// Sends `payload`, an acknowledgement of some kind.
    pub(crate) fn acknowledge(&mut self, token: Arc<AckToken>, payload: &Payload) -> Outcome {
        self.publish(Message { subject: Address::Ack(token), reply: None, headers: None, payload: payload.clone() })
    }

    /// Lets time run to the next deadline, and it happen.
    pub(crate) fn next_deadline(&mut self) -> Outcome {
        let (at, _) = self.core.next_deadline().expect("something is unsettled");
        self.now = at;
        self.core.handle_deadline(both(at));
        self.drain()
    }

    fn publish(&mut self, message: Message) -> Outcome {
        self.input(Input::Publish { conn: CONN, message })
    }

    fn input(&mut self, input: Input) -> Outcome {
        self.core.handle_input(both(self.now), input);
        self.drain()
    }

    fn drain(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Deliver { message, .. } => {
                    if let Some(Address::Ack(token)) = message.reply {
                        outcome.delivered.push(token);
                    }
                }
                Output::Note(Note::Delivered { num_ack_pending, .. }) => outcome.num_ack_pending = num_ack_pending,
                Output::Note(Note::Acked { .. }) => outcome.acked += 1,
                Output::Note(Note::Naked { .. }) => outcome.naked += 1,
                Output::Note(Note::Expired { .. }) => outcome.expired += 1,
                Output::Note(_) => {}
            }
        }
        outcome
    }
}

/// The payload of an acknowledgement.
pub(crate) fn payload(kind: &AckKind) -> Payload {
    kind.payload().as_slice().into()
}

/// Both clocks at an instant.
fn both(mono: Time) -> Now {
    Now { mono, wall: WallTime::from_unix_nanos(1_767_225_600_000_000_000) + mono.since_start() }
}
