//! What a day of waiting costs. The gate is the number of reads, which no machine changes; how long they took is printed with `--nocapture`.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures_util::TryStreamExt;
use jetlag::Server;

use crate::{Result, orders};

const HOUR: Duration = Duration::from_secs(3600);

/// A message that is never acknowledged comes five times in 24 hours, to a client that pings this often. Returns the server's reads.
async fn a_day_of_backoff(ping_interval: Duration) -> Result<u64> {
    let server = Server::start().await?;
    let client = async_nats::ConnectOptions::new().ping_interval(ping_interval).connect(server.url()).await?;
    let js = jetstream::new(client);
    let backoff = vec![HOUR, 3 * HOUR, 8 * HOUR, 12 * HOUR];
    let consumer = orders(&js, pull::Config { backoff, max_deliver: 5, ..Default::default() }).await?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    let (real, start) = (std::time::Instant::now(), tokio::time::Instant::now());
    let batch = consumer.batch().max_messages(5).expires(25 * HOUR).messages().await?;
    let got: Vec<_> = batch.try_collect().await?;
    let (waited, took) = (start.elapsed(), real.elapsed());
    assert_eq!(got.len(), 5);
    assert!(waited >= 24 * HOUR && waited < 24 * HOUR + Duration::from_secs(1), "{waited:?}");
    println!("24 h of backoff with a ping every {ping_interval:?}: {took:?}, {} reads", server.reads());
    Ok(server.reads())
}

#[tokio::test(start_paused = true)]
async fn with_the_clients_pings_it_costs_a_read_a_minute() -> Result {
    let reads = a_day_of_backoff(Duration::from_secs(60)).await?;
    assert!((24 * 60 - 1..24 * 60 + 20).contains(&reads), "{reads}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn without_pings_it_costs_next_to_nothing() -> Result {
    let reads = a_day_of_backoff(48 * HOUR).await?;
    assert!(reads < 20, "{reads}");
    Ok(())
}
