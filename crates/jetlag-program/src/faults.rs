//! Fault rules of random programs. A rule that turns out never to act is left out at the end.

use crate::drawer::Drawer;

/// Kinds of crossings, each with how often it is chosen.
const KINDS: [(&str, usize); 17] = [
    ("publish", 4),
    ("pub-ack", 3),
    ("pull", 6),
    ("delivery", 10),
    ("ack", 8),
    ("nak", 4),
    ("in-progress", 3),
    ("term", 3),
    ("next", 3),
    ("ack-reply", 3),
    ("status", 3),
    ("heartbeat", 2),
    ("advisory", 2),
    ("api", 1),
    ("api-reply", 1),
    ("message", 1),
    ("connect", 2),
];

/// Effects, each with how often it is chosen.
const EFFECTS: [(&str, usize); 10] = [
    ("drop", 8),
    ("delay", 8),
    ("duplicate", 6),
    ("reply-lost", 4),
    ("error \"broken pipe\"", 3),
    ("disconnect", 4),
    ("crash", 1),
    ("partition", 3),
    ("slow", 1),
    ("mark", 8),
];

pub(crate) fn fault(drawer: &mut Drawer) -> Option<String> {
    drawer.names_given += 1;
    let id = format!("f{}", drawer.names_given);
    let weights = EFFECTS.map(|(effect, weight)| if drawer.chance.liking(effect) < 70 { weight } else { 0 });
    if weights.iter().all(|weight| *weight == 0) {
        return None;
    }
    let effect = EFFECTS[drawer.chance.weighted(&weights)].0;
    let mut line = format!("fault {id} {effect}");
    match effect {
        "partition" => {
            let client = some_client(drawer)?;
            let direction = drawer.chance.pick(&["up", "down", "both"]);
            line.push_str(&format!(" {direction} client={client}"));
            window(drawer, &mut line);
            return Some(line);
        }
        "slow" => {
            let by = drawer.wait();
            line.push_str(&format!(" by={by} kind=delivery"));
        }
        "delay" => {
            let by = drawer.wait();
            if drawer.uses("fault over", 25) {
                let over = drawer.unit * drawer.chance.pick(&[2, 4]);
                line.push_str(&format!(" by={by}..{} over={over}", by * 2));
            } else {
                line.push_str(&format!(" by={by}"));
            }
        }
        "duplicate" => drawer.option(&mut line, "fault", "copies", 50, |_| "2".to_owned()),
        "disconnect" => {
            let unit = drawer.unit;
            drawer.option(&mut line, "fault", "reconnect", 50, |d| (unit * d.chance.pick(&[1, 2])).to_string());
        }
        _ => {}
    }
    let mut connects = false;
    if effect != "slow" {
        // Whether the answer to what a client sent last still reaches it is a race.
        let comes_down = ["pub-ack", "delivery", "ack-reply", "status", "heartbeat", "advisory", "api-reply", "message"];
        let fits = |kind: &str| match effect {
            // A connection is made or not.
            "delay" | "reply-lost" if kind == "connect" => false,
            "disconnect" | "crash" => comes_down.contains(&kind) || kind == "connect",
            // So is whether the second of two requests is there before the first one was served.
            "duplicate" => !matches!(kind, "pull" | "next" | "connect"),
            _ => true,
        };
        let kind = KINDS[drawer.chance.weighted(&KINDS.map(|(kind, weight)| if fits(kind) { weight } else { 0 }))].0;
        line.push_str(&format!(" kind={kind}"));
        connects = kind == "connect";
    }
    matches(drawer, &mut line, connects);
    events(drawer, &mut line);
    match drawer.chance.below(13) {
        0 | 1 => {}
        2 => line.push_str(" always"),
        3 => line.push_str(" first=2"),
        4 => line.push_str(" nth=2"),
        5 => line.push_str(" probability=1/2"),
        6 | 10 => window(drawer, &mut line),
        7 => line.push_str(&format!(" burst={}", drawer.chance.pick(&["1/2", "2/3", "1/3"]))),
        8 | 11 => line.push_str(&format!(" ratio={}", drawer.chance.pick(&["1/2", "2/3", "1/3"]))),
        _ => {
            let every = drawer.unit * drawer.chance.pick(&[2, 3, 4]);
            let open = drawer.unit;
            line.push_str(&format!(" every={every} for={open}"));
        }
    }
    Some(line)
}

/// What it asks for; of who connects nothing is known but who it is.
fn matches(drawer: &mut Drawer, line: &mut String, connects: bool) {
    let of = "fault";
    if let Some(client) = some_client(drawer) {
        drawer.option(line, of, "client", 25, |_| client);
    }
    if connects {
        return;
    }
    drawer.option(line, of, "stream", 25, |_| "S".to_owned());
    drawer.option(line, of, "consumer", 15, |d| d.chance.pick(&["C", "C", "D"]).to_owned());
    drawer.option(line, of, "subject", 15, |d| d.chance.pick(&["s.a", "s.*", "s.b", "t.>"]).to_owned());
    drawer.option(line, of, "stream-seq", 25, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
    drawer.option(line, of, "delivery-count", 15, |d| d.chance.pick(&["1", "1", "2"]).to_owned());
    drawer.option(line, of, "header", 12, |_| "k:v".to_owned());
    drawer.option(line, of, "payload", 12, |d| d.chance.pick(&["\"a\"", "\"b\""]).to_owned());
    drawer.option(line, of, "payload-contains", 12, |d| d.chance.pick(&["\"c\"", "\"d\"", "\"text\""]).to_owned());
}

/// A rule may begin with another one, which has mostly acted already, and end with one that has not.
fn events(drawer: &mut Drawer, line: &mut String) {
    let (acted, waiting): (Vec<String>, Vec<String>) = drawer.faults().into_iter().partition(|id| drawer.view.acted.contains(id.as_str()));
    let first = if acted.is_empty() || drawer.chance.percent(20) { &waiting } else { &acted };
    if !first.is_empty() {
        drawer.option(line, "fault", "after", 60, |d| d.chance.pick(first));
    }
    if !waiting.is_empty() {
        drawer.option(line, "fault", "until", 100, |d| d.chance.pick(&waiting));
    }
}

/// From and to lie between what was and what will be.
fn window(drawer: &mut Drawer, line: &mut String) {
    let half = jetlag_model::Duration::from_nanos(drawer.unit.as_nanos() / 2);
    let now = drawer.view.now.since_start();
    let from = now + half * drawer.chance.pick(&[1, 1, 3]);
    if drawer.chance.percent(65) {
        line.push_str(&format!(" from={from}"));
    }
    if drawer.chance.percent(60) {
        line.push_str(&format!(" to={}", from + half * drawer.chance.pick(&[1, 2, 4])));
    }
}

/// A client that has been there.
fn some_client(drawer: &mut Drawer) -> Option<String> {
    let clients = drawer.clients();
    (!clients.is_empty()).then(|| drawer.chance.pick(&clients))
}

pub(crate) fn clear(drawer: &mut Drawer) -> Option<String> {
    let faults = drawer.faults();
    (!faults.is_empty()).then(|| format!("clear {}", drawer.chance.pick(&faults)))
}
