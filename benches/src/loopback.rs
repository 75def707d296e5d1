//! Messages a second through loopback: `cargo bench -p jetlag-benches --bench loopback [-- nats://127.0.0.1:4222...]`, for each server that is
//! named, a real one or `jetlag serve`; with none, for a server like that of `jetlag serve` on a thread of its own.
//!
//! The client is as cheap as it can be, raw bytes on sockets, because it shares the machine with the server. What comes is counted and
//! compared, so that a figure is never that of a wrong answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use jetlag_server::{Keep, Running, ServerConfig};

/// Bytes of payload of every message.
const PAYLOAD: usize = 16;
/// Messages without JetStream.
const PLAIN: usize = 1_000_000;
/// Messages of the others.
const STORED: usize = 200_000;
/// How often each is measured; the median is told.
const ROUNDS: usize = 5;
/// Bytes written at a time.
const WRITE: usize = 32 * 1024;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// A letter of this is in no message.
const PING: &[u8] = b"PING\r\n";
/// How many acknowledgements a publisher leaves unread, as clients do.
const WINDOW: usize = 4_000;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let mut servers: Vec<String> = std::env::args().skip(1).filter(|argument| argument.starts_with("nats://")).collect();
    // As a test, by cargo: that it runs at all.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let (plain, stored, rounds) = if is_test { (PLAIN / 1000, STORED / 1000, 1) } else { (PLAIN, STORED, ROUNDS) };
    if servers.is_empty() {
        servers.push(own_server()?);
    }
    for server in &servers {
        let address: SocketAddr = server.trim_start_matches("nats://").parse()?;
        println!("{server}, {PAYLOAD} bytes of payload, median of {rounds}:");
        told("plain publish and deliver", plain, rounds, || publish_and_deliver(address, plain))?;
        told("JetStream publish, acknowledged", stored, rounds, || store(address, stored))?;
        told("JetStream pull, acknowledged", stored, rounds, || pull(address, stored))?;
    }
    Ok(())
}

/// Measures, and prints what came of it.
fn told(what: &str, count: usize, rounds: usize, round: impl Fn() -> Result<Duration>) -> Result {
    let mut took = (0..rounds).map(|_| round()).collect::<Result<Vec<_>>>()?;
    took.sort_unstable();
    let rate = |took: &Duration| count as f64 / took.as_secs_f64() / 1000.0;
    println!("  {what:<34}{:>8.0} k messages/s   ({:.0} to {:.0})", rate(&took[rounds / 2]), rate(&took[rounds - 1]), rate(&took[0]));
    Ok(())
}

/// A server on a thread of its own, as `jetlag serve` has it, until the process ends.
fn own_server() -> Result<String> {
    let (sender, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut config = ServerConfig::default();
            config.keep = Keep::Latest(100_000);
            let running = Running::start(config, ([127, 0, 0, 1], 0).into(), None).await.expect("it listens");
            sender.send(running.address()).expect("somebody waits for it");
            std::future::pending::<()>().await;
        });
    });
    Ok(format!("nats://{}", address.recv()?))
}

/// One client subscribes, another publishes; until the last message has come.
fn publish_and_deliver(address: SocketAddr, count: usize) -> Result<Duration> {
    let mut subscriber = Client::connect(address)?;
    subscriber.write(b"SUB bench 1\r\n")?;
    subscriber.ping()?;
    let mut publisher = Client::connect(address)?;
    let line = format!("PUB bench {PAYLOAD}\r\n{}\r\n", payload());
    let delivered = format!("MSG bench 1 {PAYLOAD}\r\n{}\r\n", payload());
    let start = Instant::now();
    let writer = thread::spawn(move || publisher.write_times(&line, count).map_err(|error| error.to_string()));
    let mut expected = delivered.len() * count;
    let mut buffer = vec![0; 256 * 1024];
    let (mut came, mut pings) = (0, 0);
    while came < expected {
        let read = subscriber.read(&mut buffer)?;
        // A server may want to know how far away its client is.
        let asked = buffer[..read].iter().filter(|byte| **byte == PING[0]).count();
        (pings, expected) = (pings + asked, expected + asked * PING.len());
        // Bytes between the first and the last of a read are not looked at: that takes time away from the server.
        if pings == 0 && buffer[0] != delivered.as_bytes()[came % delivered.len()] {
            return Err(format!("{:?} came", String::from_utf8_lossy(&buffer[..read.min(80)])).into());
        }
        came += read;
    }
    if came > expected {
        return Err("more came than was sent".into());
    }
    let took = start.elapsed();
    writer.join().map_err(|_| "the publisher panicked")??;
    Ok(took)
}

/// One client publishes to a memory stream, and reads the acknowledgements; until the last has come.
fn store(address: SocketAddr, count: usize) -> Result<Duration> {
    let mut client = Client::connect(address)?;
    client.stream()?;
    client.write(b"SUB acks 2\r\n")?;
    let line = format!("PUB orders acks {PAYLOAD}\r\n{}\r\n", payload());
    let start = Instant::now();
    let (mut sent, mut acked) = (0, 0);
    while acked < count {
        let more = (count - sent).min(WINDOW - (sent - acked));
        client.write_times(&line, more)?;
        sent += more;
        acked += client.read_some(b"{\"stream\":\"BENCH\"")?;
    }
    let took = start.elapsed();
    client.request("$JS.API.STREAM.DELETE.BENCH", "")?;
    Ok(took)
}

/// One client pulls what a memory stream holds, and acknowledges each; until the last acknowledgement is confirmed.
fn pull(address: SocketAddr, count: usize) -> Result<Duration> {
    let mut client = Client::connect(address)?;
    client.stream()?;
    client.write_times(&format!("PUB orders {PAYLOAD}\r\n{}\r\n", payload()), count)?;
    client.request(
        "$JS.API.CONSUMER.CREATE.BENCH.WORK",
        r#"{"stream_name":"BENCH","action":"create","config":{"name":"WORK","durable_name":"WORK","ack_policy":"explicit","max_ack_pending":-1}}"#,
    )?;
    client.write(b"SUB work 2\r\n")?;
    let start = Instant::now();
    let body = format!(r#"{{"batch":{count},"no_wait":true}}"#);
    client.write(format!("PUB $JS.API.CONSUMER.MSG.NEXT.BENCH.WORK work {}\r\n{body}\r\n", body.len()).as_bytes())?;
    let mut acked = 0;
    while acked < count {
        acked += client.acknowledge_some()?;
    }
    // A real server takes acknowledgements in while it goes on.
    while !client.request("$JS.API.CONSUMER.INFO.BENCH.WORK", "")?.contains(r#""num_ack_pending":0"#) {
        if start.elapsed() > PATIENCE {
            return Err("not all is acknowledged".into());
        }
    }
    let took = start.elapsed();
    client.request("$JS.API.STREAM.DELETE.BENCH", "")?;
    Ok(took)
}

fn payload() -> String {
    "x".repeat(PAYLOAD)
}

/// A connection, and what was read of it but not used.
struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    requests: u64,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Client { stream, unread: Vec::new(), requests: 0 };
        client.write(b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n")?;
        client.ping()?;
        Ok(client)
    }

    fn write(&mut self, bytes: &[u8]) -> Result {
        Ok(self.stream.write_all(bytes)?)
    }

    fn write_times(&mut self, line: &str, count: usize) -> Result {
        let at_once = (WRITE / line.len()).max(1);
        let batch = line.repeat(at_once);
        let mut left = count;
        while left > 0 {
            let some = left.min(at_once);
            self.write(&batch.as_bytes()[..some * line.len()])?;
            left -= some;
        }
        Ok(())
    }

    /// Bytes that were read first, or come next.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let held = self.unread.len().min(buffer.len());
        if held > 0 {
            buffer[..held].copy_from_slice(&self.unread[..held]);
            self.unread.drain(..held);
            return Ok(held);
        }
        match self.stream.read(buffer)? {
            0 => Err("the server closed the connection".into()),
            count => Ok(count),
        }
    }

    fn fill(&mut self) -> Result {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err("the server closed the connection".into()),
            count => {
                self.unread.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// Everything that was sent has been done.
    fn ping(&mut self) -> Result {
        self.write(b"PING\r\n")?;
        self.until("PONG\r\n").map(|_| ())
    }

    /// Reads to where `end` ends; what comes before it is returned.
    fn until(&mut self, end: &str) -> Result<String> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end.as_bytes()) {
                let read: Vec<u8> = self.unread.drain(..at + end.len()).collect();
                let text = String::from_utf8_lossy(&read).into_owned();
                return if text.contains("-ERR") { Err(text.into()) } else { Ok(text) };
            }
            self.fill()?;
        }
    }

    fn request(&mut self, subject: &str, body: &str) -> Result<String> {
        self.requests += 1;
        let (inbox, sid) = (format!("answer{}", self.requests), 100 + self.requests);
        self.write(format!("SUB {inbox} {sid}\r\nPUB {subject} {inbox} {}\r\n{body}\r\n", body.len()).as_bytes())?;
        self.until(&format!("MSG {inbox} {sid} "))?;
        self.until("\r\n")?;
        let answer = self.until("\r\n")?;
        if answer.contains("\"error\"") { Err(format!("{subject}: {answer}").into()) } else { Ok(answer) }
    }

    /// A memory stream.
    fn stream(&mut self) -> Result {
        let config = r#"{"name":"BENCH","subjects":["orders"],"storage":"memory","max_bytes":1000000000}"#;
        self.request("$JS.API.STREAM.CREATE.BENCH", config).map(|_| ())
    }

    /// Reads some whole messages, and counts those that begin with this.
    fn read_some(&mut self, begins: &[u8]) -> Result<usize> {
        let mut count = 0;
        while count == 0 {
            self.fill()?;
            count = self.messages(|_, payload| if payload.starts_with(begins) { Ok(()) } else { Err("another answer came".into()) })?;
        }
        Ok(count)
    }

    /// Reads some whole messages and acknowledges each.
    fn acknowledge_some(&mut self) -> Result<usize> {
        self.fill()?;
        let mut acks = Vec::new();
        let count = self.messages(|head, _| {
            let reply = head.split(|byte| *byte == b' ').nth(3).ok_or("a message without an ack subject came")?;
            acks.extend_from_slice(b"PUB ");
            acks.extend_from_slice(reply);
            acks.extend_from_slice(b" 0\r\n\r\n");
            Ok(())
        })?;
        self.write(&acks)?;
        Ok(count)
    }

    /// Does something with each whole message that was read; says how many there were.
    fn messages(&mut self, mut each: impl FnMut(&[u8], &[u8]) -> Result) -> Result<usize> {
        let (mut at, mut count) = (0, 0);
        while let Some(length) = self.unread[at..].iter().position(|byte| *byte == b'\n') {
            let head = &self.unread[at..at + length - 1];
            if head == b"PING" {
                at += PING.len();
                continue;
            }
            if !head.starts_with(b"MSG ") {
                return Err(format!("{:?} came", String::from_utf8_lossy(head)).into());
            }
            let size = head.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            let size: usize = std::str::from_utf8(size)?.parse()?;
            let body = at + length + 1;
            if self.unread.len() < body + size + 2 {
                break;
            }
            each(head, &self.unread[body..body + size])?;
            (at, count) = (body + size + 2, count + 1);
        }
        self.unread.drain(..at);
        Ok(count)
    }
}
