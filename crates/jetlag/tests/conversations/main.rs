//! Raw bytes in, raw bytes out: the embedded server answers as a real one, to the byte, and closes the connections that it closes. The files
//! beside this one hold what a real server of the version in their first lines answers; if one is at hand, it is asked again.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use jetlag_conform::{ServerOptions, ServerProcess, find};
use jetlag_core::StoreLimits;
use jetlag_model::ServerVersion;
use jetlag_server::{Auth, Running, ServerConfig, User};
use jetlag_wire::ConnectOptions;

/// What is waited for longer than this does not come.
const LATEST: Duration = Duration::from_secs(3);
/// What comes this late is noticed: an answer too many, or an end.
const EXTRA: Duration = Duration::from_millis(10);

/// What is sent on one connection, and what becomes of it.
struct Conversation {
    line: usize,
    sent: Vec<u8>,
    received: Vec<u8>,
    is_closed: bool,
}

fn read_file(text: &str) -> Vec<Conversation> {
    let mut all = Vec::new();
    let mut open: Option<Conversation> = None;
    for (number, line) in text.lines().enumerate() {
        match line {
            "" => {}
            "open" | "closed" => {
                let mut conversation = open.take().expect("an end has a beginning");
                conversation.is_closed = line == "closed";
                all.push(conversation);
            }
            _ if line.starts_with('#') => {}
            _ => match (line.strip_prefix("> "), &mut open) {
                (Some(sent), None) => {
                    open = Some(Conversation { line: number + 1, sent: unescape(sent), received: Vec::new(), is_closed: false });
                }
                (None, Some(conversation)) => conversation.received.extend(unescape(line)),
                _ => panic!("line {}: {line}", number + 1),
            },
        }
    }
    assert!(open.is_none());
    all
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (used, byte, count) = match rest.as_bytes()[0] {
            b'r' => (1, b'\r', 1),
            b'n' => (1, b'\n', 1),
            b't' => (1, b'\t', 1),
            b'x' => (3, u8::from_str_radix(&rest[1..3], 16).unwrap(), 1),
            b'(' => {
                let end = rest.find(')').unwrap();
                (end + 1, rest.as_bytes()[1], rest[3..end].parse().unwrap())
            }
            other => panic!("no escape: {}", other as char),
        };
        bytes.extend(std::iter::repeat_n(byte, count));
        rest = &rest[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What is received, with the INFO of the beginning left out and later ones masked.
fn masked(received: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, line) in received.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match line.starts_with(b"INFO {") && line.ends_with(b"} \r\n") {
            true if number == 0 => {}
            true => out.extend_from_slice(b"INFO {...} \r\n"),
            false => out.extend_from_slice(line),
        }
    }
    out
}

/// Plays one conversation. Waits for as much as is expected, and then a moment for more.
fn play(address: SocketAddr, conversation: &Conversation) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    // Who is turned away early can not send the rest.
    let _ = stream.write_all(&conversation.sent);
    let (mut received, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let started = Instant::now();
    loop {
        let complete = received.contains(&b'\n') && masked(&received).len() >= conversation.received.len();
        let patience = if complete && !conversation.is_closed { EXTRA } else { LATEST.saturating_sub(started.elapsed()) };
        if patience.is_zero() {
            return (masked(&received), false);
        }
        stream.set_read_timeout(Some(patience)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) => return (masked(&received), true),
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return (masked(&received), false),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (masked(&received), true),
            Err(error) => panic!("{error}"),
        }
    }
}

fn check(who: &str, address: SocketAddr, file: &str, text: &str) {
    let mut differences = String::new();
    let conversations = read_file(text);
    assert!(conversations.len() > 10, "{file} was read");
    for conversation in conversations {
        let (received, is_closed) = play(address, &conversation);
        if received != conversation.received || is_closed != conversation.is_closed {
            differences += &format!(
                "{file}:{}: {who}\n     sent {:.200}\n expected {:.300} closed: {}\n received {:.300} closed: {is_closed}\n",
                conversation.line,
                conversation.sent.escape_ascii().to_string(),
                conversation.received.escape_ascii().to_string(),
                conversation.is_closed,
                received.escape_ascii().to_string(),
            );
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// A server on a running clock, in a thread of its own.
fn embedded(set_up: impl FnOnce(&mut ServerConfig) + Send + 'static) -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut config = ServerConfig::default();
            set_up(&mut config);
            let running = Running::start(config, SocketAddr::from(([127, 0, 0, 1], 0)), None).await.unwrap();
            sender.send(running.address()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// The real server of the version that the files are about, if it is at hand.
fn real(config: &str, connect: ConnectOptions) -> Option<ServerProcess> {
    let binary = find::for_tests()?;
    if find::version_of(&binary).unwrap() != ServerVersion::NEWEST {
        return None;
    }
    Some(ServerProcess::start(&binary, ServerOptions { config: config.to_owned(), connect, ..ServerOptions::default() }).unwrap())
}

const PROTOCOL: &str = include_str!("protocol.txt");
const AUTHORIZATION: &str = include_str!("authorization.txt");
const STORES: &str = include_str!("stores.txt");

#[test]
fn the_files_are_about_the_version_that_is_asked() {
    assert!(PROTOCOL.starts_with(&format!("# What nats-server {} answers", ServerVersion::NEWEST)));
}

#[test]
fn an_embedded_server_answers_as_a_real_one() {
    check("the embedded server", embedded(|_| {}), "protocol.txt", PROTOCOL);
}

#[test]
fn an_embedded_server_lets_in_whom_a_real_one_does() {
    let user = User { password: Some("p".to_owned()), namespace: String::new() };
    let auth = Auth { users: [("u".to_owned(), user)].into(), ..Auth::default() };
    check("the embedded server", embedded(|config| config.auth = auth), "authorization.txt", AUTHORIZATION);
}

#[test]
fn an_embedded_server_is_full_when_a_real_one_is() {
    let stores = StoreLimits { memory: Some(1000), file: Some(1000) };
    check("the embedded server", embedded(move |config| config.stores = stores), "stores.txt", STORES);
}

#[test]
fn a_real_server_is_full_when_the_files_say() {
    let Some(server) = real("jetstream { max_mem_store: 1000, max_file_store: 1000 }", ConnectOptions::default()) else { return };
    check("the real server", server.addr(), "stores.txt", STORES);
}

#[test]
fn a_real_server_answers_as_the_files_say() {
    let Some(server) = real("", ConnectOptions::default()) else { return };
    check("the real server", server.addr(), "protocol.txt", PROTOCOL);
}

#[test]
fn a_real_server_lets_in_whom_the_files_say() {
    let connect = ConnectOptions { user: Some("u".into()), pass: Some("p".into()), ..ConnectOptions::default() };
    let Some(server) = real("authorization { user: u, password: p }", connect) else { return };
    check("the real server", server.addr(), "authorization.txt", AUTHORIZATION);
}
