//! The examples as a stranger runs them: as processes, on real files and real sockets.
//!
//! A plain `cargo test` builds them first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod counter;
mod support;
mod words;

/// Built with the feature only.
#[cfg(all(unix, feature = "dashboard"))]
mod observatory;

/// Built with the feature only.
#[cfg(all(unix, feature = "metrics"))]
mod prometheus;

/// They end the server by a signal.
#[cfg(unix)]
mod rooms;

/// They end the server by a signal.
#[cfg(unix)]
mod tcp;
