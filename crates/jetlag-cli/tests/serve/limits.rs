//! Who comes and goes, how much there may be of everything, and what is left of it.

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::process::{Client, Serve};

/// What a client says in its life.
const LIFE: &str = "CONNECT {\"verbose\":false,\"headers\":true}\r\nPING\r\nSUB a.> 1\r\nSUB b 2\r\nPUB a.b 5\r\nhello\r\n\
PUB $JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK b 37\r\n{\"batch\":1,\"expires\":600000000000000}\r\n\
HPUB orders.1 22 25\r\nNATS/1.0\r\nA: b c d\r\n\r\nyes\r\nUNSUB 2 1\r\nPING\r\nNONSENSE\r\n";

/// Numbers that look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

fn varz(serve: &Serve) -> Json {
    serde_json::from_str(&serve.get("/varz").1).expect("JSON")
}

/// Of a process, in pages and ticks: resident memory, and time on a processor.
#[cfg(target_os = "linux")]
fn usage(pid: u32) -> (u64, u64) {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).expect("it runs");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("a name").split(' ').collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    (number(statm.split(' ').nth(1).expect("resident")), number(fields[11]) + number(fields[12]))
}

#[test]
fn a_thousand_connections_dropped_anywhere_leave_nothing() {
    let serve = Serve::start(&["-m", "0"]);
    let mut resident = serve.client("");
    resident.orders();
    let mut numbers = Numbers(7);
    let mut round = |count: usize| {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut socket = serve.socket();
            let end = numbers.below(LIFE.len() + 1);
            let cut = numbers.below(end + 1);
            socket.write_all(&LIFE.as_bytes()[..cut]).expect("it is open");
            if numbers.below(3) == 0 {
                assert!(socket.read(&mut [0; 512]).expect("it answers") > 0, "every client is greeted");
            }
            // Who has said nonsense may be cut off by now.
            let _ = socket.write_all(&LIFE.as_bytes()[cut..end]);
            open.push(socket);
            if open.len() > 20 {
                open.swap_remove(numbers.below(20));
            }
        }
    };
    let settled = || {
        let started = Instant::now();
        loop {
            let varz = varz(&serve);
            if (varz["connections"].as_u64(), varz["open_sockets"].as_u64()) == (Some(1), Some(1)) {
                return varz;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{varz}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // The first of them make the room that the later ones use.
    round(1000);
    let first = settled();
    #[cfg(target_os = "linux")]
    let before = usage(serve.pid()).0;
    round(1000);
    let last = settled();
    assert_eq!(first["subscriptions"], last["subscriptions"]);
    assert_eq!(last["total_connections"], 2001);
    #[cfg(target_os = "linux")]
    {
        let grown = usage(serve.pid()).0.saturating_sub(before);
        // What is stored and traced is kept: less than 12 MiB of it, in the pages that the allocator takes.
        assert!(grown < 3072, "{grown} pages more");
    }
    // Whoever stays is served as before.
    let state = resident.control("STATE", "");
    let stored = state["streams"][0]["state"]["messages"].as_u64().expect("a number");
    assert!(stored > 100, "{state}");
    assert!(resident.pull().headers.starts_with("NATS/1.0\r\nA: b c d") || stored > 0);
}

/// Idle, with clients and a deadline far away, it does nothing.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_server_takes_no_time() {
    let serve = Serve::start(&[]);
    let mut clients: Vec<Client> = (0..50).map(|_| serve.client("")).collect();
    clients[0].orders();
    clients[1].ask("$JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK", r#"{"batch":1,"expires":600000000000}"#);
    clients[1].control("CLOCK.NOW", "");
    let before = usage(serve.pid()).1;
    std::thread::sleep(Duration::from_secs(2));
    let ticks = usage(serve.pid()).1 - before;
    // A tick is a hundredth of a second.
    assert!(ticks <= 2, "{ticks} ticks in two seconds");
}

/// A server with a configuration file of this text.
fn configured(text: &str, arguments: &[&str]) -> (tempfile::TempDir, Serve) {
    let folder = tempfile::tempdir().expect("a directory can be made");
    fs::write(folder.path().join("server.conf"), text).expect("a file can be written");
    let serve = Serve::in_folder(folder.path(), &[&["-c", "server.conf"], arguments].concat());
    (folder, serve)
}

/// Everything that comes until the server closes the connection.
fn to_the_end(mut socket: std::net::TcpStream) -> String {
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("it ends");
    text
}

#[test]
fn who_does_not_say_who_it_is_is_sent_away_in_time() {
    let (_folder, serve) = configured("authorization { user: u, password: p, timeout: 0.2 }", &[]);
    let started = Instant::now();
    let heard = to_the_end(serve.socket());
    assert!(heard.starts_with("INFO {") && heard.ends_with("-ERR 'Authentication Timeout'\r\n"), "{heard}");
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    let mut client = serve.client_with(r#"{"user":"u","pass":"p","verbose":false}"#);
    std::thread::sleep(Duration::from_millis(300));
    client.send("PING\r\n");
    assert_eq!(client.line().as_deref(), Some("PONG"), "who has said it stays");
}

#[test]
fn who_does_not_answer_pings_is_stale() {
    let (_folder, serve) = configured("ping_interval: \"150ms\"\nping_max: 2", &["-m", "0"]);
    let mut answers = serve.client("");
    let mut silent = serve.socket();
    silent.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").expect("it is open");
    let stays = std::thread::spawn(move || {
        let mut pings = 0;
        while pings < 6 {
            match answers.line().as_deref() {
                Some("PING") => {
                    pings += 1;
                    answers.send("PONG\r\n");
                }
                other => panic!("{other:?}"),
            }
        }
        answers
    });
    let heard = to_the_end(silent);
    assert!(heard.ends_with("PONG\r\nPING\r\nPING\r\n-ERR 'Stale Connection'\r\n"), "{heard}");
    let _answers = stays.join().expect("it is asked and answers");
    let varz = varz(&serve);
    assert_eq!((varz["stale_connections"].as_u64(), varz["connections"].as_u64()), (Some(1), Some(1)), "{varz}");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let serve = Serve::start(&["--max-connections", "2"]);
    let clients = [serve.client(""), serve.client("")];
    let heard = to_the_end(serve.socket());
    assert!(heard.ends_with("-ERR 'maximum connections exceeded'\r\n"), "{heard}");
    drop(clients);
}

#[test]
fn who_does_not_read_is_cut_off() {
    let serve = Serve::start(&["--max-pending", "200000", "-m", "0"]);
    let mut slow = serve.client("");
    slow.send("SUB flood 1\r\nPING\r\n");
    assert_eq!(slow.line().as_deref(), Some("PONG"));
    let mut publisher = serve.client("");
    let message = format!("PUB flood 100000\r\n{}\r\n", "x".repeat(100_000));
    let started = Instant::now();
    while varz(&serve)["slow_consumers"] != 1 {
        // Sockets take some megabytes first.
        publisher.send(&message);
        assert!(started.elapsed() < Duration::from_secs(20), "{}", varz(&serve));
    }
    assert_eq!(varz(&serve)["connections"], 1);
}

#[test]
fn a_full_server_stores_nothing_more() {
    let serve = Serve::start(&["--max-storage", "1000"]);
    let mut client = serve.client("");
    client.orders();
    assert_eq!(client.request("orders.1", &"x".repeat(1200)).json()["seq"], 1);
    let refused = client.request("orders.1", "x").json();
    assert_eq!(refused["error"]["err_code"], 10_023, "{refused}");
    assert_eq!(serve.client("another").control("STATE", "")["up"], true, "others have room of their own");
}
