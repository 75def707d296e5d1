//! A trace: the records of one run in order, their digest, and where two of them first differ.

use std::fmt;

use crate::encode::Hasher;
use crate::{Digest, Record, line};

/// The records of one run, numbered from 0 without gaps. Of a long run only the last may be held: the digest is of all.
#[derive(Clone)]
pub struct Trace {
    /// Those that are held.
    records: Vec<Record>,
    /// How many came before them.
    forgotten: usize,
    hasher: Hasher,
}

/// Room for so many records is kept when they are forgotten.
const FEW: usize = 512;

impl Trace {
    /// No records yet.
    pub fn new() -> Trace {
        Trace { records: Vec::new(), forgotten: 0, hasher: Hasher::new() }
    }

    /// Adds a record and gives it its number, which is returned.
    ///
    /// # Panics
    /// When the record's cause is not a record of this trace.
    pub fn push(&mut self, record: Record) -> u64 {
        self.push_caused(record, None)
    }

    /// The same; where the record names no cause, this is it.
    ///
    /// # Panics
    /// When the record's cause is not a record of this trace.
    #[inline]
    pub fn push_caused(&mut self, record: Record, cause: Option<u64>) -> u64 {
        let n = self.len() as u64;
        // Changed before it is moved, it would be moved at a crawl: a processor does not like to read in one go what was just written in parts.
        self.records.push(record);
        let record = self.records.last_mut().expect("it was just added");
        record.n = n;
        record.cause = record.cause.or(cause);
        assert!(record.cause.is_none_or(|cause| cause < n), "record {n} names record {:?} as its cause, which is not there", record.cause);
        self.hasher.add(record);
        n
    }

    /// All records, in order; after [`Trace::forget`], those that came since.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many records there were, whether they are held or not.
    pub fn len(&self) -> usize {
        self.forgotten + self.records.len()
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records from number `n` on that are held.
    pub fn since(&self, n: usize) -> &[Record] {
        &self.records[n.saturating_sub(self.forgotten).min(self.records.len())..]
    }

    /// Whether all records are held.
    pub fn is_whole(&self) -> bool {
        self.forgotten == 0
    }

    /// Lets go of all records: they count for the digest, and no more.
    pub fn forget(&mut self) {
        self.forgotten += self.records.len();
        self.records.clear();
        // Room for many more would be far away from the processor.
        self.records.shrink_to(FEW);
    }

    /// The digest of all records so far. A trace may be asked for it at any time and grow afterwards.
    pub fn digest(&self) -> Digest {
        self.hasher.digest()
    }

    /// The transcript lines of all records that have one, in order.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.records.iter().filter_map(line)
    }

    /// Where this trace and another first differ; `left` is this one. Both must be whole.
    pub fn first_difference<'a>(&'a self, other: &'a Trace) -> Option<Difference<'a>> {
        first_difference(&self.records, &other.records)
    }
}

impl Default for Trace {
    fn default() -> Trace {
        Trace::new()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("records", &self.records).field("digest", &self.digest()).finish()
    }
}

impl PartialEq for Trace {
    fn eq(&self, other: &Trace) -> bool {
        self.forgotten == other.forgotten && self.records == other.records
    }
}

impl Eq for Trace {}

/// The first record that differs between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference<'a> {
    /// How many records are the same before it; so its index in both.
    pub index: usize,
    /// The record of the first run; `None` when that run is over.
    pub left: Option<&'a Record>,
    /// The record of the second run; `None` when that run is over.
    pub right: Option<&'a Record>,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "record {} is the first that differs", self.index)?;
        for (sign, record) in [('-', self.left), ('+', self.right)] {
            match record {
                Some(record) => writeln!(f, "{sign} {}", crate::jsonl::json_line(record))?,
                None => writeln!(f, "{sign} (the run is over)")?,
            }
        }
        Ok(())
    }
}

/// The first record in which two runs differ, in anything at all; `None` when they are the same.
pub fn first_difference<'a>(left: &'a [Record], right: &'a [Record]) -> Option<Difference<'a>> {
    let index = left.iter().zip(right).position(|(left, right)| left != right).unwrap_or(left.len().min(right.len()));
    let difference = Difference { index, left: left.get(index), right: right.get(index) };
    (difference.left.is_some() || difference.right.is_some()).then_some(difference)
}
