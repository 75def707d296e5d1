//! What the core does all day, with few and with many unsettled messages beside: a message is delivered and acknowledged; is given back
//! and delivered again; runs out of time and is delivered again, alone or all at once. Outputs and notes are drained, not recorded.

use std::cell::LazyCell;
use std::collections::VecDeque;
use std::time::Instant;

use criterion::Criterion;
use jetlag_model::{AckKind, Duration};

use crate::server::{Server, payload};

const PENDING: [(&str, u64); 2] = [("1k", 1_000), ("100k", 100_000)];
const ACK_WAIT: Duration = Duration::from_secs(1);
/// Messages a pull asks for.
const BATCH: u64 = 500;

pub(crate) fn define(c: &mut Criterion) {
    for (variant, pending) in PENDING {
        ack(c, variant, pending);
    }
    for (variant, pending) in PENDING {
        nak(c, variant, pending);
    }
    for (variant, pending) in PENDING {
        timeout(c, variant, pending);
    }
    for (variant, pending) in PENDING {
        storm(c, variant, pending);
    }
}

/// One message is delivered (pulled in batches) and the oldest of `pending` unsettled ones acknowledged. Storing it is not measured.
fn ack(c: &mut Criterion, variant: &str, pending: u64) {
    let mut prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT, (pending + 2 * BATCH) as i64);
        server.store(pending, Duration::ZERO);
        let unsettled: VecDeque<_> = server.pull(pending).delivered.into();
        assert_eq!(unsettled.len() as u64, pending);
        (server, unsettled)
    });
    let ack = payload(&AckKind::Ack);
    c.bench_function(&format!("core/ack/{variant}"), |b| {
        let (server, unsettled) = &mut *prepared;
        b.iter_custom(|cycles| {
            let mut elapsed = std::time::Duration::ZERO;
            let mut left = cycles;
            while left > 0 {
                let batch = left.min(BATCH);
                server.store(batch, Duration::ZERO);
                let start = Instant::now();
                let pulled = server.pull(batch);
                unsettled.extend(pulled.delivered);
                let acked: u64 = unsettled.drain(..batch as usize).map(|token| server.acknowledge(token, &ack).acked).sum();
                elapsed += start.elapsed();
                assert_eq!((acked, pulled.num_ack_pending, unsettled.len() as u64), (batch, pending + batch, pending));
                left -= batch;
            }
            elapsed
        });
    });
}

/// One of `pending` unsettled messages is given back and, because a pull waits, delivered again at once.
fn nak(c: &mut Criterion, variant: &str, pending: u64) {
    let mut prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT, -1);
        server.store(pending, Duration::ZERO);
        let tokens = server.pull_without_end();
        (server, tokens, 0)
    });
    let nak = payload(&AckKind::Nak { delay: None });
    c.bench_function(&format!("core/nak/{variant}"), |b| {
        let (server, tokens, next) = &mut *prepared;
        b.iter(|| {
            let outcome = server.acknowledge(tokens[*next].clone(), &nak);
            assert_eq!((outcome.naked, outcome.delivered.len(), outcome.num_ack_pending), (1, 1, pending));
            tokens[*next].clone_from(&outcome.delivered[0]);
            *next = (*next + 1) % tokens.len();
        });
    });
}

/// One of `pending` unsettled messages, whose deadlines are spread over ack_wait, runs out of time and is delivered again at once.
fn timeout(c: &mut Criterion, variant: &str, pending: u64) {
    let mut prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT, -1);
        server.pull_without_end();
        let apart = Duration::from_nanos(ACK_WAIT.as_nanos() / pending as i64);
        assert_eq!(server.store(pending, apart).len() as u64, pending);
        server
    });
    c.bench_function(&format!("core/timeout/{variant}"), |b| {
        let server = &mut *prepared;
        b.iter(|| {
            let outcome = server.next_deadline();
            assert_eq!((outcome.expired, outcome.delivered.len(), outcome.num_ack_pending), (1, 1, pending));
        });
    });
}

/// All of `pending` unsettled messages run out of time at one instant and are delivered again at once: one iteration is all of them.
fn storm(c: &mut Criterion, variant: &str, pending: u64) {
    let mut prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT, -1);
        server.store(pending, Duration::ZERO);
        server.pull_without_end();
        server
    });
    c.bench_function(&format!("core/storm/{variant}"), |b| {
        let server = &mut *prepared;
        b.iter(|| {
            let outcome = server.next_deadline();
            assert_eq!((outcome.expired, outcome.delivered.len() as u64), (pending, pending));
        });
    });
}
