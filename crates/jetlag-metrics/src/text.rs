//! Prometheus text of snapshots. The order is fixed: metrics by name, then whose they are, then labels.

use std::collections::BTreeSet;
use std::fmt;

use jetlag_model::Text;
use jetlag_trace::Labels;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType as Encoded;
use prometheus_client::registry::Registry;

use crate::{Contract, MetricType, Snapshot};

/// What [`text`] is, for an HTTP answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prometheus text (OpenMetrics 1.0) of snapshots, each with labels of its own that say whose it is. The contract knows types and helps; of a
/// metric that it does not know, the name decides.
pub fn text(contract: &Contract, snapshots: &[(Labels, Snapshot)]) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshots { contract: contract.clone(), snapshots: snapshots.to_vec() }));
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string can not fail");
    text
}

#[derive(Debug)]
struct Snapshots {
    contract: Contract,
    snapshots: Vec<(Labels, Snapshot)>,
}

impl Collector for Snapshots {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let series = self.snapshots.iter().flat_map(|(_, snapshot)| snapshot.iter());
        let names: BTreeSet<Text> = series.map(|(series, _)| series.name.clone()).collect();
        for name in names {
            let spec = self.contract.spec(&name);
            let counted = name.strip_suffix("_total");
            let metric_type = match spec.map(|spec| spec.metric_type) {
                Some(MetricType::Counter) => Encoded::Counter,
                Some(MetricType::Gauge) => Encoded::Gauge,
                None if counted.is_some() => Encoded::Counter,
                None => Encoded::Gauge,
            };
            let help = spec.map_or("Not in the contract", |spec| &spec.help);
            // The encoder writes the _total of a counter itself.
            let mut metric = encoder.encode_descriptor(counted.unwrap_or(&name), help, None, metric_type)?;
            for (own, snapshot) in &self.snapshots {
                for (series, value) in snapshot.of(&name) {
                    let labels: Vec<(&str, &str)> = own.iter().chain(series.labels.iter()).collect();
                    match labels.as_slice() {
                        [] => number(&mut metric, metric_type, value)?,
                        labels => number(&mut metric.encode_family(&labels)?, metric_type, value)?,
                    }
                }
            }
        }
        Ok(())
    }
}

fn number(encoder: &mut MetricEncoder<'_>, metric_type: Encoded, value: f64) -> fmt::Result {
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    match metric_type {
        Encoded::Counter => encoder.encode_counter::<NoLabelSet, u64, f64>(&(value as u64), None),
        _ if whole => encoder.encode_gauge(&(value as i64)),
        _ => encoder.encode_gauge(&value),
    }
}
