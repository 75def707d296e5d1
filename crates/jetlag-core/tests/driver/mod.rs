//! A client and a clock around a core, for tests that read as a conversation: what is said, and what comes back, one line each.

use jetlag_core::{ConnectOptions, Core, CoreConfig, Input, LostTail, Note, Output, Stored};
use jetlag_model::{Address, ConnId, Duration, Message, Now, Sid, Time, WallTime};

/// 2026-01-01T00:00:00Z.
const EPOCH: WallTime = WallTime::from_unix_nanos(1_767_225_600_000_000_000);

const CLIENT: ConnId = ConnId(1);

/// One client on one server.
pub(crate) struct Driver {
    core: Option<Core>,
    config: CoreConfig,
    now: Time,
    conn: ConnId,
    lines: Vec<String>,
    pub(crate) notes: Vec<Note>,
}

impl Driver {
    /// A server of the newest version, and a client that hears its inbox and all advisories.
    pub(crate) fn new() -> Driver {
        Driver::with(CoreConfig::default())
    }

    pub(crate) fn with(config: CoreConfig) -> Driver {
        let mut driver = Driver { core: None, config, now: Time::START, conn: ConnId(0), lines: Vec::new(), notes: Vec::new() };
        driver.open(Stored::default());
        driver
    }

    fn open(&mut self, stored: Stored) {
        self.core = Some(Core::open(self.config, stored, self.clock()));
        self.conn = ConnId(self.conn.0 + CLIENT.0);
        self.input(Input::Connect { conn: self.conn, options: ConnectOptions::default() });
        for (sid, subject) in
            [(1, "inbox.>"), (2, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"), (3, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>")]
        {
            self.subscribe(sid, subject, None);
        }
    }

    pub(crate) fn clock(&self) -> Now {
        Now { mono: self.now, wall: EPOCH + self.now.since_start() }
    }

    pub(crate) fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("the server runs")
    }

    pub(crate) fn input(&mut self, input: Input) {
        let now = self.clock();
        self.core().handle_input(now, input);
        self.drain();
    }

    pub(crate) fn subscribe(&mut self, sid: u64, subject: &str, queue: Option<&str>) {
        let conn = self.conn;
        self.input(Input::Subscribe { conn, sid: Sid(sid), subject: subject.into(), queue: queue.map(Into::into) });
    }

    pub(crate) fn unsubscribe(&mut self, sid: u64) {
        let conn = self.conn;
        self.input(Input::Unsubscribe { conn, sid: Sid(sid), max: None });
    }

    /// Publishes without asking for an answer.
    pub(crate) fn publish(&mut self, subject: &str, payload: &str) {
        let conn = self.conn;
        self.input(Input::Publish { conn, message: Message::new(subject, payload) });
    }

    /// Publishes and asks for an answer at `inbox.<name>`.
    pub(crate) fn request(&mut self, name: &str, subject: &str, payload: &str) {
        let conn = self.conn;
        let message = Message::new(subject, payload).with_reply(format!("inbox.{name}"));
        self.input(Input::Publish { conn, message });
    }

    /// An API request that must succeed; the answer is returned and not kept.
    pub(crate) fn api(&mut self, what: &str, body: &str) -> String {
        let before = self.lines.len();
        self.request("api", &format!("$JS.API.{what}"), body);
        let answers = self.lines.split_off(before);
        let answer = answers.into_iter().find(|line| line.contains(" api ")).expect("the API answers");
        assert!(!answer.contains("\"error\""), "{what} {body}: {answer}");
        answer
    }

    /// A stream `S` on `s.>` with so many messages, and an explicit consumer `C` on it.
    pub(crate) fn setup(messages: usize, storage: &str, consumer: &str) -> Driver {
        let mut driver = Driver::new();
        driver.prepare(messages, storage, consumer);
        driver
    }

    pub(crate) fn prepare(&mut self, messages: usize, storage: &str, consumer: &str) {
        self.api("STREAM.CREATE.S", &format!(r#"{{"name":"S","subjects":["s.>"],"storage":"{storage}"}}"#));
        self.api(
            "CONSUMER.CREATE.S.C",
            &format!(r#"{{"stream_name":"S","config":{{"durable_name":"C","ack_policy":"explicit",{consumer}}}}}"#),
        );
        for number in 1..=messages {
            self.publish(&format!("s.{number}"), "x");
        }
    }

    /// A pull request whose messages go to `inbox.<name>`.
    pub(crate) fn pull(&mut self, name: &str, body: &str) {
        self.request(name, "$JS.API.CONSUMER.MSG.NEXT.S.C", body);
    }

    /// An acknowledgement of a delivery: count, stream sequence, consumer sequence.
    pub(crate) fn ack(&mut self, (count, stream, consumer): (u64, u64, u64), payload: &str) {
        self.publish(&format!("$JS.ACK.S.C.{count}.{stream}.{consumer}.0.0"), payload);
    }

    /// Lets time pass, through its end.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some((at, _)) = self.core().next_deadline().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            let now = self.clock();
            self.core().handle_deadline(now);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn stop(&mut self) -> Stored {
        let now = self.clock();
        let (stored, outputs) = self.core.take().expect("the server runs").stop(now);
        for output in outputs {
            self.take(output);
        }
        stored
    }

    pub(crate) fn kill(&mut self, lost: LostTail) -> Stored {
        let now = self.clock();
        self.core.take().expect("the server runs").kill(now, lost)
    }

    pub(crate) fn start(&mut self, stored: Stored) {
        self.open(stored);
    }

    fn drain(&mut self) {
        while let Some(output) = self.core().poll_output() {
            self.take(output);
        }
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::Note(note) => self.notes.push(note),
            Output::Deliver { message, .. } => self.lines.push(format!("{} {}", self.now, describe(&message))),
        }
    }

    /// What came since the last call.
    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// `D consumer/stream F consumer/stream ap rd np w`, as the reference writes it.
    pub(crate) fn info(&mut self) -> String {
        let answer = self.api("CONSUMER.INFO.S.C", "");
        let number = |key: &str| {
            let start = answer.find(&format!("\"{key}\":")).expect("the field is there") + key.len() + 3;
            answer[start..].chars().take_while(char::is_ascii_digit).collect::<String>()
        };
        let pair = |key: &str| {
            let start = answer.find(&format!("\"{key}\":{{")).expect("the pair is there");
            let rest = &answer[start..];
            let value = |name: &str| {
                let start = rest.find(name).expect("the field is there") + name.len() + 2;
                rest[start..].chars().take_while(char::is_ascii_digit).collect::<String>()
            };
            format!("{}/{}", value("consumer_seq"), value("stream_seq"))
        };
        format!(
            "D{} F{} ap{} rd{} np{} w{}",
            pair("delivered"),
            pair("ack_floor"),
            number("num_ack_pending"),
            number("num_redelivered"),
            number("num_pending"),
            number("num_waiting")
        )
    }
}

/// One line for a message: `s1 d1 dc1` for a delivery, the status line for a status, else subject and payload.
fn describe(message: &Message) -> String {
    if let Some(Address::Ack(token)) = &message.reply {
        return format!("s{} d{} dc{}", token.stream_seq, token.consumer_seq, token.delivery_count);
    }
    let subject = message.subject.text().into_owned();
    let payload = String::from_utf8_lossy(&message.payload);
    if let Some(advisory) = subject.strip_prefix("$JS.EVENT.ADVISORY.CONSUMER.") {
        let field = |key: &str| {
            let key = format!("\"{key}\":");
            payload.find(&key).map(|start| payload[start + key.len()..].chars().take_while(char::is_ascii_digit).collect::<String>())
        };
        let what = advisory.split('.').next().unwrap_or_default();
        return format!("{what} s{} deliveries {}", field("stream_seq").unwrap_or_default(), field("deliveries").unwrap_or_default());
    }
    let inbox = subject.strip_prefix("inbox.").unwrap_or(&subject).to_owned();
    match message.headers.as_ref().and_then(|headers| headers.status()) {
        Some(status) => {
            let counts = message.header("Nats-Pending-Messages").zip(message.header("Nats-Pending-Bytes"));
            let counts = counts.map_or_else(String::new, |(messages, bytes)| format!(" {messages}/{bytes}"));
            format!("{inbox} {} {}{counts}", status.code, status.text).trim_end().to_owned()
        }
        None => format!("{inbox} {payload}"),
    }
}
