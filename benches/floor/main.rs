//! What supervision costs over bare Actix: `cargo bench --bench floor -- [--json] [--check] [--from-main] [ROW…]`.
//!
//! The floor is what a user would do instead: a manager actor with a `HashMap` of addresses and a message that starts a
//! child, inserts it and answers its address; no supervision at all. Both sides have the same children, messages, thread and
//! runtime, and are measured in turn. A row is the median of its rounds: nanoseconds for one repetition, or bytes.
//!
//! The rows that end in `_1m` compare ours with ours: what it costs with a million children, and with few. So does
//! `two_arbiters_request`, `partitions_start` and `partitions_request`: the time it takes where two threads share the work,
//! and where one does it all.

#[path = "../support/mod.rs"]
mod support;

mod arbiters;
mod bytes;
mod growth;
mod life;
mod messages;
mod partitions;

use std::process::ExitCode;

use support::{
    on_a_system,
    report::{Asked, Ceiling, Report, Row},
    rounds::Samples,
};

/// How one row is measured, and the ratio it may reach, if there is a limit.
struct Metric {
    name: &'static str,
    most: Option<f64>,
    measure: fn() -> Samples,
}

const METRICS: &[Metric] = &[
    Metric { name: "start_child", most: Some(1.30), measure: || on_a_system(life::start_one_by_one) },
    Metric { name: "start_child_1000_in_flight", most: Some(1.25), measure: || on_a_system(life::start_in_flight) },
    Metric { name: "bytes_per_child", most: Some(1.35), measure: bytes::per_child },
    Metric { name: "request", most: Some(1.08), measure: || on_a_system(messages::request) },
    Metric { name: "tell", most: Some(1.10), measure: || on_a_system(messages::tell) },
    Metric { name: "crash_restart", most: Some(1.90), measure: || on_a_system(messages::crash_restart) },
    Metric { name: "terminate_child", most: Some(1.60), measure: || on_a_system(life::terminate_one_by_one) },
    Metric { name: "stop_100k", most: Some(2.0), measure: || on_a_system(life::stop_all) },
    Metric { name: "count_children_1m", most: Some(1.5), measure: || on_a_system(growth::count) },
    Metric { name: "start_child_1m", most: Some(1.4), measure: || on_a_system(growth::start) },
    Metric { name: "stop_1m", most: Some(1.5), measure: || on_a_system(growth::stop) },
    Metric { name: "crash_restart_1m", most: Some(1.5), measure: || on_a_system(growth::crash_restart) },
    Metric { name: "storm_100k", most: Some(1.5), measure: || on_a_system(messages::storm) },
    // On two cores: a gain of at least 1.7.
    Metric { name: "two_arbiters_request", most: Some(1.0 / 1.7), measure: || on_a_system(arbiters::requests) },
    Metric { name: "partitions_start", most: Some(1.0 / 1.7), measure: || on_a_system(partitions::starts) },
    Metric { name: "partitions_request", most: Some(1.0 / 1.7), measure: || on_a_system(partitions::requests) },
    Metric { name: "two_arbiters_plain", most: None, measure: || on_a_system(arbiters::plain_requests) },
];

fn main() -> ExitCode {
    if bytes::is_asked_by_parent() {
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new(Asked::by_arguments());
    for Metric { name, most, measure } in METRICS {
        if report.asks_for(name) {
            let samples = measure();
            report.add(&Row {
                metric: (*name).to_owned(),
                ours: samples.ours(),
                floor: Some(samples.floor()),
                ceiling: most.map(Ceiling::Ratio),
            });
        }
    }
    report.end()
}
