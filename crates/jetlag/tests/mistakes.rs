//! What a test author gets wrong is told, with what to do about it.

use jetlag::{AckPolicy, Action, ConsumerConfig, Duration, Error, Fault, Simulation, SimulationOptions, StreamConfig};

fn sim() -> Simulation {
    let mut sim = Simulation::new();
    sim.stream("ORDERS", ["orders.>"]).expect("a valid stream");
    let config = ConsumerConfig { ack_policy: AckPolicy::Explicit, ..ConsumerConfig::default() };
    sim.consumer("ORDERS/WORK", config.clone()).expect("a valid consumer");
    sim.consumer("ORDERS/PUSH", ConsumerConfig { deliver_subject: "push".into(), ..config }).expect("a valid consumer");
    sim
}

/// The mistake, the text it gets, and whether the error has the right type.
type Case = (fn(&mut Simulation) -> Result<(), Error>, &'static str, fn(&Error) -> bool);

const MISTAKES: &[Case] = &[
    (|sim| sim.advance("30"), r#""30" has no unit; write 30s, 30ms, 30us or 30ns"#, |error| matches!(error, Error::Duration(_))),
    (
        |sim| sim.advance("30 sec"),
        r#"" sec" is no unit of time; units are h, m, s, ms, us, ns"#,
        |error| matches!(error, Error::Duration(_)),
    ),
    (|sim| sim.advance(std::time::Duration::MAX), "", |error| matches!(error, Error::Duration(_))),
    (
        |sim| sim.advance("-1s"),
        "time can not run backwards, and -1s lies in the past; write 0s or more",
        |error| matches!(error, Error::Negative(_)),
    ),
    (|sim| sim.restart("-1s"), "time can not run backwards", |error| matches!(error, Error::Negative(_))),
    (
        |sim| {
            sim.advance("20s")?;
            sim.advance_to("10s")
        },
        "the run is at 20s already; it can not go to 10s",
        |error| matches!(error, Error::World(_)),
    ),
    (
        |sim| sim.worker("w1", "WORK", |_| Action::ack()),
        r#""WORK" does not name a consumer; write the names of stream and consumer, as in ORDERS/WORK, without dots, wildcards or spaces"#,
        |error| matches!(error, Error::ConsumerPath(path) if path == "WORK"),
    ),
    (
        |sim| sim.worker("w1", "ORDER/WORK", |_| Action::ack()),
        "there is no stream ORDER; there is ORDERS; correct the name, or create it first with `stream`",
        |error| matches!(error, Error::UnknownStream { stream, known } if stream == "ORDER" && *known == ["ORDERS"]),
    ),
    (
        |sim| sim.worker("w1", "ORDERS/WORKER", |_| Action::ack()),
        "stream ORDERS has no consumer WORKER; there is PUSH, WORK; correct the name, or create it first with `consumer`",
        |error| matches!(error, Error::UnknownConsumer { consumer, known, .. } if consumer == "WORKER" && *known == ["PUSH", "WORK"]),
    ),
    (
        |sim| sim.worker("w1", "ORDERS/PUSH", |_| Action::ack()),
        "ORDERS/PUSH is a push consumer, and workers pull; subscribe to push with `client` instead, or leave out deliver_subject",
        |error| matches!(error, Error::PushConsumer { deliver_subject, .. } if deliver_subject == "push"),
    ),
    (
        |sim| {
            sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
            sim.worker("w1", "ORDERS/WORK", |_| Action::ack())
        },
        "a worker w1 is running already; stop it first",
        |error| matches!(error, Error::World(_)),
    ),
    (|sim| sim.stop_worker("w1"), "there is no running worker w1", |error| matches!(error, Error::World(_))),
    (
        |sim| sim.consumer("NONE/WORK", ConsumerConfig::default()),
        "there is no stream NONE; there is ORDERS; correct the name, or create it first with `stream`",
        |error| matches!(error, Error::UnknownStream { .. }),
    ),
    (
        |sim| sim.consumer("ORDERS/WORK", ConsumerConfig { name: "REST".into(), ..ConsumerConfig::default() }),
        r#"consumer ORDERS/WORK has the name "REST" in its configuration; leave the name out there"#,
        |error| matches!(error, Error::TwoNames { name, .. } if name == "REST"),
    ),
    (
        |sim| {
            let backoff = vec![Duration::from_secs(1), Duration::from_secs(5)];
            sim.consumer("ORDERS/BAD", ConsumerConfig { ack_policy: AckPolicy::Explicit, backoff, max_deliver: 1, ..Default::default() })
        },
        "the server refused $JS.API.CONSUMER.CREATE.ORDERS.BAD: max deliver is required to be > length of backoff values (400/10116)",
        |error| matches!(error, Error::Refused { code: 400, err_code: 10116, .. }),
    ),
    (
        |sim| sim.stream("MORE", ["orders.new"]),
        "the server refused $JS.API.STREAM.CREATE.MORE: subjects overlap with an existing stream (400/10065)",
        |error| matches!(error, Error::Refused { err_code: 10065, .. }),
    ),
    (
        |sim| sim.stream("A.B", ["a"]),
        r#""A.B" does not name a stream; write a name such as ORDERS, without dots, wildcards, slashes or spaces"#,
        |error| matches!(error, Error::StreamName(_)),
    ),
    (|sim| sim.stream_with(StreamConfig::default()), "", |error| matches!(error, Error::StreamName(name) if name.is_empty())),
    (
        |sim| sim.stream_info("ORDER").map(|_| ()),
        "there is no stream ORDER; there is ORDERS; correct the name, or create it first with `stream`",
        |error| matches!(error, Error::UnknownStream { .. }),
    ),
    (
        |_| Simulation::new().stream_info("ORDERS").map(|_| ()),
        "there is no stream ORDERS; there is no stream at all yet, create it first with `stream`",
        |error| matches!(error, Error::UnknownStream { known, .. } if known.is_empty()),
    ),
    (
        |sim| sim.publish("order.1", "x").map(|_| ()),
        "no stream takes order.1; create one with `stream`, or correct the subject",
        |error| matches!(error, Error::NoStream(subject) if subject == "order.1"),
    ),
    (
        |sim| sim.publish("orders.*", "x").map(|_| ()),
        r#""orders.*" can not be published to: a subject has no wildcards, no white space and no empty tokens"#,
        |error| matches!(error, Error::World(_)),
    ),
    (
        |sim| {
            sim.stream_with(StreamConfig { name: "TINY".into(), subjects: vec!["tiny".into()], max_msg_size: 1, ..Default::default() })?;
            sim.publish("tiny", "xx").map(|_| ())
        },
        "the server refused to store tiny: message size exceeds maximum allowed (10054)",
        |error| matches!(error, Error::PublishRefused { err_code: 10054, .. }),
    ),
    (
        |sim| {
            sim.fault(Fault::drop().publishes())?;
            sim.publish("orders.1", "x").map(|_| ())
        },
        "no pub ack for orders.1 came at once; where a fault or a server that is down is what is tested, publish with `client`",
        |error| matches!(error, Error::NoPubAck(_)),
    ),
    (
        |sim| {
            sim.fault(Fault::error("connection refused").publishes())?;
            sim.publish("orders.1", "x").map(|_| ())
        },
        "orders.1 was not sent: connection refused; where that is what is tested, publish with `client`",
        |error| matches!(error, Error::NotSent { .. }),
    ),
    (
        |sim| sim.client("c1")?.ack(1).map(|_| ()).map_err(Error::from),
        "c1 has got no delivery 1; it has got no delivery at all",
        |error| matches!(error, Error::World(_)),
    ),
    (
        |sim| {
            sim.restart("10s")?;
            sim.restart("10s")
        },
        "the server is down until 10s",
        |error| matches!(error, Error::World(_)),
    ),
    (
        |sim| {
            sim.worker("w1", "ORDERS/WORK", |_| Action::nak())?;
            sim.publish("orders.1", "x")?;
            sim.advance("1s")
        },
        "100000 things happened at 0s and there is no end: ",
        |error| matches!(error, Error::World(_)),
    ),
    (
        |sim| {
            sim.worker("w1", "ORDERS/WORK", |_| Action::ignore())?;
            sim.publish("orders.1", "x")?;
            sim.settle().map(|_| ())
        },
        "the run did not settle within ",
        |error| matches!(error, Error::World(_)),
    ),
    // Faults.
    (
        |sim| sim.fault(Fault::delay("5").acks()).map(|_| ()),
        r#""5" has no unit; write 5s, 5ms, 5us or 5ns"#,
        |error| matches!(error, Error::Duration(_)),
    ),
    (
        |sim| sim.fault(Fault::drop().from("20s").to("x")).map(|_| ()),
        r#""x" is not a duration; write one such as 30s, 1m30s or 250ms"#,
        |error| matches!(error, Error::Duration(_)),
    ),
    (
        |sim| sim.fault(Fault::drop().from("20s").to("10s")).map(|_| ()),
        "the rule can never match: its window ends at 10s, and does not begin before 20s",
        |error| matches!(error, Error::Fault(_)),
    ),
    (
        |sim| sim.fault(Fault::drop().consumer("WORK").subject("a..b")).map(|_| ()),
        r#""WORK" does not name a consumer"#,
        |error| matches!(error, Error::ConsumerPath(_)),
    ),
    (
        |sim| sim.fault(Fault::drop().subject("a..b")).map(|_| ()),
        r#""a..b" is not a valid subject"#,
        |error| matches!(error, Error::Subject(_)),
    ),
    (
        |sim| sim.fault(Fault::delay_between("2s", "1s")).map(|_| ()),
        "by=2s..1s is no range; write the shorter delay first",
        |error| matches!(error, Error::Fault(_)),
    ),
    (
        |sim| {
            sim.fault(Fault::drop().named("lost"))?;
            sim.fault(Fault::drop().named("lost")).map(|_| ())
        },
        r#"there is a rule "lost" already; clear it first, or choose another id"#,
        |error| matches!(error, Error::Fault(_)),
    ),
    (|sim| sim.clear_fault("lost"), r#"there is no rule "lost" to clear"#, |error| matches!(error, Error::Fault(_))),
];

#[test]
fn every_mistake_is_told() {
    for (number, (mistake, text, is_it)) in MISTAKES.iter().enumerate() {
        let error = mistake(&mut sim()).expect_err(text);
        assert!(error.to_string().starts_with(text), "mistake {number}: expected {text:?}, got {:?}", error.to_string());
        assert!(is_it(&error), "mistake {number}: {error:?}");
    }
}

#[test]
fn a_mistake_leaves_the_run_as_it_was() -> Result<(), Error> {
    let mut sim = sim();
    sim.worker("w1", "ORDERS/NONE", |_| Action::ack()).expect_err("there is no such consumer");
    sim.fault(Fault::drop().delivery_count(0)).expect_err("attempts count from 1");
    sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
    sim.publish("orders.1", "x")?;
    assert_eq!(sim.deliveries().len(), 1);
    assert_eq!(&*sim.fault(Fault::drop().acks())?, "fault1");
    Ok(())
}

#[test]
fn a_fault_that_never_acted_fails_the_run_unless_it_acts_by_chance() -> Result<(), Error> {
    let mut run = sim();
    run.fault(Fault::drop().acks().client("w2"))?;
    run.fault(Fault::drop().acks().client("w3").probability(1, 2))?;
    run.fault(Fault::drop().naks().named("lost-nak"))?;
    run.advance("1m")?;
    let error = run.finish().expect_err("nobody sent anything");
    assert_eq!(error.to_string(), "nothing ever met the fault fault1, lost-nak; correct what it matches or when it acts, or leave it out");
    Ok(())
}

#[test]
fn a_text_that_is_no_version_is_told() {
    let error = "2.10".parse::<jetlag::ServerVersion>().expect_err("three numbers");
    assert_eq!(error.to_string(), r#""2.10" is not a version of nats-server; write three numbers such as 2.15.1"#);
    let options = SimulationOptions { version: "2.10.29".parse().expect("a version"), ..SimulationOptions::default() };
    assert!(Simulation::with_options(options).stream("S", ["s"]).is_ok());
}
