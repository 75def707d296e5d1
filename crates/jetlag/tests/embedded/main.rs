//! An unmodified async-nats against the embedded server on tokio's paused clock.

mod client_features;
mod clock;
mod drops;
mod handle;
mod host;
mod long_waits;
mod readme;
mod traces;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T = (), E = Failure> = std::result::Result<T, E>;

async fn client(url: &str, name: &str) -> Result<jetstream::Context> {
    let client = async_nats::ConnectOptions::new().name(name).connect(url).await?;
    Ok(jetstream::new(client))
}

async fn stream(js: &jetstream::Context) -> Result<jetstream::stream::Stream> {
    let config = jetstream::stream::Config { name: "ORDERS".into(), subjects: vec!["orders.>".into()], ..Default::default() };
    Ok(js.create_stream(config).await?)
}

/// The stream ORDERS with the consumer WORK.
async fn orders(js: &jetstream::Context, config: pull::Config) -> Result<jetstream::consumer::PullConsumer> {
    let config = pull::Config { durable_name: Some("WORK".into()), ack_policy: AckPolicy::Explicit, ..config };
    Ok(stream(js).await?.create_consumer(config).await?)
}

#[test]
fn the_readme_shows_what_is_tested() {
    let (_, tested) = include_str!("readme.rs").split_once("\n\n").expect("the first line says what it is");
    assert!(include_str!("../../README.md").contains(tested), "copy tests/embedded/readme.rs into the README");
}
