//! ractor-supervisor: children have names, and a child is found by its name, at first and after a crash.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use ractor::{async_trait, call, concurrency::JoinHandle, registry, Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use ractor_supervisor::{
    ChildSpec, DynamicSupervisor, DynamicSupervisorMsg, DynamicSupervisorOptions, Restart, SpawnFn,
};
use tokio::task;

use crate::measure::{crash_now, fresh_name, Alive, Peer, PERIOD};

pub(crate) struct Ractor;

pub(crate) struct Worker;

pub(crate) enum ToWorker {
    Get(RpcReplyPort<u64>),
    Crash,
}

#[async_trait]
impl Actor for Worker {
    type Msg = ToWorker;
    type State = (u64, Alive);
    type Arguments = u64;

    async fn pre_start(&self, _: ActorRef<ToWorker>, number: u64) -> Result<Self::State, ActorProcessingErr> {
        Ok((number, Alive::new()))
    }

    async fn handle(
        &self,
        _: ActorRef<ToWorker>,
        message: ToWorker,
        (number, _): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ToWorker::Get(reply) => reply.send(*number)?,
            ToWorker::Crash => crash_now(),
        }
        Ok(())
    }
}

impl Peer for Ractor {
    type Supervisor = (ActorRef<DynamicSupervisorMsg>, JoinHandle<()>);
    type Child = (String, ActorRef<ToWorker>);

    /// A restart sleeps for ten milliseconds.
    const CRASHES: Option<u64> = Some(20);

    async fn supervisor() -> Self::Supervisor {
        let options = DynamicSupervisorOptions {
            max_children: None,
            max_restarts: usize::MAX,
            max_window: PERIOD,
            reset_after: None,
        };
        DynamicSupervisor::spawn(fresh_name("supervisor"), options).await.unwrap()
    }

    async fn start((supervisor, _): &Self::Supervisor, number: u64) -> Self::Child {
        let id = fresh_name("child");
        let spec = ChildSpec {
            id: id.clone(),
            restart: Restart::Permanent,
            spawn_fn: SpawnFn::new(move |supervisor, id| async move {
                let (child, _) = DynamicSupervisor::spawn_linked(id, Worker, number, supervisor).await?;
                Ok(child.get_cell())
            }),
            backoff_fn: None,
            reset_after: None,
        };
        DynamicSupervisor::spawn_child(supervisor.clone(), spec).await.unwrap();
        let child = registry::where_is(&id).unwrap().into();
        (id, child)
    }

    async fn request((_, child): &Self::Child) -> u64 {
        call!(child, ToWorker::Get).unwrap()
    }

    async fn crash((id, child): &mut Self::Child) {
        let crashed = child.get_id();
        child.cast(ToWorker::Crash).unwrap();
        loop {
            if let Some(next) = registry::where_is(&*id).filter(|next| next.get_id() != crashed) {
                *child = next.into();
                if call!(child, ToWorker::Get).is_ok() {
                    return;
                }
            }
            task::yield_now().await;
        }
    }

    async fn terminate((supervisor, _): &Self::Supervisor, (id, child): Self::Child) {
        DynamicSupervisor::terminate_child(supervisor.clone(), id).await.unwrap();
        // It has been killed when that answers, and may still be going.
        child.wait(None).await.unwrap();
    }

    async fn stop((supervisor, ended): Self::Supervisor) {
        supervisor.stop(None);
        ended.await.unwrap();
    }
}
