//! This crate. The address survives a crash, and so does the queue: the request behind the crash is answered.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::measure::{crash_now, Alive, Peer, PERIOD};

pub(crate) struct Ours;

pub(crate) struct Worker(u64, Alive);

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
        crash_now();
    }
}

impl Peer for Ours {
    type Supervisor = Addr<DynamicSupervisor>;
    type Child = (ChildId, Addr<Worker>);

    async fn supervisor() -> Self::Supervisor {
        DynamicSupervisor::builder().max_restarts(u32::MAX).max_seconds(PERIOD.as_secs()).start().unwrap()
    }

    async fn start(supervisor: &Self::Supervisor, number: u64) -> Self::Child {
        let child = Child::new(move || Worker(number, Alive::new()));
        let started = supervisor.start_child(child).await.unwrap();
        (started.id, started.addr)
    }

    async fn request((_, addr): &Self::Child) -> u64 {
        addr.send(Get).await.unwrap()
    }

    async fn crash((_, addr): &mut Self::Child) {
        addr.do_send(Crash);
        addr.send(Get).await.unwrap();
    }

    async fn terminate(supervisor: &Self::Supervisor, (id, _): Self::Child) {
        supervisor.terminate_child(id).await.unwrap();
    }

    async fn stop(supervisor: Self::Supervisor) {
        supervisor.stop().await.unwrap();
    }
}
