//! What a worker does with a delivery: the trait a handler implements, and the plan it answers with. When the plan's actions run is
//! the worker's and the world's concern.

use std::sync::Arc;

use jetlag_model::{AckKind, Duration, Message, Text};
use jetlag_trace::MetricChange;

use crate::Delivery;

/// One thing a worker does with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What is sent.
    pub send: Sending,
    /// How long after handling began.
    pub after: Duration,
    /// Whether the server's confirmation is asked for: of an acknowledgement, or the pub ack of a message.
    pub sync: bool,
}

/// What an action sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Nothing at all.
    Nothing,
    /// A word about the delivery.
    Ack(AckKind),
    /// A message of the worker's own.
    Publish(Message),
}

impl Action {
    /// Sends this at once, without asking for a confirmation.
    pub fn send(kind: AckKind) -> Action {
        Action { send: Sending::Ack(kind), after: Duration::ZERO, sync: false }
    }

    /// Publishes a message of its own, without asking for a pub ack.
    pub fn publish(message: Message) -> Action {
        Action { send: Sending::Publish(message), after: Duration::ZERO, sync: false }
    }

    /// Acknowledges.
    pub fn ack() -> Action {
        Action::send(AckKind::Ack)
    }

    /// Asks for redelivery at once.
    pub fn nak() -> Action {
        Action::send(AckKind::Nak { delay: None })
    }

    /// Asks for redelivery after `delay`.
    pub fn nak_after(delay: Duration) -> Action {
        Action::send(AckKind::Nak { delay: Some(delay) })
    }

    /// Says that work goes on.
    pub fn in_progress() -> Action {
        Action::send(AckKind::InProgress)
    }

    /// Asks that the message never come again.
    pub fn term(reason: &str) -> Action {
        Action::send(AckKind::Term { reason: reason.to_owned() })
    }

    /// Sends nothing.
    pub fn ignore() -> Action {
        Action { send: Sending::Nothing, after: Duration::ZERO, sync: false }
    }

    /// The same, `after` handling began.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Action {
        self.after = after;
        self
    }

    /// The same, with the server's confirmation asked for.
    #[must_use]
    pub fn sync(mut self) -> Action {
        self.sync = true;
        self
    }
}

/// What a worker does with one delivery, in order of time. Handling ends with the last action. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(Option<Arc<[Action]>>);

impl Plan {
    /// Nothing: handling ends at once.
    pub fn ignore() -> Plan {
        Plan(None)
    }

    /// These actions; those of one instant in this order.
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Plan {
        let mut actions: Vec<_> = actions.into_iter().collect();
        actions.sort_by_key(|action| action.after);
        Plan((!actions.is_empty()).then(|| actions.into()))
    }

    /// The actions, in order of time.
    pub fn actions(&self) -> &[Action] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl From<Action> for Plan {
    fn from(action: Action) -> Plan {
        Plan::new([action])
    }
}

impl<const N: usize> From<[Action; N]> for Plan {
    fn from(actions: [Action; N]) -> Plan {
        Plan::new(actions)
    }
}

/// What became of an action that sends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It left the client. Whether it arrived is another matter.
    Done,
    /// It did not leave the client: why.
    Failed(Text),
    /// The server confirmed it; follows `Done` where a confirmation was asked for.
    Confirmed,
    /// The server refused it: why. Follows `Done` where a pub ack was asked for.
    Refused(Text),
}

/// What became of the connection of a worker's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It is there: from the start, or again.
    Up,
    /// It is gone.
    Lost,
    /// An attempt to get it back failed.
    AttemptFailed,
}

/// Decides what a worker does with a delivery.
///
/// Closures are handlers too:
///
/// ```
/// use jetlag_sim::{Action, Delivery, Handler, Plan};
/// let handler = |delivery: &Delivery| if delivery.delivery_count().0 < 3 { Plan::ignore() } else { Action::ack().into() };
/// fn takes(_: impl Handler) {}
/// takes(handler);
/// ```
pub trait Handler: Send {
    /// Handling of a delivery begins: what to do with it.
    fn handle(&mut self, delivery: &Delivery) -> Plan;

    /// What became of an action.
    fn sent(&mut self, delivery: &Delivery, action: &Action, sent: &Sent) {
        let _ = (delivery, action, sent);
    }

    /// How often the handler itself thinks it got this message, after [`Handler::handle`]; `None` for handlers that do not count.
    fn own_count(&self, delivery: &Delivery) -> Option<u64> {
        let _ = delivery;
        None
    }

    /// What became of a pull request of the worker's.
    fn pulled(&mut self, stream: &str, consumer: &str, sent: &Sent) {
        let _ = (stream, consumer, sent);
    }

    /// What became of the connection. Answers what is to be done now: each action, and the delivery that it goes back to.
    fn connection(&mut self, change: ConnectionChange) -> Vec<(Delivery, Action)> {
        let _ = change;
        Vec::new()
    }

    /// What it has counted since it was last asked, which is after each of these calls; it becomes records of the trace.
    fn take_metrics(&mut self) -> Vec<MetricChange> {
        Vec::new()
    }

    /// The worker's process died: whatever is kept in memory only is gone.
    fn crashed(&mut self) {}
}

impl<F, P> Handler for F
where
    F: FnMut(&Delivery) -> P + Send,
    P: Into<Plan>,
{
    fn handle(&mut self, delivery: &Delivery) -> Plan {
        self(delivery).into()
    }
}
