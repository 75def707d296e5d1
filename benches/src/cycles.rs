//! What the core does all day, with few and with many unsettled messages beside: a message is delivered and acknowledged; is given back
//! and delivered again; runs out of time and is delivered again, alone or all at once. Outputs and notes are drained, not recorded.

use std::cell::LazyCell;
use std::time::Instant;

use criterion::Criterion;
use jetlag_model::{AckKind, Duration};

use crate::server::{Server, payload};

const PENDING: [(&str, u64); 2] = [("1k", 1_000), ("100k", 100_000)];
const ACK_WAIT: Duration = Duration::from_secs(1);
/// Messages a pull asks for.
const BATCH: u64 = 500;
/// Messages acknowledged on one copy of a prepared server.
const RUN: u64 = 20_000;

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

/// One message is delivered (pulled in batches) and acknowledged, while `pending` older ones stay unsettled.
fn ack(c: &mut Criterion, variant: &str, pending: u64) {
    let prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT);
        server.store(pending + RUN, Duration::ZERO);
        assert_eq!(server.pull(pending).num_ack_pending, pending);
        server
    });
    let ack = payload(&AckKind::Ack);
    c.bench_function(&format!("core/ack/{variant}"), |b| {
        b.iter_custom(|cycles| {
            let mut elapsed = std::time::Duration::ZERO;
            let mut left = cycles;
            while left > 0 {
                let run = left.min(RUN);
                let mut server = prepared.clone();
                let mut acked = 0;
                let start = Instant::now();
                while acked < run {
                    let pulled = server.pull(BATCH.min(run - acked));
                    assert_eq!(pulled.num_ack_pending, pending + pulled.delivered.len() as u64);
                    for token in pulled.delivered {
                        acked += server.acknowledge(token, &ack).acked;
                    }
                }
                elapsed += start.elapsed();
                assert_eq!(acked, run);
                left -= run;
            }
            elapsed
        });
    });
}

/// One of `pending` unsettled messages is given back and, because a pull waits, delivered again at once.
fn nak(c: &mut Criterion, variant: &str, pending: u64) {
    let mut prepared = LazyCell::new(|| {
        let mut server = Server::new(ACK_WAIT);
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
        let mut server = Server::new(ACK_WAIT);
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
        let mut server = Server::new(ACK_WAIT);
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
