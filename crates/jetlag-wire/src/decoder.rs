//! From bytes of a server, in whatever pieces they arrive, to frames. What a line means is the business of the frame's own module.

use crate::error::quote;
use crate::server_frame::{Line, MAX_LINE, MessageHead, complete, read_line};
use crate::{ServerFrame, WireError};

/// Turns the bytes of a server into frames.
///
/// It holds no more than one unfinished frame and what was last fed, so a caller that polls until `None` after each piece has bounded
/// memory: the longest line or the largest payload, and one piece.
#[derive(Clone, Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that are used up.
    used: usize,
    /// Bytes after `used` that are known to hold no line end.
    scanned: usize,
    head: Option<MessageHead>,
    max_payload: usize,
    failed: Option<WireError>,
}

impl Decoder {
    /// A decoder that accepts headers and payload of up to `max_payload` bytes together.
    pub fn new(max_payload: usize) -> Decoder {
        Decoder { buffer: Vec::new(), used: 0, scanned: 0, head: None, max_payload, failed: None }
    }

    /// Changes the limit, for the frames not yet polled.
    pub fn set_max_payload(&mut self, max_payload: usize) {
        self.max_payload = max_payload;
    }

    /// Takes bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// When the bytes are no frame. From then on the answer stays the same, because where the next frame begins is unknown.
    pub fn poll(&mut self) -> Result<Option<ServerFrame>, WireError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.buffer = Vec::new();
        })
    }

    fn advance(&mut self) -> Result<Option<ServerFrame>, WireError> {
        if self.head.is_none() {
            match self.line()? {
                None => return Ok(None),
                Some(Line::Whole(frame)) => return Ok(Some(frame)),
                Some(Line::Head(head)) => {
                    let (subject, size) = (&head.subject, head.size);
                    if size > self.max_payload {
                        return Err(WireError::PayloadTooLarge { subject: subject.to_owned(), size, limit: self.max_payload });
                    }
                    self.head = Some(head);
                }
            }
        }
        self.body()
    }

    fn line(&mut self) -> Result<Option<Line>, WireError> {
        let rest = &self.buffer[self.used..];
        let end = rest[self.scanned..].iter().position(|byte| *byte == b'\n').map(|at| self.scanned + at);
        let line = &rest[..end.unwrap_or(rest.len())];
        // The carriage return is let through with the limit, so that the verdict does not hang on how the bytes were cut.
        if line.len() > MAX_LINE + 1 {
            return Err(WireError::LineTooLong { limit: MAX_LINE, start: quote(&line[..MAX_LINE.min(60)]) });
        }
        let Some(end) = end else {
            self.scanned = rest.len();
            return Ok(None);
        };
        let read = read_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        self.used += end + 1;
        self.scanned = 0;
        Ok(Some(read))
    }

    fn body(&mut self) -> Result<Option<ServerFrame>, WireError> {
        let Some(head) = self.head.take() else { return Ok(None) };
        let (subject, size) = (&head.subject, head.size);
        let rest = &self.buffer[self.used..];
        // The first byte after the payload is enough to see that the size is wrong; the second may be a piece away.
        let ending = rest.get(size..).unwrap_or_default();
        if !b"\r\n".starts_with(&ending[..ending.len().min(2)]) {
            return Err(WireError::PayloadEnd(subject.to_owned()));
        }
        if ending.len() < 2 {
            self.head = Some(head);
            return Ok(None);
        }
        let frame = complete(head, &rest[..size])?;
        self.used += size + 2;
        Ok(Some(frame))
    }
}
