//! Redelivery, dead letters and a restart, on a clock that jumps whenever everybody waits: half a minute of `ack_wait` takes a millisecond.

use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt;
use jetlag::{Fault, Server};
use jetlag_example::{Error, work};
use tokio::time::Instant;

/// A stream with one message, and a durable pull consumer with `ack_wait` 30 s.
async fn set_up(client: async_nats::Client, max_deliver: i64) -> Result<(jetstream::Context, PullConsumer), Error> {
    let js = jetstream::new(client);
    let config = stream::Config { name: "ORDERS".to_owned(), subjects: vec!["orders.>".to_owned()], ..Default::default() };
    let stream = js.create_stream(config).await?;
    let config =
        pull::Config { durable_name: Some("WORK".to_owned()), ack_wait: Duration::from_secs(30), max_deliver, ..Default::default() };
    let consumer = stream.create_consumer(config).await?;
    js.publish("orders.1", "an order".into()).await?.await?;
    Ok((js, consumer))
}

#[tokio::test(start_paused = true)]
async fn a_lost_ack_brings_the_message_back() -> Result<(), Error> {
    let server = Server::start().await?;
    server.fault(Fault::drop().acks().first(1))?;
    let (_, consumer) = set_up(async_nats::connect(server.url()).await?, 5).await?;

    let start = Instant::now();
    let mut seen = Vec::new();
    let handle = |message: &jetstream::Message| {
        let attempt = message.info().expect("it came from a consumer").delivered;
        seen.push((start.elapsed().as_secs(), attempt));
        true
    };
    work(&consumer, 2, handle).await?;

    assert_eq!(seen, [(0, 1), (30, 2)], "at once, and after ack_wait");
    server.quiet().await;
    assert_eq!(server.consumer_info("ORDERS/WORK")?.num_ack_pending, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_message_nobody_can_handle_is_a_dead_letter() -> Result<(), Error> {
    let server = Server::start().await?;
    let client = async_nats::connect(server.url()).await?;
    let mut advisories = client.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.WORK").await?;
    let (js, consumer) = set_up(client, 3).await?;
    let dlq = js.create_stream(stream::Config { name: "DLQ".to_owned(), subjects: vec!["dlq.>".to_owned()], ..Default::default() }).await?;

    work(&consumer, 3, |_| false).await?;
    // The server notices that the attempts are used up when somebody asks for the next message.
    let mut rest = consumer.fetch().max_messages(1).messages().await?;
    assert!(rest.next().await.is_none(), "there was a fourth attempt");
    let advisory = advisories.next().await.expect("an advisory");
    let advisory: serde_json::Value = serde_json::from_slice(&advisory.payload)?;
    assert_eq!(advisory["deliveries"], 3);

    // The advisory points at the message, which is still in its stream.
    let dead = js.get_stream("ORDERS").await?.get_raw_message(advisory["stream_seq"].as_u64().expect("a sequence")).await?;
    js.publish("dlq.orders", dead.payload).await?.await?;
    assert_eq!(dlq.get_last_raw_message_by_subject("dlq.orders").await?.payload, "an order");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_restart_forgets_no_message() -> Result<(), Error> {
    let server = Server::start().await?;
    let (_, consumer) = set_up(async_nats::connect(server.url()).await?, 5).await?;
    let first = consumer.messages().await?.next().await.expect("a message")?;
    assert_eq!(first.info()?.delivered, 1);

    server.restart(Duration::from_secs(2))?;

    let mut attempt = 0;
    let handle = |message: &jetstream::Message| {
        attempt = message.info().expect("it came from a consumer").delivered;
        true
    };
    work(&consumer, 1, handle).await?;
    assert_eq!(attempt, 2, "it came again, and its count went on");
    Ok(())
}
