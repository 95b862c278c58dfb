//! The methods of a supervisor's address: one-liners over the messages.

use std::{
    fmt,
    future::Future,
    pin::{pin, Pin},
    time::Duration,
};

use actix::{dev::ToEnvelope, Addr, Context, Handler};
use futures::future::{select, Either};
use tokio::{sync::oneshot, time::sleep};

use super::{
    messages::{
        AwaitExit, ChildHandle, CountChildren, KillChild, Parts, Reinit, StartChild, Started, Stop, TerminateChild,
        Watchable, Watched, WhichChildren,
    },
    DynamicSupervisor, Linked,
};
use crate::{
    children::ChildCounts,
    error::{ReinitError, StartChildError, StopError, SupervisorGone, TerminateChildError},
    event,
    exit::ExitReason,
    snapshot::{ChildInfo, ShutdownReport},
    spec::ChildSpec,
    unwind,
};

/// How long a supervisor may leave a request unbegun before its thread is taken to be blocked.
const ANSWER_LIMIT: Duration = Duration::from_secs(6);

/// How much longer than its limit an end may take before the thread is taken to be blocked.
const GRACE: Duration = Duration::from_secs(1);

/// An answer on its way; it borrows nothing.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What can be asked of a supervisor, as methods of its address, named as in Elixir. In the prelude.
///
/// Each sends its message when it is called, as `Addr::send` does, and folds the mailbox error into the call's own
/// error, so that one `?` is enough. They work from any Tokio thread, also outside of an Actix System, and none of
/// them blocks: a child may call its own supervisor from `started`, from a handler and from `stopping`.
///
/// # Cancel safety
///
/// Dropping the future of `start_child` before the supervisor has begun with it withdraws the request; once begun the
/// child is started and is the supervisor's. All other requests are carried out whether or not somebody waits.
pub trait SupervisorAddr: sealed::Sealed {
    /// Starts a child; answers when its `Actor::started` has run.
    ///
    /// A synchronous start runs in the supervisor's turn: requests sent later are handled later. An asynchronous one
    /// does not hold up others.
    ///
    /// # Errors
    ///
    /// [`StartChildError`]; there is then no child.
    ///
    /// # In Elixir
    ///
    /// A start blocks the supervisor, and a child that calls its own supervisor from `init` hangs for ever.
    fn start_child<S: ChildSpec>(
        &self,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<Self, S>;

    /// Ends a child and forgets it; `Ok` when it is really gone, however it ended. It is not restarted.
    ///
    /// The child is named by its id or by its address, also while it is being restarted. A second call for the same
    /// child joins the first.
    ///
    /// # Errors
    ///
    /// [`NotFound`](TerminateChildError::NotFound) if the supervisor has no such child (any more);
    /// [`Unresponsive`](TerminateChildError::Unresponsive) if the thread is blocked past the child's limit and a
    /// second: the request holds, Rust cannot end a thread.
    fn terminate_child(&self, child: impl Into<ChildHandle>) -> Answer<Result<(), TerminateChildError>>;

    /// Ends a child's incarnation at once, without hooks; its restart type decides what follows.
    ///
    /// For one that is being terminated this cuts the wait short. A start under way counts as failed.
    ///
    /// # Errors
    ///
    /// As [`terminate_child`](Self::terminate_child).
    ///
    /// # In Elixir
    ///
    /// `Process.exit(pid, :kill)`.
    fn kill_child(&self, child: impl Into<ChildHandle>) -> Answer<Result<(), TerminateChildError>>;

    /// Lists the children, in start order.
    ///
    /// # Errors
    ///
    /// [`SupervisorGone`].
    fn which_children(&self) -> impl Future<Output = Result<Vec<ChildInfo>, SupervisorGone>> + Send + use<Self>;

    /// Counts the children, without walking them.
    ///
    /// # Errors
    ///
    /// [`SupervisorGone`].
    fn count_children(&self) -> impl Future<Output = Result<ChildCounts, SupervisorGone>> + Send + use<Self>;

    /// Ends all children, all at the same time, then the supervisor; answers when all are gone.
    ///
    /// It takes as long as the slowest child. The supervisor ends with [`ExitReason::Normal`]. A nested one whose restart
    /// type is permanent is then started again by its parent: to end it for good, have the parent terminate it.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    fn stop(&self) -> impl Future<Output = Result<ShutdownReport, StopError>> + Send + use<Self>;

    /// Like [`stop`](Self::stop), with a reason, and with a deadline at which children that still live are killed.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    fn stop_with(
        &self,
        reason: ExitReason,
        deadline: impl Into<Option<Duration>>,
    ) -> Answer<Result<ShutdownReport, StopError>>;

    /// Answers how the supervisor ended, when it has: the limit reached, stopped, its parent gone.
    ///
    /// [`ExitReason::Unknown`] if it had ended before it was asked. A nested supervisor that its parent restarts has
    /// ended all the same.
    fn exited(&self) -> impl Future<Output = ExitReason> + Send + use<Self>;

    /// Calls the module's `init` again and takes over the flags it answers.
    ///
    /// Children keep running, and the restarts noted so far still count. A lower `max_children` ends nobody, it refuses
    /// new ones. A supervisor that is not module-based keeps the flags it has.
    ///
    /// # Errors
    ///
    /// [`ReinitError`]; the old flags stay.
    fn reinit(&self) -> impl Future<Output = Result<(), ReinitError>> + Send + use<Self>;

    /// Ties the supervisor to the life of whoever keeps the guard.
    fn linked(self) -> Linked;
}

mod sealed {
    pub trait Sealed: Sized {}
    impl Sealed for actix::Addr<super::DynamicSupervisor> {}
}

impl SupervisorAddr for Addr<DynamicSupervisor> {
    fn start_child<S: ChildSpec>(
        &self,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<S> {
        let answer = self.send(StartChild(spec));
        async move { answer.await.unwrap_or(Err(StartChildError::SupervisorGone)) }
    }

    fn terminate_child(&self, child: impl Into<ChildHandle>) -> Answer<Result<(), TerminateChildError>> {
        Box::pin(end_child(watch(self, TerminateChild(child.into())), "terminate_child"))
    }

    fn kill_child(&self, child: impl Into<ChildHandle>) -> Answer<Result<(), TerminateChildError>> {
        Box::pin(end_child(watch(self, KillChild(child.into())), "kill_child"))
    }

    fn which_children(&self) -> impl Future<Output = Result<Vec<ChildInfo>, SupervisorGone>> + Send + use<> {
        let answer = self.send(WhichChildren);
        async move { answer.await.map_err(|_| SupervisorGone) }
    }

    fn count_children(&self) -> impl Future<Output = Result<ChildCounts, SupervisorGone>> + Send + use<> {
        let answer = self.send(CountChildren);
        async move { answer.await.map_err(|_| SupervisorGone) }
    }

    fn stop(&self) -> impl Future<Output = Result<ShutdownReport, StopError>> + Send + use<> {
        confirm_stop(watch(self, Stop::default()))
    }

    fn stop_with(
        &self,
        reason: ExitReason,
        deadline: impl Into<Option<Duration>>,
    ) -> Answer<Result<ShutdownReport, StopError>> {
        Box::pin(confirm_stop(watch(self, Stop { reason, deadline: deadline.into() })))
    }

    fn exited(&self) -> impl Future<Output = ExitReason> + Send + use<> {
        let answer = watch(self, AwaitExit).done;
        async move { answer.await.unwrap_or(ExitReason::Unknown) }
    }

    fn reinit(&self) -> impl Future<Output = Result<(), ReinitError>> + Send + use<> {
        let answer = watch(self, Reinit).done;
        async move { answer.await.unwrap_or(Err(ReinitError::SupervisorGone)) }
    }

    fn linked(self) -> Linked {
        Linked::new(self)
    }
}

/// A request on its way whose progress can be told from a blocked thread.
struct Watch<T> {
    begun: oneshot::Receiver<Option<Duration>>,
    done: oneshot::Receiver<T>,
}

enum Unconfirmed {
    Gone,
    Unresponsive,
}

/// Sends a request that is carried out whether or not somebody waits.
fn watch<M>(supervisor: &Addr<DynamicSupervisor>, request: M) -> Watch<M::Result>
where
    M: Watchable + Send + 'static,
    M::Result: Send,
    DynamicSupervisor: Handler<Watched<M>>,
    Context<DynamicSupervisor>: ToEnvelope<DynamicSupervisor, Watched<M>>,
{
    let (begun_tx, begun) = oneshot::channel();
    let (done_tx, done) = oneshot::channel();
    supervisor.do_send(Watched::new(Parts { request, begun: begun_tx, done: done_tx }));
    Watch { begun, done }
}

impl<T> Watch<T> {
    async fn confirmed(self) -> Result<T, Unconfirmed> {
        let limit = match within(Some(ANSWER_LIMIT), self.begun).await {
            Some(Ok(limit)) => limit,
            Some(Err(_)) => return Err(Unconfirmed::Gone),
            None => return Err(Unconfirmed::Unresponsive),
        };
        match within(limit.map(|limit| limit.saturating_add(GRACE)), self.done).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) => Err(Unconfirmed::Gone),
            None => Err(Unconfirmed::Unresponsive),
        }
    }
}

/// `None` if the limit passed first. Without a Tokio runtime and its clock there is no limit.
async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) if tokio::runtime::Handle::try_current().is_ok() => {
            // A runtime may have been built without a clock, and Tokio panics there.
            match unwind::guard(|| sleep(limit)) {
                Ok(passed) => match select(pin!(future), pin!(passed)).await {
                    Either::Left((answer, _)) => Some(answer),
                    Either::Right(_) => None,
                },
                Err(_) => Some(future.await),
            }
        }
        _ => Some(future.await),
    }
}

async fn end_child(
    watch: Watch<Result<(), TerminateChildError>>,
    what: &'static str,
) -> Result<(), TerminateChildError> {
    match watch.confirmed().await {
        Ok(answer) => answer,
        Err(Unconfirmed::Gone) => Err(TerminateChildError::SupervisorGone),
        Err(Unconfirmed::Unresponsive) => {
            event::tell_unresponsive(what);
            Err(TerminateChildError::Unresponsive)
        }
    }
}

async fn confirm_stop(watch: Watch<ShutdownReport>) -> Result<ShutdownReport, StopError> {
    match watch.confirmed().await {
        Ok(report) => Ok(report),
        Err(Unconfirmed::Gone) => Err(StopError::SupervisorGone),
        Err(Unconfirmed::Unresponsive) => {
            event::tell_unresponsive("stop");
            Err(StopError::Unresponsive)
        }
    }
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
