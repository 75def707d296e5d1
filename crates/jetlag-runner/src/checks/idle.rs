//! `idle`: once workers are stopped and time has run out, nothing is left: no message waits for an acknowledgement, no pull request waits, no
//! timer but idle ones runs, nothing is under way. No exemptions.

use jetlag_trace::{Kind, Record};

use super::{About, Configs, Finding, Judge, Observed};

pub(super) struct Idle;

impl Judge for Idle {
    fn kinds(&self) -> &'static [Kind] {
        &[]
    }

    fn follow(&mut self, _: &Record, _: &About<'_>, _: &Configs, _: &mut Finding) {}

    fn conclude(&self, _: &Configs, observed: &Observed, finding: &mut Finding) {
        if observed.working {
            finding.fail("a worker is still at work; stop it before this check".to_owned(), None);
        }
        finding.look();
        if !observed.quiet {
            finding.fail("something is under way on a link, or in a worker's hands".to_owned(), None);
        }
        if let Some(busy) = &observed.busy {
            finding.fail(format!("the server still has something to do: {busy}"), None);
        }
        for consumer in observed.infos.keys() {
            finding.look();
            for (field, what) in [("num_ack_pending", "messages wait for an acknowledgement"), ("num_waiting", "pull requests wait")] {
                let number = observed.number(consumer, field).unwrap_or(0);
                if number > 0 {
                    finding.fail(format!("{consumer}: {number} {what}"), None);
                }
            }
        }
    }
}
