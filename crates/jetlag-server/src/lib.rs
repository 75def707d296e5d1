//! Sockets around jetlag's simulated NATS server, for real clients: inside a test's own tokio runtime, or as a process.
//!
//! [`Running`] is a server that listens. Below it everything is sans-IO: the broker (connections, who may come in, namespaces), a namespace
//! (one simulated server, its links with fault rules, its time and trace), operations that move time, and the `$JETLAG` controls.
//!
//! Not here: the protocol's bytes (`jetlag-wire`), what a server does (`jetlag-core`), command lines.
//!
//! This crate is internal to jetlag and moves in lock step with it; what users need of it is re-exported by `jetlag`.

mod broker;
mod canary;
mod config;
mod control;
mod error;
mod ledger;
mod limit;
mod namespace;
mod operation;
mod peer;
mod running;
mod sockets;
mod state;
mod store;

pub use config::{Auth, Clock, ServerConfig, User};
pub use error::ServerError;
pub use ledger::Keep;
pub use running::Running;
pub use store::StoreError;
