//! Pull requests: taken, queued, chosen, expired. Rules of `processNextMsgRequest`, `nextWaiting`, `processWaiting` and `waitQueue`
//! (`server/consumer.go`, 2.15).

use jetlag_model::{Duration, Headers, PullRequest, PullRequestError, RequestPriority, Text, Time};

use super::Consumer;
use super::groups::Turn;
use crate::Note;
use crate::context::Context;
use crate::rules::Rule;
use crate::stream::Log;

/// Status of waiting requests when their consumer is deleted: text, and whether it counts what is missing.
pub(super) const CONSUMER_DELETED: (&str, bool) = ("Consumer Deleted", false);
/// Status of waiting requests when the server stops.
pub(super) const SERVER_SHUTDOWN: (&str, bool) = ("Server Shutdown", true);

/// How often a full queue is searched for requests that can go.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A queued pull request.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) reply: Text,
    /// Messages still owed; a request for none or fewer still gets one.
    pub(super) missing: i64,
    delivered: u64,
    /// Bytes left, if limited.
    pub(super) bytes: i64,
    expires: Option<Time>,
    /// It asked for less than no time: it has expired before it came.
    too_late: bool,
    heartbeat: Duration,
    next_heartbeat: Option<Time>,
    no_wait: bool,
    /// What it says to a priority policy, if it can.
    pub(super) priority: Option<RequestPriority>,
}

impl Waiting {
    /// The headers that say what is missing.
    fn counts(&self, status: Headers) -> Headers {
        counts(status, self.missing, self.bytes)
    }
}

/// A request that a message was found for, after the message was taken off its account.
pub(super) struct Chosen {
    pub(super) reply: Text,
    pub(super) missing: i64,
    pub(super) bytes: i64,
}

fn counts(status: Headers, missing: i64, bytes: i64) -> Headers {
    status.with("Nats-Pending-Messages", &missing.to_string()).with("Nats-Pending-Bytes", &bytes.to_string())
}

/// What ends a request whose batch is full although it has bytes left.
pub(super) fn batch_completed(missing: i64, bytes: i64) -> Headers {
    counts(Headers::from_status(409, "Batch Completed"), missing, bytes)
}

impl Consumer {
    /// Somebody published to the consumer's `MSG.NEXT` subject.
    pub(crate) fn request(&mut self, reply: &str, body: &[u8], log: &Log, cx: &mut Context) {
        if self.pull(reply, body, cx) {
            self.run(log, cx);
        }
    }

    /// Takes a pull request, or answers why not. Says whether it was taken.
    pub(super) fn pull(&mut self, reply: &str, body: &[u8], cx: &mut Context) -> bool {
        if self.config.is_push() {
            cx.send_status(reply, Headers::from_status(409, "Consumer is push based"));
            return false;
        }
        let request = match PullRequest::parse(body) {
            Ok(request) => request,
            Err(error @ (PullRequestError::Json(_) | PullRequestError::HeartbeatTooLarge)) => {
                cx.send_status(reply, Headers::from_status(400, &format!("Bad Request - {error}")));
                return false;
            }
        };
        let limits = &self.config;
        if limits.max_batch > 0 && request.batch > limits.max_batch {
            let text = format!("Exceeded MaxRequestBatch of {}", limits.max_batch);
            cx.send_status(reply, Headers::from_status(409, &text));
            return false;
        }
        if limits.max_expires > Duration::ZERO && request.expires > limits.max_expires {
            let text = format!("Exceeded MaxRequestExpires of {}", limits.max_expires.as_go());
            cx.send_status(reply, Headers::from_status(409, &text));
            return false;
        }
        if limits.max_bytes > 0 && request.max_bytes > limits.max_bytes {
            let text = format!("Exceeded MaxRequestMaxBytes of {}", limits.max_bytes);
            cx.send_status(reply, Headers::from_status(409, &text));
            return false;
        }
        if cx.rules.has(Rule::PriorityGroups) && !self.check_priority(&request, reply, cx) {
            return false;
        }
        if self.is_full() && self.swept.is_none_or(|swept| cx.now.mono.since(swept) > SWEEP_EVERY) {
            self.sweep_waiting(false, false, cx);
        }
        if request.no_wait {
            let available = self.num_pending() + self.queue.len();
            if available == 0 && request.expires.is_zero() {
                self.touch(cx.now);
                cx.send_status(reply, Headers::from_status(404, "No Messages"));
                return false;
            }
            if available > 0 {
                self.sweep_waiting(false, false, cx);
                let owed: i64 = self.waiting.iter().map(|waiting| waiting.missing).sum();
                if i64::try_from(available).is_ok_and(|available| available < owed) {
                    self.touch(cx.now);
                    cx.send_status(reply, Headers::from_status(408, "Requests Pending"));
                    return false;
                }
            }
        }
        if self.is_full() {
            // A client that listens for heartbeats finds out by their absence; an answer would make it ask again at once.
            let silent = request.idle_heartbeat > Duration::ZERO && cx.rules.has(Rule::MaxWaitingSilentWithHeartbeat);
            if !silent {
                cx.send_status(reply, Headers::from_status(409, "Exceeded MaxWaiting"));
            }
            return false;
        }
        let reply: Text = reply.into();
        cx.note(Note::PullQueued { at: self.at(), reply: reply.clone(), batch: request.batch });
        let heartbeat = request.idle_heartbeat;
        self.enqueue(Waiting {
            reply,
            missing: request.batch,
            delivered: 0,
            bytes: request.max_bytes,
            expires: (!request.expires.is_zero()).then(|| cx.now.mono + request.expires),
            too_late: request.expires.is_negative(),
            heartbeat,
            next_heartbeat: (heartbeat > Duration::ZERO).then(|| cx.now.mono + heartbeat),
            no_wait: request.no_wait,
            priority: request.is_object.then_some(request.priority),
        });
        self.touch(cx.now);
        true
    }

    fn is_full(&self) -> bool {
        usize::try_from(self.config.max_waiting).is_ok_and(|max| self.waiting.len() >= max)
    }

    /// Chooses the request that gets a message of `size` bytes, and books it. Requests take turns, a message each.
    pub(super) fn choose_waiting(&mut self, size: i64, cx: &mut Context) -> Option<Chosen> {
        let mut passed = 0;
        let nobody_pinned = self.pin.is_none();
        let bytes_first = !cx.rules.has(Rule::PriorityBeforeBytes);
        while passed < self.waiting.len()
            && let Some(mut waiting) = self.waiting.pop_front()
        {
            if waiting.too_late || waiting.expires.is_some_and(|expires| cx.now.mono > expires) {
                cx.send_status(waiting.reply.clone(), waiting.counts(Headers::from_status(408, "Request Timeout")));
                self.ended(&waiting, cx);
                continue;
            }
            if bytes_first && !self.charge(&mut waiting, size, cx) {
                continue;
            }
            match self.turn(&mut waiting, nobody_pinned, cx) {
                Turn::Its { pinned } => {
                    if !bytes_first && !self.charge(&mut waiting, size, cx) {
                        if pinned {
                            self.drop_pin(cx.rules);
                        }
                        continue;
                    }
                }
                Turn::Passes => {
                    self.waiting.push_back(waiting);
                    passed += 1;
                    continue;
                }
                Turn::WrongPin => {
                    let status = Headers::from_status(423, "Nats-Wrong-Pin-Id");
                    let status = if cx.rules.has(Rule::WrongPinCounts) { waiting.counts(status) } else { status };
                    cx.send_status(waiting.reply.clone(), status);
                    self.ended(&waiting, cx);
                    continue;
                }
            }
            if !cx.connections.interest(&waiting.reply) {
                self.ended(&waiting, cx);
                continue;
            }
            waiting.delivered += 1;
            waiting.missing -= 1;
            let chosen = Chosen { reply: waiting.reply.clone(), missing: waiting.missing, bytes: waiting.bytes };
            if waiting.missing > 0 {
                if waiting.heartbeat > Duration::ZERO {
                    waiting.next_heartbeat = Some(cx.now.mono + waiting.heartbeat);
                }
                self.enqueue(waiting);
            } else {
                self.ended(&waiting, cx);
            }
            return Some(chosen);
        }
        None
    }

    /// Takes the bytes of a message off what a request may still get, or ends the request if they are too many. Says which.
    fn charge(&self, waiting: &mut Waiting, size: i64, cx: &mut Context) -> bool {
        if waiting.bytes <= 0 {
            return true;
        }
        if size > waiting.bytes {
            cx.send_status(waiting.reply.clone(), waiting.counts(Headers::from_status(409, "Message Size Exceeds MaxBytes")));
            self.ended(waiting, cx);
            return false;
        }
        waiting.bytes -= size;
        if waiting.bytes == 0 {
            waiting.missing = 1;
        }
        true
    }

    /// Goes through the queue: expired requests and those nobody listens to leave it, heartbeats are sent. `end_of_data` also ends requests
    /// that do not wait; `due` counts what is due at this very instant as past, which only its own deadline may do.
    pub(super) fn sweep_waiting(&mut self, end_of_data: bool, due: bool, cx: &mut Context) {
        if self.waiting.is_empty() {
            return;
        }
        self.swept = Some(cx.now.mono);
        let now = cx.now.mono;
        let past = |at: Option<Time>| at.is_some_and(|at| now > at || (due && now == at));
        let mut all = std::mem::take(&mut self.waiting);
        all.retain_mut(|waiting| {
            if waiting.too_late || past(waiting.expires) {
                cx.send_status(waiting.reply.clone(), waiting.counts(Headers::from_status(408, "Request Timeout")));
                self.ended(waiting, cx);
                if cx.rules.has(Rule::ExpiryIsUse) {
                    self.touch(cx.now);
                }
                return false;
            }
            if end_of_data && waiting.no_wait {
                let got_some = waiting.delivered > 0;
                let status = if cx.rules.has(Rule::NoWaitEndsWith404) {
                    (waiting.expires.is_none() || got_some).then(|| Headers::from_status(404, "No Messages"))
                } else {
                    got_some.then(|| waiting.counts(Headers::from_status(408, "Request Timeout")))
                };
                if let Some(status) = status {
                    cx.send_status(waiting.reply.clone(), status);
                    self.ended(waiting, cx);
                    return false;
                }
            }
            if !cx.connections.interest(&waiting.reply) {
                self.ended(waiting, cx);
                return false;
            }
            if past(waiting.next_heartbeat) {
                cx.send_status(waiting.reply.clone(), self.heartbeat_status());
                waiting.next_heartbeat = Some(now + waiting.heartbeat);
            }
            true
        });
        self.waiting = all;
    }

    /// `100 Idle Heartbeat`, with what was delivered last and how far the stream was looked through.
    pub(super) fn heartbeat_status(&self) -> Headers {
        Headers::from_status(100, "Idle Heartbeat")
            .with("Nats-Last-Consumer", &self.next_consumer.prev().to_string())
            .with("Nats-Last-Stream", &self.next_stream.prev().to_string())
    }

    /// Ends all requests with a status.
    pub(super) fn release_waiting(&mut self, (text, counted): (&str, bool), cx: &mut Context) {
        for waiting in std::mem::take(&mut self.waiting) {
            let status = Headers::from_status(409, text);
            cx.send_status(waiting.reply.clone(), if counted { waiting.counts(status) } else { status });
            self.ended(&waiting, cx);
        }
    }

    fn ended(&self, waiting: &Waiting, cx: &mut Context) {
        cx.note(Note::PullEnded { at: self.at(), reply: waiting.reply.clone(), missing: waiting.missing });
    }

    /// When a request expires or is owed a heartbeat.
    pub(super) fn pull_deadline(&self) -> Option<Time> {
        let earlier =
            |first: Option<Time>, at: Option<Time>| if first.is_none_or(|first| at.is_some_and(|at| at < first)) { at } else { first };
        self.waiting.iter().fold(None, |first, waiting| earlier(earlier(first, waiting.expires), waiting.next_heartbeat))
    }

    /// Something of a waiting request is due. Afterwards the delivery loop comes around, which may find what nobody woke it for.
    pub(crate) fn expire_pulls(&mut self, log: &Log, cx: &mut Context) {
        self.sweep_waiting(true, true, cx);
        self.run(log, cx);
    }

    pub(crate) fn num_waiting(&mut self, cx: &mut Context) -> u64 {
        self.sweep_waiting(false, false, cx);
        self.waiting.len() as u64
    }
}
