//! A consumer: its state in memory, its stored copy, and its life from creation to recovery. What it does is in the modules beside: the
//! delivery loop in `deliver`, acknowledgements in `ack`, the ack-wait timer in `pending`, pull requests in `waiting`, their priority groups in
//! `groups`, flow control in `flow`.

mod ack;
mod config;
mod deliver;
mod due;
mod flow;
mod groups;
mod info;
mod pending;
mod queue;
mod release;
mod start;
mod store;
mod waiting;

use std::collections::VecDeque;

use jetlag_model::{
    AckPolicy, Advisory, ConsumerConfig, ConsumerSeq, Duration, Now, SeqMap, SequencePair, StreamConfig, StreamSeq, Text, Time, WallTime,
    is_subset_of,
};

pub(crate) use config::{check_modelled, check_update, checked, required_level, same_config};
use due::DueList;
use flow::Flow;
pub(crate) use flow::PREFIX as FLOW_PREFIX;
use groups::{Pin, PinTimer};
pub(crate) use groups::{check_group, check_policy};
use queue::RedeliveryQueue;
pub(crate) use store::ConsumerStore;
use waiting::Waiting;

use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stored::{Lost, StoredConsumer};
use crate::stream::{Log, LogEntry, accepts};
use crate::{ConsumerRef, Note};

/// Why a message is terminated that left the stream.
const UNACKNOWLEDGED_DELETED: &str = "Unacknowledged message was deleted";

/// A delivered message that is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The number of its first delivery; redeliveries do not change it.
    pub(crate) first: ConsumerSeq,
    /// The time its ack deadline is counted from.
    pub(crate) stamp: WallTime,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) name: Text,
    stream: Text,
    pub(crate) config: ConsumerConfig,
    created: WallTime,
    /// Consumers are numbered in order of creation; things due at one instant go by it.
    pub(crate) order: u64,

    /// The next stream sequence to look at for a new message.
    next_stream: StreamSeq,
    /// The number of the next delivery.
    next_consumer: ConsumerSeq,
    floor: SequencePair,
    pending: SeqMap<StreamSeq, Pending>,
    /// How often each unsettled message was delivered again. Stays behind when max_deliver is used up: it marks the message as past it.
    redelivered: SeqMap<StreamSeq, u64>,
    /// When unsettled messages are due; an entry counts if it is what the message says. Of each message there is the one that does.
    deadlines: DueList,
    queue: RedeliveryQueue,
    /// The one ack-wait timer.
    timer: Option<Time>,
    /// When the server's own timer fires, though it may find nothing.
    alarm: Option<Time>,

    /// The client whose pull requests alone are served, under `pinned_client`.
    pin: Option<Pin>,
    pin_timer: Option<PinTimer>,
    /// What is under way, with flow control.
    flow: Option<Flow>,
    waiting: VecDeque<Waiting>,
    /// When waiting requests were last swept.
    swept: Option<Time>,

    /// Matching messages not delivered yet, as counted so far, and up to where that count includes what was stored.
    num_pending: i64,
    counted_to: StreamSeq,
    /// `last_per_subject`: what is still to be delivered of the messages chosen at creation, and where to go on then.
    chosen: VecDeque<StreamSeq>,
    resume: StreamSeq,
    /// What it is done with and its stream has not heard of yet: from one message to another, both included.
    released: Vec<(StreamSeq, StreamSeq)>,

    /// An update took its filters away. The server then takes it off its list of who is to be told of a subject, where a consumer without
    /// filters should stand for all of them; recovery puts it right.
    deaf: bool,
    /// A push consumer somebody listens to.
    active: bool,
    /// In which queue group they have to be for that; any if it is empty. An update that changes group and deliver subject at once leaves the
    /// old group here: the server looks it up before it takes the new configuration.
    listeners: String,
    heartbeat: Option<Time>,
    /// When it goes away unless used.
    inactive: Option<Time>,
    /// Whether acks count as use: who takes them looks once, at the start, whether there is an inactive_threshold (`processInboundAcks`).
    acks_are_use: bool,

    store: ConsumerStore,
    /// Its stored copy is a file, which counts as written from the beginning.
    on_disk: bool,
    last_delivery: Option<WallTime>,
    last_ack: Option<WallTime>,
}

impl Consumer {
    /// A new consumer with a checked configuration.
    pub(crate) fn create(stream: &StreamConfig, order: u64, config: ConsumerConfig, log: &Log, cx: &mut Context) -> Consumer {
        let name = config.name.as_str().into();
        let mut consumer = Consumer::bare(&stream.name.as_str().into(), name, order, config, cx.now.wall);
        consumer.choose_start(stream, log, cx.rules);
        consumer.announce(log, cx);
        cx.advise(&stream.name, &consumer.name, &Advisory::ConsumerCreated);
        consumer
    }

    /// A consumer that comes back from disk: deadlines count from the stored stamps, which for a delivered message is the time it was
    /// published; the redelivery queue and the pull requests are gone.
    pub(crate) fn recover(stream: &Text, order: u64, mut stored: StoredConsumer, log: &Log, cx: &mut Context) -> Consumer {
        stored.state.reload(log.last_seq());
        let mut consumer = Consumer::bare(stream, stored.name, order, stored.config, stored.created);
        let delivered = stored.state.delivered();
        consumer.next_stream = delivered.stream_seq.next();
        consumer.next_consumer = delivered.consumer_seq.next();
        consumer.floor = stored.state.floor();
        consumer.pending = stored.state.pending().clone();
        consumer.redelivered = stored.state.redelivered().clone();
        consumer.store = stored.state;
        consumer.announce(log, cx);
        consumer.note_all_deadlines();
        if !consumer.pending.is_empty() {
            consumer.sweep(log, cx);
        }
        consumer
    }

    fn bare(stream: &Text, name: Text, order: u64, config: ConsumerConfig, created: WallTime) -> Consumer {
        let flow = config.flow_control.then(Flow::default);
        let listeners = config.deliver_group.clone();
        let acks_are_use = config.inactive_threshold > Duration::ZERO;
        Consumer {
            name,
            stream: stream.clone(),
            config,
            created,
            order,
            next_stream: StreamSeq(1),
            next_consumer: ConsumerSeq(1),
            floor: SequencePair::default(),
            pending: SeqMap::new(),
            redelivered: SeqMap::new(),
            deadlines: DueList::default(),
            queue: RedeliveryQueue::default(),
            timer: None,
            alarm: None,
            pin: None,
            pin_timer: None,
            flow,
            waiting: VecDeque::new(),
            swept: None,
            num_pending: 0,
            counted_to: StreamSeq(0),
            chosen: VecDeque::new(),
            resume: StreamSeq(0),
            released: Vec::new(),
            deaf: false,
            active: false,
            listeners,
            heartbeat: None,
            inactive: None,
            acks_are_use,
            store: ConsumerStore::default(),
            on_disk: false,
            last_delivery: None,
            last_ack: None,
        }
    }

    /// What creation and recovery have in common.
    fn announce(&mut self, log: &Log, cx: &mut Context) {
        cx.note(Note::ConsumerCreated { at: self.at(), config: Box::new(self.config.clone()) });
        self.on_disk = log.is_on_disk() && !self.config.mem_storage;
        self.store.keep_in_memory(!self.on_disk);
        self.count_pending(log);
        if self.config.is_push() {
            self.active = cx.connections.bound(&self.config.deliver_subject, &self.listeners);
            self.reset_heartbeat(cx.now);
        }
        if !self.active {
            self.touch(cx.now);
        }
    }

    /// Its place, for notes and deadlines.
    pub(crate) fn at(&self) -> ConsumerRef {
        ConsumerRef { stream: self.stream.clone(), consumer: self.name.clone() }
    }

    pub(crate) fn created(&self) -> WallTime {
        self.created
    }

    /// What disk holds of it; `None` if it is kept in memory.
    pub(crate) fn into_stored(mut self, now: Time, lost: Lost) -> Option<StoredConsumer> {
        if self.config.mem_storage {
            return None;
        }
        self.store.lose(now, lost);
        Some(StoredConsumer { name: self.name, config: self.config, created: self.created, state: self.store })
    }

    /// The stored copy of its state.
    pub(crate) fn store(&self) -> &ConsumerStore {
        &self.store
    }

    /// It is deleted: waiting pull requests are told so.
    pub(crate) fn delete(mut self, cx: &mut Context) {
        cx.advise(&self.stream, &self.name, &Advisory::ConsumerDeleted);
        self.release_waiting(waiting::CONSUMER_DELETED, cx);
        cx.note(Note::ConsumerDeleted { at: self.at() });
    }

    /// The server stops in an orderly way.
    pub(crate) fn shut_down(&mut self, cx: &mut Context) {
        self.release_waiting(waiting::SERVER_SHUTDOWN, cx);
    }

    /// Takes a checked configuration in place of its own. Rules of `updateConfig`.
    pub(crate) fn update(&mut self, config: ConsumerConfig, log: &Log, cx: &mut Context) {
        let old = std::mem::replace(&mut self.config, config);
        cx.note(Note::ConsumerUpdated { at: self.at(), config: Box::new(self.config.clone()) });
        let mut wakes = old.max_ack_pending != self.config.max_ack_pending;
        if old.deliver_subject != self.config.deliver_subject {
            wakes |= !self.pending.is_empty();
            self.expire_all(cx);
            self.listeners.clone_from(&old.deliver_group);
            self.interest_changed(log, cx);
        }
        if old.ack_wait != self.config.ack_wait || old.backoff != self.config.backoff {
            self.note_all_deadlines();
            self.arm_soon(cx.now, Duration::from_millis(100), cx.rules);
        }
        if old.inactive_threshold != self.config.inactive_threshold {
            self.inactive = None;
            self.touch(cx.now);
        }
        let new_filters = old.filters() != self.config.filters();
        if new_filters {
            self.deaf = self.config.filters().is_empty();
        }
        if new_filters || !cx.rules.has(Rule::UpdateKeepsPending) {
            self.count_pending(log);
        }
        if wakes {
            self.run(log, cx);
        }
    }

    /// A message was stored.
    pub(crate) fn message_stored(&mut self, seq: StreamSeq, subject: &str, log: &Log, cx: &mut Context) {
        if !self.hears(subject) {
            return;
        }
        if seq > self.counted_to {
            self.num_pending += 1;
        }
        if seq >= self.next_stream {
            self.run(log, cx);
        }
    }

    /// Whether it is told of messages of this subject.
    pub(crate) fn hears(&self, subject: &str) -> bool {
        !self.deaf && accepts(self.config.filters(), subject)
    }

    /// A message left the stream and is counted off. Gives it if it was unsettled: it is to be terminated. Rules of `decStreamPending`.
    pub(crate) fn message_left(&mut self, entry: &LogEntry, cx: &mut Context) -> Option<Left> {
        if !self.hears(&entry.subject) {
            return None;
        }
        if entry.seq >= self.next_stream {
            self.num_pending -= 1;
        }
        if let Some(pending) = self.pending.get(entry.seq) {
            let count = self.redelivered.get(entry.seq).copied().unwrap_or(0).max(1);
            return Some(Left { seq: entry.seq, number: pending.first, count });
        }
        if cx.rules.has(Rule::RedeliveredForgottenOnRemoval) && self.redelivered.remove(entry.seq).is_some() {
            self.store.update_acks(cx.now.mono, self.config.ack_policy, ConsumerSeq(0), entry.seq);
        }
        None
    }

    /// A message that left the stream unsettled is terminated.
    pub(crate) fn terminate_left(&mut self, Left { seq, number, count }: Left, log: &Log, cx: &mut Context) {
        let stalled = self.is_stalled();
        self.terminate(seq, number, count, UNACKNOWLEDGED_DELETED, cx);
        self.go_on_if_freed(stalled, log, cx);
    }

    /// Messages were purged: all, or those of a filter. Rules of `purgeLocked` and `purge`.
    pub(crate) fn purged(&mut self, filters: &[String], log: &Log, cx: &mut Context) {
        let own = self.config.filters();
        let (start, wider) = match filters.first() {
            None => (log.first_seq(), false),
            Some(filter) if purges_own(own, filter, cx.rules) => {
                (log.next_matching(filters, log.first_seq()).map(|entry| entry.seq).unwrap_or_default(), false)
            }
            Some(filter) if own.is_empty() || own.iter().any(|own| is_subset_of(filter, own) || is_subset_of(own, filter)) => {
                (log.first_seq(), true)
            }
            Some(_) => return,
        };
        let start = if start == StreamSeq(0) && !wider { log.last_seq().next() } else { start };
        self.next_stream = self.next_stream.max(start);
        if self.floor.stream_seq < start {
            self.floor.stream_seq = start.prev();
            for (seq, pending) in self.pending.clone().iter() {
                let gone = seq <= self.floor.stream_seq || (wider && log.entry(seq).is_none());
                if gone {
                    self.floor.consumer_seq = self.floor.consumer_seq.max(pending.first);
                    self.next_consumer = self.next_consumer.max(self.floor.consumer_seq);
                    self.pending.remove(seq);
                    self.redelivered.remove(seq);
                    if cx.rules.has(Rule::PurgeSettlesInStore) {
                        self.store.update_acks(cx.now.mono, self.config.ack_policy, pending.first, seq);
                    }
                }
            }
        }
        if self.pending.is_empty() {
            self.redelivered.clear();
            self.settle_floor();
        }
        // The queue loses all but what is still to come: a surviving message waits for its deadline again.
        self.queue.retain_from(self.next_stream);
        self.overwrite_store(cx.now.mono);
        self.note_all_deadlines();
        self.leave_armed(cx.now, cx.rules);
        cx.note(Note::Forgotten { at: self.at(), ack_floor: self.floor });
    }

    /// With nothing unsettled everything delivered is settled.
    fn settle_floor(&mut self) {
        self.floor = SequencePair { consumer_seq: self.next_consumer.prev(), stream_seq: self.next_stream.prev() };
    }

    fn overwrite_store(&mut self, at: Time) {
        let delivered = SequencePair { consumer_seq: self.next_consumer.prev(), stream_seq: self.next_stream.prev() };
        self.store.overwrite(at, delivered, self.floor, &self.pending, &self.redelivered);
    }

    /// Who listens may have changed.
    pub(crate) fn interest_changed(&mut self, log: &Log, cx: &mut Context) {
        if !self.config.is_push() {
            return;
        }
        let bound = cx.connections.bound(&self.config.deliver_subject, &self.listeners);
        if bound == self.active {
            return;
        }
        self.active = bound;
        if bound {
            self.inactive = None;
            self.run(log, cx);
        } else if self.inactive.is_none() {
            self.touch(cx.now);
        }
    }

    /// It was used: it stays for another inactive_threshold. The real server adds 100 to 999 ms at random; here it adds nothing.
    pub(crate) fn touch(&mut self, now: Now) {
        self.inactive = (self.config.inactive_threshold > Duration::ZERO).then(|| now.mono + self.config.inactive_threshold);
    }

    /// Nobody used it for inactive_threshold. Says whether it goes away. Rules of `deleteNotActive`.
    pub(crate) fn is_abandoned(&mut self, cx: &mut Context) -> bool {
        self.inactive = None;
        if self.config.is_push() {
            return !self.active;
        }
        self.sweep_waiting(false, false, cx);
        if !self.waiting.is_empty() {
            self.touch(cx.now);
            return false;
        }
        // Older servers looked for the count of a delivery under its own number.
        let by_message = cx.rules.has(Rule::InactivityCountsMessages);
        let counted = |seq, pending: &Pending| if by_message { seq } else { StreamSeq(pending.first.0) };
        if cx.rules.has(Rule::InactivityWaitsForAcks)
            && let Some(last) = self.pending.iter().map(|(seq, pending)| pending.stamp + self.wait(counted(seq, pending))).max()
            && last + self.config.inactive_threshold > cx.now.wall
        {
            self.inactive = Some(cx.now.mono + (last + self.config.inactive_threshold).since(cx.now.wall));
            return false;
        }
        true
    }

    /// How long after its last delivery a message is due again.
    fn wait(&self, seq: StreamSeq) -> Duration {
        self.config.wait_after(self.redelivered.get(seq).copied().unwrap_or(0).wrapping_add(1))
    }

    fn reset_heartbeat(&mut self, now: Now) {
        self.heartbeat = (self.config.idle_heartbeat > Duration::ZERO).then(|| now.mono + self.config.idle_heartbeat);
    }

    /// A push consumer was idle for a heartbeat's time. Afterwards the delivery loop comes around: it steps over what its filters do not want, which
    /// the next heartbeat tells.
    pub(crate) fn beat(&mut self, log: &Log, cx: &mut Context) {
        if self.active {
            let mut status = self.heartbeat_status();
            if let Some(asked) = self.flow.as_ref().and_then(Flow::asked) {
                status = status.with("Nats-Consumer-Stalled", asked);
            }
            cx.send_status(self.config.deliver_subject.as_str(), status);
        }
        self.reset_heartbeat(cx.now);
        self.run(log, cx);
    }

    /// When it has something to do by itself: for a waiting request, a heartbeat, ack waits, a pin that nobody uses, and when nobody uses it.
    pub(crate) fn deadlines(&self) -> [Option<Time>; 5] {
        [self.pull_deadline(), self.heartbeat, self.timer, self.pin_deadline(), self.inactive]
    }

    /// Whether messages must be acknowledged at all.
    fn expects_acks(&self) -> bool {
        self.config.ack_policy != AckPolicy::None
    }

    /// The most deliveries of one message, if there is a limit. Older servers read -1 as the largest number.
    fn max_deliver(&self, rules: Rules) -> Option<u64> {
        let unlimited = if rules.has(Rule::UnlimitedIsNoLimit) { None } else { Some(u64::MAX) };
        u64::try_from(self.config.max_deliver).map_or(unlimited, Some)
    }

    /// The most unsettled messages, if there is a limit.
    fn max_ack_pending(&self) -> Option<usize> {
        usize::try_from(self.config.max_ack_pending).ok().filter(|max| *max > 0)
    }
}

/// A message that left the stream while it was unsettled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    seq: StreamSeq,
    /// The number of its first delivery.
    number: ConsumerSeq,
    /// How often it was delivered.
    count: u64,
}

/// Whether a purge of `filter` takes all that a consumer wants. Where it takes one of several filters for all, the consumer steps over what
/// the others want.
fn purges_own(own: &[String], filter: &str, rules: Rules) -> bool {
    let purged = |own: &String| is_subset_of(own, filter);
    if rules.has(Rule::PurgeSparesOtherFilters) { !own.is_empty() && own.iter().all(purged) } else { own.iter().any(purged) }
}

/// Whether the rules say that nothing expires: a first backoff step of zero.
fn never_expires(config: &ConsumerConfig, rules: Rules) -> bool {
    config.ack_wait.is_zero() && rules.has(Rule::ZeroWaitNeverRedelivers)
}
