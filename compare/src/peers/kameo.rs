//! kameo: any actor supervises, by `supervise`. The reference survives a crash, and so does the queue.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use kameo::{error::Infallible, prelude::*, supervision::RestartPolicy};

use crate::measure::{crash_now, Alive, Peer, PERIOD};

pub(crate) struct Kameo;

pub(crate) struct Root;

impl Actor for Root {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(root: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(root)
    }
}

pub(crate) struct Worker(u64, Alive);

impl Actor for Worker {
    type Args = u64;
    type Error = Infallible;

    async fn on_start(number: u64, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self(number, Alive::new()))
    }
}

struct Get;

impl Message<Get> for Worker {
    type Reply = u64;

    async fn handle(&mut self, _: Get, _: &mut Context<Self, u64>) -> u64 {
        self.0
    }
}

struct Crash;

impl Message<Crash> for Worker {
    type Reply = ();

    async fn handle(&mut self, _: Crash, _: &mut Context<Self, ()>) {
        crash_now();
    }
}

impl Peer for Kameo {
    type Supervisor = ActorRef<Root>;
    type Child = ActorRef<Worker>;

    const STOPPED: u64 = 10;

    async fn supervisor() -> Self::Supervisor {
        Root::spawn(Root)
    }

    /// Transient, because there is no call that terminates a child: one that ends by itself must not be restarted.
    async fn start(root: &Self::Supervisor, number: u64) -> Self::Child {
        Worker::supervise(root, number)
            .restart_policy(RestartPolicy::Transient)
            .restart_limit(u32::MAX, PERIOD)
            .spawn()
            .await
    }

    async fn has_started(child: &Self::Child) {
        child.wait_for_startup().await;
    }

    async fn request(child: &Self::Child) -> u64 {
        child.ask(Get).await.unwrap()
    }

    async fn crash(child: &mut Self::Child) {
        child.tell(Crash).await.unwrap();
        child.ask(Get).await.unwrap();
    }

    async fn terminate(_: &Self::Supervisor, child: Self::Child) {
        child.stop_gracefully().await.unwrap();
        child.wait_for_shutdown().await;
    }

    async fn stop(root: Self::Supervisor) {
        root.stop_gracefully().await.unwrap();
        root.wait_for_shutdown().await;
    }

    /// To stop it would take half a minute; it ends with the runtime.
    async fn discard(root: Self::Supervisor) {
        drop(root);
    }
}
