//! Replays scenarios on real nats-server processes and compares.
//!
//! From the bottom: which server to use ([`find`], [`fetch`]), a process of it ([`ServerProcess`]), raw connections that report what
//! arrives and when ([`Connection`]), and requests on top of one ([`Requester`]). Raw, because a client library reconnects and
//! resubscribes behind one's back.
//!
//! This crate is internal to jetlag and moves in lock step with it.

pub mod connection;
pub mod fetch;
pub mod find;
mod lane;
pub mod raw;
mod real;
pub mod server;

pub use connection::{Arrival, CloseReason, Connection, ConnectionError, ConnectionTag, Event};
pub use find::{Server, ServerUrl};
pub use raw::{RequestError, Requester};
pub use real::{RealError, RealServer};
pub use server::{ServerError, ServerOptions, ServerProcess};
