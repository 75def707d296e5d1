//! What records say of the server, its links and its clients: the `jetlag_...` counters, and the gauges that infos tell.

use std::collections::{BTreeMap, BTreeSet};

use jetlag_model::Text;
use jetlag_trace::{Key, Kind, Labels, Record};

use crate::counters::Counters;
use crate::{Series, Snapshot};

/// A metric and the names of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Family {
    /// Its place in [`FAMILIES`], by which it is compared.
    pub(crate) place: usize,
}

/// Declares families, and the table of them.
macro_rules! families {
    ($($const:ident = $name:literal $labels:expr;)*) => {
        families!(@ 0usize; $($const = $name $labels;)*);
        const FAMILIES: &[(&str, &[&str])] = &[$(($name, &$labels)),*];
    };
    (@ $place:expr; $const:ident = $name:literal $labels:expr; $($rest:tt)*) => {
        const $const: Family = Family { place: $place };
        families!(@ $place + 1; $($rest)*);
    };
    (@ $place:expr;) => {};
}

families! {
    STORED = "jetlag_stored_total" ["stream"];
    REMOVED = "jetlag_removed_total" ["stream", "reason"];
    PUB_ACKS = "jetlag_pub_acks_total" ["stream", "duplicate"];
    REFUSED = "jetlag_refused_total" ["code", "err_code"];
    DELIVERIES = "jetlag_deliveries_total" ["stream", "consumer"];
    REDELIVERY = "jetlag_redelivery_total" ["stream", "consumer", "cause"];
    EXHAUSTED = "jetlag_maxdeliver_exhausted_total" ["stream", "consumer"];
    EXPIRED = "jetlag_expired_total" ["stream", "consumer"];
    ACKS = "jetlag_acks_total" ["stream", "consumer"];
    NAKS = "jetlag_naks_total" ["stream", "consumer"];
    IN_PROGRESS = "jetlag_in_progress_total" ["stream", "consumer"];
    TERMS = "jetlag_terms_total" ["stream", "consumer"];
    ACKS_IGNORED = "jetlag_acks_ignored_total" ["stream", "consumer"];
    GOT = "jetlag_got_total" ["client", "stream", "consumer"];
    STATUSES = "jetlag_statuses_total" ["client", "code"];
    ADVISORIES = "jetlag_advisories_total" ["client", "advisory"];
    CONFIRMED = "jetlag_confirmed_total" ["client", "stream", "consumer"];
    FAULT_HITS = "jetlag_fault_hits_total" ["fault", "crossing"];
    LOST = "jetlag_lost_total" ["client", "crossing"];
    DELAYED = "jetlag_delayed_total" ["client", "crossing"];
    DUPLICATED = "jetlag_duplicated_total" ["client", "crossing"];
    FAILED = "jetlag_failed_total" ["client", "crossing"];
    CONNECTED = "jetlag_connected_total" ["client"];
    DISCONNECTED = "jetlag_disconnected_total" ["client"];
    CRASHED = "jetlag_crashed_total" ["client"];
    SERVER_STARTS = "jetlag_server_starts_total" [];
}

/// The gauges of a consumer, and the fields of an info that tell them.
const OF_CONSUMER: [(&str, Key); 4] = [
    ("jetlag_num_pending", Key::NumPending),
    ("jetlag_num_ack_pending", Key::NumAckPending),
    ("jetlag_num_redelivered", Key::NumRedelivered),
    ("jetlag_num_waiting", Key::NumWaiting),
];

/// The gauges of a stream, and the fields of an info that tell them.
const OF_STREAM: [(&str, Key); 2] = [("jetlag_stream_messages", Key::Messages), ("jetlag_stream_bytes", Key::Bytes)];

/// Why a message is delivered again.
mod cause {
    /// Somebody asked for it, at once.
    pub(super) const NAK: &str = "nak";
    /// Somebody asked for it, after a delay.
    pub(super) const NAK_DELAY: &str = "nak-delay";
    /// ack_wait, or a step of the backoff, was over.
    pub(super) const ACK_WAIT: &str = "ack-wait";
    /// The last delivery met nobody: the connection was gone.
    pub(super) const UNDELIVERED: &str = "undelivered";
    /// The server came back, and what it had stored said that the message was overdue or not settled.
    pub(super) const RESTART: &str = "restart";
    /// None of these.
    pub(super) const OTHER: &str = "other";
}

/// The reasons that records of the simulated server give; see `jetlag_sim::UNDELIVERED` and `FORGOTTEN`.
const UNDELIVERED: &str = "undelivered";
const FORGOTTEN: &str = "forgotten";

/// What the label `duplicate` says.
const YES: Text = Text::new_static("yes");
const NO: Text = Text::new_static("no");

/// A stream, a consumer of it, and a message.
type Message = (Text, Text, u64);

/// Counters and gauges of what records say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    counters: Counters,
    gauges: Snapshot,
    /// Why the next delivery of a message will be one again.
    causes: BTreeMap<Message, &'static str>,
    /// After a restart: what has been delivered since. What has not is redelivered because of the restart.
    delivered_since_restart: Option<BTreeSet<Message>>,
}

impl Counted {
    /// Takes note of a record.
    pub(crate) fn add(&mut self, record: &Record) {
        let fields = &record.fields;
        let text = |key| fields.text(key);
        let (mut stream, mut consumer) = (None, None);
        for (key, value) in fields.iter().take_while(|(key, _)| *key <= Key::Consumer) {
            match key {
                Key::Stream => stream = value.text(),
                Key::Consumer => consumer = value.text(),
                _ => {}
            }
        }
        let actor = record.place.actor();
        match record.kind {
            Kind::MsgStored => self.count(STORED, [stream, None, None]),
            Kind::MsgRemoved => self.count(REMOVED, [stream, text(Key::Reason), None]),
            Kind::Stored => {
                let duplicate = if fields.flag(Key::Duplicate) { YES } else { NO };
                self.count(PUB_ACKS, [stream, Some(&duplicate), None]);
            }
            Kind::Refused => {
                let [code, err_code] = [Key::Code, Key::ErrCode].map(|key| number(fields.uint(key)));
                self.count(REFUSED, [Some(&code), Some(&err_code), None]);
            }
            Kind::Delivered => {
                self.count(DELIVERIES, [stream, consumer, None]);
                self.delivered(record, stream, consumer);
            }
            Kind::Expired => {
                let undelivered = text(Key::Reason).is_some_and(|reason| reason == UNDELIVERED);
                if !undelivered {
                    self.count(EXPIRED, [stream, consumer, None]);
                }
                self.expired(record, undelivered);
            }
            Kind::Exhausted => self.settled(EXHAUSTED, record, stream, consumer),
            Kind::Acked => self.settled(ACKS, record, stream, consumer),
            // A purge or a recovery is nobody's term.
            Kind::Terminated if text(Key::Reason).is_some_and(|reason| reason == FORGOTTEN) => {}
            Kind::Terminated => self.settled(TERMS, record, stream, consumer),
            Kind::Naked => {
                self.count(NAKS, [stream, consumer, None]);
                let cause = if fields.duration(Key::Delay).is_some() { cause::NAK_DELAY } else { cause::NAK };
                message(record).map(|message| self.causes.insert(message, cause));
            }
            Kind::InProgress => self.count(IN_PROGRESS, [stream, consumer, None]),
            Kind::AckIgnored => self.count(ACKS_IGNORED, [stream, consumer, None]),
            Kind::Got => self.count(GOT, [actor, stream, consumer]),
            Kind::Status => {
                let code = number(fields.uint(Key::Code));
                self.count(STATUSES, [actor, Some(&code), None]);
            }
            Kind::Advisory => self.count(ADVISORIES, [actor, text(Key::Advisory), None]),
            Kind::Confirmed => self.count(CONFIRMED, [actor, stream, consumer]),
            Kind::RuleHit => self.count(FAULT_HITS, [record.rule.as_ref(), text(Key::Crossing), None]),
            Kind::Lost => self.count(LOST, [actor, text(Key::Crossing), None]),
            Kind::Delayed => self.count(DELAYED, [actor, text(Key::Crossing), None]),
            Kind::Duplicated => self.count(DUPLICATED, [actor, text(Key::Crossing), None]),
            Kind::Failed => self.count(FAILED, [actor, text(Key::Crossing), None]),
            Kind::Connected => self.count(CONNECTED, [actor, None, None]),
            Kind::Disconnected => self.count(DISCONNECTED, [actor, None, None]),
            Kind::Crashed => self.count(CRASHED, [actor, None, None]),
            Kind::ServerUp => {
                self.count(SERVER_STARTS, [None, None, None]);
                self.causes.clear();
                self.delivered_since_restart = Some(BTreeSet::new());
            }
            Kind::ConsumerInfo => self.tell(record, &OF_CONSUMER, [("stream", stream), ("consumer", consumer)]),
            Kind::StreamInfo => self.tell(record, &OF_STREAM, [("stream", stream), ("consumer", None)]),
            Kind::ConsumerDeleted | Kind::StreamDeleted => self.forget(stream, consumer),
            _ => {}
        }
    }

    /// All gauges that infos told are forgotten; the next infos tell them anew.
    pub(crate) fn forget_gauges(&mut self) {
        self.gauges = Snapshot::new();
    }

    /// All counters and gauges.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.gauges.clone();
        for ((family, values), count) in self.counters.all() {
            let (name, labels) = FAMILIES[family.place];
            let labels = labels.iter().zip(values).filter_map(|(label, value)| Some((*label, value.clone()?)));
            *snapshot.entry(Series::new(name, labels.collect())) = count as f64;
        }
        snapshot
    }

    fn count(&mut self, family: Family, values: [Option<&Text>; 3]) {
        self.counters.count(family, values);
    }

    fn delivered(&mut self, record: &Record, stream: Option<&Text>, consumer: Option<&Text>) {
        let count = record.fields.uint(Key::DeliveryCount);
        if count == Some(1) && self.causes.is_empty() && self.delivered_since_restart.is_none() {
            return;
        }
        let Some(message) = message(record) else { return };
        let told = if self.causes.is_empty() { None } else { self.causes.remove(&message) };
        // A delivery that met nobody is not counted by the server, so the next one has its number.
        if count.is_some_and(|count| count > 1) {
            let cause = told.unwrap_or(if self.is_left_from_restart(&message) { cause::RESTART } else { cause::OTHER });
            self.count(REDELIVERY, [stream, consumer, Some(&Text::new_static(cause))]);
        }
        if let Some(delivered) = &mut self.delivered_since_restart {
            delivered.insert(message);
        }
    }

    fn expired(&mut self, record: &Record, undelivered: bool) {
        let Some(message) = message(record) else { return };
        let cause = match self.causes.get(&message) {
            _ if undelivered => cause::UNDELIVERED,
            // Its delay is over: that is what was asked for.
            Some(&cause::NAK_DELAY) => cause::NAK_DELAY,
            _ if self.is_left_from_restart(&message) => cause::RESTART,
            _ => cause::ACK_WAIT,
        };
        self.causes.insert(message, cause);
    }

    fn is_left_from_restart(&self, message: &Message) -> bool {
        self.delivered_since_restart.as_ref().is_some_and(|delivered| !delivered.contains(message))
    }

    /// A message is done with.
    fn settled(&mut self, family: Family, record: &Record, stream: Option<&Text>, consumer: Option<&Text>) {
        self.count(family, [stream, consumer, None]);
        if self.causes.is_empty() && self.delivered_since_restart.is_none() {
            return;
        }
        if let Some(message) = message(record) {
            self.causes.remove(&message);
        }
    }

    fn tell(&mut self, record: &Record, gauges: &[(&str, Key)], labels: [(&str, Option<&Text>); 2]) {
        let labels: Labels = labels.into_iter().filter_map(|(name, value)| Some((name, value?.as_str()))).collect();
        for (name, key) in gauges {
            if let Some(value) = record.fields.uint(*key) {
                *self.gauges.entry(Series::new(*name, labels.clone())) = value as f64;
            }
        }
    }

    /// A consumer, or a stream with all its consumers, is gone, and with it what is known of it.
    fn forget(&mut self, stream: Option<&Text>, consumer: Option<&Text>) {
        let (stream, consumer) = (stream.map(Text::as_str), consumer.map(Text::as_str));
        let is_gone = |of: Option<&str>, its: Option<&str>| of == stream && (consumer.is_none() || its == consumer);
        self.gauges.retain(|series| !is_gone(series.labels.value("stream"), series.labels.value("consumer")));
        let of_message = |(of, its, _): &Message| is_gone(Some(of), Some(its));
        self.causes.retain(|message, _| !of_message(message));
        if let Some(delivered) = &mut self.delivered_since_restart {
            delivered.retain(|message| !of_message(message));
        }
    }
}

/// A number as a label says it.
fn number(number: Option<u64>) -> Text {
    number.unwrap_or(0).to_string().into()
}

fn message(record: &Record) -> Option<Message> {
    let fields = &record.fields;
    Some((fields.text(Key::Stream)?.clone(), fields.text(Key::Consumer)?.clone(), fields.uint(Key::StreamSeq)?))
}

#[cfg(test)]
mod tests {
    use jetlag_model::{Duration, Time};
    use jetlag_trace::Place;

    use super::*;
    use crate::{Contract, Source};

    fn at_consumer(kind: Kind, seq: u64) -> Record {
        Record::new(Time::START, Place::Server, kind).with(Key::Stream, "S").with(Key::Consumer, "C").with(Key::StreamSeq, seq)
    }

    fn delivered(seq: u64, count: u64) -> Record {
        at_consumer(Kind::Delivered, seq).with(Key::DeliveryCount, count)
    }

    fn redeliveries(records: &[Record]) -> Vec<String> {
        let mut counted = Counted::default();
        records.iter().for_each(|record| counted.add(record));
        let snapshot = counted.snapshot();
        let causes = snapshot.of("jetlag_redelivery_total");
        causes.map(|(series, value)| format!("{} {value}", series.labels.value("cause").unwrap_or_default())).collect()
    }

    #[test]
    fn a_redelivery_knows_its_cause() {
        let naked = || at_consumer(Kind::Naked, 1);
        let expired = || at_consumer(Kind::Expired, 1);
        let up = || Record::new(Time::START, Place::Server, Kind::ServerUp);
        for (between, cause) in [
            (vec![naked()], "nak 1"),
            (vec![naked().with(Key::Delay, Duration::from_secs(1)), expired()], "nak-delay 1"),
            (vec![expired()], "ack-wait 1"),
            (vec![at_consumer(Kind::InProgress, 1), expired()], "ack-wait 1"),
            (vec![expired().with(Key::Reason, UNDELIVERED)], "undelivered 1"),
            (vec![naked(), up()], "restart 1"),
            (vec![up(), expired()], "restart 1"),
            (vec![up(), naked()], "nak 1"),
            (vec![up(), delivered(1, 1), expired()], "ack-wait 1"),
            (vec![], "other 1"),
        ] {
            let mut records = vec![delivered(1, 1)];
            records.extend(between);
            records.push(delivered(1, 2));
            assert_eq!(redeliveries(&records), [cause], "{records:?}");
        }
        assert_eq!(redeliveries(&[delivered(1, 1), delivered(2, 1)]), [""; 0]);
        // A nak of one message says nothing about another, and is used up.
        let records = [
            delivered(1, 1),
            delivered(2, 1),
            naked(),
            delivered(1, 2),
            at_consumer(Kind::Expired, 2),
            expired(),
            delivered(2, 2),
            delivered(1, 3),
        ];
        assert_eq!(redeliveries(&records), ["ack-wait 2", "nak 1"]);
    }

    #[test]
    fn gauges_are_what_the_last_info_said_and_go_with_what_they_are_about() {
        let info = |pending: u64| {
            Record::new(Time::START, Place::Script, Kind::ConsumerInfo)
                .with(Key::Stream, "S")
                .with(Key::Consumer, "C")
                .with(Key::NumPending, pending)
        };
        let told = |counted: &Counted| counted.snapshot().iter().map(|(series, value)| format!("{series} {value}")).collect::<Vec<_>>();
        let mut counted = Counted::default();
        counted.add(&info(3));
        counted.add(&info(2));
        counted.add(&Record::new(Time::START, Place::Script, Kind::StreamInfo).with(Key::Stream, "S").with(Key::Messages, 5_u64));
        assert_eq!(told(&counted), [r#"jetlag_num_pending{consumer="C",stream="S"} 2"#, r#"jetlag_stream_messages{stream="S"} 5"#]);
        counted.add(&at_consumer(Kind::ConsumerDeleted, 0));
        assert_eq!(told(&counted), [r#"jetlag_stream_messages{stream="S"} 5"#]);
        counted.add(&info(1));
        counted.add(&Record::new(Time::START, Place::Server, Kind::StreamDeleted).with(Key::Stream, "S"));
        assert_eq!(told(&counted), [""; 0]);
    }

    #[test]
    fn what_is_counted_is_in_the_contract() {
        let contract = Contract::shipped();
        let gauges = OF_CONSUMER.iter().map(|(name, _)| (*name, &["stream", "consumer"][..]));
        let gauges = gauges.chain(OF_STREAM.iter().map(|(name, _)| (*name, &["stream"][..])));
        let ours: BTreeMap<&str, &[&str]> = FAMILIES.iter().copied().chain(gauges).collect();
        for (name, labels) in &ours {
            let spec = contract.spec(name).unwrap_or_else(|| panic!("{name} is not in the contract"));
            let known = spec.required.iter().chain(&spec.optional);
            assert_eq!(known.map(|label| &**label).collect::<BTreeSet<_>>(), labels.iter().copied().collect(), "{name}");
        }
        for spec in contract.specs().filter(|spec| spec.name.starts_with("jetlag_")) {
            assert!(ours.contains_key(&*spec.name), "nothing counts {}", spec.name);
        }
    }

    #[test]
    fn what_comes_from_the_server_is_known_of_a_simulated_one_alone() {
        let contract = Contract::shipped();
        for kind in Kind::ALL {
            let mut counted = Counted::default();
            // What the script sees of itself is the script's, a client of its own.
            let place = if kind.is_client_visible() { Place::client("c") } else { Place::Server };
            counted.add(&Record::new(Time::START, place, *kind).with(Key::NumPending, 1_u64).with(Key::Messages, 1_u64));
            for (series, _) in counted.snapshot().iter() {
                let spec = contract.spec(&series.name).unwrap_or_else(|| panic!("{series} is not in the contract"));
                let by_client = kind.is_client_visible() || *kind == Kind::RuleHit;
                assert_eq!(spec.source == Source::Client, by_client, "{series}, of {kind}");
            }
        }
    }
}
