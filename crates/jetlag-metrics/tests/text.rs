//! What the text looks like: types and helps from the contract, escaped labels, a fixed order.

use jetlag_metrics::{Contract, Metrics, text};
use jetlag_model::Time;
use jetlag_trace::{Change, Key, Kind, Labels, MetricChange, Place, Record};

fn said(changes: &[MetricChange]) -> Metrics {
    let mut metrics = Metrics::new();
    changes.iter().for_each(|change| metrics.add(&change.record(Time::START, Place::client("w1"))));
    metrics
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let odd = Labels::new().with("subject", "a \"b\"\\\nc");
    let mut metrics = said(&[
        MetricChange::gauge("up", Labels::new(), 0.5),
        MetricChange::count("x_total", odd.clone()),
        MetricChange { name: "x_total".into(), labels: odd, change: Change::Add(2) },
        MetricChange { name: "none_total".into(), labels: Labels::new(), change: Change::Add(0) },
        MetricChange::gauge("up", Labels::new().with("state", "connected"), 1.0),
    ]);
    let acked = Record::new(Time::START, Place::Server, Kind::Acked).with(Key::Stream, "S").with(Key::Consumer, "C");
    metrics.add_all([&acked, &acked]);
    let expected = r#"# HELP jetlag_acks Acknowledgements that took effect
# TYPE jetlag_acks counter
jetlag_acks_total{consumer="C",stream="S"} 2
# HELP none Not in the contract
# TYPE none counter
none_total 0
# HELP up Not in the contract
# TYPE up gauge
up 0.5
up{state="connected"} 1
# HELP x Not in the contract
# TYPE x counter
x_total{subject="a \"b\"\\\nc"} 3
# EOF
"#;
    assert_eq!(metrics.text(), expected);
}

#[test]
fn several_runs_share_a_text_and_say_which_they_are() {
    let count = |name: &str| said(&[MetricChange::count(name, Labels::new())]).snapshot();
    let scenario = |name: &str| Labels::new().with("scenario", name);
    let both = [(scenario("one"), count("b_total")), (scenario("two"), count("b_total")), (scenario("three"), count("a_total"))];
    let lines = text(Contract::shipped(), &both);
    let samples: Vec<_> = lines.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, [r#"a_total{scenario="three"} 1"#, r#"b_total{scenario="one"} 1"#, r#"b_total{scenario="two"} 1"#]);
    assert_eq!(text(Contract::shipped(), &[]), "# EOF\n");
}
