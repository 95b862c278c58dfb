//! Who takes part, and on which runtime.

mod floor;
mod hydra;
mod kameo;
mod ours;
mod ractor;

use std::future::Future;

use actix::System;
use tokio::runtime::Builder;

use self::{
    floor::Floor,
    hydra::{in_a_process, Hydra},
    kameo::Kameo,
    ours::Ours,
    ractor::Ractor,
};
use crate::measure::{measure, round, Figure, Sample};

/// Peers and flavours, in the order of the table; Elixir is not ours to run.
pub(crate) const ALL: [(&str, &str); 8] = [
    ("ours", "system"),
    ("floor", "system"),
    ("ractor", "current-thread"),
    ("ractor", "multi-thread"),
    ("kameo", "current-thread"),
    ("kameo", "multi-thread"),
    ("hydra", "current-thread"),
    ("hydra", "multi-thread"),
];

/// `None`: there is no such peer. `Some(None)`: it cannot do that.
pub(crate) fn measure_one(peer: &str, flavour: &str, figure: Figure, children: u64) -> Option<Option<Sample>> {
    let threads = match flavour {
        "system" | "current-thread" => Threads::One,
        "multi-thread" => Threads::AsManyAsCores,
        _ => return None,
    };
    Some(match peer {
        "ours" => measure::<Ours, _>(figure, children, round::<Ours>, on_a_system),
        "floor" => measure::<Floor, _>(figure, children, round::<Floor>, on_a_system),
        "ractor" => measure::<Ractor, _>(figure, children, round::<Ractor>, |work| on_tokio(threads, work)),
        "kameo" => measure::<Kameo, _>(figure, children, round::<Kameo>, |work| on_tokio(threads, work)),
        "hydra" => measure::<Hydra, _>(figure, children, round::<Hydra>, |work| on_tokio(threads, in_a_process(work))),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Threads {
    One,
    AsManyAsCores,
}

/// As a task of an arbiter, alone on its thread, as actors are.
///
/// What is blocked on is not a task: it waits for 61 of them whenever there are so many, and to wake it takes longer than a
/// whole request does. So nobody measures from there.
#[allow(clippy::expect_used, reason = "a measurement that fails is none")]
fn on_a_system<T: 'static>(work: impl Future<Output = T> + 'static) -> T {
    System::new().block_on(async { actix_rt::spawn(work).await }).expect("it was measured")
}

/// As a task of a runtime, which ends with it.
#[allow(clippy::expect_used, reason = "a measurement that fails is none")]
fn on_tokio<T: Send + 'static>(threads: Threads, work: impl Future<Output = T> + Send + 'static) -> T {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::AsManyAsCores => Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::spawn(work).await }).expect("it was measured")
}
