//! The form of what is written: a line of JSON each, and behind that of a message its bytes. A frame begins with what the wall clock shows.

use jetlag_core::{ConsumerRef, ConsumerState, StoredMessage, Write};
use jetlag_model::{ConsumerConfig, ConsumerSeq, Headers, SequencePair, StreamConfig, StreamSeq, Text, WallTime};
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "write")]
enum Line {
    Clock {
        wall: i64,
    },
    Ids {
        drawn: u64,
    },
    Stream {
        config: Box<StreamConfig>,
        created: i64,
    },
    StreamGone {
        stream: Text,
    },
    Message {
        stream: Text,
        seq: u64,
        subject: Text,
        time: i64,
        /// Bytes of the header block, which follows.
        headers: Option<usize>,
        /// Bytes of the payload, which follows that.
        payload: usize,
    },
    Removed {
        stream: Text,
        seqs: Vec<u64>,
    },
    Emptied {
        stream: Text,
    },
    Ends {
        stream: Text,
        first: u64,
        last: u64,
        last_time: Option<i64>,
    },
    Consumer {
        stream: Text,
        consumer: Text,
        config: Box<ConsumerConfig>,
        created: i64,
    },
    ConsumerGone {
        stream: Text,
        consumer: Text,
    },
    State {
        stream: Text,
        consumer: Text,
        delivered: (u64, u64),
        floor: (u64, u64),
        pending: Vec<(u64, u64, i64)>,
        redelivered: Vec<(u64, u64)>,
    },
}

fn pair(pair: SequencePair) -> (u64, u64) {
    (pair.consumer_seq.0, pair.stream_seq.0)
}

fn unpair((consumer_seq, stream_seq): (u64, u64)) -> SequencePair {
    SequencePair { consumer_seq: ConsumerSeq(consumer_seq), stream_seq: StreamSeq(stream_seq) }
}

/// The body of a frame.
pub(super) fn write(wall: WallTime, writes: &[Write]) -> Vec<u8> {
    let mut out = Vec::new();
    push(&mut out, &Line::Clock { wall: wall.unix_nanos() });
    for write in writes {
        push(&mut out, &line_of(write));
        if let Write::Message { message, .. } = write {
            out.extend_from_slice(message.headers.as_ref().map_or(&[], Headers::as_bytes));
            out.extend_from_slice(&message.payload);
            out.push(b'\n');
        }
    }
    out
}

fn push(out: &mut Vec<u8>, line: &Line) {
    serde_json::to_writer(&mut *out, line).expect("numbers, texts and configurations have a JSON form");
    out.push(b'\n');
}

fn line_of(write: &Write) -> Line {
    match write.clone() {
        Write::Ids(drawn) => Line::Ids { drawn },
        Write::Stream { config, created } => Line::Stream { config, created: created.unix_nanos() },
        Write::StreamGone(stream) => Line::StreamGone { stream },
        Write::Message { stream, message } => Line::Message {
            stream,
            seq: message.seq.0,
            subject: message.subject,
            time: message.time.unix_nanos(),
            headers: message.headers.map(|headers| headers.as_bytes().len()),
            payload: message.payload.len(),
        },
        Write::Removed { stream, seqs } => Line::Removed { stream, seqs: seqs.into_iter().map(|seq| seq.0).collect() },
        Write::Emptied(stream) => Line::Emptied { stream },
        Write::Ends { stream, first, last, last_time } => {
            Line::Ends { stream, first: first.0, last: last.0, last_time: last_time.map(WallTime::unix_nanos) }
        }
        Write::Consumer { at: ConsumerRef { stream, consumer }, config, created } => {
            Line::Consumer { stream, consumer, config, created: created.unix_nanos() }
        }
        Write::ConsumerGone(ConsumerRef { stream, consumer }) => Line::ConsumerGone { stream, consumer },
        Write::State { at: ConsumerRef { stream, consumer }, state } => Line::State {
            stream,
            consumer,
            delivered: pair(state.delivered),
            floor: pair(state.floor),
            pending: state.pending.into_iter().map(|(seq, first, stamp)| (seq.0, first.0, stamp.unix_nanos())).collect(),
            redelivered: state.redelivered.into_iter().map(|(seq, count)| (seq.0, count)).collect(),
        },
    }
}

/// What the wall clock showed, and what was written; or why these are no lines.
pub(super) fn read(body: &[u8]) -> Result<(WallTime, Vec<Write>), String> {
    let mut rest = body;
    let Some(Line::Clock { wall }) = next_line(&mut rest)? else { return Err("it does not begin with the clock".to_owned()) };
    let mut writes = Vec::new();
    while let Some(line) = next_line(&mut rest)? {
        writes.push(write_of(line, &mut rest)?);
    }
    Ok((WallTime::from_unix_nanos(wall), writes))
}

fn next_line(rest: &mut &[u8]) -> Result<Option<Line>, String> {
    if rest.is_empty() {
        return Ok(None);
    }
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or("a line has no end")?;
    let line = serde_json::from_slice(&rest[..end]).map_err(|error| error.to_string())?;
    *rest = &rest[end + 1..];
    Ok(Some(line))
}

/// The bytes of so many that come next.
fn take<'b>(rest: &mut &'b [u8], count: usize) -> Result<&'b [u8], String> {
    let (bytes, after) = rest.split_at_checked(count).ok_or("a message is cut off")?;
    *rest = after;
    Ok(bytes)
}

fn write_of(line: Line, rest: &mut &[u8]) -> Result<Write, String> {
    let wall = WallTime::from_unix_nanos;
    Ok(match line {
        Line::Clock { .. } => return Err("the clock stands where a write is expected".to_owned()),
        Line::Ids { drawn } => Write::Ids(drawn),
        Line::Stream { config, created } => Write::Stream { config, created: wall(created) },
        Line::StreamGone { stream } => Write::StreamGone(stream),
        Line::Message { stream, seq, subject, time, headers, payload } => {
            let headers = match headers {
                Some(count) => Some(Headers::from_block(take(rest, count)?).ok_or("headers are none")?),
                None => None,
            };
            let payload = take(rest, payload)?.into();
            take(rest, 1)?;
            Write::Message { stream, message: StoredMessage { seq: StreamSeq(seq), subject, time: wall(time), headers, payload } }
        }
        Line::Removed { stream, seqs } => Write::Removed { stream, seqs: seqs.into_iter().map(StreamSeq).collect() },
        Line::Emptied { stream } => Write::Emptied(stream),
        Line::Ends { stream, first, last, last_time } => {
            Write::Ends { stream, first: StreamSeq(first), last: StreamSeq(last), last_time: last_time.map(wall) }
        }
        Line::Consumer { stream, consumer, config, created } => {
            Write::Consumer { at: ConsumerRef { stream, consumer }, config, created: wall(created) }
        }
        Line::ConsumerGone { stream, consumer } => Write::ConsumerGone(ConsumerRef { stream, consumer }),
        Line::State { stream, consumer, delivered, floor, pending, redelivered } => Write::State {
            at: ConsumerRef { stream, consumer },
            state: ConsumerState {
                delivered: unpair(delivered),
                floor: unpair(floor),
                pending: pending.into_iter().map(|(seq, first, stamp)| (StreamSeq(seq), ConsumerSeq(first), wall(stamp))).collect(),
                redelivered: redelivered.into_iter().map(|(seq, count)| (StreamSeq(seq), count)).collect(),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = ConsumerRef { stream: "S".into(), consumer: "C".into() };
        let message = |headers: Option<Headers>, payload: &[u8]| StoredMessage {
            seq: StreamSeq(7),
            subject: "s.\u{e9} 1".into(),
            time: WallTime::from_unix_nanos(-1),
            headers,
            payload: payload.into(),
        };
        let headers = Headers::from_fields([("Nats-Msg-Id", "1")]);
        let pair = SequencePair { consumer_seq: ConsumerSeq(u64::MAX), stream_seq: StreamSeq(3) };
        let writes = vec![
            Write::Ids(9),
            Write::Stream { config: Box::new(StreamConfig { name: "S".into(), ..StreamConfig::default() }), created: WallTime::default() },
            Write::Message { stream: "S".into(), message: message(None, b"\n\0\xff{") },
            Write::Message { stream: "S".into(), message: message(Some(headers), b"") },
            Write::Removed { stream: "S".into(), seqs: vec![StreamSeq(1), StreamSeq(2)] },
            Write::Emptied("S".into()),
            Write::Ends { stream: "S".into(), first: StreamSeq(8), last: StreamSeq(7), last_time: None },
            Write::Consumer { at: at.clone(), config: Box::default(), created: WallTime::from_unix_nanos(1) },
            Write::State {
                at: at.clone(),
                state: ConsumerState {
                    delivered: pair,
                    floor: pair,
                    pending: vec![(StreamSeq(1), ConsumerSeq(2), WallTime::from_unix_nanos(3))],
                    redelivered: vec![(StreamSeq(1), 4)],
                },
            },
            Write::ConsumerGone(at),
            Write::StreamGone("S".into()),
        ];
        let body = write(WallTime::from_unix_nanos(5), &writes);
        assert_eq!(read(&body), Ok((WallTime::from_unix_nanos(5), writes)));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for (body, expected) in [
            (&b""[..], "it does not begin with the clock"),
            (b"{\"write\":\"clock\",\"wall\":1}", "a line has no end"),
            (b"{\"write\":\"ids\",\"drawn\":1}\n", "it does not begin with the clock"),
            (b"{\"write\":\"clock\",\"wall\":1}\n{\"write\":\"message\",\"stream\":\"S\",\"seq\":1,\"subject\":\"s\",\"time\":1,\"headers\":null,\"payload\":9}\nx\n", "a message is cut off"),
        ] {
            assert_eq!(read(body).map(|_| ()), Err(expected.to_owned()));
        }
    }
}
