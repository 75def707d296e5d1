//! Controls that move time: they go from instant to instant, and after each at which something was sent they wait until every client
//! has read it.

use std::collections::BTreeMap;

use jetlag_model::{Address, ConnId, Duration, Text, Time};
use serde_json::json;

use crate::error::ServerError;
use crate::namespace::Namespace;

/// How long a client may take to answer a PING, in real time, before the operation goes on without it and names it.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many instants without coming to rest are no settling.
const INSTANTS_TO_SETTLE: u64 = 100_000;

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// This instant, and all that is due at it.
    Reach(Time),
    /// So much later than when the operation begins.
    Advance(Duration),
    /// The next instant at which something is due.
    Next,
    /// Until only idle deadlines are left.
    Settle,
}

/// How far a step went.
pub(crate) enum Progress {
    /// Clients have not all answered yet.
    Waiting,
    /// An instant is done, clients are to be asked.
    Stepped,
    /// It is over, with this answer.
    Done(String),
}

/// One control that moves time.
#[derive(Debug)]
pub(crate) struct Operation {
    goal: Goal,
    reply: Option<Address>,
    waiting: BTreeMap<ConnId, Text>,
    waits_since: Option<Time>,
    late: Vec<Text>,
    instants: u64,
}

impl Operation {
    pub(crate) fn new(goal: Goal, reply: Option<Address>) -> Operation {
        Operation { goal, reply, waiting: BTreeMap::new(), waits_since: None, late: Vec::new(), instants: 0 }
    }

    /// Where the answer goes.
    pub(crate) fn reply(&self) -> Option<Address> {
        self.reply.clone()
    }

    /// This connection was sent a PING.
    pub(crate) fn wait_for(&mut self, conn: ConnId, client: Text) {
        self.waiting.insert(conn, client);
    }

    /// This connection answered, or is gone.
    pub(crate) fn answered(&mut self, conn: ConnId) {
        self.waiting.remove(&conn);
    }

    /// When it goes on whoever has not answered.
    pub(crate) fn patience_ends(&self) -> Option<Time> {
        self.waits_since.map(|since| since + PATIENCE)
    }

    /// Goes on at real time `at`: begins by asking all clients for a sign, so that what they have sent is in; then from instant to
    /// instant, asking again whenever something was sent.
    pub(crate) fn step(&mut self, namespace: &mut Namespace, at: Time) -> Result<Progress, ServerError> {
        if let Some(since) = self.waits_since {
            if !self.waiting.is_empty() && at < since + PATIENCE {
                return Ok(Progress::Waiting);
            }
            for name in std::mem::take(&mut self.waiting).into_values() {
                if !self.late.contains(&name) {
                    self.late.push(name);
                }
            }
        } else {
            self.waits_since = Some(at);
            return Ok(Progress::Stepped);
        }
        if let Goal::Advance(by) = self.goal {
            self.goal = Goal::Reach(namespace.now() + by);
        }
        while let Some(instant) = self.next_instant(namespace) {
            self.instants += 1;
            namespace.run_to(instant, true)?;
            if namespace.has_sent() {
                self.waits_since = Some(at);
                return Ok(Progress::Stepped);
            }
        }
        if let Goal::Reach(end) = self.goal {
            namespace.run_to(end.max(namespace.now()), true)?;
        }
        Ok(Progress::Done(self.answer(namespace)))
    }

    /// The next instant to go to; it may be the present one, if clients did something that is due at once.
    fn next_instant(&self, namespace: &Namespace) -> Option<Time> {
        let now = namespace.now();
        let due = match self.goal {
            Goal::Settle => namespace.next_busy_time(),
            _ => namespace.next_time(),
        };
        let due = due?.max(now);
        let wanted = match self.goal {
            Goal::Reach(end) => due <= end,
            Goal::Next => self.instants == 0 || due == now,
            Goal::Settle => self.instants < INSTANTS_TO_SETTLE,
            Goal::Advance(_) => false,
        };
        wanted.then_some(due)
    }

    fn answer(&self, namespace: &Namespace) -> String {
        let next = namespace.next_time().map(|due| due.as_nanos());
        let mut answer = json!({
            "now": namespace.now().to_string(),
            "now_ns": namespace.now().as_nanos(),
            "next_ns": next,
            "instants": self.instants,
        });
        if !self.late.is_empty() {
            answer["late"] = self.late.iter().map(|name| name.to_string()).collect();
        }
        if self.goal == Goal::Settle && self.instants >= INSTANTS_TO_SETTLE {
            answer["error"] =
                json!({"code": 500, "description": "it does not come to rest: after 100000 instants there is still something due"});
        }
        answer.to_string()
    }
}
