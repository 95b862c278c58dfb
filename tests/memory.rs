//! Nothing is kept of children that are gone: what was allocated for them is given back, to the last allocation.
//!
//! `MEMORY_CHILDREN=1000000 cargo test --release --test memory` looks longer.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    alloc::System as SystemAllocator,
    env, panic,
    sync::{Mutex, PoisonError},
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Started};
use stats_alloc::{Stats, StatsAlloc, INSTRUMENTED_SYSTEM};

#[global_allocator]
static COUNTED: &StatsAlloc<SystemAllocator> = &INSTRUMENTED_SYSTEM;

/// The counts are those of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// What the first ones allocate stays: tables grow, threads set up their locals.
const WARM_UP: usize = 2_000;

struct Worker(u64);

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Supervised for Worker {}

#[derive(Message)]
#[rtype(result = "u64")]
struct Get;

impl Handler<Get> for Worker {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.0
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Crash;

impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        panic!("boom");
    }
}

#[test]
fn children_that_were_terminated_leave_no_allocation_behind() {
    leaves_nothing(async |supervisor, repetitions| {
        for _ in 0..repetitions {
            let child = start(supervisor).await;
            supervisor.terminate_child(child.id).await.unwrap();
        }
    });
}

#[test]
fn crashes_leave_no_allocation_behind() {
    leaves_nothing(async |supervisor, repetitions| {
        let child = start(supervisor).await;
        for _ in 0..repetitions {
            child.addr.do_send(Crash);
            child.addr.send(Get).await.unwrap();
        }
        supervisor.terminate_child(child.id).await.unwrap();
    });
}

#[test]
fn children_that_crash_and_are_not_restarted_leave_no_allocation_behind() {
    leaves_nothing(async |supervisor, repetitions| {
        for _ in 0..repetitions {
            let spec = Child::new(|| Worker(7)).restart(Restart::Temporary);
            let addr = supervisor.start_child(spec).await.unwrap().addr;
            addr.send(Crash).await.unwrap_err();
        }
        while supervisor.count_children().await.unwrap().specs > 0 {}
    });
}

async fn start(supervisor: &Addr<DynamicSupervisor>) -> Started<Worker> {
    supervisor.start_child(Child::new(|| Worker(7))).await.unwrap()
}

/// Does `work` a few times to warm up, then many times: as many allocations must live after it as before.
fn leaves_nothing(work: impl AsyncFn(&Addr<DynamicSupervisor>, usize)) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    panic::set_hook(Box::new(|_| {}));
    let repetitions = env::var("MEMORY_CHILDREN").map_or(20_000, |count| count.parse().unwrap());
    System::new().block_on(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).max_seconds(1).start().unwrap();
        work(&supervisor, WARM_UP).await;
        let before = COUNTED.stats();
        work(&supervisor, repetitions).await;
        let after = COUNTED.stats();
        assert_eq!(live(&after), live(&before), "allocations alive after {repetitions} repetitions, and before");
        supervisor.stop().await.unwrap();
    });
}

fn live(stats: &Stats) -> usize {
    stats.allocations - stats.deallocations
}
