//! The simulator leads: it says what a replay should show, and at which pace that can be told.
//!
//! A pace is right when the simulator prints the same at it, and still does when it is as late as a real server on a real machine may be.
//! The fastest such pace is taken.

use std::cell::RefCell;
use std::fmt;

use jetlag_model::{Duration, ServerVersion};
use jetlag_runner::{Outcome, Registry, RunOptions, Verdict, run_on, run_simulated};
use jetlag_scenario::Scenario;
use jetlag_trace::{Key, Kind, Record};

use crate::compare::{Comparison, Difference, Seen};
use crate::late::{LateServer, Pattern};
use crate::led::{Barrier, Lags, Led};
use crate::ratio::{Ratio, can_tell, candidates};
use crate::real::PATIENCE;
use crate::slack::{Band, Timers, bands};

/// How long an answer that comes at once may take where one is expected to stay away: then the whole of it is waited.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);

/// A replay that takes longer than this is worth the search for a pace that is a little faster.
const LONG: Duration = Duration::from_secs(2);

/// Why a scenario can not be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unplayable {
    #[error("the simulator itself does not give the file's transcript ({0}); `jetlag run` shows it")]
    Fails(String),
    #[error(
        "it takes {takes} at pace {ratio}, and {longest} is the most; shorten it, or declare `conform: no - reason`{}",
        faster.as_ref().map(|faster| format!(" (a faster pace is none: {faster})")).unwrap_or_default()
    )]
    TooLong { ratio: Ratio, takes: Duration, longest: Duration, faster: Option<Box<Unplayable>> },
    #[error("at pace {ratio} the simulator itself prints something else, so a duration does not scale: {at}")]
    Sensitive { ratio: Ratio, at: Box<Turn> },
    #[error(
        "at pace {ratio} a server that is a little late prints something else, so two events are too near each other: {at}; put more \
         time between them, or declare `conform: no - reason`"
    )]
    Race { ratio: Ratio, at: Box<Turn> },
    #[error("at pace {ratio} the script may be late by {lag}, which is too near to what the server times; have it time something longer")]
    Blurred { ratio: Ratio, lag: Duration },
    #[error("a minimum of the server leaves no pace at which to replay it")]
    NoPace,
}

/// Where two runs of the simulator part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    line: usize,
    expected: String,
    got: String,
}

impl From<Difference> for Box<Turn> {
    fn from(difference: Difference) -> Box<Turn> {
        let line = |lines: &[String]| lines.get(difference.first).map_or("nothing", String::as_str).to_owned();
        Box::new(Turn { line: difference.line, expected: line(&difference.simulator), got: line(&difference.server) })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} was to be `{}` and is `{}`", self.line, self.expected, self.got)
    }
}

/// What the simulator says of a scenario.
pub(crate) struct Lead<'s> {
    scenario: &'s Scenario,
    options: RunOptions,
    longest: Duration,
    timers: Timers,
    nominal: Outcome,
    /// The patterns in the order in which they are tried: the one that stood in the way last is first, as it most often does again.
    patterns: RefCell<Vec<Pattern>>,
}

/// A replay at one pace.
pub(crate) struct Plan<'l> {
    lead: &'l Lead<'l>,
    pub(crate) ratio: Ratio,
    scaled: Scenario,
    paced: Outcome,
    bands: Vec<Band>,
    pub(crate) patience: Duration,
}

impl<'s> Lead<'s> {
    /// Runs a scenario at real pace, as a server of this version would. No replay may take longer than `longest`, on a machine that is
    /// late by `lateness`.
    ///
    /// # Errors
    ///
    /// When the transcript is not that of the file.
    pub(crate) fn new(
        scenario: &'s Scenario,
        version: ServerVersion,
        registry: Registry,
        longest: Duration,
        lateness: std::time::Duration,
    ) -> Result<Lead<'s>, Unplayable> {
        let mut options = RunOptions { version, registry, most_records: usize::MAX, ..RunOptions::default() };
        let nominal = run_simulated(scenario, &options);
        if !matches!(nominal.verdict, Verdict::Pass | Verdict::Unconfirmed) {
            let first = nominal.failures.first();
            let first = first.map_or("it is about other versions".to_owned(), |failure| format!("line {}: {failure}", failure.line()));
            return Err(Unplayable::Fails(first));
        }
        options.evaluate_checks = false;
        let timers = Timers::of(scenario, version).on_a_machine_late_by(lateness);
        Ok(Lead { scenario, options, longest, timers, nominal, patterns: RefCell::new(Pattern::ALL.to_vec()) })
    }

    /// The fastest replay that can tell, of the tidy paces; and where it takes long, of those in between.
    ///
    /// # Errors
    ///
    /// When there is none: what stands in the way at the slowest pace that was tried.
    pub(crate) fn fastest(&self) -> Result<Plan<'_>, Unplayable> {
        let candidates = candidates(self.scenario);
        let mut in_the_way = None;
        for (index, ratio) in candidates.iter().enumerate() {
            let between = || {
                let faster = candidates[..index].last().copied();
                self.first_of(faster.into_iter().flat_map(|faster| faster.until(*ratio)))
            };
            match self.at(*ratio) {
                Ok(plan) if plan.paced.virtual_time <= LONG => return Ok(plan),
                Ok(plan) => return Ok(between().unwrap_or(plan)),
                // Slower ones take longer still.
                Err(Unplayable::TooLong { ratio, takes, longest, .. }) => {
                    let none = || Unplayable::TooLong { ratio, takes, longest, faster: in_the_way.map(Box::new) };
                    return between().ok_or_else(none);
                }
                Err(other) => in_the_way = Some(other),
            }
        }
        Err(in_the_way.unwrap_or(Unplayable::NoPace))
    }

    fn first_of(&self, ratios: impl Iterator<Item = Ratio>) -> Option<Plan<'_>> {
        ratios.into_iter().find_map(|ratio| self.at(ratio).ok())
    }

    /// The replay at this pace, if it is slower than that of a plan and can be made.
    pub(crate) fn at_if_slower(&self, plan: &Plan<'_>, ratio: Ratio) -> Option<Plan<'_>> {
        if plan.ratio.is_faster_than(ratio) { self.at(ratio).ok() } else { None }
    }

    /// The replay at this pace.
    ///
    /// # Errors
    ///
    /// When it could not tell.
    pub(crate) fn at(&self, ratio: Ratio) -> Result<Plan<'_>, Unplayable> {
        let scaled = self.scenario.scaled(ratio.numerator.into(), ratio.denominator.into());
        let paced = run_simulated(&scaled, &self.options);
        if paced.virtual_time > self.longest {
            return Err(Unplayable::TooLong { ratio, takes: paced.virtual_time, longest: self.longest, faster: None });
        }
        let bands = bands(paced.trace.records(), self.timers);
        let patience = if paced.trace.records().iter().any(is_unanswered) { SHORT_PATIENCE } else { PATIENCE };
        let plan = Plan { lead: self, ratio, scaled, paced, bands, patience };
        if let Some(difference) = plan.comparison().difference(&Seen { outcome: &plan.paced, lags: &Lags::new(), broken_off: false }) {
            return Err(Unplayable::Sensitive { ratio, at: difference.into() });
        }
        let mut patterns = self.patterns.borrow_mut();
        for place in 0..patterns.len() {
            if let Some(reason) = self.in_the_way(&plan, patterns[place]) {
                patterns[..=place].rotate_right(1);
                return Err(reason);
            }
        }
        Ok(plan)
    }

    /// Why a replay on a server that is late in this way would not tell.
    fn in_the_way(&self, plan: &Plan<'_>, pattern: Pattern) -> Option<Unplayable> {
        let ratio = plan.ratio;
        let replay = plan.replay(LateServer::new(self.options.version, pattern, self.timers, plan.patience));
        if let Some(difference) = plan.difference(&replay) {
            return Some(Unplayable::Race { ratio, at: difference.into() });
        }
        let lag = replay.lags.into_values().max().unwrap_or_default();
        (!can_tell(self.scenario, ratio, lag)).then_some(Unplayable::Blurred { ratio, lag })
    }
}

/// What came of a replay.
pub(crate) struct Replay {
    outcome: Outcome,
    lags: Lags,
    broken_off: bool,
}

impl Plan<'_> {
    /// Replays the scenario on a server that has just started and holds nothing.
    pub(crate) fn replay<B: Barrier>(&self, server: B) -> Replay {
        let mut led = Led::new(&self.scaled, &self.paced, self.lead.timers);
        let outcome = run_on(server, &self.scaled, &self.lead.options, &mut led);
        let (lags, broken_off) = led.into_parts();
        Replay { outcome, lags, broken_off }
    }

    /// Where a replay is not what the simulator says.
    pub(crate) fn difference(&self, replay: &Replay) -> Option<Difference> {
        let Replay { outcome, lags, broken_off } = replay;
        self.comparison().difference(&Seen { outcome, lags, broken_off: *broken_off })
    }

    fn comparison(&self) -> Comparison<'_> {
        Comparison {
            scenario: self.lead.scenario,
            version: self.lead.options.version,
            nominal: &self.lead.nominal,
            paced: &self.paced,
            bands: &self.bands,
            ratio: self.ratio,
        }
    }
}

/// Whether a record says that a request was not answered.
fn is_unanswered(record: &Record) -> bool {
    let said = match record.kind {
        Kind::Refused => record.fields.text(Key::Description),
        Kind::ApiReply => record.fields.text(Key::Text),
        _ => None,
    };
    said.is_some_and(|text| **text == *"no answer")
}

#[cfg(test)]
mod tests {
    use jetlag_core::{Deadline, Input, LostTail};
    use jetlag_model::{Message, Time, WallTime};
    use jetlag_sim::{Backend, BackendError, Limit, Polled};

    use super::*;
    use crate::find;
    use crate::real::RealServer;

    const LONGEST: Duration = Duration::from_secs(20);
    const PROMPT: std::time::Duration = std::time::Duration::ZERO;

    const HEAD: &str = "stream S subjects=s\nconsumer S/C ack-policy=explicit ack-wait=30s max-deliver=10\n(p: publish s \"a\")\n";

    /// A scenario with the transcript that the simulator gives it.
    fn scenario(commands: &str) -> Scenario {
        let text = format!("title: t\n\n{commands}\n----\n");
        let parsed = jetlag_scenario::parse(&text).unwrap_or_else(|errors| panic!("{commands}: {errors:?}"));
        let outcome = run_simulated(&parsed, &RunOptions::default());
        let text = format!("{text}{}\n", outcome.blocks[0].join("\n"));
        jetlag_scenario::parse(&text).expect(&text)
    }

    fn lead(scenario: &Scenario) -> Lead<'_> {
        Lead::new(scenario, ServerVersion::NEWEST, Registry::new(), LONGEST, PROMPT).expect("the simulator agrees with itself")
    }

    #[test]
    fn the_fastest_pace_at_which_it_can_be_told_is_taken() {
        for (commands, pace) in [
            // A second before the deadline and a second after it.
            ("w1: fetch S/C\nw1: fetch S/C\nadvance 29s\ninfo S/C\nadvance 2s", Ok("1/50")),
            ("w1: fetch S/C\nadvance 20s\nw1: ack 1\nadvance 20s\ninfo S/C", Ok("1/200")),
            // An answer that is on its way for a moment only.
            ("w1: fetch S/C\nw1: fetch S/C\nadvance 29.999s\nw1: ack 1\nadvance 1m", Err("too near each other")),
            // An ack and its deadline at one instant.
            ("w1: fetch S/C\nw1: fetch S/C\nfault slow delay by=30s kind=ack\nw1: ack 1\nadvance 1m\ninfo S/C", Err("too near each other")),
            ("w1: fetch S/C\nadvance 1h", Ok("1/200")),
            ("w1: fetch S/C\nadvance 10h", Err("it takes 3m at pace 1/200, and 20s is the most")),
            // The server's own default does not scale.
            ("consumer S/D ack-policy=explicit\nw1: fetch S/D\nw1: fetch S/D\nadvance 10s\nadvance 25s", Err("it takes 35s at pace 1")),
            ("w1: fetch S/C no-wait\nw1: nak 1 delay=50ms\nadvance 1s\nw1: fetch S/C no-wait", Ok("1")),
        ] {
            let scenario = scenario(&format!("{HEAD}{commands}"));
            let lead = lead(&scenario);
            let found = lead.fastest().map(|plan| plan.ratio.to_string());
            match (found, pace) {
                (Ok(found), Ok(pace)) => assert_eq!(found, pace, "{commands}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{commands}: {error}"),
                (found, _) => panic!("{commands}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_transcript_that_the_simulator_does_not_give_is_not_replayed() {
        let scenario = jetlag_scenario::parse("title: t\n\nstream S subjects=s\n----\nnot ok\n").unwrap();
        let error = Lead::new(&scenario, ServerVersion::NEWEST, Registry::new(), LONGEST, PROMPT).err().expect("it is not ok");
        assert!(error.to_string().contains("line 4: the transcript is not what came"), "{error}");
    }

    /// A server that does something else than it is asked to.
    struct Liar {
        server: LateServer,
        /// What it reads instead of what stands in a request.
        misreads: (&'static str, &'static str),
    }

    impl Backend for Liar {
        fn now(&self) -> Time {
            self.server.now()
        }
        fn started(&self) -> WallTime {
            self.server.started()
        }
        fn input(&mut self, input: Input) -> Result<(), BackendError> {
            let (text, other) = self.misreads;
            let misread = |message: Message| {
                let payload = String::from_utf8_lossy(&message.payload).replace(text, other);
                Message { payload: payload.as_bytes().into(), ..message }
            };
            self.server.input(match input {
                Input::Publish { conn, message } => Input::Publish { conn, message: misread(message) },
                other => other,
            })
        }
        fn poll(&mut self, limit: Limit) -> Result<Polled, BackendError> {
            self.server.poll(limit)
        }
        fn stop(&mut self) -> Result<(), BackendError> {
            self.server.stop()
        }
        fn kill(&mut self, lost: LostTail) -> Result<(), BackendError> {
            self.server.kill(lost)
        }
        fn start(&mut self) -> Result<(), BackendError> {
            self.server.start()
        }
        fn next_busy_deadline(&self) -> Option<(Time, Deadline)> {
            self.server.next_busy_deadline()
        }
        fn patience(&self) -> Duration {
            self.server.patience()
        }
    }

    impl Barrier for Liar {
        fn barrier(&mut self, answered: bool) -> Result<(), BackendError> {
            self.server.barrier(answered)
        }
    }

    #[test]
    fn a_timer_that_is_not_late_overtakes_a_round_that_is() {
        // An older server may let go of a message a second after its age, and not have redelivered it by then only where ack_wait is later still.
        // An update has timers be late, too, but they need not be.
        let commands = "stream S subjects=s max-age=6s\nconsumer S/C ack-policy=explicit ack-wait=12s\n(p: publish s \"a\")\n\
             w1: fetch S/C\nw1: fetch S/C expires=14s\nupdate consumer S/C ack-wait=12s\nadvance 13s";
        let version = ServerVersion::COMPARED[0];
        let text = format!("title: t\n\n{commands}\n----\n");
        let options = RunOptions { version, ..RunOptions::default() };
        let outcome = run_simulated(&jetlag_scenario::parse(&text).expect(&text), &options);
        let text = format!("{text}{}\n", outcome.blocks[0].join("\n"));
        let scenario = jetlag_scenario::parse(&text).expect(&text);
        let lead = Lead::new(&scenario, version, Registry::new(), LONGEST, PROMPT).expect("the simulator agrees with itself");
        let pace = lead.fastest().expect(commands).ratio;
        assert_eq!(pace.to_string(), "1/5");
    }

    #[test]
    fn a_server_that_does_something_else_is_found_out() {
        let redelivered = "w1: fetch S/C\nw1: fetch S/C\nadvance 40s\ninfo S/C";
        for (commands, misreads, first) in [
            (redelivered, ("nothing", "nothing"), None),
            // The pace is 1/200, so ack_wait is 150 ms.
            (redelivered, ("150000000", "300000000"), Some((2, "1m"))),
            (redelivered, ("150000000", "260000000"), Some((2, "52"))),
            (redelivered, ("150000000", "1000000"), Some((2, "00ms w1: got s \"a\""))),
            (redelivered, ("150000000", "90000000"), Some((2, "18"))),
            (redelivered, ("\"max_deliver\":10", "\"max_deliver\":1"), Some((2, "-"))),
            ("w1: fetch S/C\nw1: nak 1\nw1: fetch S/C", ("-NAK", "+ACK"), Some((2, "-"))),
            ("w1: fetch S/C\nw1: ack 1\nadvance 1m\ninfo S/C", ("+ACK", "+WPI"), Some((2, "S/C delivered=1/1 ack-floor=0/0"))),
        ] {
            let scenario = scenario(&format!("{HEAD}{commands}"));
            let lead = lead(&scenario);
            let plan = lead.fastest().expect(commands);
            for pattern in [Pattern::Prompt, Pattern::Drawn(7)] {
                let server = LateServer::new(ServerVersion::NEWEST, pattern, lead.timers, plan.patience);
                let difference = plan.difference(&plan.replay(Liar { server, misreads }));
                let found = difference.map(|it| (it.first, it.server.get(it.first).cloned().unwrap_or("-".to_owned())));
                match (&found, first) {
                    (None, None) => {}
                    (Some((index, line)), Some((first, words))) if *index == first && line.contains(words) => {}
                    _ => panic!("{commands} {misreads:?} {pattern:?}: {found:?}"),
                }
            }
        }
    }

    #[test]
    fn a_real_server_is_found_out_too() {
        let Some(binary) = find::for_tests() else { return };
        let version = find::version_of(&binary).unwrap();
        let scenario = scenario(&format!("{HEAD}w1: fetch S/C\nw1: fetch S/C\nadvance 40s\ninfo S/C"));
        let lead = Lead::new(&scenario, version, Registry::new(), LONGEST, PROMPT).unwrap();
        for (wait, first) in [("30s", None), ("60s", Some(2)), ("1s", Some(2))] {
            let mut plan = lead.fastest().unwrap();
            // What is expected stays; what the server is told does not.
            let text = scenario.to_string().replace("ack-wait=30s", &format!("ack-wait={wait}"));
            let other = jetlag_scenario::parse(&text).unwrap();
            plan.scaled = other.scaled(plan.ratio.numerator.into(), plan.ratio.denominator.into());
            let difference = plan.difference(&plan.replay(RealServer::start(&binary).unwrap()));
            assert_eq!(difference.as_ref().map(|it| it.first), first, "{wait}: {difference:#?}");
        }
    }
}
