//! The actors of both sides: one child for both, and the manager that a user would write by hand.

use std::{cell::Cell, collections::HashMap};

use actix::{dev::MessageResult, prelude::*};
use actix_dynamic_supervisor::prelude::*;
use tokio::sync::oneshot;

/// The child of both sides: eight bytes of state.
pub(crate) struct Worker(u64);

thread_local! {
    /// Workers alive on this thread, and who waits until there is none.
    static ALIVE: Cell<usize> = const { Cell::new(0) };
    static WAITING: Cell<Option<oneshot::Sender<()>>> = const { Cell::new(None) };
}

impl Worker {
    pub(crate) fn new(value: u64) -> Self {
        ALIVE.set(ALIVE.get() + 1);
        Self(value)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
        if ALIVE.get() == 0 {
            if let Some(waiting) = WAITING.take() {
                let _ = waiting.send(());
            }
        }
    }
}

/// Runs until the last worker of this thread is gone.
pub(crate) async fn all_gone() {
    if ALIVE.get() > 0 {
        let (gone, wait) = oneshot::channel();
        WAITING.set(Some(gone));
        let _ = wait.await;
    }
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Supervised for Worker {}

/// A request with an answer.
#[derive(Message)]
#[rtype(result = "u64")]
pub(crate) struct Get;

impl Handler<Get> for Worker {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.0
    }
}

/// A message without one.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Add(pub(crate) u64);

impl Handler<Add> for Worker {
    type Result = ();

    fn handle(&mut self, Add(more): Add, _: &mut Context<Self>) {
        self.0 = self.0.wrapping_add(more);
    }
}

/// A message whose handler panics.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Crash;

impl Handler<Crash> for Worker {
    type Result = ();

    fn handle(&mut self, _: Crash, _: &mut Context<Self>) {
        crash();
    }
}

/// The panic of both sides.
#[allow(clippy::panic, reason = "it is what is measured")]
pub(crate) fn crash() {
    panic!("boom");
}

/// A child that can be asked to stop and waited for, on both sides, though only the floor asks it so.
pub(crate) struct Leaver {
    value: u64,
    gone: Option<oneshot::Sender<()>>,
}

impl Leaver {
    pub(crate) fn new(value: u64) -> Self {
        Self { value, gone: None }
    }
}

impl Actor for Leaver {
    type Context = Context<Self>;
}

impl Supervised for Leaver {}

/// Stop; the sender is dropped with the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Leave(pub(crate) oneshot::Sender<()>);

impl Handler<Leave> for Leaver {
    type Result = ();

    fn handle(&mut self, Leave(gone): Leave, ctx: &mut Context<Self>) {
        self.gone = Some(gone);
        ctx.stop();
    }
}

impl Handler<Get> for Leaver {
    type Result = u64;

    fn handle(&mut self, _: Get, _: &mut Context<Self>) -> u64 {
        self.value
    }
}

/// What a user would write instead of a supervisor.
pub(crate) struct Manager<A: Actor> {
    children: HashMap<u64, Addr<A>>,
    next: u64,
}

impl<A: Actor> Default for Manager<A> {
    fn default() -> Self {
        Self { children: HashMap::new(), next: 0 }
    }
}

impl<A: Actor<Context = Context<A>>> Actor for Manager<A> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // As the supervisor does; with Actix's own capacity, 16, requests that do not fit wait without a waker.
        ctx.set_mailbox_capacity(0);
    }
}

/// Starts a child and answers its address.
#[derive(Message)]
#[rtype(result = "Addr<A>")]
pub(crate) struct StartOne<A: Actor>(pub(crate) A);

impl<A: Actor<Context = Context<A>>> Handler<StartOne<A>> for Manager<A> {
    type Result = MessageResult<StartOne<A>>;

    fn handle(&mut self, StartOne(child): StartOne<A>, _: &mut Self::Context) -> Self::Result {
        let addr = child.start();
        self.children.insert(self.next, addr.clone());
        self.next += 1;
        MessageResult(addr)
    }
}

/// Forgets a child and has it stop; the sender is dropped when it is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct StopOne(pub(crate) u64, pub(crate) oneshot::Sender<()>);

impl<A> Handler<StopOne> for Manager<A>
where
    A: Actor<Context = Context<A>> + Handler<Leave>,
{
    type Result = ();

    fn handle(&mut self, StopOne(id, gone): StopOne, _: &mut Self::Context) {
        if let Some(child) = self.children.remove(&id) {
            child.do_send(Leave(gone));
        }
    }
}

/// How many children there are.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct CountAll;

impl<A: Actor<Context = Context<A>>> Handler<CountAll> for Manager<A> {
    type Result = usize;

    fn handle(&mut self, _: CountAll, _: &mut Self::Context) -> usize {
        self.children.len()
    }
}

/// A supervisor that never gives up.
#[allow(clippy::expect_used, reason = "it runs on an arbiter")]
pub(crate) fn supervisor() -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().max_restarts(u32::MAX).max_seconds(1).start().expect("an arbiter")
}

/// Starts one supervised worker, as a user does.
#[allow(clippy::expect_used, reason = "nothing refuses it")]
pub(crate) async fn start_worker(supervisor: &Addr<DynamicSupervisor>, value: u64) -> (ChildId, Addr<Worker>) {
    let started = supervisor.start_child(Child::new(move || Worker::new(value))).await.expect("it starts");
    (started.id, started.addr)
}
