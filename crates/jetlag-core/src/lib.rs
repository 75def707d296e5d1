//! A NATS server with JetStream as a state machine: messages in, messages out, nothing else. No IO, no clock, no randomness, no threads, no
//! logging; the caller owns time and hands it in.
//!
//! Behaviour follows nats-server 2.15.1 unless told otherwise; what differs between versions is a named [`Rule`]. Modelled are
//! connections, subscriptions with queue groups, requests and their 503, streams of every retention, pull and push consumers with
//! everything that concerns acknowledgement and redelivery, advisories about it, the API for all that, and what a restart or a kill keeps.
//! What is not modelled (mirrors, sources, flow control, priority groups, pauses, per-message TTLs,
//! clusters, accounts) is answered with an error that says so.
//!
//! [`Core`] is the whole interface; its documentation is the driver's contract.

mod api;
mod by_name;
mod connections;
mod consumer;
mod context;
mod core;
mod deadline;
mod disk;
mod fifo;
mod ids;
mod index;
mod input;
mod note;
mod output;
mod room;
mod rules;
mod stored;
mod stream;

pub use crate::core::{Core, CoreConfig};
pub use deadline::Deadline;
pub use disk::{ConsumerState, DiskError, StateWrites, StoredMessage, Write, Written};
pub use input::{ConnectOptions, Input};
pub use note::{ConsumerRef, Note, Removal};
pub use output::Output;
pub use room::StoreLimits;
pub use rules::{Rule, VersionRange, VersionRule, version_rules};
pub use stored::{Lost, LostTail, Stored};
