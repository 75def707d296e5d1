//! Runs a scenario on a backend: transcript, comparison, blessing, checks.
