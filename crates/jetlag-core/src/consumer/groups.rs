//! Priority groups: which pull request is the next one's to serve, and who is pinned. Rules of `nextWaiting`, `assignNewPinId`,
//! `setPinnedTimer`, `insertAtPosition` and `jsConsumerUnpinRequest` (`server/consumer.go`, `server/jetstream_api.go`, 2.15).

use jetlag_model::{
    Advisory, ApiError, ConsumerConfig, Duration, Headers, PriorityGroupState, PriorityPolicy, PullRequest, RequestPriority, Time, WallTime,
};

use super::Consumer;
use super::waiting::Waiting;
use crate::context::Context;
use crate::rules::{Rule, Rules};
use crate::stream::Log;

/// The pinned client.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    group: String,
    pub(super) id: String,
    since: WallTime,
}

/// When the pinned client is not the pinned one any more, unless it asks before.
#[derive(Clone, Debug)]
pub(super) struct PinTimer {
    until: Time,
    /// The group of the client that it was set for first.
    group: String,
}

/// What a request at the head of the queue is to a message.
pub(super) enum Turn {
    /// It may have it; whether it became the pinned one for it.
    Its { pinned: bool },
    /// It waits on, behind the others.
    Passes,
    /// It is of a client that is not the pinned one any more.
    WrongPin,
}

/// Refuses groups that are none.
pub(super) fn check(config: &ConsumerConfig, rules: Rules) -> Result<(), ApiError> {
    if config.priority_policy == PriorityPolicy::None {
        if !rules.has(Rule::GroupsNeedPolicy) {
            return Ok(());
        }
        if !config.priority_groups.is_empty() {
            return Err(ApiError::priority_group_with_policy_none());
        }
        return if config.priority_timeout > Duration::ZERO { Err(ApiError::pinned_ttl_without_policy()) } else { Ok(()) };
    }
    if config.is_push() && rules.has(Rule::GroupsNeedPull) {
        return Err(ApiError::push_with_priority_group());
    }
    if config.priority_groups.is_empty() {
        return Err(ApiError::priority_policy_without_group());
    }
    let check = |group: &String| if group.is_empty() { Err(ApiError::empty_group_name()) } else { check_group(group) };
    config.priority_groups.iter().try_for_each(check)
}

/// Refuses a policy that a server can not read, before anything else is looked at.
pub(crate) fn check_policy(config: &ConsumerConfig, rules: Rules) -> Result<(), ApiError> {
    let unknown = config.priority_policy == PriorityPolicy::Prioritized && !rules.has(Rule::PrioritizedPolicy);
    if unknown && rules.has(Rule::PriorityGroups) {
        return Err(ApiError::invalid_json(Some("unknown priority policy: \"prioritized\"")));
    }
    Ok(())
}

/// Refuses a name that no group can have.
pub(crate) fn check_group(group: &str) -> Result<(), ApiError> {
    if group.is_empty() {
        return Err(ApiError::invalid_json(Some("consumer group not specified")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_=-".contains(c);
    if group.len() <= 16 && group.chars().all(allowed) { Ok(()) } else { Err(ApiError::invalid_group_name()) }
}

impl Consumer {
    /// Refuses a request whose priority makes no sense here, with a status for each reason. Says whether the request is taken. One by the
    /// pinned client keeps it pinned.
    pub(super) fn check_priority(&mut self, request: &PullRequest, reply: &str, cx: &mut Context) -> bool {
        if !request.is_object {
            return true;
        }
        let (asked, policy) = (&request.priority, self.config.priority_policy);
        let mut misplaced = Vec::new();
        if (asked.min_pending != 0 || asked.min_ack_pending != 0) && policy != PriorityPolicy::Overflow {
            misplaced.push("Bad Request - Not a Overflow Priority consumer");
        }
        if !asked.id.is_empty() && policy != PriorityPolicy::PinnedClient {
            misplaced.push("Bad Request - Not a Pinned Client Priority consumer");
        }
        let ends = cx.rules.has(Rule::RefusedPriorityEnds);
        for text in misplaced {
            cx.send_status(reply, Headers::from_status(400, text));
            if ends {
                return false;
            }
        }
        if cx.rules.has(Rule::PrioritizedPolicy) && !(0..=9).contains(&asked.priority) {
            cx.send_status(reply, Headers::from_status(400, "Bad Request - Priority must be between 0 and 9"));
            return false;
        }
        if policy == PriorityPolicy::None {
            return true;
        }
        let (code, text) = if asked.group.is_empty() {
            (400, "Bad Request - Priority Group missing")
        } else if !self.config.priority_groups.contains(&asked.group) {
            (400, "Bad Request - Invalid Priority Group")
        } else {
            match &self.pin {
                Some(pin) if pin.id == asked.id => {
                    let group = pin.group.clone();
                    self.set_pin_timer(group, cx);
                    return true;
                }
                Some(_) if !asked.id.is_empty() => (423, "Nats-Pin-Id mismatch"),
                _ => return true,
            }
        };
        cx.send_status(reply, Headers::from_status(code, text));
        false
    }

    /// Puts a request where it belongs: at the end, or behind the last one that is as urgent.
    pub(super) fn enqueue(&mut self, waiting: Waiting) {
        if self.config.priority_policy == PriorityPolicy::Prioritized {
            let priority = |waiting: &Waiting| waiting.priority.as_ref().map_or(i64::MAX, |asked| asked.priority);
            let own = priority(&waiting);
            let place = self.waiting.iter().position(|other| priority(other) > own).unwrap_or(self.waiting.len());
            self.waiting.insert(place, waiting);
        } else {
            self.waiting.push_back(waiting);
        }
    }

    /// Whether it is the turn of a request. It may become the pinned one if nobody was when the search for a request began.
    pub(super) fn turn(&mut self, waiting: &mut Waiting, nobody_pinned: bool, cx: &mut Context) -> Turn {
        match self.config.priority_policy {
            PriorityPolicy::PinnedClient => {
                let id = waiting.priority.as_ref().map_or("", |asked| asked.id.as_str());
                if nobody_pinned && id.is_empty() {
                    self.pin_to(waiting.priority.as_mut(), cx);
                    return Turn::Its { pinned: true };
                }
                match &self.pin {
                    Some(pin) if pin.id == id && !nobody_pinned => Turn::Its { pinned: false },
                    Some(_) if id.is_empty() => Turn::Passes,
                    Some(_) | None => Turn::WrongPin,
                }
            }
            PriorityPolicy::Overflow => {
                let Some(RequestPriority { min_pending, min_ack_pending, .. }) = waiting.priority else {
                    return Turn::Its { pinned: false };
                };
                // The message that is about to go is not counted as pending any more.
                let pending = (min_pending > 0).then(|| min_pending <= self.num_pending + 1);
                let unsettled = i64::try_from(self.pending.len()).unwrap_or(i64::MAX);
                let ack_pending = (min_ack_pending > 0).then_some(min_ack_pending <= unsettled);
                let both = [pending, ack_pending].into_iter().flatten();
                let met =
                    if cx.rules.has(Rule::EitherOverflowIsEnough) { both.clone().any(|met| met) } else { both.clone().all(|met| met) };
                if both.count() == 0 || met { Turn::Its { pinned: false } } else { Turn::Passes }
            }
            PriorityPolicy::None | PriorityPolicy::Prioritized => Turn::Its { pinned: false },
        }
    }

    fn pin_to(&mut self, asked: Option<&mut RequestPriority>, cx: &mut Context) {
        let Some(asked) = asked.filter(|asked| !asked.group.is_empty()) else { return };
        let id = cx.ids.draw();
        asked.id.clone_from(&id);
        cx.advise(&self.stream, &self.name, &Advisory::Pinned { group: asked.group.clone(), id: id.clone() });
        self.pin = Some(Pin { group: asked.group.clone(), id, since: cx.now.wall });
        self.set_pin_timer(asked.group.clone(), cx);
    }

    fn set_pin_timer(&mut self, group: String, cx: &Context) {
        let until = cx.now.mono + self.config.priority_timeout;
        self.pin_timer.get_or_insert(PinTimer { until, group }).until = until;
    }

    /// Nobody is pinned any more. On older servers the timer does not hear of it.
    pub(super) fn drop_pin(&mut self, rules: Rules) {
        self.pin = None;
        if rules.has(Rule::UnpinStopsTimer) {
            self.pin_timer = None;
        }
    }

    /// Releases the pinned client of a group, because somebody asked for it.
    pub(crate) fn unpin(&mut self, group: &str, log: &Log, cx: &mut Context) -> Result<(), ApiError> {
        if !self.config.priority_groups.iter().any(|own| own == group) {
            return Err(ApiError::invalid_priority_group());
        }
        self.drop_pin(cx.rules);
        cx.advise(&self.stream, &self.name, &Advisory::Unpinned { group: group.to_owned(), reason: "admin" });
        if cx.rules.has(Rule::UnpinStopsTimer) {
            self.run(log, cx);
        }
        Ok(())
    }

    /// The pinned client has asked for nothing for too long, if there still is one.
    pub(crate) fn pin_expired(&mut self, log: &Log, cx: &mut Context) {
        self.pin = None;
        if let Some(timer) = self.pin_timer.take() {
            cx.advise(&self.stream, &self.name, &Advisory::Unpinned { group: timer.group, reason: "timeout" });
            self.run(log, cx);
        }
    }

    pub(super) fn pin_deadline(&self) -> Option<Time> {
        self.pin_timer.as_ref().map(|timer| timer.until)
    }

    /// Who is pinned, of the first group.
    pub(super) fn group_state(&self) -> Vec<PriorityGroupState> {
        let first = self.config.priority_groups.first();
        let state = |group: &String| PriorityGroupState {
            group: group.clone(),
            pinned_client_id: self.pin.as_ref().map(|pin| pin.id.clone()).unwrap_or_default(),
            pinned_ts: self.pin.as_ref().map(|pin| pin.since),
        };
        first.map(state).into_iter().collect()
    }
}
