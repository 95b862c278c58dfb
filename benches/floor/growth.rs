//! Ours with a million children beside ours with few: what grows shows.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::{
    messages::crash_ours,
    support::{
        actors::{start_worker, supervisor, Worker},
        rounds::{alternate, per, Samples},
    },
};

const ROUNDS: usize = 15;

const MANY: u64 = 1_000_000;
const FEW: u64 = 1_000;

/// A supervisor with many children, another with few.
struct Two {
    many: Addr<DynamicSupervisor>,
    few: Addr<DynamicSupervisor>,
}

impl Two {
    async fn start() -> Self {
        Self { many: with_children(MANY).await, few: with_children(FEW).await }
    }

    async fn stop(self) {
        self.many.stop().await.unwrap();
        self.few.stop().await.unwrap();
    }
}

async fn with_children(count: u64) -> Addr<DynamicSupervisor> {
    let supervisor = supervisor();
    for value in 0..count {
        start_worker(&supervisor, value).await;
    }
    supervisor
}

/// `count_children_1m`
pub(crate) async fn count() -> Samples {
    let two = Two::start().await;
    let samples = alternate(ROUNDS, async || count_in(&two.many).await, async || count_in(&two.few).await).await;
    two.stop().await;
    samples
}

async fn count_in(supervisor: &Addr<DynamicSupervisor>) -> f64 {
    const COUNTS: u64 = 10_000;
    per(COUNTS, async || {
        for _ in 0..COUNTS {
            supervisor.count_children().await.unwrap();
        }
    })
    .await
}

/// `start_child_1m`: few at a time, and gone before the next, so that the number present hardly changes.
pub(crate) async fn start() -> Samples {
    let two = Two::start().await;
    let samples = alternate(ROUNDS, async || start_in(&two.many).await, async || start_in(&two.few).await).await;
    two.stop().await;
    samples
}

async fn start_in(supervisor: &Addr<DynamicSupervisor>) -> f64 {
    const BATCHES: u64 = 100;
    const BATCH: u64 = 100;
    let mut took = 0.0;
    for _ in 0..BATCHES {
        let mut ids = Vec::with_capacity(BATCH as usize);
        took += per(BATCH, async || {
            for value in 0..BATCH {
                ids.push(start_worker(supervisor, value).await.0);
            }
        })
        .await;
        for id in ids {
            supervisor.terminate_child(id).await.unwrap();
        }
    }
    took / BATCHES as f64
}

/// `stop_1m`: per child, at a million and at ten thousand.
pub(crate) async fn stop() -> Samples {
    const SOME: u64 = 10_000;
    const TIMES: u64 = 10;
    alternate(
        7,
        async || stop_of(MANY).await,
        async || {
            let mut took = 0.0;
            for _ in 0..TIMES {
                took += stop_of(SOME).await;
            }
            took / TIMES as f64
        },
    )
    .await
}

async fn stop_of(children: u64) -> f64 {
    let supervisor = with_children(children).await;
    per(children, async || drop(supervisor.stop().await.unwrap())).await
}

/// `crash_restart_1m`: one child among many, one among few.
pub(crate) async fn crash_restart() -> Samples {
    let two = Two::start().await;
    let (among_many, among_few) = (one_of(&two.many).await, one_of(&two.few).await);
    let samples =
        alternate(ROUNDS, async || crash_ours(&among_many).await, async || crash_ours(&among_few).await).await;
    two.stop().await;
    samples
}

async fn one_of(supervisor: &Addr<DynamicSupervisor>) -> Addr<Worker> {
    start_worker(supervisor, 0).await.1
}
