//! The NATS client protocol as a sans-IO codec.
