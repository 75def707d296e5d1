//! JetStream API requests as client libraries send them, from the settings of a scenario; and their answers as records.

use jetlag_model::{Headers, Message, Time, WallTime, is_valid_literal};
use jetlag_scenario::{ConsumerPath, SettingValue, Settings};
use jetlag_trace::{Key, Kind, Place, Record};
use serde_json::{Map, Value as Json, json};

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiRequest {
    pub(crate) subject: String,
    pub(crate) body: Json,
}

impl ApiRequest {
    pub(crate) fn new(verb: &str, name: &str, body: Json) -> ApiRequest {
        ApiRequest { subject: format!("$JS.API.{verb}.{name}"), body }
    }

    pub(crate) fn message(&self) -> Message {
        Message::new(self.subject.as_str(), if self.body.is_null() { String::new() } else { self.body.to_string() })
    }
}

/// `S.C`, as API subjects name a consumer.
pub(crate) fn dotted(path: &ConsumerPath) -> String {
    format!("{}.{}", path.stream, path.consumer)
}

/// The settings as JSON fields. Dates that count from the start of the run are dates then.
fn fields(settings: &Settings, started: WallTime) -> Map<String, Json> {
    let mut fields = Map::new();
    for setting in settings.0.iter().filter(|setting| setting.key != "durable") {
        let value = match &setting.value {
            SettingValue::Text(text) => json!(text),
            SettingValue::Integer(number) => json!(number),
            SettingValue::Flag(flag) => json!(flag),
            SettingValue::Duration(duration) => json!(duration.as_nanos()),
            SettingValue::Durations(durations) => durations.iter().map(|duration| duration.as_nanos()).collect(),
            SettingValue::Texts(texts) => json!(texts),
            SettingValue::SinceStart(since) => json!((started + *since).to_string()),
        };
        fields.insert(setting.json_key(), value);
    }
    fields
}

/// Creates a stream.
pub(crate) fn create_stream(name: &str, settings: &Settings, started: WallTime) -> ApiRequest {
    let mut config = fields(settings, started);
    config.insert("name".to_owned(), json!(name));
    ApiRequest::new("STREAM.CREATE", name, Json::Object(config))
}

/// Changes a stream whose configuration is `config`.
pub(crate) fn update_stream(name: &str, config: &Json, settings: &Settings, started: WallTime) -> ApiRequest {
    ApiRequest::new("STREAM.UPDATE", name, patched(config, settings, started))
}

/// Creates a consumer; it is durable unless the settings say otherwise.
pub(crate) fn create_consumer(path: &ConsumerPath, settings: &Settings, started: WallTime) -> ApiRequest {
    let mut config = fields(settings, started);
    config.insert("name".to_owned(), json!(path.consumer.as_str()));
    if settings.value("durable") != Some(&SettingValue::Flag(false)) {
        config.insert("durable_name".to_owned(), json!(path.consumer.as_str()));
    }
    consumer_request(path, Json::Object(config), "create")
}

/// Changes a consumer whose configuration is `config`.
pub(crate) fn update_consumer(path: &ConsumerPath, config: &Json, settings: &Settings, started: WallTime) -> ApiRequest {
    consumer_request(path, patched(config, settings, started), "update")
}

fn consumer_request(path: &ConsumerPath, config: Json, action: &str) -> ApiRequest {
    // A single filter is named in the subject too, so that permissions can look at it.
    let filter = config.get("filter_subject").and_then(Json::as_str).filter(|filter| is_valid_literal(filter));
    let name = match filter {
        Some(filter) => format!("{}.{filter}", dotted(path)),
        None => dotted(path),
    };
    let body = json!({ "stream_name": path.stream.as_str(), "config": config, "action": action });
    ApiRequest::new("CONSUMER.CREATE", &name, body)
}

fn patched(config: &Json, settings: &Settings, started: WallTime) -> Json {
    let mut config = config.as_object().cloned().unwrap_or_default();
    // The server takes one of the two kinds of filters.
    for (given, other) in [("filter-subject", "filter_subjects"), ("filter-subjects", "filter_subject")] {
        if settings.value(given).is_some() {
            config.remove(other);
        }
    }
    config.extend(fields(settings, started));
    Json::Object(config)
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// A JSON object without error.
    Done(Json),
    /// A JSON object with an error.
    Refused(Json),
    /// Nobody listens.
    NoResponders,
    /// Something else than JSON.
    Other(Message),
    /// Nothing, or not at once.
    Nothing,
    /// The request never left its client.
    NotSent,
}

impl Answer {
    pub(crate) fn of(message: Option<Message>) -> Answer {
        let Some(message) = message else { return Answer::Nothing };
        if message.headers.as_ref().and_then(Headers::status).is_some_and(|status| status.code == 503) {
            return Answer::NoResponders;
        }
        match serde_json::from_slice::<Json>(&message.payload) {
            // A number, a text or a list is no answer of the API.
            Ok(json) if !json.is_object() => Answer::Other(message),
            Ok(json) => match json.get("error") {
                Some(error) => Answer::Refused(error.clone()),
                None => Answer::Done(json),
            },
            Err(_) => Answer::Other(message),
        }
    }

    /// The record of an answer that is no success; `None` for success, and for what is recorded already.
    pub(crate) fn failure(&self, at: Time) -> Option<Record> {
        let refused = Record::new(at, Place::Script, Kind::Refused);
        match self {
            Answer::Done(_) | Answer::NotSent => None,
            Answer::Refused(error) => {
                let mut record = refused;
                for (name, key) in [("code", Key::Code), ("err_code", Key::ErrCode)] {
                    if let Some(number) = error.get(name).and_then(Json::as_u64) {
                        record.fields.set(key, number);
                    }
                }
                Some(record.with(Key::Description, error.get("description").and_then(Json::as_str).unwrap_or_default()))
            }
            Answer::NoResponders => Some(Record::new(at, Place::Script, Kind::NoResponders)),
            Answer::Other(_) => Some(refused.with(Key::Description, "the answer is not JSON")),
            Answer::Nothing => Some(refused.with(Key::Description, "no answer")),
        }
    }
}

/// The record of a stream's info.
pub(crate) fn stream_info(at: Time, stream: &str, answer: &Json) -> Record {
    let state = answer.get("state").cloned().unwrap_or_default();
    let mut record = Record::new(at, Place::Script, Kind::StreamInfo).with(Key::Stream, stream);
    for (name, key) in [
        ("messages", Key::Messages),
        ("bytes", Key::Bytes),
        ("first_seq", Key::FirstSeq),
        ("last_seq", Key::LastSeq),
        ("consumer_count", Key::ConsumerCount),
        ("num_deleted", Key::NumDeleted),
    ] {
        if let Some(number) = state.get(name).and_then(Json::as_u64) {
            record.fields.set(key, number);
        }
    }
    record
}

/// The record of a consumer's info.
pub(crate) fn consumer_info(at: Time, path: &ConsumerPath, answer: &Json) -> Record {
    let mut record = Record::new(at, Place::Script, Kind::ConsumerInfo)
        .with(Key::Stream, path.stream.as_str())
        .with(Key::Consumer, path.consumer.as_str());
    for (name, key) in [("delivered", Key::Delivered), ("ack_floor", Key::AckFloor)] {
        let part = |part: &str| answer.get(name).and_then(|pair| pair.get(part)).and_then(Json::as_u64).unwrap_or(0);
        record.fields.set(key, (part("consumer_seq"), part("stream_seq")));
    }
    for (name, key) in [
        ("num_ack_pending", Key::NumAckPending),
        ("num_redelivered", Key::NumRedelivered),
        ("num_pending", Key::NumPending),
        ("num_waiting", Key::NumWaiting),
    ] {
        if let Some(number) = answer.get(name).and_then(Json::as_u64) {
            record.fields.set(key, number);
        }
    }
    if answer.get("paused").and_then(Json::as_bool) == Some(true) {
        record.fields.set(Key::Paused, true);
    }
    record
}

/// Fields of answers that no two runs have in common.
const MASKED: &[&str] = &["id", "time", "timestamp", "created", "ts", "first_ts", "last_ts", "last_active", "pause_remaining"];

/// The answer to a raw request as one line: sorted keys, and without what differs from run to run.
pub(crate) fn masked(answer: &Json) -> String {
    let mut answer = answer.clone();
    mask(&mut answer);
    answer.to_string()
}

fn mask(json: &mut Json) {
    match json {
        Json::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if MASKED.contains(&name.as_str()) && !value.is_object() {
                    *value = json!("*");
                } else {
                    mask(value);
                }
            }
            fields.sort_keys();
        }
        Json::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// An answer that is no JSON as one line: its status, or its payload, and its headers without what differs from run to run.
pub(crate) fn plain(answer: &Message) -> String {
    let status = answer.headers.as_ref().and_then(Headers::status);
    let mut line = match status {
        // What is wrong with JSON is said in Go's words.
        Some(status) => {
            let text = status.text.split_once(" - ").map_or(status.text, |(before, _)| before);
            format!("status {} {}", status.code, jetlag_trace::quoted(text.as_bytes()))
        }
        None => jetlag_trace::quoted(&answer.payload),
    };
    for (name, value) in answer.headers.iter().flat_map(Headers::fields) {
        let value = if name == "Nats-Time-Stamp" { "*" } else { value };
        line.push_str(&format!(" header={}", jetlag_trace::word(&format!("{name}:{value}"))));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str) -> jetlag_scenario::Command {
        let text = format!("title: t\n\n{line}\n----\nok\n");
        jetlag_scenario::parse(&text).expect(line).blocks.remove(0).steps.remove(0).command
    }

    #[test]
    fn a_consumer_is_created_as_clients_do() {
        for (line, subject, body) in [
            (
                "consumer S/C ack-policy=explicit ack-wait=30s backoff=1s,5s",
                "$JS.API.CONSUMER.CREATE.S.C",
                json!({"stream_name": "S", "action": "create", "config": {
                    "name": "C", "durable_name": "C", "ack_policy": "explicit", "ack_wait": 30_000_000_000_i64,
                    "backoff": [1_000_000_000_i64, 5_000_000_000_i64]}}),
            ),
            (
                "consumer S/C durable=no filter-subject=a.b",
                "$JS.API.CONSUMER.CREATE.S.C.a.b",
                json!({"stream_name": "S", "action": "create", "config": {"name": "C", "filter_subject": "a.b"}}),
            ),
            (
                "consumer S/C filter-subject=a.>",
                "$JS.API.CONSUMER.CREATE.S.C",
                json!({"stream_name": "S", "action": "create", "config": {"name": "C", "durable_name": "C", "filter_subject": "a.>"}}),
            ),
        ] {
            let jetlag_scenario::Command::Consumer(command) = step(line) else { panic!("{line}") };
            let request = create_consumer(&command.path, &command.settings, WallTime::default());
            assert_eq!(request, ApiRequest { subject: subject.to_owned(), body }, "{line}");
        }
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let jetlag_scenario::Command::UpdateConsumer(command) = step("update consumer S/C max-deliver=5 filter-subjects=a,b") else {
            panic!("an update")
        };
        let config = json!({"name": "C", "durable_name": "C", "ack_wait": 1, "max_deliver": 3, "filter_subject": "x"});
        let request = update_consumer(&command.path, &config, &command.settings, WallTime::default());
        assert_eq!(
            request.body,
            json!({"stream_name": "S", "action": "update", "config": {
                "name": "C", "durable_name": "C", "ack_wait": 1, "max_deliver": 5, "filter_subjects": ["a", "b"]}})
        );
    }

    #[test]
    fn raw_answers_are_sorted_and_masked() {
        let answer = json!({"type": "t", "created": "2026", "config": {"b": 1, "a": [{"ts": "x"}]}, "id": 7});
        assert_eq!(masked(&answer), r#"{"config":{"a":[{"ts":"*"}],"b":1},"created":"*","id":"*","type":"t"}"#);
    }

    #[test]
    fn plain_answers_show_status_and_headers() {
        let headers = Headers::from_fields([("Nats-Sequence", "7"), ("Nats-Time-Stamp", "2026")]);
        for (message, line) in [
            (Message::new("x", "+OK"), r#""+OK""#),
            (Message::new("x", "a").with_headers(headers), r#""a" header=Nats-Sequence:7 header=Nats-Time-Stamp:*"#),
            (Message::new("x", "").with_headers(Headers::from_status(404, "Message Not Found")), r#"status 404 "Message Not Found""#),
            (Message::new("x", "").with_headers(Headers::from_status(400, "Bad Request - json: eh")), r#"status 400 "Bad Request""#),
        ] {
            assert_eq!(plain(&message), line);
        }
    }

    #[test]
    fn answers_are_told_apart() {
        let nobody = Message::new("x", "").with_headers(Headers::from_status(503, ""));
        for (message, answer) in [
            (None, Answer::Nothing),
            (Some(nobody), Answer::NoResponders),
            (Some(Message::new("x", "{}")), Answer::Done(json!({}))),
            (Some(Message::new("x", r#"{"error":{"code":404}}"#)), Answer::Refused(json!({"code": 404}))),
            (Some(Message::new("x", "7")), Answer::Other(Message::new("x", "7"))),
            (Some(Message::new("x", "+OK")), Answer::Other(Message::new("x", "+OK"))),
        ] {
            assert_eq!(Answer::of(message), answer);
        }
    }
}
