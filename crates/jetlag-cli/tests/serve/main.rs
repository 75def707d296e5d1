//! `jetlag serve` as a process, from the outside: over sockets, HTTP, signals and files.

mod compared;
mod controls;
mod limits;
mod process;
mod set_up;
