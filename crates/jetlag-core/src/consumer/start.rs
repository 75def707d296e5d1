//! Where a new consumer starts, and how many messages are before it. Rules of `selectStartingSeqNo` and `calculateNumPending`
//! (`server/consumer.go`, 2.15).

use jetlag_model::{ConsumerSeq, DeliverPolicy, SequencePair, StreamConfig, StreamSeq, is_subset_of};

use super::{Consumer, ConsumerStore};
use crate::rules::{Rule, Rules};
use crate::stream::Log;

impl Consumer {
    pub(super) fn choose_start(&mut self, stream: &StreamConfig, log: &Log, rules: Rules) {
        let (first, last) = (log.first_seq(), log.last_seq());
        let explicit = self.config.opt_start_seq > 0;
        let mut start = match self.config.deliver_policy {
            DeliverPolicy::All => first,
            DeliverPolicy::Last if self.config.filters().is_empty() => last,
            DeliverPolicy::Last => self.config.filters().iter().filter_map(|filter| log.last_matching(filter)).max().unwrap_or_default(),
            DeliverPolicy::New => last.next(),
            DeliverPolicy::ByStartSequence => StreamSeq(self.config.opt_start_seq),
            DeliverPolicy::ByStartTime => {
                let since = self.config.opt_start_time.map_or(last.next(), |time| log.first_since(time, rules));
                self.skip_to_filters(since, log)
            }
            DeliverPolicy::LastPerSubject if stream.max_msgs_per_subject == 1 => first,
            DeliverPolicy::LastPerSubject => {
                let mut filters = self.config.filters().to_vec();
                filters.sort_unstable();
                let all = filters.len() == stream.subjects.len()
                    && stream.subjects.iter().zip(&filters).all(|(subject, filter)| is_subset_of(subject, filter));
                self.chosen = log.last_of_each_told(&filters, all, rules).into();
                self.resume = last;
                self.chosen.front().copied().unwrap_or(last)
            }
        };
        let unfiltered_last = self.config.deliver_policy == DeliverPolicy::Last && self.config.filters().is_empty();
        if unfiltered_last && !rules.has(Rule::LastStartsLikeOthers) {
            // Where nothing is left it stands before the last sequence, for all that it was used.
            self.next_stream = StreamSeq(start.0.max(1));
            return;
        }
        if first == StreamSeq(0) && !explicit {
            start = StreamSeq(1);
        } else if start > last && (!explicit || !rules.has(Rule::StartBeyondLastKept)) {
            start = last.next();
        } else if start < first {
            start = first;
        }
        self.next_stream = StreamSeq(start.0.max(1));
        if self.next_stream >= self.resume {
            // The only one that was chosen is the last of all: then the consumer goes on as any other, from there and by its filters.
            self.chosen.clear();
        }
        let before = SequencePair { consumer_seq: ConsumerSeq(0), stream_seq: self.next_stream.prev() };
        // The copy in memory is read from the stored one.
        self.floor = if rules.has(Rule::FloorBeginsBeforeStart) { before } else { SequencePair::default() };
        self.store = ConsumerStore::starting(before, self.floor);
    }

    /// A start by time goes on to the first message of a filter, but only of filters that have none before: what another one lets through
    /// until there is passed over for good.
    fn skip_to_filters(&self, since: StreamSeq, log: &Log) -> StreamSeq {
        let firsts = self.config.filters().iter().filter_map(|filter| log.next_matching(std::slice::from_ref(filter), log.first_seq()));
        let nearest = firsts.map(|entry| entry.seq).filter(|seq| *seq >= since).min();
        nearest.filter(|seq| *seq < log.last_seq()).unwrap_or(since)
    }

    /// Counts what is before the consumer, from the messages themselves.
    pub(crate) fn count_pending(&mut self, log: &Log) {
        let count = if self.config.deliver_policy == DeliverPolicy::LastPerSubject {
            log.last_of_each(self.config.filters()).into_iter().filter(|seq| *seq >= self.next_stream).count() as u64
        } else {
            log.count_matching(self.config.filters(), self.next_stream)
        };
        self.num_pending = i64::try_from(count).unwrap_or(i64::MAX);
        self.counted_to = log.last_seq();
    }

    /// Matching messages not delivered yet.
    pub(super) fn num_pending(&self) -> u64 {
        u64::try_from(self.num_pending).unwrap_or(0)
    }
}
