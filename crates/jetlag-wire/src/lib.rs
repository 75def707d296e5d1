//! The NATS client protocol as a sans-IO codec: bytes in, frames out, and back.
//!
//! Here: what the two sides say to each other, [`ServerFrame`] and [`ClientFrame`]; what a client needs, the [`Decoder`], which turns bytes
//! that arrive in any pieces into a server's frames; what a server needs, a [`ServerConnection`], which reads and answers as nats-server
//! does; the two JSON bodies, [`ServerInfo`] and [`ConnectOptions`].
//!
//! Not here: sockets, time, who hears whom, and what JetStream means by a message.
//!
//! This crate is internal to jetlag and moves in lock step with it.

mod client_frame;
mod connection;
mod decoder;
mod error;
mod handshake;
mod parser;
mod server_frame;
mod sids;

pub use client_frame::ClientFrame;
pub use connection::{Asked, Closed, Limits, Refusal, ServerConnection};
pub use decoder::Decoder;
pub use error::WireError;
pub use handshake::{ConnectOptions, ServerInfo};
pub use server_frame::ServerFrame;

/// Bytes that nats-server accepts in one control line of a client, unless configured otherwise (`max_control_line`).
pub const MAX_CONTROL_LINE: usize = 4096;
