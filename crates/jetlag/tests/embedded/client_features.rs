//! What a service does with async-nats, once with paused time on the embedded server and once on a real one.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull, push};
use async_nats::jetstream::{self, AckKind};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout};

use crate::host::{Host, Link, on_both};
use crate::{Result, client, orders, stream};

on_both![
    publishes_are_acknowledged,
    fetch_takes_what_is_there,
    batch_waits_for_the_rest,
    messages_come_again_after_ack_wait,
    backoff_grows_and_ends,
    naks_and_progress_move_the_deadline,
    an_ordered_consumer_sees_all_in_order,
    a_push_consumer_is_sent_to,
    heartbeats_keep_an_idle_stream_alive,
    a_request_times_out,
    a_dropped_connection_is_made_again,
    a_restarted_server_is_found_again,
];

async fn publish(js: &jetstream::Context, count: u32) -> Result {
    for n in 1..=count {
        js.publish(format!("orders.{n}"), format!("order {n}").into()).await?.await?;
    }
    Ok(())
}

/// As many messages as there are before the stream ends.
fn sequences(messages: &[jetstream::Message]) -> Result<Vec<(u64, i64)>> {
    messages.iter().map(|message| message.info().map(|info| (info.stream_sequence, info.delivered))).collect()
}

async fn publishes_are_acknowledged(host: Host) -> Result {
    let js = client(&host.url(), "shop").await?;
    stream(&js).await?;
    for n in 1..=3 {
        let ack = js.publish("orders.new", "x".into()).await?.await?;
        assert_eq!((ack.stream.as_str(), ack.sequence, ack.duplicate), ("ORDERS", n, false));
    }
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "one");
    for duplicate in [false, true] {
        let ack = js.publish_with_headers("orders.new", headers.clone(), "x".into()).await?.await?;
        assert_eq!((ack.sequence, ack.duplicate), (4, duplicate));
    }
    headers.insert("Nats-Msg-Id", "two");
    headers.insert("Nats-Expected-Last-Sequence", "7");
    let refused = js.publish_with_headers("orders.new", headers, "x".into()).await?.await.unwrap_err();
    assert!(refused.to_string().contains("wrong last sequence: 4"), "{refused}");
    let nobody = js.publish("unheard", "x".into()).await?.await.unwrap_err();
    assert!(nobody.to_string().contains("no stream found"), "{nobody}");
    Ok(())
}

async fn fetch_takes_what_is_there(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config::default()).await?;
    publish(&js, 5).await?;
    let start = Instant::now();
    let got: Vec<_> = consumer.fetch().max_messages(3).messages().await?.try_collect().await?;
    assert_eq!(sequences(&got)?, [(1, 1), (2, 1), (3, 1)]);
    let got: Vec<_> = consumer.fetch().max_messages(3).messages().await?.try_collect().await?;
    assert_eq!(sequences(&got)?, [(4, 1), (5, 1)]);
    host.took(start, 0);
    Ok(())
}

async fn batch_waits_for_the_rest(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: host.units(100), ..Default::default() }).await?;
    publish(&js, 2).await?;
    let start = Instant::now();
    let got: Vec<_> = consumer.batch().max_messages(3).expires(host.units(10)).messages().await?.try_collect().await?;
    assert_eq!(sequences(&got)?, [(1, 1), (2, 1)]);
    host.took(start, 10);
    let start = Instant::now();
    let mut batch = consumer.batch().max_messages(2).expires(host.units(50)).messages().await?;
    let later = async {
        tokio::time::sleep(host.units(5)).await;
        publish(&js, 2).await
    };
    let (got, published) = tokio::join!(async { batch.by_ref().try_collect::<Vec<_>>().await }, later);
    published?;
    assert_eq!(sequences(&got?)?, [(3, 1), (4, 1)]);
    host.took(start, 5);
    Ok(())
}

async fn messages_come_again_after_ack_wait(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: host.units(10), ..Default::default() }).await?;
    publish(&js, 2).await?;
    let mut messages = consumer.messages().await?;
    let start = Instant::now();
    let first = messages.try_next().await?.ok_or("no message")?;
    messages.try_next().await?.ok_or("no message")?.double_ack().await?;
    let again = messages.try_next().await?.ok_or("no message")?;
    assert_eq!(sequences(&[first, again.clone()])?, [(1, 1), (1, 2)]);
    host.took(start, 10);
    again.double_ack().await?;
    let mut consumer = consumer;
    let info = consumer.info().await?;
    assert_eq!((info.ack_floor.stream_sequence, info.num_ack_pending), (2, 0));
    assert!(timeout(host.units(20), messages.next()).await.is_err(), "what is acknowledged does not come again");
    Ok(())
}

async fn backoff_grows_and_ends(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let backoff = vec![host.units(5), host.units(10), host.units(20)];
    let consumer = orders(&js, pull::Config { backoff, max_deliver: 4, ..Default::default() }).await?;
    let mut advisories = js.client().subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.ORDERS.WORK").await?;
    publish(&js, 1).await?;
    let start = Instant::now();
    let mut messages = consumer.messages().await?;
    for (count, due) in [(1, 0), (2, 5), (3, 15), (4, 35)] {
        let message = messages.try_next().await?.ok_or("no message")?;
        assert_eq!(sequences(&[message])?, [(1, count)]);
        host.took(start, due);
    }
    // Like that server, a pull has to be waiting for it to notice.
    tokio::select! {
        biased;
        advisory = advisories.next() => assert!(advisory.is_some()),
        message = messages.next() => panic!("delivered too often: {message:?}"),
    }
    host.took(start, 55);
    Ok(())
}

async fn naks_and_progress_move_the_deadline(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: host.units(20), ..Default::default() }).await?;
    publish(&js, 1).await?;
    let mut messages = consumer.messages().await?;
    let start = Instant::now();
    messages.try_next().await?.ok_or("no message")?.ack_with(AckKind::Nak(Some(host.units(5)))).await?;
    let second = messages.try_next().await?.ok_or("no message")?;
    host.took(start, 5);
    tokio::time::sleep(host.units(10)).await;
    second.ack_with(AckKind::Progress).await?;
    let third = messages.try_next().await?.ok_or("no message")?;
    host.took(start, 35);
    third.ack_with(AckKind::Nak(None)).await?;
    let fourth = messages.try_next().await?.ok_or("no message")?;
    host.took(start, 35);
    assert_eq!(sequences(&[second, third, fourth.clone()])?, [(1, 2), (1, 3), (1, 4)]);
    fourth.ack_with(AckKind::Term).await?;
    assert!(timeout(host.units(30), messages.next()).await.is_err(), "what is terminated does not come again");
    Ok(())
}

async fn an_ordered_consumer_sees_all_in_order(host: Host) -> Result {
    let js = client(&host.url(), "reader").await?;
    let stream = stream(&js).await?;
    publish(&js, 3).await?;
    let config = pull::OrderedConfig { deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: 2 }, ..Default::default() };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let mut got = Vec::new();
    for _ in 0..2 {
        got.push(messages.try_next().await?.ok_or("no message")?);
    }
    tokio::time::sleep(host.units(3)).await;
    publish(&js, 2).await?;
    for _ in 0..2 {
        got.push(messages.try_next().await?.ok_or("no message")?);
    }
    assert_eq!(sequences(&got)?, [(2, 1), (3, 1), (4, 1), (5, 1)]);
    Ok(())
}

async fn a_push_consumer_is_sent_to(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let stream = stream(&js).await?;
    let config = push::Config {
        durable_name: Some("PUSHED".into()),
        deliver_subject: js.client().new_inbox(),
        ack_policy: AckPolicy::Explicit,
        ack_wait: host.units(10),
        idle_heartbeat: host.units(4),
        ..Default::default()
    };
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    publish(&js, 2).await?;
    let start = Instant::now();
    let first = messages.try_next().await?.ok_or("no message")?;
    messages.try_next().await?.ok_or("no message")?.ack().await?;
    let again = messages.try_next().await?.ok_or("no message")?;
    host.took(start, 10);
    assert_eq!(sequences(&[first, again.clone()])?, [(1, 1), (1, 2)]);
    again.double_ack().await?;
    Ok(())
}

async fn heartbeats_keep_an_idle_stream_alive(host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config::default()).await?;
    let mut messages = consumer.stream().heartbeat(host.units(5)).expires(host.units(30)).messages().await?;
    let start = Instant::now();
    // Twelve heartbeats, two pulls that end: the stream goes on, without a word.
    assert!(timeout(host.units(62), messages.next()).await.is_err());
    publish(&js, 1).await?;
    let message = messages.try_next().await?.ok_or("no message")?;
    host.took(start, 62);
    assert_eq!(sequences(&[message])?, [(1, 1)]);
    Ok(())
}

async fn a_request_times_out(host: Host) -> Result {
    let js = client(&host.url(), "asker").await?;
    let client = js.client();
    let start = Instant::now();
    let nobody = client.request("service.x", "?".into()).await.unwrap_err();
    assert_eq!(nobody.kind(), RequestErrorKind::NoResponders);
    let mut silent = client.subscribe("service.x").await?;
    client.flush().await?;
    let request = Request::new().payload("?".into()).timeout(Some(host.units(10)));
    let late = client.send_request("service.x", request).await.unwrap_err();
    assert_eq!(late.kind(), RequestErrorKind::TimedOut);
    host.took(start, 10);
    let asked = silent.next().await.ok_or("the request arrived")?;
    assert_eq!(&asked.payload[..], b"?");
    Ok(())
}

/// Publishes until it is acknowledged, as a service that can not do without does; it is stored once.
async fn publish_stubbornly(js: &jetstream::Context, patience: Duration) -> Result<u64> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "again");
    for _ in 0..100 {
        let attempt = async {
            let ack = js.publish_with_headers("orders.again", headers.clone(), "x".into()).await?;
            Ok::<_, crate::Failure>(ack.await?)
        };
        if let Ok(Ok(ack)) = timeout(patience, attempt).await {
            return Ok(ack.sequence);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("the server does not come back".into())
}

/// Acknowledges what comes until each of `unseen` was acknowledged. What was delivered or acknowledged over a connection that broke may
/// come again.
async fn acknowledge(messages: &mut pull::Stream, mut unseen: Vec<u64>) -> Result {
    while !unseen.is_empty() {
        // A stream says so when its connection breaks, and goes on.
        let Ok(message) = messages.next().await.ok_or("the stream ended")? else { continue };
        let sequence = message.info()?.stream_sequence;
        if timeout(Duration::from_secs(2), message.double_ack()).await.is_ok_and(|acked| acked.is_ok()) {
            unseen.retain(|other| *other != sequence);
        }
    }
    Ok(())
}

async fn a_dropped_connection_is_made_again(host: Host) -> Result {
    let link = Link::to(host.address()).await?;
    let js = client(&link.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: host.units(10), ..Default::default() }).await?;
    let mut messages = consumer.messages().await?;
    publish(&js, 1).await?;
    let first = messages.try_next().await?.ok_or("no message")?;
    link.cut();
    // Whether this arrives is not known before the message comes again, or does not.
    first.ack().await?;
    assert_eq!(publish_stubbornly(&js, Duration::from_secs(2)).await?, 2);
    acknowledge(&mut messages, vec![2]).await?;
    if consumer.get_info().await?.num_ack_pending > 0 {
        acknowledge(&mut messages, vec![1]).await?;
    }
    let info = consumer.get_info().await?;
    assert_eq!((info.ack_floor.stream_sequence, info.num_ack_pending), (2, 0));
    Ok(())
}

async fn a_restarted_server_is_found_again(mut host: Host) -> Result {
    let js = client(&host.url(), "worker").await?;
    let consumer = orders(&js, pull::Config { ack_wait: host.units(20), ..Default::default() }).await?;
    publish(&js, 3).await?;
    let mut messages = consumer.messages().await?;
    messages.try_next().await?.ok_or("no message")?.double_ack().await?;
    host.restart().await?;
    assert_eq!(publish_stubbornly(&js, Duration::from_secs(2)).await?, 4);
    acknowledge(&mut messages, vec![2, 3, 4]).await?;
    let info = consumer.get_info().await?;
    assert_eq!((info.ack_floor.stream_sequence, info.num_ack_pending), (4, 0));
    Ok(())
}
