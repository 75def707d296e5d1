//! Fault rules and verdicts for what crosses a link, and the link queue itself, sans-IO.
