//! A proxy that stands between a client and a real server and may tamper with what the server says. It reads whole frames; time plays no
//! part in what it does. What is a lie and what is not, is its user's.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// A frame of the server: its line, and behind `MSG` and `HMSG` the headers and the payload.
pub(crate) struct Frame {
    line: String,
    body: Vec<u8>,
}

impl Frame {
    fn read(from: &mut impl BufRead) -> io::Result<Option<Frame>> {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let size = match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["MSG" | "HMSG", .., size] => size.parse::<usize>().map_err(io::Error::other)? + "\r\n".len(),
            _ => 0,
        };
        let mut body = vec![0; size];
        from.read_exact(&mut body)?;
        Ok(Some(Frame { line, body }))
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&[self.line.as_bytes(), &self.body].concat())
    }

    /// The subject, of a message.
    pub(crate) fn subject(&self) -> Option<&str> {
        let mut words = self.line.split_whitespace();
        words.next().filter(|word| matches!(*word, "MSG" | "HMSG")).and_then(|_| words.next())
    }

    /// The tokens of the reply subject that acknowledges, of a delivery: `$JS.ACK.STREAM.CONSUMER.COUNT.SEQ...`.
    fn reply_tokens(&self) -> Option<Vec<&str>> {
        let reply = self.line.split_whitespace().find(|word| word.starts_with("$JS.ACK."))?;
        Some(reply.split('.').collect()).filter(|tokens: &Vec<_>| tokens.len() == 9)
    }

    /// How often the message was delivered with this, of a delivery.
    pub(crate) fn delivery_count(&self) -> Option<u64> {
        self.reply_tokens()?[4].parse().ok()
    }

    /// The same delivery, but for this count.
    pub(crate) fn with_delivery_count(&self, count: u64) -> Frame {
        let tokens = self.reply_tokens().expect("a delivery");
        let count = count.to_string();
        let other = [&tokens[..4], &[count.as_str()], &tokens[5..]].concat();
        Frame { line: self.line.replace(&tokens.join("."), &other.join(".")), body: self.body.clone() }
    }
}

/// What is passed on of a frame, or because of it.
pub(crate) type Tamper = Box<dyn FnMut(Frame) -> Vec<Frame> + Send>;

/// The proxy. Dropped, it closes all connections.
pub(crate) struct Proxy {
    addr: SocketAddr,
    over: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
    /// How many frames of the server came by.
    pub(crate) frames: Arc<AtomicUsize>,
}

impl Proxy {
    /// Stands before the server at `server`; each connection gets a tamperer of its own.
    pub(crate) fn start(server: SocketAddr, tamper: impl Fn() -> Tamper + Send + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it has a port");
        let (over, frames) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (is_over, count) = (Arc::clone(&over), Arc::clone(&frames));
        let listener = thread::spawn(move || {
            let mut open = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(server) = TcpStream::connect(server) else { continue };
                open.extend([&client, &server].map(|stream| stream.try_clone().expect("a second handle")));
                relay(client, server, tamper(), Arc::clone(&count)).expect("sockets that can be used");
            }
            // Those that have ended already do not mind.
            open.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        });
        Proxy { addr, over, listener: Some(listener), frames }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.addr)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // One more connection, to be heard.
        drop(TcpStream::connect(self.addr));
        if let Some(listener) = self.listener.take() {
            // It has no reason to panic; if it did, the test has failed already.
            let _ = listener.join();
        }
    }
}

/// Relays in both directions on two threads, until either side ends.
fn relay(client: TcpStream, server: TcpStream, mut tamper: Tamper, frames: Arc<AtomicUsize>) -> io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut to_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let mut from_client = client;
    thread::spawn(move || {
        // An error is an end, as good as any.
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let mut from_server = BufReader::new(server);
        while let Ok(Some(frame)) = Frame::read(&mut from_server) {
            frames.fetch_add(1, Ordering::SeqCst);
            if tamper(frame).iter().try_for_each(|frame| frame.write(&mut to_client)).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}
