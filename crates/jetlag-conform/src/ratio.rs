//! How fast a scenario is replayed: ratios, and the floors below which a scenario must not be scaled.
//!
//! Only what a scenario's text says is looked at here. Whether its events keep their order at a pace is tried out, in `plan.rs`.

use std::fmt;

use jetlag_fault::Effect;
use jetlag_model::Duration;
use jetlag_scenario::{AckVerb, ActionKind, Command, Scenario, SettingValue, Settings, Step};

/// What the server times must take this long in a replay, so that "twice as late" can be told from "as late as a busy machine". Above the
/// lateness that a replay allows, see `slack.rs`.
const RESOLUTION: Duration = Duration::from_millis(150);

/// Server minimums: shorter ones are refused, or rounded up. Milliseconds.
const MINIMUMS: &[(&str, i64)] = &[("max-age", 100), ("duplicate-window", 100), ("idle-heartbeat", 100), ("max-expires", 1)];

/// Settings that the server times.
const TIMED: &[&str] = &["ack-wait", "backoff", "max-age", "inactive-threshold", "idle-heartbeat"];

/// A ratio by which the durations of a scenario are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Times.
    pub numerator: u32,
    /// Divided by.
    pub denominator: u32,
}

impl Ratio {
    /// Real pace.
    pub const ONE: Ratio = Ratio { numerator: 1, denominator: 1 };

    /// From the fastest pace to the slowest. All divide decimal durations without remainder.
    const TIDY: &[Ratio] = &{
        const fn faster(denominator: u32) -> Ratio {
            Ratio { numerator: 1, denominator }
        }
        const fn slower(numerator: u32) -> Ratio {
            Ratio { numerator, denominator: 1 }
        }
        [
            faster(100_000),
            faster(50_000),
            faster(20_000),
            faster(10_000),
            faster(5_000),
            faster(2_000),
            faster(1_000),
            faster(500),
            faster(200),
            faster(100),
            faster(50),
            faster(20),
            faster(10),
            faster(5),
            faster(2),
            Ratio::ONE,
            slower(2),
            slower(5),
            slower(10),
            slower(20),
            slower(50),
            slower(100),
        ]
    };

    /// The paces between this one and a slower one, fastest first.
    pub(crate) fn until(self, slower: Ratio) -> impl Iterator<Item = Ratio> {
        // Of 1/2 also 5/8, 4/5 and so on: all of them divide decimal durations without remainder.
        const STEPS: &[(u32, u32)] = &[(5, 4), (8, 5), (2, 1), (16, 5), (4, 1)];
        let times =
            move |&(numerator, denominator)| Ratio { numerator: self.numerator * numerator, denominator: self.denominator * denominator };
        STEPS.iter().map(times).take_while(move |ratio| ratio.is_faster_than(slower))
    }

    /// Whether durations become shorter than at another pace.
    pub(crate) fn is_faster_than(self, other: Ratio) -> bool {
        u64::from(self.numerator) * u64::from(other.denominator) < u64::from(other.numerator) * u64::from(self.denominator)
    }

    /// A duration at this pace, rounded down to nanoseconds.
    pub fn of(self, duration: Duration) -> Duration {
        let scaled = i128::from(duration.as_nanos()) * i128::from(self.numerator) / i128::from(self.denominator);
        Duration::from_nanos(i64::try_from(scaled).unwrap_or(i64::MAX))
    }

    /// The ratio that undoes this one.
    pub fn inverse(self) -> Ratio {
        Ratio { numerator: self.denominator, denominator: self.numerator }
    }

    /// A pace this many times slower.
    #[must_use]
    pub fn slowed(self, times: u32) -> Ratio {
        Ratio { numerator: self.numerator.saturating_mul(times), denominator: self.denominator }
    }

    fn is_below_one(self) -> bool {
        self.is_faster_than(Ratio::ONE)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = (self.numerator, self.denominator);
        let divisor = greatest_common_divisor(a, b).max(1);
        if a % b.max(1) == 0 { write!(f, "{}", a / b.max(1)) } else { write!(f, "{}/{}", a / divisor, b / divisor) }
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The paces at which a scenario may be replayed, fastest first.
pub(crate) fn candidates(scenario: &Scenario) -> Vec<Ratio> {
    let (timed, minimums) = (timed(scenario), minimums(scenario));
    let keeps_minimums = |ratio: Ratio| minimums.iter().all(|(duration, least)| duration < least || ratio.of(*duration) >= *least);
    // Nothing is made slower than real for being told apart: then order alone is compared.
    let resolves = |ratio: Ratio| !ratio.is_below_one() || timed.iter().all(|it| ratio.of(*it) >= RESOLUTION);
    if ends_a_life(scenario) {
        // Storage stamps messages in the wall clock's own seconds, and a start takes as long as it takes.
        return vec![Ratio::ONE];
    }
    Ratio::TIDY.iter().copied().filter(|ratio| keeps_minimums(*ratio) && resolves(*ratio)).collect()
}

/// Whether what the server times can still be told from what it should be when the script is late by `lag`.
pub(crate) fn can_tell(scenario: &Scenario, ratio: Ratio, lag: Duration) -> bool {
    // A timer that does not wait at all, armed late by the lag, still has to come clearly before it is due.
    !ratio.is_below_one() || timed(scenario).into_iter().all(|it| ratio.of(it) >= lag * 2)
}

/// Whether the server is stopped or killed.
pub(crate) fn ends_a_life(scenario: &Scenario) -> bool {
    steps(scenario).any(|step| match &step.command {
        Command::Restart(_) | Command::Kill(_) => true,
        Command::Fault(fault) => matches!(fault.rule.effect, Effect::Restart { .. } | Effect::Kill { .. }),
        _ => false,
    })
}

pub(crate) fn steps(scenario: &Scenario) -> impl Iterator<Item = &Step> {
    scenario.blocks.iter().flat_map(|block| &block.steps)
}

/// The durations that the server itself times.
fn timed(scenario: &Scenario) -> Vec<Duration> {
    let mut timed = Vec::new();
    for step in steps(scenario) {
        match &step.command {
            Command::Stream(command) | Command::UpdateStream(command) => {
                timed.extend(TIMED.iter().flat_map(|key| durations(&command.settings, key)));
            }
            Command::Consumer(command) | Command::UpdateConsumer(command) => {
                timed.extend(TIMED.iter().flat_map(|key| durations(&command.settings, key)));
            }
            Command::Fetch(fetch) => timed.extend(fetch.expires.into_iter().chain(fetch.idle_heartbeat)),
            Command::Ack(ack) => {
                if let AckVerb::Nak { delay } = ack.verb {
                    timed.extend(delay);
                }
            }
            Command::Worker(worker) => {
                timed.extend(worker.expires);
                for action in worker.rules.iter().flat_map(|rule| &rule.actions) {
                    if let ActionKind::Nak { delay } = action.kind {
                        timed.extend(delay);
                    }
                }
            }
            _ => {}
        }
    }
    timed.retain(|duration| *duration > Duration::ZERO);
    timed
}

/// Durations for which the server has a minimum, each with it.
fn minimums(scenario: &Scenario) -> Vec<(Duration, Duration)> {
    let of = |settings: &Settings| -> Vec<(Duration, Duration)> {
        let least = |least: i64| Duration::from_millis(least);
        MINIMUMS.iter().flat_map(|(key, ms)| durations(settings, key).into_iter().map(move |duration| (duration, least(*ms)))).collect()
    };
    steps(scenario)
        .flat_map(|step| match &step.command {
            Command::Stream(command) | Command::UpdateStream(command) => of(&command.settings),
            Command::Consumer(command) | Command::UpdateConsumer(command) => of(&command.settings),
            _ => Vec::new(),
        })
        .collect()
}

fn durations(settings: &Settings, key: &str) -> Vec<Duration> {
    match settings.value(key) {
        Some(SettingValue::Duration(duration)) => vec![*duration],
        Some(SettingValue::Durations(durations)) => durations.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fastest(commands: &str) -> String {
        let text = format!("title: t\n\n{commands}\n----\nok\n");
        let scenario = jetlag_scenario::parse(&text).unwrap_or_else(|errors| panic!("{commands}: {errors:?}"));
        candidates(&scenario).first().expect(commands).to_string()
    }

    #[test]
    fn the_shortest_time_of_the_server_sets_the_pace() {
        for (commands, ratio) in [
            ("stream S subjects=s", "1/100000"),
            ("consumer S/C ack-wait=30s", "1/200"),
            ("consumer S/C ack-wait=1h", "1/20000"),
            ("consumer S/C backoff=1s,5s,30s", "1/5"),
            ("consumer S/C ack-wait=30s\nw1: fetch S/C expires=1s", "1/5"),
            ("consumer S/C ack-wait=30s\nw1: nak 1 delay=3s", "1/20"),
            ("consumer S/C ack-wait=30s\nworker w1 S/C\n  on delivery-count=1 nak delay=600ms\n  otherwise ack", "1/2"),
            ("consumer S/C ack-wait=20ms", "1"),
            // What the world times has no say: whether it keeps its order is tried out.
            ("consumer S/C ack-wait=30s\nadvance 1ms", "1/200"),
            // Server minimums.
            ("stream S subjects=s duplicate-window=2m", "1/1000"),
            ("stream S subjects=s max-age=1s", "1/5"),
            ("stream S subjects=s max-age=100ms", "1"),
            ("stream S subjects=s duplicate-window=100ms", "1"),
            ("!stream S subjects=s duplicate-window=50ms", "1/100000"),
            ("consumer S/C ack-wait=30s\nrestart", "1"),
            ("fault f kill kind=ack", "1"),
        ] {
            assert_eq!(fastest(commands), ratio, "{commands}");
        }
    }

    #[test]
    fn ratios_are_tidy() {
        for pair in Ratio::TIDY.windows(2) {
            let [faster, slower] = pair else { unreachable!("windows of two") };
            assert!(faster.is_faster_than(*slower), "{faster} {slower}");
            for between in faster.until(*slower) {
                assert!(faster.is_faster_than(between) && between.is_faster_than(*slower), "{faster} {between} {slower}");
                let there = between.of(Duration::from_secs(1));
                assert_eq!(between.inverse().of(there), Duration::from_secs(1), "{between} is exact");
            }
        }
        for ratio in Ratio::TIDY {
            let there = ratio.of(Duration::from_millis(1));
            assert_eq!(ratio.inverse().of(there), Duration::from_millis(1), "{ratio} is exact");
        }
        assert_eq!(Ratio { numerator: 1, denominator: 200 }.slowed(4).to_string(), "1/50");
        assert_eq!(Ratio { numerator: 1, denominator: 2 }.slowed(4).to_string(), "2");
    }
}
