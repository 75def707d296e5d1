//! Deterministic NATS JetStream for tests: virtual time, faults, exact assertions.
