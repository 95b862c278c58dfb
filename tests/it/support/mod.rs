//! The vocabulary of the tests: a paused [`world`], a scripted [`Probe`] child, a [`Journal`] of what happened to it,
//! the supervisor's [`Reports`], a [`Ledger`] of its events.

mod dice;
mod journal;
mod ledger;
mod probe;
mod reports;
pub mod script;

use std::future::Future;

use actix::System;

pub use self::{
    dice::Dice,
    journal::Journal,
    ledger::Ledger,
    probe::{Ask, Do, Exit, Panic, Probe},
    reports::{Report, Reports},
};

/// Runs a test in a System of its own, on one thread, with the clock paused: time passes when all are idle.
pub fn world<T>(test: impl Future<Output = T>) -> T {
    silence_panics();
    System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    })
    .block_on(async { tokio::time::timeout(A_DAY, test).await.expect("nothing happens any more") })
}

/// More than any test lets pass. Where the clock is paused it passes at once when all wait for what never comes.
const A_DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// The same with a clock that runs, for tests that block a real thread or cross threads.
pub fn real_world<T>(test: impl Future<Output = T>) -> T {
    silence_panics();
    System::new().block_on(test)
}

/// For a test that makes its own System, and sees what is left when that is gone.
pub fn silently(test: impl FnOnce()) {
    silence_panics();
    test();
}

/// Lets everything that is ready run, without letting time pass.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Panics are told on one line, without a backtrace: there are many on purpose, and the harness shows what a test printed
/// only if the test fails.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
        // `tracing` decides per call site for all threads. With one subscriber alive it asks the thread that comes by
        // first, and one without a subscriber would switch that line off for the others.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    });
}
