//! The actor that a task is, and the future it lives for.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Supervised};

use super::pledge::{discard, Pledge};
use crate::{
    exit::{BoxError, ExitReason},
    runner::{self, ExitContext},
};

/// What a task is to its supervisor: an actor that handles no messages. Its address names the child.
pub struct TaskActor {
    /// Until it has started.
    life: Option<Pin<Box<dyn ActorFuture<Self, Output = ()>>>>,
}

/// Polls the user's future, which lies in it until it is dropped.
pub(super) type Work<T> = Box<dyn FnMut(&mut task::Context<'_>) -> Poll<Result<T, BoxError>>>;

impl TaskActor {
    pub(super) fn new<T: Send + 'static>(life: Life<T>) -> Self {
        Self { life: Some(Box::pin(life)) }
    }
}

impl Actor for TaskActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(life) = self.life.take() {
            // In the context, so that it is polled and dropped as part of the incarnation, and a panic is one of that.
            ctx.spawn(life);
        }
    }
}

impl Supervised for TaskActor {}

impl fmt::Debug for TaskActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskActor")
    }
}

/// One incarnation's work. When it is through it ends the actor, and is dropped with it.
pub(super) struct Life<T: Send + 'static> {
    pledge: Option<Arc<Pledge<T>>>,
    work: Work<T>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its first poll belongs to the start, inside the supervisor's turn: whatever the work does at once must neither hold
    /// up that turn nor come before the answer of who started it.
    Starting,
    Working,
    Through,
}

impl<T: Send + 'static> Life<T> {
    pub(super) fn new(work: Work<T>, pledge: Option<Arc<Pledge<T>>>) -> Self {
        Self { pledge, work, stage: Stage::Starting }
    }
}

impl<T: Send + 'static> ActorFuture<TaskActor> for Life<T> {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut TaskActor,
        ctx: &mut Context<TaskActor>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        match self.stage {
            Stage::Starting => {
                self.stage = Stage::Working;
                cx.waker().wake_by_ref();
            }
            Stage::Working => {
                if let Poll::Ready(result) = (self.work)(cx) {
                    self.stage = Stage::Through;
                    match result {
                        Ok(value) => {
                            match &self.pledge {
                                Some(pledge) => pledge.keep(value),
                                None => discard(value),
                            }
                            ctx.stop();
                        }
                        Err(error) => ctx.exit(ExitReason::failed(error)),
                    }
                }
            }
            Stage::Through => {}
        }
        // Never ready: the context would drop it within this poll, where a destructor that panics is a crash, and the work
        // that is done would be done again. It is dropped when the incarnation is buried.
        Poll::Pending
    }
}

impl<T: Send + 'static> Drop for Life<T> {
    /// Before the work is dropped, which may panic.
    fn drop(&mut self) {
        if let Some(pledge) = mem::take(&mut self.pledge) {
            let reason = runner::ending_reason();
            runner::after_burial(Box::new(move || pledge.ended(reason)));
        }
    }
}
