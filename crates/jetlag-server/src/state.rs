//! What a namespace holds and a server does, as JSON and as the records of gauges: the server's own infos and counts.

use jetlag_model::{Message, Time};
use jetlag_trace::{Key, Kind, Place, Record};
use serde_json::{Value as Json, json};

use crate::broker::Broker;
use crate::control::report;
use crate::error::ServerError;
use crate::namespace::Namespace;

/// Connections, streams with their consumers, rules.
pub(crate) fn state(namespace: &mut Namespace) -> Result<Json, ServerError> {
    let mut streams = Vec::new();
    for mut stream in listed(namespace, "$JS.API.STREAM.LIST", "streams")? {
        let name = stream["config"]["name"].as_str().unwrap_or_default().to_owned();
        stream["consumers"] = listed(namespace, &format!("$JS.API.CONSUMER.LIST.{name}"), "consumers")?.into();
        streams.push(stream);
    }
    let connections: Vec<Json> = namespace.connections().map(|(conn, name)| json!({"id": conn.0, "name": &**name})).collect();
    Ok(json!({
        "now": namespace.now().to_string(),
        "now_ns": namespace.now().as_nanos(),
        "up": namespace.is_up(),
        "connections": connections,
        "subscriptions": namespace.server().core().map_or(0, jetlag_core::Core::subscription_count),
        "streams": streams,
        "faults": namespace.reports().map(report).collect::<Vec<_>>(),
        "records": namespace.ledger().len(),
    }))
}

/// What `/varz` of nats-server says, as far as it is known here. `now` is the time since the start.
pub(crate) fn varz(broker: &Broker, now: Time) -> Json {
    let (config, info, traffic) = (&broker.config, broker.info(), broker.traffic);
    let mut connections = 0;
    let mut subscriptions = 0;
    for place in broker.places.values() {
        connections += place.namespace.connections().count();
        subscriptions += place.namespace.server().core().map_or(0, jetlag_core::Core::subscription_count);
    }
    json!({
        "server_id": info.server_id,
        "server_name": info.server_name,
        "version": info.version,
        "proto": info.proto,
        "host": info.host,
        "port": info.port,
        "max_connections": config.max_connections,
        "ping_interval": config.ping_interval.map_or(0, |interval| interval.as_nanos()),
        "ping_max": config.ping_max,
        "auth_timeout": config.auth_timeout.map_or(0.0, |timeout| timeout.as_nanos() as f64 / 1e9),
        "max_control_line": config.max_control_line,
        "max_payload": config.max_payload,
        "max_pending": config.max_pending,
        "jetstream": {"config": {"store_dir": config.store_dir, "strict": true, "max_memory": config.stores.memory, "max_storage": config.stores.file}, "stats": {"accounts": broker.places.len()}},
        "start": config.started.to_string(),
        "now": (config.started + now.since_start()).to_string(),
        "uptime": format!("{}s", now.as_nanos() / 1_000_000_000),
        "connections": connections,
        "open_sockets": broker.connection_count(),
        "total_connections": broker.connections_so_far(),
        "in_msgs": traffic.in_msgs,
        "in_bytes": traffic.in_bytes,
        "out_msgs": traffic.out_msgs,
        "out_bytes": traffic.out_bytes,
        "slow_consumers": traffic.slow_consumers,
        "stale_connections": traffic.stale_connections,
        "subscriptions": subscriptions,
    })
}

/// What the infos of all streams and consumers say now, as the records that set gauges.
pub(crate) fn scrape(namespace: &mut Namespace) -> Result<Vec<Record>, ServerError> {
    let at = namespace.now();
    let mut records = Vec::new();
    let mut told = |kind, names: &[(Key, &Json)], numbers: &[(Key, &Json)]| {
        let mut record = Record::new(at, Place::Script, kind);
        for (key, name) in names {
            record.fields.set(*key, name.as_str().unwrap_or_default());
        }
        for (key, number) in numbers {
            record.fields.set(*key, number.as_u64().unwrap_or_default());
        }
        records.push(record);
    };
    for stream in listed(namespace, "$JS.API.STREAM.LIST", "streams")? {
        let (name, state) = (&stream["config"]["name"], &stream["state"]);
        told(Kind::StreamInfo, &[(Key::Stream, name)], &[(Key::Messages, &state["messages"]), (Key::Bytes, &state["bytes"])]);
        let subject = format!("$JS.API.CONSUMER.LIST.{}", name.as_str().unwrap_or_default());
        for consumer in listed(namespace, &subject, "consumers")? {
            let numbers = [
                (Key::NumPending, &consumer["num_pending"]),
                (Key::NumAckPending, &consumer["num_ack_pending"]),
                (Key::NumRedelivered, &consumer["num_redelivered"]),
                (Key::NumWaiting, &consumer["num_waiting"]),
            ];
            told(Kind::ConsumerInfo, &[(Key::Stream, name), (Key::Consumer, &consumer["name"])], &numbers);
        }
    }
    Ok(records)
}

/// All entries of a paged list.
fn listed(namespace: &mut Namespace, subject: &str, key: &str) -> Result<Vec<Json>, ServerError> {
    let mut all: Vec<Json> = Vec::new();
    loop {
        let answer = namespace.ask(subject, json!({"offset": all.len()}).to_string().as_bytes())?;
        let answer = answer.map(|answer| body(&answer)).unwrap_or_default();
        let page = answer[key].as_array().cloned().unwrap_or_default();
        let total = answer["total"].as_u64().unwrap_or_default();
        let last = page.is_empty();
        all.extend(page);
        if last || all.len() as u64 >= total {
            return Ok(all);
        }
    }
}

/// The JSON of an answer.
pub(crate) fn body(message: &Message) -> Json {
    serde_json::from_slice(&message.payload).unwrap_or_default()
}
