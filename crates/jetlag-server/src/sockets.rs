//! The tokio side: accepts connections, moves bytes between sockets and the broker, and wakes it when something is due. Everything runs in
//! the runtime of whoever starts it, on that runtime's clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jetlag_model::{ConnId, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::broker::Broker;
use crate::error::ServerError;
use crate::limit::VirtualLimit;

/// How often everybody else may run before a deadline is handled at the instant at which it is due, so that what clients send at that
/// very instant arrives first. Sending takes one turn of the client's task, one of the reader here; the rest is margin for tasks that
/// hand on to others.
pub(crate) const TURNS: usize = 8;

/// Bytes read from a socket at a time.
const READ: usize = 64 * 1024;

/// What all tasks of one server share.
pub(crate) struct Shared {
    broker: Mutex<Broker>,
    writers: Mutex<BTreeMap<ConnId, Arc<Notify>>>,
    /// The broker's next deadline may have changed.
    due: Notify,
    start: Instant,
    limit: Option<VirtualLimit>,
    /// The latest instant, and how often the broker was called at it.
    calls: Mutex<(Time, u64)>,
    /// Pieces of bytes that were read.
    reads: AtomicU64,
    /// Something was read or was due.
    pub(crate) traffic: Notify,
    /// A connection is gone.
    gone: Notify,
    /// What the server can not go on without failed.
    failure: Mutex<Option<ServerError>>,
    failed: Notify,
}

/// So many pieces of traffic at one instant of a paused clock are a loop: two sides that answer each other without ever waiting.
const CALLS_PER_INSTANT: u64 = 1_000_000;

impl Shared {
    pub(crate) fn new(broker: Broker, limit: Option<VirtualLimit>) -> Shared {
        Shared {
            broker: Mutex::new(broker),
            writers: Mutex::default(),
            due: Notify::new(),
            start: Instant::now(),
            limit,
            calls: Mutex::default(),
            reads: AtomicU64::new(0),
            traffic: Notify::new(),
            gone: Notify::new(),
            failure: Mutex::default(),
            failed: Notify::new(),
        }
    }

    /// Waits until there is no connection.
    pub(crate) async fn deserted(&self) {
        loop {
            let gone = self.gone.notified();
            if self.writers().is_empty() {
                return;
            }
            gone.await;
        }
    }

    /// Waits until something failed, and takes what.
    pub(crate) async fn failed(&self) -> ServerError {
        loop {
            let failed = self.failed.notified();
            if let Some(failure) = self.take_failure() {
                return failure;
            }
            failed.await;
        }
    }

    pub(crate) fn take_failure(&self) -> Option<ServerError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Time since the server started, on the runtime's clock.
    pub(crate) fn now(&self) -> Time {
        Time::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, Broker> {
        // A panic while it was held is reported where it happened; what the broker holds is still whole enough to be looked at.
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writers(&self) -> MutexGuard<'_, BTreeMap<ConnId, Arc<Notify>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the broker, and wakes whoever has something to do because of it.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Broker, Time) -> R) -> R {
        let now = self.now();
        self.count(now);
        let mut broker = self.lock();
        let before = broker.next_wake();
        let result = f(&mut broker, now);
        broker.finish();
        let ready = broker.take_ready();
        let after = broker.next_wake();
        let failure = broker.take_failure();
        drop(broker);
        if let Some(failure) = failure {
            return self.fail(failure, result);
        }
        if !ready.is_empty() {
            let writers = self.writers();
            for writer in ready.iter().filter_map(|conn| writers.get(conn)) {
                writer.notify_one();
            }
        }
        if before != after {
            self.due.notify_one();
        }
        result
    }

    /// Nobody is told of what could not be kept.
    fn fail<R>(&self, failure: ServerError, result: R) -> R {
        let of_the_system = matches!(failure, ServerError::Store(_) | ServerError::Trace { .. });
        let text = failure.to_string();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
        self.failed.notify_one();
        // Else it is a bug of ours, or a driver's misuse: the run means nothing any more.
        assert!(of_the_system, "the simulated server failed: {text}");
        result
    }

    /// Time that never goes on never reaches its limit either.
    fn count(&self, now: Time) {
        let Some(limit) = &self.limit else { return };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls = if calls.0 == now { (now, calls.1 + 1) } else { (now, 1) };
        if calls.1 > CALLS_PER_INSTANT {
            drop(calls);
            limit.looped(self, CALLS_PER_INSTANT);
        }
    }

    /// The same for what comes from outside, a client or the clock; whoever waits for something to happen looks again.
    fn happens<R>(&self, f: impl FnOnce(&mut Broker, Time) -> R) -> R {
        let result = self.with(f);
        self.traffic.notify_waiters();
        result
    }

    /// How many pieces of bytes were read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How many connections there are, with those that have said nothing yet.
    pub(crate) fn connection_count(&self) -> usize {
        self.writers().len()
    }

    /// Looks at the broker, without any effect.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&mut Broker) -> R) -> R {
        f(&mut self.lock())
    }

    fn instant(&self, at: Time) -> Instant {
        // Beyond what the clock can tell there is nothing to wait for either.
        let far = Time::from_nanos(u64::MAX / 4);
        self.start + std::time::Duration::from_nanos(at.min(far).as_nanos())
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_time(shared.clone()));
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let conn = shared.happens(|broker, now| broker.accept(now, peer));
                    let wake = Arc::new(Notify::new());
                    shared.writers().insert(conn, wake.clone());
                    tasks.spawn(connection(shared.clone(), conn, stream, wake));
                }
                // Out of file descriptors, or a client that left before it was accepted: the next one may do better.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            },
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Has the broker do what is due, when it is.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let wake = shared.look(|broker| broker.next_wake());
        let limit = shared.limit.as_ref().map(VirtualLimit::at);
        let until = wake.into_iter().chain(limit).min();
        let sleep = async {
            match until {
                Some(at) => sleep_until(shared.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.due.notified() => continue,
            () = sleep => {}
        }
        if let Some(limit) = &shared.limit
            && shared.now() >= limit.at()
        {
            limit.reached(&shared);
        }
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        shared.happens(|broker, now| broker.tick(now));
    }
}

/// One connection, until either side ends it.
async fn connection(shared: Arc<Shared>, conn: ConnId, stream: TcpStream, wake: Arc<Notify>) {
    // What is small is sent at once; a socket that can not do that is still a socket.
    let _ = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    tokio::select! {
        biased;
        () = read(&shared, conn, &mut reader) => {}
        () = write(&shared, conn, writer, &wake) => {}
    }
    shared.writers().remove(&conn);
    shared.happens(|broker, now| broker.gone(now, conn));
    shared.gone.notify_waiters();
}

async fn read(shared: &Shared, conn: ConnId, reader: &mut OwnedReadHalf) {
    let mut buffer = vec![0; READ];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                shared.reads.fetch_add(1, Ordering::Relaxed);
                shared.happens(|broker, now| broker.bytes(now, conn, &buffer[..count]));
            }
        }
    }
}

async fn write(shared: &Shared, conn: ConnId, mut writer: OwnedWriteHalf, wake: &Notify) {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let over = shared.look(|broker| broker.take_outbound(conn, &mut buffer));
        if !buffer.is_empty() && writer.write_all(&buffer).await.is_err() {
            return;
        }
        if over {
            // The other side reads what was written before it sees the end.
            let _ = writer.shutdown().await;
            return;
        }
        if buffer.is_empty() {
            wake.notified().await;
        }
    }
}
