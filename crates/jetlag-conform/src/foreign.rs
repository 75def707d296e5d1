//! A server that someone else runs is left as it was: nothing of theirs is touched, and nothing of ours stays.

use std::time::Duration;

use jetlag_scenario::{Command, Scenario};
use jetlag_wire::ConnectOptions;

use crate::find::ServerUrl;
use crate::ratio::steps;
use crate::raw::Requester;
use crate::real::RealError;
use crate::replay::Obstacle;

/// How long the API may take to answer.
const API_TIMEOUT: Duration = Duration::from_secs(5);

/// The API of a server that is not ours, before and after a replay.
pub(crate) struct Foreign<'s> {
    api: Requester,
    /// The streams that the scenario creates.
    streams: Vec<&'s str>,
}

impl<'s> Foreign<'s> {
    /// Looks whether anything would be in the way.
    ///
    /// # Errors
    ///
    /// When there is a stream of a name that the scenario uses, or when the server can not be asked.
    pub(crate) fn open(url: &ServerUrl, scenario: &'s Scenario) -> Result<Foreign<'s>, Obstacle> {
        let addr = url.resolve().map_err(|source| RealError::Url { url: url.to_string(), source })?;
        let options = url.credentials(ConnectOptions::default());
        let api = Requester::open(addr, &options).map_err(RealError::from)?;
        let mut foreign = Foreign { api, streams: streams_of(scenario) };
        match foreign.first_existing()? {
            Some(stream) => Err(Obstacle::Skip(format!("the server at {url} has a stream {stream} already, which would be in the way"))),
            None => Ok(foreign),
        }
    }

    fn first_existing(&mut self) -> Result<Option<&'s str>, Obstacle> {
        for stream in &self.streams {
            let answer = self.api.request(&format!("$JS.API.STREAM.INFO.{stream}"), "", API_TIMEOUT)?;
            let answer: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
            if answer.get("error").is_none() {
                return Ok(Some(stream));
            }
        }
        Ok(None)
    }

    /// Deletes what a replay left. That a stream is not there any more is fine.
    ///
    /// # Errors
    ///
    /// When the server can not be asked.
    pub(crate) fn clean_up(&mut self) -> Result<(), Obstacle> {
        for stream in &self.streams {
            self.api.request(&format!("$JS.API.STREAM.DELETE.{stream}"), "", API_TIMEOUT)?;
        }
        Ok(())
    }
}

/// The names of the streams that a scenario creates, by a command or a request as a client sends it.
fn streams_of(scenario: &Scenario) -> Vec<&str> {
    steps(scenario)
        .filter_map(|step| match &step.command {
            Command::Stream(command) => Some(command.name.as_str()),
            Command::Request(command) => command.subject.strip_prefix("$JS.API.STREAM.CREATE."),
            _ => None,
        })
        .collect()
}
