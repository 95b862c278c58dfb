//! Many tasks, some at a time.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use actix::Addr;
use futures::{
    stream::{BufferUnordered, Buffered},
    Stream, StreamExt,
};

use super::{
    running::{self, RunningTask},
    spec::IntoTask,
    TaskError,
};
use crate::supervisor::DynamicSupervisor;

/// The results of many tasks. Made by [`TaskSupervisor::stream_tasks`](crate::TaskSupervisor::stream_tasks), which says what
/// it guarantees.
///
/// It is `Unpin`, and `Send` if the stream of tasks is.
#[must_use = "streams do nothing unless polled"]
pub struct TaskStream<S: Stream<Item: IntoTask>>(Order<S>);

enum Order<S: Stream<Item: IntoTask>> {
    Kept(Buffered<Begun<S>>),
    AsTheyCome(BufferUnordered<Begun<S>>),
}

impl<S: Stream<Item: IntoTask>> TaskStream<S> {
    pub(super) fn ordered(supervisor: Addr<DynamicSupervisor>, tasks: S, limit: usize) -> Self {
        // A stream that may begin none would never end.
        Self(Order::Kept(Begun::new(supervisor, tasks).buffered(limit.max(1))))
    }

    pub(super) fn unordered(supervisor: Addr<DynamicSupervisor>, tasks: S, limit: usize) -> Self {
        Self(Order::AsTheyCome(Begun::new(supervisor, tasks).buffer_unordered(limit.max(1))))
    }
}

impl<S: Stream<Item: IntoTask>> Stream for TaskStream<S> {
    type Item = Result<<S::Item as IntoTask>::Output, TaskError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.0 {
            Order::Kept(results) => results.poll_next_unpin(cx),
            Order::AsTheyCome(results) => results.poll_next_unpin(cx),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Order::Kept(results) => results.size_hint(),
            Order::AsTheyCome(results) => results.size_hint(),
        }
    }
}

impl<S: Stream<Item: IntoTask>> fmt::Debug for TaskStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Order::Kept(_) => "TaskStream(ordered)",
            Order::AsTheyCome(_) => "TaskStream(unordered)",
        })
    }
}

/// The tasks, begun as they are taken. They end with who took them.
struct Begun<S> {
    supervisor: Addr<DynamicSupervisor>,
    tasks: Pin<Box<S>>,
}

impl<S> Begun<S> {
    fn new(supervisor: Addr<DynamicSupervisor>, tasks: S) -> Self {
        Self { supervisor, tasks: Box::pin(tasks) }
    }
}

impl<S: Stream<Item: IntoTask>> Stream for Begun<S> {
    type Item = RunningTask<<S::Item as IntoTask>::Output>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.tasks.as_mut().poll_next(cx);
        next.map(|task| task.map(|task| running::run(&self.supervisor, task.into_task()).cancel_on_drop()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.tasks.size_hint()
    }
}
