//! The figures of the feature `metrics`: each is told when it should be, by as much as it should be, under labels that are
//! few; and a recorder, which is user code, harms nobody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    dead_code,
    unused_imports,
    clippy::type_complexity
)]

mod counts;
mod endings;
mod labels;
mod limit;
mod population;
mod recorder;
mod spite;

#[path = "../it/support/mod.rs"]
mod support;

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use metrics::with_local_recorder;

use self::{
    recorder::Figures,
    support::{real_world, world, Ask, Do, Panic, Probe},
};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A [`world`] whose supervisors tell their figures to these.
fn measured(test: impl AsyncFnOnce(&Figures)) {
    let figures = Figures::default();
    with_local_recorder(&figures, || world(test(&figures)));
}

/// The same with a clock that runs.
fn really_measured(test: impl AsyncFnOnce(&Figures)) {
    let figures = Figures::default();
    with_local_recorder(&figures, || real_world(test(&figures)));
}

/// Waits for what other threads do.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
        tokio::task::yield_now().await;
    }
}

/// Crashes a child, and waits until it handles messages again.
async fn crash(child: &Addr<Probe>) {
    assert!(child.send(Panic("crash")).await.is_err());
    child.send(Ask).await.expect("it comes back");
}

/// Blocks a child's thread until what is returned is dropped.
async fn block(child: &Addr<Probe>) -> std::sync::mpsc::Sender<()> {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (tell, blocked) = tokio::sync::oneshot::channel();
    child.do_send(Do::this(move |_, _| {
        let _ = tell.send(());
        let _ = released.recv();
    }));
    blocked.await.expect("it blocks");
    release
}
