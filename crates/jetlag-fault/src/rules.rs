//! The rules of one run at work: what becomes of each crossing, and how often each rule was asked and acted.

use std::collections::BTreeMap;

use jetlag_model::{Duration, Text, Time};

use crate::draw::Draw;
use crate::{Crossing, Direction, Effect, Identity, LostTail, Partition, Rule, RuleError, RuleId, When};

/// What becomes of a crossing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It crosses.
    #[default]
    Pass,
    /// It is lost, by this rule.
    Drop(RuleId),
    /// Sending it fails on the client's side, by this rule and with this text.
    Error(RuleId, Text),
}

/// What a rule wants done to connection, client or server once the crossing met its fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The crossing's client loses its connection.
    Disconnect {
        /// How long until it is back; as the client itself decides when absent.
        reconnect: Option<Duration>,
    },
    /// The crossing's client ends without a word.
    Crash,
    /// The server stops in good order and starts again.
    Restart {
        /// How long it is down.
        downtime: Duration,
    },
    /// The server is killed and starts again.
    Kill {
        /// How long it is down.
        downtime: Duration,
        /// What its storage loses.
        lost: LostTail,
    },
}

/// What all rules together say about one crossing. Rules stand in the order in which they were added.
///
/// Of a crossing that does not pass, delays, copies, lost reply and slowness are empty, because there is nothing they could act on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of the crossing itself.
    pub fate: Fate,
    /// By which rules it is delayed, and by how much each; the sum counts.
    pub delays: Vec<(RuleId, Duration)>,
    /// By which rules it is duplicated, and how many copies more each; the sum counts.
    pub duplicates: Vec<(RuleId, u64)>,
    /// By which rule the answer to it gets lost; the answer to each copy too.
    pub reply_lost: Option<RuleId>,
    /// By which rules handling it takes longer, and by how much each; the sum counts.
    pub slow: Vec<(RuleId, Duration)>,
    /// What is to be done afterwards.
    pub actions: Vec<(RuleId, Action)>,
    /// Every rule that acted, also those whose effect another rule made void.
    pub hits: Vec<RuleId>,
}

impl Verdict {
    /// How much later it arrives.
    pub fn delay(&self) -> Duration {
        self.delays.iter().fold(Duration::ZERO, |sum, (_, delay)| sum + *delay)
    }

    /// How many more times it arrives.
    pub fn copies(&self) -> u64 {
        self.duplicates.iter().fold(0, |sum, (_, copies)| sum.saturating_add(*copies))
    }

    /// How much longer handling it takes.
    pub fn slowness(&self) -> Duration {
        self.slow.iter().fold(Duration::ZERO, |sum, (_, by)| sum + *by)
    }

    /// Adds what one rule says that began to hold so long ago.
    fn add(&mut self, rule: &Rule, draw: Option<Draw>, elapsed: Duration) {
        let id = rule.id.clone();
        self.hits.push(id.clone());
        match &rule.effect {
            Effect::Drop | Effect::Partition(_) => {
                if !matches!(self.fate, Fate::Drop(_)) {
                    self.fate = Fate::Drop(id);
                }
            }
            Effect::Error(text) => {
                if self.fate == Fate::Pass {
                    self.fate = Fate::Error(id, text.clone());
                }
            }
            Effect::Delay { min, max } => self.delays.push((id, draw.map_or(*min, |draw| draw.length(*min, *max)))),
            Effect::Ramp { first, last, over } => self.delays.push((id, ramp(*first, *last, *over, elapsed))),
            Effect::Duplicate { copies } => self.duplicates.push((id, *copies)),
            Effect::ReplyLost => self.reply_lost = self.reply_lost.take().or(Some(id)),
            Effect::Slow { by } => self.slow.push((id, *by)),
            Effect::Disconnect { reconnect } => self.actions.push((id, Action::Disconnect { reconnect: *reconnect })),
            Effect::Crash => self.actions.push((id, Action::Crash)),
            Effect::Restart { downtime } => self.actions.push((id, Action::Restart { downtime: *downtime })),
            Effect::Kill { downtime, lost } => self.actions.push((id, Action::Kill { downtime: *downtime, lost: *lost })),
            Effect::Mark => {}
        }
    }

    /// Takes away what can not happen to a crossing that does not pass.
    fn settle(&mut self) {
        if self.fate != Fate::Pass {
            self.delays.clear();
            self.duplicates.clear();
            self.reply_lost = None;
            self.slow.clear();
        }
    }
}

/// Where between `first` and `last` a ramp over `over` is after `elapsed`.
fn ramp(first: Duration, last: Duration, over: Duration, elapsed: Duration) -> Duration {
    let [from, to, over] = [first, last, over].map(|length| i128::from(length.as_nanos()));
    let elapsed = i128::from(elapsed.as_nanos()).clamp(0, over);
    // Between two lengths that fit.
    Duration::from_nanos((from + (to - from) * elapsed / over) as i64)
}

/// How often a rule was asked and acted, over the whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The rule.
    pub id: RuleId,
    /// How many crossings it was asked about.
    pub evaluated: u64,
    /// How many of these it was about, whether or not it was time to act.
    pub matched: u64,
    /// On how many of these it acted.
    pub hits: u64,
    /// Whether it may stay without hits, because it acts by chance.
    pub exempt: bool,
}

/// One rule and what it remembers.
#[derive(Clone, Debug)]
struct Entry {
    rule: Rule,
    added: Time,
    cleared: bool,
    /// Matching crossings while window and cycle were open, since the rule was added.
    in_time: u64,
    /// How often it acted since it was added.
    acted: u64,
    /// When it acted first since it was added, and on which crossing of the run.
    first_acted: Option<(Time, u64)>,
    /// How often each identity matched since the rule was added; kept where something is drawn.
    attempts: BTreeMap<Identity, u64>,
    report: Report,
}

/// The rules of one run.
#[derive(Clone, Debug)]
pub struct Rules {
    seed: u64,
    entries: Vec<Entry>,
    /// How many crossings there were.
    crossings: u64,
}

impl Rules {
    /// No rules; `seed` is for those that come and act by chance.
    pub const fn new(seed: u64) -> Rules {
        Rules { seed, entries: Vec::new(), crossings: 0 }
    }

    /// Adds a rule, behind those that are there. An id may be used again once its rule is cleared; the new rule starts afresh, and
    /// the report counts both together.
    ///
    /// # Errors
    /// What [`Rule::validate`] says, that the id is in use, or that it waits for a rule that was never added.
    pub fn add(&mut self, now: Time, rule: Rule) -> Result<(), RuleError> {
        rule.validate()?;
        if let Some(event) = rule.when.events().find(|event| self.entry(event).is_none()) {
            return Err(RuleError::NoSuchEvent(event.clone()));
        }
        let exempt = rule.when.probability.is_some();
        let mut report = Report { id: rule.id.clone(), evaluated: 0, matched: 0, hits: 0, exempt };
        if let Some(index) = self.entries.iter().position(|entry| entry.rule.id == rule.id) {
            if !self.entries[index].cleared {
                return Err(RuleError::Taken(rule.id));
            }
            let before = self.entries.remove(index).report;
            report = Report { exempt: exempt && before.exempt, ..before };
        }
        let attempts = BTreeMap::new();
        self.entries.push(Entry { rule, added: now, cleared: false, in_time: 0, acted: 0, first_acted: None, attempts, report });
        Ok(())
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.rule.id == id)
    }

    /// From when a rule's cycle or ramp counts, if it holds at the next crossing as far as events decide that.
    fn base(&self, entry: &Entry) -> Option<Time> {
        let acted = |id: &RuleId| self.entry(id).and_then(|event| event.first_acted).filter(|(_, on)| *on < self.crossings);
        let When { from, after, until, .. } = &entry.rule.when;
        if until.as_ref().is_some_and(|id| acted(id).is_some()) {
            return None;
        }
        let from = from.map(|from| Time::START + from);
        match after {
            None => Some(from.unwrap_or(entry.added)),
            Some(id) => acted(id).map(|(at, _)| from.map_or(at, |from| from.max(at))),
        }
    }

    /// Takes a rule away. It stays in the reports.
    ///
    /// # Errors
    /// When there is no such rule.
    pub fn clear(&mut self, id: &str) -> Result<(), RuleError> {
        match self.entries.iter_mut().find(|entry| &*entry.rule.id == id && !entry.cleared) {
            Some(entry) => {
                entry.cleared = true;
                Ok(())
            }
            None => Err(RuleError::NotThere(id.into())),
        }
    }

    /// Whether any rule asks for what is in a message: its headers, its payload.
    pub fn look_inside(&self) -> bool {
        self.entries.iter().any(|entry| !entry.cleared && entry.rule.matcher.looks_inside())
    }

    /// What becomes of a crossing. To be asked once for each: rules count, and use up what they are limited to.
    pub fn evaluate(&mut self, now: Time, crossing: &Crossing<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            if entry.cleared || !entry.rule.may_mean(crossing.kind) {
                continue;
            }
            entry.report.evaluated += 1;
            if entry.rule.is_about(crossing) {
                let base = self.base(&self.entries[index]);
                self.entries[index].evaluate(self.seed, (now, self.crossings), base, crossing, &mut verdict);
            }
        }
        self.crossings += 1;
        verdict.settle();
        verdict
    }

    /// The rule that cuts this direction of this client's link at `now`. Counts as no evaluation: it is for what crosses besides
    /// messages, such as a subscription.
    pub fn partitioned(&self, now: Time, client: &str, direction: Direction) -> Option<&RuleId> {
        let cut = |entry: &&Entry| self.cuts(entry, now, client, |partition| partition.cuts(direction));
        self.entries.iter().find(cut).map(|entry| &entry.rule.id)
    }

    /// The partition that keeps this client from making a connection at `now`: a connection takes both directions. Counts as an evaluation of
    /// all partitions of this client, and as a hit of the first that cuts. What other rules say of it is for [`Rules::evaluate`], as of anything
    /// that crosses.
    pub fn connects(&mut self, now: Time, client: &str) -> Option<RuleId> {
        let cut = self.entries.iter().position(|entry| self.cuts(entry, now, client, |_| true));
        let about = |entry: &&mut Entry| !entry.cleared && entry.rule.partition_of(client).is_some();
        for entry in self.entries.iter_mut().filter(about) {
            entry.report.evaluated += 1;
            entry.report.matched += 1;
        }
        let at = (now, self.crossings);
        self.crossings += 1;
        cut.map(|index| {
            let entry = &mut self.entries[index];
            entry.act(at);
            entry.rule.id.clone()
        })
    }

    /// Whether a rule is a partition of this client, in this way, that is open.
    fn cuts(&self, entry: &Entry, now: Time, client: &str, way: impl FnOnce(Partition) -> bool) -> bool {
        !entry.cleared
            && entry.rule.partition_of(client).is_some_and(way)
            && self.base(entry).is_some_and(|base| entry.rule.when.is_open(now, base))
    }

    /// The ids of the rules that are not cleared, in the order in which they were added.
    pub fn open(&self) -> impl Iterator<Item = &RuleId> {
        self.entries.iter().filter(|entry| !entry.cleared).map(|entry| &entry.rule.id)
    }

    /// How often each rule was asked and acted, in the order in which they were added, cleared ones included.
    pub fn reports(&self) -> impl ExactSizeIterator<Item = &Report> {
        self.entries.iter().map(|entry| &entry.report)
    }
}

impl Entry {
    /// A crossing that the rule is about; `at` is its time and its number, `base` is what [`Rules::base`] says.
    fn evaluate(&mut self, seed: u64, at: (Time, u64), base: Option<Time>, crossing: &Crossing<'_>, verdict: &mut Verdict) {
        self.report.matched += 1;
        // An attempt counts whether or not it is time to act, so that a window does not move the draws within it.
        let draw = self.draw(seed, crossing);
        let Some(base) = base.filter(|base| self.rule.when.is_open(at.0, *base)) else { return };
        self.in_time += 1;
        let its_turn = self.rule.occurrence().picks(self.in_time, self.acted);
        let by_chance = self.rule.when.probability.is_none_or(|probability| draw.is_some_and(|draw| draw.says_yes(probability)));
        if its_turn && by_chance {
            self.act(at);
            verdict.add(&self.rule, draw, at.0.since(base));
        }
    }

    /// Notes that it acts.
    fn act(&mut self, at: (Time, u64)) {
        self.acted += 1;
        self.first_acted.get_or_insert(at);
        self.report.hits += 1;
    }

    /// What chance holds for this attempt, for a rule that needs to know.
    fn draw(&mut self, seed: u64, crossing: &Crossing<'_>) -> Option<Draw> {
        let uneven = matches!(self.rule.effect, Effect::Delay { min, max } if min != max);
        (uneven || self.rule.when.probability.is_some()).then(|| {
            let identity = crossing.identity();
            let attempt = self.attempts.entry(identity).or_insert(0);
            *attempt += 1;
            Draw::new(seed, &self.rule.id, identity, *attempt)
        })
    }
}
