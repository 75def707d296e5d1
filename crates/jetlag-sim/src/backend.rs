//! A server as the world sees it: something that takes inputs, gives outputs, and has a clock. One implementation is the simulated
//! server of this crate; a real one can be another.

use jetlag_core::{Deadline, Input, LostTail, Output};
use jetlag_model::{Duration, Time, WallTime};

/// How far a backend may let time run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Up to this instant, without what the server itself has due at it: the world has something to do then, and inputs come first.
    Before(Time),
    /// Up to this instant and all that is due at it.
    Through(Time),
}

impl Limit {
    /// The instant.
    pub fn time(self) -> Time {
        match self {
            Limit::Before(time) | Limit::Through(time) => time,
        }
    }

    /// Whether something due at `due` may happen.
    pub fn allows(self, due: Time) -> bool {
        match self {
            Limit::Before(time) => due < time,
            Limit::Through(time) => due <= time,
        }
    }
}

/// What came of letting a backend run.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// The server did something. The clock stands at the instant at which it did.
    Output(Output),
    /// The server's own timer fired; its outputs follow. A backend that does not see the server's timers never says so.
    Fired(Deadline),
    /// The limit is reached: the clock stands there.
    Reached,
}

/// Why a backend can not go on.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It was asked for something that a server in its state can not do: the driver's mistake.
    #[error("{0}")]
    Misuse(String),
    /// The process, the socket or the system failed.
    #[error("the server failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A server as the world sees it.
///
/// The world numbers connections and never uses a number twice. It drains all outputs of an input (by [`Backend::poll`] with a limit
/// that is not later than now) before it gives the next one.
pub trait Backend {
    /// The time since the run started. Only [`Backend::poll`] moves it in simulated time.
    fn now(&self) -> Time;

    /// The wall clock at the start of the run.
    fn started(&self) -> WallTime;

    /// Something reaches the server now.
    ///
    /// # Errors
    /// When the server can not take it, which ends the run.
    fn input(&mut self, input: Input) -> Result<(), BackendError>;

    /// What the server has said already, if it is at hand; the rest comes by [`Backend::poll`].
    fn said(&mut self) -> Option<Output> {
        None
    }

    /// Lets time run to the limit, or to the next thing the server does.
    ///
    /// # Errors
    /// When the server can not be asked any more, which ends the run.
    fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError>;

    /// The server stops in good order. Its last outputs follow from [`Backend::poll`].
    ///
    /// # Errors
    /// When it does not run, or can not be stopped.
    fn stop(&mut self) -> Result<(), BackendError>;

    /// The server dies, and its disk loses a tail.
    ///
    /// # Errors
    /// When it does not run, can not be killed, or can not lose what is asked for.
    fn kill(&mut self, lost: LostTail) -> Result<(), BackendError>;

    /// The server starts again.
    ///
    /// # Errors
    /// When it runs, or can not be started.
    fn start(&mut self) -> Result<(), BackendError>;

    /// What the server will do next by itself, idle things (see [`Deadline::is_idle`]) left out; `None` when there is nothing, or when it
    /// can not be known.
    fn next_busy_deadline(&self) -> Option<(Time, Deadline)>;

    /// Waits until what the server makes at once of all it was given can be polled. Nothing in simulated time.
    ///
    /// # Errors
    /// When the server can not be asked any more, which ends the run.
    fn catch_up(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    /// How long an answer that comes at once may take to be seen. Nothing in simulated time.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}
