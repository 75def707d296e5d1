//! The server goes down and comes back, and its clients with it.

use jetlag_core::{Lost, LostTail};
use jetlag_fault::RuleId;
use jetlag_model::Duration;
use jetlag_trace::{Key, Kind, Place, Record};

use super::connections::Return;
use super::{Item, World};
use crate::schedule::Rank;
use crate::{Backend, WorldError};

impl<B: Backend> World<B> {
    /// The server stops in good order now, and starts again after `downtime`. Its clients come back by themselves, in order of creation.
    ///
    /// # Errors
    /// When the server is down already, or fails, or when the downtime is below zero.
    pub fn restart(&mut self, downtime: Duration) -> Result<(), WorldError> {
        self.take_down(None, downtime, None)
    }

    /// The server dies now, its storage loses `lost`, and it starts again after `downtime`.
    ///
    /// # Errors
    /// When the server is down already, or fails, or when the downtime is below zero.
    pub fn kill(&mut self, downtime: Duration, lost: LostTail) -> Result<(), WorldError> {
        self.take_down(Some(lost), downtime, None)
    }

    /// Whether the server runs.
    pub fn is_up(&self) -> bool {
        self.down_until.is_none()
    }

    pub(super) fn take_down(&mut self, kill: Option<LostTail>, downtime: Duration, by: Option<&RuleId>) -> Result<(), WorldError> {
        if let Some(until) = self.down_until {
            return Err(WorldError::ServerDown(until));
        }
        if downtime.is_negative() {
            return Err(WorldError::Negative { what: "a downtime", length: downtime });
        }
        let until = self.now() + downtime;
        self.down_until = Some(until);
        let mut record = Record::new(self.now(), Place::Server, Kind::ServerDown);
        record.rule = by.cloned();
        match kill {
            None => self.backend.stop()?,
            Some(lost) => {
                if lost.messages != Lost::Nothing {
                    record = record.with(Key::Lost, lost_word(lost.messages));
                }
                if lost.consumers != lost.messages {
                    record = record.with(Key::LostState, lost_word(lost.consumers));
                }
                self.backend.kill(lost)?;
            }
        }
        self.push_as_cause(record);
        let cause = self.cause;
        self.flush()?;
        for member in 0..self.members.len() {
            self.set_cause(cause);
            self.lose_connection(member, Kind::Disconnected, by, Return::ByItself)?;
            self.members[member].client.server_lost();
        }
        self.schedule(until, Rank::Server, Item::ServerUp);
        Ok(())
    }

    pub(super) fn server_up(&mut self) -> Result<(), WorldError> {
        self.backend.start()?;
        self.down_until = None;
        let n = self.push_as_cause(Record::new(self.now(), Place::Server, Kind::ServerUp));
        self.drain()?;
        for member in 0..self.members.len() {
            self.set_cause(Some(n));
            self.try_connect(member)?;
        }
        Ok(())
    }
}

/// What a rule or a scenario says is lost, in the words of the core.
pub fn lost_tail(lost: jetlag_fault::LostTail) -> LostTail {
    let part = |lost| match lost {
        jetlag_fault::Lost::Nothing => Lost::Nothing,
        jetlag_fault::Lost::Unwritten => Lost::Unwritten,
        jetlag_fault::Lost::Since(duration) => Lost::Since(duration),
        jetlag_fault::Lost::Last(operations) => Lost::Operations(operations),
        jetlag_fault::Lost::All => Lost::All,
    };
    LostTail { messages: part(lost.messages), consumers: part(lost.state) }
}

/// What was lost, as a scenario writes it.
fn lost_word(lost: Lost) -> String {
    match lost {
        Lost::Nothing => "nothing".to_owned(),
        Lost::Unwritten => "unwritten".to_owned(),
        Lost::Since(duration) => duration.to_string(),
        Lost::Operations(operations) => operations.to_string(),
        Lost::All => "all".to_owned(),
    }
}
