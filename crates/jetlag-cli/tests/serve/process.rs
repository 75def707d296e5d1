//! A `jetlag serve` process, and a client of a few lines that talks to it over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value as Json;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The token for the controls.
pub(crate) const TOKEN: &str = "control";

/// A server on a port of its own, until it is dropped.
pub(crate) struct Serve {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it said on its first line.
    pub(crate) said: Json,
}

impl Serve {
    pub(crate) fn start(arguments: &[&str]) -> Serve {
        Serve::in_folder(Path::new("."), arguments)
    }

    pub(crate) fn in_folder(folder: &Path, arguments: &[&str]) -> Serve {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jetlag"))
            .args(["serve", "--port", "0", "--control-token", TOKEN])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("jetlag can be started");
        let mut out = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its first line");
        let said = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        Serve { child, out, said }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection that has said nothing yet.
    pub(crate) fn socket(&self) -> TcpStream {
        let port = u16::try_from(self.said["port"].as_u64().expect("a port")).expect("a port");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream
    }

    /// A client, in the namespace of this user, who may use the controls.
    pub(crate) fn client(&self, user: &str) -> Client {
        self.client_with(&format!(r#"{{"user":"{user}","pass":"{TOKEN}","verbose":false,"headers":true,"no_responders":true}}"#))
    }

    /// A client that has presented itself, and has read INFO but not what it is answered.
    pub(crate) fn connecting(&self, connect: &str) -> Client {
        let mut client = Client { reader: BufReader::new(self.socket()), next: 0 };
        assert!(client.line().is_some_and(|line| line.starts_with("INFO ")));
        client.send(&format!("CONNECT {connect}\r\nPING\r\n"));
        client
    }

    pub(crate) fn client_with(&self, connect: &str) -> Client {
        let mut client = self.connecting(connect);
        loop {
            let line = client.line().expect("it answers");
            assert!(!line.starts_with("-ERR"), "{line}");
            if line == "PONG" {
                return client;
            }
        }
    }

    /// What it answers over HTTP: status line with headers, and body.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let url = self.said["monitor"].as_str().expect("it was asked for a monitor");
        let mut stream = TcpStream::connect(url.strip_prefix("http://").expect("HTTP")).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers and closes");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_owned(), body.to_owned())
    }

    /// Ends it as a terminal does, and wants it to end well.
    pub(crate) fn interrupt(mut self) {
        let sent = Command::new("kill").args(["-INT", &self.pid().to_string()]).status().expect("kill can be started");
        assert!(sent.success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("it was a pipe");
        assert_eq!(rest, "", "one line is all it says");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that answers PINGs and asks one thing at a time.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    next: u64,
}

/// A message.
#[derive(Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) subject: String,
    pub(crate) sid: u64,
    pub(crate) reply: Option<String>,
    /// The header block, if there is one.
    pub(crate) headers: String,
    pub(crate) payload: String,
}

impl Got {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.payload).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

impl Client {
    pub(crate) fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).expect("it reads");
    }

    /// The next line; `None` when the server closed the connection.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line).expect("it says something in time");
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// Whether a line, or the end, comes within this time.
    pub(crate) fn says_something_within(&mut self, time: Duration) -> bool {
        self.reader.get_ref().set_read_timeout(Some(time)).expect("a time-out can be set");
        let came = self.reader.fill_buf().is_ok();
        self.reader.get_ref().set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        came
    }

    /// The next message, PINGs before it answered; `None` when the server closed the connection.
    pub(crate) fn message(&mut self) -> Option<Got> {
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["PING"] => self.send("PONG\r\n"),
                [verb @ ("MSG" | "HMSG"), subject, sid, rest @ ..] => {
                    let numbers = if *verb == "MSG" { 1 } else { 2 };
                    let (reply, sizes) = rest.split_at(rest.len() - numbers);
                    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse().expect("a size")).collect();
                    let mut bytes = vec![0; sizes.last().expect("a size") + 2];
                    self.reader.read_exact(&mut bytes).expect("the rest of it");
                    bytes.truncate(bytes.len() - 2);
                    let payload = bytes.split_off(if numbers == 2 { sizes[0] } else { 0 });
                    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
                    let reply = reply.first().map(|reply| (*reply).to_owned());
                    let sid = sid.parse().expect("our number");
                    return Some(Got { subject: (*subject).to_owned(), sid, reply, headers: text(bytes), payload: text(payload) });
                }
                _ => assert!(line == "PONG" || line.starts_with("INFO"), "{line}"),
            }
        }
    }

    /// Sends a request, for an answer to come; says the number of the subscription.
    pub(crate) fn ask(&mut self, subject: &str, payload: &str) -> u64 {
        self.next += 1;
        let n = self.next;
        let size = payload.len();
        self.send(&format!("SUB answer.{n} {n}\r\nUNSUB {n} 1\r\nPUB {subject} answer.{n} {size}\r\n{payload}\r\n"));
        n
    }

    /// Sends a request, and waits for its answer.
    pub(crate) fn request(&mut self, subject: &str, payload: &str) -> Got {
        let sid = self.ask(subject, payload);
        loop {
            let got = self.message().unwrap_or_else(|| panic!("{subject} was not answered, the connection ended"));
            if got.sid == sid {
                return got;
            }
        }
    }

    /// Uses a control.
    pub(crate) fn control(&mut self, name: &str, payload: &str) -> Json {
        self.request(&format!("$JETLAG.{name}"), payload).json()
    }

    /// Uses a control, while `other` is answered, too.
    pub(crate) fn control_beside(&mut self, name: &str, payload: &str, other: u64, look: impl Fn(&Got)) {
        let control = self.ask(&format!("$JETLAG.{name}"), payload);
        let mut missing = vec![control, other];
        while !missing.is_empty() {
            let got = self.message().expect("both are answered");
            missing.retain(|sid| *sid != got.sid);
            if got.sid == other {
                look(&got);
            }
        }
    }

    /// A stream `ORDERS` and a pull consumer `WORK` with 30 s of ack_wait.
    pub(crate) fn orders(&mut self) {
        for (subject, body) in [
            ("$JS.API.STREAM.CREATE.ORDERS", r#"{"name":"ORDERS","subjects":["orders.>"]}"#),
            (
                "$JS.API.CONSUMER.CREATE.ORDERS.WORK",
                r#"{"stream_name":"ORDERS","action":"create","config":{"name":"WORK","durable_name":"WORK","ack_policy":"explicit","ack_wait":30000000000}}"#,
            ),
        ] {
            let answer = self.request(subject, body).json();
            assert!(answer.get("error").is_none(), "{answer}");
        }
    }

    /// What a pull without waiting brings first.
    pub(crate) fn pull(&mut self) -> Got {
        self.request("$JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK", r#"{"batch":1,"no_wait":true}"#)
    }
}
