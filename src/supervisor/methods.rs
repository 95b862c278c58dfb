//! The methods of a supervisor's address: one-liners over the messages.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix::{Addr, Recipient};

use super::{
    keyed, listening,
    messages::{
        AwaitExit, ChildHandle, CountChildren, GetOrStart, KillChild, MonitorChild, Reinit, StartChild, Started, Stop,
        Subscribe, TerminateChild, WhichChildren,
    },
    survey,
    watch::{watch, Unconfirmed, Watch},
    DynamicSupervisor, Linked,
};
use crate::{
    children::ChildCounts,
    error::{
        MonitorError, ReinitError, SnapshotError, StartChildError, StopError, SupervisorGone, TerminateChildError,
    },
    event::{self, Event, EventStream, Events, Monitor, Subscription},
    exit::ExitReason,
    key::{ChildKey, Key},
    snapshot::{ChildInfo, ShutdownReport, Snapshot, TakeSnapshot},
    spec::{ChildActor, ChildSpec},
};

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

    /// The child with actor `A` that has this key, found from any thread without asking the supervisor.
    ///
    /// `None` if nobody has it, or a child that still starts or has been asked to end: what is found here accepts
    /// messages, also while it is being restarted. A key of another type finds nobody.
    ///
    /// # In Elixir
    ///
    /// `Registry.lookup/2`.
    fn whereis<A: ChildActor>(&self, key: &(impl Key + ?Sized)) -> Option<Addr<A>>;

    /// The child that has this key; started with `spec` if there is none.
    ///
    /// Exactly one is started, however many ask at the same time, and whether or not its start takes time: the others
    /// get the same child. If that start fails its caller is told, and the next one's spec is tried. A child that has
    /// been asked to end is waited for and then replaced. [`Started::info`] is there only for who started it.
    ///
    /// # Errors
    ///
    /// [`StartChildError`], about the caller's own spec. `AlreadyStarted` is none of them, unless the start itself
    /// answers so.
    fn get_or_start<K: Into<ChildKey>, S: ChildSpec>(
        &self,
        key: K,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<Self, K, S>;

    /// Ends a child and forgets it; `Ok` when it is really gone, however it ended. It is not restarted.
    ///
    /// The child is named by its id, its address or its [key](ChildHandle::key), also while it is being restarted. A second
    /// call for the same child joins the first.
    ///
    /// # Errors
    ///
    /// [`NotFound`](TerminateChildError::NotFound) if the supervisor has no such child (any more);
    /// [`Unresponsive`](TerminateChildError::Unresponsive) if the thread is blocked past the child's limit and a
    /// second: the request holds, Rust cannot end a thread.
    fn terminate_child(&self, child: impl Into<ChildHandle>) -> Termination;

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
    fn kill_child(&self, child: impl Into<ChildHandle>) -> Termination;

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

    /// What happens in the supervisor from now on, until it has ended, as a stream.
    ///
    /// Each event is told once it has come about, in order; what is asked of the supervisor after this call is seen. If it is
    /// gone, the stream is at its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use actix::prelude::*;
    /// use actix_dynamic_supervisor::prelude::*;
    /// use futures::StreamExt;
    /// # struct Room;
    /// # impl Actor for Room { type Context = Context<Self>; }
    /// # impl Supervised for Room {}
    ///
    /// # actix::System::new().block_on(async {
    /// let rooms = DynamicSupervisor::builder().name("rooms").start()?;
    /// let mut events = rooms.events(Events::new());
    ///
    /// let lobby = rooms.start_child(Child::new(|| Room).key("lobby")).await?;
    /// rooms.kill_child(lobby.id).await?;
    ///
    /// for expected in ["lobby", "exited after", "restarted as incarnation 2"] {
    ///     let event = events.next().await.expect("the supervisor runs");
    ///     println!("{event}"); // rooms: 1.1 lobby (Room) started
    ///     assert!(event.to_string().contains(expected), "{event}");
    /// }
    /// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    fn events(&self, events: Events) -> EventStream;

    /// Tells an actor what happens in the supervisor: see [`Subscribe`].
    ///
    /// # Errors
    ///
    /// [`SupervisorGone`].
    fn subscribe(
        &self,
        recipient: Recipient<Event>,
        events: Events,
    ) -> impl Future<Output = Result<Subscription, SupervisorGone>> + Send + use<Self>;

    /// Tells every end of a child from now on, until it is gone; none is lost.
    ///
    /// # Errors
    ///
    /// [`MonitorError`].
    ///
    /// # In Elixir
    ///
    /// `Process.monitor/1`; one of a process that is gone tells `:noproc` there.
    fn monitor<H: Into<ChildHandle>>(
        &self,
        child: H,
    ) -> impl Future<Output = Result<Monitor, MonitorError>> + Send + use<Self, H>;

    /// A picture of the supervisor and all that is below it, as [`TakeSnapshot`] says.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`]: a supervisor further down that does not answer is marked, the one asked cannot be.
    fn snapshot(
        &self,
        request: TakeSnapshot,
    ) -> impl Future<Output = Result<Snapshot, SnapshotError>> + Send + use<Self>;

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

    fn whereis<A: ChildActor>(&self, key: &(impl Key + ?Sized)) -> Option<Addr<A>> {
        keyed::whereis(self, key)
    }

    fn get_or_start<K: Into<ChildKey>, S: ChildSpec>(
        &self,
        key: K,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<K, S> {
        let answer = self.send(GetOrStart::new(key, spec));
        async move { answer.await.unwrap_or(Err(StartChildError::SupervisorGone)) }
    }

    fn terminate_child(&self, child: impl Into<ChildHandle>) -> Termination {
        Termination { watch: watch(self, TerminateChild(child.into())), what: "terminate_child" }
    }

    fn kill_child(&self, child: impl Into<ChildHandle>) -> Termination {
        Termination { watch: watch(self, KillChild(child.into())), what: "kill_child" }
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

    fn events(&self, events: Events) -> EventStream {
        listening::listen(self, events)
    }

    fn subscribe(
        &self,
        recipient: Recipient<Event>,
        events: Events,
    ) -> impl Future<Output = Result<Subscription, SupervisorGone>> + Send + use<> {
        let answer = self.send(Subscribe::new(recipient).with(events));
        async move { answer.await.map_err(|_| SupervisorGone) }
    }

    fn monitor<H: Into<ChildHandle>>(
        &self,
        child: H,
    ) -> impl Future<Output = Result<Monitor, MonitorError>> + Send + use<H> {
        let answer = self.send(MonitorChild(child.into()));
        async move { answer.await.map_err(|_| MonitorError::SupervisorGone)?.ok_or(MonitorError::NotFound) }
    }

    fn snapshot(&self, request: TakeSnapshot) -> impl Future<Output = Result<Snapshot, SnapshotError>> + Send + use<> {
        survey::ask(self, request)
    }

    fn stop_with(
        &self,
        reason: ExitReason,
        deadline: impl Into<Option<Duration>>,
    ) -> Answer<Result<ShutdownReport, StopError>> {
        Box::pin(confirm_stop(watch(self, Stop { reason, deadline: deadline.into() })))
    }

    fn exited(&self) -> impl Future<Output = ExitReason> + Send + use<> {
        let answer = watch(self, AwaitExit).answer();
        async move { answer.await.unwrap_or(ExitReason::Unknown) }
    }

    fn reinit(&self) -> impl Future<Output = Result<(), ReinitError>> + Send + use<> {
        let answer = watch(self, Reinit).answer();
        async move { answer.await.unwrap_or(Err(ReinitError::SupervisorGone)) }
    }

    fn linked(self) -> Linked {
        Linked::new(self)
    }
}

/// The end of a child on its way; it borrows nothing. The request holds whether or not this is waited for.
#[must_use = "who does not wait does not know whether the child is gone"]
pub struct Termination {
    watch: Watch<Result<(), TerminateChildError>>,
    what: &'static str,
}

impl Future for Termination {
    type Output = Result<(), TerminateChildError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.watch).poll(cx).map(|confirmed| match confirmed {
            Ok(answer) => answer,
            Err(Unconfirmed::Gone) => Err(TerminateChildError::SupervisorGone),
            Err(Unconfirmed::Unresponsive) => {
                event::tell_unresponsive(self.what);
                Err(TerminateChildError::Unresponsive)
            }
        })
    }
}

impl fmt::Debug for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Termination").field("what", &self.what).finish_non_exhaustive()
    }
}

async fn confirm_stop(watch: Watch<ShutdownReport>) -> Result<ShutdownReport, StopError> {
    match watch.await {
        Ok(report) => Ok(report),
        Err(Unconfirmed::Gone) => Err(StopError::SupervisorGone),
        Err(Unconfirmed::Unresponsive) => {
            event::tell_unresponsive("stop");
            Err(StopError::Unresponsive)
        }
    }
}
