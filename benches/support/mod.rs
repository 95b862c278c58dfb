//! What the benches share: the actors of both sides, how a side is timed, how a row is printed.

#![allow(dead_code, reason = "each bench uses its part")]

pub(crate) mod actors;
pub(crate) mod memory;
pub(crate) mod report;
pub(crate) mod rounds;

use std::panic;

use actix::System;

/// Both sides run alone on one thread, and neither prints its panics.
pub(crate) fn on_a_system<T>(work: impl AsyncFnOnce() -> T) -> T {
    panic::set_hook(Box::new(|_| {}));
    System::new().block_on(work())
}
