//! Replays scenarios on real nats-server processes and compares.
