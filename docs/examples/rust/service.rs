//! The service under test: it handles orders, and knows nothing of the test.

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use futures_util::StreamExt;

/// Whatever goes wrong.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Handles so many deliveries: `handle` says whether an order could be handled; one that could not is asked for again at once.
///
/// # Errors
///
/// When the client's connection is gone for good.
pub async fn work(consumer: &PullConsumer, deliveries: usize, mut handle: impl FnMut(&Message) -> bool) -> Result<(), Error> {
    let mut messages = consumer.messages().await?.take(deliveries);
    while let Some(message) = messages.next().await {
        let message = message?;
        if handle(&message) {
            message.ack().await?;
        } else {
            message.ack_with(AckKind::Nak(None)).await?;
        }
    }
    Ok(())
}
