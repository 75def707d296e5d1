//! What makes a stream's configuration valid, what a missing field means, and what an update may change. Rules of `checkStreamCfg` and
//! `configUpdateCheck` (`server/stream.go`, 2.15).

use jetlag_model::{ApiError, DiscardPolicy, Duration, RetentionPolicy, StreamConfig, filters_overlap, is_subset_of, is_valid_filter};

use crate::rules::{Rule, Rules};

/// How long message ids are remembered unless told otherwise.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// The shortest max_age and duplicate_window.
const SHORTEST: Duration = Duration::from_millis(100);
/// Longest name, bytes.
pub(crate) const LONGEST_NAME: usize = 255;

/// Fills in defaults and refuses what the server refuses, in the server's order.
pub(crate) fn checked(mut config: StreamConfig, rules: Rules) -> Result<StreamConfig, ApiError> {
    let invalid = |text: &'static str| Err(ApiError::stream_invalid_config(text));
    if !rules.has(Rule::SeparatorsRefused) {
        if !is_valid_name(&config.name.replace(['/', '\\'], "-")) {
            return invalid("stream name is required and can not contain '.', '*', '>'");
        }
    } else if !is_valid_name(&config.name) {
        return invalid("stream name is required and can not contain '.', '*', '>', '\\', '/'");
    }
    if config.name.len() > LONGEST_NAME {
        return invalid("stream name is too long, maximum allowed is 255");
    }
    if config.description.len() > 4096 {
        return invalid("stream description is too long, maximum allowed is 4096");
    }
    if config.num_replicas == 0 {
        config.num_replicas = 1;
    }
    if config.num_replicas > 5 {
        return invalid("maximum replicas is 5");
    }
    if config.num_replicas < 0 {
        return Err(ApiError::replicas_negative());
    }
    for limit in [&mut config.max_msgs, &mut config.max_bytes, &mut config.max_msgs_per_subject, &mut config.max_consumers] {
        normalise(limit, rules);
    }
    if config.max_msg_size == 0 || (config.max_msg_size < -1 && rules.has(Rule::NegativeNumbersNormalised)) {
        config.max_msg_size = -1;
    }
    if config.max_age.is_negative() && rules.has(Rule::NegativeMaxAgeNamed) {
        return invalid("max age can not be negative");
    }
    if config.max_age > Duration::ZERO && config.max_age < SHORTEST {
        return invalid("max age needs to be >= 100ms");
    }
    if config.duplicate_window.is_zero() {
        config.duplicate_window =
            if !config.max_age.is_zero() && config.max_age < DUPLICATE_WINDOW { config.max_age } else { DUPLICATE_WINDOW };
    }
    if config.duplicate_window.is_negative() {
        return invalid("duplicates window can not be negative");
    }
    if !config.max_age.is_zero() && config.duplicate_window > config.max_age {
        return invalid("duplicates window can not be larger then max age");
    }
    if config.duplicate_window < SHORTEST {
        return invalid("duplicates window needs to be >= 100ms");
    }
    if config.deny_purge && config.allow_rollup_hdrs {
        return invalid("roll-ups require the purge permission");
    }
    if config.discard_new_per_subject {
        if config.discard != DiscardPolicy::New {
            return invalid("discard new per subject requires discard new policy to be set");
        }
        if config.max_msgs_per_subject <= 0 {
            return invalid("discard new per subject requires max msgs per subject > 0");
        }
    }
    if config.subjects.is_empty() {
        config.subjects.push(config.name.clone());
    }
    check_subjects(&config, rules)?;
    config.allow_msg_ttl = rules.has(Rule::MessageTtls).then(|| config.allow_msg_ttl.unwrap_or(false));
    if config.allow_msg_ttl == Some(true) {
        return Err(ApiError::not_modelled("allow_msg_ttl"));
    }
    Ok(config)
}

fn check_subjects(config: &StreamConfig, rules: Rules) -> Result<(), ApiError> {
    let invalid = |text: &'static str| Err(ApiError::stream_invalid_config(text));
    let in_order = rules.has(Rule::OverlapsFoundInOrder);
    let within = |subject: &str, system: &str| {
        if rules.has(Rule::ApiSubjectsMayNotBeTouched) { filters_overlap(subject, system) } else { is_subset_of(subject, system) }
    };
    let api: &[&str] = if rules.has(Rule::ApiSubjectsMayNotBeTouched) { &["$JS.>", "$JSC.>", "$NRG.>"] } else { &["$JS.>", "$JSC.>"] };
    for (index, subject) in config.subjects.iter().enumerate() {
        if !is_valid_filter(subject) {
            return invalid("invalid subject");
        }
        if !in_order && config.subjects[..index].contains(subject) {
            return invalid("duplicate subjects detected");
        }
        if subject == ">" && !config.no_ack {
            return invalid("capturing all subjects requires no-ack to be true");
        }
        if !config.no_ack {
            if api.iter().any(|system| within(subject, system)) && !is_subset_of(subject, "$JS.EVENT.>") {
                return invalid("subjects that overlap with jetstream api require no-ack to be true");
            }
            if within(subject, "$SYS.>") && !is_subset_of(subject, "$SYS.ACCOUNT.>") {
                return invalid("subjects that overlap with system api require no-ack to be true");
            }
        }
        if in_order {
            check_own_overlap(config, index)?;
        }
    }
    (0..config.subjects.len()).filter(|_| !in_order).try_for_each(|index| check_own_overlap(config, index))
}

/// Refuses a stream whose subject number `index` would take messages of a later one.
fn check_own_overlap(config: &StreamConfig, index: usize) -> Result<(), ApiError> {
    let subject = &config.subjects[index];
    match config.subjects[index + 1..].iter().find(|other| filters_overlap(subject, other)) {
        Some(other) => Err(ApiError::stream_invalid_config(format!("subject {subject:?} overlaps with {other:?}"))),
        None => Ok(()),
    }
}

/// The level of the API that a server must have to keep such a stream.
pub(crate) fn required_level(config: &StreamConfig) -> u8 {
    u8::from(config.allow_msg_ttl == Some(true))
}

/// A limit of 0 means none, as does one below -1 from 2.12 on.
fn normalise(limit: &mut i64, rules: Rules) {
    if *limit == 0 || (*limit < -1 && rules.has(Rule::NegativeNumbersNormalised)) {
        *limit = -1;
    }
}

/// A name that can be a token of a subject and a folder.
pub(crate) fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['.', '*', '>', ' ', '\t', '\r', '\n', '\x0c', '/', '\\'])
}

/// Refuses copies on several servers: there is only one.
pub(crate) fn check_replicas(config: &StreamConfig) -> Result<(), ApiError> {
    if config.num_replicas > 1 { Err(ApiError::replicas_not_supported()) } else { Ok(()) }
}

/// Refuses what an update may not change.
pub(crate) fn check_update(old: &StreamConfig, new: &StreamConfig, rules: Rules) -> Result<(), ApiError> {
    let refuse = |text: &'static str| Err(ApiError::stream_update(text));
    if old.max_consumers != new.max_consumers && !rules.has(Rule::MaxConsumersUpdatable) {
        return refuse("stream configuration update can not change MaxConsumers");
    }
    if old.storage != new.storage {
        return refuse("stream configuration update can not change storage type");
    }
    if old.retention != new.retention && [old.retention, new.retention].contains(&RetentionPolicy::WorkQueue) {
        return refuse("stream configuration update can not change retention policy to/from workqueue");
    }
    if old.sealed && !new.sealed {
        return refuse("stream configuration update can not unseal a sealed stream");
    }
    if old.deny_delete && !new.deny_delete {
        return refuse("stream configuration update can not cancel deny message deletes");
    }
    if old.deny_purge && !new.deny_purge {
        return refuse("stream configuration update can not cancel deny purge");
    }
    Ok(())
}

/// What sealing a stream implies.
pub(crate) fn seal(config: &mut StreamConfig) {
    if config.sealed {
        config.max_age = Duration::ZERO;
        config.discard = DiscardPolicy::New;
        config.deny_delete = true;
        config.deny_purge = true;
        config.allow_rollup_hdrs = false;
    }
}
