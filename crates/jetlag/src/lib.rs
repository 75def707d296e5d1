#![doc = include_str!("../README.md")]
//!
//! # What there is
//!
//! | to | use |
//! |---|---|
//! | set up a run and let time pass | [`Simulation`] |
//! | create streams and consumers | [`Simulation::stream`], [`Simulation::consumer`] with [`StreamConfig`], [`ConsumerConfig`] |
//! | script a worker | [`Simulation::worker`]: a closure from [`Delivery`] to [`Action`] or [`Plan`]; or a [`Handler`] |
//! | act as a client step by step | [`Simulation::client`] |
//! | make something go wrong | [`Simulation::fault`] with a [`Fault`]; [`Simulation::restart`], [`Simulation::kill`] |
//! | see what happened in a run | [`Simulation::deliveries`], [`Simulation::transcript`], [`Simulation::trace`], [`Simulation::consumer_info`] |
//!
//! Names are those of NATS. A consumer is named by its path, `STREAM/CONSUMER`. A length of time is a [`Duration`], a
//! [`std::time::Duration`], or a text with a unit such as `"1m30s"` (see [`IntoDuration`]).
//!
//! # Time
//!
//! Nothing happens unless time is let run: by [`Simulation::advance`] for so long, or by [`Simulation::settle`] until nothing is left to
//! happen. Whatever a call does at the present instant has happened when it returns. Time jumps from one thing to the next, so that an
//! hour in which nothing happens costs nothing.
//!
//! # Errors
//!
//! What a test does wrong is an [`Error`] that says what to do. Nothing here panics on a user's mistake.
//!
//! # Below
//!
//! A [`Simulation`] is a thin layer on a [`World`] of clients on a [`Simulated`] server; [`Simulation::world_mut`] gives all of it.
//! Vocabularies with many words have modules of their own: [`fault`] and [`trace`].

mod error;
pub mod fault;
mod into_duration;
mod names;
#[cfg(feature = "server")]
mod server;
mod simulation;

pub use error::Error;
pub use fault::Fault;
pub use into_duration::IntoDuration;
#[cfg(feature = "server")]
pub use server::{Arrival, Server, ServerOptions};
pub use simulation::{Simulation, SimulationOptions};

pub use jetlag_core::{ConnectOptions, CoreConfig, Lost, LostTail};
#[cfg(feature = "server")]
pub use jetlag_metrics as metrics;
pub use jetlag_model::{
    AckKind, AckPolicy, AckToken, ApiError, ConsumerConfig, ConsumerInfo, ConsumerSeq, DeliverPolicy, DeliveryCount, DiscardPolicy,
    Duration, DurationError, Headers, Message, Payload, PullRequest, ReplayPolicy, RetentionPolicy, SequenceInfo, ServerVersion,
    StorageType, StreamConfig, StreamInfo, StreamSeq, StreamState, SubjectError, Text, Time, VersionError, WallTime,
};
pub use jetlag_sim::{
    Action, Actor, ConnectionChange, Delivery, DeliveryRef, Handler, Plan, PubAck, Publication, Sending, Sent, Simulated, WorkerOptions,
    World, WorldError,
};
pub use jetlag_trace as trace;
pub use jetlag_trace::{Digest, Labels, MetricChange, Record, Trace};
