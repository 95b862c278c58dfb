//! Plain Actix and what a user would write instead of a supervisor: a manager with a map of addresses. No restarts.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::collections::HashMap;

use actix::{dev::MessageResult, prelude::*};
use tokio::sync::oneshot;

use crate::measure::{Alive, Peer};

pub(crate) struct Floor;

pub(crate) struct Worker {
    number: u64,
    /// Dropped with the worker: that is how the one who waits for its end learns of it.
    gone: Option<oneshot::Sender<()>>,
    _alive: Alive,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Get;

impl Handler<Get> for Worker {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.number
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Leave(oneshot::Sender<()>);

impl Handler<Leave> for Worker {
    type Result = ();

    fn handle(&mut self, Leave(gone): Leave, ctx: &mut Context<Self>) {
        self.gone = Some(gone);
        ctx.stop();
    }
}

#[derive(Default)]
pub(crate) struct Manager {
    children: HashMap<u64, Addr<Worker>>,
    next: u64,
}

impl Actor for Manager {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // As the supervisor does.
        ctx.set_mailbox_capacity(0);
    }
}

#[derive(Message)]
#[rtype(result = "(u64, Addr<Worker>)")]
struct StartOne(Worker);

impl Handler<StartOne> for Manager {
    type Result = MessageResult<StartOne>;

    fn handle(&mut self, StartOne(worker): StartOne, _: &mut Context<Self>) -> Self::Result {
        let (id, addr) = (self.next, worker.start());
        self.next += 1;
        self.children.insert(id, addr.clone());
        MessageResult((id, addr))
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct StopOne(u64, oneshot::Sender<()>);

impl Handler<StopOne> for Manager {
    type Result = ();

    fn handle(&mut self, StopOne(id, gone): StopOne, _: &mut Context<Self>) {
        if let Some(child) = self.children.remove(&id) {
            child.do_send(Leave(gone));
        }
    }
}

impl Peer for Floor {
    type Supervisor = Addr<Manager>;
    type Child = (u64, Addr<Worker>);

    const CRASHES: Option<u64> = None;

    async fn supervisor() -> Self::Supervisor {
        Manager::default().start()
    }

    async fn start(manager: &Self::Supervisor, number: u64) -> Self::Child {
        manager.send(StartOne(Worker { number, gone: None, _alive: Alive::new() })).await.unwrap()
    }

    async fn request((_, addr): &Self::Child) -> u64 {
        addr.send(Get).await.unwrap()
    }

    async fn terminate(manager: &Self::Supervisor, (id, _): Self::Child) {
        let (gone, wait) = oneshot::channel();
        manager.do_send(StopOne(id, gone));
        wait.await.unwrap_err();
    }

    /// The last address of the manager: it ends, and with its map go the last addresses of the children.
    async fn stop(manager: Self::Supervisor) {
        drop(manager);
    }
}
