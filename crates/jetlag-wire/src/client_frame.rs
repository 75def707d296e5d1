//! What a client says, and how it is written. How a server reads it: `parser.rs`.

use jetlag_model::{Message, Sid};

use crate::{ConnectOptions, WireError};

/// One operation of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// CONNECT: who is there.
    Connect(ConnectOptions),
    /// PUB, or HPUB if the message has headers.
    Publish(Message),
    /// SUB: send what matches `subject` under the number `sid`.
    Subscribe {
        /// The subject, which may hold wildcards.
        subject: String,
        /// The queue group to join.
        queue: Option<String>,
        /// The number of the subscription, of the client's choice.
        sid: Sid,
    },
    /// UNSUB: at once, or after so many messages.
    Unsubscribe {
        /// The number of the subscription.
        sid: Sid,
        /// Messages, counted since the SUB, after which it ends.
        max: Option<u64>,
    },
    /// PING: are you there.
    Ping,
    /// PONG: I am.
    Pong,
}

impl ClientFrame {
    /// Appends the frame to `out`.
    ///
    /// Subjects are not validated, because what a server makes of a bad one is worth asking; only what would break the line is refused.
    ///
    /// # Errors
    ///
    /// [`WireError::Unsendable`]; `out` is as before then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self {
            ClientFrame::Connect(options) => {
                let json =
                    serde_json::to_string(options).map_err(|error| WireError::Json { operation: "CONNECT", reason: error.to_string() })?;
                push(out, &["CONNECT", &json]);
            }
            ClientFrame::Publish(message) => publish(message, out)?,
            ClientFrame::Subscribe { subject, queue, sid } => {
                let subject = word("subject", subject)?;
                let queue = queue.as_deref().map(|queue| word("queue group", queue)).transpose()?;
                push(out, &["SUB", subject, queue.unwrap_or(""), &sid.0.to_string()]);
            }
            ClientFrame::Unsubscribe { sid, max } => {
                push(out, &["UNSUB", &sid.0.to_string(), &max.map(|max| max.to_string()).unwrap_or_default()]);
            }
            ClientFrame::Ping => push(out, &["PING"]),
            ClientFrame::Pong => push(out, &["PONG"]),
        }
        Ok(())
    }
}

fn publish(message: &Message, out: &mut Vec<u8>) -> Result<(), WireError> {
    let subject = message.subject.text();
    let subject = word("subject", &subject)?;
    let reply = message.reply.as_ref().map(|reply| reply.text());
    let reply = reply.as_deref().map(|reply| word("reply subject", reply)).transpose()?.unwrap_or("");
    let size = message.size().to_string();
    match &message.headers {
        Some(headers) => {
            push(out, &["HPUB", subject, reply, &headers.as_bytes().len().to_string(), &size]);
            out.extend_from_slice(headers.as_bytes());
        }
        None => push(out, &["PUB", subject, reply, &size]),
    }
    out.extend_from_slice(&message.payload);
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends a control line; empty words are arguments left out.
fn push(out: &mut Vec<u8>, words: &[&str]) {
    for (n, word) in words.iter().filter(|word| !word.is_empty()).enumerate() {
        if n > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn word<'a>(what: &'static str, text: &'a str) -> Result<&'a str, WireError> {
    if text.is_empty() || text.contains([' ', '\t', '\r', '\n']) {
        return Err(WireError::Unsendable { what, text: text.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use jetlag_model::Headers;

    use super::*;

    fn bytes(frame: &ClientFrame) -> String {
        let mut out = Vec::new();
        frame.encode(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn subscribe(subject: &str, queue: Option<&str>) -> ClientFrame {
        ClientFrame::Subscribe { subject: subject.into(), queue: queue.map(Into::into), sid: Sid(7) }
    }

    #[test]
    fn frames_are_written_as_the_protocol_says() {
        let headers = Headers::from_fields([("Nats-Msg-Id", "1")]);
        for (frame, text) in [
            (ClientFrame::Ping, "PING\r\n"),
            (ClientFrame::Pong, "PONG\r\n"),
            (subscribe("orders.>", None), "SUB orders.> 7\r\n"),
            (subscribe("orders.*", Some("workers")), "SUB orders.* workers 7\r\n"),
            (ClientFrame::Unsubscribe { sid: Sid(7), max: None }, "UNSUB 7\r\n"),
            (ClientFrame::Unsubscribe { sid: Sid(7), max: Some(5) }, "UNSUB 7 5\r\n"),
            (ClientFrame::Publish(Message::new("orders.1", "")), "PUB orders.1 0\r\n\r\n"),
            (ClientFrame::Publish(Message::new("orders.1", "a\r\nb").with_reply("_INBOX.1")), "PUB orders.1 _INBOX.1 4\r\na\r\nb\r\n"),
            (
                ClientFrame::Publish(Message::new("orders.1", "hi").with_headers(headers.clone())),
                "HPUB orders.1 28 30\r\nNATS/1.0\r\nNats-Msg-Id: 1\r\n\r\nhi\r\n",
            ),
            (
                ClientFrame::Publish(Message::new("orders.1", "").with_headers(headers).with_reply("r")),
                "HPUB orders.1 r 28 28\r\nNATS/1.0\r\nNats-Msg-Id: 1\r\n\r\n\r\n",
            ),
        ] {
            assert_eq!(bytes(&frame), text);
        }
        let connect = bytes(&ClientFrame::Connect(ConnectOptions::default()));
        assert!(connect.starts_with("CONNECT {\"verbose\":false,") && connect.ends_with("}\r\n"), "{connect}");
    }

    #[test]
    fn what_would_break_the_line_is_refused() {
        for (frame, what, text) in [
            (ClientFrame::Publish(Message::new("", "x")), "subject", ""),
            (ClientFrame::Publish(Message::new("a b", "x")), "subject", "a b"),
            (ClientFrame::Publish(Message::new("a", "x").with_reply("b\r\nPING")), "reply subject", "b\r\nPING"),
            (subscribe("a\tb", None), "subject", "a\tb"),
            (subscribe("a", Some("q q")), "queue group", "q q"),
            (subscribe("a", Some("")), "queue group", ""),
        ] {
            let mut out = b"before".to_vec();
            assert_eq!(frame.encode(&mut out), Err(WireError::Unsendable { what, text: text.into() }));
            assert_eq!(out, b"before");
        }
    }
}
