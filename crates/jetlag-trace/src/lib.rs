//! One record a thing that happened: digest, JSONL, rendering, difference.
