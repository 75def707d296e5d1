//! Which rules of the core a run has hit, as far as its trace tells: what the server did, refused and said, each under a name. How often a
//! rule that only some versions have decides is not told here: `cargo xtask wrong-rules` turns each around and looks who notices.

use std::collections::BTreeMap;

use jetlag_trace::{Key, Kind, Record};

/// How often each rule was hit, by name.
pub type Hits = BTreeMap<String, u64>;

/// The rules that random programs hit. A test compares this and [`NOT_HIT`] with what the scenario files show.
pub const HIT: &[&str] = &[
    "ack-ignored",
    "acked",
    "advisory consumer_action create",
    "advisory consumer_action delete",
    "advisory consumer_group_pinned",
    "advisory consumer_group_unpinned",
    "advisory max_deliver",
    "advisory nak",
    "advisory stream_action create",
    "advisory stream_action delete",
    "advisory stream_action modify",
    "advisory terminated",
    "confirmed",
    "consumer-created",
    "consumer-deleted",
    "consumer-updated",
    "delivered",
    "delivered again",
    "duplicate",
    "error 10003",
    "error 10012",
    "error 10013",
    "error 10014",
    "error 10026",
    "error 10037",
    "error 10043",
    "error 10052",
    "error 10054",
    "error 10057",
    "error 10058",
    "error 10059",
    "error 10060",
    "error 10070",
    "error 10071",
    "error 10074",
    "error 10077",
    "error 10080",
    "error 10082",
    "error 10084",
    "error 10088",
    "error 10089",
    "error 10094",
    "error 10098",
    "error 10099",
    "error 10100",
    "error 10101",
    "error 10108",
    "error 10109",
    "error 10110",
    "error 10111",
    "error 10116",
    "error 10133",
    "error 10136",
    "error 10137",
    "error 10138",
    "error 10148",
    "error 10159",
    "error 10160",
    "error 10197",
    "exhausted",
    "expired",
    "in-progress",
    "msg-removed by age",
    "msg-removed by delete",
    "msg-removed by interest",
    "msg-removed by limit",
    "msg-removed by purge",
    "msg-stored",
    "naked",
    "naked with a delay",
    "no-responders",
    "pull-ended",
    "pull-queued",
    "status 100 Idle Heartbeat",
    "status 400 Bad Request - Invalid Priority Group",
    "status 400 Bad Request - Not a Overflow Priority consumer",
    "status 400 Bad Request - Not a Pinned Client Priority consumer",
    "status 400 Bad Request - Priority Group missing",
    "status 400 Bad Request - Priority must be between N and N",
    "status 400 Bad Request - heartbeat value too large",
    "status 404 No Messages",
    "status 408 Request Timeout",
    "status 408 Requests Pending",
    "status 409 Batch Completed",
    "status 409 Consumer Deleted",
    "status 409 Consumer is push based",
    "status 409 Exceeded MaxRequestBatch of N",
    "status 409 Exceeded MaxRequestMaxBytes of N",
    "status 409 Exceeded MaxWaiting",
    "status 409 Message Size Exceeds MaxBytes",
    "status 423 Nats-Pin-Id mismatch",
    "status 423 Nats-Wrong-Pin-Id",
    "stream-created",
    "stream-deleted",
    "stream-updated",
    "terminated",
    "timer ack-wait",
    "timer heartbeat",
    "timer inactive",
    "timer max-age",
    "timer pin",
    "timer pull",
];

/// The rules that scenario files show and no random program hits, with the reason.
pub const NOT_HIT: &[(&[&str], &str)] = &[
    (&["status 100 FlowControl Request"], "flow control asks after a megabyte, and programs send little"),
    (&["status 409 Server Shutdown"], "a restart takes a server of its own, at real pace, for each"),
    (&["error 0", "error 10165", "error 10166"], "what is not modelled is not drawn"),
    (
        &[
            "error 10017",
            "error 10018",
            "error 10020",
            "error 10025",
            "error 10056",
            "error 10127",
            "error 10128",
            "error 10131",
            "error 10149",
        ],
        "requests are written by the language, which gets them right",
    ),
    (&["error 10069", "error 10121", "error 10153"], "limits for consumers are not drawn yet"),
    (&["error 10065"], "two streams of a program have subjects of their own"),
    (
        &[
            "error 10079",
            "error 10081",
            "error 10083",
            "error 10095",
            "error 10102",
            "error 10107",
            "error 10112",
            "error 10115",
            "error 10139",
            "error 10162",
            "error 10178",
            "error 10183",
            "error 10184",
            "error 10193",
            "error 10196",
            "status 409 Exceeded MaxRequestExpires of N",
        ],
        "settings are drawn from what is useful, and only a few from what is refused",
    ),
];

/// Adds what these records tell.
pub fn count_hits(records: &[Record], hits: &mut Hits) {
    for record in records {
        if let Some(name) = name_of(record) {
            *hits.entry(name).or_default() += 1;
        }
    }
}

/// The name of what a server did here; `None` for what clients, links and the script do.
fn name_of(record: &Record) -> Option<String> {
    let fields = &record.fields;
    let kind = record.kind.name();
    let text = |key| fields.text(key).map(|text| text.to_string());
    Some(match record.kind {
        Kind::Refused => format!("error {}", fields.uint(Key::ErrCode)?),
        Kind::Status => format!("status {} {}", fields.uint(Key::Code)?, without_numbers(&text(Key::Description)?)),
        Kind::Advisory => {
            format!("advisory {}{}", text(Key::Advisory)?, text(Key::Action).map(|action| format!(" {action}")).unwrap_or_default())
        }
        Kind::MsgRemoved => format!("{kind} by {}", text(Key::Reason)?),
        Kind::DeadlineFired => format!("timer {}", text(Key::Deadline)?),
        Kind::Delivered if fields.uint(Key::DeliveryCount) > Some(1) => format!("{kind} again"),
        Kind::Naked if fields.duration(Key::Delay).is_some() => format!("{kind} with a delay"),
        Kind::Stored if fields.flag(Key::Duplicate) => "duplicate".to_owned(),
        Kind::NoResponders
        | Kind::Confirmed
        | Kind::MsgStored
        | Kind::Delivered
        | Kind::Acked
        | Kind::AckIgnored
        | Kind::Naked
        | Kind::InProgress
        | Kind::Terminated
        | Kind::Expired
        | Kind::Exhausted
        | Kind::PullQueued
        | Kind::PullEnded
        | Kind::StreamCreated
        | Kind::StreamUpdated
        | Kind::StreamDeleted
        | Kind::ConsumerCreated
        | Kind::ConsumerUpdated
        | Kind::ConsumerDeleted => kind.to_owned(),
        _ => return None,
    })
}

/// A text in which numbers are all the same.
fn without_numbers(text: &str) -> String {
    let mut words: Vec<&str> =
        text.split(' ').map(|word| if word.starts_with(|c: char| c.is_ascii_digit()) { "N" } else { word }).collect();
    words.dedup();
    words.join(" ")
}
