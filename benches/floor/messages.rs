//! Messages to a child that runs, and to one that crashes.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::panic::catch_unwind;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::{
    actors::{crash, start_worker, supervisor, Add, Crash, Get, Worker},
    rounds::{alternate, per, Samples},
};

const ROUNDS: usize = 21;

const REQUESTS: u64 = 50_000;
const TOLD: u64 = 100_000;
const CRASHES: u64 = 10_000;
const STORM: u64 = 100_000;

/// `request`: each waits for the answer of the one before.
pub(crate) async fn request() -> Samples {
    let supervisor = supervisor();
    let (_, ours) = start_worker(&supervisor, 0).await;
    let floor = Worker::new(0).start();
    let samples = alternate(ROUNDS, async || ask(&ours).await, async || ask(&floor).await).await;
    supervisor.stop().await.unwrap();
    samples
}

async fn ask(child: &Addr<Worker>) -> f64 {
    per(REQUESTS, async || {
        for _ in 0..REQUESTS {
            child.send(Get).await.unwrap();
        }
    })
    .await
}

/// `tell`: all are sent, then all are handled.
pub(crate) async fn tell() -> Samples {
    let supervisor = supervisor();
    let (_, ours) = start_worker(&supervisor, 0).await;
    let floor = Worker::new(0).start();
    let samples = alternate(ROUNDS, async || flood(&ours).await, async || flood(&floor).await).await;
    supervisor.stop().await.unwrap();
    samples
}

async fn flood(child: &Addr<Worker>) -> f64 {
    per(TOLD, async || {
        for _ in 0..TOLD {
            child.do_send(Add(1));
        }
        child.send(Get).await.unwrap();
    })
    .await
}

/// `crash_restart`: from the message that makes a handler panic until the next request to the same address is answered.
///
/// By hand it is the panic, caught where it is thrown, a new actor and a request to it. The old actor goes with its address,
/// as ours goes with the crash.
pub(crate) async fn crash_restart() -> Samples {
    let supervisor = supervisor();
    let (_, ours) = start_worker(&supervisor, 0).await;
    let samples = alternate(ROUNDS, async || crash_ours(&ours).await, crash_floor).await;
    supervisor.stop().await.unwrap();
    samples
}

pub(crate) async fn crash_ours(child: &Addr<Worker>) -> f64 {
    per(CRASHES, async || {
        for _ in 0..CRASHES {
            child.do_send(Crash);
            child.send(Get).await.unwrap();
        }
    })
    .await
}

async fn crash_floor() -> f64 {
    let mut child = Worker::new(0).start();
    child.send(Get).await.unwrap();
    per(CRASHES, async || {
        for _ in 0..CRASHES {
            catch_unwind(crash).unwrap_err();
            child = Worker::new(0).start();
            child.send(Get).await.unwrap();
        }
    })
    .await
}

/// `storm_100k`: all children crash at once, until all answer again; the floor is our own `crash_restart`.
pub(crate) async fn storm() -> Samples {
    let (crowd, single) = (supervisor(), supervisor());
    let mut children = Vec::new();
    for value in 0..STORM {
        children.push(start_worker(&crowd, value).await.1);
    }
    let (_, one) = start_worker(&single, 0).await;
    let samples = alternate(9, async || strike(&children).await, async || crash_ours(&one).await).await;
    crowd.stop().await.unwrap();
    single.stop().await.unwrap();
    samples
}

async fn strike(children: &[Addr<Worker>]) -> f64 {
    per(STORM, async || {
        for child in children {
            child.do_send(Crash);
        }
        for child in children {
            child.send(Get).await.unwrap();
        }
    })
    .await
}
