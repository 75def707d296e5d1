//! Counters and gauges of a run, from its records: what the server and the links did (`jetlag_...`), and what programs under test say of
//! themselves. Prometheus text of them, a contract that they keep, and exact differences. Who makes records, and alert rules, are not
//! known here.
//!
//! A run, the embedded server and `jetlag serve` feed the same [`Metrics`], one record at a time:
//!
//! ```
//! use jetlag_metrics::{Contract, Metrics, Series};
//! use jetlag_model::Time;
//! use jetlag_trace::{Key, Kind, Labels, Place, Record};
//!
//! let mut metrics = Metrics::new();
//! let delivered = Record::new(Time::START, Place::Server, Kind::Delivered).with(Key::Stream, "ORDERS").with(Key::Consumer, "WORK");
//! metrics.add(&delivered.clone().with(Key::StreamSeq, 1_u64).with(Key::DeliveryCount, 1_u64));
//! metrics.add(&Record::new(Time::START, Place::Server, Kind::Naked).with(Key::Stream, "ORDERS").with(Key::Consumer, "WORK").with(Key::StreamSeq, 1_u64));
//! metrics.add(&delivered.with(Key::StreamSeq, 1_u64).with(Key::DeliveryCount, 2_u64));
//!
//! let labels = Labels::new().with("stream", "ORDERS").with("consumer", "WORK").with("cause", "nak");
//! assert_eq!(metrics.snapshot().value(&Series::new("jetlag_redelivery_total", labels)), Some(1.0));
//! assert!(metrics.text().contains("jetlag_deliveries_total{consumer=\"WORK\",stream=\"ORDERS\"} 2\n"));
//! assert_eq!(Contract::shipped().violations(&metrics.snapshot()), []);
//! ```

mod contract;
mod counted;
mod counters;
mod metrics;
mod sampled;
mod snapshot;
mod text;

pub use contract::{Contract, ContractError, MetricType, Source, Spec, Violation};
pub use metrics::Metrics;
pub use sampled::sampled;
pub use snapshot::{Changed, Series, Snapshot};
pub use text::{CONTENT_TYPE, text};
