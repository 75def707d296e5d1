//! Raw connections: against a real server, and against listeners that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jetlag_conform::{
    Arrival, CloseReason, Connection, ConnectionError, ConnectionTag, Event, RequestError, Requester, ServerOptions, ServerProcess, find,
};
use jetlag_model::{Headers, Message, Sid};
use jetlag_wire::{ClientFrame, ConnectOptions, ServerFrame, WireError};

const SOON: Duration = Duration::from_secs(5);

fn start() -> Option<ServerProcess> {
    find::for_tests().map(|binary| ServerProcess::start(&binary, ServerOptions::default()).unwrap())
}

fn subscribe(subject: &str, sid: u64) -> ClientFrame {
    ClientFrame::Subscribe { subject: subject.into(), queue: None, sid: Sid(sid) }
}

fn next(arrivals: &Receiver<Arrival>) -> (ConnectionTag, Event) {
    let (tag, at, event) = arrivals.recv_timeout(SOON).unwrap();
    assert!(at <= Instant::now());
    (tag, event)
}

fn message(sid: u64, message: Message) -> Event {
    Event::Frame(ServerFrame::Message { sid: Sid(sid), message })
}

/// A connection with a channel of its own.
fn open(addr: SocketAddr, tag: u64) -> (Connection, Receiver<Arrival>) {
    let (sender, arrivals) = mpsc::channel();
    (Connection::open(addr, &ConnectOptions::default(), ConnectionTag(tag), sender).unwrap(), arrivals)
}

#[test]
fn messages_of_many_connections_share_a_channel() {
    let Some(server) = start() else { return };
    let (sender, arrivals) = mpsc::channel();
    let connect = |tag| Connection::open(server.addr(), &ConnectOptions::default(), ConnectionTag(tag), sender.clone()).unwrap();
    let (a, b) = (connect(1), connect(2));
    a.send(&subscribe("orders.*", 7)).unwrap();
    a.flush(SOON).unwrap();
    b.send(&subscribe("orders.>", 8)).unwrap();
    let plain = Message::new("orders.1", "a\r\n\0").with_reply("r");
    let headed = Message::new("orders.2", "").with_headers(Headers::from_fields([("K", "v")]));
    b.send(&ClientFrame::Publish(plain.clone())).unwrap();
    b.send(&ClientFrame::Publish(headed.clone())).unwrap();
    b.flush(SOON).unwrap();
    a.flush(SOON).unwrap();
    let arrived: Vec<_> = arrivals.try_iter().collect();
    for (tag, sid) in [(1, 7), (2, 8)] {
        let events: Vec<_> = arrived.iter().filter(|(of, ..)| *of == ConnectionTag(tag)).map(|(_, _, event)| event.clone()).collect();
        assert_eq!(events, [message(sid, plain.clone()), message(sid, headed.clone())], "after a flush all is in the channel");
    }

    a.send(&ClientFrame::Unsubscribe { sid: Sid(7), max: None }).unwrap();
    a.flush(SOON).unwrap();
    b.send(&ClientFrame::Unsubscribe { sid: Sid(8), max: Some(3) }).unwrap();
    for _ in 0..2 {
        b.send(&ClientFrame::Publish(Message::new("orders.3", "c"))).unwrap();
    }
    b.flush(SOON).unwrap();
    assert_eq!(next(&arrivals), (ConnectionTag(2), message(8, Message::new("orders.3", "c"))));
    a.close();
    assert_eq!(next(&arrivals), (ConnectionTag(1), Event::Closed(CloseReason::ByUs)));
    drop(b);
    assert_eq!(next(&arrivals), (ConnectionTag(2), Event::Closed(CloseReason::ByUs)));
}

#[test]
fn a_payload_of_full_size_comes_whole() {
    let Some(server) = start() else { return };
    let (connection, arrivals) = open(server.addr(), 1);
    let limit = usize::try_from(connection.info().max_payload).unwrap();
    connection.send(&subscribe("s", 1)).unwrap();
    let full = Message::new("s", vec![7; limit]);
    connection.send(&ClientFrame::Publish(full.clone())).unwrap();
    connection.flush(SOON).unwrap();
    assert!(next(&arrivals).1 == message(1, full), "not the same; too large to print");
}

#[test]
fn the_last_words_of_the_server_are_the_reason() {
    let Some(binary) = find::for_tests() else { return };
    // Small, so that the server reads it all before it closes: otherwise the connection is reset and its last words may be lost.
    let options = ServerOptions { config: "max_payload: 64".to_owned(), ..ServerOptions::default() };
    let server = ServerProcess::start(&binary, options).unwrap();
    let (connection, arrivals) = open(server.addr(), 1);
    connection.send(&ClientFrame::Publish(Message::new("s", [7; 65]))).unwrap();
    let text = "Maximum Payload Violation".to_owned();
    assert_eq!(next(&arrivals).1, Event::Frame(ServerFrame::Err(text.clone())));
    assert_eq!(next(&arrivals).1, Event::Closed(CloseReason::ByServer { error: Some(text.clone()) }));
    let closed = ConnectionError::Closed { addr: server.addr(), error: Some(text) };
    assert_eq!(connection.flush(SOON), Err(closed.clone()));
    assert_eq!(connection.send(&ClientFrame::Ping), Err(closed));
    assert!(!connection.is_open());
}

#[test]
fn a_frame_that_can_not_be_written_changes_nothing() {
    let Some(server) = start() else { return };
    let (connection, arrivals) = open(server.addr(), 1);
    let error = connection.send(&subscribe("a b", 1)).unwrap_err();
    assert_eq!(error, ConnectionError::Protocol(WireError::Unsendable { what: "subject", text: "a b".into() }));
    connection.flush(SOON).unwrap();
    assert!(connection.is_open() && arrivals.try_recv().is_err());
}

#[test]
fn the_end_of_the_server_is_seen() {
    let Some(mut server) = start() else { return };
    for graceful in [false, true] {
        let (connection, arrivals) = open(server.addr(), 1);
        if graceful {
            server.stop().unwrap()
        } else {
            server.kill()
        }
        let ended = loop {
            match next(&arrivals).1 {
                Event::Closed(reason) => break reason,
                Event::Frame(_) => {}
            }
        };
        assert!(matches!(ended, CloseReason::ByServer { .. }), "{ended:?}");
        assert!(connection.flush(SOON).is_err());
        server.restart().unwrap();
    }
}

#[test]
fn requests_are_answered_or_tell_why_not() {
    let Some(server) = start() else { return };
    let mut requester = Requester::open(server.addr(), &ConnectOptions::default()).unwrap();
    assert_eq!(requester.request("nobody", "", SOON), Err(RequestError::NoResponders { subject: "nobody".into() }));
    let (silent, _arrivals) = open(server.addr(), 1);
    silent.send(&subscribe("silent", 1)).unwrap();
    silent.flush(SOON).unwrap();
    let after = Duration::from_millis(20);
    assert_eq!(requester.request("silent", "", after), Err(RequestError::TimedOut { subject: "silent".into(), after }));
    let answer = requester.request("$JS.API.INFO", "", SOON).unwrap();
    assert!(String::from_utf8_lossy(&answer.payload).contains("account_info_response"));
}

#[test]
fn refused_is_refused() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (sender, arrivals) = mpsc::channel();
    let error = Connection::open(addr, &ConnectOptions::default(), ConnectionTag(1), sender).unwrap_err();
    assert_eq!(error, ConnectionError::Refused { addr });
    assert!(arrivals.recv().is_err(), "nothing is reported of a connection that was never open");
}

/// A listener whose one connection is served by `serve`.
fn fake(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

/// Plays the server up to the PONG of the handshake, then says `more` in the same breath.
fn welcome(stream: &mut TcpStream, more: &str) {
    stream.write_all(b"INFO {\"max_payload\":16}\r\n").unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("CONNECT {"));
    assert_eq!(lines.next().unwrap().unwrap(), "PING");
    stream.write_all(format!("PONG\r\n{more}").as_bytes()).unwrap();
}

fn open_error(says: &'static str) -> (SocketAddr, ConnectionError) {
    let (addr, server) = fake(move |mut stream| {
        stream.write_all(says.as_bytes()).unwrap();
        // Read up to the end, so that closing does not reset the connection.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let error = Connection::open(addr, &ConnectOptions::default(), ConnectionTag(1), mpsc::channel().0).unwrap_err();
    server.join().unwrap();
    (addr, error)
}

#[test]
fn who_is_no_server_is_told() {
    let (_, error) = open_error("HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(error, ConnectionError::Protocol(WireError::UnknownOperation("HTTP/1.1 400 Bad Request".into())));
    let (addr, error) = open_error("");
    assert_eq!(error, ConnectionError::Closed { addr, error: None });
    let (_, error) = open_error("PING\r\n");
    assert!(error.to_string().contains("before INFO"), "{error}");
    let (addr, error) = open_error("INFO {}\r\n-ERR 'Authorization Violation'\r\n");
    assert_eq!(error, ConnectionError::Closed { addr, error: Some("Authorization Violation".into()) });
    let (addr, error) = open_error("INFO {\"tls_required\":true}\r\n");
    assert_eq!(error, ConnectionError::Tls { addr });
}

#[test]
fn what_follows_the_handshake_at_once_is_not_lost() {
    let (addr, server) = fake(|mut stream| {
        welcome(&mut stream, "PING\r\nMSG a 1 2\r\nhi\r\nMSG b 1 ");
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"PONG\r\n", "a PING is answered");
        stream.write_all(b"0\r\n\r\nGARBAGE\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (connection, arrivals) = open(addr, 3);
    assert_eq!(next(&arrivals), (ConnectionTag(3), message(1, Message::new("a", "hi"))));
    assert_eq!(next(&arrivals).1, message(1, Message::new("b", "")));
    let garbage = WireError::UnknownOperation("GARBAGE".into());
    assert_eq!(next(&arrivals).1, Event::Closed(CloseReason::Protocol(garbage.clone())));
    server.join().unwrap();
    assert_eq!(connection.flush(SOON), Err(ConnectionError::Closed { addr, error: Some(garbage.to_string()) }));
    drop(connection);
    assert!(arrivals.recv().is_err(), "an end is reported once");
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let (addr, server) = fake(|mut stream| {
        welcome(&mut stream, "");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (connection, arrivals) = open(addr, 1);
    let after = Duration::from_millis(20);
    assert_eq!(connection.flush(after), Err(ConnectionError::TimedOut { addr, missing: "answer PING", after }));
    assert!(connection.is_open());
    connection.close();
    assert_eq!(next(&arrivals).1, Event::Closed(CloseReason::ByUs));
    server.join().unwrap();
}
