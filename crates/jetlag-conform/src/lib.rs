//! Replays scenarios on real nats-server processes and compares.
//!
//! From the bottom: which server to use ([`find`], [`fetch`], [`cache`]) and whether it is what it should be ([`binary`], [`checksum`]), a
//! process of it ([`ServerProcess`]), raw connections that report what arrives and when ([`Connection`]), and requests on top of one
//! ([`Requester`]). Raw, because a client library reconnects and resubscribes behind one's back. Then a server as the simulation's worlds
//! take one ([`RealServer`]). On top, [`conform()`]: the simulator says what a scenario shows and at which pace that can be told, the real
//! server is led through it, and the two are compared.
//!
//! This crate is internal to jetlag and moves in lock step with it.

pub mod binary;
pub mod cache;
pub mod checksum;
mod compare;
mod conform;
pub mod connection;
pub mod fetch;
pub mod find;
mod folder;
mod foreign;
mod hosts;
mod lane;
mod late;
mod led;
mod load;
mod plan;
mod programs;
mod ratio;
pub mod raw;
mod real;
mod replay;
pub mod server;
mod slack;
mod verdict;

pub use compare::{Difference, Row};
pub use conform::{ConformError, ConformOptions, Conformed, FileReport, Progress, Report, confirm, conform, server_version};

pub use connection::{Arrival, CloseReason, Connection, ConnectionError, ConnectionTag, Event};
pub use find::{Server, ServerUrl};
pub use jetlag_program::{HIT, Hits};
pub use programs::{Played, Programs, Shrinking, Smallest};
pub use ratio::Ratio;
pub use raw::{RequestError, Requester};
pub use real::{RealError, RealServer};
pub use server::{ServerError, ServerOptions, ServerProcess};
pub use verdict::{Cell, Counts, Verdict};
