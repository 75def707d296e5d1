//! A program as lines of text in blocks, which is how it is drawn and made smaller; and such lines as a scenario that can be played.

use jetlag_model::ServerVersion;
use jetlag_runner::{Failure, Outcome, RunOptions, run_simulated};
use jetlag_scenario::{Block, Header, Scenario, Step, Transcript, VersionCondition};

/// Commands in blocks, each with the lines of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch {
    pub(crate) blocks: Vec<Vec<String>>,
}

impl Sketch {
    /// The commands of a scenario, without comments.
    pub(crate) fn of(scenario: &Scenario) -> Sketch {
        let lines = |step: &Step| {
            let bare = Step { comments: Vec::new(), remark: None, ..step.clone() };
            Block { steps: vec![bare], ..Block::default() }.to_string().trim_end().to_owned()
        };
        Sketch { blocks: scenario.blocks.iter().map(|block| block.steps.iter().map(lines).collect()).collect() }
    }

    /// Whether a command has a client connect again that has several subscriptions.
    pub(crate) fn returns_to_several(&self, command: &str) -> bool {
        let Some(client) = command.strip_suffix(": reconnect") else { return false };
        let subscribe = format!("{client}: subscribe ");
        self.blocks.iter().flatten().filter(|command| command.starts_with(&subscribe)).count() > 1
    }

    /// Whether a fault rule is about one client alone.
    pub(crate) fn names_client(&self, rule: &str) -> bool {
        let rule = format!("fault {rule} ");
        self.blocks.iter().flatten().rfind(|command| command.starts_with(&rule)).is_some_and(|command| command.contains(" client="))
    }

    /// The commands as a scenario without transcripts.
    ///
    /// # Errors
    ///
    /// When the language refuses them: the places of the commands that it refuses.
    pub(crate) fn parse(&self, header: &Header) -> Result<Scenario, Vec<Place>> {
        let mut text = Scenario { header: header.clone(), blocks: Vec::new() }.to_string();
        let mut places = vec![None; text.lines().count()];
        for (block, steps) in self.blocks.iter().enumerate().filter(|(_, steps)| !steps.is_empty()) {
            text.push('\n');
            places.push(None);
            for (step, command) in steps.iter().enumerate() {
                text.push_str(command);
                text.push('\n');
                places.extend(command.lines().map(|_| Some(Place { block, step })));
            }
            text.push_str("----\n");
            places.push(None);
        }
        jetlag_scenario::parse(&text).map_err(|found| found.iter().filter_map(|one| places.get(one.line - 1).copied().flatten()).collect())
    }

    pub(crate) fn remove(&mut self, place: Place) {
        self.blocks[place.block].remove(place.step);
    }
}

/// Where a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) block: usize,
    pub(crate) step: usize,
}

pub(crate) fn run(scenario: &Scenario, version: ServerVersion) -> Outcome {
    run_simulated(scenario, &RunOptions { version, ..RunOptions::default() })
}

/// What can be played of a scenario's commands on a server of this version, with the transcripts that the simulator gives them: commands that
/// can not be carried out are left out, and fault rules that never act. `None` when nothing is left that is seen.
pub fn playable(scenario: &Scenario, version: ServerVersion) -> Option<Scenario> {
    let mut sketch = Sketch::of(scenario);
    loop {
        let parsed = match sketch.parse(&scenario.header) {
            Ok(parsed) => parsed,
            Err(places) => {
                let last = places.into_iter().max()?;
                sketch.remove(last);
                continue;
            }
        };
        // Without the blocks that are empty now.
        sketch = Sketch::of(&parsed);
        let outcome = run(&parsed, version);
        match outcome.failures.iter().filter(|failure| !is_of_transcripts(failure)).map(Failure::line).max() {
            None => return blessed(parsed, &outcome),
            Some(line) => sketch.remove(place_of(&parsed, line)?),
        }
    }
}

/// Whether blessing helps.
fn is_of_transcripts(failure: &Failure) -> bool {
    matches!(failure, Failure::Transcript(_) | Failure::NothingExpected)
}

fn place_of(scenario: &Scenario, line: usize) -> Option<Place> {
    let mut places =
        scenario.blocks.iter().enumerate().flat_map(|(block, steps)| steps.steps.iter().enumerate().map(move |it| (block, it)));
    places.find(|(_, (_, found))| found.line() == line).map(|(block, (step, _))| Place { block, step })
}

/// The scenario with these transcripts, and with the places of its text as it is printed.
fn blessed(mut scenario: Scenario, outcome: &Outcome) -> Option<Scenario> {
    if outcome.blocks.iter().all(Vec::is_empty) {
        return None;
    }
    for (block, lines) in scenario.blocks.iter_mut().zip(&outcome.blocks) {
        block.transcripts = vec![Transcript { lines: lines.clone(), ..Transcript::default() }];
    }
    jetlag_scenario::parse(&scenario.to_string()).ok()
}

/// A scenario that is [`playable`] as this version, as a library keeps it: with the transcripts of the newest version first, and its own where
/// they differ. If the newest version can not play it, it is about its own version alone.
pub fn for_library(scenario: &Scenario, version: ServerVersion) -> Scenario {
    let newest = run(scenario, ServerVersion::NEWEST);
    let mut kept = scenario.clone();
    if !newest.failures.iter().all(is_of_transcripts) {
        kept.header.server = format!("={version}").parse().ok();
        return kept;
    }
    for (block, lines) in kept.blocks.iter_mut().zip(newest.blocks) {
        let Some(own) = block.transcripts.pop() else { continue };
        let reason = "as the simulator plays it".to_owned();
        let condition = format!("={version}").parse().ok().map(|range| VersionCondition { range, reason });
        let differs = own.lines != lines;
        block.transcripts.push(Transcript { lines, ..Transcript::default() });
        if differs {
            block.transcripts.push(Transcript { condition, ..own });
        }
    }
    kept
}
