//! Where time comes from, and what stops it.

use std::process::Command;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use futures_util::TryStreamExt;
use jetlag::{Error, Server, ServerOptions};

use crate::{Result, client, orders};

#[tokio::test(start_paused = true)]
async fn a_clock_that_runs_ahead_of_sockets_is_refused() {
    // As it does below tokio 1.53.3: the clock moves while the canary's byte is on its way.
    let (started, ()) = tokio::join!(Server::start(), tokio::time::advance(Duration::from_millis(1)));
    let refused = started.unwrap_err();
    assert!(matches!(refused, Error::Server(_)), "{refused:?}");
    assert!(refused.to_string().contains("Use tokio 1.53.3 or later (or 1.51.6 and later of 1.51): `cargo update -p tokio`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads_time_is_real() -> Result {
    let server = Server::start().await?;
    let js = client(&server.url(), "worker").await?;
    let ack_wait = Duration::from_millis(300);
    let mut messages = orders(&js, pull::Config { ack_wait, ..Default::default() }).await?.messages().await?;
    js.publish("orders.1", "a parcel".into()).await?.await?;
    let real = std::time::Instant::now();
    let first = messages.try_next().await?.ok_or("no message")?;
    let again = messages.try_next().await?.ok_or("no message")?;
    assert_eq!((first.info()?.delivered, again.info()?.delivered), (1, 2));
    assert!(real.elapsed() + Duration::from_millis(30) >= ack_wait, "{:?}", real.elapsed());
    again.double_ack().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
#[ignore = "run by what_never_comes_ends_the_process_with_a_report, which it ends"]
async fn waits_for_what_never_comes() -> Result {
    let server = Server::start_with(ServerOptions { virtual_limit: jetlag::Duration::from_secs(3600), ..Default::default() }).await?;
    let js = client(&server.url(), "worker").await?;
    let mut messages = orders(&js, pull::Config::default()).await?.messages().await?;
    messages.try_next().await?;
    Ok(())
}

#[test]
fn what_never_comes_ends_the_process_with_a_report() -> Result {
    let test = "clock::waits_for_what_never_comes";
    let output = Command::new(std::env::current_exe()?).args(["--exact", test, "--ignored"]).output()?;
    let report = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(101), "{report}");
    for part in [
        &format!("jetlag: {test} has run for 1h of virtual time, its limit. It waits for something that does not come."),
        "connection 1: worker",
        "consumer ORDERS/WORK: 0 unacknowledged, 0 to deliver, 1 pulls waiting",
        "what happened last:",
        "worker: status 408",
        "Raise `virtual_limit` if this is intended.",
    ] {
        assert!(report.contains(part), "{part:?} is missing in:\n{report}");
    }
    Ok(())
}
