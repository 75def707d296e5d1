//! Fault rules of random programs. A rule that turns out never to act is left out at the end.

use crate::drawer::Drawer;

/// Kinds of crossings, each with how often it is chosen.
const KINDS: [(&str, usize); 16] = [
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
];

/// Effects, each with how often it is chosen.
const EFFECTS: [(&str, usize); 9] = [
    ("drop", 8),
    ("delay", 8),
    ("duplicate", 6),
    ("reply-lost", 4),
    ("error \"broken pipe\"", 3),
    ("disconnect", 4),
    ("crash", 1),
    ("partition", 3),
    ("slow", 1),
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
            line.push_str(&format!(" by={by}"));
        }
        "duplicate" => drawer.option(&mut line, "fault", "copies", 50, |_| "2".to_owned()),
        "disconnect" => {
            let unit = drawer.unit;
            drawer.option(&mut line, "fault", "reconnect", 50, |d| (unit * d.chance.pick(&[1, 2])).to_string());
        }
        _ => {}
    }
    if effect != "slow" {
        // Whether the answer to what a client sent last still reaches it is a race.
        let comes_down = ["pub-ack", "delivery", "ack-reply", "status", "heartbeat", "advisory", "api-reply", "message"];
        let fits = |kind: &str| match effect {
            "disconnect" | "crash" => comes_down.contains(&kind),
            // So is whether the second of two requests is there before the first one was served.
            "duplicate" => !matches!(kind, "pull" | "next"),
            _ => true,
        };
        let kind = KINDS[drawer.chance.weighted(&KINDS.map(|(kind, weight)| if fits(kind) { weight } else { 0 }))].0;
        line.push_str(&format!(" kind={kind}"));
    }
    matches(drawer, &mut line);
    match drawer.chance.below(8) {
        0 | 1 => {}
        2 => line.push_str(" always"),
        3 => line.push_str(" first=2"),
        4 => line.push_str(" nth=2"),
        5 => line.push_str(" probability=1/2"),
        6 => window(drawer, &mut line),
        _ => {
            let every = drawer.unit * drawer.chance.pick(&[2, 3, 4]);
            let open = drawer.unit;
            line.push_str(&format!(" every={every} for={open}"));
        }
    }
    Some(line)
}

fn matches(drawer: &mut Drawer, line: &mut String) {
    let of = "fault";
    if let Some(client) = some_client(drawer) {
        drawer.option(line, of, "client", 25, |_| client);
    }
    drawer.option(line, of, "stream", 25, |_| "S".to_owned());
    drawer.option(line, of, "consumer", 15, |d| d.chance.pick(&["C", "C", "D"]).to_owned());
    drawer.option(line, of, "subject", 15, |d| d.chance.pick(&["s.a", "s.*", "s.b", "t.>"]).to_owned());
    drawer.option(line, of, "stream-seq", 25, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
    drawer.option(line, of, "delivery-count", 15, |d| d.chance.pick(&["1", "1", "2"]).to_owned());
}

/// From and to lie between what was and what will be.
fn window(drawer: &mut Drawer, line: &mut String) {
    let half = jetlag_model::Duration::from_nanos(drawer.unit.as_nanos() / 2);
    let now = drawer.view.now.since_start();
    let from = now + half * drawer.chance.pick(&[1, 1, 3]);
    if drawer.chance.percent(50) {
        line.push_str(&format!(" from={from}"));
    }
    if drawer.chance.percent(80) {
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
