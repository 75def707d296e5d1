//! The `jetlag` command.
fn main() {}
