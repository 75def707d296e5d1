//! Random programs: scenarios drawn from a seed, and made smaller while they still show something.
//!
//! [`draw`] writes commands as people write them, into the scenario language, so that whatever it finds is a scenario file already. The simulator
//! plays each prefix while a program is drawn: acknowledgements name deliveries that exist, time stops where nothing else is due, and what
//! would be a race on a real server is not begun. Each program uses some words of the language often and others not at all.
//!
//! This crate is internal to jetlag and moves in lock step with it.

mod chance;
mod drawer;
mod faults;
mod hits;
mod settings;
mod sketch;
mod smaller;
mod steps;
mod view;

use jetlag_model::{Duration, ServerVersion, Time};
use jetlag_scenario::{Header, Scenario};

use crate::drawer::Drawer;
pub use crate::hits::{HIT, Hits, NOT_HIT, count_hits};
pub use crate::sketch::{for_library, playable};
pub use crate::smaller::smaller;

/// The shortest wait of a program: replays may be twenty times faster and still tell it from what they allow.
const UNIT: Duration = Duration::from_secs(6);

/// The words of the language that no program uses, with the reason. A test compares this with what is drawn. Besides words, these are left out, for
/// what a server makes of them is its own draw, or nobody's choice:
/// - a second member of a queue group: which of them gets a message;
/// - two requests for messages that fault rules have come at once: whether the second is there before the first was served;
/// - a message that a limit takes from a consumer which then delivers another one for it;
/// - a listener that wants only so many, while more are on their way to it;
/// - a client that comes back to several subscriptions and gets something at once: how many of them the server has read by then;
/// - a fault rule that acts on one of two listeners' copies of a message: which of them comes first;
/// - a limit of age that is set to just the age of a message: whether that is a moment older or younger.
pub const LEFT_OUT: &[(&[&str], &str)] = &[
    (&["check"], "looks at what a real server does not show"),
    (&["expect metric", "expect no-other-metric"], "adds up what the transcripts show already, or what a real server does not show"),
    (&["expect alert", "expect no-alert"], "is for Prometheus to judge"),
    (
        &[
            "restart",
            "restart downtime",
            "kill",
            "kill downtime",
            "kill lost",
            "kill lost-state",
            "fault downtime",
            "fault lost",
            "fault lost-state",
        ],
        "a server of its own, at real pace, for each: the scenario files have them",
    ),
    (&["settle"], "ends at an instant at which something happens, so that what follows is too near to it"),
    (&["worker handler"], "a handler is code, and the same on both sides"),
    (
        &[
            "stream allow-msg-ttl",
            "update stream allow-msg-ttl",
            "consumer pause-until",
            "consumer rate-limit-bps",
            "consumer sample-freq",
            "update consumer pause-until",
            "update consumer rate-limit-bps",
            "update consumer sample-freq",
        ],
        "not modelled",
    ),
];

/// A way to draw a command.
type Draw = fn(&mut Drawer) -> Option<String>;

/// What a program is made of, each with a weight.
const STEPS: &[(&str, usize, Draw)] = &[
    ("publish", 14, steps::publish),
    ("fetch", 14, steps::fetch),
    ("acknowledge", 18, steps::acknowledge),
    ("info", 4, steps::info),
    ("create-stream", 1, steps::create_stream),
    ("create-consumer", 3, steps::create_consumer),
    ("update-stream", 3, steps::update_stream),
    ("update-consumer", 4, steps::update_consumer),
    ("delete-consumer", 1, steps::delete_consumer),
    ("delete-stream", 1, steps::delete_stream),
    ("delete-message", 2, steps::delete_message),
    ("purge", 3, steps::purge),
    ("subscribe", 3, steps::subscribe),
    ("unsubscribe", 1, steps::unsubscribe),
    ("tell", 1, steps::tell),
    ("request", 2, steps::request),
    ("disconnect", 2, steps::disconnect),
    ("reconnect", 4, steps::reconnect),
    ("fault", 14, faults::fault),
    ("clear", 2, faults::clear),
    ("worker", 2, steps::worker),
    ("stop", 1, steps::stop),
];

/// The program of a seed, with the transcripts that the simulator gives it as a server of this version. Always the same for the same two.
///
/// # Panics
///
/// When it writes what the language refuses, which would be a mistake in this crate.
pub fn draw(seed: u64, version: ServerVersion) -> Scenario {
    let cites = vec![format!("random program, seed {seed}")];
    let header = Header { cites, seed, ..Header::new(format!("what the random program of seed {seed} shows")) };
    let mut drawer = Drawer::new(seed, version, header, UNIT);
    set_up(&mut drawer);
    let steps = drawer.chance.pick(&[4, 6, 8, 8, 10, 12, 12, 16, 20]);
    let waits = drawer.chance.pick(&[2, 4, 6, 6, 8, 8, 10, 12, 16]);
    let end = Time::START + UNIT * waits;
    let often = drawer.chance.pick(&[15, 25, 25, 35, 45]);
    let mut taken = 0;
    for _ in 0..steps * 4 {
        let due = !drawer.view.future.is_empty();
        let added = if drawer.view.now < end && drawer.chance.percent(if due { often } else { 3 }) {
            drawer.advance(6)
        } else {
            let step = step(&mut drawer);
            drawer.add(step)
        };
        taken += usize::from(added);
        if taken >= steps {
            break;
        }
    }
    if !drawer.view.future.is_empty() && drawer.view.now < end {
        drawer.advance(4);
    }
    finish(&mut drawer);
    let scenario = drawer.scenario().expect("only what the language takes was added");
    playable(&scenario, version).expect("infos print something")
}

/// The next kind of command. Some programs do without some, but none without messages that are fetched and acknowledged.
fn step(drawer: &mut Drawer) -> Draw {
    let weights: Vec<usize> = STEPS
        .iter()
        .map(|(name, weight, _)| match *name {
            "acknowledge" if drawer.view.held.is_empty() => 0,
            "publish" if drawer.view.streams.values().all(|last| *last == 0) => 60,
            "publish" | "fetch" | "acknowledge" => *weight,
            name if drawer.chance.liking(name) < 65 => *weight,
            _ => 0,
        })
        .collect();
    STEPS[drawer.chance.weighted(&weights)].2
}

/// Streams and consumers, with something in them, and somebody who listens.
fn set_up(drawer: &mut Drawer) {
    for _ in 0..drawer.chance.pick(&[0, 0, 0, 0, 1, 2]) {
        drawer.add(steps::client);
    }
    for _ in 0..drawer.chance.pick(&[1, 1, 1, 2]) {
        drawer.add(steps::create_stream);
    }
    for _ in 0..drawer.chance.pick(&[0, 0, 1, 2, 4]) {
        drawer.add(steps::publish);
    }
    for _ in 0..drawer.chance.pick(&[1, 1, 1, 2, 2, 3]) {
        drawer.add(steps::create_consumer);
    }
    let consumers = drawer.view.consumers.clone();
    for consumer in consumers.keys() {
        if drawer.is_push(consumer) && drawer.chance.percent(85) {
            drawer.add(|drawer| Some(steps::bind(drawer, consumer)));
        }
    }
    for _ in 0..drawer.chance.pick(&[0, 0, 1, 1, 2]) {
        drawer.add(steps::subscribe);
    }
    drawer.new_block();
}

/// What it has come to.
fn finish(drawer: &mut Drawer) {
    drawer.new_block();
    let (streams, consumers) = (drawer.view.streams.clone(), drawer.view.consumers.clone());
    for stream in streams.keys() {
        drawer.offer(&format!("info {stream}"));
    }
    for (consumer, stream) in &consumers {
        drawer.offer(&format!("info {stream}/{consumer}"));
    }
    if streams.is_empty() {
        drawer.offer("request $JS.API.STREAM.NAMES");
    }
}
