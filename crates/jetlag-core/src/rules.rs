//! What differs between versions of nats-server: named rules, each with the versions it holds for and its evidence. No other place compares
//! versions.
//!
//! A range is as exact as its evidence says. "Seen" means: run on the versions named (2.10.26, 2.11.11, 2.12.8, 2.14.6, 2.15.1); the first
//! release that behaves so lies between the two named ones.

use jetlag_model::ServerVersion;

/// A behaviour that some versions have and others have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A request body with a field the server does not know is refused (10025).
    StrictJson,
    /// ack_wait and backoff below zero are refused (10183, 10184).
    NegativeWaitsRefused,
    /// Other numbers below zero become their defaults instead of being kept or refused.
    NegativeNumbersNormalised,
    /// As many backoff steps as deliveries are accepted.
    BackoffMayEqualMaxDeliver,
    /// A first backoff step of zero means that nothing is ever redelivered; before, that it is at once.
    ZeroWaitNeverRedelivers,
    /// MAX_DELIVERIES is always published and carries the real count; before, only when the count met the limit, and with the limit.
    AdvisoryHasRealCount,
    /// A consumer's info takes delivered and ack floor from the stored copy.
    InfoFromStore,
    /// num_redelivered is shown as 0 when max_deliver is 1.
    RedeliveredHiddenAtOne,
    /// A new consumer that starts later has its floor before its start; before, at 0.
    FloorBeginsBeforeStart,
    /// A start sequence beyond the stream's last is waited for; before, it was lowered.
    StartBeyondLastKept,
    /// A pull without waiting ends with 404 at the end of the stream; before, with 408 and only if it had got something.
    NoWaitEndsWith404,
    /// A pull beyond max_waiting is dropped without a word when it carries a heartbeat.
    MaxWaitingSilentWithHeartbeat,
    /// A wrong expected sequence is found before a duplicate id.
    ExpectedSequenceBeforeDedup,
    /// A 503 for nobody listening names the subject.
    NoRespondersNamesSubject,
    /// An exhausted message that leaves its stream leaves num_redelivered too.
    RedeliveredForgottenOnRemoval,
    /// A first delivery that reached nobody does not spoil the delivery count.
    FailedDeliveryKeepsCount,
    /// inactive_threshold counts from the last ack deadline.
    InactivityWaitsForAcks,
    /// mem_storage can not be updated.
    MemStorageFixed,
    /// A durable create takes the name in its subject, whatever other name the request has.
    DurableCreateOverridesName,
    /// Configurations carry `_nats.*` metadata.
    VersionMetadata,
}

struct Row {
    rule: Rule,
    since: ServerVersion,
    #[expect(dead_code, reason = "the table is read by people; a generated page will print it")]
    evidence: &'static str,
}

const fn row(rule: Rule, since: (u16, u16, u16), evidence: &'static str) -> Row {
    Row { rule, since: ServerVersion::new(since.0, since.1, since.2), evidence }
}

/// One row a rule, in the enum's order.
const TABLE: &[Row] = &[
    row(Rule::StrictJson, (2, 12, 0), "seen: not 2.11.11, 2.12.8"),
    row(Rule::NegativeWaitsRefused, (2, 12, 0), "seen: not 2.11.11, 2.12.8"),
    row(Rule::NegativeNumbersNormalised, (2, 12, 0), "seen: not 2.11.11, 2.12.8"),
    row(Rule::BackoffMayEqualMaxDeliver, (2, 10, 23), "nats-server PR 6154, first tag v2.10.23"),
    row(Rule::ZeroWaitNeverRedelivers, (2, 14, 0), "seen: not 2.12.8, 2.14.6"),
    row(Rule::AdvisoryHasRealCount, (2, 15, 1), "nats-server PR 8605; seen: not 2.15.0, 2.15.1"),
    row(Rule::InfoFromStore, (2, 11, 0), "seen: not 2.10.26, 2.11.11"),
    row(Rule::RedeliveredHiddenAtOne, (2, 11, 4), "nats-server PR 6877, first tag v2.11.4"),
    row(Rule::FloorBeginsBeforeStart, (2, 14, 0), "seen: not 2.12.8, 2.14.6"),
    row(Rule::StartBeyondLastKept, (2, 11, 0), "seen: not 2.10.26, 2.11.11"),
    row(Rule::NoWaitEndsWith404, (2, 11, 0), "nats-server PR 7466; seen: not 2.10.26, 2.11.11"),
    row(Rule::MaxWaitingSilentWithHeartbeat, (2, 11, 5), "nats-server commit c580e7711, first tag v2.11.5"),
    row(Rule::ExpectedSequenceBeforeDedup, (2, 12, 0), "seen: not 2.11.11, 2.12.8"),
    row(Rule::NoRespondersNamesSubject, (2, 12, 0), "seen: not 2.11.11, 2.12.8"),
    row(Rule::RedeliveredForgottenOnRemoval, (2, 14, 0), "seen: not 2.12.8, 2.14.6"),
    row(Rule::FailedDeliveryKeepsCount, (2, 14, 0), "seen: not 2.12.8, 2.14.6"),
    row(Rule::InactivityWaitsForAcks, (2, 11, 0), "seen: not 2.10.26, 2.11.11"),
    row(Rule::MemStorageFixed, (2, 14, 0), "seen: not 2.12.8, 2.14.6"),
    row(Rule::DurableCreateOverridesName, (2, 12, 0), "seen: not 2.10.26, 2.12.8"),
    row(Rule::VersionMetadata, (2, 11, 0), "seen: not 2.10.26, 2.11.11"),
];

/// The rules of one version. A version newer than the table has the newest rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    version: ServerVersion,
}

impl Rules {
    pub(crate) fn new(version: ServerVersion) -> Rules {
        Rules { version }
    }

    /// Whether this version behaves so.
    pub(crate) fn has(self, rule: Rule) -> bool {
        let row = &TABLE[rule as usize];
        debug_assert_eq!(row.rule, rule, "the table stands in the enum's order");
        self.version >= row.since
    }

    /// The version as text, for metadata.
    pub(crate) fn version(self) -> ServerVersion {
        self.version
    }

    /// The API level of this version, for metadata.
    pub(crate) fn api_level(self) -> u8 {
        match (self.version.major, self.version.minor) {
            (2, ..=10) => 0,
            (2, 11) => 1,
            (2, 12) => 3,
            (2, 13 | 14) => 4,
            _ => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_enum_order() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.rule as usize, index, "{:?}", row.rule);
        }
        assert_eq!(TABLE.len(), Rule::VersionMetadata as usize + 1);
    }

    #[test]
    fn a_rule_holds_from_its_first_release_on() {
        let rules = |major, minor, patch| Rules::new(ServerVersion::new(major, minor, patch));
        assert!(!rules(2, 15, 0).has(Rule::AdvisoryHasRealCount));
        assert!(rules(2, 15, 1).has(Rule::AdvisoryHasRealCount));
        assert!(rules(3, 0, 0).has(Rule::AdvisoryHasRealCount));
        assert!(!rules(2, 10, 22).has(Rule::BackoffMayEqualMaxDeliver));
    }
}
