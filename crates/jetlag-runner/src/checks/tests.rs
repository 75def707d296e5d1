//! Each check on small traces made by hand: one that holds, ones that do not, and each exemption.

use std::collections::BTreeMap;

use jetlag_model::{Duration, Time};
use jetlag_scenario::CheckName;
use jetlag_trace::{Key, Kind, Place, Record, Trace};
use serde_json::json;

use super::{Checks, ConsumerKey, Finding, Observed};

/// What a check finds in these records.
fn evaluate(name: CheckName, records: &[Record], observed: &Observed) -> Finding {
    let mut checks = Checks::of([name]);
    checks.follow(records);
    checks.evaluate(name, observed)
}

/// A trace under construction.
#[derive(Default)]
struct Story {
    trace: Trace,
    at: i64,
}

impl Story {
    /// A consumer S/C with this configuration besides explicit acks and an ack_wait of 10 s.
    fn new(config: serde_json::Value) -> Story {
        let mut all =
            json!({"name": "C", "ack_policy": "explicit", "ack_wait": 10_000_000_000_i64, "max_deliver": -1, "max_ack_pending": 1000});
        for (key, value) in config.as_object().cloned().unwrap_or_default() {
            all[key] = value;
        }
        Story::default().then(0, Kind::ConsumerCreated, &[(Key::Text, all.to_string().into())])
    }

    fn record(&self, place: Place, kind: Kind, fields: &[(Key, jetlag_trace::Value)]) -> Record {
        let at = Time::START + Duration::from_secs(self.at);
        let mut record = Record::new(at, place, kind).with(Key::Stream, "S").with(Key::Consumer, "C");
        for (key, value) in fields {
            record.fields.set(*key, value.clone());
        }
        record
    }

    /// So many seconds into the run, the server did something.
    fn then(mut self, at: i64, kind: Kind, fields: &[(Key, jetlag_trace::Value)]) -> Story {
        self.at = at;
        let record = self.record(Place::Server, kind, fields);
        self.trace.push(record);
        self
    }

    /// The server did something to message 1.
    fn with(self, at: i64, kind: Kind) -> Story {
        self.then(at, kind, &[(Key::StreamSeq, 1_u64.into())])
    }

    fn delivered(self, at: i64, seq: u64, count: u64, pending: u64) -> Story {
        let fields = [(Key::StreamSeq, seq.into()), (Key::DeliveryCount, count.into()), (Key::NumAckPending, pending.into())];
        self.then(at, Kind::Delivered, &fields)
    }

    fn floor(self, at: i64, floor: (u64, u64)) -> Story {
        self.then(at, Kind::Acked, &[(Key::StreamSeq, floor.1.into()), (Key::AckFloor, floor.into())])
    }

    /// A client did something with message 1.
    fn client(mut self, at: i64, kind: Kind, fields: &[(Key, jetlag_trace::Value)]) -> Story {
        self.at = at;
        let record = self.record(Place::client("w"), kind, fields).with(Key::StreamSeq, 1_u64);
        self.trace.push(record);
        self
    }

    /// What the last record led to.
    fn leads_to(mut self, kind: Kind) -> Story {
        let last = self.trace.records().len() as u64 - 1;
        let record = self.record(Place::Server, kind, &[(Key::StreamSeq, 1_u64.into())]).caused_by(last);
        self.trace.push(record);
        self
    }
}

fn observed(info: serde_json::Value) -> Observed {
    let infos = if info.is_null() { BTreeMap::new() } else { BTreeMap::from([(ConsumerKey::new("S".into(), "C".into(), 0), info)]) };
    Observed { infos, quiet: true, working: false, busy: None }
}

/// How often the check looked, what it exempted, and the beginning of what it found wrong.
#[track_caller]
fn judge(name: CheckName, story: Story, observed: &Observed, evaluated: u64, exemptions: &[(&'static str, u64)], wrong: Option<&str>) {
    let finding = evaluate(name, story.trace.records(), observed);
    let failure = finding.failure.map(|(message, _)| message);
    assert_eq!((finding.report.evaluated, &finding.report.exemptions[..]), (evaluated, exemptions), "{failure:?}");
    match (wrong, &failure) {
        (None, None) => {}
        (Some(wrong), Some(failure)) if failure.contains(wrong) => {}
        _ => panic!("expected {wrong:?}, found {failure:?}"),
    }
}

#[test]
fn nothing_to_look_at_is_a_failure() {
    for name in CheckName::ALL.iter().filter(|name| **name != CheckName::Idle) {
        judge(*name, Story::default(), &observed(json!(null)), 0, &[], Some("never evaluated"));
    }
}

#[test]
fn max_deliver() {
    let story = || Story::new(json!({"max_deliver": 2})).delivered(0, 1, 1, 1).delivered(10, 1, 2, 1);
    let judge = |story, evaluated, wrong| judge(CheckName::MaxDeliver, story, &observed(json!(null)), evaluated, &[], wrong);
    judge(story(), 2, None);
    judge(story().delivered(20, 1, 3, 1), 3, Some("S/C:1 was delivered 3 times by 20s; max_deliver is 2"));
    judge(story().with(20, Kind::Exhausted).delivered(30, 1, 2, 1), 3, Some("it had used up max_deliver before"));
    judge(story().with(20, Kind::Exhausted).then(21, Kind::ConsumerDeleted, &[]).delivered(30, 1, 1, 1), 3, None);
}

#[test]
fn redelivery_deadline() {
    let first = || Story::new(json!({})).delivered(0, 1, 1, 1);
    let again = |story: Story, at| story.delivered(at, 1, 2, 1);
    let judge = |story, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::RedeliveryDeadline, story, &observed(json!(null)), 1, exemptions, wrong);
    };
    let seconds = |seconds| [(Key::StreamSeq, 1_u64.into()), (Key::Delay, Duration::from_secs(seconds).into())];
    judge(again(first(), 10), &[], None);
    judge(again(first(), 9), &[], Some("S/C:1 was delivered again at 9s, before its deadline at 10s"));
    judge(again(first().with(5, Kind::InProgress), 15), &[], None);
    judge(again(first().with(5, Kind::InProgress), 14), &[], Some("before its deadline at 15s"));
    judge(again(first().then(1, Kind::Naked, &seconds(3)), 4), &[], None);
    judge(again(first().then(1, Kind::Naked, &seconds(3)), 3), &[], Some("before its deadline at 4s"));
    judge(again(first().with(1, Kind::Naked), 1), &[("plain nak", 1)], None);
    judge(again(first().then(1, Kind::ServerDown, &[]), 2), &[("restart", 1)], None);
    judge(again(first().then(1, Kind::ConsumerUpdated, &[]), 2), &[("consumer updated", 1)], None);
    let undelivered = [(Key::StreamSeq, 1_u64.into()), (Key::Reason, jetlag_sim::UNDELIVERED.into())];
    judge(again(first().then(1, Kind::Expired, &undelivered), 2), &[("met nobody", 1)], None);
    // An in-progress does not take a message off the queue.
    judge(again(first().with(10, Kind::Expired).with(11, Kind::InProgress), 12), &[], None);
    let stepped = Story::new(json!({"backoff": [1_000_000_000_i64, 5_000_000_000_i64]})).delivered(0, 1, 1, 1).delivered(1, 1, 2, 1);
    let finding = evaluate(CheckName::RedeliveryDeadline, stepped.delivered(5, 1, 3, 1).trace.records(), &observed(json!(null)));
    assert_eq!(finding.failure.map(|(message, n)| (message.contains("before its deadline at 6s"), n)), Some((true, Some(3))));
}

#[test]
fn ack_floor() {
    let judge = |story, evaluated, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::AckFloor, story, &observed(json!(null)), evaluated, exemptions, wrong);
    };
    let story = || Story::new(json!({})).floor(1, (2, 2)).floor(2, (3, 2));
    judge(story(), 2, &[], None);
    judge(story().floor(3, (2, 2)), 3, &[], Some("S/C: the ack floor went back from 3/2 to 2/2 at 3s"));
    judge(story().then(3, Kind::ServerDown, &[]).floor(4, (1, 1)), 3, &[], Some("went back"));
    judge(story().then(3, Kind::ServerDown, &[(Key::Lost, "2s".into())]).floor(4, (1, 1)), 3, &[("lost tail", 1)], None);
    judge(story().then(3, Kind::ConsumerDeleted, &[]).floor(4, (1, 1)), 3, &[], None);
}

#[test]
fn max_ack_pending() {
    let config = |limit| json!({"name": "C", "ack_policy": "explicit", "max_ack_pending": limit}).to_string();
    let judge = |story, evaluated, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::MaxAckPending, story, &observed(json!(null)), evaluated, exemptions, wrong);
    };
    let story = || Story::new(json!({"max_ack_pending": 2})).delivered(0, 1, 1, 1).delivered(0, 2, 1, 2);
    judge(story().delivered(10, 1, 2, 2), 2, &[], None);
    judge(story().delivered(1, 3, 1, 3), 3, &[], Some("S/C:3 was delivered at 1s, so that 3 wait; max_ack_pending is 2"));
    let lowered = |to: i64| [(Key::Text, config(to).into())];
    judge(story().then(1, Kind::ConsumerUpdated, &lowered(1)).delivered(2, 3, 1, 3), 3, &[("limit lowered", 1)], None);
    judge(story().then(1, Kind::ConsumerUpdated, &lowered(3)).delivered(2, 3, 1, 4), 3, &[], Some("max_ack_pending is 3"));
    judge(story().then(1, Kind::ServerDown, &[]).delivered(2, 3, 1, 3), 3, &[("restart", 1)], None);
}

#[test]
fn settled() {
    let ack = [(Key::Crossing, "ack".into())];
    let sent = || Story::new(json!({})).delivered(0, 1, 1, 1).client(1, Kind::Sent, &ack);
    let judge = |story, evaluated, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::Settled, story, &observed(json!(null)), evaluated, exemptions, wrong);
    };
    judge(sent().leads_to(Kind::Acked), 2, &[], None);
    judge(sent(), 1, &[], Some("the acknowledgement of S/C:1 at 1s had no effect"));
    judge(sent().leads_to(Kind::Acked).delivered(10, 1, 2, 1), 2, &[], Some("S/C:1 was delivered at 10s, although it had been settled"));
    for (effect, why) in [
        (Kind::Lost, "acknowledgement lost"),
        (Kind::Failed, "acknowledgement failed"),
        (Kind::AckIgnored, "too late"),
        (Kind::Delayed, "under way"),
    ] {
        judge(sent().leads_to(effect), 1, &[(why, 1)], None);
    }
    judge(sent().then(2, Kind::ConsumerDeleted, &[]), 1, &[("consumer gone", 1)], None);
    let killed = [(Key::Lost, "all".into())];
    judge(sent().leads_to(Kind::Acked).then(2, Kind::ServerDown, &killed).delivered(10, 1, 2, 1), 2, &[("lost tail", 1)], None);
}

#[test]
fn idle() {
    let judge = |observed: &Observed, evaluated, wrong| judge(CheckName::Idle, Story::new(json!({})), observed, evaluated, &[], wrong);
    let calm = || observed(json!({"num_ack_pending": 0, "num_waiting": 0}));
    judge(&calm(), 2, None);
    judge(&Observed { working: true, ..calm() }, 2, Some("a worker is still at work"));
    judge(&Observed { quiet: false, ..calm() }, 2, Some("under way"));
    judge(&Observed { busy: Some("ack-wait at 10s".into()), ..calm() }, 2, Some("ack-wait at 10s"));
    judge(&observed(json!({"num_ack_pending": 1, "num_waiting": 0})), 2, Some("S/C: 1 messages wait for an acknowledgement"));
    judge(&observed(json!({"num_ack_pending": 0, "num_waiting": 2})), 2, Some("S/C: 2 pull requests wait"));
}

#[test]
fn count_tracking() {
    let judge = |story, evaluated, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::CountTracking, story, &observed(json!(null)), evaluated, exemptions, wrong);
    };
    let handled = |story: Story, at, server: u64, own: u64| {
        let count = (Key::DeliveryCount, server.into());
        story.client(at, Kind::Got, std::slice::from_ref(&count)).client(at, Kind::WorkerCount, &[count.clone(), (Key::Count, own.into())])
    };
    let once = || handled(Story::new(json!({})), 0, 1, 1);
    judge(handled(once(), 10, 2, 2), 2, &[], None);
    judge(handled(once(), 10, 2, 1), 2, &[], Some("w counts 1 deliveries of S/C:1 at 10s; the server counts 2"));
    judge(handled(Story::new(json!({})), 0, 2, 1), 1, &[("earlier attempt elsewhere", 1)], None);
    judge(handled(once(), 0, 1, 2), 2, &[("delivered twice by a fault", 1)], None);
    judge(handled(once().client(1, Kind::Crashed, &[]), 10, 2, 1), 2, &[("worker died", 1)], None);
}

#[test]
fn no_message_lost() {
    let stored = || Story::new(json!({"deliver_policy": "all"})).with(0, Kind::MsgStored);
    let info = |pending: u64, to_come: u64| observed(json!({"num_ack_pending": pending, "num_pending": to_come}));
    let judge = |story, observed: &Observed, evaluated, exemptions: &[(&'static str, u64)], wrong| {
        judge(CheckName::NoMessageLost, story, observed, evaluated, exemptions, wrong);
    };
    judge(stored(), &info(0, 1), 1, &[], None);
    judge(stored(), &info(0, 0), 1, &[], Some("S/C has 0 messages to come, but 1 were never delivered"));
    judge(stored().delivered(0, 1, 1, 1), &info(1, 0), 1, &[], None);
    judge(stored().delivered(0, 1, 1, 1), &info(0, 0), 1, &[], Some("waits for 0 acknowledgements, but not settled are: S/C:1"));
    for end in [Kind::Acked, Kind::Terminated, Kind::Exhausted] {
        judge(stored().delivered(0, 1, 1, 1).with(1, end), &info(0, 0), 1, &[], None);
    }
    judge(stored().with(1, Kind::MsgRemoved).client(0, Kind::Stored, &[]), &info(0, 0), 1, &[], None);
    judge(
        Story::new(json!({})).client(0, Kind::Stored, &[]),
        &info(0, 0),
        1,
        &[],
        Some("S confirmed message 1 at 0s, but never stored it"),
    );
    let killed = [(Key::Lost, "all".into())];
    let lost = stored().client(0, Kind::Stored, &[]).then(1, Kind::ServerDown, &killed);
    judge(lost, &info(0, 0), 1, &[("lost tail", 1)], None);
    let purged = stored().client(0, Kind::Stored, &[]).then(1, Kind::Terminated, &[(Key::Reason, jetlag_sim::FORGOTTEN.into())]);
    judge(purged, &info(0, 0), 1, &[("state cut by a purge or a recovery", 1)], None);
}
