//! What differs between versions of nats-server: named rules, each with the versions it holds for and its evidence. No other place compares
//! versions.
//!
//! A range is as exact as its evidence says. "Seen" means: run on the versions named (2.10.26, 2.11.11, 2.12.8, 2.14.6, 2.15.1); the first
//! release that behaves so lies between the two named ones.

use std::fmt;

use jetlag_model::ServerVersion;

/// Versions from one release on, up to another or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The first release.
    pub from: ServerVersion,
    /// The first release after it that is not meant any more; `None` for all that follow.
    pub until: Option<ServerVersion>,
}

impl VersionRange {
    /// Whether it holds a version.
    pub fn contains(&self, version: ServerVersion) -> bool {
        version >= self.from && self.until.is_none_or(|until| version < until)
    }
}

impl fmt::Display for VersionRange {
    /// Writes it as scenarios do: `>=2.10.29,<2.11.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">={}", self.from)?;
        self.until.map_or(Ok(()), |until| write!(f, ",<{until}"))
    }
}

/// One line of the table that [`version_rules`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRule {
    /// The rule.
    pub rule: Rule,
    /// Its name in kebab-case.
    pub name: &'static str,
    /// What it says, in one sentence or two.
    pub meaning: &'static str,
    /// The versions it holds for, oldest first. There are several where a change went into older lines, too.
    pub ranges: &'static [VersionRange],
    /// Where that was read or seen.
    pub evidence: &'static str,
}

impl VersionRule {
    /// Whether it holds for a version.
    pub fn holds(&self, version: ServerVersion) -> bool {
        self.ranges.iter().any(|range| range.contains(version))
    }

    /// Whether it holds for one of two versions and not for the other.
    pub fn separates(&self, a: ServerVersion, b: ServerVersion) -> bool {
        self.holds(a) != self.holds(b)
    }
}

/// All rules, in the order of [`Rule`].
pub fn version_rules() -> impl ExactSizeIterator<Item = VersionRule> {
    TABLE.iter().copied()
}

/// Writes the enum and the table from one list, so that they can not differ. A range is `from..until` or `from..`.
macro_rules! rules {
    ($(
        #[doc = $meaning:literal]
        $rule:ident $name:literal
            [$($from:tt .. $($until:tt)?),+]
            $evidence:literal;
    )+) => {
        /// A behaviour that some versions have and others have not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $meaning] $rule,)+
        }

        const TABLE: &[VersionRule] = &[$(VersionRule {
            rule: Rule::$rule,
            name: $name,
            meaning: $meaning.trim_ascii(),
            ranges: &[$(VersionRange { from: version $from, until: rules!(@until $($until)?) }),+],
            evidence: $evidence,
        }),+];
    };
    (@until) => { None };
    (@until $until:tt) => { Some(version $until) };
}

const fn version(major: u16, minor: u16, patch: u16) -> ServerVersion {
    ServerVersion::new(major, minor, patch)
}

rules! {
    /// A request body with a field the server does not know is refused (10025).
    StrictJson "strict-json"
        [(2, 12, 0)..]
        "seen: not 2.11.11, 2.12.8";
    /// ack_wait and backoff below zero are refused (10183, 10184).
    NegativeWaitsRefused "negative-waits-refused"
        [(2, 12, 0)..]
        "seen: not 2.11.11, 2.12.8";
    /// Other numbers below zero become their defaults instead of being kept or refused.
    NegativeNumbersNormalised "negative-numbers-normalised"
        [(2, 12, 0)..]
        "seen: not 2.11.11, 2.12.8";
    /// As many backoff steps as deliveries are accepted.
    BackoffMayEqualMaxDeliver "backoff-may-equal-max-deliver"
        [(2, 10, 23)..]
        "nats-server PR 6154, first tag v2.10.23";
    /// A first backoff step of zero means that nothing is ever redelivered; before, that it is at once.
    ZeroWaitNeverRedelivers "zero-wait-never-redelivers"
        [(2, 14, 0)..]
        "seen: not 2.12.8, 2.14.6";
    /// MAX_DELIVERIES is always published and carries the real count; before, only when the count met the limit, and with the limit.
    AdvisoryHasRealCount "advisory-has-real-count"
        [(2, 15, 1)..]
        "nats-server PR 8605; seen: not 2.15.0, 2.15.1";
    /// A consumer's info takes delivered and ack floor from the stored copy.
    InfoFromStore "info-from-store"
        [(2, 11, 0)..]
        "seen: not 2.10.26, 2.11.11";
    /// num_redelivered is shown as 0 when max_deliver is 1.
    RedeliveredHiddenAtOne "redelivered-hidden-at-one"
        [(2, 11, 4)..]
        "nats-server PR 6877, first tag v2.11.4";
    /// A new consumer that starts later has its floor before its start; before, at 0.
    FloorBeginsBeforeStart "floor-begins-before-start"
        [(2, 14, 0)..]
        "seen: not 2.12.8, 2.14.6";
    /// A start sequence beyond the stream's last is waited for; before, it was lowered.
    StartBeyondLastKept "start-beyond-last-kept"
        [(2, 11, 0)..]
        "seen: not 2.10.26, 2.11.11";
    /// A pull without waiting ends with 404 at the end of the stream; before, with 408 and only if it had got something.
    NoWaitEndsWith404 "no-wait-ends-with-404"
        [(2, 11, 0)..]
        "nats-server PR 7466; seen: not 2.10.26, 2.11.11";
    /// A pull beyond max_waiting is dropped without a word when it carries a heartbeat.
    MaxWaitingSilentWithHeartbeat "max-waiting-silent-with-heartbeat"
        [(2, 11, 5)..]
        "nats-server commit c580e7711, first tag v2.11.5";
    /// A wrong expected sequence is found before a duplicate id.
    ExpectedSequenceBeforeDedup "expected-sequence-before-dedup"
        [(2, 12, 0)..]
        "seen: not 2.11.11, 2.12.8";
    /// A 503 for nobody listening names the subject.
    NoRespondersNamesSubject "no-responders-names-subject"
        [(2, 12, 0)..]
        "seen: not 2.11.11, 2.12.8";
    /// An exhausted message that leaves its stream leaves num_redelivered too.
    RedeliveredForgottenOnRemoval "redelivered-forgotten-on-removal"
        [(2, 14, 0)..]
        "seen: not 2.12.8, 2.14.6";
    /// A first delivery that reached nobody does not spoil the delivery count.
    FailedDeliveryKeepsCount "failed-delivery-keeps-count"
        [(2, 14, 0)..]
        "seen: not 2.12.8, 2.14.6";
    /// A max_deliver below zero is no limit; before, a delivery count that was counted below zero met it.
    UnlimitedIsNoLimit "unlimited-is-no-limit"
        [(2, 11, 9)..]
        "nats-server commit c35d54ed6, first tag v2.11.9";
    /// With discard new a stream takes bytes up to max_bytes; before, it was full one byte earlier.
    BytesUpToTheLimit "bytes-up-to-the-limit"
        [(2, 14, 0)..]
        "nats-server commit 8311cde5c, first tag v2.14.0";
    /// A rollup passes the limit of its subject that discard_new_per_subject sets.
    RollupPassesSubjectLimit "rollup-passes-subject-limit"
        [(2, 14, 0)..]
        "nats-server commit b7a69dc07, first tag v2.14.0";
    /// A consumer may not have a path separator in its name wherever that comes from; before, only in a subject.
    SeparatorsRefused "separators-refused"
        [(2, 12, 8)..]
        "nats-server commit 1ba5e4d8f, first tags v2.12.8 and v2.14.0";
    /// A path separator in the name has its own error (10127) wherever the name comes from; before, only in a subject.
    SeparatorsHaveTheirError "separators-have-their-error"
        [(2, 14, 6)..]
        "seen: not 2.12.8, 2.14.6; not in the source of v2.14.5";
    /// inactive_threshold counts from the last ack deadline.
    InactivityWaitsForAcks "inactivity-waits-for-acks"
        [(2, 11, 0)..]
        "seen: not 2.10.26, 2.11.11";
    /// mem_storage can not be updated.
    MemStorageFixed "mem-storage-fixed"
        [(2, 14, 0)..]
        "seen: not 2.12.8, 2.14.6";
    /// A durable create takes the name in its subject, whatever other name the request has.
    DurableCreateOverridesName "durable-create-overrides-name"
        [(2, 12, 0)..]
        "seen: not 2.10.26, 2.12.8";
    /// An acknowledged message stays while any consumer needs it; before, the one that acknowledged was not asked, in a work queue none.
    AckAsksAllConsumers "ack-asks-all-consumers"
        [(2, 12, 5)..]
        "nats-server PR 7845, first tag v2.12.5";
    /// `ack all` releases what is unsettled; before, all in between too.
    AckAllReleasesDelivered "ack-all-releases-delivered"
        [(2, 14, 6)..]
        "nats-server PR 8431; seen: not 2.14.5, 2.14.6";
    /// `ack all` releases nothing below the first message that it settles.
    AckAllReleasesFromLowest "ack-all-releases-from-lowest"
        [(2, 10, 28)..(2, 11, 0), (2, 11, 2)..]
        "nats-server PR 6790, first tags v2.10.28 and v2.11.2";
    /// An update of a consumer releases what nobody needs only if filters change; before, any update did.
    OnlyNewFiltersReleaseMessages "only-new-filters-release-messages"
        [(2, 11, 12)..(2, 12, 0), (2, 12, 4)..]
        "nats-server PR 7753, first tags v2.11.12 and v2.12.4";
    /// A recovered consumer releases what its stored copy says is settled above its floor; before, only what it still needed.
    StoredAcksRelease "stored-acks-release"
        [(2, 11, 12)..(2, 12, 0), (2, 12, 3)..]
        "nats-server PR 7656, first tags v2.11.12 and v2.12.3";
    /// The error of a pull consumer without acks on a work queue (10084) says that they must be explicit, and where.
    PullRequiresExplicitAckText "pull-requires-explicit-ack-text"
        [(2, 11, 0)..]
        "nats-server server/errors.json, commit 725f04c10, first tag v2.11.0";
    /// A queued message that is found gone when it should be delivered again is terminated; before, it stayed unsettled.
    GoneRedeliveryTerminates "gone-redelivery-terminates"
        [(2, 12, 7)..]
        "nats-server PR 7984, first tag v2.12.7";
    /// A message that rolls up does so even if it interests nobody and is not stored itself.
    RollupWithoutInterest "rollup-without-interest"
        [(2, 12, 8)..]
        "nats-server PR 8019, first tag v2.12.8";
    /// A stream without consumers that begins to go by interest lets go of everything.
    InterestOfNobodyPurges "interest-of-nobody-purges"
        [(2, 15, 1)..]
        "seen: not 2.14.6, 2.15.1";
    /// Configurations carry `_nats.*` metadata.
    VersionMetadata "version-metadata"
        [(2, 11, 0)..]
        "seen: not 2.10.26, 2.11.11";
}

/// The rules of one version. A version newer than the table has the newest rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    version: ServerVersion,
    flipped: Option<Rule>,
}

impl Rules {
    pub(crate) fn new(version: ServerVersion, flipped: Option<Rule>) -> Rules {
        Rules { version, flipped }
    }

    /// Whether this version behaves so.
    pub(crate) fn has(self, rule: Rule) -> bool {
        TABLE[rule as usize].holds(self.version) != (self.flipped == Some(rule))
    }

    /// The version as text, for metadata.
    pub(crate) fn version(self) -> ServerVersion {
        self.version
    }

    /// The API level of this version, for metadata: `JSApiLevel` in `server/jetstream_versioning.go`, by tag.
    pub(crate) fn api_level(self) -> u8 {
        match (self.version.major, self.version.minor) {
            (2, ..=11) => 1,
            (2, 12) if self.version.patch < 5 => 2,
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
    fn every_rule_is_named_after_itself() {
        for row in version_rules() {
            let mut kebab = String::new();
            for letter in format!("{:?}", row.rule).chars() {
                if !kebab.is_empty()
                    && (letter.is_ascii_uppercase() || letter.is_ascii_digit())
                    && !kebab.ends_with(|c: char| c.is_ascii_digit())
                {
                    kebab.push('-');
                }
                kebab.push(letter.to_ascii_lowercase());
            }
            assert_eq!(row.name, kebab);
            assert!(!row.meaning.is_empty() && !row.evidence.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn ranges_are_in_order_and_apart() {
        for row in version_rules() {
            assert!(row.ranges.iter().all(|range| range.until.is_none_or(|until| range.from < until)), "{}", row.name);
            assert!(row.ranges.windows(2).all(|pair| pair[0].until.is_some_and(|until| until < pair[1].from)), "{}", row.name);
        }
    }

    #[test]
    fn a_rule_holds_from_its_first_release_on() {
        let rules = |major, minor, patch| Rules::new(ServerVersion::new(major, minor, patch), None);
        assert!(!rules(2, 15, 0).has(Rule::AdvisoryHasRealCount));
        assert!(rules(2, 15, 1).has(Rule::AdvisoryHasRealCount));
        assert!(rules(3, 0, 0).has(Rule::AdvisoryHasRealCount));
        assert!(!rules(2, 10, 22).has(Rule::BackoffMayEqualMaxDeliver));
    }

    #[test]
    fn a_flipped_rule_is_the_other_way_around_and_no_other_is() {
        let newest = Rules::new(ServerVersion::NEWEST, None);
        for flipped in version_rules() {
            let rules = Rules::new(ServerVersion::NEWEST, Some(flipped.rule));
            for row in version_rules() {
                assert_eq!(rules.has(row.rule) == newest.has(row.rule), row.rule != flipped.rule, "{} {}", flipped.name, row.name);
            }
        }
    }

    #[test]
    fn a_rule_of_several_lines_separates_releases_within_each() {
        const RULE: VersionRule = VersionRule {
            rule: Rule::StrictJson,
            name: "",
            meaning: "",
            ranges: &[
                VersionRange { from: version(2, 10, 29), until: Some(version(2, 11, 0)) },
                VersionRange { from: version(2, 11, 9), until: None },
            ],
            evidence: "",
        };
        for (number, holds) in
            [((2, 10, 28), false), ((2, 10, 29), true), ((2, 11, 0), false), ((2, 11, 8), false), ((2, 11, 9), true), ((3, 0, 0), true)]
        {
            let version = version(number.0, number.1, number.2);
            assert_eq!(RULE.holds(version), holds, "{version}");
            assert_eq!(RULE.separates(version, ServerVersion::NEWEST), !holds, "{version}");
        }
        assert_eq!(RULE.ranges.iter().map(ToString::to_string).collect::<Vec<_>>(), [">=2.10.29,<2.11.0", ">=2.11.9"]);
    }
}
