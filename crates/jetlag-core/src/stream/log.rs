//! The messages of one stream, and nothing of what is done with them: append, look up, find the next match, remove. File streams keep a
//! journal of their last changes, so that a killed server can lose a tail.

use std::collections::{BTreeMap, VecDeque};

use jetlag_model::{Headers, Message, Payload, SeqMap, StorageType, StreamSeq, Text, Time, WallTime, is_valid_literal, matches};

use crate::disk::Changed;
use crate::rules::{Rule, Rules};
use crate::stored::{Lost, kept};

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) seq: StreamSeq,
    pub(crate) subject: Text,
    pub(crate) headers: Option<Headers>,
    pub(crate) payload: Payload,
    pub(crate) time: WallTime,
}

/// Bytes of a message as the storage counts them (`memStoreMsgSize`, `fileStoreMsgSize`).
fn stored_size(storage: StorageType, subject: &str, headers: Option<&Headers>, payload: &[u8]) -> u64 {
    let headers = headers.map_or(0, |headers| headers.as_bytes().len());
    let overhead = match storage {
        StorageType::Memory => 16,
        StorageType::File if headers > 0 => 34,
        StorageType::File => 30,
    };
    (subject.len() + headers + payload.len() + overhead) as u64
}

impl LogEntry {
    fn size(&self, storage: StorageType) -> u64 {
        stored_size(storage, &self.subject, self.headers.as_ref(), &self.payload)
    }
}

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) first_seq: StreamSeq,
    pub(crate) last_seq: StreamSeq,
    pub(crate) last_time: Option<WallTime>,
}

/// One change, as what it takes to undo it.
#[derive(Clone, Debug)]
struct Change {
    at: Time,
    before: Ends,
    added: Option<StreamSeq>,
    removed: Vec<LogEntry>,
}

/// How many changes a file stream can be asked to lose.
const JOURNAL: usize = 10_000;

/// Why the newest message of a subject was not found by older servers. Rules of `removeSeqPerSubject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    /// The newest, which was this one, was removed, and of those left nobody knows which is the newest: several are, or the oldest went as well.
    OfSeveral(StreamSeq),
    /// The same, and one is left, which is the oldest as before.
    OnlyOne,
}

/// What is known of one subject that has messages.
#[derive(Clone, Debug, Default)]
struct OfSubject {
    /// Its messages.
    seqs: SeqMap<StreamSeq, ()>,
    /// Its newest message was removed while others stayed, and nobody has counted it since. Older servers did not find the newest message then, see
    /// [`Log::last_told`].
    missed: Option<Missed>,
    /// Its oldest message was removed while others stayed, and nobody has counted it since.
    headless: bool,
}

impl OfSubject {
    fn oldest(&self) -> Option<StreamSeq> {
        self.seqs.first().map(|(seq, ())| seq)
    }

    fn newest(&self) -> Option<StreamSeq> {
        self.seqs.last().map(|(seq, ())| seq)
    }

    /// Somebody counted its messages.
    fn counted(&mut self) {
        self.missed = None;
        self.headless = false;
    }

    /// A message is gone; says whether it was the last one.
    fn remove(&mut self, seq: StreamSeq) -> bool {
        let (was_first, was_newest) = (self.oldest() == Some(seq), self.newest() == Some(seq));
        self.seqs.remove(seq);
        let left = self.seqs.len();
        let before = match self.missed {
            Some(Missed::OfSeveral(last)) => Some(last),
            Some(Missed::OnlyOne) | None => None,
        };
        let newest_gone = before.or(was_newest.then_some(seq));
        let headless = was_first || self.headless;
        self.missed = match newest_gone {
            None => None,
            Some(_) if left == 1 && !headless => Some(Missed::OnlyOne),
            Some(last) => Some(Missed::OfSeveral(last)),
        };
        // The only one left is the oldest, if it is known to be the newest.
        self.headless = headless && !(left == 1 && newest_gone.is_none());
        left == 0
    }
}

/// The messages of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    storage: StorageType,
    entries: SeqMap<StreamSeq, LogEntry>,
    /// The subjects that have messages, and the one that had its last one taken last: often the next message is of that one again.
    subjects: BTreeMap<Text, OfSubject>,
    emptied: Option<Text>,
    ends: Ends,
    bytes: u64,
    journal: VecDeque<Change>,
    /// How many changes there were.
    changes: u64,
}

impl Log {
    /// An empty log whose first message will have sequence `first_seq` (0 and 1 both mean 1, but only 1 shows before it is there).
    pub(crate) fn new(storage: StorageType, first_seq: u64) -> Log {
        let (first, last) = if first_seq > 0 { (first_seq, first_seq - 1) } else { (0, 0) };
        Log {
            storage,
            entries: SeqMap::new(),
            subjects: BTreeMap::new(),
            emptied: None,
            ends: Ends { first_seq: StreamSeq(first), last_seq: StreamSeq(last), last_time: None },
            bytes: 0,
            journal: VecDeque::new(),
            changes: 0,
        }
    }

    /// Whether it survives a restart.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.storage == StorageType::File
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// How many sequences between its ends hold nothing.
    pub(crate) fn num_deleted(&self) -> u64 {
        let first = self.ends.first_seq.0.max(1);
        (self.ends.last_seq.0 + 1).saturating_sub(first) - self.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first sequence; 0 in a stream that never had a message.
    pub(crate) fn first_seq(&self) -> StreamSeq {
        self.ends.first_seq
    }

    /// The last sequence ever used; 0 if there was none.
    pub(crate) fn last_seq(&self) -> StreamSeq {
        self.ends.last_seq
    }

    pub(crate) fn first_time(&self) -> Option<WallTime> {
        self.entries.first().map(|(_, entry)| entry.time)
    }

    /// The messages from one sequence to another, both included.
    pub(crate) fn entries_between(&self, from: StreamSeq, to: StreamSeq) -> impl Iterator<Item = &LogEntry> {
        self.entries.range(from..=to.max(from)).map(|(_, entry)| entry)
    }

    pub(crate) fn last_time(&self) -> Option<WallTime> {
        self.ends.last_time
    }

    pub(crate) fn subjects(&self) -> u64 {
        (self.subjects.len() - usize::from(self.emptied.is_some())) as u64
    }

    pub(crate) fn entry(&self, seq: StreamSeq) -> Option<&LogEntry> {
        self.entries.get(seq)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &LogEntry> {
        self.entries.values()
    }

    /// Bytes that a message would take.
    pub(crate) fn size_of(&self, subject: &str, message: &Message) -> u64 {
        stored_size(self.storage, subject, message.headers.as_ref(), &message.payload)
    }

    /// Bytes that the message at `seq` takes; 0 if there is none.
    pub(crate) fn size_at(&self, seq: StreamSeq) -> u64 {
        self.entries.get(seq).map_or(0, |entry| entry.size(self.storage))
    }

    /// How many messages a subject has.
    pub(crate) fn count_of(&self, subject: &str) -> u64 {
        self.subjects.get(subject).map_or(0, |of| of.seqs.len() as u64)
    }

    /// The oldest message of a subject.
    pub(crate) fn first_of(&self, subject: &str) -> Option<StreamSeq> {
        self.subjects.get(subject)?.oldest()
    }

    /// The newest message whose subject matches a filter.
    pub(crate) fn last_matching(&self, filter: &str) -> Option<StreamSeq> {
        if is_valid_literal(filter) {
            return self.subjects.get(filter)?.newest();
        }
        self.subjects.iter().filter(|(subject, _)| matches(filter, subject)).filter_map(|(_, of)| of.newest()).max()
    }

    /// The newest message that matches a filter, as requests that name one subject are told. Rules of `LoadLastMsg` (`server/filestore.go`,
    /// `memstore.go`).
    pub(crate) fn last_told(&self, filter: &str, rules: Rules) -> Option<StreamSeq> {
        let is_missed = match self.subjects.get(filter).and_then(|of| of.missed) {
            None => false,
            Some(Missed::OfSeveral(_)) => !rules.has(Rule::NewestLeftIsFound),
            Some(Missed::OnlyOne) => !rules.has(Rule::OnlyOneLeftIsFound),
        };
        if is_missed { None } else { self.last_matching(filter) }
    }

    /// The newest message of each subject that matches one of the filters, ascending, as a consumer that starts with them is told; `all` when the
    /// filters let everything pass that the stream stores. Older servers leave subjects out whose newest they do not find, or take a message for
    /// the newest that is gone. Rules of `selectStartingSeqNo` (`server/consumer.go`) and `MultiLastSeqs` (`server/filestore.go`, `memstore.go`).
    pub(crate) fn last_of_each_told(&self, filters: &[String], all: bool, rules: Rules) -> Vec<StreamSeq> {
        let looks_itself = rules.has(Rule::LastPerSubjectLooksItself);
        let stale = looks_itself && !rules.has(Rule::NewestLeftIsFound) && (all || self.storage == StorageType::Memory);
        let told = |(subject, of): (&Text, &OfSubject)| match of.missed {
            Some(Missed::OfSeveral(gone)) if stale => Some(gone),
            _ if looks_itself => of.newest(),
            _ => self.last_told(subject, rules),
        };
        let mut seqs: Vec<_> = self.subjects.iter().filter(|(subject, _)| accepts(filters, subject)).filter_map(told).collect();
        seqs.sort_unstable();
        seqs
    }

    /// A server that starts counts everything, and a first sequence that was left behind moves.
    pub(crate) fn recount(&mut self) {
        self.subjects.values_mut().for_each(OfSubject::counted);
        if self.entries.is_empty() && self.ends.last_seq > StreamSeq(0) && self.ends.first_seq <= self.ends.last_seq {
            self.move_first();
        }
    }

    /// The messages of some subjects are counted.
    pub(crate) fn count_subjects(&mut self, filters: &[String]) {
        for (subject, of) in &mut self.subjects {
            if filters.iter().any(|filter| matches(filter, subject)) {
                of.counted();
            }
        }
    }

    /// The newest message of each subject that matches one of the filters, ascending.
    pub(crate) fn last_of_each(&self, filters: &[String]) -> Vec<StreamSeq> {
        let wanted = |subject: &str| filters.iter().any(|filter| matches(filter, subject));
        let mut seqs: Vec<_> = self.subjects.iter().filter(|(subject, _)| wanted(subject)).filter_map(|(_, of)| of.newest()).collect();
        seqs.sort_unstable();
        seqs
    }

    /// The first message from `from` on whose subject matches one of the filters; no filters match everything.
    pub(crate) fn next_matching(&self, filters: &[String], from: StreamSeq) -> Option<&LogEntry> {
        if let [filter] = filters
            && is_valid_literal(filter)
        {
            let (seq, ()) = self.subjects.get(filter.as_str())?.seqs.range(from..).next()?;
            return self.entries.get(seq);
        }
        self.entries.range(from..).map(|(_, entry)| entry).find(|entry| accepts(filters, &entry.subject))
    }

    /// How many messages from `from` on match one of the filters.
    pub(crate) fn count_matching(&self, filters: &[String], from: StreamSeq) -> u64 {
        if filters.is_empty() && from <= self.ends.first_seq {
            return self.len();
        }
        self.entries.range(from..).filter(|(_, entry)| accepts(filters, &entry.subject)).count() as u64
    }

    /// The first message stored at `time` or later, or the place behind the last one. Rules of `GetSeqFromTime` (`server/memstore.go`,
    /// `server/filestore.go`).
    pub(crate) fn first_since(&self, time: WallTime, rules: Rules) -> StreamSeq {
        let found = self.entries.values().find(|entry| entry.time >= time).map(|entry| entry.seq);
        let (first, last) = (self.ends.first_seq, self.ends.last_seq);
        let at = |offset: u64| StreamSeq(first.0 + offset);
        match self.storage {
            StorageType::Memory if found.is_none() && self.entries.len() == 1 && !rules.has(Rule::TimeSearchPassesOnlyMessage) => first,
            StorageType::Memory if rules.has(Rule::TimeSearchStumblesInMemory) && found.is_some() => at(self.bisect(self.len(), time)),
            StorageType::File if rules.has(Rule::TimeSearchStumblesInFile) && self.ends.last_time.is_some_and(|last| last >= time) => {
                let places = (last.0 + 1).saturating_sub(first.0);
                // Nothing found is place 0: the beginning for a consumer, nothing at all for message ids.
                Some(self.bisect(places, time)).filter(|offset| *offset < places).map_or(StreamSeq(0), at)
            }
            StorageType::Memory | StorageType::File => found.unwrap_or(last.next()),
        }
    }

    /// The search of the versions that stumble: it bisects the first `places` places as if there were no gaps among them, where a gap looks
    /// like a message that is too old.
    fn bisect(&self, places: u64, time: WallTime) -> u64 {
        let (mut from, mut to) = (0, places);
        while from < to {
            let middle = from.midpoint(to);
            let late_enough = self.entry(StreamSeq(self.ends.first_seq.0 + middle)).is_some_and(|entry| entry.time >= time);
            if late_enough { to = middle } else { from = middle + 1 }
        }
        from
    }

    /// Appends a message and says where.
    pub(crate) fn append(&mut self, at: Time, subject: Text, headers: Option<Headers>, payload: Payload, time: WallTime) -> StreamSeq {
        let before = self.ends;
        let seq = before.last_seq.next();
        self.insert(LogEntry { seq, subject, headers, payload, time });
        self.ends.last_seq = seq;
        self.ends.last_time = Some(time);
        if self.entries.len() == 1 {
            self.ends.first_seq = seq;
        }
        self.record(|| Change { at, before, added: Some(seq), removed: Vec::new() });
        seq
    }

    /// Uses a sequence up without storing anything there, and says which.
    pub(crate) fn skip(&mut self, at: Time) -> StreamSeq {
        let before = self.ends;
        let seq = before.last_seq.next();
        self.ends.last_seq = seq;
        if self.entries.is_empty() {
            self.ends.first_seq = seq.next();
        }
        self.record(|| Change { at, before, added: None, removed: Vec::new() });
        seq
    }

    /// Removes one message.
    pub(crate) fn remove(&mut self, at: Time, seq: StreamSeq) -> Option<LogEntry> {
        let before = self.ends;
        let entry = self.take(seq)?;
        self.move_first();
        self.record(|| Change { at, before, added: None, removed: vec![entry.clone()] });
        Some(entry)
    }

    /// Removes all messages below `below` and lets the log begin there; what the log never held is skipped too. Where nothing is left, because all from
    /// `below` on were deleted before, the first sequence is left behind until the next message, unless `moves`.
    pub(crate) fn compact(&mut self, at: Time, below: StreamSeq, moves: bool) -> Vec<LogEntry> {
        let before = self.ends;
        let seqs: Vec<_> = self.entries.range(..below).map(|(seq, _)| seq).collect();
        let removed: Vec<_> = seqs.into_iter().filter_map(|seq| self.take(seq)).collect();
        if below > self.ends.last_seq {
            self.ends.first_seq = below;
            self.ends.last_seq = below.prev();
        } else if moves || !self.entries.is_empty() {
            self.move_first();
        }
        self.record(|| Change { at, before, added: None, removed: removed.clone() });
        removed
    }

    fn insert(&mut self, entry: LogEntry) {
        self.bytes += entry.size(self.storage);
        let of = match self.subjects.get_mut(&entry.subject) {
            Some(of) => of,
            None => self.subjects.entry(entry.subject.clone()).or_default(),
        };
        if of.seqs.is_empty() {
            self.emptied.take_if(|emptied| *emptied == entry.subject);
        }
        of.seqs.insert(entry.seq, ());
        of.missed = None;
        self.entries.insert(entry.seq, entry);
    }

    fn take(&mut self, seq: StreamSeq) -> Option<LogEntry> {
        let entry = self.entries.remove(seq)?;
        self.bytes -= entry.size(self.storage);
        let of = self.subjects.get_mut(&entry.subject).expect("every message is listed under its subject");
        if of.remove(entry.seq) {
            of.counted();
            if let Some(before) = self.emptied.replace(entry.subject.clone()) {
                self.subjects.remove(&before);
            }
        }
        Some(entry)
    }

    /// After a removal the log begins with its first message, or behind its last.
    fn move_first(&mut self) {
        self.ends.first_seq = self.entries.first().map(|(seq, _)| seq).unwrap_or(self.ends.last_seq.next());
    }

    fn record(&mut self, change: impl FnOnce() -> Change) {
        if self.storage == StorageType::File {
            self.changes += 1;
            if self.journal.len() == JOURNAL {
                self.journal.pop_front();
            }
            self.journal.push_back(change());
        }
    }

    /// How many changes a file stream has seen.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What was added and removed since there were so many changes; `None` if that is too long ago.
    pub(crate) fn changed_since(&self, changes: u64) -> Option<Changed> {
        let count = usize::try_from(self.changes - changes).ok().filter(|count| *count <= self.journal.len())?;
        let changes = || self.journal.iter().skip(self.journal.len() - count);
        let removed = changes().flat_map(|change| change.removed.iter().map(|entry| entry.seq)).collect();
        Some((changes().filter_map(|change| change.added).collect(), removed))
    }

    pub(crate) fn ends(&self) -> Ends {
        self.ends
    }

    /// Puts the ends where storage says that they were.
    pub(crate) fn set_ends(&mut self, ends: Ends) {
        self.ends = ends;
    }

    /// Puts a message back where storage says that it was.
    pub(crate) fn restore(&mut self, entry: LogEntry) {
        self.take(entry.seq);
        self.insert(entry);
    }

    /// Takes out what storage says is gone.
    pub(crate) fn unstore(&mut self, seqs: &[StreamSeq]) {
        for seq in seqs {
            self.take(*seq);
        }
    }

    /// Undoes the last changes, as if they had never reached the disk.
    pub(crate) fn lose(&mut self, now: Time, lost: Lost) {
        let keep = kept(self.journal.iter().map(|change| change.at), now, lost);
        while self.journal.len() > keep {
            let change = self.journal.pop_back().expect("longer than what is kept");
            if let Some(seq) = change.added {
                self.take(seq);
            }
            for entry in change.removed {
                self.insert(entry);
            }
            self.ends = change.before;
        }
    }
}

/// Whether a subject passes the filters of a consumer; no filters pass everything.
pub(crate) fn accepts(filters: &[String], subject: &str) -> bool {
    filters.is_empty() || filters.iter().any(|filter| matches(filter, subject))
}

#[cfg(test)]
mod tests {
    use jetlag_model::Duration;

    use super::*;

    fn log(subjects: &[&str]) -> Log {
        let mut log = Log::new(StorageType::File, 0);
        for (second, subject) in subjects.iter().enumerate() {
            log.append(Time::START + Duration::from_secs(second as i64), (*subject).into(), None, (*b"x").into(), WallTime::default());
        }
        log
    }

    fn ends(log: &Log) -> (u64, u64, u64, u64) {
        (log.len(), log.bytes(), log.first_seq().0, log.last_seq().0)
    }

    #[test]
    fn the_ends_move_with_what_is_added_and_removed() {
        let mut log = log(&["a", "b", "a"]);
        assert_eq!(ends(&log), (3, 96, 1, 3));
        log.remove(Time::START, StreamSeq(2));
        assert_eq!(ends(&log), (2, 64, 1, 3));
        log.remove(Time::START, StreamSeq(1));
        assert_eq!(ends(&log), (1, 32, 3, 3));
        log.remove(Time::START, StreamSeq(3));
        assert_eq!(ends(&log), (0, 0, 4, 3));
        log.append(Time::START, "c".into(), None, (*b"").into(), WallTime::default());
        assert_eq!(ends(&log), (1, 31, 4, 4));
        assert_eq!(log.compact(Time::START, StreamSeq(9), true).len(), 1);
        assert_eq!(ends(&log), (0, 0, 9, 8));
        assert_eq!(ends(&Log::new(StorageType::Memory, 5)), (0, 0, 5, 4));
    }

    #[test]
    fn filters_find_the_next_and_the_last() {
        let log = log(&["a.1", "b.1", "a.2", "b.1", "c"]);
        let next = |filters: &[&str], from| {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            log.next_matching(&filters, StreamSeq(from)).map(|entry| entry.seq.0)
        };
        assert_eq!(next(&[], 2), Some(2));
        assert_eq!(next(&["b.1"], 3), Some(4));
        assert_eq!(next(&["a.*"], 2), Some(3));
        assert_eq!(next(&["a.1", "c"], 2), Some(5));
        assert_eq!(next(&["c"], 6), None);
        assert_eq!(log.last_matching("b.*"), Some(StreamSeq(4)));
        assert_eq!(log.last_of_each(&["a.*".into(), "b.*".into()]), [StreamSeq(1), StreamSeq(3), StreamSeq(4)]);
        assert_eq!(log.count_matching(&["b.>".into()], StreamSeq(3)), 1);
    }

    #[test]
    fn a_lost_tail_is_as_if_it_never_was() {
        for (lost, expected) in [
            (Lost::Nothing, (2, 64, 2, 4)),
            (Lost::Operations(1), (3, 96, 1, 4)),
            (Lost::Operations(3), (3, 96, 1, 3)),
            (Lost::Since(Duration::from_secs(2)), (2, 64, 1, 2)),
            (Lost::All, (0, 0, 0, 0)),
        ] {
            let mut log = log(&["a", "b", "a"]);
            log.append(Time::START + Duration::from_secs(3), "d".into(), None, (*b"x").into(), WallTime::default());
            log.remove(Time::START + Duration::from_secs(4), StreamSeq(3));
            log.remove(Time::START + Duration::from_secs(4), StreamSeq(1));
            log.lose(Time::START + Duration::from_secs(4), lost);
            assert_eq!(ends(&log), expected, "{lost:?}");
        }
    }
}
