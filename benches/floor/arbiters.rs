//! The same requests on two arbiters and on one: what a second core is worth.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::time::Instant;

use actix::prelude::*;
use futures::future::{join, join_all};
use tokio::sync::oneshot;

use crate::support::{
    actors::{start_worker, supervisor, Get, Worker},
    rounds::{alternate, Samples},
};

const ROUNDS: usize = 9;

/// Children of one supervisor, each on the arbiter of its supervisor.
const CHILDREN: u64 = 1_000;

/// Requests that one asker makes, one after another, to the children of one supervisor.
const REQUESTS: u64 = 200_000;

/// `two_arbiters_request`: two supervisors, each with an asker beside it; on an arbiter each, and both on one.
pub(crate) async fn requests() -> Samples {
    spread(Side::Ours).await
}

/// `two_arbiters_plain`: the same with plain actors, which tells what the machine allows.
pub(crate) async fn plain_requests() -> Samples {
    spread(Side::Plain).await
}

#[derive(Clone, Copy)]
enum Side {
    Ours,
    Plain,
}

async fn spread(side: Side) -> Samples {
    let (left, right) = (Arbiter::new(), Arbiter::new());
    let on_two = [staff(&left, side).await, staff(&right, side).await];
    let on_one = [staff(&left, side).await, staff(&left, side).await];
    let samples = alternate(
        ROUNDS,
        async || ask_both((&left, &on_two[0]), (&right, &on_two[1])).await,
        async || ask_both((&left, &on_one[0]), (&left, &on_one[1])).await,
    )
    .await;
    left.stop();
    right.stop();
    samples
}

/// Children there, and their supervisor.
async fn staff(arbiter: &Arbiter, side: Side) -> Vec<Addr<Worker>> {
    there(arbiter, async move || {
        if let Side::Plain = side {
            return (0..CHILDREN).map(|value| Worker::new(value).start()).collect();
        }
        let supervisor = supervisor();
        let children = (0..CHILDREN).map(|value| start_worker(&supervisor, value));
        let children = join_all(children).await.into_iter().map(|(_, addr)| addr).collect();
        // For as long as the arbiter lives: a supervisor that nobody refers to ends.
        std::mem::forget(supervisor);
        children
    })
    .await
}

/// Nanoseconds a request, as the two of them get along.
async fn ask_both(one: (&Arbiter, &[Addr<Worker>]), other: (&Arbiter, &[Addr<Worker>])) -> f64 {
    let begun = Instant::now();
    join(ask(one), ask(other)).await;
    begun.elapsed().as_nanos() as f64 / (2 * REQUESTS) as f64
}

async fn ask((arbiter, children): (&Arbiter, &[Addr<Worker>])) {
    let children = children.to_vec();
    there(arbiter, async move || {
        for child in children.iter().cycle().take(REQUESTS as usize) {
            child.send(Get).await.unwrap();
        }
    })
    .await;
}

/// Does it on that arbiter.
async fn there<T: Send + 'static>(arbiter: &Arbiter, work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let (tx, rx) = oneshot::channel();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            let _ = tx.send(work().await);
        });
    });
    rx.await.unwrap()
}
