//! One record a thing that happened: what it is, its digest, its JSON lines, its transcript line, and where two runs first differ.
//!
//! This crate knows neither who makes records nor what a run is. Everything a run prints is rendered from records by [`line()`], so
//! that text and JSON lines can not disagree.
//!
//! ```
//! use jetlag_model::{Duration, Time};
//! use jetlag_trace::{Key, Kind, Place, Record, Trace, line};
//!
//! let mut trace = Trace::new();
//! let at = Time::START + Duration::from_secs(30);
//! let n = trace.push(Record::new(at, Place::client("producer"), Kind::Stored).with(Key::StreamSeq, 1_u64));
//! assert_eq!(line(&trace.records()[n as usize]).unwrap(), "30s producer: stored stream-seq=1");
//! ```

mod encode;
mod jsonl;
mod line;
mod metric;
mod names;
mod record;
mod trace;
mod writer;

pub use encode::Digest;
pub use jetlag_model::Direction;
pub use jsonl::{ReadError, SCHEMA, json_line, read_jsonl};
pub use line::{line, quoted, word};
pub use metric::{Change, Labels, MetricChange};
pub use names::{Key, Kind};
pub use record::{Fields, Place, Record, Value};
pub use trace::{Difference, Trace, first_difference};
pub use writer::TraceWriter;
