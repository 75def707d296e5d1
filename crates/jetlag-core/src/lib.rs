//! A NATS JetStream server as a state machine: no IO, no clock, no randomness.
