//! A worker as a state machine: it keeps a pull open, handles messages up to its concurrency, and says which action is due when. Sending
//! and time are the world's.

use std::collections::VecDeque;
use std::sync::Arc;

use jetlag_model::{AckToken, Duration, PullRequest, SeqMap, Sid, Text, Time};

use crate::{Action, Delivery, Handler, Plan};

/// How a worker fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerOptions {
    /// Messages a pull asks for.
    pub batch: u64,
    /// How long a pull waits; one without waits as long as the server lives.
    pub expires: Option<Duration>,
    /// Messages handled at the same time; the rest of a batch queues in order.
    pub concurrency: u64,
}

impl Default for WorkerOptions {
    /// One message at a time, by pulls that do not expire.
    fn default() -> WorkerOptions {
        WorkerOptions { batch: 1, expires: None, concurrency: 1 }
    }
}

/// A message in the handler's hands.
struct Handling {
    delivery: Arc<Delivery>,
    plan: Plan,
    /// The next action of the plan.
    next: usize,
    /// When its actions' times count from: when it began, and later if something makes it slow.
    counted_from: Time,
}

/// A worker.
pub(crate) struct Worker {
    pub(crate) client: usize,
    pub(crate) stream: Text,
    pub(crate) consumer: Text,
    options: WorkerOptions,
    handler: Box<dyn Handler>,
    running: bool,
    /// The open pull, and the subscription of its inbox.
    pull: Option<(Text, Sid)>,
    queue: VecDeque<(Arc<Delivery>, Duration)>,
    handling: SeqMap<u64, Handling>,
    next_handling: u64,
}

/// Handling of a message began.
pub(crate) struct Begun {
    pub(crate) handling: u64,
    /// The number of its delivery's record.
    pub(crate) record: u64,
    /// The delivery, and how often the handler says that it saw the message.
    pub(crate) own_count: Option<(Arc<AckToken>, u64)>,
}

/// What is to be done of a handling.
pub(crate) enum Step {
    /// This, now.
    Act(Arc<Delivery>, Action),
    /// Something at this instant.
    Later(Time),
    /// Nothing any more.
    Over,
}

impl Worker {
    pub(crate) fn new(client: usize, stream: &str, consumer: &str, options: WorkerOptions, handler: Box<dyn Handler>) -> Worker {
        Worker {
            client,
            stream: stream.into(),
            consumer: consumer.into(),
            options,
            handler,
            running: true,
            pull: None,
            queue: VecDeque::new(),
            handling: SeqMap::new(),
            next_handling: 0,
        }
    }

    pub(crate) fn options(&self) -> WorkerOptions {
        self.options
    }

    pub(crate) fn handler(&mut self) -> &mut dyn Handler {
        &mut *self.handler
    }

    /// The pull to send now, if one is due: none is open, and there is room for a message.
    pub(crate) fn wanted_pull(&self) -> Option<PullRequest> {
        let unfinished = (self.queue.len() + self.handling.len()) as u64;
        (self.running && self.pull.is_none() && unfinished < self.options.concurrency).then(|| PullRequest {
            batch: i64::try_from(self.options.batch).unwrap_or(i64::MAX),
            expires: self.options.expires.unwrap_or(Duration::ZERO),
            ..PullRequest::default()
        })
    }

    pub(crate) fn pull_opened(&mut self, name: Text, inbox: Sid) {
        self.pull = Some((name, inbox));
    }

    pub(crate) fn pull(&self) -> Option<&Text> {
        self.pull.as_ref().map(|(name, _)| name)
    }

    pub(crate) fn pull_inbox(&self) -> Option<Sid> {
        self.pull.as_ref().map(|(_, inbox)| *inbox)
    }

    pub(crate) fn pull_ended(&mut self) -> Option<Text> {
        self.pull.take().map(|(name, _)| name)
    }

    /// A message for this worker came; handling it takes so much longer than planned.
    pub(crate) fn take(&mut self, delivery: Arc<Delivery>, slow: Duration) {
        self.queue.push_back((delivery, slow));
    }

    /// Begins to handle the next message if there is one and a hand is free.
    pub(crate) fn begin(&mut self, now: Time) -> Option<Begun> {
        if self.handling.len() as u64 >= self.options.concurrency.max(1) {
            return None;
        }
        let (delivery, slow) = self.queue.pop_front()?;
        let plan = self.handler.handle(&delivery);
        let own_count = self.handler.own_count(&delivery).map(|count| (delivery.token.clone(), count));
        let (number, record) = (self.next_handling, delivery.record);
        self.next_handling += 1;
        self.handling.insert(number, Handling { delivery, plan, next: 0, counted_from: now + slow });
        Some(Begun { handling: number, record, own_count })
    }

    /// What is to be done next of a handling; nothing left to do ends it.
    pub(crate) fn step(&mut self, number: u64, now: Time) -> Step {
        let Some(handling) = self.handling.get_mut(number) else { return Step::Over };
        let Some(action) = handling.plan.actions().get(handling.next) else {
            self.handling.remove(number);
            return Step::Over;
        };
        let due = handling.counted_from + action.after;
        if due > now {
            return Step::Later(due);
        }
        handling.next += 1;
        Step::Act(handling.delivery.clone(), action.clone())
    }

    /// No new pulls; what is in hand is finished.
    pub(crate) fn stop(&mut self) {
        self.running = false;
    }

    /// Messages queued or being handled.
    pub(crate) fn unfinished(&self) -> usize {
        self.queue.len() + self.handling.len()
    }

    /// The process is gone with all it had in hand.
    pub(crate) fn crashed(&mut self) {
        self.pull = None;
        self.queue.clear();
        self.handling.clear();
        self.handler.crashed();
    }
}
