//! What a namespace holds, as JSON: the server's own infos.

use jetlag_model::Message;
use serde_json::{Value as Json, json};

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
