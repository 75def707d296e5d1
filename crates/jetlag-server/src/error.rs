//! What can go wrong with a server that real clients talk to.

use std::path::PathBuf;

use jetlag_fault::{RuleError, RuleId};
use jetlag_model::Duration;
use jetlag_sim::BackendError;

use crate::StoreError;

/// A server that can not be started, or can not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No socket to listen on.
    #[error("can not listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A fault rule that makes no sense, or whose id is in use or unknown.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A fault rule about what goes on inside a client.
    #[error(
        "rule {0} acts inside a client (slow, and error but for kind=connect), which a server can not do to a real one; drop, delay or disconnect instead"
    )]
    NotForRealClients(RuleId),
    /// The server is down already.
    #[error("the server is down")]
    Down,
    /// A length of time below zero.
    #[error("{0} is below zero; time does not go back")]
    NegativeTime(Duration),
    /// A namespace that nobody has connected to.
    #[error("no client has used the user name {0:?} yet, so there is nothing to ask about")]
    NoNamespace(String),
    /// What is kept on disk can not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file that is to get the trace can not be written.
    #[error("the trace {} can not be written: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The simulated server failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The paused clock moved while bytes were on their way.
    #[error("{0}")]
    Clock(String),
    /// A test ran longer than its limit of virtual time.
    #[error("{0}")]
    OutOfTime(String),
}
