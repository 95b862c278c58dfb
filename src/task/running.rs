//! A task that somebody awaits.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{ready, Context as TaskContext, Poll},
};

use actix::{dev::MessageResponse, Addr, Context, Handler, Message, WeakAddr};
use tokio::sync::oneshot;

use super::{
    life::TaskActor,
    pledge::{discard, Pledge, Settled},
    spec::Task,
    TaskError,
};
use crate::{
    error::StartChildError,
    exit::ExitReason,
    id::ChildId,
    supervisor::{DynamicSupervisor, StartChild, Started, TerminateChild},
};

/// A task that runs, and the future of its result. Made by [`TaskSupervisor::run_task`](crate::TaskSupervisor::run_task).
///
/// It borrows nothing, is `Send` and `Unpin`, and does not keep the supervisor alive. Polled again after its answer it answers
/// `Exited(Unknown)`.
///
/// # Cancel safety
///
/// Waiting can be given up and begun again: `timeout(limit, &mut running)` is Elixir's `Task.yield`. When it is dropped the
/// task goes on, unless [`cancel_on_drop`](Self::cancel_on_drop) was asked for.
#[must_use = "the task goes on, and its result is lost; to start a task without waiting there is `start_child`"]
pub struct RunningTask<T> {
    /// `None` once the start is known to have succeeded, or not.
    answer: Option<oneshot::Receiver<StartAnswer>>,
    settled: Option<oneshot::Receiver<Settled<T>>>,
    /// Gone when the task is over.
    pledge: Weak<Pledge<T>>,
    supervisor: WeakAddr<DynamicSupervisor>,
    cancels_on_drop: bool,
}

type StartAnswer = Result<Started<TaskActor>, StartChildError>;

/// Sends it off.
pub(super) fn run<T: Send + 'static>(supervisor: &Addr<DynamicSupervisor>, task: Task<T>) -> RunningTask<T> {
    let (pledge, settled) = Pledge::new();
    let (sender, answer) = oneshot::channel();
    let running = RunningTask {
        answer: Some(answer),
        settled: Some(settled),
        pledge: Arc::downgrade(&pledge),
        supervisor: supervisor.downgrade(),
        cancels_on_drop: false,
    };
    supervisor.do_send(RunTask { task: task.owing(pledge), answer: sender });
    running
}

impl<T> RunningTask<T> {
    /// From now on the task ends with this handle: dropping it terminates the child, or withdraws a start that the
    /// supervisor has not begun with. Nobody waits for that end.
    ///
    /// So `drop(running.cancel_on_drop())` cancels it now. A task that is over is not minded; a permanent one that was begun
    /// again is ended.
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancels_on_drop = true;
        self
    }

    /// The child's id, as long as it is one: `None` before the supervisor has begun with it, and when the task is over.
    #[must_use]
    pub fn id(&self) -> Option<ChildId> {
        self.pledge.upgrade()?.child()
    }
}

impl<T> Future for RunningTask<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        if let Some(answer) = &mut self.answer {
            let answer = ready!(Pin::new(answer).poll(cx));
            self.answer = None;
            if let Err(error) = answer.unwrap_or(Err(StartChildError::SupervisorGone)) {
                return Poll::Ready(Err(TaskError::NotStarted(error)));
            }
        }
        let settled = match &mut self.settled {
            Some(settled) => ready!(Pin::new(settled).poll(cx)).ok(),
            None => None,
        };
        self.settled = None;
        Poll::Ready(settled.unwrap_or(Err(ExitReason::Unknown)).map_err(TaskError::Exited))
    }
}

impl<T> Drop for RunningTask<T> {
    fn drop(&mut self) {
        if let Some(settled) = &mut self.settled {
            // Closed first: a result that comes later is dropped by who brings it, under a guard, as this one is.
            settled.close();
            if let Ok(Ok(value)) = settled.try_recv() {
                discard(value);
            }
        }
        if self.cancels_on_drop {
            let child = self.pledge.upgrade().and_then(|pledge| pledge.cancel());
            if let (Some(child), Some(supervisor)) = (child, self.supervisor.upgrade()) {
                supervisor.do_send(TerminateChild(child.into()));
            }
        }
    }
}

impl<T> fmt::Debug for RunningTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningTask")
            .field("id", &self.id())
            .field("cancels_on_drop", &self.cancels_on_drop)
            .finish_non_exhaustive()
    }
}

/// A `StartChild` that is carried out even if its asker is gone: a request that is dropped would withdraw it.
struct RunTask<T> {
    task: Task<T>,
    answer: oneshot::Sender<StartAnswer>,
}

impl<T> Message for RunTask<T> {
    type Result = ();
}

impl<T: Send + 'static> Handler<RunTask<T>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, RunTask { task, answer }: RunTask<T>, ctx: &mut Context<Self>) {
        let reply = Handler::handle(self, StartChild(task), ctx);
        MessageResponse::<Self, StartChild<Task<T>>>::handle(reply, ctx, Some(answer));
    }
}
