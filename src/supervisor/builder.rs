//! Making a supervisor: options, name, and the ways it can be started.

use std::{fmt, num::NonZeroUsize, ops::Deref, sync::Arc, time::Duration};

use actix::{
    dev::channel::{self, AddressReceiver},
    Addr, ArbiterHandle, ArbiterService, System, SystemService,
};

use super::{
    initial::{Initial, InitialChildren},
    messages::Stop,
    module::{FlagSource, SupervisorModule},
    naming::{Name, SupervisorRegistry},
    DynamicSupervisor, StartError,
};
use crate::{
    event::OpenHub,
    exit::ExitReason,
    policy::{Backoff, ChildType},
    registry::{self, Lease},
    runner,
    spec::{Child, Flags, Placement, Start, StartContext, Starting, Strategy},
    unwind,
};

/// Without limit: Actix's own says when a sender has to wait, not how much is kept.
const MAILBOX_CAPACITY: usize = 0;

impl DynamicSupervisor {
    /// A supervisor with options given here; see [`Builder`].
    pub fn builder() -> Builder {
        Builder::with_flags(Flags::new())
    }

    /// A supervisor whose options are decided by a [`SupervisorModule`]; it can be named and nested like any other.
    pub fn module<M: SupervisorModule>(arg: M::Arg) -> Builder<Module> {
        Builder { source: Module(FlagSource::module::<M>(arg)), name: Name::None, initial: None }
    }

    /// Starts a module-based supervisor: short for `DynamicSupervisor::module::<M>(arg).start()`.
    ///
    /// # Errors
    ///
    /// As [`Builder::start`].
    pub fn start_module<M: SupervisorModule>(arg: M::Arg) -> Result<Addr<Self>, StartError> {
        Self::module::<M>(arg).start()
    }

    /// The supervisor that has this name in the current System; `None` also outside of any System.
    #[must_use]
    pub fn whereis(name: &str) -> Option<Addr<Self>> {
        registry::whereis(name)
    }
}

/// A supervisor to be.
///
/// Options are checked when it is started, in this order: the name, then the period; a name that is taken is found out
/// before `init` is called. What types can rule out cannot be written.
///
/// # Examples
///
/// ```
/// use actix_dynamic_supervisor::prelude::*;
///
/// # actix::System::new().block_on(async {
/// let rooms = DynamicSupervisor::builder()
///     .max_restarts(10)
///     .max_seconds(60)
///     .max_children(1000)
///     .name("rooms")
///     .start()?;
///
/// assert_eq!(DynamicSupervisor::whereis("rooms"), Some(rooms.clone()));
/// rooms.stop().await.expect("it runs");
/// assert_eq!(DynamicSupervisor::whereis("rooms"), None);
/// # Ok::<_, StartError>(()) }).unwrap();
/// ```
#[must_use = "a builder does nothing until it is started"]
pub struct Builder<S = Flags> {
    source: S,
    name: Name,
    initial: Option<Initial>,
}

impl Builder {
    pub(crate) fn with_flags(flags: Flags) -> Self {
        Self { source: flags, name: Name::None, initial: None }
    }
}

/// In place of [`Flags`] in the [`Builder`] of a module-based supervisor.
pub struct Module(FlagSource);

/// Options of [`Flags`], on the builder.
macro_rules! flag_methods {
    ($($(#[$doc:meta])* $name:ident($argument:ident: $type:ty);)*) => {
        impl Builder {
            $($(#[$doc])* pub fn $name(mut self, $argument: $type) -> Self {
                self.source = self.source.$name($argument);
                self
            })*
        }
    };
}

flag_methods! {
    /// See [`Flags::strategy`].
    strategy(strategy: Strategy);
    /// See [`Flags::max_restarts`]: `max_restarts` + 1 restarts within the period end the supervisor. Default 3.
    max_restarts(max_restarts: u32);
    /// See [`Flags::max_seconds`]. Default 5. Zero is refused.
    max_seconds(max_seconds: u64);
    /// See [`Flags::period`]. Default 5 s. Zero is refused.
    period(period: Duration);
    /// See [`Flags::max_children`]. Default unlimited; zero is legal and means none.
    max_children(max_children: usize);
    /// See [`Flags::max_reports_per_second`]. Default 10.
    max_reports_per_second(max_reports: u32);
    /// See [`Flags::backoff`]: the delay before each try of a restart. Default none.
    backoff(backoff: Backoff);
    /// See [`Flags::max_concurrent_starts`]: how many asynchronous starts may go on at a time. Default unlimited.
    max_concurrent_starts(max_starts: NonZeroUsize);
    /// See [`Flags::placement`]: where children live. Default on the supervisor's own arbiter.
    placement(placement: Placement);
    /// See [`Flags::unresponsive_after`]: when a thread that children live on is reported as blocked. Default 5 s.
    unresponsive_after(limit: Duration);
    /// See [`Flags::last_lives`]: how many of a child's last incarnations are remembered. Default 8.
    last_lives(lives: usize);
    /// See [`Flags::measure`]: whether it is measured how long children keep their thread. Default no.
    measure(is_measured: bool);
    /// See [`Flags::spans`]: whether each incarnation runs inside a span. Default no.
    spans(has_spans: bool);
}

impl Builder {
    /// See [`Flags::extra_argument`]: a value for every child's start.
    pub fn extra_argument<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.source = self.source.extra_argument(value);
        self
    }
}

impl<S: Into<Blueprint>> Builder<S> {
    /// A name within the current System, at most 255 bytes, found by [`DynamicSupervisor::whereis`].
    ///
    /// It is free again before the supervisor's end is answered or told. A named supervisor lives until it is stopped,
    /// even if nobody holds its address.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Name::Local(name.into().into());
        self
    }

    /// What people call it in reports, events and snapshots, unless it has a [`name`](Self::name). Any number of
    /// supervisors may be called the same; nobody finds one by it.
    ///
    /// Without this, and without a name, it is `DynamicSupervisor#7`, also if its parent knows it by an id or a key.
    pub fn called(mut self, name: impl Into<String>) -> Self {
        self.name = self.name.called(name.into().into());
        self
    }

    /// The same, if nothing else tells how it is called.
    pub(crate) fn called_by_default(self, name: impl Into<String>) -> Self {
        if self.name.shown().is_some() {
            return self;
        }
        self.called(name)
    }

    /// A name in a registry of your own.
    pub fn via<K: Send + Sync + 'static>(mut self, registry: impl SupervisorRegistry<K>, key: K) -> Self {
        self.name = self.name.via(registry, key);
        self
    }

    /// Children that the supervisor starts by itself, in this order and before all else, whenever it is started: so one
    /// that is restarted by its parent does not come back empty.
    ///
    /// Asked for several times, all are started. As with Elixir's `Supervisor`, one that cannot be started is the end of the
    /// supervisor, with that reason; one that declines is left out. Once started they are children like all others.
    ///
    /// They are started in the supervisor's first turn, which comes after [`start`](Self::start) has returned: requests sent
    /// then find them, `whereis` may not yet.
    ///
    /// # Examples
    ///
    /// ```
    /// # use actix::prelude::*;
    /// use actix_dynamic_supervisor::prelude::*;
    /// # #[derive(Default)] struct Lobby;
    /// # impl Actor for Lobby { type Context = Context<Self>; }
    /// # impl Supervised for Lobby {}
    ///
    /// # actix::System::new().block_on(async {
    /// let rooms = DynamicSupervisor::builder()
    ///     .with_children(|rooms| rooms.start_child(Child::new(Lobby::default).key("lobby")))
    ///     .start()?;
    ///
    /// assert_eq!(rooms.count_children().await?.active, 1);
    /// assert!(rooms.whereis::<Lobby>("lobby").is_some());
    /// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # In Elixir
    ///
    /// A dynamic supervisor always starts empty.
    pub fn with_children(mut self, name: impl Fn(&mut InitialChildren) + Send + Sync + 'static) -> Self {
        self.initial = Some(match self.initial.take() {
            None => Initial::new(name),
            Some(before) => before.and(name),
        });
        self
    }

    /// Starts the supervisor on the current arbiter.
    ///
    /// Without a name it ends in good order when its last address is dropped, as an Actix actor does.
    /// It needs the thread of an Actix arbiter (`#[actix::main]`, an actor, an actix-web handler). Once it runs, it can
    /// be asked from any Tokio thread.
    ///
    /// # Errors
    ///
    /// [`StartError`]; there is then no supervisor, and the name is free.
    pub fn start(self) -> Result<Addr<DynamicSupervisor>, StartError> {
        let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
        let addr = Addr::new(sender);
        let Self { source, name, initial } = self;
        start_on_this_arbiter(source.into().with(initial), &name, addr.clone(), receiver)?;
        Ok(addr)
    }

    /// Starts the supervisor and ties it to the life of whoever keeps the guard.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn linked(self) -> Result<Linked, StartError> {
        self.start().map(Linked::new)
    }

    /// The spec of this supervisor as a child of another: type supervisor, shutdown infinity, permanent.
    ///
    /// It ends with its parent. Restarted after a crash it has the same address and name, and no children.
    /// Options are checked at its start; what is wrong is [`StartChildError::Failed`](crate::StartChildError::Failed).
    ///
    /// # In Elixir
    ///
    /// `child_spec/1` and `use DynamicSupervisor`.
    pub fn into_child(
        self,
    ) -> Child<
        DynamicSupervisor,
        (),
        impl FnMut(&mut StartContext<DynamicSupervisor>) -> Starting<DynamicSupervisor> + Send + 'static,
    > {
        let Self { source, name, initial } = self;
        let Blueprint(flags) = source.into().with(initial);
        let id = name.shown().unwrap_or(flags.label).to_owned();
        // The name is taken once and kept over restarts without a gap. The actor shares it because the spec of a
        // temporary child is dropped after the start.
        let mut lease: Option<Arc<Lease>> = None;
        // Who listens goes on listening to the next incarnation.
        let mut hub: Option<Arc<OpenHub>> = None;
        Child::try_with(move |cx: &mut StartContext<DynamicSupervisor>| {
            let hub = hub.get_or_insert_with(|| OpenHub::new(cx.parent().map(|parent| Arc::clone(&parent.hub))));
            if lease.is_none() {
                lease = name.register(cx.address()).map_err(StartError::into_child_error)?.map(Arc::new);
            }
            Ok::<_, crate::BoxError>(match flags.flags().map_err(StartError::into_child_error)? {
                Some(options) => {
                    let (flags, hub) = (flags.clone(), Arc::clone(hub));
                    Start::Run(DynamicSupervisor::new(&options, flags, name.shown(), lease.clone(), hub))
                }
                None => Start::Ignore,
            })
        })
        .child_type(ChildType::Supervisor)
        .id(id)
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name.shown()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.label)
    }
}

/// Where a supervisor's flags come from, fixed or decided by a module.
pub struct Blueprint(FlagSource);

impl Blueprint {
    fn with(mut self, initial: Option<Initial>) -> Self {
        self.0.initial = initial;
        self
    }
}

impl From<Flags> for Blueprint {
    fn from(flags: Flags) -> Self {
        Self(FlagSource::fixed(flags))
    }
}

impl From<Module> for Blueprint {
    fn from(module: Module) -> Self {
        Self(module.0)
    }
}

fn start_on_this_arbiter(
    Blueprint(flags): Blueprint,
    name: &Name,
    addr: Addr<DynamicSupervisor>,
    receiver: AddressReceiver<DynamicSupervisor>,
) -> Result<(), StartError> {
    if System::try_current().is_none() || tokio::runtime::Handle::try_current().is_err() {
        return Err(StartError::NoArbiter);
    }
    // The name first, as in Elixir: where it is taken `init` is not called.
    let lease = name.register(addr)?.map(Arc::new);
    let options = flags.flags()?.ok_or(StartError::Ignored)?;
    let supervisor = DynamicSupervisor::new(&options, flags, name.shown(), lease, OpenHub::new(None));
    // Tokio panics on a thread that has a System but does not run it.
    unwind::guard(|| runner::launch_root(supervisor, receiver)).map_err(|_| StartError::NoArbiter)
}

/// A supervisor tied to a life: dropping this stops it, and all its children with it.
///
/// Keep it as a field of an actor. When the actor goes, in whatever way, the supervisor shuts down.
///
/// # In Elixir
///
/// The link made by `start_link`: the supervisor ends with its parent, also when that ends normally.
#[derive(Debug)]
#[must_use = "dropping the guard stops the supervisor"]
pub struct Linked(Addr<DynamicSupervisor>);

impl Linked {
    pub(super) fn new(supervisor: Addr<DynamicSupervisor>) -> Self {
        Self(supervisor)
    }
}

impl Deref for Linked {
    type Target = Addr<DynamicSupervisor>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.0.do_send(Stop::with_reason(ExitReason::Shutdown));
    }
}

/// A supervisor with default flags and no name. Run by [`Builder::start`], by a parent or by Actix's registries its own
/// panics are contained too; run by `Actor::start` it is a plain actor.
impl Default for DynamicSupervisor {
    fn default() -> Self {
        let flags = Flags::new();
        Self::new(&flags, FlagSource::fixed(flags.clone()), None, None, OpenHub::new(None))
    }
}

/// `DynamicSupervisor::from_registry()`: one for the System, on its first arbiter.
///
/// Unlike Actix's own services it is not started again after it has ended; ask for it with
/// `<DynamicSupervisor as SystemService>::from_registry()`.
impl SystemService for DynamicSupervisor {
    fn start_service(arbiter: &ArbiterHandle) -> Addr<Self> {
        let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
        let addr = Addr::new(sender);
        let own = addr.clone();
        // On a dead arbiter the closure is dropped and with it the mailbox: who asks finds the supervisor gone.
        arbiter.spawn_fn(move || {
            let _ = start_on_this_arbiter(Flags::new().into(), &Name::None, own, receiver);
        });
        addr
    }
}

/// `DynamicSupervisor::from_registry()`: one for each arbiter.
impl ArbiterService for DynamicSupervisor {
    fn start_service() -> Addr<Self> {
        let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
        let addr = Addr::new(sender);
        // Not on an arbiter: the mailbox is dropped, who asks finds the supervisor gone.
        let _ = start_on_this_arbiter(Flags::new().into(), &Name::None, addr.clone(), receiver);
        addr
    }
}
