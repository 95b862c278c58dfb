//! What the crate promises, as one test binary; the modules read as the list of its features.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::type_complexity
)]

mod support;

mod addresses;
mod calls;
mod child_specs;
mod events;
mod faults;
mod keys;
mod naming;
mod parity;
mod partitions;
mod patience;
mod placement;
mod races;
mod smoke;
mod snapshots;
mod supervisors;
mod tasks;
mod texts;
