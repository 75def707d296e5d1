//! The same test has the same trace, run after run, on a quiet machine and on a busy one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::pull;
use futures_util::TryStreamExt;
use jetlag::{Digest, Fault, Server};
use tokio::time::{sleep, timeout};

use crate::{Result, client, orders};

/// How many runs are compared; `.ci/nightly` sets more.
fn runs() -> usize {
    std::env::var("JETLAG_RUNS").map_or(25, |count| count.parse().expect("JETLAG_RUNS is a number"))
}

/// Two workers that take their time, lost acknowledgements, a nak, a restart.
async fn scenario() -> Result<Digest> {
    let server = Server::start().await?;
    let js = client(&server.url(), "shop").await?;
    let config = pull::Config { ack_wait: Duration::from_secs(30), max_deliver: 5, ..Default::default() };
    orders(&js, config).await?;
    server.fault(Fault::drop().acks().client("first").first(2))?;
    let mut workers = Vec::new();
    for name in ["first", "second"] {
        let consumer = client(&server.url(), name).await?.get_consumer_from_stream::<pull::Config, _, _>("WORK", "ORDERS").await?;
        workers.push(tokio::spawn(async move {
            let mut messages = consumer.stream().max_messages_per_batch(2).messages().await?;
            while let Ok(next) = timeout(Duration::from_secs(600), messages.try_next()).await {
                // A broken connection is told, and the stream goes on.
                let Ok(Some(message)) = next else { continue };
                sleep(Duration::from_secs(7)).await;
                let info = message.info().map_err(|error| error.to_string())?;
                let nak = info.stream_sequence == 5 && info.delivered == 1;
                message.ack_with(if nak { AckKind::Nak(Some(Duration::from_secs(15))) } else { AckKind::Ack }).await?;
            }
            Ok::<(), crate::Failure>(())
        }));
    }
    for n in 0..10 {
        js.publish(format!("orders.{n}"), format!("order {n}").into()).await?.await?;
        sleep(Duration::from_secs(3)).await;
    }
    server.restart("2s")?;
    server.wait_acked("ORDERS/WORK").await?;
    for worker in workers {
        worker.await??;
    }
    Ok(server.trace()?.digest())
}

fn check(runs: usize) {
    let run = || {
        // A runtime of its own for each.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(scenario()).expect("the scenario")
    };
    let first = run();
    for n in 1..runs {
        assert_eq!(run(), first, "run {n}");
    }
}

/// Threads that keep two cores busy.
struct Busy(Arc<AtomicBool>, Vec<JoinHandle<()>>);

impl Busy {
    fn start() -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..2).map(spin).collect();
        Busy(stop, threads)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        for thread in self.1.drain(..) {
            thread.join().expect("it only spins");
        }
    }
}

#[test]
fn all_runs_have_one_trace() {
    check(runs());
}

#[test]
fn busy_cores_do_not_change_the_trace() {
    let _busy = Busy::start();
    check(runs());
}
