//! A trace that is written while it happens: what it says of itself at its beginning is filled in at its end.

use std::io::{self, Seek, SeekFrom, Write};

use crate::encode::Hasher;
use crate::{Record, SCHEMA, json_line};

/// Digits that any number of records has at most.
const DIGITS: usize = 20;

/// Writes JSON lines one by one, as [`Trace::write_jsonl`](crate::Trace::write_jsonl) does all at once. Until [`TraceWriter::finish`] the
/// header says that there are no records, so that what a killed process left is not taken for a whole trace.
///
/// ```
/// use std::io::Cursor;
///
/// use jetlag_model::Time;
/// use jetlag_trace::{Kind, Place, Record, TraceWriter, read_jsonl};
///
/// let mut file = Cursor::new(Vec::new());
/// let mut writer = TraceWriter::new(&mut file)?;
/// writer.push(&Record::new(Time::START, Place::Script, Kind::Ok))?;
/// writer.finish()?;
/// let (trace, _) = read_jsonl(std::str::from_utf8(file.get_ref())?)?;
/// assert_eq!(trace.records().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TraceWriter<W> {
    out: W,
    hasher: Hasher,
    records: u64,
}

impl<W: Write + Seek> TraceWriter<W> {
    /// Begins a trace at the start of `out`.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(out: W) -> io::Result<TraceWriter<W>> {
        let mut writer = TraceWriter { out, hasher: Hasher::new(), records: 0 };
        writer.header()?;
        Ok(writer)
    }

    /// Adds a record, which has its number: those of a trace are numbered from 0 without gaps.
    ///
    /// # Errors
    /// What the writer says.
    pub fn push(&mut self, record: &Record) -> io::Result<()> {
        self.hasher.add(record);
        self.records += 1;
        writeln!(self.out, "{}", json_line(record))
    }

    /// Hands on what is still held.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Says at the beginning how many records there are and what their digest is. More may follow, and another end.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(&mut self) -> io::Result<()> {
        let end = self.out.stream_position()?;
        self.out.seek(SeekFrom::Start(0))?;
        self.header()?;
        self.out.seek(SeekFrom::Start(end))?;
        self.out.flush()
    }

    /// Of one length, whatever it says.
    fn header(&mut self) -> io::Result<()> {
        let (records, digest) = (self.records, self.hasher.digest());
        writeln!(self.out, "{{\"schema\":\"{SCHEMA}\",\"records\":{records:>DIGITS$},\"digest\":\"{digest}\"}}")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use jetlag_model::Time;

    use super::*;
    use crate::{Key, Kind, Place, Trace, read_jsonl};

    #[test]
    fn what_is_written_bit_by_bit_is_read_as_what_is_written_at_once() {
        let mut trace = Trace::new();
        let mut file = Cursor::new(Vec::new());
        let mut writer = TraceWriter::new(&mut file).unwrap();
        for n in 0..12_u64 {
            trace.push(Record::new(Time::from_nanos(n), Place::client("c"), Kind::Message).with(Key::Subject, "s"));
            writer.push(trace.records().last().unwrap()).unwrap();
            if n % 5 == 0 {
                writer.finish().unwrap();
            }
        }
        let text = String::from_utf8(writer.out.get_ref().clone()).unwrap();
        let unfinished = read_jsonl(&text).unwrap_err().to_string();
        assert!(unfinished.contains("there are 12 records, which is not what it says"), "{unfinished}");
        writer.finish().unwrap();
        let text = String::from_utf8(file.into_inner()).unwrap();
        assert_eq!(read_jsonl(&text).unwrap().0, trace);
    }
}
