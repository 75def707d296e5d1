//! What makes a consumer's configuration valid, what a missing field means, and what an update may change. Rules of
//! `setConsumerConfigDefaults`, `checkConsumerCfg` and `checkNewConsumerConfig` (`server/consumer.go`, 2.15), in their order.

use jetlag_model::{
    AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, Duration, PriorityPolicy, ReplayPolicy, RetentionPolicy, StreamConfig,
    filters_overlap, is_subset_of, is_valid_filter, is_valid_literal,
};

use super::groups;
use crate::rules::{Rule, Rules};
use crate::stream::is_valid_name;

const ACK_WAIT: Duration = Duration::from_secs(30);
const MAX_WAITING: i64 = 512;
const MAX_ACK_PENDING: i64 = 1000;
/// How long a client stays the pinned one without a request.
const PRIORITY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an ephemeral consumer stays unused.
const INACTIVE_THRESHOLD: Duration = Duration::from_secs(5);

/// Fills in defaults and refuses what the server refuses.
pub(crate) fn checked(mut config: ConsumerConfig, stream: &StreamConfig, rules: Rules) -> Result<ConsumerConfig, ApiError> {
    set_defaults(&mut config, stream, rules);
    check(&config, stream, rules)?;
    if !config.is_durable() && config.inactive_threshold <= Duration::ZERO {
        config.inactive_threshold = INACTIVE_THRESHOLD;
    }
    Ok(config)
}

fn set_defaults(config: &mut ConsumerConfig, stream: &StreamConfig, rules: Rules) {
    let normalise = rules.has(Rule::NegativeNumbersNormalised);
    if config.max_deliver == 0 || (config.max_deliver < -1 && normalise) {
        config.max_deliver = -1;
    }
    if normalise {
        config.max_waiting = config.max_waiting.max(0);
        config.max_ack_pending = config.max_ack_pending.max(-1);
        config.max_batch = config.max_batch.max(0);
        config.max_expires = config.max_expires.max(Duration::ZERO);
        config.max_bytes = config.max_bytes.max(0);
        config.idle_heartbeat = config.idle_heartbeat.max(Duration::ZERO);
        config.inactive_threshold = config.inactive_threshold.max(Duration::ZERO);
        config.priority_timeout = config.priority_timeout.max(Duration::ZERO);
    }
    if !config.is_push() && config.max_waiting == 0 {
        config.max_waiting = MAX_WAITING;
    }
    if config.ack_wait.is_zero() && config.ack_policy != AckPolicy::None {
        config.ack_wait = ACK_WAIT;
    }
    // The first step takes the place of ack_wait, whatever the user asked for.
    if let Some(first) = config.backoff.first() {
        config.ack_wait = *first;
    }
    if config.max_ack_pending == 0 {
        config.max_ack_pending = stream.consumer_limits.max_ack_pending;
    }
    if config.inactive_threshold.is_zero() {
        config.inactive_threshold = stream.consumer_limits.inactive_threshold;
    }
    if config.max_ack_pending == 0 && config.ack_policy != AckPolicy::None {
        config.max_ack_pending = MAX_ACK_PENDING;
    }
    if !rules.has(Rule::PriorityGroups) {
        // Older servers do not know these fields.
        config.priority_groups.clear();
        config.priority_policy = PriorityPolicy::None;
        config.priority_timeout = Duration::ZERO;
    }
    if config.priority_policy == PriorityPolicy::PinnedClient && config.priority_timeout.is_zero() {
        config.priority_timeout = PRIORITY_TIMEOUT;
    }
}

fn check(config: &ConsumerConfig, stream: &StreamConfig, rules: Rules) -> Result<(), ApiError> {
    if rules.has(Rule::SeparatorsRefused) {
        if !config.name.is_empty() && !is_valid_name(&config.name) {
            return Err(ApiError::stream_invalid_config("consumer name can not contain '.', '*', '>', '\\', '/'"));
        }
        if !config.durable_name.is_empty() && !is_valid_name(&config.durable_name) {
            return Err(ApiError::stream_invalid_config("consumer durable name can not contain '.', '*', '>', '\\', '/'"));
        }
    } else if !is_valid_name(&config.name.replace(['/', '\\'], "-")) && !config.name.is_empty() {
        return Err(ApiError::bad_durable_name());
    }
    if config.num_replicas > stream.num_replicas {
        return Err(ApiError::replicas_exceed_stream());
    }
    if config.num_replicas < 0 {
        return Err(ApiError::replicas_negative());
    }
    if rules.has(Rule::NegativeWaitsRefused) {
        if config.backoff.iter().any(|step| step.is_negative()) {
            return Err(ApiError::backoff_negative());
        }
        if config.ack_wait.is_negative() {
            return Err(ApiError::ack_wait_negative());
        }
    }
    check_backoff(config, rules)?;
    if config.description.len() > 4096 {
        return Err(ApiError::description_too_long());
    }
    if config.is_push() {
        check_push(config, stream)?
    } else {
        check_pull(config, stream, rules)?
    }
    let limits = &stream.consumer_limits;
    if limits.max_ack_pending > 0 && config.max_ack_pending > limits.max_ack_pending {
        return Err(ApiError::max_ack_pending_exceeds(limits.max_ack_pending));
    }
    if limits.inactive_threshold > Duration::ZERO && config.inactive_threshold > limits.inactive_threshold {
        return Err(ApiError::inactive_threshold_exceeds(limits.inactive_threshold));
    }
    check_filters(config, rules)?;
    check_start(config)?;
    if !config.sample_freq.is_empty() {
        let number = config.sample_freq.strip_suffix('%').unwrap_or(&config.sample_freq);
        if number.parse::<i64>().map_or(true, |number| number < 0) {
            return Err(ApiError::invalid_sampling(&format!("strconv.Atoi: parsing {number:?}: invalid syntax")));
        }
    }
    if config.flow_control && config.idle_heartbeat.is_zero() {
        return Err(ApiError::flow_control_needs_heartbeats());
    }
    if !config.durable_name.is_empty() && !config.name.is_empty() && config.durable_name != config.name {
        return Err(ApiError::durable_and_name_mismatch());
    }
    groups::check(config, rules)
}

fn check_backoff(config: &ConsumerConfig, rules: Rules) -> Result<(), ApiError> {
    let steps = i64::try_from(config.backoff.len()).unwrap_or(i64::MAX);
    let too_many = if rules.has(Rule::BackoffMayEqualMaxDeliver) { steps > config.max_deliver } else { steps >= config.max_deliver };
    if steps > 0 && config.max_deliver != -1 && too_many { Err(ApiError::max_deliver_backoff()) } else { Ok(()) }
}

fn check_push(config: &ConsumerConfig, stream: &StreamConfig) -> Result<(), ApiError> {
    if config.deliver_subject.split('.').any(|token| token == "*" || token == ">") {
        return Err(ApiError::deliver_to_wildcards());
    }
    if !is_valid_literal(&config.deliver_subject) {
        return Err(ApiError::invalid_deliver_subject());
    }
    if stream.subjects.iter().any(|subject| filters_overlap(subject, &config.deliver_subject)) {
        return Err(ApiError::deliver_cycle());
    }
    if config.max_waiting != 0 {
        return Err(ApiError::push_max_waiting());
    }
    if config.max_ack_pending > 0 && config.ack_policy == AckPolicy::None {
        return Err(ApiError::max_ack_pending_without_acks());
    }
    if config.idle_heartbeat > Duration::ZERO && config.idle_heartbeat < Duration::from_millis(100) {
        return Err(ApiError::small_heartbeat());
    }
    Ok(())
}

fn check_pull(config: &ConsumerConfig, stream: &StreamConfig, rules: Rules) -> Result<(), ApiError> {
    if config.ack_policy == AckPolicy::None && stream.retention == RetentionPolicy::WorkQueue {
        return Err(ApiError::pull_requires_ack(rules.has(Rule::PullRequiresExplicitAckText)));
    }
    if config.rate_limit_bps > 0 {
        return Err(ApiError::rate_limit_requires_push());
    }
    if config.max_waiting < 0 {
        return Err(ApiError::max_waiting_negative());
    }
    if config.idle_heartbeat > Duration::ZERO {
        return Err(ApiError::heartbeat_requires_push());
    }
    if config.flow_control {
        return Err(ApiError::flow_control_requires_push());
    }
    if config.max_batch < 0 {
        return Err(ApiError::max_batch_negative());
    }
    if !config.max_expires.is_zero() && config.max_expires < Duration::from_millis(1) {
        return Err(ApiError::max_expires_too_small());
    }
    Ok(())
}

fn check_filters(config: &ConsumerConfig, rules: Rules) -> Result<(), ApiError> {
    if !config.filter_subject.is_empty() && !config.filter_subjects.is_empty() {
        return Err(ApiError::duplicate_filters());
    }
    if !config.filter_subject.is_empty() && !is_valid_filter(&config.filter_subject) {
        return Err(ApiError::stream_invalid_config("invalid subject"));
    }
    if config.filter_subjects.iter().any(String::is_empty) {
        return Err(ApiError::empty_filter());
    }
    let filters = config.filters();
    for (index, filter) in filters.iter().enumerate() {
        if !is_valid_filter(filter) {
            return Err(ApiError::stream_invalid_config("invalid subject"));
        }
        let collides = |other| {
            if rules.has(Rule::CrossingFiltersAccepted) { is_subset_of(filter, other) } else { filters_overlap(filter, other) }
        };
        if filters.iter().enumerate().any(|(at, other)| at != index && collides(other)) {
            return Err(ApiError::overlapping_filters());
        }
    }
    Ok(())
}

fn check_start(config: &ConsumerConfig) -> Result<(), ApiError> {
    let also_set = |policy: &str, start: &str| {
        Err(ApiError::consumer_invalid_policy(format!(
            "consumer delivery policy is deliver {policy}, but optional start {start} is also set"
        )))
    };
    let not_set = |policy: &str, what: &str| {
        Err(ApiError::consumer_invalid_policy(format!("consumer delivery policy is deliver {policy}, but optional {what} is not set")))
    };
    let (seq, time) = (config.opt_start_seq > 0, config.opt_start_time.is_some());
    let policy = match config.deliver_policy {
        DeliverPolicy::ByStartSequence if !seq => return not_set("by start sequence", "start sequence"),
        DeliverPolicy::ByStartSequence if time => return also_set("by start sequence", "time"),
        DeliverPolicy::ByStartTime if !time => return not_set("by start time", "start time"),
        DeliverPolicy::ByStartTime if seq => return also_set("by start time", "start sequence"),
        DeliverPolicy::ByStartSequence | DeliverPolicy::ByStartTime => return Ok(()),
        DeliverPolicy::All => "all",
        DeliverPolicy::Last => "last",
        DeliverPolicy::New => "new",
        DeliverPolicy::LastPerSubject => "last per subject",
    };
    if seq {
        return also_set(policy, "sequence");
    }
    if time {
        return also_set(policy, "time");
    }
    if config.deliver_policy == DeliverPolicy::LastPerSubject && config.filters().is_empty() {
        return not_set(policy, "filter subject");
    }
    Ok(())
}

/// The level of the API that a server must have to keep such a consumer.
pub(crate) fn required_level(config: &ConsumerConfig) -> u8 {
    let grouped =
        config.priority_policy != PriorityPolicy::None || !config.priority_timeout.is_zero() || !config.priority_groups.is_empty();
    u8::from(grouped)
}

/// Refuses what the server would take and this simulator does not model.
pub(crate) fn check_modelled(config: &ConsumerConfig) -> Result<(), ApiError> {
    let what = if config.replay_policy != ReplayPolicy::Instant {
        "replay_policy original"
    } else if !config.sample_freq.is_empty() {
        "sample_freq"
    } else if config.rate_limit_bps > 0 {
        "rate_limit_bps"
    } else {
        return Ok(());
    };
    Err(ApiError::not_modelled(what))
}

/// Refuses what an update may not change. `in_use` says whether somebody listens on the old deliver subject.
pub(crate) fn check_update(old: &ConsumerConfig, new: &ConsumerConfig, in_use: bool, rules: Rules) -> Result<(), ApiError> {
    let refuse = |text: &'static str| Err(ApiError::consumer_create(text));
    if old.deliver_policy != new.deliver_policy {
        return refuse("deliver policy can not be updated");
    }
    if old.mem_storage != new.mem_storage && rules.has(Rule::MemStorageFixed) {
        return refuse("storage type can not be updated");
    }
    if old.opt_start_seq != new.opt_start_seq {
        return refuse("start sequence can not be updated");
    }
    if old.opt_start_time != new.opt_start_time {
        return refuse("start time can not be updated");
    }
    if old.ack_policy != new.ack_policy {
        return refuse("ack policy can not be updated");
    }
    if old.replay_policy != new.replay_policy {
        return refuse("replay policy can not be updated");
    }
    if old.idle_heartbeat != new.idle_heartbeat {
        return refuse("heart beats can not be updated");
    }
    if old.flow_control != new.flow_control {
        return refuse("flow control can not be updated");
    }
    if old.deliver_subject != new.deliver_subject {
        if old.deliver_subject.is_empty() {
            return refuse("can not update pull consumer to push based");
        }
        if new.deliver_subject.is_empty() {
            return refuse("can not update push consumer to pull based");
        }
        if in_use {
            return Err(ApiError::consumer_name_in_use());
        }
    }
    if old.max_waiting != new.max_waiting {
        return refuse("max waiting can not be updated");
    }
    check_backoff(new, rules)
}

/// Whether two configurations say the same, the server's own metadata aside.
pub(crate) fn same_config(a: &ConsumerConfig, b: &ConsumerConfig) -> bool {
    let own = |config: &ConsumerConfig| {
        let mut config = config.clone();
        config.metadata.retain(|name, _| !name.starts_with("_nats."));
        config
    };
    own(a) == own(b)
}
