//! hydra: processes with identifiers, as on the BEAM. A crashed child has a new one, and is found by its name.

#![allow(clippy::unwrap_used, reason = "a request that fails is no figure")]

use std::future::Future;

use hydra::{ChildSpec, ExitReason, From, GenServer, GenServerOptions, Pid, Process, Supervisor, SupervisorOptions};
use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, task};

use crate::measure::{crash_now, fresh_name, Alive, Peer, PERIOD};

/// Runs the work as a process, as `Application::run` does: only a process can call others.
#[allow(clippy::expect_used, reason = "a measurement that fails is none")]
pub(crate) async fn in_a_process<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (done, wait) = oneshot::channel();
    Process::spawn(async move { drop(done.send(work.await)) });
    wait.await.expect("it was measured")
}

pub(crate) struct Hydra;

struct Worker(u64, #[allow(dead_code, reason = "dropped with the worker")] Alive);

#[derive(Serialize, Deserialize)]
enum ToWorker {
    Get,
    Got(u64),
    Crash,
}

impl GenServer for Worker {
    type Message = ToWorker;

    async fn init(&mut self) -> Result<(), ExitReason> {
        Ok(())
    }

    async fn handle_call(&mut self, _: ToWorker, _: From) -> Result<Option<ToWorker>, ExitReason> {
        Ok(Some(ToWorker::Got(self.0)))
    }

    async fn handle_cast(&mut self, _: ToWorker) -> Result<(), ExitReason> {
        crash_now()
    }
}

pub(crate) struct Started {
    id: String,
    pid: Pid,
    name: Option<String>,
}

async fn start(supervisor: Pid, number: u64, name: Option<String>) -> Started {
    let id = fresh_name("child");
    let mut options = GenServerOptions::new();
    if let Some(name) = &name {
        options = options.name(name.as_str());
    }
    let spec = ChildSpec::new(id.as_str()).start(move || Worker(number, Alive::new()).start_link(options.clone()));
    let pid = Supervisor::start_child(supervisor, spec).await.unwrap().unwrap();
    Started { id, pid, name }
}

impl Peer for Hydra {
    type Supervisor = Pid;
    type Child = Started;

    /// A child is looked for among all of them.
    const TERMINATED: u64 = 100;

    async fn supervisor() -> Self::Supervisor {
        loop {
            let supervisor = Supervisor::with_children([]).max_restarts(usize::MAX).max_duration(PERIOD);
            let supervisor = supervisor.start(SupervisorOptions::new()).await.unwrap();
            // A process is registered after it is spawned: when another thread runs it before that, it loses its flags, and
            // such a supervisor ends with its first child.
            if Process::info(supervisor).is_some_and(|info| info.trap_exit) {
                return supervisor;
            }
        }
    }

    async fn start(supervisor: &Self::Supervisor, number: u64) -> Self::Child {
        start(*supervisor, number, None).await
    }

    async fn start_named(supervisor: &Self::Supervisor, number: u64) -> Self::Child {
        start(*supervisor, number, Some(fresh_name("named"))).await
    }

    async fn request(child: &Self::Child) -> u64 {
        match Worker::call(child.pid, ToWorker::Get, None).await {
            Ok(ToWorker::Got(number)) => number,
            _ => u64::MAX,
        }
    }

    async fn crash(child: &mut Self::Child) {
        let name = child.name.as_deref().unwrap();
        Worker::cast(child.pid, ToWorker::Crash);
        loop {
            if let Some(next) = Process::whereis(name).filter(|next| *next != child.pid) {
                child.pid = next;
                if Worker::call(next, ToWorker::Get, None).await.is_ok() {
                    return;
                }
            }
            task::yield_now().await;
        }
    }

    async fn terminate(supervisor: &Self::Supervisor, child: Self::Child) {
        Supervisor::terminate_child(*supervisor, child.id).await.unwrap();
    }

    async fn stop(supervisor: Self::Supervisor) {
        Supervisor::stop(supervisor, ExitReason::from("shutdown"), None).await.unwrap();
    }
}
