//! Children on other arbiters: the same guarantees, across threads.

mod arbiters;
mod blocked;
mod children;
mod crossings;
mod pools;
mod storm;

use std::{
    thread::{self, ThreadId},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::{script::block, Do, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// On which thread a probe lives.
async fn thread_of(probe: &Addr<Probe>) -> ThreadId {
    let (tell, told) = tokio::sync::oneshot::channel();
    probe
        .send(Do::this(move |_, _| {
            let _ = tell.send(thread::current().id());
        }))
        .await
        .expect("it lives");
    told.await.expect("it tells")
}

/// Waits for what other threads do.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
