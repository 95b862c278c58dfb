//! Requests whose asker can tell a long wait from a blocked thread.
//!
//! Unlike a `send` such a request is carried out even if its asker is gone. The supervisor says when it begins with it, and
//! how long it may take at most; an asker that hears neither that nor the answer in time takes the thread to be blocked.

use std::{
    future::{poll_fn, Future},
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use actix::{dev::ToEnvelope, Addr, Context, Handler, Message};
use tokio::time::{sleep, Sleep};

use super::{
    messages::{AwaitExit, KillChild, Reinit, Stop, TerminateChild},
    progress::{self, Asked, Progress, SoFar},
    DynamicSupervisor,
};
use crate::{exit::ExitReason, runner, unwind};

/// How long a supervisor may leave a request unbegun before its thread is taken to be blocked.
const ANSWER_LIMIT: Duration = Duration::from_secs(6);

/// How much longer than its limit an end may take before the thread is taken to be blocked.
const GRACE: Duration = Duration::from_secs(1);

/// The supervisor's part.
pub(super) struct Watched<M: Watchable>(Option<Parts<M>>);

pub(super) struct Parts<M: Watchable> {
    pub(super) request: M,
    pub(super) progress: Progress<M::Result>,
}

/// A request that can be watched.
pub(super) trait Watchable: Message {
    /// The answer if the supervisor ended, with this reason, before it came to this request.
    fn overtaken(reason: ExitReason) -> Option<Self::Result>;
}

impl<M: Watchable> Watched<M> {
    /// For the handler; whole until then.
    pub(super) fn take(mut self) -> Option<Parts<M>> {
        self.0.take()
    }
}

impl<M: Watchable> Message for Watched<M> {
    type Result = ();
}

impl<M: Watchable> Drop for Watched<M> {
    /// Never handled: the supervisor has ended and its mailbox is being closed.
    fn drop(&mut self) {
        let Some(Parts { progress, .. }) = self.0.take() else { return };
        if let Some(answer) = runner::ending_reason().and_then(M::overtaken) {
            progress.done(answer);
        }
    }
}

impl Watchable for TerminateChild {
    fn overtaken(_: ExitReason) -> Option<Self::Result> {
        None
    }
}

impl Watchable for KillChild {
    fn overtaken(_: ExitReason) -> Option<Self::Result> {
        None
    }
}

impl Watchable for Reinit {
    fn overtaken(_: ExitReason) -> Option<Self::Result> {
        None
    }
}

impl Watchable for Stop {
    /// What it asked for has come about.
    fn overtaken(_: ExitReason) -> Option<Self::Result> {
        runner::last_words()
    }
}

impl Watchable for AwaitExit {
    fn overtaken(reason: ExitReason) -> Option<Self::Result> {
        Some(reason)
    }
}

/// The asker's part: the answer, or why there is none.
pub(super) struct Watch<T> {
    asked: Asked<T>,
    patience: Patience,
}

enum Patience {
    /// Not asked for yet.
    Fresh,
    /// Others have had their turn, the supervisor with them if it lives on this thread. Most answers are there by then,
    /// and no timer was needed for them.
    Yielded,
    /// Until the supervisor begins, or is done.
    Waiting(Timer),
}

/// `None`: no limit.
pub(super) type Timer = Option<Pin<Box<Sleep>>>;

pub(super) enum Unconfirmed {
    Gone,
    Unresponsive,
}

/// Sends a request.
pub(super) fn watch<M>(supervisor: &Addr<DynamicSupervisor>, request: M) -> Watch<M::Result>
where
    M: Watchable + Send + 'static,
    M::Result: Send,
    DynamicSupervisor: Handler<Watched<M>>,
    Context<DynamicSupervisor>: ToEnvelope<DynamicSupervisor, Watched<M>>,
{
    let (progress, asked) = progress::channel();
    supervisor.do_send(Watched(Some(Parts { request, progress })));
    Watch { asked, patience: Patience::Fresh }
}

impl<T> Watch<T> {
    /// The answer, however long it takes; `None` if the supervisor is gone.
    pub(super) async fn answer(self) -> Option<T> {
        loop {
            match poll_fn(|cx| self.asked.poll_news(cx)).await {
                SoFar::Begun { .. } => {}
                SoFar::Done(answer) => return Some(answer),
                SoFar::Gone => return None,
            }
        }
    }
}

impl<T> Future for Watch<T> {
    type Output = Result<T, Unconfirmed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        loop {
            let news = match self.patience {
                Patience::Fresh => self.asked.news(),
                Patience::Yielded | Patience::Waiting(_) => match self.asked.poll_news(cx) {
                    Poll::Ready(news) => Some(news),
                    Poll::Pending => None,
                },
            };
            match (news, &mut self.patience) {
                (Some(SoFar::Done(answer)), _) => return Poll::Ready(Ok(answer)),
                (Some(SoFar::Gone), _) => return Poll::Ready(Err(Unconfirmed::Gone)),
                (Some(SoFar::Begun { limit }), patience) => {
                    *patience = Patience::Waiting(limit.and_then(|limit| timer(limit.saturating_add(GRACE))));
                }
                (None, patience @ Patience::Fresh) => {
                    *patience = Patience::Yielded;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                (None, patience @ Patience::Yielded) => *patience = Patience::Waiting(timer(ANSWER_LIMIT)),
                (None, Patience::Waiting(None)) => return Poll::Pending,
                (None, Patience::Waiting(Some(timer))) => {
                    return timer.as_mut().poll(cx).map(|()| Err(Unconfirmed::Unresponsive));
                }
            }
        }
    }
}

/// Without a Tokio runtime and its clock there is no limit.
pub(super) fn timer(limit: Duration) -> Timer {
    tokio::runtime::Handle::try_current().ok()?;
    // A runtime may have been built without a clock, and Tokio panics there.
    unwind::guard(|| Box::pin(sleep(limit))).ok()
}
