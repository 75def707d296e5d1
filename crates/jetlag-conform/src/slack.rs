//! How late things may be in a replay on a real server: one table for what is allowed in a comparison and for what is tried beforehand.
//!
//! The guards are for a quiet machine.

use std::collections::BTreeSet;

use jetlag_core::{Rule, version_rules};
use jetlag_model::{Duration, ServerVersion, Time};
use jetlag_scenario::{AckVerb, ActionKind, Command, Scenario};
use jetlag_trace::{Key, Kind, Place, Record};

use crate::ratio::steps;

/// How long nothing may come at the end of a file for it to be known that nothing comes.
pub(crate) const QUIET: Duration = Duration::from_millis(60);

/// How much earlier than expected something may be seen.
const EARLY: Duration = Duration::from_millis(10);

/// What everything may be late by: one command with its connection, and the machine. A single frame that is 60 ms late is no difference.
const LATE: Duration = Duration::from_millis(60);

/// What an answer to what was just received costs, at one instant: two frames in different lanes, there and back.
const HOP: Duration = Duration::from_millis(4);

/// What each of many things at one instant costs those after it.
const EACH: Duration = Duration::from_micros(500);

/// What the end or the beginning of a server's process takes.
const LIFE: Duration = Duration::from_millis(500);

/// The lateness of the server's timers, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    ack_wait: Duration,
    max_age: Duration,
    /// How late the machine itself is, beyond what is usual.
    machine: Duration,
}

impl Timers {
    /// As a scenario makes them: a delayed nak looks again after 10 ms, an update of a consumer after 100 ms.
    pub(crate) fn of(scenario: &Scenario, version: ServerVersion) -> Timers {
        let updates = steps(scenario).any(|step| matches!(step.command, Command::UpdateConsumer(_)));
        let delays = steps(scenario).any(|step| match &step.command {
            Command::Ack(ack) => matches!(ack.verb, AckVerb::Nak { delay: Some(_) }),
            Command::Worker(worker) => {
                worker.rules.iter().flat_map(|rule| &rule.actions).any(|action| matches!(action.kind, ActionKind::Nak { delay: Some(_) }))
            }
            _ => false,
        });
        let ms = match (updates, delays) {
            (true, _) => 110,
            (false, true) => 15,
            (false, false) => 5,
        };
        // Removed in rounds that are never less than 250 ms apart.
        let soon = version_rules().any(|rule| rule.rule == Rule::AgedLookedForSoon && rule.holds(version));
        let max_age = if soon { 260 } else { 1_010 };
        Timers { ack_wait: Duration::from_millis(ms), max_age: Duration::from_millis(max_age), machine: Duration::ZERO }
    }

    /// The same on a machine that is late by this, as measured.
    #[must_use]
    pub(crate) fn on_a_machine_late_by(self, lateness: std::time::Duration) -> Timers {
        Timers { machine: Duration::from_nanos(i64::try_from(lateness.as_nanos()).unwrap_or(i64::MAX)), ..self }
    }

    /// How late the machine itself may be, beyond what is usual.
    pub(crate) fn machine(self) -> Duration {
        self.machine
    }

    /// How long after an instant all that is due at it has fired. Rounds of housekeeping are not waited for.
    pub(crate) fn all_fired(self) -> Duration {
        self.ack_wait + self.machine + Duration::from_millis(3)
    }

    /// The lateness of a timer, by the deadline's one word.
    pub(crate) fn lateness(self, deadline: &str) -> Duration {
        let timer = Duration::from_millis(match deadline {
            "ack-wait" => return self.ack_wait + self.machine,
            "max-age" => return self.max_age + self.machine,
            // The threshold and up to a second, drawn by the server.
            "inactive" => 1_010,
            _ => 5,
        });
        timer + self.machine
    }
}

/// When something may be seen, around the instant at which it is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) early: Duration,
    pub(crate) late: Duration,
}

impl Band {
    /// So many milliseconds early or late.
    #[cfg(test)]
    pub(crate) fn around(early: i64, late: i64) -> Band {
        Band { early: Duration::from_millis(early), late: Duration::from_millis(late) }
    }

    /// Whether `seen` is as good as `expected` when the script itself is late by `lag`.
    pub(crate) fn holds(self, expected: Time, seen: Time, lag: Duration) -> bool {
        let off = seen.since(expected);
        -self.early <= off && off <= self.late + lag
    }
}

/// The band of each record of a run in simulated time. It widens with what came before: with each timer of the server that fired, and with
/// each link of a chain of answers. How late the script's own commands are is not in it: that is measured.
pub(crate) fn bands(records: &[Record], timers: Timers) -> Vec<Band> {
    let mut carried = Duration::ZERO;
    let (mut instant, mut deepest, mut many, mut life) = (Time::START, 0, 0, Duration::ZERO);
    let mut fired: BTreeSet<&str> = BTreeSet::new();
    let mut depths: Vec<i64> = Vec::with_capacity(records.len());
    let mut bands = Vec::with_capacity(records.len());
    for record in records {
        if record.at != instant {
            carried = carried + HOP * deepest + EACH * many;
            (instant, deepest, many, life) = (record.at, 0, 0, Duration::ZERO);
            fired.clear();
        }
        match record.kind {
            Kind::DeadlineFired => {
                let deadline = record.fields.text(Key::Deadline).map_or("", |deadline| &**deadline);
                // Timers of one kind at one instant run side by side.
                if fired.insert(deadline) {
                    carried = carried + timers.lateness(deadline);
                }
            }
            // Not carried on: what comes later is counted from the clock.
            Kind::ServerDown | Kind::ServerUp => life = LIFE,
            _ => {}
        }
        let before = record.cause.and_then(|n| usize::try_from(n).ok()).filter(|n| records[*n].at == record.at).map(|n| depths[n]);
        let with_client = i64::from(matches!(record.place, Place::Client(_)));
        let depth = before.unwrap_or(0) + with_client;
        depths.push(depth);
        deepest = deepest.max(depth);
        many += with_client;
        bands.push(Band { early: EARLY, late: LATE + timers.machine * 2 + carried + life + HOP * depth + EACH * many });
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Duration = Duration::from_millis;

    #[test]
    fn a_band_is_wider_behind_than_before() {
        let band = Band::around(10, 40);
        let expected = Time::START + MS(100);
        for (seen, lag, holds) in [
            (89, 0, false),
            (90, 0, true),
            (100, 0, true),
            (140, 0, true),
            (141, 0, false),
            (141, 30, true),
            (171, 30, false),
            (89, 30, false),
        ] {
            assert_eq!(band.holds(expected, Time::START + MS(seen), MS(lag)), holds, "{seen} with {lag}");
        }
    }

    #[test]
    fn bands_widen_with_what_came_before() {
        let at = |ms| Time::START + MS(ms);
        let got = |ms, cause: Option<u64>| Record { cause, ..Record::new(at(ms), Place::client("w1"), Kind::Got) };
        let command = |ms| Record::new(at(ms), Place::Script, Kind::Command);
        let fired = |ms, deadline| Record::new(at(ms), Place::Server, Kind::DeadlineFired).with(Key::Deadline, deadline);
        // Tenths of milliseconds.
        let rows = [
            (command(0), 0),
            (got(0, Some(0)), 45),
            (got(0, Some(1)), 90),
            // The chain of two is carried on.
            (command(100), 90),
            (fired(100, "ack-wait"), 90 + 50),
            // Beside the other.
            (fired(100, "ack-wait"), 90 + 50),
            (got(100, Some(5)), 90 + 50 + 45),
            (fired(200, "max-age"), 90 + 50 + 45 + 2600),
            // What led to it is of another instant.
            (got(300, Some(7)), 90 + 50 + 45 + 2600 + 45),
            (Record::new(at(400), Place::Server, Kind::ServerDown), 90 + 50 + 45 + 2600 + 45 + 5000),
            (got(400, None), 90 + 50 + 45 + 2600 + 45 + 5000 + 45),
            (got(500, None), 90 + 50 + 45 + 2600 + 45 + 45 + 45),
        ];
        let records: Vec<_> = rows.iter().map(|(record, _)| record.clone()).collect();
        let late: Vec<_> = bands(&records, Timers { ack_wait: MS(5), max_age: MS(260), machine: Duration::ZERO })
            .iter()
            .map(|band| band.late - LATE)
            .collect();
        assert_eq!(late, rows.map(|(_, late)| Duration::from_micros(late * 100)));
    }

    #[test]
    fn what_a_scenario_does_makes_timers_late() {
        let timers = |commands: &str| {
            let text = format!("title: t\n\n{commands}\n----\nok\n");
            Timers::of(&jetlag_scenario::parse(&text).expect(commands), ServerVersion::NEWEST).lateness("ack-wait")
        };
        assert_eq!(timers("w1: nak 1"), MS(5));
        assert_eq!(timers("w1: nak 1 delay=1s"), MS(15));
        assert_eq!(timers("worker w1 S/C\n  otherwise nak delay=1s"), MS(15));
        assert_eq!(timers("w1: nak 1 delay=1s\nupdate consumer S/C ack-wait=1s"), MS(110));
    }
}
