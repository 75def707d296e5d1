//! The simulator leads: it says what a replay should show, and at which pace that can be told.
//!
//! A pace is right when the simulator prints the same at it, and still does when it is as late as a real server on a real machine may be.
//! The fastest such pace is taken.

use std::fmt;

use jetlag_model::{Duration, ServerVersion};
use jetlag_runner::{Outcome, Registry, RunOptions, Verdict, run_on, run_simulated};
use jetlag_scenario::Scenario;
use jetlag_trace::{Key, Kind, Record};

use crate::compare::{Comparison, Difference};
use crate::late::{LateServer, Pattern};
use crate::led::{Barrier, Lags, Led};
use crate::ratio::{Ratio, can_tell, candidates};
use crate::slack::{Band, Timers, bands};

/// How long an answer that comes at once may take, where no answer is expected to stay away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same where one is: then the whole of it is waited.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);

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
    /// Runs a scenario at real pace, as a server of this version would. No replay may take longer than `longest`.
    ///
    /// # Errors
    ///
    /// When the transcript is not that of the file.
    pub(crate) fn new(
        scenario: &'s Scenario,
        version: ServerVersion,
        registry: Registry,
        longest: Duration,
    ) -> Result<Lead<'s>, Unplayable> {
        let mut options = RunOptions { seed: None, version, registry, evaluate_checks: true };
        let nominal = run_simulated(scenario, &options);
        if !matches!(nominal.verdict, Verdict::Pass | Verdict::Unconfirmed) {
            let first = nominal.failures.first();
            let first = first.map_or("it is about other versions".to_owned(), |failure| format!("line {}: {failure}", failure.line()));
            return Err(Unplayable::Fails(first));
        }
        options.evaluate_checks = false;
        Ok(Lead { scenario, options, longest, timers: Timers::of(scenario), nominal })
    }

    /// The fastest replay that can tell.
    ///
    /// # Errors
    ///
    /// When there is none: what stands in the way at the slowest pace that was tried.
    pub(crate) fn fastest(&self) -> Result<Plan<'_>, Unplayable> {
        let mut in_the_way = None;
        for ratio in candidates(self.scenario) {
            match self.at(ratio) {
                Ok(plan) => return Ok(plan),
                // Slower ones take longer still.
                Err(Unplayable::TooLong { ratio, takes, longest, .. }) => {
                    return Err(Unplayable::TooLong { ratio, takes, longest, faster: in_the_way.map(Box::new) });
                }
                Err(other) => in_the_way = Some(other),
            }
        }
        Err(in_the_way.unwrap_or(Unplayable::NoPace))
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
        if let Some(difference) = plan.difference(&plan.paced, &Lags::new()) {
            return Err(Unplayable::Sensitive { ratio, at: difference.into() });
        }
        for pattern in Pattern::ALL {
            let late = LateServer::new(self.options.version, *pattern, self.timers, patience);
            let (seen, lags) = plan.replay(late);
            if let Some(difference) = plan.difference(&seen, &lags) {
                return Err(Unplayable::Race { ratio, at: difference.into() });
            }
            let lag = lags.into_values().max().unwrap_or_default();
            if !can_tell(self.scenario, ratio, lag) {
                return Err(Unplayable::Blurred { ratio, lag });
            }
        }
        Ok(plan)
    }
}

impl Plan<'_> {
    /// Replays the scenario on a server that has just started and holds nothing.
    pub(crate) fn replay<B: Barrier>(&self, server: B) -> (Outcome, Lags) {
        let mut led = Led::new(&self.scaled, &self.paced, self.lead.timers);
        let outcome = run_on(server, &self.scaled, &self.lead.options, &mut led);
        (outcome, led.into_lags())
    }

    /// Where a replay is not what the simulator says.
    pub(crate) fn difference(&self, seen: &Outcome, lags: &Lags) -> Option<Difference> {
        let comparison = Comparison {
            scenario: self.lead.scenario,
            version: self.lead.options.version,
            nominal: &self.lead.nominal,
            paced: &self.paced,
            bands: &self.bands,
            ratio: self.ratio,
        };
        comparison.difference(seen, lags)
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
