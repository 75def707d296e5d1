//! What a test can see and do of the server besides being its client.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use futures_util::TryStreamExt;
use jetlag::metrics::Series;
use jetlag::{Error, Fault, Labels, Server};

use crate::{Result, client, orders};

/// A service that acknowledges whatever comes, until it is dropped.
struct Service(tokio::task::JoinHandle<()>);

impl Service {
    async fn start(server: &Server, ack_wait: Duration) -> Result<Service> {
        let js = client(&server.url(), "worker").await?;
        let mut messages = orders(&js, pull::Config { ack_wait, ..Default::default() }).await?.messages().await?;
        Ok(Service(tokio::spawn(async move {
            loop {
                // A broken connection is told, and the stream goes on.
                let Ok(next) = messages.try_next().await else { continue };
                let Some(message) = next else { return };
                message.ack().await.expect("the connection takes it");
            }
        })))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const ACK_WAIT: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn a_lost_ack_brings_the_message_again() -> Result {
    let server = Server::start().await?;
    let _service = Service::start(&server, ACK_WAIT).await?;
    let lost = server.fault(Fault::drop().acks().client("worker").first(2))?;
    client(&server.url(), "shop").await?.publish("orders.1", "a parcel".into()).await?.await?;
    let info = server.wait_acked("ORDERS/WORK").await?;
    assert_eq!((info.ack_floor.stream_seq.0, info.num_ack_pending), (1, 0));
    assert_eq!(server.hits(&lost)?, 2);
    let got: Vec<_> =
        server.deliveries("ORDERS/WORK")?.iter().map(|arrival| (arrival.at.since_start(), arrival.delivery_count.0)).collect();
    let seconds = jetlag::Duration::from_secs;
    assert_eq!(got, [(seconds(0), 1), (seconds(30), 2), (seconds(60), 3)]);
    let labels = Labels::new().with("stream", "ORDERS").with("consumer", "WORK").with("cause", "ack-wait");
    let metrics = server.metrics()?;
    assert_eq!(metrics.snapshot().value(&Series::new("jetlag_redelivery_total", labels)), Some(2.0), "{}", metrics.text());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn whether_a_message_comes_again_is_asserted() -> Result {
    let server = Server::start().await?;
    let _service = Service::start(&server, ACK_WAIT).await?;
    let js = client(&server.url(), "shop").await?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    server.assert_no_redelivery("ORDERS/WORK", "10m").await?;
    server.fault(Fault::drop().acks().client("worker").first(1))?;
    js.publish("orders.2", "a parcel".into()).await?.await?;
    server.assert_no_redelivery("ORDERS/WORK", "29s").await?;
    let again = server.assert_no_redelivery("ORDERS/WORK", "10m").await.unwrap_err();
    assert!(matches!(&again, Error::Redelivered { stream_seq: 2, delivery_count: 2, .. }), "{again}");
    assert_eq!(again.to_string(), "message 2 came to ORDERS/WORK again at 10m30s, the delivery of count 2, and was not to");
    assert_eq!(server.wait_deliveries("ORDERS/WORK", 3).await?.len(), 3);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_waited_for_in_vain_can_be_given_up() -> Result {
    let server = Server::start().await?;
    let _service = Service::start(&server, ACK_WAIT).await?;
    let waited = tokio::time::timeout(Duration::from_secs(3600), server.wait_deliveries("ORDERS/WORK", 1)).await;
    assert!(waited.is_err());
    for (path, text) in [
        ("ORDERS", r#""ORDERS" does not name a consumer"#),
        ("ORDERS/PLAY", "stream ORDERS has no consumer PLAY; there is WORK"),
        ("BILLS/WORK", "WORK"),
    ] {
        let error = server.wait_acked(path).await.unwrap_err().to_string();
        assert!(error.contains(text), "{path}: {error}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_waited_for() -> Result {
    let server = Server::start().await?;
    let _service = Service::start(&server, ACK_WAIT).await?;
    client(&server.url(), "shop").await?.publish("orders.1", "a parcel".into()).await?.await?;
    server.restart("1h")?;
    assert!(matches!(server.restart("1h"), Err(Error::Server(_))), "it is down already");
    let info = server.wait_acked("ORDERS/WORK").await?;
    assert_eq!(info.ack_floor.stream_seq.0, 1);
    assert!(server.now()?.since_start() >= jetlag::Duration::from_secs(3600));
    Ok(())
}

/// Who is refused hears the fault's words, and may try again; whose CONNECT gets lost gives up by itself; whose connection breaks at once tries again.
#[tokio::test(start_paused = true)]
async fn attempts_to_connect_meet_faults() -> Result {
    let server = Server::start().await?;
    let options = |name: &str| async_nats::ConnectOptions::new().name(name).connection_timeout(Duration::from_secs(5));
    let full = server.fault(Fault::error("maximum connections exceeded").connections().client("w1").first(3))?;
    let refused = options("w1").connect(server.url()).await.unwrap_err();
    assert!(refused.to_string().contains("maximum connections exceeded"), "{refused}");
    let unheard = server.fault(Fault::drop().connections().client("w2"))?;
    let started = tokio::time::Instant::now();
    let gave_up = options("w2").connect(server.url()).await.unwrap_err();
    assert_eq!((gave_up.kind(), started.elapsed()), (async_nats::ConnectErrorKind::TimedOut, Duration::from_secs(5)), "{gave_up}");

    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let patient = options("w1").retry_on_initial_connect().event_callback(move |event| {
        let tell = tell.clone();
        async move { drop(tell.send(event)) }
    });
    let client = patient.connect(server.url()).await?;
    while told.recv().await.ok_or("it tells what happens")? != async_nats::Event::Connected {}
    assert_eq!((server.hits(&full)?, server.hits(&unheard)?), (3, 1));
    let broken = server.fault(Fault::disconnect().connections().client("w1"))?;
    assert_eq!(server.disconnect("w1")?, 1);
    let mut events = Vec::new();
    while events.last() != Some(&async_nats::Event::Connected) {
        events.push(told.recv().await.ok_or("it tells what happens")?);
    }
    // It is gone before the client holds it for connected.
    assert!(matches!(&events[..], [async_nats::Event::Disconnected, async_nats::Event::ClientError(_), _]), "{events:?}");
    client.flush().await?;
    assert_eq!(server.hits(&broken)?, 1);
    Ok(())
}
