//! Client connections and their subscriptions: who hears a subject. Of streams it knows only that they listen too.

use std::collections::BTreeMap;

use jetlag_model::{ConnId, SeqMap, Sid, Text, is_valid_literal, matches};

use crate::ConnectOptions;
use crate::index::Index;

/// Subscriptions are numbered in the order in which they were made; messages go out in that order.
type SubNumber = u64;

#[derive(Clone, Debug)]
struct Subscription {
    conn: ConnId,
    sid: Sid,
    subject: Text,
    queue: Option<Text>,
    delivered: u64,
    max: Option<u64>,
}

/// A subscription to anything but one valid literal subject.
#[derive(Clone, Debug)]
struct Wild {
    number: SubNumber,
    filter: Text,
    /// How many bytes stand before its first token with a wildcard: most subjects differ from it there.
    literal: usize,
}

impl Wild {
    fn new(number: SubNumber, filter: Text) -> Wild {
        let before = filter.split_inclusive('.').take_while(|token| !matches!(*token, "*." | "*" | ">" | ">."));
        let literal: usize = before.map(str::len).sum();
        // One without wildcards is here because it is no valid subject: all of it is compared.
        Wild { number, literal: if literal < filter.len() { literal } else { 0 }, filter }
    }

    fn hears(&self, subject: &str) -> bool {
        let (same, rest) = self.filter.split_at(self.literal);
        subject.strip_prefix(same).is_some_and(|subject| matches(rest, subject))
    }
}

/// All connections of the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    open: SeqMap<ConnId, ConnectOptions>,
    subs: SeqMap<SubNumber, Subscription>,
    numbers: BTreeMap<(ConnId, Sid), SubNumber>,
    /// Subscriptions to one literal subject, and those with wildcards.
    literal: Index<Text, Vec<SubNumber>>,
    wild: Vec<Wild>,
    /// What streams store: each is a subscription of the server's own.
    streams: Vec<String>,
    /// How many subscriptions hear acknowledgements, and whether a stream stores them.
    ack_listeners: usize,
    acks_are_stored: bool,
    next: SubNumber,
    /// The member that last had its turn, by queue group. The real server draws one at random; here they take turns in the order of
    /// their subscriptions.
    turns: BTreeMap<Text, SubNumber>,
    /// Whether a subscription has ended by its count since somebody asked.
    ended: bool,
}

impl Connections {
    pub(crate) fn connect(&mut self, conn: ConnId, options: ConnectOptions) {
        let before = self.open.insert(conn, options);
        assert!(before.is_none(), "connection {conn} connected twice");
    }

    pub(crate) fn disconnect(&mut self, conn: ConnId) {
        assert!(self.open.remove(conn).is_some(), "connection {conn} is not open");
        let numbers: Vec<_> = self.numbers.range((conn, Sid(0))..=(conn, Sid(u64::MAX))).map(|(_, number)| *number).collect();
        for number in numbers {
            self.remove(number);
        }
    }

    /// All that are open.
    pub(crate) fn open(&self) -> impl Iterator<Item = ConnId> {
        self.open.keys()
    }

    pub(crate) fn subscription_count(&self) -> usize {
        self.subs.len()
    }

    pub(crate) fn options(&self, conn: ConnId) -> ConnectOptions {
        *self.open.get(conn).unwrap_or_else(|| panic!("connection {conn} is not open"))
    }

    pub(crate) fn subscribe(&mut self, conn: ConnId, sid: Sid, subject: Text, queue: Option<Text>) {
        assert!(self.open.contains(conn), "connection {conn} is not open");
        if self.numbers.contains_key(&(conn, sid)) {
            return; // The server keeps the first subscription of a number.
        }
        let number = self.next;
        self.next += 1;
        self.ack_listeners += usize::from(hears_acks(&subject));
        if !is_valid_literal(&subject) {
            self.wild.push(Wild::new(number, subject.clone()));
        } else if let Some(numbers) = self.literal.find_mut(&subject) {
            numbers.push(number);
        } else {
            self.literal.insert(subject.clone(), vec![number]);
        }
        self.numbers.insert((conn, sid), number);
        self.subs.insert(number, Subscription { conn, sid, subject, queue, delivered: 0, max: None });
    }

    pub(crate) fn unsubscribe(&mut self, conn: ConnId, sid: Sid, max: Option<u64>) {
        let Some(&number) = self.numbers.get(&(conn, sid)) else { return };
        let sub = self.subs.get_mut(number).expect("every number names a subscription");
        match max {
            Some(max) if sub.delivered < max => sub.max = Some(max),
            _ => self.remove(number),
        }
    }

    fn sub(&self, number: SubNumber) -> &Subscription {
        self.subs.get(number).expect("every number names a subscription")
    }

    fn remove(&mut self, number: SubNumber) {
        let sub = self.subs.remove(number).expect("every number names a subscription");
        self.numbers.remove(&(sub.conn, sub.sid));
        self.ack_listeners -= usize::from(hears_acks(&sub.subject));
        if let Some(numbers) = self.literal.find_mut(&sub.subject) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.literal.remove(&sub.subject);
            }
        } else {
            self.wild.retain(|wild| wild.number != number);
        }
    }

    /// The subscriptions that match a literal subject, in no order.
    fn hearing(&self, subject: &str) -> impl Iterator<Item = SubNumber> {
        let literal = self.literal.find(subject).into_iter().flatten().copied();
        literal.chain(self.wild.iter().filter(move |wild| wild.hears(subject)).map(|wild| wild.number))
    }

    /// The subscriptions that match a literal subject, in order.
    fn matching(&self, subject: &str) -> Vec<SubNumber> {
        let mut numbers: Vec<_> = self.hearing(subject).collect();
        numbers.sort_unstable();
        numbers
    }

    /// What streams store, from now on.
    pub(crate) fn set_streams(&mut self, subjects: Vec<String>) {
        self.acks_are_stored = subjects.iter().any(|subject| hears_acks(subject));
        self.streams = subjects;
    }

    /// Whether anybody may hear what is published to ack reply subjects, but the consumers themselves.
    pub(crate) fn hear_acks(&self) -> bool {
        self.ack_listeners > 0 || self.acks_are_stored
    }

    /// Whether anybody hears this subject, be it a stream.
    pub(crate) fn interest(&self, subject: &str) -> bool {
        self.streams.iter().any(|filter| matches(filter, subject))
            || self.literal.find(subject).is_some()
            || self.wild.iter().any(|wild| wild.hears(subject))
    }

    /// The subscription of a connection's own, outside of queue groups, that hears this subject.
    pub(crate) fn own_listener(&self, conn: ConnId, subject: &str) -> Option<Sid> {
        let own = self.matching(subject).into_iter().map(|number| self.sub(number)).find(|sub| sub.conn == conn && sub.queue.is_none());
        own.map(|sub| sub.sid)
    }

    /// Whether a push consumer with this deliver subject and group is bound. Only a subscription to exactly that subject counts: in exactly
    /// that group, or in none when there is no group (`server/sublist.go` `registerNotification`).
    pub(crate) fn bound(&self, subject: &str, group: &str) -> bool {
        if group.is_empty() && self.streams.iter().any(|filter| filter == subject) {
            return true;
        }
        let wanted = (!group.is_empty()).then_some(group);
        self.literal.find(subject).is_some_and(|numbers| numbers.iter().any(|number| self.sub(*number).queue.as_deref() == wanted))
    }

    /// Chooses who gets a message on `subject`, every plain subscription and one member of every queue group, and adds them to `to`.
    pub(crate) fn route(&mut self, subject: &str, from: Option<ConnId>, to: &mut Vec<(ConnId, Sid)>) {
        let mut hearing = self.hearing(subject);
        match (hearing.next(), hearing.next()) {
            (None, _) => return,
            // Most messages of the server's own are for one.
            (Some(only), None) if from.is_none() && self.sub(only).queue.is_none() => {
                drop(hearing);
                return to.push(self.count(only));
            }
            _ => drop(hearing),
        }
        let matching = self.matching(subject);
        let silent = from.filter(|conn| self.open.get(*conn).is_some_and(|options| !options.echo));
        let mut chosen = Vec::with_capacity(matching.len());
        let mut groups: BTreeMap<Text, Vec<SubNumber>> = BTreeMap::new();
        for number in matching {
            let sub = self.sub(number);
            if Some(sub.conn) == silent {
                continue;
            }
            match &sub.queue {
                None => chosen.push(number),
                Some(queue) => groups.entry(queue.clone()).or_default().push(number),
            }
        }
        for (queue, members) in groups {
            let last = self.turns.get(&queue).copied();
            let next = members.iter().copied().find(|number| Some(*number) > last).unwrap_or(members[0]);
            self.turns.insert(queue, next);
            chosen.push(next);
        }
        chosen.sort_unstable();
        to.extend(chosen.into_iter().map(|number| self.count(number)));
    }

    /// Counts one message to a subscription, which ends when it has had its last one.
    fn count(&mut self, number: SubNumber) -> (ConnId, Sid) {
        let sub = self.subs.get_mut(number).expect("every number names a subscription");
        sub.delivered += 1;
        let to = (sub.conn, sub.sid);
        if sub.max.is_some_and(|max| sub.delivered >= max) {
            self.remove(number);
            self.ended = true;
        }
        to
    }

    /// Whether a subscription has ended by its count since this was asked last.
    pub(crate) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }
}

/// Whether a subscription to `filter` may hear what is published to an ack reply subject.
fn hears_acks(filter: &str) -> bool {
    let mut tokens = filter.split('.');
    matches!((tokens.next(), tokens.next()), (Some(">"), _) | (Some("*" | "$JS"), Some("*" | ">" | "ACK")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_hear_acknowledgements() {
        for (filter, hears) in [
            (">", true),
            ("*.>", true),
            ("$JS.>", true),
            ("$JS.ACK.S.C.>", true),
            ("$JS.*.S.C.1.1.1.1.1", true),
            ("$JS.ACK", true),
            ("*", false),
            ("$JS.EVENT.>", false),
            ("orders.>", false),
            ("_INBOX.c.1", false),
        ] {
            assert_eq!(hears_acks(filter), hears, "{filter}");
        }
    }

    fn connections(subs: &[(u64, u64, &str, &str)]) -> Connections {
        let mut all = Connections::default();
        for conn in 1..=3 {
            all.connect(ConnId(conn), ConnectOptions { echo: conn != 3, ..ConnectOptions::default() });
        }
        for (conn, sid, subject, queue) in subs {
            all.subscribe(ConnId(*conn), Sid(*sid), (*subject).into(), (!queue.is_empty()).then(|| (*queue).into()));
        }
        all
    }

    fn routed(all: &mut Connections, subject: &str, from: u64) -> Vec<(u64, u64)> {
        let mut to = Vec::new();
        all.route(subject, Some(ConnId(from)), &mut to);
        to.into_iter().map(|(conn, sid)| (conn.0, sid.0)).collect()
    }

    #[test]
    fn plain_subscriptions_all_hear_in_order_of_subscription() {
        let mut all = connections(&[(2, 1, "a.*", ""), (1, 1, "a.b", ""), (1, 2, ">", ""), (3, 1, "a.b", "")]);
        assert_eq!(routed(&mut all, "a.b", 1), [(2, 1), (1, 1), (1, 2), (3, 1)]);
        assert_eq!(routed(&mut all, "a.b", 3), [(2, 1), (1, 1), (1, 2)], "no echo to the one who asked for none");
        assert_eq!(routed(&mut all, "x", 1), [(1, 2)]);
    }

    #[test]
    fn members_of_a_queue_group_take_turns() {
        let mut all = connections(&[(1, 1, "a", "q"), (2, 1, "*", "q"), (3, 1, "a", "")]);
        assert_eq!(routed(&mut all, "a", 1), [(1, 1), (3, 1)]);
        assert_eq!(routed(&mut all, "a", 1), [(2, 1), (3, 1)]);
        assert_eq!(routed(&mut all, "a", 1), [(1, 1), (3, 1)]);
    }

    #[test]
    fn a_subscription_ends_after_its_last_message_or_with_its_connection() {
        let mut all = connections(&[(1, 1, "a", ""), (1, 2, "a", ""), (2, 1, "a", "")]);
        all.unsubscribe(ConnId(1), Sid(1), Some(2));
        all.unsubscribe(ConnId(1), Sid(2), None);
        all.unsubscribe(ConnId(1), Sid(9), None);
        assert_eq!(routed(&mut all, "a", 1), [(1, 1), (2, 1)]);
        assert_eq!(routed(&mut all, "a", 1), [(1, 1), (2, 1)]);
        assert_eq!(routed(&mut all, "a", 1), [(2, 1)]);
        all.disconnect(ConnId(2));
        assert!(!all.interest("a"));
    }

    #[test]
    fn a_push_consumer_is_bound_by_its_very_subject_and_group() {
        let all = connections(&[(1, 1, "plain", ""), (2, 1, "grouped", "q"), (3, 1, "wild.*", "")]);
        for (subject, group, bound) in [
            ("plain", "", true),
            ("plain", "q", false),
            ("grouped", "q", true),
            ("grouped", "r", false),
            ("grouped", "", false),
            ("wild.x", "", false),
            ("nobody", "", false),
        ] {
            assert_eq!(all.bound(subject, group), bound, "{subject} {group}");
        }
    }
}
