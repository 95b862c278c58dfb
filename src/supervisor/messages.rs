//! What a supervisor can be asked: one struct, one sentence, one result.
//!
//! Each can be sent to an `Addr<DynamicSupervisor>` by any actor. [`SupervisorAddr`](crate::SupervisorAddr) has a method
//! for each that folds the mailbox error into the result.

use std::{
    any::{Any, TypeId},
    fmt,
    time::Duration,
};

use actix::{Addr, Message, Recipient};

use crate::{
    children::ChildCounts,
    error::{ReinitError, StartChildError, TerminateChildError},
    event::{Event, Events, Monitor, Subscription},
    exit::ExitReason,
    id::ChildId,
    key::ChildKey,
    runner,
    snapshot::{ChildInfo, ShutdownReport},
    spec::{ChildActor, ChildSpec},
};

/// Start a child; answered when its `Actor::started` has run.
#[derive(Debug)]
pub struct StartChild<S>(
    /// What to start.
    pub S,
);

impl<S: ChildSpec> Message for StartChild<S> {
    type Result = Result<Started<S::Actor, S::Info>, StartChildError>;
}

/// A child that has started.
#[non_exhaustive]
pub struct Started<A: ChildActor, I = ()> {
    /// Its id, for as long as the supervisor knows it.
    pub id: ChildId,
    /// Its address, in all its incarnations.
    pub addr: Addr<A>,
    /// What its start handed over with [`Start::RunWith`](crate::Start::RunWith).
    pub info: Option<I>,
}

impl<A: ChildActor, I> Started<A, I> {
    pub(super) fn new(id: ChildId, addr: Addr<A>, info: Option<I>) -> Self {
        Self { id, addr, info }
    }
}

impl<A: ChildActor, I: fmt::Debug> fmt::Debug for Started<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("id", &self.id).field("info", &self.info).finish_non_exhaustive()
    }
}

/// The child that has a key; started with this spec if there is none. Exactly one is, whoever else asks meanwhile.
#[derive(Debug)]
#[non_exhaustive]
pub struct GetOrStart<S> {
    /// What the child is called; it overrules a key of the spec's own.
    pub key: ChildKey,
    /// What to start.
    pub spec: S,
}

impl<S: ChildSpec> GetOrStart<S> {
    /// The child called `key`, or a new one.
    pub fn new(key: impl Into<ChildKey>, spec: S) -> Self {
        Self { key: key.into(), spec }
    }
}

/// Which child: its [`ChildId`], its address, or its key. All stay valid over restarts.
pub struct ChildHandle(pub(super) Handle);

pub(super) enum Handle {
    Id(ChildId),
    Key {
        actor: TypeId,
        key: ChildKey,
    },
    /// The address is kept alive until it is compared, so that no other mailbox can lie at the same place.
    Addr {
        key: usize,
        _alive: Box<dyn Any + Send + Sync>,
    },
}

impl ChildHandle {
    /// The child with actor `A` that has this key. A key of another type, or of a child with another actor, finds nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use actix::prelude::*;
    /// use actix_dynamic_supervisor::prelude::*;
    /// # struct Room;
    /// # impl Actor for Room { type Context = Context<Self>; }
    /// # impl Supervised for Room {}
    ///
    /// # actix::System::new().block_on(async {
    /// # let rooms = DynamicSupervisor::builder().start().unwrap();
    /// rooms.start_child(Child::new(|| Room).key("lobby")).await?;
    /// rooms.terminate_child(ChildHandle::key::<Room>("lobby")).await.expect("it was there");
    /// assert!(rooms.whereis::<Room>("lobby").is_none());
    /// # Ok::<_, StartChildError>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn key<A: ChildActor>(key: impl Into<ChildKey>) -> Self {
        Self::key_of::<A>(key.into())
    }

    pub(crate) fn key_of<A: ChildActor>(key: ChildKey) -> Self {
        Self(Handle::Key { actor: TypeId::of::<A>(), key })
    }
}

impl From<ChildId> for ChildHandle {
    fn from(id: ChildId) -> Self {
        Self(Handle::Id(id))
    }
}

impl<A: ChildActor> From<&Addr<A>> for ChildHandle {
    fn from(addr: &Addr<A>) -> Self {
        Self(Handle::Addr { key: runner::addr_key(addr), _alive: Box::new(addr.clone()) })
    }
}

impl fmt::Debug for ChildHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Handle::Id(id) => write!(f, "ChildHandle({id})"),
            Handle::Key { key, .. } => write!(f, "ChildHandle({key:?})"),
            Handle::Addr { .. } => f.write_str("ChildHandle(Addr)"),
        }
    }
}

/// End a child and forget it; answered when it is really gone. It is not restarted.
#[derive(Debug)]
pub struct TerminateChild(
    /// Which one.
    pub ChildHandle,
);

impl Message for TerminateChild {
    type Result = Result<(), TerminateChildError>;
}

/// End a child's incarnation at once, without hooks, with [`ExitReason::Killed`]; its restart type decides what follows.
#[derive(Debug)]
pub struct KillChild(
    /// Which one.
    pub ChildHandle,
);

impl Message for KillChild {
    type Result = Result<(), TerminateChildError>;
}

/// List the children, in start order.
#[derive(Clone, Copy, Debug)]
pub struct WhichChildren;

impl Message for WhichChildren {
    type Result = Vec<ChildInfo>;
}

/// Count the children.
#[derive(Clone, Copy, Debug)]
pub struct CountChildren;

impl Message for CountChildren {
    type Result = ChildCounts;
}

/// Tell an actor what happens in the supervisor, from now on until that has ended or the actor has.
///
/// Never more than its mailbox holds are on their way; what it is too slow for waits in a queue of bounded length, and the
/// oldest are dropped: see [`Events`]. The answer ends the subscription earlier.
#[derive(Debug)]
#[non_exhaustive]
pub struct Subscribe {
    /// Who is told.
    pub recipient: Recipient<Event>,
    /// What it wants.
    pub events: Events,
}

impl Subscribe {
    /// With the defaults of [`Events`].
    #[must_use]
    pub fn new(recipient: Recipient<Event>) -> Self {
        Self { recipient, events: Events::new() }
    }

    /// With these options.
    #[must_use]
    pub fn with(mut self, events: Events) -> Self {
        self.events = events;
        self
    }
}

impl Message for Subscribe {
    type Result = Subscription;
}

/// Tell every end of a child from now on, until it is gone. None is lost.
#[derive(Debug)]
pub struct MonitorChild(
    /// Which one.
    pub ChildHandle,
);

impl Message for MonitorChild {
    type Result = Option<Monitor>;
}

/// End all children, all at the same time, then the supervisor; answered when all are gone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stop {
    /// What the supervisor ends with. Default: [`ExitReason::Normal`].
    pub reason: ExitReason,
    /// When children that still live are killed, whatever time their own spec gives them. Default: never.
    pub deadline: Option<Duration>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { reason: ExitReason::Normal, deadline: None }
    }
}

impl Stop {
    /// Stop with this reason.
    #[must_use]
    pub fn with_reason(reason: ExitReason) -> Self {
        Self { reason, ..Self::default() }
    }

    /// Kill what still lives after this time.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

impl Message for Stop {
    type Result = ShutdownReport;
}

/// Tell how the supervisor ended; answered when it has.
#[derive(Clone, Copy, Debug)]
pub struct AwaitExit;

impl Message for AwaitExit {
    type Result = ExitReason;
}

/// Call the module's `init` again and take over the flags it answers; children keep running.
///
/// # In Elixir
///
/// What a hot code upgrade does.
#[derive(Clone, Copy, Debug)]
pub struct Reinit;

impl Message for Reinit {
    type Result = Result<(), ReinitError>;
}
