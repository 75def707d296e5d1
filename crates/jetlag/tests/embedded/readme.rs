//! The README's service, word by word.

use async_nats::jetstream::{self, consumer::pull};
use futures_util::TryStreamExt;
use jetlag::{Fault, Server};

type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The service: here it acknowledges whatever comes.
async fn serve(mut messages: pull::Stream) -> Result {
    while let Some(message) = messages.try_next().await? {
        message.ack().await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lost_ack_brings_the_order_again() -> Result {
    let server = Server::start().await?;
    let client = async_nats::ConnectOptions::new().name("service").connect(server.url()).await?;
    let js = jetstream::new(client);
    let stream = jetstream::stream::Config { name: "ORDERS".into(), subjects: vec!["orders.>".into()], ..Default::default() };
    let consumer = pull::Config { durable_name: Some("WORK".into()), ..Default::default() };
    let consumer = js.create_stream(stream).await?.create_consumer(consumer).await?;
    let service = tokio::spawn(serve(consumer.messages().await?));

    server.fault(Fault::drop().acks().client("service").first(1))?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    server.wait_acked("ORDERS/WORK").await?;

    // Thirty seconds of ack_wait went by; nobody waited for them.
    assert_eq!(server.deliveries("ORDERS/WORK")?.len(), 2);
    service.abort();
    Ok(())
}
