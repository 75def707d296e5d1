//! Clients that come and go at any moment: nothing of them stays, and nobody else notices.

use async_nats::jetstream::consumer::pull;
use futures_util::TryStreamExt;
use jetlag::{Error, Server};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Result, client, orders};

/// What a client says that lives a full life: of each kind of thing one.
const LIFE: &str = "CONNECT {\"verbose\":true,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"name\":\"passer-by\"}\r\nPING\r\n\
SUB _INBOX.x.* 1\r\nSUB orders.> group 2\r\nPUB orders.7 _INBOX.x.1 5\r\nhello\r\n\
PUB $JS.API.CONSUMER.MSG.NEXT.ORDERS.WORK _INBOX.x.2 34\r\n{\"batch\":1,\"expires\":600000000000}\r\n\
HPUB orders.8 _INBOX.x.3 22 25\r\nNATS/1.0\r\nA: b c d\r\n\r\nyes\r\nUNSUB 2 1\r\nPING\r\nNONSENSE\r\n";

fn state(server: &Server) -> Result<(u64, usize, usize), Error> {
    let state = server.state()?;
    Ok((
        state["subscriptions"].as_u64().unwrap_or(u64::MAX),
        state["connections"].as_array().map_or(usize::MAX, Vec::len),
        server.connection_count(),
    ))
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_dropped_anywhere_leave_nothing() -> Result {
    let server = Server::start().await?;
    let js = client(&server.url(), "resident").await?;
    let consumer = orders(&js, pull::Config { max_ack_pending: 5000, ..Default::default() }).await?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    let before = state(&server)?;
    assert_eq!((before.1, before.2), (1, 1));

    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut open = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(server.address()).await?;
        // Some speak in two pieces, some listen, some leave before anybody hears them.
        let end = rng.next_u32() as usize % (LIFE.len() + 1);
        let cut = rng.next_u32() as usize % (end + 1);
        for piece in [&LIFE[..cut], &LIFE[cut..end]] {
            stream.write_all(piece.as_bytes()).await?;
            if rng.next_u32().is_multiple_of(2) {
                tokio::task::yield_now().await;
            }
        }
        if rng.next_u32().is_multiple_of(3) {
            let mut heard = [0; 512];
            assert!(stream.read(&mut heard).await? > 0, "every client is greeted");
        }
        if rng.next_u32().is_multiple_of(4) {
            stream.set_zero_linger()?;
        }
        open.push(stream);
        if open.len() > 20 {
            open.swap_remove(rng.next_u32() as usize % 20);
        }
    }
    drop(open);
    server.wait_until(|server| Ok(state(server)? == before)).await?;

    // Whoever stays is served as before: every message comes.
    let stored = server.stream_info("ORDERS")?.state.messages;
    assert!(stored > 100, "{stored}");
    let mut messages = consumer.messages().await?;
    while server.consumer_info("ORDERS/WORK")?.ack_floor.stream_seq.0 < stored {
        messages.try_next().await?.ok_or("no message")?.double_ack().await?;
    }
    Ok(())
}
