//! Whole runs, as a user of the crate writes them.

use std::sync::{Arc, Mutex};

use jetlag::fault::CrossingKind;
use jetlag::{
    AckPolicy, Action, ConsumerConfig, Delivery, Duration, Error, Fault, Handler, Headers, Lost, Message, Plan, Publication, Sent,
    Simulation, SimulationOptions, StorageType, StreamConfig, Time, WorkerOptions,
};

const ACK_WAIT: Duration = Duration::from_secs(30);

fn explicit() -> ConsumerConfig {
    ConsumerConfig { ack_policy: AckPolicy::Explicit, ack_wait: ACK_WAIT, ..ConsumerConfig::default() }
}

/// A run with the stream ORDERS and the consumer ORDERS/WORK.
fn orders(config: ConsumerConfig) -> Result<Simulation, Error> {
    let mut sim = Simulation::new();
    sim.stream("ORDERS", ["orders.>"])?;
    sim.consumer("ORDERS/WORK", config)?;
    Ok(sim)
}

/// When each delivery came, of which message, and for the how manieth time.
fn got(sim: &Simulation) -> Vec<(String, u64, u64)> {
    sim.deliveries().iter().map(|delivery| (delivery.at.to_string(), delivery.stream_seq().0, delivery.delivery_count().0)).collect()
}

fn rows(rows: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
    rows.iter().map(|(at, seq, count)| ((*at).to_owned(), *seq, *count)).collect()
}

#[test]
fn backoff_spaces_the_attempts_and_max_deliver_ends_them() -> Result<(), Error> {
    let backoff = vec![Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
    let mut sim = orders(ConsumerConfig { backoff, max_deliver: 4, ..explicit() })?;
    sim.client("ops")?.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>")?;
    sim.worker("w1", "ORDERS/WORK", |_| Action::ignore())?;
    sim.publish("orders.1", "poison")?;
    let end = sim.settle()?;
    assert_eq!(got(&sim), rows(&[("0s", 1, 1), ("1s", 1, 2), ("6s", 1, 3), ("36s", 1, 4)]));
    assert_eq!(end.to_string(), "1m6s", "the last attempt has its time too");
    assert!(sim.transcript().contains("1m6s ops: advisory max_deliver ORDERS/WORK stream-seq=1 deliveries=4\n"), "{}", sim.transcript());
    Ok(())
}

#[test]
fn the_transcript_tells_what_clients_saw() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    sim.fault(Fault::drop().acks().client("w1").named("lossy"))?;
    sim.worker("w1", "ORDERS/WORK", |_| Action::ack().after(Duration::from_secs(2)))?;
    sim.publish("orders.1", "a parcel")?;
    sim.advance("1m")?;
    let expected = "\
0s producer: stored stream-seq=1
0s w1: got orders.1 \"a parcel\" stream-seq=1 consumer-seq=1 delivery-count=1 num-pending=0 pull=p1
2s w1: ack ORDERS/WORK:1
2s w1: ack ORDERS/WORK:1 lost by=lossy
30s w1: got orders.1 \"a parcel\" stream-seq=1 consumer-seq=2 delivery-count=2 num-pending=0 pull=p2
32s w1: ack ORDERS/WORK:1
";
    assert_eq!(sim.transcript(), expected);
    assert_eq!(sim.now(), Time::START + Duration::from_secs(60));
    sim.finish().map(|_| ())
}

#[test]
fn a_worker_is_a_closure_with_a_memory() -> Result<(), Error> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut sim = orders(explicit())?;
    let memory = seen.clone();
    sim.worker("w1", "ORDERS/WORK", move |delivery| {
        memory.lock().expect("one thread").push(String::from_utf8_lossy(&delivery.payload).into_owned());
        match &*delivery.subject {
            "orders.bad" => Plan::from(Action::term("not an order")),
            "orders.slow" => {
                Plan::new([Action::in_progress().after(Duration::from_secs(20)), Action::ack().after(Duration::from_secs(40))])
            }
            _ if delivery.delivery_count().0 == 1 => Action::nak_after(Duration::from_secs(5)).into(),
            _ => Action::ack().into(),
        }
    })?;
    for (subject, payload) in [("orders.bad", "a"), ("orders.slow", "b"), ("orders.good", "c")] {
        sim.publish(subject, payload)?;
    }
    sim.settle()?;
    assert_eq!(got(&sim), rows(&[("0s", 1, 1), ("0s", 2, 1), ("40s", 3, 1), ("45s", 3, 2)]));
    assert_eq!(*seen.lock().expect("one thread"), ["a", "b", "c", "c"]);
    assert_eq!(sim.consumer_info("ORDERS/WORK")?.ack_floor.stream_seq.0, 3);
    Ok(())
}

/// Counts what became of its acknowledgements.
struct Counting(Arc<Mutex<(u64, u64)>>);

impl Handler for Counting {
    fn handle(&mut self, _: &Delivery) -> Plan {
        Action::ack().sync().into()
    }

    fn sent(&mut self, _: &Delivery, _: &Action, sent: &Sent) {
        let mut counts = self.0.lock().expect("one thread");
        match sent {
            Sent::Failed(_) => counts.0 += 1,
            Sent::Confirmed => counts.1 += 1,
            Sent::Done | Sent::Refused(_) => {}
        }
    }
}

#[test]
fn a_handler_learns_what_became_of_its_acknowledgements() -> Result<(), Error> {
    let counts = Arc::new(Mutex::new((0, 0)));
    let mut sim = orders(explicit())?;
    sim.fault(Fault::error("connection refused").acks().nth(2))?;
    let options = WorkerOptions { batch: 10, expires: Some(Duration::from_secs(5)), concurrency: 3 };
    sim.worker_with("w1", "ORDERS/WORK", options, Counting(counts.clone()))?;
    for number in 1..=3 {
        sim.publish(&format!("orders.{number}"), "x")?;
    }
    sim.advance("1m")?;
    assert_eq!(got(&sim), rows(&[("0s", 1, 1), ("0s", 2, 1), ("0s", 3, 1), ("30s", 2, 2)]));
    assert_eq!(*counts.lock().expect("one thread"), (1, 3));
    Ok(())
}

#[test]
fn a_stopped_worker_fetches_no_more() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
    sim.publish("orders.1", "x")?;
    sim.stop_worker("w1")?;
    sim.publish("orders.2", "x")?;
    sim.advance("1h")?;
    assert_eq!(got(&sim), rows(&[("0s", 1, 1)]));
    assert_eq!(sim.consumer_info("ORDERS/WORK")?.num_pending, 1);
    Ok(())
}

#[test]
fn a_cleared_fault_acts_no_more() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    let fault = sim.fault(Fault::drop().kind(CrossingKind::Delivery).subject("orders.*").always())?;
    sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
    sim.publish("orders.1", "x")?;
    sim.advance("40s")?;
    sim.clear_fault(&fault)?;
    assert_eq!((sim.deliveries().len(), sim.hits(&fault)), (0, Some(1)), "the pull was answered with what got lost");
    assert_eq!(sim.hits("fault7"), None);
    Ok(())
}

#[test]
fn a_restart_keeps_a_file_stream_and_its_workers_come_back() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    sim.stream_with(StreamConfig { name: "M".into(), subjects: vec!["m".into()], storage: StorageType::Memory, ..Default::default() })?;
    sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
    sim.publish("orders.1", "x")?;
    sim.publish("m", "x")?;
    sim.restart("2s")?;
    assert!(matches!(sim.publish("orders.2", "x"), Err(Error::NotSent { .. })), "nobody is connected while it is down");
    sim.advance("10s")?;
    sim.publish("orders.2", "x")?;
    sim.settle()?;
    assert_eq!(sim.stream_info("ORDERS")?.state.messages, 2);
    assert!(matches!(sim.stream_info("M"), Err(Error::UnknownStream { known, .. }) if known == ["ORDERS"]));
    assert_eq!(got(&sim), rows(&[("0s", 1, 1), ("10s", 2, 1)]));
    Ok(())
}

#[test]
fn a_killed_server_forgets_a_tail() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    for number in 1..=3 {
        sim.publish(&format!("orders.{number}"), "x")?;
    }
    sim.kill("1s", Lost::Operations(2))?;
    sim.advance_to("5s")?;
    assert_eq!(sim.stream_info("ORDERS")?.state.last_seq.0, 1);
    Ok(())
}

#[test]
fn a_publish_whose_answer_is_lost_is_sent_again_and_found_to_be_a_duplicate() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    sim.fault(Fault::reply_lost().publishes())?;
    let message = Message::new("orders.1", "x").with_headers(Headers::from_fields([("Nats-Msg-Id", "one")]));
    assert_eq!(sim.client("producer")?.publish_message(message.clone())?, Publication::Unanswered);
    match sim.client("producer")?.publish_message(message)? {
        Publication::Stored(ack) => assert_eq!((ack.stream_seq.0, ack.duplicate), (1, true)),
        other => panic!("{other:?}"),
    }
    Ok(())
}

#[test]
fn each_fault_does_what_it_says() -> Result<(), Error> {
    for (name, fault, expected) in [
        ("nothing", Fault::drop().naks(), vec![("0s", 1, 1)]),
        ("drop", Fault::drop().acks(), vec![("0s", 1, 1), ("30s", 1, 2)]),
        ("drop of another client's", Fault::drop().acks().client("w2"), vec![("0s", 1, 1)]),
        ("drop of another consumer's", Fault::drop().acks().consumer("ORDERS/REST"), vec![("0s", 1, 1)]),
        ("drop of another message's", Fault::drop().acks().stream_seq(2), vec![("0s", 1, 1)]),
        ("drop of a later attempt's", Fault::drop().acks().delivery_count(2), vec![("0s", 1, 1)]),
        ("drop while a window is open", Fault::drop().acks().from("0s").to("30s"), vec![("0s", 1, 1), ("30s", 1, 2)]),
        ("drop in a cycle", Fault::drop().stream("ORDERS").acks().cycle("40s", "20s"), vec![("0s", 1, 1), ("30s", 1, 2)]),
        ("certain drop", Fault::drop().acks().probability(1, 1).first(1), vec![("0s", 1, 1), ("30s", 1, 2)]),
        ("late ack", Fault::delay("31s").acks(), vec![("0s", 1, 1), ("30s", 1, 2)]),
        ("ack in time", Fault::delay_between("1s", "29s").acks(), vec![("0s", 1, 1)]),
        ("late delivery", Fault::delay("10s").deliveries(), vec![("10s", 1, 1)]),
        ("twice", Fault::duplicate(1).deliveries(), vec![("0s", 1, 1), ("0s", 1, 1)]),
        ("pull lost", Fault::drop().pulls().first(1), vec![]),
        ("cut link", Fault::partition_up().client("w1").from("0s").to("1s"), vec![]),
        ("link cut later", Fault::partition().client("w1").from("1s"), vec![("0s", 1, 1)]),
        ("crash", Fault::crash().deliveries(), vec![("0s", 1, 1)]),
        ("disconnect", Fault::disconnect_for("1s").acks(), vec![("0s", 1, 1)]),
        ("restart", Fault::restart("1s").acks(), vec![("0s", 1, 1)]),
        ("pub ack of another client lost", Fault::drop().pub_acks().client("w1"), vec![("0s", 1, 1)]),
    ] {
        let mut sim = orders(explicit())?;
        sim.fault(fault.named(name))?;
        sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
        sim.publish("orders.1", "x")?;
        sim.advance("100s")?;
        assert_eq!(got(&sim), rows(&expected), "{name}");
    }
    Ok(())
}

#[test]
fn what_a_slow_worker_holds_goes_to_another() -> Result<(), Error> {
    let mut sim = orders(explicit())?;
    sim.fault(Fault::slow("40s").client("w1"))?;
    for name in ["w1", "w2"] {
        sim.worker(name, "ORDERS/WORK", |_| Action::ack())?;
    }
    sim.publish("orders.1", "x")?;
    sim.settle()?;
    let got: Vec<_> = sim.deliveries().iter().map(|delivery| (&*delivery.client, delivery.at.to_string())).collect();
    assert_eq!(got, [("w1", "0s".to_owned()), ("w2", "30s".to_owned())]);
    sim.finish().map(|_| ())
}

#[test]
fn the_same_calls_give_the_same_run_and_another_seed_another() -> Result<(), Error> {
    let run = |seed| -> Result<_, Error> {
        let mut sim = Simulation::with_options(SimulationOptions { seed, ..Default::default() });
        sim.stream("ORDERS", ["orders.>"])?;
        sim.consumer("ORDERS/WORK", explicit())?;
        sim.fault(Fault::drop().acks().probability(1, 2))?;
        sim.fault(Fault::delay_between("1ms", "1s").deliveries().always())?;
        sim.worker("w1", "ORDERS/WORK", |_| Action::ack())?;
        for number in 1..=20 {
            sim.publish(&format!("orders.{number}"), "x")?;
        }
        sim.advance("1h")?;
        assert_eq!(sim.consumer_info("ORDERS/WORK")?.ack_floor.stream_seq.0, 20);
        sim.finish()
    };
    assert_eq!(run(1)?, run(1)?);
    assert_eq!(run(1)?.digest(), run(1)?.digest());
    assert_ne!(run(1)?.digest(), run(2)?.digest());
    Ok(())
}
