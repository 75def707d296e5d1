//! Benchmarks of the whole: `cargo bench -p jetlag-benches [-- FILTER]`. Each is named `area/operation/variant` and asserts its result.
//! Figures are kept in `docs/BENCHMARKS.md`.

mod cycles;
mod scenarios;
mod server;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .configure_from_args();
    cycles::define(&mut criterion);
    scenarios::define(&mut criterion);
    criterion.final_summary();
}
