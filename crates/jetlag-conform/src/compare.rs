//! Two runs of one scenario compared: what each client saw, in its order, and when.
//!
//! Across clients only the time counts: a server owes nobody an order between two connections.

use std::collections::{BTreeMap, VecDeque};

use jetlag_fault::{Effect, Rule};
use jetlag_model::{Duration, ServerVersion, Time};
use jetlag_runner::{Outcome, StepRun, push_line, shown};
use jetlag_scenario::{Command, Scenario, Step};
use jetlag_trace::{Key, Kind, Place, Record, line};

use crate::led::Lags;
use crate::ratio::{Ratio, steps};
use crate::slack::Band;

/// The first block in which a server's transcript is not the simulator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the file that is, or would be, the first to differ; counted from 1.
    pub line: usize,
    /// The index of that line in the transcripts.
    pub first: usize,
    /// The block's transcript, as the simulator has it.
    pub simulator: Vec<String>,
    /// The block's transcript, as the server has it: a time that is as good as the simulator's shows as the simulator's.
    pub server: Vec<String>,
}

/// One row of two transcripts side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'d> {
    /// The line of the file.
    pub line: usize,
    /// The simulator's, if it has one.
    pub simulator: Option<&'d str>,
    /// The server's, if it has one.
    pub server: Option<&'d str>,
}

impl Row<'_> {
    /// Whether both say the same.
    pub fn agrees(&self) -> bool {
        self.simulator == self.server
    }
}

impl Difference {
    /// Both transcripts, from `context` rows before the first difference to `context` rows after it.
    pub fn rows(&self, context: usize) -> Vec<Row<'_>> {
        let end = (self.first + context + 1).min(self.simulator.len().max(self.server.len()));
        (self.first.saturating_sub(context)..end)
            .map(|index| Row {
                line: (self.line + index).saturating_sub(self.first),
                simulator: self.simulator.get(index).map(String::as_str),
                server: self.server.get(index).map(String::as_str),
            })
            .collect()
    }
}

/// What is compared.
pub(crate) struct Comparison<'c> {
    pub(crate) scenario: &'c Scenario,
    pub(crate) version: ServerVersion,
    /// The simulator's run at real pace: what is shown.
    pub(crate) nominal: &'c Outcome,
    /// The simulator's run at the pace of the replay: its instants.
    pub(crate) paced: &'c Outcome,
    /// One for each record of `paced`.
    pub(crate) bands: &'c [Band],
    /// The pace.
    pub(crate) ratio: Ratio,
}

/// A run that is compared.
pub(crate) struct Seen<'s> {
    pub(crate) outcome: &'s Outcome,
    pub(crate) lags: &'s Lags,
    /// Whether it did not come to its end.
    pub(crate) broken_off: bool,
}

/// Which records are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Those that a transcript shows.
    Shown,
    /// Also those that steps in parentheses do not show.
    All,
}

impl Comparison<'_> {
    /// Where `seen`, a run at the pace, is not as expected. A run that was broken off differs somewhere, be it in what is not shown.
    pub(crate) fn difference(&self, seen: &Seen<'_>) -> Option<Difference> {
        let shown = self.first_difference(seen, Scope::Shown);
        shown.or_else(|| if seen.broken_off { self.first_difference(seen, Scope::All) } else { None })
    }

    fn first_difference(&self, Seen { outcome: seen, lags, .. }: &Seen<'_>, scope: Scope) -> Option<Difference> {
        let mut steps = self.nominal.steps.iter().enumerate().peekable();
        while let Some((_, first)) = steps.peek() {
            let block = first.block;
            let mut sides = Sides { simulator: Vec::new(), server: Vec::new(), differs_at: None };
            while let Some((index, nominal)) = steps.next_if(|(_, nominal)| nominal.block == block) {
                let step = &self.scenario.blocks[block].steps[nominal.step];
                let lag = lags.get(&(block, nominal.step)).copied().unwrap_or_default();
                let records = |outcome, run: Option<&StepRun>| -> VecDeque<&Record> {
                    run.map_or_else(VecDeque::new, |run| compared(step, outcome, run, scope))
                };
                let expected = records(self.nominal, Some(nominal)).into_iter();
                let mut paced = records(self.paced, self.paced.steps.get(index)).into_iter();
                let expected = expected.map(|nominal| (nominal, paced.next()));
                if !self.step(expected, records(seen, seen.steps.get(index)), lag, &mut sides) && sides.differs_at.is_none() {
                    sides.differs_at = Some(nominal.line);
                }
            }
            if let Some(step_line) = sides.differs_at {
                return Some(self.locate(block, sides, scope, step_line));
            }
        }
        None
    }

    /// Compares one step, and adds both sides' lines of it. Says whether they agree.
    fn step<'o>(
        &self,
        expected: impl Iterator<Item = (&'o Record, Option<&'o Record>)>,
        seen: VecDeque<&'o Record>,
        lag: Duration,
        sides: &mut Sides,
    ) -> bool {
        let mut queues: BTreeMap<Voice<'_>, VecDeque<&Record>> = BTreeMap::new();
        for record in seen {
            queues.entry(voice(&record.place)).or_default().push_back(record);
        }
        let mut agrees = true;
        for (nominal, paced) in expected {
            push_line(&mut sides.simulator, line_of(nominal));
            let record = queues.get_mut(&voice(&nominal.place)).and_then(|queue| self.take(queue, nominal));
            let (Some(paced), Some(record)) = (paced, record) else {
                agrees = false;
                continue;
            };
            let index = usize::try_from(paced.n).unwrap_or(usize::MAX);
            let in_time = self.bands.get(index).is_some_and(|band| band.holds(paced.at, record.at, lag)) || is_timeless(paced);
            let at = if in_time { nominal.at } else { self.unscaled(record.at) };
            let mut record = in_the_words_of(record, nominal);
            // What a ramp has come to is the time said in another way.
            if in_time
                && self.is_ramp(nominal)
                && record.rule == nominal.rule
                && let Some(length) = paced.fields.value(Key::For)
            {
                record.fields.set(Key::For, length.clone());
            }
            let line = self.line(&record, at);
            agrees &= line == line_of(nominal);
            push_line(&mut sides.server, line);
        }
        // What nobody expected, in the order in which it came.
        let mut extras: Vec<&Record> = queues.into_values().flatten().collect();
        extras.sort_by_key(|record| record.n);
        for record in extras {
            agrees = false;
            push_line(&mut sides.server, self.line(record, self.unscaled(record.at)));
        }
        agrees
    }

    /// Whether a record is of a delay that depends on when it was.
    fn is_ramp(&self, record: &Record) -> bool {
        let by_it = |rule: &Rule| Some(&rule.id) == record.rule.as_ref() && matches!(rule.effect, Effect::Ramp { .. });
        record.kind == Kind::Delayed && steps(self.scenario).any(|step| matches!(&step.command, Command::Fault(spec) if by_it(&spec.rule)))
    }

    /// What answers to an expected record: the next of its voice, or among what the server ends at one instant, in an order that is its
    /// own, the one that says the same.
    fn take<'o>(&self, queue: &mut VecDeque<&'o Record>, nominal: &Record) -> Option<&'o Record> {
        let ends = queue.iter().take_while(|record| is_end_of_a_message(nominal) && is_end_of_a_message(record));
        let same = ends.take(AT_AN_INSTANT).position(|record| self.line(record, nominal.at) == line_of(nominal));
        queue.remove(same.unwrap_or(0))
    }

    /// A record's line as if it had been seen at `at`, at real pace.
    fn line(&self, record: &Record, at: Time) -> String {
        let Ratio { numerator, denominator } = self.ratio.inverse();
        let mut record = record.scaled(numerator, denominator);
        record.at = at;
        line_of(&record)
    }

    /// An instant at real pace, rounded to what a replay can tell.
    fn unscaled(&self, at: Time) -> Time {
        let ns = self.ratio.inverse().of(at.since_start()).as_nanos();
        let grain = self.ratio.inverse().of(Duration::from_millis(1)).as_nanos().max(1);
        let rounded = ns.saturating_add(grain / 2) / grain * grain;
        Time::START + Duration::from_nanos(rounded)
    }

    fn locate(&self, block: usize, sides: Sides, scope: Scope, step_line: usize) -> Difference {
        let Sides { simulator, server, .. } = sides;
        let first = simulator.iter().zip(&server).position(|(simulator, server)| simulator != server);
        let first = first.unwrap_or(simulator.len().min(server.len()));
        let transcript = self.scenario.blocks[block].transcript_for(self.version);
        let line = match (scope, transcript) {
            (Scope::Shown, Some((_, transcript))) => transcript.span.line + 1 + first,
            // What no transcript shows stands nowhere but in its command.
            _ => step_line,
        };
        Difference { line, first, simulator, server }
    }
}

/// The transcripts of one block.
struct Sides {
    simulator: Vec<String>,
    server: Vec<String>,
    /// The line of the first step that differs.
    differs_at: Option<usize>,
}

/// The records of a step that are compared.
fn compared<'o>(step: &Step, outcome: &'o Outcome, run: &StepRun, scope: Scope) -> VecDeque<&'o Record> {
    let records = &outcome.trace.records()[run.first..run.end];
    match scope {
        Scope::Shown => shown(step, records).collect(),
        Scope::All => records.iter().filter(|record| line(record).is_some()).collect(),
    }
}

/// How many advisories of one instant are looked through for one that says the same.
const AT_AN_INSTANT: usize = 1_000;

/// Whether a record tells that a message ended because it left the stream, or used up max_deliver. The server tells of each on a thread of its
/// own, or as its map of unsettled messages gives them, so that the order of several at one instant is nobody's choice.
fn is_end_of_a_message(record: &Record) -> bool {
    record.kind == Kind::Advisory && record.fields.text(Key::Advisory).is_some_and(|kind| matches!(&**kind, "terminated" | "max_deliver"))
}

/// The error code of a request that is not understood, and what the server itself says before the decoder's words, if it quotes them.
const NOT_UNDERSTOOD: (u64, &str) = (10_025, "invalid JSON: ");

/// A record with the text of another where only the code counts: what Go's JSON decoder says changes with its version.
fn in_the_words_of(record: &Record, other: &Record) -> Record {
    let mut record = record.clone();
    let not_understood = |record: &Record| {
        let text = record.fields.text(Key::Description).map_or("", |text| &**text);
        match record.kind {
            Kind::Refused => record.fields.uint(Key::ErrCode) == Some(NOT_UNDERSTOOD.0) && text.starts_with(NOT_UNDERSTOOD.1),
            Kind::Status => record.fields.uint(Key::Code) == Some(400) && DECODER.iter().any(|words| text.contains(words)),
            _ => false,
        }
    };
    if not_understood(&record)
        && not_understood(other)
        && let Some(text) = other.fields.text(Key::Description)
    {
        record.fields.set(Key::Description, text);
    }
    record
}

/// What only Go's JSON decoder says, in a status.
const DECODER: &[&str] = &["json: ", "invalid character", "unexpected end of JSON"];

fn line_of(record: &Record) -> String {
    line(record).unwrap_or_default()
}

/// Whose order a record is part of. A client and its link have each their own: the link acts on a message when it is read, and whether the answers
/// to two publishes of one instant come with one read, before the client is told of the first, is nobody's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Voice<'r> {
    Script,
    Server,
    Client(&'r str),
    Link(&'r str),
}

fn voice(place: &Place) -> Voice<'_> {
    match place {
        Place::Script => Voice::Script,
        Place::Server => Voice::Server,
        Place::Client(client) => Voice::Client(client),
        Place::Link { client, .. } => Voice::Link(client),
    }
}

/// Whether a record's line tells no time: the script answers when it is asked.
fn is_timeless(record: &Record) -> bool {
    record.place == Place::Script
}

#[cfg(test)]
mod tests {
    use jetlag_trace::{Direction, Trace};

    use super::*;

    const SCENARIO: &str = "\
title: t

(w1: fetch S/C)
info S/C
----
30s w1: got a
30s w2: got b
S/C

advance 60s
----
1m30s w1: got c
";

    /// Made by hand: at which millisecond, who, what; a number at the beginning is the step.
    type Row<'r> = (usize, i64, &'r str, &'r str);

    fn record(&(_, ms, who, what): &Row<'_>) -> Record {
        let at = Time::START + Duration::from_millis(ms);
        let record = |place| Record::new(at, place, Kind::Message).with(Key::Subject, what).with(Key::Payload, [].as_slice());
        match who {
            "script" => Record::new(at, Place::Script, Kind::Refused).with(Key::ErrCode, 10_025_u64).with(Key::Description, what),
            "refused" => Record::new(at, Place::Script, Kind::Refused).with(Key::ErrCode, 10_026_u64).with(Key::Description, what),
            "server" => Record::new(at, Place::Server, Kind::Delivered),
            link if link.ends_with(" link") => {
                Record::new(at, Place::link(link.trim_end_matches(" link"), Direction::Down), Kind::Duplicated).with(Key::Subject, what)
            }
            client => record(Place::client(client)),
        }
    }

    /// A run of [`SCENARIO`] in which this was seen.
    fn outcome(rows: &[Row<'_>]) -> Outcome {
        let mut trace = Trace::new();
        let scenario = jetlag_scenario::parse(SCENARIO).unwrap();
        let mut runs = Vec::new();
        let places = [(0, 0, 3), (0, 1, 4), (1, 0, 10)];
        for (number, (block, step, line)) in places.into_iter().enumerate() {
            let first = trace.records().len();
            for row in rows.iter().filter(|row| row.0 == number) {
                trace.push(record(row));
            }
            runs.push(StepRun { block, step, line, first, end: trace.records().len(), ended: Time::START });
        }
        let registry = jetlag_runner::Registry::new();
        let options = jetlag_runner::RunOptions { registry, ..jetlag_runner::RunOptions::default() };
        Outcome { trace, steps: runs, ..jetlag_runner::run_simulated(&scenario, &options) }
    }

    /// What is expected at real pace; the pace is a hundredth.
    const NOMINAL: &[Row<'_>] = &[
        (1, 30_000, "w1", "a"),
        (1, 30_000, "server", ""),
        (1, 30_000, "w2", "b"),
        (1, 30_000, "script", "invalid JSON: go says"),
        (2, 90_000, "w1", "c"),
    ];

    fn compare(rows: &[Row<'_>], lag: i64, broken_off: bool) -> Option<Difference> {
        compare_with(NOMINAL, rows, lag, broken_off)
    }

    fn compare_with(expected: &[Row<'_>], rows: &[Row<'_>], lag: i64, broken_off: bool) -> Option<Difference> {
        let scenario = jetlag_scenario::parse(SCENARIO).unwrap();
        let nominal = outcome(expected);
        let paced: Vec<_> = expected.iter().map(|(step, ms, who, what)| (*step, ms / 100, *who, *what)).collect();
        let paced = outcome(&paced);
        let bands = vec![Band::around(10, 40); paced.trace.records().len()];
        let ratio = Ratio { numerator: 1, denominator: 100 };
        let version = ServerVersion::NEWEST;
        let comparison = Comparison { scenario: &scenario, version, nominal: &nominal, paced: &paced, bands: &bands, ratio };
        let lags = Lags::from([((1, 0), Duration::from_millis(lag))]);
        comparison.difference(&Seen { outcome: &outcome(rows), lags: &lags, broken_off })
    }

    #[test]
    fn each_client_has_its_order_and_each_record_its_time() {
        let (a, b, s, c) = ((1, 300, "w1", "a"), (1, 300, "w2", "b"), (1, 301, "script", "invalid JSON: go says"), (2, 900, "w1", "c"));
        let line = |(line, text): (usize, &'static str)| Some((line, text.to_owned()));
        for (what, rows, lag, expected) in [
            ("the same", vec![a, b, s, c], 0, None),
            ("clients owe each other no order", vec![b, s, a, c], 0, None),
            ("what the server notes is not seen", vec![a, b, s, (2, 800, "server", ""), c], 0, None),
            ("a little late", vec![(1, 340, "w1", "a"), b, s, c], 0, None),
            ("too late", vec![(1, 342, "w1", "a"), b, s, c], 0, line((6, "34.2s w1: message a \"\""))),
            ("too early", vec![a, b, s, (2, 889, "w1", "c")], 0, line((12, "1m28.9s w1: message c \"\""))),
            ("as late as the script", vec![a, b, s, (2, 969, "w1", "c")], 30, None),
            ("later than that", vec![a, b, s, (2, 971, "w1", "c")], 30, line((12, "1m37.1s w1: message c \"\""))),
            ("something else", vec![(1, 301, "w1", "x"), b, s, c], 0, line((6, "30s w1: message x \"\""))),
            ("nothing", vec![a, b, s], 0, line((12, ""))),
            ("too much", vec![a, b, s, c, (2, 960, "w2", "d")], 0, line((13, "1m36s w2: message d \"\""))),
            ("in another step", vec![a, b, s, (1, 302, "w1", "c")], 0, line((9, "30.2s w1: message c \"\""))),
            ("what Go says is its own affair", vec![a, b, (1, 301, "script", "invalid JSON: go said"), c], 0, None),
            (
                "but only there",
                vec![a, b, (1, 301, "refused", "invalid JSON: go says"), c],
                0,
                line((8, "error ?/10026 invalid JSON: go says")),
            ),
        ] {
            let difference = compare(&rows, lag, false);
            let found = difference.map(|it| (it.line, it.server.get(it.first).cloned().unwrap_or_default()));
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_link_has_an_order_of_its_own() {
        let (a, b) = ((1, 300, "w1", "a"), (1, 300, "w1", "b"));
        let (first, second) = ((1, 300, "w1 link", "a"), (1, 300, "w1 link", "b"));
        let nominal = |(step, ms, who, what)| (step, ms * 100, who, what);
        let expected = [first, second, a, b].map(nominal);
        for (what, rows, agrees) in [
            ("the same", [first, second, a, b], true),
            ("the client is told of the first before the second is read", [first, a, second, b], true),
            ("the link has another order", [second, first, a, b], false),
            ("the client has another order", [first, second, b, a], false),
        ] {
            assert_eq!(compare_with(&expected, &rows, 0, false).is_none(), agrees, "{what}");
        }
    }

    #[test]
    fn a_run_that_was_broken_off_differs_in_what_is_not_shown() {
        let shown = [(1, 300, "w1", "a"), (1, 300, "w2", "b"), (1, 301, "script", "invalid JSON: go says"), (2, 900, "w1", "c")];
        let rows = [&[(0, 0, "w2", "h")][..], &shown].concat();
        assert_eq!(compare(&rows, 0, false), None, "a step in parentheses shows errors alone");
        let difference = compare(&rows, 0, true).expect("it must differ somewhere");
        assert_eq!((difference.line, difference.server[difference.first].as_str()), (3, "0s w2: message h \"\""));
    }

    #[test]
    fn rows_surround_the_first_difference() {
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let difference = Difference { line: 22, first: 2, simulator: lines(&["a", "b", "c", "d", "e"]), server: lines(&["a", "b", "x"]) };
        let rows: Vec<_> = difference.rows(1).into_iter().map(|row| (row.line, row.simulator, row.server, row.agrees())).collect();
        assert_eq!(rows, [(21, Some("b"), Some("b"), true), (22, Some("c"), Some("x"), false), (23, Some("d"), None, false)]);
        assert_eq!(difference.rows(9).len(), 5);
    }
}
