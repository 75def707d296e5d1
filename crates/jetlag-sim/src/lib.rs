//! The simulation: virtual clock, world, links, clients and workers.
