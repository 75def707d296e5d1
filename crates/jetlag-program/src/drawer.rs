//! Draws a program command by command. The simulator plays each prefix, so that what is drawn next fits what there is: a command that can not
//! be carried out is drawn anew, time stops where nothing else is due, and what would be a race on a real server is not begun.
//!
//! What a single command may look like is in `settings`, `steps` and `faults`.

use std::collections::BTreeSet;

use jetlag_model::{Duration, ServerVersion, Text, Time};
use jetlag_scenario::{Header, Scenario};

use crate::chance::Chance;
use crate::sketch::{Sketch, run};
use crate::view::View;

/// How often a command is drawn anew before another kind of command has its turn.
const TRIES: usize = 4;

/// Of so many refused commands in a hundred, one is kept for its refusal.
const KEPT_REFUSALS: usize = 20;

/// How far ahead a command is looked at for races that it leads to, and how far time is let run to see them: in waits.
const AHEAD: i64 = 12;

/// What consumers are called. Their clients go by the small letter.
const NAMES: [&str; 5] = ["C", "D", "E", "F", "G"];

/// A program under way.
pub(crate) struct Drawer {
    pub(crate) chance: Chance,
    version: ServerVersion,
    header: Header,
    sketch: Sketch,
    pub(crate) view: View,
    /// The shortest wait of the program; all others are multiples. Commands are half a wait away from what is due.
    pub(crate) unit: Duration,
    /// Instants at which something ends without a word: nothing is commanded near them.
    silent: Vec<Time>,
    /// For how long ids are remembered.
    windows: BTreeSet<Duration>,
    /// Settings of consumers are changed, which makes timers late.
    updates: bool,
    /// Consumers that were made, or tried: stream, name, and whether it pushes.
    made: Vec<(Text, Text, bool)>,
    /// How many pulls and fault rules have a name.
    pub(crate) names_given: usize,
}

impl Drawer {
    pub(crate) fn new(seed: u64, version: ServerVersion, header: Header, unit: Duration) -> Drawer {
        Drawer {
            chance: Chance::new(seed),
            version,
            header,
            sketch: Sketch { blocks: vec![Vec::new()] },
            view: View::default(),
            unit,
            silent: Vec::new(),
            windows: BTreeSet::new(),
            updates: false,
            made: Vec::new(),
            names_given: 0,
        }
    }

    /// The program as it is.
    pub(crate) fn scenario(&self) -> Option<Scenario> {
        self.sketch.parse(&self.header).ok()
    }

    /// Draws until a command can be had, a few times.
    pub(crate) fn add(&mut self, mut draw: impl FnMut(&mut Drawer) -> Option<String>) -> bool {
        (0..TRIES).any(|_| match draw(self) {
            Some(command) => self.offer(&command),
            None => false,
        })
    }

    /// Adds a command, unless it can not be carried out, is refused without need, or leads to a race. Says whether it did.
    pub(crate) fn offer(&mut self, command: &str) -> bool {
        let mut next = self.sketch.clone();
        if let Some(block) = next.blocks.last_mut() {
            block.push(command.to_owned());
        }
        let updates = self.updates || command.starts_with("update consumer");
        let Some(view) = self.look(&next, updates) else { return false };
        if view.refused && !self.chance.percent(KEPT_REFUSALS) {
            return false;
        }
        // How much is sent before the server reads that a listener wants no more is nobody's choice either.
        let limited = command.contains(": subscribe ") && command.contains(" max=");
        if view.eviction_delivers || (view.delivers && (limited || self.sketch.returns_to_several(command))) {
            return false;
        }
        // So is whether a message is a moment older or younger than the limit that it is as old as.
        let limit = command.split_whitespace().find_map(|word| word.strip_prefix("max-age=")?.parse().ok());
        if limit.is_some_and(|limit| view.aged.contains(&limit)) {
            return false;
        }
        if view.splitting.iter().any(|rule| !next.names_client(rule)) {
            return false;
        }
        let soon = view.now + self.unit * (AHEAD / 3);
        if self.first_race(&view).is_some_and(|race| race < soon) {
            return false;
        }
        self.sketch = next;
        self.updates = updates;
        self.note_silent(command, view.now);
        self.view = view;
        true
    }

    /// Plays a program, and what would come if nothing more were done.
    fn look(&self, sketch: &Sketch, updates: bool) -> Option<View> {
        let mut ahead = sketch.clone();
        let steps = ahead.blocks.iter().map(Vec::len).sum();
        ahead.blocks.push(vec![format!("advance {}", self.unit * AHEAD)]);
        let scenario = ahead.parse(&self.header).ok()?;
        View::of(&run(&scenario, self.version), steps, updates, self.unit)
    }

    fn half(&self) -> Duration {
        Duration::from_nanos(self.unit.as_nanos() / 2)
    }

    /// The first instant from which on a server's order of events is a race: two kinds of things at once, or one too near after another.
    fn first_race(&self, view: &View) -> Option<Time> {
        let mut before: Option<Time> = None;
        let mut free_from = view.now;
        for instant in &view.future {
            if instant.mixed {
                return Some(instant.at);
            }
            if instant.at < free_from {
                return before.or(Some(instant.at));
            }
            before = Some(instant.at);
            free_from = instant.at + self.half() + instant.slack;
        }
        None
    }

    /// Remembers what ends without a word because of this command.
    fn note_silent(&mut self, command: &str, now: Time) {
        for word in command.split_whitespace() {
            let Some((key, value)) = word.split_once('=') else { continue };
            match (key, value.strip_prefix("start+").unwrap_or(value).parse::<Duration>()) {
                ("duplicate-window" | "max-age", Ok(window)) => {
                    self.windows.insert(window);
                }
                ("id", _) => self.silent.extend(self.windows.iter().map(|window| now + *window)),
                ("opt-start-time" | "from" | "to", Ok(at)) => self.silent.push(Time::START + at),
                _ => {}
            }
        }
    }

    /// Lets time run to where nothing is due, by up to so many waits. Says whether there is such a place.
    pub(crate) fn advance(&mut self, waits: i64) -> bool {
        let (now, half) = (self.view.now, self.half());
        let race = self.first_race(&self.view);
        let free = |at: Time| {
            race.is_none_or(|race| at + half <= race)
                && self.view.future.iter().all(|due| at + half <= due.at || due.at + half + due.slack <= at)
                && self.silent.iter().all(|due| at + half <= *due || *due + half <= at)
        };
        let places: Vec<Time> = (1..=waits * 2).map(|halves| now + half * halves).filter(|at| free(*at)).collect();
        if places.is_empty() {
            return false;
        }
        // Mostly past something, and not past too much.
        let passed = |at: Time| self.view.future.iter().filter(|due| due.at < at).count();
        let weights: Vec<usize> = places.iter().map(|at| [2, 12, 6, 3, 2, 1].get(passed(*at)).copied().unwrap_or(1)).collect();
        let to = places[self.chance.weighted(&weights)];
        let command =
            if self.chance.percent(15) { format!("advance to start+{}", to.since_start()) } else { format!("advance {}", to.since(now)) };
        self.new_block();
        let advanced = self.offer(&command);
        self.new_block();
        advanced
    }

    /// The commands that follow belong together.
    pub(crate) fn new_block(&mut self) {
        if self.sketch.blocks.last().is_some_and(|block| !block.is_empty()) {
            self.sketch.blocks.push(Vec::new());
        }
    }

    /// Whether this program uses a word at all, and now.
    pub(crate) fn uses(&mut self, word: &str, percent: usize) -> bool {
        self.chance.liking(word) < 55 && self.chance.percent(percent)
    }

    /// Adds ` key=value` to a command, in so many of a hundred programs that use it at all.
    pub(crate) fn option(&mut self, command: &mut String, of: &str, key: &str, percent: usize, value: impl FnOnce(&mut Drawer) -> String) {
        if self.uses(&format!("{of} {key}"), percent) {
            let value = value(self);
            command.push_str(&format!(" {key}={value}"));
        }
    }

    /// The same for a word that stands alone.
    pub(crate) fn flag(&mut self, command: &mut String, of: &str, key: &str, percent: usize) {
        if self.uses(&format!("{of} {key}"), percent) {
            command.push_str(&format!(" {key}"));
        }
    }

    /// A length of time: a few waits.
    pub(crate) fn wait(&mut self) -> Duration {
        let waits = [1, 1, 1, 2, 2, 3, 4, 6];
        self.unit * self.chance.pick(&waits)
    }

    /// A consumer to create: mostly a new one, of this stream; or one that was created before.
    pub(crate) fn new_consumer(&mut self, stream: &Text) -> (Text, Text, bool) {
        if !self.made.is_empty() && (self.made.len() == NAMES.len() || self.chance.percent(15)) {
            return self.chance.pick(&self.made);
        }
        let push = self.uses("push", 40);
        let made: (Text, Text, bool) = (stream.clone(), NAMES[self.made.len()].into(), push);
        self.made.push(made.clone());
        made
    }

    /// Whether a consumer was to push.
    pub(crate) fn is_push(&self, consumer: &str) -> bool {
        self.made.iter().any(|(_, name, push)| &**name == consumer && *push)
    }

    /// The priority policy that a consumer was made with.
    pub(crate) fn policy_of(&self, consumer: &str) -> Option<String> {
        let made = format!("/{consumer} ");
        let commands = self.sketch.blocks.iter().flatten().rev();
        let settings = commands.filter(|command| command.starts_with("consumer ")).find_map(|command| command.split_once(&made));
        let (_, policy) = settings?.1.split_once("priority-policy=")?;
        policy.split_whitespace().next().map(str::to_owned)
    }

    /// The fault rules that have not been ended.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = Vec::new();
        for command in self.sketch.blocks.iter().flatten() {
            if let Some((id, _)) = command.strip_prefix("fault ").and_then(|rest| rest.split_once(' ')) {
                faults.push(id.to_owned());
            } else if let Some(id) = command.strip_prefix("clear ") {
                faults.retain(|other| other != id);
            }
        }
        faults
    }

    /// All clients that have done something.
    pub(crate) fn clients(&self) -> Vec<String> {
        let commands = self.sketch.blocks.iter().flatten();
        let named = commands.filter_map(|command| match command.split_once(": ") {
            Some((client, _)) if !client.contains(' ') => Some(client.to_owned()),
            _ => command.strip_prefix("worker ").and_then(|rest| rest.split_once(' ')).map(|(name, _)| name.to_owned()),
        });
        named.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
