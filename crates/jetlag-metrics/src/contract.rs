//! The contract: which metrics there are, of which type, with which labels, and how many series each may have. A file in TOML; the shipped
//! one is `contract.toml` of this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use jetlag_model::Text;
use serde::Deserialize;

use crate::{Series, Snapshot};

/// The contract of the metrics that come with jetlag.
const SHIPPED: &str = include_str!("../contract.toml");

/// Which metrics there are, and what they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract(BTreeMap<String, Spec>);

/// What a metric looks like.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, as Prometheus shows it: of a counter with `_total`.
    pub name: String,
    /// Counter or gauge.
    #[serde(rename = "type")]
    pub metric_type: MetricType,
    /// What it says, in a line.
    pub help: String,
    /// Whose knowledge it comes from.
    pub source: Source,
    /// Labels that each of its series has.
    #[serde(default)]
    pub required: BTreeSet<String>,
    /// Labels that a series may have.
    #[serde(default)]
    pub optional: BTreeSet<String>,
    /// How many series it may have in one run, at most.
    pub max_series: usize,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// Whose knowledge a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Of clients, their links and the programs in them: known on any server.
    Client,
    /// Of what happens inside the server: known of a simulated one alone.
    Server,
}

/// Why a text is no contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// It is no TOML, or says something else.
    #[error("the contract can not be read: {0}")]
    Toml(String),
    /// Two entries have one name.
    #[error("the contract has {0} twice; remove one of them")]
    Twice(String),
    /// A name that Prometheus does not take.
    #[error("the contract has {0:?}, which is no name: write letters, digits and _, and no digit first")]
    Name(String),
    /// A counter without `_total`, or something else with it.
    #[error("{0}: the name of a counter ends in _total, and no other name does")]
    Total(String),
    /// A label is required and optional.
    #[error("{metric}: the label {label} is required and optional; remove it from one of the lists")]
    Both {
        /// Which metric.
        metric: String,
        /// Which label.
        label: String,
    },
}

impl Contract {
    /// The contract of the metrics that come with jetlag: `jetlag_...`, and what the shipped handlers count.
    pub fn shipped() -> &'static Contract {
        static CONTRACT: LazyLock<Contract> =
            LazyLock::new(|| Contract::parse(SHIPPED).unwrap_or_else(|error| panic!("the shipped contract is one: {error}")));
        &CONTRACT
    }

    /// Reads a contract.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Contract, ContractError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            metric: Vec<Spec>,
        }
        let file: File = toml::from_str(text).map_err(|error| ContractError::Toml(error.to_string()))?;
        let mut contract = Contract(BTreeMap::new());
        file.metric.into_iter().try_for_each(|spec| contract.add(spec))?;
        Ok(contract)
    }

    /// Adds a metric.
    ///
    /// # Errors
    /// When there is one of this name, or it contradicts itself.
    pub fn add(&mut self, spec: Spec) -> Result<(), ContractError> {
        for name in [&spec.name].into_iter().chain(&spec.required).chain(&spec.optional) {
            if !is_name(name) {
                return Err(ContractError::Name(name.clone()));
            }
        }
        if spec.name.ends_with("_total") != (spec.metric_type == MetricType::Counter) {
            return Err(ContractError::Total(spec.name));
        }
        if let Some(label) = spec.required.intersection(&spec.optional).next() {
            return Err(ContractError::Both { metric: spec.name, label: label.clone() });
        }
        match self.0.insert(spec.name.clone(), spec) {
            None => Ok(()),
            Some(spec) => Err(ContractError::Twice(spec.name)),
        }
    }

    /// What a metric looks like; `None` when the contract has none of this name.
    pub fn spec(&self, name: &str) -> Option<&Spec> {
        self.0.get(name)
    }

    /// All metrics, by name.
    pub fn specs(&self) -> impl ExactSizeIterator<Item = &Spec> {
        self.0.values()
    }

    /// In what the series of a run break the contract, by metric. Of one metric, each kind of breach is told once.
    pub fn violations(&self, snapshot: &Snapshot) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut told = BTreeSet::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (series, _) in snapshot.iter() {
            *counts.entry(&series.name).or_default() += 1;
            for violation in self.breaches(series) {
                if told.insert((series.name.clone(), violation.about())) {
                    violations.push(violation);
                }
            }
        }
        violations.extend(counts.into_iter().filter_map(|(name, series)| {
            let spec = self.spec(name).filter(|spec| series > spec.max_series)?;
            Some(Violation::TooManySeries { metric: spec.name.as_str().into(), series, allowed: spec.max_series })
        }));
        violations
    }

    fn breaches(&self, series: &Series) -> Vec<Violation> {
        let Some(spec) = self.spec(&series.name) else {
            return vec![Violation::UnknownMetric { metric: series.name.clone() }];
        };
        let unknown = series.labels.iter().filter(|(label, _)| !spec.required.contains(*label) && !spec.optional.contains(*label));
        let unknown = unknown.map(|(label, _)| Violation::UnknownLabel { series: series.clone(), label: label.into() });
        let missing = spec.required.iter().filter(|label| series.labels.value(label.as_str()).is_none_or(str::is_empty));
        let missing = missing.map(|label| Violation::MissingLabel { series: series.clone(), label: label.as_str().into() });
        unknown.chain(missing).collect()
    }
}

/// Whether Prometheus takes a name, of a metric or of a label.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(plain) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// One thing that the contract forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A metric that is not in it.
    UnknownMetric {
        /// Its name.
        metric: Text,
    },
    /// A label that the metric may not have.
    UnknownLabel {
        /// On which series.
        series: Series,
        /// Which label.
        label: Text,
    },
    /// A label that the metric must have is missing or empty.
    MissingLabel {
        /// On which series.
        series: Series,
        /// Which label.
        label: Text,
    },
    /// More series than are allowed.
    TooManySeries {
        /// Of which metric.
        metric: Text,
        /// How many there are.
        series: usize,
        /// How many there may be.
        allowed: usize,
    },
}

impl Violation {
    /// Which label it is about, if any, and whether that is missing.
    fn about(&self) -> (Option<Text>, bool) {
        match self {
            Violation::UnknownMetric { .. } | Violation::TooManySeries { .. } => (None, false),
            Violation::UnknownLabel { label, .. } => (Some(label.clone()), false),
            Violation::MissingLabel { label, .. } => (Some(label.clone()), true),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::UnknownMetric { metric } => write!(f, "{metric} is not in the contract"),
            Violation::UnknownLabel { series, label } => write!(f, "{series}: the contract knows no label {label} of this metric"),
            Violation::MissingLabel { series, label } => write!(f, "{series}: the label {label} is required"),
            Violation::TooManySeries { metric, series, allowed } => {
                write!(f, "{metric} has {series} series, and may have {allowed}; an id has leaked into a label, or the limit is too low")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jetlag_trace::Labels;

    use super::*;

    fn entry(name: &str, rest: &str) -> String {
        format!("[[metric]]\nname = {name:?}\nhelp = \"h\"\nsource = \"client\"\n{rest}\n")
    }

    #[test]
    fn a_text_that_is_no_contract_is_refused() {
        let counter = "type = \"counter\"\nmax_series = 1";
        for (text, error) in [
            (entry("a_total", "type = \"histogram\"\nmax_series = 1"), "unknown variant `histogram`"),
            (entry("a_total", "type = \"counter\""), "missing field `max_series`"),
            (entry("a_total", &format!("{counter}\ncardinality = 1")), "unknown field `cardinality`"),
            (entry("a_total", counter).repeat(2), "the contract has a_total twice"),
            (entry("a-b_total", counter), "\"a-b_total\", which is no name"),
            (entry("1_total", counter), "\"1_total\", which is no name"),
            (entry("a_total", &format!("{counter}\nrequired = [\"\"]")), "\"\", which is no name"),
            (entry("a", counter), "a: the name of a counter ends in _total"),
            (entry("a_total", "type = \"gauge\"\nmax_series = 1"), "a_total: the name of a counter ends in _total"),
            (entry("a_total", &format!("{counter}\nrequired = [\"x\"]\noptional = [\"x\"]")), "the label x is required and optional"),
        ] {
            let said = Contract::parse(&text).expect_err(&text).to_string();
            assert!(said.contains(error), "{said}\nlacks: {error}");
        }
    }

    #[test]
    fn each_breach_of_the_contract_is_told() {
        let text = entry("a_total", "type = \"counter\"\nrequired = [\"r\"]\noptional = [\"o\"]\nmax_series = 2");
        let contract = Contract::parse(&text).expect(&text);
        let labels = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Labels>();
        let all: &[(&str, &[(&str, &str)])] = &[
            ("a_total", &[("r", "1"), ("o", "1")]),
            ("a_total", &[("r", "1"), ("x", "1")]),
            ("a_total", &[("r", "2"), ("x", "1")]),
            ("a_total", &[("r", "")]),
            ("a_total", &[]),
            ("b_total", &[("r", "1")]),
            ("b_total", &[("r", "2")]),
        ];
        let mut snapshot = Snapshot::new();
        for (name, pairs) in all {
            *snapshot.entry(Series::new(*name, labels(pairs))) += 1.0;
        }
        let told: Vec<_> = contract.violations(&snapshot).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "a_total: the label r is required",
                "a_total{r=\"1\",x=\"1\"}: the contract knows no label x of this metric",
                "b_total is not in the contract",
                "a_total has 5 series, and may have 2; an id has leaked into a label, or the limit is too low",
            ]
        );
    }
}
