//! The vocabulary of the tests: a paused [`world`], a scripted [`Probe`] child, a [`Journal`] of what happened to it,
//! the supervisor's [`Reports`].

mod journal;
mod probe;
mod reports;

use std::future::Future;

use actix::System;

pub use self::{
    journal::Journal,
    probe::{Ask, Do, Exit, Panic, Probe},
    reports::{Report, Reports},
};

/// Runs a test in a System of its own, on one thread, with the clock paused: time passes when all are idle.
pub fn world<T>(test: impl Future<Output = T>) -> T {
    silence_panics();
    System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    })
    .block_on(test)
}

/// The same with a clock that runs, for tests that block a real thread or cross threads.
pub fn real_world<T>(test: impl Future<Output = T>) -> T {
    silence_panics();
    System::new().block_on(test)
}

/// Lets everything that is ready run, without letting time pass.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// Panics made on purpose carry a `&'static str` or a marker of this crate's tests; only those of failed assertions,
/// which are formatted, are worth printing.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().is::<String>() {
                before(info);
            }
        }));
    });
}
