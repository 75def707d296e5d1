//! How late things may be in a replay on a real server: one table for what is allowed in a comparison and for what is tried beforehand.
//!
//! The guards are for a quiet machine.

use std::collections::BTreeSet;

use jetlag_model::{Duration, Time};
use jetlag_scenario::{AckVerb, ActionKind, Command, Scenario};
use jetlag_trace::{Key, Kind, Place, Record};

use crate::ratio::steps;

/// How long nothing may come for it to be known that nothing comes. The next command is late by as much.
pub(crate) const QUIET: Duration = Duration::from_millis(60);

/// How much earlier than expected something may be seen: clocks of two processes, and commands that were late when it was armed.
const EARLY: Duration = Duration::from_millis(10);

/// What everything may be late by, after a quiet time.
const LATE: Duration = Duration::from_millis(25);

/// What one command at an instant costs those after it.
const COMMAND: Duration = Duration::from_millis(6);

/// What an answer to what was just received costs, at one instant: two frames in different lanes, there and back.
const HOP: Duration = Duration::from_millis(4);

/// The lateness of the server's timers, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timers {
    ack_wait: Duration,
}

impl Timers {
    /// As a scenario makes them: a delayed nak looks again after 10 ms, an update of a consumer after 100 ms.
    pub(crate) fn of(scenario: &Scenario) -> Timers {
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
        Timers { ack_wait: Duration::from_millis(ms) }
    }

    /// The lateness of a timer, by the deadline's one word.
    pub(crate) fn lateness(self, deadline: &str) -> Duration {
        Duration::from_millis(match deadline {
            "ack-wait" => return self.ack_wait,
            // Removed in rounds that are never less than 250 ms apart.
            "max-age" => 260,
            // The threshold and up to a second, drawn by the server.
            "inactive" => 1_010,
            _ => 5,
        })
    }
}

/// When something may be seen, around the instant at which it is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) early: Duration,
    pub(crate) late: Duration,
}

impl Band {
    /// Whether `seen` is as good as `expected`.
    pub(crate) fn holds(self, expected: Time, seen: Time) -> bool {
        let off = seen.since(expected);
        -self.early <= off && off <= self.late
    }
}

/// The band of each record of a run in simulated time. It widens with what came before: with each timer of the server that fired, with each
/// link of a chain of answers, and with the commands issued at one instant.
pub(crate) fn bands(records: &[Record], timers: Timers) -> Vec<Band> {
    // A chain of answers makes all that follows from it later, and so does a timer; the script catches up with the clock.
    let (mut carried, mut most_commands) = (Duration::ZERO, 0);
    let (mut instant, mut deepest, mut commands) = (Time::START, 0, 0);
    let mut fired: BTreeSet<&str> = BTreeSet::new();
    let mut depths: Vec<i64> = Vec::with_capacity(records.len());
    let mut bands = Vec::with_capacity(records.len());
    for record in records {
        if record.at != instant {
            carried = carried + HOP * deepest;
            (instant, deepest, commands) = (record.at, 0, 0);
            fired.clear();
        }
        match record.kind {
            Kind::Command => commands += 1,
            Kind::DeadlineFired => {
                let deadline = record.fields.text(Key::Deadline).map_or("", |deadline| &**deadline);
                // Timers of one kind at one instant run side by side.
                if fired.insert(deadline) {
                    carried = carried + timers.lateness(deadline);
                }
            }
            _ => {}
        }
        let before = record.cause.and_then(|n| usize::try_from(n).ok()).filter(|n| records[*n].at == record.at).map(|n| depths[n]);
        let depth = before.unwrap_or(0) + i64::from(matches!(record.place, Place::Client(_)));
        depths.push(depth);
        deepest = deepest.max(depth);
        most_commands = most_commands.max(commands);
        bands.push(Band { early: EARLY, late: QUIET + LATE + COMMAND * most_commands + carried + HOP * depth });
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Duration = Duration::from_millis;

    #[test]
    fn a_band_is_wider_behind_than_before() {
        let band = Band { early: MS(10), late: MS(85) };
        let expected = Time::START + MS(100);
        for (seen, holds) in [(89, false), (90, true), (100, true), (185, true), (186, false)] {
            assert_eq!(band.holds(expected, Time::START + MS(seen)), holds, "{seen}");
        }
    }

    #[test]
    fn bands_widen_with_what_came_before() {
        let at = |ms| Time::START + MS(ms);
        let got = |ms, cause: Option<u64>| Record { cause, ..Record::new(at(ms), Place::client("w1"), Kind::Got) };
        let command = |ms| Record::new(at(ms), Place::Script, Kind::Command);
        let fired = |ms, deadline| Record::new(at(ms), Place::Server, Kind::DeadlineFired).with(Key::Deadline, deadline);
        let timers = Timers { ack_wait: MS(5) };
        let records = [
            command(0),             // 1 command
            command(0),             // 2 commands
            got(0, None),           // 2 commands, 1 hop
            got(0, Some(2)),        // 2 commands, 2 hops
            command(100),           // the most commands at an instant were 2; 2 hops carried
            fired(100, "ack-wait"), // and a timer
            fired(100, "ack-wait"), // beside it
            got(100, Some(6)),      // and a hop
            fired(200, "max-age"),  // 3 hops and both timers
        ];
        let late: Vec<_> = bands(&records, timers).iter().map(|band| band.late - QUIET - LATE).collect();
        let expected = [6, 12, 12 + 4, 12 + 8, 12 + 8, 12 + 8 + 5, 12 + 8 + 5, 12 + 8 + 5 + 4, 12 + 8 + 5 + 4 + 260];
        assert_eq!(late, expected.map(MS));
    }

    #[test]
    fn what_a_scenario_does_makes_timers_late() {
        let timers = |commands: &str| {
            let text = format!("title: t\n\n{commands}\n----\nok\n");
            Timers::of(&jetlag_scenario::parse(&text).expect(commands)).lateness("ack-wait")
        };
        assert_eq!(timers("w1: nak 1"), MS(5));
        assert_eq!(timers("w1: nak 1 delay=1s"), MS(15));
        assert_eq!(timers("worker w1 S/C\n  otherwise nak delay=1s"), MS(15));
        assert_eq!(timers("w1: nak 1 delay=1s\nupdate consumer S/C ack-wait=1s"), MS(110));
    }
}
