//! Clients come, lose their connections, come back, and die. What fault rules want done to a client or the server is done here too.

use jetlag_core::Input;
use jetlag_fault::{Action, Fate, RuleId};
use jetlag_model::{ConnId, Duration, SeqMap, Text};
use jetlag_trace::{Key, Kind};

use super::{Connection, Item, Member, World};
use crate::client::Client;
use crate::crossing::Description;
use crate::schedule::Rank;
use crate::{Backend, ClientOptions, WorldError};

/// How long a client waits between two attempts to connect: what NATS clients do.
const RECONNECT_WAIT: Duration = Duration::from_secs(2);

impl<B: Backend> World<B> {
    /// The client of this name, connected if it is new.
    pub(super) fn member_or_new(&mut self, name: &str) -> Result<usize, WorldError> {
        match self.names.get(name) {
            Some(member) => Ok(*member),
            None => self.add_member(name, ClientOptions::default(), false),
        }
    }

    /// A new client, with a connection if the server is up.
    pub(super) fn add_member(&mut self, name: &str, options: ClientOptions, quiet: bool) -> Result<usize, WorldError> {
        let name: Text = name.into();
        if self.names.contains_key(&name) {
            return Err(WorldError::ClientExists(name));
        }
        let member = self.members.len();
        self.members.push(Member {
            client: Client::new(name.clone(), options),
            connection: Connection::Waiting,
            quiet,
            lost_replies: SeqMap::new(),
            pulls: SeqMap::new(),
            confirmations: SeqMap::new(),
        });
        self.names.insert(name, member);
        if self.down_until.is_none()
            && let Some(then) = self.let_in(member)?
        {
            self.open(member)?;
            self.act_once_answered(member, then)?;
        }
        Ok(member)
    }

    /// Asks the rules about a client's attempt to connect: what they want done once it stands, if they let it in. If not, the client tries again
    /// later, unless it does not connect again by itself. Clients that are no news are nobody's to keep away.
    fn let_in(&mut self, member: usize) -> Result<Option<Vec<(RuleId, Action)>>, WorldError> {
        if self.members[member].quiet {
            return Ok(Some(Vec::new()));
        }
        let now = self.now();
        let about = Description::connect(&self.members[member].client);
        let verdict = self.rules.evaluate(now, &about.crossing(None, None));
        self.record_hits(&about, &verdict);
        let returns = self.members[member].client.options().reconnect;
        let refusal = match verdict.fate {
            Fate::Pass if returns => return Ok(Some(verdict.actions.into_iter().map(paced).collect())),
            Fate::Pass => return Ok(Some(verdict.actions)),
            Fate::Drop(rule) => about.record(now, Kind::Lost).by_rule(rule),
            Fate::Error(rule, text) => about.record(now, Kind::Failed).with(Key::Description, text).by_rule(rule),
        };
        self.push(refusal);
        if returns {
            self.connect_later(member)?;
        } else {
            self.members[member].connection = Connection::Closed;
        }
        // What does not stand can not break.
        let then = verdict.actions.into_iter().filter(|(_, action)| !matches!(action, Action::Disconnect { .. })).collect();
        self.act_on(member, then)?;
        Ok(None)
    }

    /// An attempt to connect has failed: the client tries again.
    fn connect_later(&mut self, member: usize) -> Result<(), WorldError> {
        self.schedule(self.now() + RECONNECT_WAIT, Rank::Reconnect, Item::Reconnect { member });
        self.connection_changed(member, crate::ConnectionChange::AttemptFailed)
    }

    /// Gives a client a connection, and sends what it has subscribed to.
    fn open(&mut self, member: usize) -> Result<(), WorldError> {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.connections.insert(conn, member);
        self.members[member].connection = Connection::Open(conn);
        let options = self.members[member].client.options().connect;
        self.backend.input(Input::Connect { conn, options })?;
        self.drain()?;
        let frames = self.members[member].client.connected();
        self.send(member, frames).map(|_| ())
    }

    /// A client that waits for a connection gets one, unless its link is cut or a rule is against it: then it tries again later.
    pub(super) fn try_connect(&mut self, member: usize) -> Result<(), WorldError> {
        if self.members[member].connection != Connection::Waiting || self.down_until.is_some() {
            return Ok(());
        }
        let now = self.now();
        if self.rules.connects(now, self.members[member].client.name()).is_some() {
            return self.connect_later(member);
        }
        let Some(then) = self.let_in(member)? else { return Ok(()) };
        if !self.members[member].quiet {
            let record = self.client_record(member, Kind::Connected);
            self.push_as_cause(record);
        }
        self.open(member)?;
        self.connection_changed(member, crate::ConnectionChange::Up)?;
        self.workers_of(member).into_iter().try_for_each(|worker| self.work(worker))?;
        self.act_once_answered(member, then)
    }

    /// A client's connection is gone, and all that was under way on it.
    pub(super) fn lose_connection(&mut self, member: usize, kind: Kind, by: Option<&RuleId>, after: Return) -> Result<(), WorldError> {
        let Some(conn) = self.members[member].conn() else { return Ok(()) };
        if kind != Kind::Disconnected || !self.members[member].quiet {
            let mut record = self.client_record(member, kind);
            record.rule = by.cloned();
            self.push_as_cause(record);
        }
        self.lose_traffic(member, by);
        self.connections.remove(conn);
        let stays_away = after == Return::Closed || (after == Return::ByItself && !self.members[member].client.options().reconnect);
        let this = &mut self.members[member];
        this.connection = if stays_away { Connection::Closed } else { Connection::Waiting };
        this.client.disconnected();
        this.lost_replies.clear();
        this.confirmations.clear();
        for worker in self.workers_of(member) {
            if let Some(pull) = self.workers[worker].pull_ended() {
                // Nothing is sent: there is no connection to send it on.
                let _ = self.members[member].client.abandon_pull(&pull);
            }
        }
        if self.down_until.is_none() {
            self.backend.input(Input::Disconnect { conn })?;
            self.drain()?;
        }
        match kind {
            // A process that is gone notices nothing.
            Kind::Crashed => Ok(()),
            _ => self.connection_changed(member, crate::ConnectionChange::Lost),
        }
    }

    /// A client's process ends: its connection breaks, and all it knew is gone.
    pub(super) fn end_client(&mut self, member: usize, by: Option<&RuleId>) -> Result<(), WorldError> {
        if self.members[member].conn().is_some() {
            self.lose_connection(member, Kind::Crashed, by, Return::Closed)?;
        } else {
            let mut record = self.client_record(member, Kind::Crashed);
            record.rule = by.cloned();
            self.push_as_cause(record);
        }
        self.members[member].connection = Connection::Closed;
        self.members[member].client.crashed();
        self.members[member].pulls.clear();
        self.schedule.extract(|item| matches!(item, Item::Publish { member: of, .. } if *of == member));
        for worker in self.workers_of(member) {
            self.schedule.extract(|item| matches!(item, Item::Act { worker: of, .. } | Item::GiveUp { worker: of, .. } if *of == worker));
            self.workers[worker].crashed();
        }
        Ok(())
    }

    /// Does what rules want done once something has passed. What the server makes of it at once is under way by then, and may be lost.
    pub(super) fn act_once_answered(&mut self, member: usize, actions: Vec<(RuleId, Action)>) -> Result<(), WorldError> {
        if actions.is_empty() {
            return Ok(());
        }
        self.backend.catch_up()?;
        self.drain()?;
        self.act_on(member, actions)
    }

    /// Does what rules want done once a crossing met its fate.
    pub(super) fn act_on(&mut self, member: usize, actions: Vec<(RuleId, Action)>) -> Result<(), WorldError> {
        for (rule, action) in actions {
            match action {
                Action::Disconnect { reconnect } => {
                    let after = if reconnect.is_some() { Return::Waiting } else { Return::ByItself };
                    self.lose_connection(member, Kind::Disconnected, Some(&rule), after)?;
                    if self.members[member].connection == Connection::Waiting {
                        let due = self.now() + reconnect.unwrap_or(Duration::ZERO);
                        self.schedule(due, Rank::Reconnect, Item::Reconnect { member });
                    }
                }
                Action::Crash => self.end_client(member, Some(&rule))?,
                Action::Restart { downtime } if self.down_until.is_none() => self.take_down(None, downtime, Some(&rule))?,
                Action::Kill { downtime, lost } if self.down_until.is_none() => {
                    self.take_down(Some(super::lost_tail(lost)), downtime, Some(&rule))?;
                }
                // A server that is down can not go down.
                Action::Restart { .. } | Action::Kill { .. } => {}
            }
        }
        Ok(())
    }

    /// The workers that are, or were, this client's, in order of creation.
    pub(super) fn workers_of(&self, member: usize) -> Vec<usize> {
        (0..self.workers.len()).filter(|worker| self.workers[*worker].client == member).collect()
    }
}

/// Who has just tried to connect waits before it tries again, though the connection stood for a moment.
fn paced((rule, action): (RuleId, Action)) -> (RuleId, Action) {
    match action {
        Action::Disconnect { reconnect: None } => (rule, Action::Disconnect { reconnect: Some(RECONNECT_WAIT) }),
        other => (rule, other),
    }
}

/// Whether a client that lost its connection comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// As it was told when it was made.
    ByItself,
    /// Yes.
    Waiting,
    /// Not until told.
    Closed,
}
