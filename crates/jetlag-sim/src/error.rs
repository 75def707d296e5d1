//! What can go wrong in a world: mistakes of its user, servers that fail, and runs that would never end.

use jetlag_fault::RuleError;
use jetlag_model::{Duration, Text, Time};

use crate::{BackendError, ClientError};

/// Why a world could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The server can not go on.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A client can not do this.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A fault rule makes no sense, or is not there.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Nobody of this name.
    #[error("there is no client {0}; a client comes to be with its first command")]
    UnknownClient(Text),
    /// The name is taken.
    #[error("there is a client {0} already; say what it is like before its first command")]
    ClientExists(Text),
    /// It has a connection.
    #[error("{0} is connected; only a client without a connection can reconnect")]
    Connected(Text),
    /// It has no connection.
    #[error("{0} is not connected")]
    NotConnected(Text),
    /// The server is down.
    #[error("the server is down until {0}")]
    ServerDown(Time),
    /// A worker of this name runs.
    #[error("a worker {0} is running already; stop it first")]
    WorkerExists(Text),
    /// No worker of this name runs.
    #[error("there is no running worker {0}")]
    UnknownWorker(Text),
    /// A worker's handler can not be had.
    #[error("{0}")]
    Handler(String),
    /// Time can not run backwards.
    #[error("the run is at {now} already; it can not go to {to}")]
    Backwards {
        /// The instant of the run.
        now: Time,
        /// Where it was to go.
        to: Time,
    },
    /// A length of time below zero.
    #[error("{what} of {length} lies in the past; give 0s or more")]
    Negative {
        /// What it is the length of.
        what: &'static str,
        /// The length.
        length: Duration,
    },
    /// Time stands still because things keep happening.
    #[error("{events} things happened at {at} and there is no end: {what} keeps coming back")]
    Loop {
        /// The instant.
        at: Time,
        /// How many things.
        events: u64,
        /// What kept happening, in words.
        what: String,
    },
    /// Time moves, but things keep happening.
    #[error("the run did not settle within {events} steps, until {at}: {what} keeps coming back")]
    NotSettled {
        /// The instant of giving up.
        at: Time,
        /// How many steps.
        events: u64,
        /// What kept happening, in words.
        what: String,
    },
    /// An API request was refused.
    #[error("{subject} was refused: {code}/{err_code} {description}")]
    Refused {
        /// The request.
        subject: Text,
        /// The status code.
        code: u64,
        /// The JetStream error code.
        err_code: u64,
        /// The text.
        description: String,
    },
    /// No answer came in time.
    #[error("{subject} was not answered within {waited}")]
    NoAnswer {
        /// The request.
        subject: Text,
        /// How long was waited.
        waited: Duration,
    },
    /// An answer that is no JSON object.
    #[error("{subject} was answered with something else than JSON: {answer:?}")]
    NotJson {
        /// The request.
        subject: Text,
        /// The answer.
        answer: String,
    },
}
