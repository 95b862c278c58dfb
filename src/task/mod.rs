//! A future as a child: what Elixir's `Task.Supervisor` is.
//!
//! Built on what every user has: a task is a [`ChildSpec`](crate::ChildSpec), its child an ordinary actor ([`TaskActor`])
//! that has one future and ends with it. So a panic of the future is a crash of that child, and all rules hold as they are.
//!
//! Who awaits a task holds a [`RunningTask`]. What the task owes it is a [`Pledge`](pledge::Pledge), shared by the spec, the
//! living incarnation and the notice of its end: when the last of them is dropped there will be no result any more. The
//! answer is given when the end is *over* (`after_burial`): the place that the task took is free by then.

mod life;
mod pledge;
mod running;
mod spec;
mod stream;

use actix::Addr;
use futures::Stream;
use thiserror::Error;

pub use self::{
    life::TaskActor,
    running::RunningTask,
    spec::{IntoTask, OnceTask, Task},
    stream::TaskStream,
};
use crate::{error::StartChildError, exit::ExitReason, supervisor::DynamicSupervisor};

/// Tasks that are awaited, as methods of a supervisor's address. In the prelude.
///
/// A task that nobody awaits is started like any child: `supervisor.start_child(task)`. All of this works from any thread,
/// also outside of an Actix System and of Tokio, and never blocks.
///
/// # Examples
///
/// ```
/// # use actix::prelude::*;
/// use actix_dynamic_supervisor::prelude::*;
/// use futures::{stream, StreamExt};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { actix::System::new().block_on(async {
/// let supervisor = DynamicSupervisor::builder().start()?;
///
/// assert_eq!(supervisor.run_task(Task::new(|| async { 6 * 7 })).await?, 42);
///
/// let squares = (1..=4).map(|n: u64| Task::once(move || async move { n * n }));
/// let squares: Vec<_> = supervisor.stream_tasks(stream::iter(squares), 2).map(Result::unwrap).collect().await;
/// assert_eq!(squares, [1, 4, 9, 16]);
/// # supervisor.stop().await?;
/// # Ok(()) }) }
/// ```
///
/// # In Elixir
///
/// | here | there |
/// |---|---|
/// | `start_child(Task::new(…))` | `Task.Supervisor.start_child` |
/// | `run_task` | `Task.Supervisor.async_nolink` and `Task.await`, without its timeout |
/// | `run_task(…).cancel_on_drop()` | `Task.Supervisor.async`, in that the task ends with who awaits it |
/// | `stream_tasks`, `stream_tasks_unordered` | `Task.Supervisor.async_stream_nolink`, `ordered: false` |
///
/// The result there comes before the task ends; here it comes when it has.
pub trait TaskSupervisor: sealed::Sealed {
    /// Starts a task and answers its result.
    ///
    /// The task is sent when this is called. The answer comes when the task has ended and is no child any more: its future
    /// is dropped, its place is free. One that is restarted after a crash answers with the incarnation that finishes.
    ///
    /// # Errors
    ///
    /// The future answers [`TaskError`] if there will be no result.
    ///
    /// # Cancel safety
    ///
    /// Dropping the handle loses the result, and the task goes on, even if it has not been started yet. With
    /// [`RunningTask::cancel_on_drop`] the task is ended instead.
    fn run_task<K: IntoTask>(&self, task: K) -> RunningTask<K::Output>;

    /// Runs many tasks, at most `limit` at a time, and answers their results in the order of `tasks`.
    ///
    /// The next task is taken from `tasks` when there is room for it: an unfinished one takes room, and so does a result
    /// that waits for one before it. A limit of zero counts as one. A supervisor whose `max_children` is `limit` has room
    /// for all of them.
    ///
    /// An iterator becomes a stream by `futures::stream::iter`. The stream holds the supervisor's address.
    ///
    /// # Errors
    ///
    /// Each item is a task's own result: one that fails does not end the stream.
    ///
    /// # Cancel safety
    ///
    /// Waiting for the next item can be given up and begun again. Dropping the stream cancels the tasks it has begun.
    fn stream_tasks<S>(&self, tasks: S, limit: usize) -> TaskStream<S>
    where
        S: Stream<Item: IntoTask>;

    /// Like [`stream_tasks`](Self::stream_tasks), and answers results as they come.
    fn stream_tasks_unordered<S>(&self, tasks: S, limit: usize) -> TaskStream<S>
    where
        S: Stream<Item: IntoTask>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for actix::Addr<super::DynamicSupervisor> {}
}

impl TaskSupervisor for Addr<DynamicSupervisor> {
    fn run_task<K: IntoTask>(&self, task: K) -> RunningTask<K::Output> {
        running::run(self, task.into_task())
    }

    fn stream_tasks<S>(&self, tasks: S, limit: usize) -> TaskStream<S>
    where
        S: Stream<Item: IntoTask>,
    {
        TaskStream::ordered(self.clone(), tasks, limit)
    }

    fn stream_tasks_unordered<S>(&self, tasks: S, limit: usize) -> TaskStream<S>
    where
        S: Stream<Item: IntoTask>,
    {
        TaskStream::unordered(self.clone(), tasks, limit)
    }
}

/// Why a task has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It was never begun: refused, its supervisor gone, or the closure that makes its future panicked.
    #[error("the task was not started: {0}")]
    NotStarted(StartChildError),
    /// It ended without a result and will not be restarted. This is how its last incarnation ended: with its error
    /// ([`Task::try_new`]), a panic, terminated, killed, or with its supervisor.
    #[error("the task ended without a result: {0}")]
    Exited(ExitReason),
}
