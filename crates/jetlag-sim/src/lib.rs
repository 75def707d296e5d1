//! The simulation: virtual clock, world, links, clients and workers. Scenario files are not known here, nor sockets.
//!
//! A [`World`] holds clients and workers, their links with fault rules, and one server, which is any [`Backend`]: [`Simulated`] in virtual
//! time, or a real one in real time. The world is the same on both.
//!
//! Internal to jetlag and in lock step with it; what users need of it is re-exported by `jetlag`.

mod arrival;
mod backend;
mod client;
mod crossing;
mod delivery;
mod error;
mod frame;
mod handler;
mod notes;
mod router;
mod schedule;
mod simulated;
mod worker;
mod world;

pub use arrival::{arrival, with_error};
pub use backend::{Backend, BackendError, Limit, Polled};
pub use client::{Client, ClientError, ClientOptions, Pull, Received, Request, RequestId};
pub use crossing::{Description, Known, Peer};
pub use delivery::{Delivery, DeliveryRef, DeliveryRefError};
pub use error::WorldError;
pub use frame::{Frame, ToSend};
pub use handler::{Action, ConnectionChange, Handler, Plan, Sending, Sent};
pub use notes::{FORGOTTEN, UNDELIVERED, deadline_record, note_record};
pub use router::{Router, RouterError};
pub use schedule::{Rank, Schedule};
pub use simulated::Simulated;
pub use worker::WorkerOptions;
pub use world::{Actor, Got, PubAck, Publication, World, lost_tail};
