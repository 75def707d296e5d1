//! `jetlag-core` in somebody else's event loop: their queue, their clock, their network, where everything takes a millisecond. A worker's
//! first acknowledgement gets lost on the way, so the message comes again after exactly ack_wait.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jetlag_core::{ConnectOptions, Core, CoreConfig, Input, Note, Output, Stored};
use jetlag_model::{AckKind, ConnId, Duration, Message, Now, Sid, Time, WallTime};

const LATENCY: Duration = Duration::from_millis(1);
const PUBLISHER: ConnId = ConnId(1);
const WORKER: ConnId = ConnId(2);

/// What travels on the network.
enum Event {
    ToServer(Input),
    ToClient(ConnId, Message),
}

/// The loop's queue: by time, then in the order in which things were sent.
#[derive(Default)]
struct Queue(BTreeMap<(Time, u64), Event>, u64);

impl Queue {
    fn send(&mut self, now: Time, event: Event) {
        self.0.insert((now + LATENCY, self.1), event);
        self.1 += 1;
    }

    fn publish(&mut self, now: Time, conn: ConnId, message: Message) {
        self.send(now, Event::ToServer(Input::Publish { conn, message }));
    }
}

fn main() -> io::Result<()> {
    run(&mut io::stdout())
}

/// Plays one minute and writes what the clients see.
pub(crate) fn run(out: &mut dyn Write) -> io::Result<()> {
    let clock = |mono: Time| Now { mono, wall: WallTime::from_unix_nanos(1_767_225_600_000_000_000) + mono.since_start() };
    let mut core = Core::open(CoreConfig::default(), Stored::default(), clock(Time::START));
    let mut queue = Queue::default();
    for (conn, inbox) in [(PUBLISHER, "answers"), (WORKER, "work")] {
        queue.send(Time::START, Event::ToServer(Input::Connect { conn, options: ConnectOptions::default() }));
        queue.send(Time::START, Event::ToServer(Input::Subscribe { conn, sid: Sid(1), subject: inbox.into(), queue: None }));
    }
    let stream = r#"{"name":"ORDERS","subjects":["orders.>"]}"#;
    let consumer = r#"{"stream_name":"ORDERS","config":{"durable_name":"WORK","ack_policy":"explicit","ack_wait":30000000000}}"#;
    queue.publish(Time::START, PUBLISHER, Message::new("$JS.API.STREAM.CREATE.ORDERS", stream));
    queue.publish(Time::START, PUBLISHER, Message::new("$JS.API.CONSUMER.CREATE.ORDERS.WORK", consumer));
    queue.publish(Time::START, PUBLISHER, Message::new("orders.1", "a parcel").with_reply("answers"));
    queue.publish(Time::START, WORKER, Message::new("$JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK", "2").with_reply("work"));

    loop {
        // The next instant is that of the first event or of the server's first deadline; of the two, the event goes first.
        let event = queue.0.first_key_value().map(|((at, _), _)| *at);
        let deadline = core.next_deadline().map(|(at, _)| at);
        let Some(now) = event.into_iter().chain(deadline).min().filter(|now| *now <= Time::START + Duration::from_secs(60)) else {
            return Ok(());
        };
        match queue.0.first_entry().filter(|entry| entry.key().0 == now).map(|entry| entry.remove()) {
            None => core.handle_deadline(clock(now)),
            Some(Event::ToServer(input)) => core.handle_input(clock(now), input),
            Some(Event::ToClient(conn, message)) => match message.reply.and_then(|reply| reply.ack_token()) {
                None => writeln!(out, "{now}: publisher: {}", String::from_utf8_lossy(&message.payload))?,
                Some(token) => {
                    writeln!(out, "{now}: worker: {}, attempt {}", message.subject, token.delivery_count)?;
                    match token.delivery_count.0 {
                        1 => writeln!(out, "{now}: network: lost an acknowledgement")?,
                        _ => queue.publish(now, conn, Message::new(token, AckKind::Ack.payload())),
                    }
                }
            },
        }
        // Whatever was done, the outputs of it come out before anything else is done.
        while let Some(output) = core.poll_output() {
            match output {
                Output::Deliver { conn, message, .. } => queue.send(now, Event::ToClient(conn, message)),
                Output::Note(Note::Acked { stream_seq, .. }) => writeln!(out, "{now}: server: message {stream_seq} is acknowledged")?,
                Output::Note(_) => {}
            }
        }
    }
}
