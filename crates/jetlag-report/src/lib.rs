//! What people read of runs: stability over time, the coverage matrix, differences between traces, the map for reviews, JUnit; and what
//! Prometheus's tool reads of them.
//!
//! It is handed what came of runs, or reads what was written of them. How a run is made is not known here, nor are terminals and
//! exit codes.
//!
//! Internal to jetlag and in lock step with it; the schemas it writes ([`history::SCHEMA`] and the JSON of the reports) are public.

pub mod diff;
pub mod history;
pub mod junit;
pub mod matrix;
pub mod promtool;
pub mod review;
mod shell;
pub mod stability;

pub use shell::quoted;
