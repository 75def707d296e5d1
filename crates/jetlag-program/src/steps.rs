//! The commands of a random program, one function each. Clients keep to one consumer: a real server owes nobody an order between two.

use jetlag_model::Text;

use crate::drawer::Drawer;
use crate::settings;
use crate::view::Held;

/// How a program's subjects and clients begin, by stream and consumer.
fn letter(name: &str) -> String {
    name.to_lowercase()
}

fn some_stream(drawer: &mut Drawer) -> Option<Text> {
    let streams: Vec<_> = drawer.view.streams.keys().cloned().collect();
    (!streams.is_empty()).then(|| drawer.chance.pick(&streams))
}

/// A consumer that is there, with its stream.
fn some_consumer(drawer: &mut Drawer) -> Option<(Text, Text)> {
    let consumers: Vec<_> = drawer.view.consumers.iter().map(|(consumer, stream)| (stream.clone(), consumer.clone())).collect();
    (!consumers.is_empty()).then(|| drawer.chance.pick(&consumers))
}

fn subject(drawer: &mut Drawer, stream: &str) -> String {
    let token = drawer.chance.pick(&["a", "a", "a", "b", "b", "c"]);
    format!("{}.{token}", letter(stream))
}

pub(crate) fn publish(drawer: &mut Drawer) -> Option<String> {
    let of = "publish";
    let stream = some_stream(drawer)?;
    let subject = if drawer.uses("publish to nobody", 3) { "nobody.here".to_owned() } else { subject(drawer, &stream) };
    let payload = drawer.chance.pick(&["a", "b", "cc", "ddd", "a longer text"]);
    let client = drawer.chance.pick(&["p", "p", "p", "q"]);
    let mut line = format!("{client}: publish {subject} \"{payload}\"");
    drawer.option(&mut line, of, "id", 45, |d| d.chance.pick(&["x", "x", "y", "z"]).to_owned());
    let last = drawer.view.streams.get(&stream).copied().unwrap_or(0);
    drawer.option(&mut line, of, "expected-last-seq", 20, |d| {
        if d.chance.percent(60) { last.to_string() } else { d.chance.below(6).to_string() }
    });
    drawer.option(&mut line, of, "expected-last-subject-seq", 20, |d| d.chance.below(last as usize + 2).to_string());
    drawer.option(&mut line, of, "expected-stream", 12, |d| if d.chance.percent(80) { stream.to_string() } else { "X".to_owned() });
    drawer.option(&mut line, of, "expected-last-msg-id", 12, |d| d.chance.pick(&["x", "x", "y"]).to_owned());
    drawer.option(&mut line, of, "header", 20, |_| "k:v".to_owned());
    if drawer.uses("publish rollup", 30) {
        let value = drawer.chance.pick(&["sub", "sub", "all", "ALL", "some"]);
        line.push_str(&format!(" header=Nats-Rollup:{value}"));
    }
    let wait = drawer.unit;
    drawer.option(&mut line, of, "every", 15, |d| (wait * d.chance.pick(&[1, 2])).to_string());
    if line.contains(" every=") && drawer.uses("publish for", 40) {
        line.push_str(&format!(" for={}", wait * drawer.chance.pick(&[2, 3, 4])));
    } else {
        drawer.option(&mut line, of, "count", 25, |d| d.chance.pick(&["2", "2", "3", "4"]).to_owned());
    }
    let before = line.len();
    drawer.flag(&mut line, of, "no-reply", 8);
    if line.len() == before {
        // The one who listens there hears the pub ack.
        drawer.option(&mut line, of, "reply", 10, |_| "e.9".to_owned());
    }
    Some(line)
}

pub(crate) fn fetch(drawer: &mut Drawer) -> Option<String> {
    let of = "fetch";
    let (stream, consumer) = some_consumer(drawer)?;
    let push = drawer.is_push(&consumer);
    if push && !drawer.chance.percent(4) {
        return None;
    }
    let client = format!("{}{}", letter(&consumer), drawer.chance.pick(&["1", "1", "1", "2"]));
    let mut line = format!("{client}: fetch {stream}/{consumer}");
    drawer.option(&mut line, of, "batch", 60, |d| d.chance.pick(&["2", "2", "3", "4", "5", "0"]).to_owned());
    let before = line.len();
    let expires = drawer.unit * drawer.chance.pick(&[1, 2, 3, 4, 6]);
    drawer.option(&mut line, of, "expires", 60, |_| expires.to_string());
    let expires = (line.len() > before).then_some(expires);
    drawer.flag(&mut line, of, "no-wait", 30);
    // A heartbeat has to fit twice.
    let fits = expires.is_some_and(|expires| expires >= drawer.unit * 2);
    drawer.option(&mut line, of, "idle-heartbeat", if fits { 40 } else { 2 }, |d| {
        if d.chance.percent(80) { d.unit } else { d.unit * 2 }.to_string()
    });
    drawer.option(&mut line, of, "max-bytes", 20, |d| d.chance.pick(&["50", "80", "150", "300"]).to_owned());
    priority(drawer, &consumer, &mut line);
    if drawer.uses("fetch as", 10) {
        drawer.names_given += 1;
        line.push_str(&format!(" as=n{}", drawer.names_given));
    }
    Some(line)
}

/// What a request says to a priority policy: what the policy asks for, and now and then something else.
fn priority(drawer: &mut Drawer, consumer: &str, line: &mut String) {
    let policy = drawer.policy_of(consumer);
    if !drawer.chance.percent(if policy.is_some() { 95 } else { 1 }) {
        return;
    }
    let group = if drawer.chance.percent(95) { "g" } else { "h" };
    line.push_str(&format!(" group={group}"));
    let fits = |wanted: &str, percent| if policy.as_deref() == Some(wanted) { percent } else { 2 };
    let (overflow, prioritized, pinned) = (fits("overflow", 60), fits("prioritized", 70), fits("pinned_client", 50));
    drawer.option(line, "fetch", "min-pending", overflow, |d| d.chance.pick(&["1", "2", "3", "4"]).to_owned());
    drawer.option(line, "fetch", "min-ack-pending", overflow, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
    drawer.option(line, "fetch", "priority", prioritized, |d| d.chance.pick(&["0", "1", "1", "2", "9", "10"]).to_owned());
    drawer.option(line, "fetch", "id", pinned, |d| d.chance.pick(&["last", "last", "last", "mine"]).to_owned());
}

pub(crate) fn acknowledge(drawer: &mut Drawer) -> Option<String> {
    let Held { client, consumer, seq, count } = some_delivery(drawer)?;
    let stream = drawer.view.consumers.get(&consumer).cloned();
    let full = stream.filter(|_| drawer.chance.percent(20)).map(|stream| format!("{stream}/")).unwrap_or_default();
    let attempt = if drawer.chance.percent(30) { format!("#{count}") } else { String::new() };
    let reference = format!("{full}{consumer}:{seq}{attempt}");
    let weights = [("ack", 40), ("nak", 22), ("in-progress", 10), ("term", 12), ("next", 12)];
    let weights = weights.map(|(verb, weight)| (verb, if drawer.chance.liking(verb) < 70 { weight } else { 0 }));
    if weights.iter().all(|(_, weight)| *weight == 0) {
        return None;
    }
    let verb = weights[drawer.chance.weighted(&weights.map(|(_, weight)| weight))].0;
    let mut line = format!("{client}: {verb} {reference}");
    match verb {
        "nak" => drawer.option(&mut line, verb, "delay", 60, |d| d.wait().to_string()),
        "term" => drawer.option(&mut line, verb, "reason", 40, |_| "\"not wanted\"".to_owned()),
        "next" => drawer.option(&mut line, verb, "batch", 40, |d| d.chance.pick(&["1", "2", "3"]).to_owned()),
        _ => {}
    }
    drawer.flag(&mut line, verb, "sync", 40);
    Some(line)
}

/// Mostly one that was not answered yet, and mostly a late one.
fn some_delivery(drawer: &mut Drawer) -> Option<Held> {
    let view = &drawer.view;
    let held: Vec<Held> = view.held.iter().filter(|held| !view.away.contains(&held.client)).cloned().collect();
    let open: Vec<Held> = held.iter().filter(|held| !view.answered.contains(&(held.consumer.clone(), held.seq))).cloned().collect();
    let from = if open.is_empty() || drawer.chance.percent(20) { held } else { open };
    let latest = from.len().checked_sub(1)?;
    let back = drawer.chance.weighted(&[6, 3, 2, 1, 1]).min(latest);
    from.get(latest - back).cloned()
}

pub(crate) fn info(drawer: &mut Drawer) -> Option<String> {
    if drawer.chance.percent(30) {
        return some_stream(drawer).map(|stream| format!("info {stream}"));
    }
    some_consumer(drawer).map(|(stream, consumer)| format!("info {stream}/{consumer}"))
}

pub(crate) fn create_stream(drawer: &mut Drawer) -> Option<String> {
    let name = drawer.chance.pick(&["S", "S", "T"]);
    let settings = settings::stream(drawer, name, false);
    Some(format!("stream {name}{settings}"))
}

pub(crate) fn update_stream(drawer: &mut Drawer) -> Option<String> {
    let name = some_stream(drawer)?;
    let settings = settings::stream(drawer, &name, true);
    (!settings.is_empty()).then(|| format!("update stream {name}{settings}"))
}

pub(crate) fn create_consumer(drawer: &mut Drawer) -> Option<String> {
    let stream = some_stream(drawer)?;
    let (stream, consumer, push) = drawer.new_consumer(&stream);
    let settings = settings::consumer(drawer, &consumer, &letter(&stream), push, false);
    Some(format!("consumer {stream}/{consumer}{settings}"))
}

pub(crate) fn update_consumer(drawer: &mut Drawer) -> Option<String> {
    let (stream, consumer) = some_consumer(drawer)?;
    let push = drawer.is_push(&consumer);
    let settings = settings::consumer(drawer, &consumer, &letter(&stream), push, true);
    (!settings.is_empty()).then(|| format!("update consumer {stream}/{consumer}{settings}"))
}

pub(crate) fn delete_consumer(drawer: &mut Drawer) -> Option<String> {
    some_consumer(drawer).map(|(stream, consumer)| format!("delete consumer {stream}/{consumer}"))
}

pub(crate) fn delete_stream(drawer: &mut Drawer) -> Option<String> {
    some_stream(drawer).map(|stream| format!("delete stream {stream}"))
}

fn some_seq(drawer: &mut Drawer, stream: &str) -> u64 {
    let last = drawer.view.streams.get(stream).copied().unwrap_or(0);
    let back = drawer.chance.below(5) as u64;
    if drawer.chance.percent(5) { last + 2 } else { last.saturating_sub(back).max(1) }
}

pub(crate) fn delete_message(drawer: &mut Drawer) -> Option<String> {
    let stream = some_stream(drawer)?;
    let seq = some_seq(drawer, &stream);
    Some(format!("delete message {stream} {seq}"))
}

pub(crate) fn purge(drawer: &mut Drawer) -> Option<String> {
    let stream = some_stream(drawer)?;
    let mut line = format!("purge {stream}");
    let letter = letter(&stream);
    drawer.option(&mut line, "purge", "filter", 50, |d| format!("{letter}.{}", d.chance.pick(&["a", "a", "b", "*"])));
    let seq = some_seq(drawer, &stream);
    drawer.option(&mut line, "purge", "seq", 40, |_| seq.to_string());
    drawer.option(&mut line, "purge", "keep", 30, |d| d.chance.pick(&["1", "1", "2", "3"]).to_owned());
    Some(line)
}

/// Listens where a push consumer delivers, where advisories are told, or to what is published.
pub(crate) fn subscribe(drawer: &mut Drawer) -> Option<String> {
    let of = "subscribe";
    let mut line = match drawer.chance.below(10) {
        0..4 => {
            let (_, consumer) = some_consumer(drawer).filter(|(_, consumer)| drawer.is_push(consumer))?;
            bind(drawer, &consumer)
        }
        4..7 => {
            let (stream, consumer) = some_consumer(drawer)?;
            format!("a{}: subscribe $JS.EVENT.ADVISORY.CONSUMER.*.{stream}.{consumer}", letter(&consumer))
        }
        7 => format!("as: subscribe $JS.EVENT.ADVISORY.STREAM.*.{}", some_stream(drawer)?),
        8 => format!("l: subscribe {}", ["s.a", "s.*", "s.>", ">"][drawer.chance.below(3)]),
        _ => "m: subscribe e.*".to_owned(),
    };
    drawer.option(&mut line, of, "max", 10, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
    Some(line)
}

/// Listens where a push consumer delivers, or will.
pub(crate) fn bind(drawer: &mut Drawer, consumer: &str) -> String {
    let letter = letter(consumer);
    let moved = if drawer.uses("update consumer deliver-subject", 20) { "2" } else { "" };
    let client = drawer.chance.pick(&["1", "1", "2"]);
    // Which of two members a server takes is its own draw, so that a group has but one; two of 600 programs would have had a second.
    let (client, queue) = if drawer.uses("consumer deliver-group", 30) { ("1", " queue=g") } else { (client, "") };
    format!("{letter}{client}: subscribe to.{letter}{moved}{queue}")
}

pub(crate) fn unsubscribe(drawer: &mut Drawer) -> Option<String> {
    let (_, consumer) = some_consumer(drawer)?;
    let letter = letter(&consumer);
    let subject = drawer.chance.pick(&[
        format!("{letter}1: unsubscribe to.{letter}"),
        "l: unsubscribe s.a".to_owned(),
        "m: unsubscribe e.*".to_owned(),
    ]);
    Some(subject)
}

/// A message between clients, without a stream.
pub(crate) fn tell(drawer: &mut Drawer) -> Option<String> {
    let client = drawer.chance.pick(&["p", "m"]);
    let mut line = format!("{client}: publish e.1 \"hello\"");
    drawer.flag(&mut line, "publish", "no-reply", 60);
    Some(line)
}

/// A raw request, whose answer says nothing of durations.
pub(crate) fn request(drawer: &mut Drawer) -> Option<String> {
    let stream = some_stream(drawer)?;
    let seq = some_seq(drawer, &stream);
    let subject = subject(drawer, &stream);
    let grouped = some_consumer(drawer).filter(|(_, consumer)| drawer.policy_of(consumer).is_some());
    if let Some((stream, consumer)) = grouped.filter(|_| drawer.uses("request unpin", 60)) {
        return Some(format!(
            "request $JS.API.CONSUMER.UNPIN.{stream}.{consumer}\n  {{\"group\":\"{}\"}}",
            drawer.chance.pick(&["g", "g", "h"])
        ));
    }
    Some(match drawer.chance.below(8) {
        0 => "request $JS.API.STREAM.NAMES".to_owned(),
        1 => format!("request $JS.API.CONSUMER.NAMES.{stream}"),
        2 | 3 => format!("request $JS.API.STREAM.MSG.GET.{stream}\n  {{\"seq\":{seq}}}"),
        4 => format!("request $JS.API.STREAM.MSG.GET.{stream}\n  {{\"last_by_subj\":\"{subject}\"}}"),
        5 => format!("request $JS.API.STREAM.MSG.GET.{stream}\n  {{\"seq\":{seq},\"next_by_subj\":\"{subject}\"}}"),
        6 => format!("request $JS.API.STREAM.PURGE.{stream}\n  {{\"keep\":{}}}", drawer.chance.below(3)),
        _ => format!("request $JS.API.CONSUMER.INFO.{stream}.NONE"),
    })
}

/// Clients that have done something, and are there.
fn some_client(drawer: &mut Drawer, away: bool) -> Option<Text> {
    let view = &drawer.view;
    let mut clients: Vec<Text> = match away {
        true => view.away.iter().cloned().collect(),
        false => view.held.iter().map(|held| held.client.clone()).filter(|client| !view.away.contains(client)).collect(),
    };
    clients.dedup();
    (!clients.is_empty()).then(|| drawer.chance.pick(&clients))
}

pub(crate) fn disconnect(drawer: &mut Drawer) -> Option<String> {
    let word = if drawer.uses("crash", 30) { "crash" } else { "disconnect" };
    some_client(drawer, false).map(|client| format!("{client}: {word}"))
}

pub(crate) fn reconnect(drawer: &mut Drawer) -> Option<String> {
    some_client(drawer, true).map(|client| format!("{client}: reconnect"))
}

/// A client that is not as others are.
pub(crate) fn client(drawer: &mut Drawer) -> Option<String> {
    let of = "client";
    let name = drawer.chance.pick(&["c1", "c1", "d1", "e1", "l", "m", "p", "ac"]);
    let mut line = format!("client {name}");
    drawer.option(&mut line, of, "reconnect", 60, |_| "no".to_owned());
    drawer.option(&mut line, of, "no-responders", 60, |_| "no".to_owned());
    if name != "p" {
        drawer.option(&mut line, of, "headers", 60, |_| "no".to_owned());
    }
    drawer.option(&mut line, of, "echo", 60, |_| "no".to_owned());
    Some(line)
}

pub(crate) fn worker(drawer: &mut Drawer) -> Option<String> {
    let of = "worker";
    let (stream, consumer) = some_consumer(drawer).filter(|(_, consumer)| !drawer.is_push(consumer))?;
    let expires = drawer.unit * drawer.chance.pick(&[2, 4, 6]);
    let mut line = format!("worker {}w {stream}/{consumer} expires={expires}", letter(&consumer));
    drawer.option(&mut line, of, "batch", 50, |d| d.chance.pick(&["2", "3"]).to_owned());
    drawer.option(&mut line, of, "concurrency", 50, |d| d.chance.pick(&["2", "3"]).to_owned());
    for _ in 0..drawer.chance.below(3) {
        let condition = match drawer.chance.below(5) {
            0 => format!("subject={}", subject(drawer, &stream)),
            1 => format!("stream-seq={}", drawer.chance.pick(&["1", "2", "3"])),
            2 => "payload=\"a\"".to_owned(),
            3 => "delivery-count>=2".to_owned(),
            _ => "delivery-count=1".to_owned(),
        };
        // A nak at once must come to an end.
        let first = condition == "delivery-count=1";
        let actions = actions(drawer, first);
        line.push_str(&format!("\n  on {condition} {actions}"));
    }
    if drawer.chance.percent(80) {
        let actions = actions(drawer, false);
        line.push_str(&format!("\n  otherwise {actions}"));
    }
    Some(line)
}

fn actions(drawer: &mut Drawer, may_nak_at_once: bool) -> String {
    let half = jetlag_model::Duration::from_nanos(drawer.unit.as_nanos() / 2);
    if drawer.uses("worker ignore", 15) {
        return "ignore".to_owned();
    }
    let mut actions = Vec::new();
    let mut after = jetlag_model::Duration::ZERO;
    if drawer.uses("worker in-progress", 25) {
        after = half * drawer.chance.pick(&[1, 1, 3]);
        actions.push(format!("in-progress after={after}"));
    }
    let mut last = match drawer.chance.below(6) {
        0 if may_nak_at_once => "nak".to_owned(),
        0 | 1 => format!("nak delay={}", drawer.wait()),
        2 => "term".to_owned(),
        _ => "ack".to_owned(),
    };
    if last == "term" {
        drawer.option(&mut last, "worker term", "reason", 40, |_| "\"no use\"".to_owned());
    }
    if drawer.uses("worker after", 50) || !actions.is_empty() {
        after = after + half * drawer.chance.pick(&[1, 1, 2, 3]);
        last.push_str(&format!(" after={after}"));
    }
    drawer.flag(&mut last, "worker", "sync", 30);
    actions.push(last);
    actions.join(", ")
}

pub(crate) fn stop(drawer: &mut Drawer) -> Option<String> {
    let (_, consumer) = some_consumer(drawer)?;
    Some(format!("stop {}w", letter(&consumer)))
}
