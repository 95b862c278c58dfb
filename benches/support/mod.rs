//! What the benches share: the actors of both sides, how a side is timed, how a row is printed.

#![allow(dead_code, reason = "each bench uses its part")]

pub(crate) mod actors;
pub(crate) mod memory;
pub(crate) mod report;
pub(crate) mod rounds;

use std::{env, panic};

use actix::System;

/// Asks for measurements that are no tasks.
pub(crate) const FROM_MAIN: &str = "--from-main";

/// Runs a measurement as a task of an arbiter, alone on its thread; panics are not printed.
///
/// A task, as an actor is one: what is blocked on waits for 61 of them whenever there are so many, and to wake it takes
/// longer than a whole request does between actors. With `--from-main` it is what is blocked on, as in `#[actix::main]`.
#[allow(clippy::expect_used, reason = "a measurement that fails is none")]
pub(crate) fn on_a_system<T: 'static>(work: impl AsyncFnOnce() -> T + 'static) -> T {
    panic::set_hook(Box::new(|_| {}));
    if env::args().any(|argument| argument == FROM_MAIN) {
        return System::new().block_on(work());
    }
    let done = System::new().block_on(async { actix_rt::spawn(async move { work().await }).await });
    done.expect("it was measured")
}
