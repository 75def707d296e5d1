//! Faults: what goes wrong, to which traffic, and when.
//!
//! ```
//! use jetlag::{Error, Fault, Simulation};
//!
//! # fn main() -> Result<(), Error> {
//! let mut sim = Simulation::new();
//! sim.fault(Fault::drop().acks().consumer("ORDERS/WORK").first(2))?;
//! sim.fault(Fault::delay_between("1ms", "20ms").deliveries().probability(1, 3))?;
//! sim.fault(Fault::partition_down().client("w1").from("10s").to("25s"))?;
//! sim.fault(Fault::error("not connected").acks().client("w1").cycle("1m", "10s").named("flaky"))?;
//! sim.fault(Fault::error("connection refused").connections().client("w2").first(3))?;
//!
//! // Three of ten publishes fail, the rest is slower and slower; from somebody's third attempt on, acks of one tenant get lost.
//! sim.fault(Fault::error("timeout").publishes().ratio(3, 10))?;
//! sim.fault(Fault::delay_ramp("10ms", "2s", "5m").publishes())?;
//! sim.fault(Fault::mark().deliveries().delivery_count(3).named("third"))?;
//! sim.fault(Fault::drop().acks().header("tenant", "acme").after("third"))?;
//!
//! let mistake = sim.fault(Fault::slow("5s").acks()).unwrap_err();
//! assert_eq!(mistake.to_string(), "the rule can never match: slow is about handling deliveries, not about ack");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Fault`] acts on what crosses the links between clients and server. Every condition that it names must hold; without any it is about everything
//! that its effect can be about, but attempts to connect, of every client, and also about the simulation's own API requests, which come from the client
//! `script`. If nothing is said about when, a partition, slowness and a ramp last, a fault with a probability, a window, an event or a cycle acts each
//! time, and every other fault acts once.
//!
//! Faults act in the order in which they were added. A drop beats everything, an error everything else; delays add up, and so do copies.

use jetlag_core::{Lost, LostTail};
use jetlag_fault::{Cycle, Match, Numbers, Occurrence, Partition, Probability, When};
use jetlag_model::{Duration, Subject};

pub use jetlag_fault::{CrossingKind, Effect, Report, Rule, RuleError, RuleId};

use crate::names::ConsumerPath;
use crate::{Error, IntoDuration};

/// Something that goes wrong: an effect, what it acts on, and when. Added to a run by [`Simulation::fault`](crate::Simulation::fault),
/// which also says what is wrong with the fault itself. The module's page has examples.
#[derive(Debug)]
#[must_use = "a fault does nothing until it is added to a simulation"]
pub struct Fault {
    name: Option<String>,
    effect: Effect,
    matcher: Match,
    when: When,
    /// The first mistake made in building it.
    mistake: Option<Error>,
}

/// What goes wrong.
impl Fault {
    fn of(effect: Effect) -> Fault {
        Fault { name: None, effect, matcher: Match::default(), when: When::default(), mistake: None }
    }

    /// An effect with a length of time; if that is none, the mistake is told when the fault is added.
    fn timed(length: impl IntoDuration, effect: impl FnOnce(Duration) -> Effect) -> Fault {
        match length.into_duration() {
            Ok(length) => Fault::of(effect(length)),
            Err(mistake) => Fault { mistake: Some(mistake.into()), ..Fault::of(Effect::Drop) },
        }
    }

    /// It never arrives, and nobody is told.
    pub fn drop() -> Fault {
        Fault::of(Effect::Drop)
    }

    /// It arrives later.
    pub fn delay(by: impl IntoDuration) -> Fault {
        Fault::timed(by, |by| Effect::Delay { min: by, max: by })
    }

    /// It arrives later, by a length drawn evenly between two, both included.
    pub fn delay_between(min: impl IntoDuration, max: impl IntoDuration) -> Fault {
        let mut fault = Fault::delay(min);
        if let (Some(longest), Effect::Delay { max, .. }) = (fault.length(max), &mut fault.effect) {
            *max = longest;
        }
        fault
    }

    /// It arrives later, by a length that goes evenly from the first to the last within `over`, and stays there.
    pub fn delay_ramp(first: impl IntoDuration, last: impl IntoDuration, over: impl IntoDuration) -> Fault {
        let mut fault = Fault::delay(first);
        if let (Some(last), Some(over), Effect::Delay { min: first, .. }) = (fault.length(last), fault.length(over), &fault.effect) {
            fault.effect = Effect::Ramp { first: *first, last, over };
        }
        fault
    }

    /// Nothing goes wrong: that it crosses is an event, which other faults name with [`after`](Fault::after) and [`until`](Fault::until).
    pub fn mark() -> Fault {
        Fault::of(Effect::Mark)
    }

    /// It arrives so many times more.
    pub fn duplicate(copies: u64) -> Fault {
        Fault::of(Effect::Duplicate { copies })
    }

    /// It arrives and is done, but the answer does not come back. For publishes, API requests, and acknowledgements that ask for a
    /// confirmation.
    pub fn reply_lost() -> Fault {
        Fault::of(Effect::ReplyLost)
    }

    /// Sending it fails on the client's side, with this text.
    pub fn error(text: &str) -> Fault {
        Fault::of(Effect::Error(text.into()))
    }

    /// The client loses its connection afterwards, and comes back as clients do by themselves.
    pub fn disconnect() -> Fault {
        Fault::of(Effect::Disconnect { reconnect: None })
    }

    /// The client loses its connection afterwards, for so long.
    pub fn disconnect_for(downtime: impl IntoDuration) -> Fault {
        Fault::timed(downtime, |downtime| Effect::Disconnect { reconnect: Some(downtime) })
    }

    /// Nothing from client to server gets through.
    pub fn partition_up() -> Fault {
        Fault::of(Effect::Partition(Partition::Up))
    }

    /// Nothing from server to client gets through.
    pub fn partition_down() -> Fault {
        Fault::of(Effect::Partition(Partition::Down))
    }

    /// Nothing gets through either way.
    pub fn partition() -> Fault {
        Fault::of(Effect::Partition(Partition::Both))
    }

    /// The server stops in good order afterwards, and starts again after `downtime`.
    pub fn restart(downtime: impl IntoDuration) -> Fault {
        Fault::timed(downtime, |downtime| Effect::Restart { downtime })
    }

    /// The server is killed afterwards, its storage loses a tail of messages and consumer state alike, or as a [`LostTail`] says, and it
    /// starts again after `downtime`.
    pub fn kill(downtime: impl IntoDuration, lost: impl Into<LostTail>) -> Fault {
        let part = |lost| match lost {
            Lost::Nothing => jetlag_fault::Lost::Nothing,
            Lost::Unwritten => jetlag_fault::Lost::Unwritten,
            Lost::Since(duration) => jetlag_fault::Lost::Since(duration),
            Lost::Operations(operations) => jetlag_fault::Lost::Last(operations),
            Lost::All => jetlag_fault::Lost::All,
        };
        let LostTail { messages, consumers } = lost.into();
        let lost = jetlag_fault::LostTail { messages: part(messages), state: part(consumers) };
        Fault::timed(downtime, |downtime| Effect::Kill { downtime, lost })
    }

    /// The client's process ends afterwards, without a word.
    pub fn crash() -> Fault {
        Fault::of(Effect::Crash)
    }

    /// Whoever handles the delivery takes so much longer.
    pub fn slow(by: impl IntoDuration) -> Fault {
        Fault::timed(by, |by| Effect::Slow { by })
    }
}

/// What it acts on.
impl Fault {
    /// Of this kind.
    pub fn kind(mut self, kind: CrossingKind) -> Fault {
        self.matcher.kind = Some(kind);
        self
    }

    /// Acknowledgements, `+ACK`.
    pub fn acks(self) -> Fault {
        self.kind(CrossingKind::Ack)
    }

    /// Negative acknowledgements, `-NAK`.
    pub fn naks(self) -> Fault {
        self.kind(CrossingKind::Nak)
    }

    /// A consumer's messages.
    pub fn deliveries(self) -> Fault {
        self.kind(CrossingKind::Delivery)
    }

    /// Published messages.
    pub fn publishes(self) -> Fault {
        self.kind(CrossingKind::Publish)
    }

    /// Answers to published messages.
    pub fn pub_acks(self) -> Fault {
        self.kind(CrossingKind::PubAck)
    }

    /// Pull requests.
    pub fn pulls(self) -> Fault {
        self.kind(CrossingKind::Pull)
    }

    /// Attempts to make a connection, the first one too. A fault that does not ask for them is not about them.
    pub fn connections(self) -> Fault {
        self.kind(CrossingKind::Connect)
    }

    /// On the link of this client or worker.
    pub fn client(mut self, name: &str) -> Fault {
        self.matcher.client = Some(name.into());
        self
    }

    /// About this stream.
    pub fn stream(mut self, name: &str) -> Fault {
        self.matcher.stream = Some(name.into());
        self
    }

    /// About this consumer, `STREAM/CONSUMER`.
    pub fn consumer(mut self, path: &str) -> Fault {
        match ConsumerPath::parse(path) {
            Ok(path) => {
                self.matcher.stream = Some(path.stream.into());
                self.matcher.consumer = Some(path.consumer.into());
            }
            Err(mistake) => self.blame(mistake),
        }
        self
    }

    /// About messages whose subject matches a filter.
    pub fn subject(mut self, filter: &str) -> Fault {
        match Subject::new(filter) {
            Ok(subject) => self.matcher.subject = Some(subject),
            Err(mistake) => self.blame(mistake.into()),
        }
        self
    }

    /// About the message at this place of its stream.
    pub fn stream_seq(mut self, seq: u64) -> Fault {
        self.matcher.stream_seq = Some(seq.into());
        self
    }

    /// About the messages from the one place of their stream to the other, both included.
    pub fn stream_seqs(mut self, first: u64, last: u64) -> Fault {
        self.matcher.stream_seq = Some(Numbers { first, last: Some(last) });
        self
    }

    /// About this attempt at a message, from 1.
    pub fn delivery_count(mut self, count: u64) -> Fault {
        self.matcher.delivery_count = Some(count.into());
        self
    }

    /// About this attempt at a message and all behind it, from 1.
    pub fn delivery_count_from(mut self, first: u64) -> Fault {
        self.matcher.delivery_count = Some(Numbers { first, last: None });
        self
    }

    /// About messages with this value of a header field.
    pub fn header(mut self, name: &str, value: &str) -> Fault {
        self.matcher.header = Some((name.into(), value.into()));
        self
    }

    /// About messages with this payload.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Fault {
        self.matcher.payload = Some(payload.as_ref().into());
        self
    }

    /// About messages in whose payload this stands.
    pub fn payload_contains(mut self, part: impl AsRef<[u8]>) -> Fault {
        self.matcher.payload_contains = Some(part.as_ref().into());
        self
    }
}

/// When it acts.
impl Fault {
    /// The first so many times.
    pub fn first(mut self, times: u64) -> Fault {
        self.when.occurrence = Some(Occurrence::First(times));
        self
    }

    /// On the so-manieth alone, from 1.
    pub fn nth(mut self, nth: u64) -> Fault {
        self.when.occurrence = Some(Occurrence::Nth(vec![nth]));
        self
    }

    /// On the first `acting` of each `of`.
    pub fn burst(mut self, acting: u64, of: u64) -> Fault {
        self.when.occurrence = Some(Occurrence::Burst { acting, of });
        self
    }

    /// On `acting` of each `of`, evenly spread: `ratio(1, 3)` is every third.
    pub fn ratio(mut self, acting: u64, of: u64) -> Fault {
        self.when.occurrence = Some(Occurrence::Ratio { acting, of });
        self
    }

    /// Every time.
    pub fn always(mut self) -> Fault {
        self.when.occurrence = Some(Occurrence::Always);
        self
    }

    /// By a chance of `times` in `of`, drawn from the run's seed.
    pub fn probability(mut self, times: u64, of: u64) -> Fault {
        self.when.probability = Some(Probability { numerator: times, denominator: of });
        self
    }

    /// Not before this, counted from the start of the run.
    pub fn from(mut self, since_start: impl IntoDuration) -> Fault {
        self.when.from = self.length(since_start);
        self
    }

    /// Before this, counted from the start of the run.
    pub fn to(mut self, since_start: impl IntoDuration) -> Fault {
        self.when.to = self.length(since_start);
        self
    }

    /// Not before the fault of this name has acted.
    pub fn after(mut self, name: &str) -> Fault {
        self.when.after = Some(name.into());
        self
    }

    /// Not once the fault of this name has acted.
    pub fn until(mut self, name: &str) -> Fault {
        self.when.until = Some(name.into());
        self
    }

    /// For the first `active` of each `every`, counted from [`from`](Fault::from), or from when the fault was added.
    pub fn cycle(mut self, every: impl IntoDuration, active: impl IntoDuration) -> Fault {
        self.when.cycle = self.length(every).zip(self.length(active)).map(|(every, active)| Cycle { every, active });
        self
    }

    /// What it is called: in transcripts, in [`Simulation::hits`](crate::Simulation::hits), and in draws. `fault1` and so on where
    /// nothing is said.
    pub fn named(mut self, name: &str) -> Fault {
        self.name = Some(name.to_owned());
        self
    }

    fn length(&mut self, length: impl IntoDuration) -> Option<Duration> {
        length.into_duration().map_err(|mistake| self.blame(mistake.into())).ok()
    }

    fn blame(&mut self, mistake: Error) {
        self.mistake.get_or_insert(mistake);
    }

    /// The rule; `name` is for a fault that has none.
    pub(crate) fn into_rule(self, name: impl FnOnce() -> String) -> Result<Rule, Error> {
        match self.mistake {
            Some(mistake) => Err(mistake),
            None => Ok(Rule { id: self.name.unwrap_or_else(name).into(), matcher: self.matcher, when: self.when, effect: self.effect }),
        }
    }
}
