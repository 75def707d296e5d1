//! An unmodified async-nats against the embedded server on tokio's paused clock.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures_util::StreamExt;
use jetlag::{Fault, Server};

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

async fn client(url: &str, name: &str) -> Result<jetstream::Context> {
    let client = async_nats::ConnectOptions::new().name(name).connect(url).await?;
    Ok(jetstream::new(client))
}

async fn orders(js: &jetstream::Context, config: pull::Config) -> Result<jetstream::consumer::PullConsumer> {
    let stream = js
        .create_stream(jetstream::stream::Config { name: "ORDERS".into(), subjects: vec!["orders.>".into()], ..Default::default() })
        .await?;
    Ok(stream.create_consumer(pull::Config { durable_name: Some("WORK".into()), ack_policy: AckPolicy::Explicit, ..config }).await?)
}

#[tokio::test(start_paused = true)]
async fn redelivery_after_ack_wait_takes_no_real_time() -> Result {
    let real = std::time::Instant::now();
    let server = Server::start().await?;
    let js = client(&server.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: Duration::from_secs(30), ..Default::default() }).await?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    let start = tokio::time::Instant::now();
    let mut messages = consumer.messages().await?;
    let first = messages.next().await.ok_or("no message")??;
    assert_eq!(first.info()?.delivered, 1);
    let second = messages.next().await.ok_or("no message")??;
    assert_eq!(second.info()?.delivered, 2);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    second.double_ack().await?;
    assert_eq!(server.consumer_info("ORDERS/WORK")?.ack_floor.stream_seq.0, 1);
    assert!(real.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_ack_brings_the_message_again() -> Result {
    let server = Server::start().await?;
    let js = client(&server.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: Duration::from_secs(30), ..Default::default() }).await?;
    let lost = server.fault(Fault::drop().acks().client("worker").first(2))?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    let mut messages = consumer.messages().await?;
    for count in 1..=3 {
        let message = messages.next().await.ok_or("no message")??;
        assert_eq!(message.info()?.delivered, count);
        message.ack().await?;
    }
    assert_eq!(server.hits(&lost)?, 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_survived() -> Result {
    let server = Server::start().await?;
    let js = client(&server.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: Duration::from_secs(30), ..Default::default() }).await?;
    for n in 0..3 {
        js.publish(format!("orders.{n}"), "x".into()).await?.await?;
    }
    let mut messages = consumer.messages().await?;
    messages.next().await.ok_or("no message")??.double_ack().await?;
    server.restart("3s")?;
    let mut floor = 1;
    while floor < 3 {
        // What was fetched before is there still; its acks are lost with the connection, and both messages come again.
        let message = messages.next().await.ok_or("no message")??;
        message.ack().await?;
        js.client().flush().await?;
        server.quiet().await;
        floor = server.consumer_info("ORDERS/WORK").map_or(floor, |info| info.ack_floor.stream_seq.0);
    }
    assert!(server.now()?.since_start() >= jetlag::Duration::from_secs(30));
    Ok(())
}
