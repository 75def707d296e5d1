//! What differs between versions of nats-server: named rules, each with the versions it holds for and its evidence. No other place compares
//! versions.
//!
//! The first release of each line that behaves so was looked up in the sources of all releases up to v2.12.15 and v2.14.5. Where these do
//! not tell, it was seen on real servers.

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
        $(#[doc = $meaning:literal])+
        $rule:ident $name:literal
            [$($from:tt .. $($until:tt)?),+]
            $evidence:literal;
    )+) => {
        /// A behaviour that some versions have and others have not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $meaning])+ $rule,)+
        }

        const TABLE: &[VersionRule] = &[$(VersionRule {
            rule: Rule::$rule,
            name: $name,
            meaning: concat!($($meaning),+).trim_ascii(),
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
        "nats-server PR 7049, first tag v2.12.0";
    /// The refusal of a body that is no JSON (10025) says what is wrong with it.
    InvalidJsonSaysWhy "invalid-json-says-why"
        [(2, 11, 0)..]
        "nats-server PR 5868, first tag v2.11.0";
    /// ack_wait and backoff below zero are refused (10183, 10184).
    NegativeWaitsRefused "negative-waits-refused"
        [(2, 12, 0)..]
        "nats-server PR 7134, first tag v2.12.0";
    /// Other numbers below zero become their defaults instead of being kept or refused.
    NegativeNumbersNormalised "negative-numbers-normalised"
        [(2, 12, 0)..]
        "nats-server PR 7164, first tag v2.12.0";
    /// A max_age below zero is refused as such; before, for the duplicate window it leads to.
    NegativeMaxAgeNamed "negative-max-age-named"
        [(2, 12, 0)..]
        "nats-server PR 7188, first tag v2.12.0";
    /// As many backoff steps as deliveries are accepted.
    BackoffMayEqualMaxDeliver "backoff-may-equal-max-deliver"
        [(2, 10, 23)..]
        "nats-server PR 6154, first tag v2.10.23";
    /// Filters of one consumer may cross; only one within another is refused (10138).
    CrossingFiltersAccepted "crossing-filters-accepted"
        [(2, 10, 0)..(2, 10, 14), (2, 12, 5)..]
        "nats-server PR 7810, first tag v2.12.5; server/consumer.go checkConsumerCfg of v2.10.12 and v2.10.14";
    /// A stream's subjects are compared with each other as each is checked; before, at the end, and one that is listed twice had an error
    /// of its own.
    OverlapsFoundInOrder "overlaps-found-in-order"
        [(2, 12, 5)..]
        "nats-server PR 7870, first tag v2.12.5";
    /// A stream may not have subjects that only touch those of the API; before, none that are all within them.
    ApiSubjectsMayNotBeTouched "api-subjects-may-not-be-touched"
        [(2, 10, 28)..(2, 11, 0), (2, 11, 2)..]
        "nats-server PR 6786, first tags v2.10.28 and v2.11.2";
    /// max_consumers can be updated.
    MaxConsumersUpdatable "max-consumers-updatable"
        [(2, 12, 5)..]
        "nats-server PR 7724, first tag v2.12.5";
    /// A first backoff step of zero means that nothing is ever redelivered; before, that it is at once.
    ZeroWaitNeverRedelivers "zero-wait-never-redelivers"
        [(2, 14, 0)..]
        "nats-server PR 7613, first tag v2.14.0";
    /// MAX_DELIVERIES is always published and carries the real count; before, only when the count met the limit, and with the limit.
    AdvisoryHasRealCount "advisory-has-real-count"
        [(2, 15, 1)..]
        "nats-server PR 8605; seen: not 2.15.0, 2.15.1";
    /// A consumer's info takes delivered and ack floor from the stored copy.
    InfoFromStore "info-from-store"
        [(2, 10, 29)..(2, 11, 0), (2, 11, 3)..]
        "nats-server PR 6835, first tags v2.10.29 and v2.11.3";
    /// num_redelivered is shown as 0 when max_deliver is 1.
    RedeliveredHiddenAtOne "redelivered-hidden-at-one"
        [(2, 11, 4)..]
        "nats-server PR 6877, first tag v2.11.4";
    /// The ack floor in memory moves past a message that has used up max_deliver, and the stored copy forgets it as unsettled.
    ExhaustionMovesFloor "exhaustion-moves-floor"
        [(2, 12, 9)..(2, 14, 0), (2, 14, 1)..]
        "nats-server commit 982db7699, first tags v2.12.9 and v2.14.1";
    /// A new consumer that starts later has its floor before its start; before, at 0.
    FloorBeginsBeforeStart "floor-begins-before-start"
        [(2, 14, 0)..]
        "nats-server PR 7489, first tag v2.14.0";
    /// A start sequence beyond the stream's last is waited for; before, it was lowered.
    StartBeyondLastKept "start-beyond-last-kept"
        [(2, 11, 0)..]
        "nats-server PRs 5785 and 6014, first tag v2.11.0";
    /// Where the last message starts a consumer and nothing is left of the stream, it starts behind it as others do; before, at the last sequence.
    LastStartsLikeOthers "last-starts-like-others"
        [(2, 11, 0)..]
        "nats-server server/consumer.go selectStartingSeqNo, v2.10.29 and v2.11.0";
    /// A pull without waiting ends with 404 at the end of the stream; before, with 408 and only if it had got something.
    NoWaitEndsWith404 "no-wait-ends-with-404"
        [(2, 11, 11)..(2, 12, 0), (2, 12, 2)..]
        "nats-server PR 7466, first tags v2.11.11 and v2.12.2";
    /// A pull beyond max_waiting is dropped without a word when it carries a heartbeat.
    MaxWaitingSilentWithHeartbeat "max-waiting-silent-with-heartbeat"
        [(2, 11, 5)..]
        "nats-server commit c580e7711, first tag v2.11.5";
    /// A wrong expected sequence is found before a duplicate id.
    ExpectedSequenceBeforeDedup "expected-sequence-before-dedup"
        [(2, 12, 0)..]
        "nats-server commit a1c8f5823, first tag v2.12.0";
    /// An expected sequence can be that of another subject, named in a header.
    ExpectedSequenceOfAnotherSubject "expected-sequence-of-another-subject"
        [(2, 11, 0)..]
        "nats-server PR 5281, first tag v2.11.0";
    /// A subject for an expected sequence without the sequence is refused (10193).
    ExpectedSubjectNeedsSequence "expected-subject-needs-sequence"
        [(2, 12, 0)..]
        "nats-server PR 7196, first tag v2.12.0";
    /// A rollup header that says neither sub nor all is answered (10111); before, the message was dropped without a word.
    InvalidRollupAnswered "invalid-rollup-answered"
        [(2, 11, 0)..]
        "nats-server PR 5014, first tag v2.11.0";
    /// A 503 for nobody listening names the subject.
    NoRespondersNamesSubject "no-responders-names-subject"
        [(2, 12, 0)..]
        "nats-server PR 5250, first tag v2.12.0";
    /// An exhausted message that leaves its stream leaves num_redelivered too.
    RedeliveredForgottenOnRemoval "redelivered-forgotten-on-removal"
        [(2, 12, 9)..(2, 14, 0), (2, 14, 1)..]
        "nats-server PR 8102, first tags v2.12.9 and v2.14.1";
    /// A first delivery that reached nobody does not spoil the delivery count.
    FailedDeliveryKeepsCount "failed-delivery-keeps-count"
        [(2, 14, 6)..]
        "server/consumer.go decDeliveryCount of v2.14.5 still goes below zero; seen: 2.14.6";
    /// A max_deliver below zero is no limit; before, a delivery count that was counted below zero met it.
    UnlimitedIsNoLimit "unlimited-is-no-limit"
        [(2, 11, 9)..]
        "nats-server commit c35d54ed6, first tag v2.11.9";
    /// With discard new a stream takes bytes up to max_bytes; before, it was full one byte earlier.
    BytesUpToTheLimit "bytes-up-to-the-limit"
        [(2, 14, 0)..]
        "nats-server PR 7608, first tag v2.14.0";
    /// A rollup passes the limit of its subject that discard_new_per_subject sets.
    RollupPassesSubjectLimit "rollup-passes-subject-limit"
        [(2, 14, 0)..]
        "nats-server PR 7974, first tag v2.14.0";
    /// Names of streams and consumers may not have path separators wherever they come from, and errors about names say so; before, only in
    /// a subject.
    SeparatorsRefused "separators-refused"
        [(2, 12, 8)..]
        "nats-server commit 1ba5e4d8f, first tags v2.12.8 and v2.14.0";
    /// A path separator in the name has its own error (10127) wherever the name comes from; before, only in a subject.
    SeparatorsHaveTheirError "separators-have-their-error"
        [(2, 14, 0)..]
        "nats-server PR 7613, first tag v2.14.0";
    /// inactive_threshold counts from the last ack deadline.
    InactivityWaitsForAcks "inactivity-waits-for-acks"
        [(2, 11, 7)..]
        "nats-server PR 7052, first tag v2.11.7";
    /// mem_storage can not be updated.
    MemStorageFixed "mem-storage-fixed"
        [(2, 14, 4)..]
        "nats-server PR 8382, first tag v2.14.4";
    /// A durable create takes the name in its subject, whatever other name the request has.
    DurableCreateOverridesName "durable-create-overrides-name"
        [(2, 12, 5)..]
        "nats-server PR 7848, first tag v2.12.5";
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
        [(2, 15, 0)..]
        "seen: not 2.14.6, 2.15.0";
    /// A stream by interest keeps what used up max_deliver; before, only while something else kept it.
    GivenUpIsNeeded "given-up-is-needed"
        [(2, 10, 26)..]
        "nats-server PR 6575, first tag v2.10.26";
    /// A purge of one of several filters leaves a consumer where it is; before, it stepped over what its other filters want.
    PurgeSparesOtherFilters "purge-spares-other-filters"
        [(2, 15, 0)..]
        "seen: not 2.14.6, 2.15.0";
    /// A message is too large before anything that its headers ask for is wrong; before, after all of it.
    SizeBeforeHeaders "size-before-headers"
        [(2, 15, 0)..]
        "seen: not 2.14.6, 2.15.0; not yet in the source of 2026-08-21";
    /// Who looks for aged messages a moment too early looks again after 250 ms; before, after a whole second. The core looks when they are due,
    /// so this is for those who wait for a real server.
    AgedLookedForSoon "aged-looked-for-soon"
        [(2, 10, 28)..]
        "server/filestore.go resetAgeChk, v2.10.26 and v2.10.28";
    /// Configurations carry `_nats.*` metadata.
    VersionMetadata "version-metadata"
        [(2, 11, 0)..]
        "nats-server PR 5850, first tag v2.11.0";
    /// An update of a consumer that leaves its filters alone does not count num_pending anew.
    UpdateKeepsPending "update-keeps-pending"
        [(2, 11, 12)..(2, 12, 0), (2, 12, 4)..]
        "nats-server PR 7753, first tags v2.11.12 and v2.12.4";
    /// An info request lowers num_pending to what the stream can hold; before, it counted anew when there was more.
    InfoClampsPending "info-clamps-pending"
        [(2, 12, 4)..]
        "nats-server PR 7758, first tag v2.12.4";
    /// With `last_per_subject`, delivered follows the messages that were chosen; before, it counted up by one for each.
    LastPerSubjectFollowsGaps "last-per-subject-follows-gaps"
        [(2, 11, 5)..]
        "nats-server PR 7005, first tag v2.11.5";
    /// A max_msgs_per_subject that is set for the first time by an update evicts at once.
    FirstSubjectLimitEvicts "first-subject-limit-evicts"
        [(2, 12, 10)..(2, 14, 0), (2, 14, 2)..]
        "nats-server commit 9d39025d8, first tags v2.12.10 and v2.14.2";
    /// Deleting a message with its bytes tells consumers a wrong subject, so those with filters do not hear of it.
    EraseLosesSubject "erase-loses-subject"
        [(2, 10, 28)..(2, 11, 0), (2, 11, 2)..(2, 11, 12), (2, 12, 0)..(2, 12, 3)]
        "nats-server PR 7601, first tags v2.11.12 and v2.12.3; server/filestore.go removeMsg of v2.10.27, v2.10.28, v2.11.1 and v2.11.2";
    /// Deleting the only message of a stream with its bytes tells consumers the right subject all the same: nothing is overwritten where nothing is
    /// left.
    EraseSparesTheOnly "erase-spares-the-only"
        [(2, 11, 7)..(2, 11, 12), (2, 12, 0)..(2, 12, 3)]
        "nats-server server/filestore.go removeMsg of v2.11.6, v2.11.7 and v2.12.2";
    /// A consumer of a work queue that does not begin at its beginning is refused for that (10101); before, for its filters first (10099, 10100).
    WorkQueueStartsFirst "work-queue-starts-first"
        [(2, 12, 9)..(2, 14, 0), (2, 14, 1)..]
        "nats-server server/consumer.go addConsumer of v2.12.8, v2.12.9, v2.14.0 and v2.14.1";
    /// In a file stream, the search for the first message from a time on stumbles over gaps: start times and message ids after a restart go
    /// wrong.
    TimeSearchStumblesInFile "time-search-stumbles-in-file"
        [(2, 11, 10)..(2, 11, 12), (2, 12, 1)..(2, 12, 4)]
        "nats-server PRs 7357 and 7751, tags v2.11.10, v2.11.12, v2.12.1 and v2.12.4";
    /// The same in a memory stream.
    TimeSearchStumblesInMemory "time-search-stumbles-in-memory"
        [(2, 10, 0)..(2, 11, 12), (2, 12, 0)..(2, 12, 4)]
        "nats-server PR 7751, first tags v2.11.12 and v2.12.4";
    /// A start time after the only message of a memory stream passes over it; before, it was delivered.
    TimeSearchPassesOnlyMessage "time-search-passes-only-message"
        [(2, 11, 4)..]
        "nats-server commit b553a52f3, first tag v2.11.4";
    /// Per-message TTLs are known: a stream's configuration says whether they are allowed, and where they are not, a message with one is
    /// refused (10165, 10166).
    MessageTtls "message-ttls"
        [(2, 11, 0)..]
        "nats-server PRs 6272 and 6370, first tag v2.11.0";
    /// A stream without max_bytes reserves nothing; before, it took a byte off what the others reserve, and the sum below zero.
    UnlimitedReservesNothing "unlimited-reserves-nothing"
        [(2, 11, 6)..]
        "nats-server server/jetstream.go reservedStorage, first tag v2.11.6";
    /// Consumers may have priority groups, with the policies overflow and pinned_client.
    PriorityGroups "priority-groups"
        [(2, 11, 0)..]
        "nats-server server/consumer.go PriorityPolicy, first tag v2.11.0";
    /// The policy prioritized is known; before, it was no policy (10025).
    PrioritizedPolicy "prioritized-policy"
        [(2, 12, 0)..]
        "nats-server server/consumer.go PriorityPrioritized, first tag v2.12.0";
    /// Priority groups and their timeout need a policy (10196, 10197); before, they were kept without one.
    GroupsNeedPolicy "groups-need-policy"
        [(2, 12, 0)..]
        "nats-server server/consumer.go checkConsumerCfg, first tag v2.12.0";
    /// A push consumer may not have priority groups (10178).
    GroupsNeedPull "groups-need-pull"
        [(2, 11, 7)..]
        "nats-server server/consumer.go checkConsumerCfg, first tag v2.11.7";
    /// A pull request whose priority is not for the consumer's policy is refused; before, it was told so and taken all the same.
    RefusedPriorityEnds "refused-priority-ends"
        [(2, 12, 12)..(2, 14, 0), (2, 14, 3)..]
        "nats-server server/consumer.go processNextMsgRequest, first tags v2.12.12 and v2.14.3";
    /// A pull request that asks for pending and for unacknowledged messages is served when there are enough of either; before, of both.
    EitherOverflowIsEnough "either-overflow-is-enough"
        [(2, 12, 5)..]
        "nats-server server/consumer.go nextWaiting, first tag v2.12.5";
    /// A waiting request of a client that is not the pinned one any more is told what it was still owed.
    WrongPinCounts "wrong-pin-counts"
        [(2, 12, 5)..]
        "nats-server server/consumer.go nextWaiting, first tag v2.12.5";
    /// A priority policy passes over a request before its max_bytes are looked at; before, they had been charged or refused by then.
    PriorityBeforeBytes "priority-before-bytes"
        [(2, 12, 12)..(2, 14, 0), (2, 14, 3)..]
        "nats-server server/consumer.go nextWaiting, first tags v2.12.12 and v2.14.3";
    /// A direct get by subject may have a body, with options; before, any body was refused.
    DirectGetReadsOptions "direct-get-reads-options"
        [(2, 12, 0)..]
        "nats-server server/stream.go processDirectGetLastBySubjectRequest, first tag v2.12.0";
    /// A pub ack has no space before its sequence.
    PubAckUnspaced "pub-ack-unspaced"
        [(2, 12, 0)..]
        "nats-server commit 940852c23, first tag v2.12.0";
    /// A request to create something may have no body: it is answered for what it lacks.
    EmptyBodyAccepted "empty-body-accepted"
        [(2, 11, 0)..]
        "nats-server PR 5858, first tag v2.11.0";
    /// Where a request may have a body, one that is no JSON object is passed over; before, it was refused (10025).
    OptionalBodyMustBeObject "optional-body-must-be-object"
        [(2, 11, 0)..]
        "nats-server PR 5956, first tag v2.11.0";
    /// An update of a stream on a server without a cluster may not ask for replicas (10074).
    ReplicasCheckedOnUpdate "replicas-checked-on-update"
        [(2, 14, 6)..]
        "seen: not 2.14.5, 2.14.6";
    /// A limit of zero for a stream's consumers is none when an update compares what they have.
    ZeroConsumerLimitIsNone "zero-consumer-limit-is-none"
        [(2, 12, 12)..(2, 14, 0), (2, 14, 3)..]
        "nats-server commit 52e9c22d3, first tags v2.12.12 and v2.14.3";
    /// inactive_threshold under backoff goes by how often a message was delivered; before, by that of the message whose place is the
    /// delivery's number.
    InactivityCountsMessages "inactivity-counts-messages"
        [(2, 12, 12)..(2, 14, 0), (2, 14, 3)..]
        "nats-server commit f8482db2f, first tags v2.12.12 and v2.14.3";
    /// A purge below sequence 1 removes nothing; before, where it went message by message, it removed all.
    PurgeBelowOneRemovesNothing "purge-below-one-removes-nothing"
        [(2, 10, 0)..(2, 10, 4), (2, 12, 10)..(2, 14, 0), (2, 14, 2)..]
        "nats-server PR 8241, first tags v2.12.10 and v2.14.2; server/filestore.go PurgeEx of v2.10.3 and v2.10.4";
    /// A purge of a memory stream that keeps so many counts messages; before, sequences.
    KeepCountsMessages "keep-counts-messages"
        [(2, 12, 10)..(2, 14, 0), (2, 14, 2)..]
        "nats-server PR 8241, first tags v2.12.10 and v2.14.2";
    /// In a file stream, a purge of subjects that removes a single message tells consumers of it as of one that is deleted.
    FilePurgeOfOneTold "file-purge-of-one-told"
        [(2, 10, 28)..(2, 11, 0), (2, 11, 2)..]
        "nats-server commit 05d362fff, first tags v2.10.28 and v2.11.2";
    /// In a memory stream, a purge of subjects that removes several messages does not tell consumers of each.
    MemoryPurgeToldAtOnce "memory-purge-told-at-once"
        [(2, 14, 2)..]
        "nats-server commit 2e39aa25d, first tag v2.14.2";
    /// What a purge takes from a consumer is settled in the stored copy, too, which may move its floor further than that in memory.
    PurgeSettlesInStore "purge-settles-in-store"
        [(2, 12, 9)..(2, 14, 0), (2, 14, 1)..]
        "nats-server commit b8668a695, first tags v2.12.9 and v2.14.1";
    /// The newest message of a subject is found when the one after it was removed; before, not until the subject's messages were counted or one
    /// more came, if more than one was left.
    NewestLeftIsFound "newest-left-is-found"
        [(2, 12, 5)..]
        "nats-server commit d9083a6b4, first tag v2.12.5";
    /// The same where only one is left.
    OnlyOneLeftIsFound "only-one-left-is-found"
        [(2, 10, 27)..]
        "server/filestore.go removeSeqPerSubject, v2.10.26 and v2.10.27";
    /// A pinned client that is unpinned leaves no timer behind, and others have their turn at once; before, the timer went on and told that nobody
    /// was pinned any more, whoever was by then, and the others waited for something else to happen.
    UnpinStopsTimer "unpin-stops-timer"
        [(2, 12, 5)..]
        "server/consumer.go setPinnedTimer, server/jetstream_api.go jsConsumerUnpinRequest, v2.12.4 and v2.12.5";
    /// A pull request that expires is use of its consumer, whose inactive_threshold counts from then; before, from the request.
    ExpiryIsUse "expiry-is-use"
        [(2, 15, 0)..]
        "seen: not 2.14.6, 2.15.0";
    /// A server that starts again knows the id of a stream's last message however old it is; before, only within the duplicate window.
    LastIdOutlivesWindow "last-id-outlives-window"
        [(2, 15, 0)..]
        "seen: not 2.14.6, 2.15.0; not yet in the source of 2026-08-21";
    /// With `last_per_subject` messages are chosen by what is in the stream; before, each subject was asked for its newest message, which may not be
    /// found (see `newest-left-is-found`).
    LastPerSubjectLooksItself "last-per-subject-looks-itself"
        [(2, 10, 28)..(2, 11, 0), (2, 11, 2)..]
        "server/consumer.go selectStartingSeqNo, v2.10.27 and v2.10.28, v2.11.1 and v2.11.2";
    /// Where a purge below a sequence leaves nothing of a memory stream, its first sequence moves; before, and in file streams, only with the next
    /// message.
    MemoryCompactMovesFirst "memory-compact-moves-first"
        [(2, 12, 12)..(2, 14, 0), (2, 14, 3)..]
        "nats-server commit bdb7a6ed8, first tags v2.12.12 and v2.14.3";
}

/// The rules of one version. A version newer than the table has the newest rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    version: ServerVersion,
    /// One bit a rule: they are asked for with every message.
    held: u128,
}

const _: () = assert!(TABLE.len() <= u128::BITS as usize, "every rule needs a bit");

impl Rules {
    pub(crate) fn new(version: ServerVersion, flipped: Option<Rule>) -> Rules {
        let holds = |rule: &VersionRule| rule.holds(version) != (flipped == Some(rule.rule));
        let held = TABLE.iter().filter(|rule| holds(rule)).fold(0, |held, rule| held | 1 << (rule.rule as u128));
        Rules { version, held }
    }

    /// Whether this version behaves so.
    pub(crate) fn has(self, rule: Rule) -> bool {
        self.held >> (rule as u128) & 1 == 1
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
