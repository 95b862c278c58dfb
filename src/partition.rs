//! Many supervisors on threads of their own, behind one handle.
//!
//! The partitions are children of a small supervisor, each on an arbiter of that one's pool: they are watched, restarted
//! and stopped like all others. The handle knows their addresses, which stay valid over restarts, and picks one.

use std::{
    fmt,
    future::Future,
    num::NonZeroUsize,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, PoisonError, RwLock,
    },
    thread,
    time::Duration,
};

use actix::Addr;
use futures::future::{join_all, try_join_all};

use crate::{
    children::ChildCounts,
    error::{SnapshotError, StartChildError, StopError, SupervisorGone, TerminateChildError},
    event::{EventStream, Events},
    exit::ExitReason,
    id::ChildId,
    key::{route, ChildKey, Key},
    snapshot::{ChildInfo, ShutdownReport, Snapshot, TakeSnapshot},
    spec::{ChildActor, ChildSpec, Flags, Placement},
    supervisor::{Answer, Builder, ChildHandle, DynamicSupervisor, StartError, Started, SupervisorAddr, Termination},
};

/// Starts [`Partitions`]: as many dynamic supervisors as there are cores, each on a thread of its own, used like one.
///
/// For when one thread is not enough for the children, or one supervisor for their starts.
///
/// # Examples
///
/// ```
/// # use actix::prelude::*;
/// use actix_dynamic_supervisor::prelude::*;
/// # struct Room(usize);
/// # impl Actor for Room { type Context = Context<Self>; }
/// # impl Supervised for Room {}
///
/// # actix::System::new().block_on(async {
/// let rooms = PartitionSupervisor::new(|_| DynamicSupervisor::builder().max_restarts(10))
///     .partitions(2)
///     .start()
///     .await?;
///
/// let lobby = rooms.get_or_start("lobby", Child::new(|| Room(0))).await?;
/// assert_eq!(rooms.whereis::<Room>("lobby"), Some(lobby.addr));
/// assert_eq!(rooms.count_children().await?.active, 1);
/// rooms.stop().await?;
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # In Elixir
///
/// `PartitionSupervisor`, which has no sum over its partitions, and finds them by name.
#[must_use = "it does nothing until it is started"]
pub struct PartitionSupervisor<F> {
    make: F,
    partitions: Option<usize>,
    flags: Flags,
    name: String,
}

impl<F: Fn(usize) -> Builder + Send + Sync + 'static> PartitionSupervisor<F> {
    /// `make` describes the supervisor that is partition *n*, counted from 0.
    pub fn new(make: F) -> Self {
        Self { make, partitions: None, flags: Flags::new(), name: String::from("partitions") }
    }

    /// How many partitions. Default: as many as there are cores. Zero is refused. There are as many threads, but at most
    /// [`Placement::MAX_ARBITERS`].
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// What all of them together are called in snapshots, events and logs; nobody finds them by that. Default `partitions`.
    ///
    /// A partition that has no name, and is not [called](crate::Builder::called) anything, is `partition 0` and so on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many restarts of partitions are borne within [`max_seconds`](Self::max_seconds). Default 3.
    ///
    /// A partition is restarted, empty, when it has given up: its own `max_restarts` is what its children share.
    pub fn max_restarts(mut self, max_restarts: u32) -> Self {
        self.flags = self.flags.max_restarts(max_restarts);
        self
    }

    /// See [`max_restarts`](Self::max_restarts). Default 5. Zero is refused.
    pub fn max_seconds(mut self, max_seconds: u64) -> Self {
        self.flags = self.flags.max_seconds(max_seconds);
        self
    }

    /// Starts all partitions; they run when this answers. It needs the thread of an Actix arbiter, as
    /// [`Builder::start`] does.
    ///
    /// # Errors
    ///
    /// [`StartError`]; there is then no partition.
    pub async fn start(self) -> Result<Partitions, StartError> {
        let Self { make, partitions, flags, name } = self;
        let partitions = partitions.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));
        if partitions == 0 {
            return Err(StartError::InvalidOption { option: "partitions", problem: "there must be at least one" });
        }
        let parent =
            Builder::with_flags(flags.placement(Placement::LeastLoaded(partitions.min(Placement::MAX_ARBITERS))))
                .called(name)
                .start()?;
        let all = Partitions(Arc::new(Inner {
            parent,
            make: Box::new(make),
            partitions: RwLock::default(),
            next: AtomicUsize::new(0),
            resizing: futures::lock::Mutex::new(()),
        }));
        match all.resize(partitions).await {
            Ok(_) => Ok(all),
            Err(error) => {
                let _ = all.stop().await;
                Err(StartError::Init(error.into()))
            }
        }
    }
}

/// The handle to a [`PartitionSupervisor`]: cheap to clone, to be used from any thread. When the last one is dropped, all
/// partitions end in good order.
///
/// Requests are on their way when a method returns, as with [`SupervisorAddr`]; only `terminate_child`, `resize`, and
/// what asks all partitions begin when they are awaited.
#[derive(Clone)]
pub struct Partitions(Arc<Inner>);

struct Inner {
    /// The supervisor of the partitions.
    parent: Addr<DynamicSupervisor>,
    make: Box<dyn Fn(usize) -> Builder + Send + Sync>,
    partitions: RwLock<Vec<Partition>>,
    next: AtomicUsize,
    /// Held while partitions are added or removed.
    resizing: futures::lock::Mutex<()>,
}

#[derive(Clone)]
struct Partition {
    id: ChildId,
    supervisor: Addr<DynamicSupervisor>,
}

impl Partitions {
    /// How many there are.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.read().len()
    }

    /// The supervisor that is responsible for this key. The same key leads to the same one, in every process, as long as
    /// the number of partitions stays the same: integers to the one they leave as a remainder, all others by a hash.
    #[must_use]
    pub fn for_key(&self, key: &(impl Key + ?Sized)) -> Addr<DynamicSupervisor> {
        self.at(route(key))
    }

    /// The next supervisor, each in turn.
    #[must_use]
    pub fn in_turn(&self) -> Addr<DynamicSupervisor> {
        self.at(self.0.next.fetch_add(1, Ordering::Relaxed) as u64)
    }

    fn at(&self, number: u64) -> Addr<DynamicSupervisor> {
        let partitions = self.read();
        match partitions.len() as u64 {
            // Before the first has been started, which nobody sees.
            0 => self.0.parent.clone(),
            len => partitions[(number % len) as usize].supervisor.clone(),
        }
    }

    /// The supervisor of the partitions.
    #[cfg(feature = "dashboard")]
    pub(crate) fn parent(&self) -> &Addr<DynamicSupervisor> {
        &self.0.parent
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Partition>> {
        self.0.partitions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn supervisors(&self) -> Vec<Addr<DynamicSupervisor>> {
        self.read().iter().map(|partition| partition.supervisor.clone()).collect()
    }

    /// Starts a child: by its [key](crate::Child::key) if it has one, else in the partition whose turn it is.
    ///
    /// # Errors
    ///
    /// [`StartChildError`]; there is then no child.
    pub fn start_child<S: ChildSpec>(
        &self,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<S> {
        let supervisor = match spec.key() {
            Some(key) => self.at(key.route()),
            None => self.in_turn(),
        };
        supervisor.start_child(spec)
    }

    /// The child that has this key; started with `spec` if there is none. See [`SupervisorAddr::get_or_start`].
    ///
    /// # Errors
    ///
    /// [`StartChildError`].
    pub fn get_or_start<K: Into<ChildKey>, S: ChildSpec>(
        &self,
        key: K,
        spec: S,
    ) -> impl Future<Output = Result<Started<S::Actor, S::Info>, StartChildError>> + Send + use<K, S> {
        let key = key.into();
        self.at(key.route()).get_or_start(key, spec)
    }

    /// The child with actor `A` that has this key, without asking anybody. See [`SupervisorAddr::whereis`].
    #[must_use]
    pub fn whereis<A: ChildActor>(&self, key: &(impl Key + ?Sized)) -> Option<Addr<A>> {
        self.for_key(key).whereis(key)
    }

    /// Ends a child and forgets it; `Ok` when it is really gone.
    ///
    /// # Errors
    ///
    /// [`TerminateChildError`], as [`SupervisorAddr::terminate_child`].
    pub async fn terminate_child(&self, child: ChildId) -> Result<(), TerminateChildError> {
        let answers = join_all(self.supervisors().iter().map(|supervisor| supervisor.terminate_child(child))).await;
        // At most one of them knows it.
        let known = answers.into_iter().find(|answer| *answer != Err(TerminateChildError::NotFound));
        known.unwrap_or(Err(TerminateChildError::NotFound))
    }

    /// Ends the child with actor `A` that has this key, and forgets it; `Ok` when it is really gone.
    ///
    /// # Errors
    ///
    /// [`TerminateChildError`], as [`SupervisorAddr::terminate_child`].
    pub fn terminate_key<A: ChildActor>(&self, key: impl Into<ChildKey>) -> Termination {
        let key = key.into();
        self.at(key.route()).terminate_child(ChildHandle::key_of::<A>(key))
    }

    /// Counts the children of all partitions, each at its own moment.
    ///
    /// # Errors
    ///
    /// [`SupervisorGone`], if one of them is gone for good.
    pub async fn count_children(&self) -> Result<ChildCounts, SupervisorGone> {
        let counts = try_join_all(self.supervisors().iter().map(|supervisor| supervisor.count_children())).await?;
        Ok(counts.into_iter().sum())
    }

    /// Lists the children of all partitions, one partition after another.
    ///
    /// # Errors
    ///
    /// [`SupervisorGone`], if one of them is gone for good.
    pub async fn which_children(&self) -> Result<Vec<ChildInfo>, SupervisorGone> {
        let children = try_join_all(self.supervisors().iter().map(|supervisor| supervisor.which_children())).await?;
        Ok(children.into_iter().flatten().collect())
    }

    /// Takes a picture of all partitions, each at its own moment: they are what is
    /// [nested](Snapshot::nested) in the supervisor of them, which is the root.
    ///
    /// One whose thread is blocked is marked and not waited for.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use actix::prelude::*;
    /// use actix_dynamic_supervisor::prelude::*;
    ///
    /// # actix::System::new().block_on(async {
    /// let rooms = PartitionSupervisor::new(|_| DynamicSupervisor::builder()).partitions(2).name("rooms").start().await?;
    ///
    /// let snapshot = rooms.snapshot(TakeSnapshot::new()).await?;
    /// let paths: Vec<&str> = snapshot.supervisors().map(|supervisor| &*supervisor.path).collect();
    /// assert_eq!(paths, ["rooms", "rooms/partition 0", "rooms/partition 1"]);
    /// # rooms.stop().await?;
    /// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn snapshot(
        &self,
        request: TakeSnapshot,
    ) -> impl Future<Output = Result<Snapshot, SnapshotError>> + Send + use<> {
        self.0.parent.snapshot(request)
    }

    /// What happens in all partitions and below them from now on, whatever `events` says of what is nested, as a stream; and
    /// what happens to the partitions themselves.
    ///
    /// Partitions are on threads of their own: what they do before their supervisor has heard of this is not seen. Who must
    /// miss nothing awaits a [`snapshot`](Self::snapshot) first.
    pub fn events(&self, events: Events) -> EventStream {
        self.0.parent.events(events.nested(true))
    }

    /// Changes the number of partitions; answers the old one.
    ///
    /// Children of partitions that are removed are shut down. Keys lead elsewhere from then on: a child that is found by
    /// key may be in a partition that is no longer asked. Threads are as many as at the start; more partitions share them.
    ///
    /// # Errors
    ///
    /// [`StartChildError`] if there is to be none, or one cannot be started; those that could be stay.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves as many partitions as it has come to; ask again.
    pub async fn resize(&self, partitions: usize) -> Result<usize, StartChildError> {
        if partitions == 0 {
            return Err(StartChildError::Failed("there must be at least one partition".into()));
        }
        let _resizing = self.0.resizing.lock().await;
        let before = self.partitions();
        for number in before..partitions {
            // By key: who gave up waiting for one leaves it there, to be found by the next.
            let partition = (self.0.make)(number).called_by_default(format!("partition {number}"));
            let started = self.0.parent.get_or_start(number, partition.into_child()).await?;
            self.write().push(Partition { id: started.id, supervisor: started.addr });
        }
        let len = self.partitions().min(partitions);
        let removed = self.write().split_off(len);
        // Nobody is led to them any more.
        join_all(removed.iter().map(|partition| self.0.parent.terminate_child(partition.id))).await;
        Ok(before)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Partition>> {
        self.0.partitions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all children of all partitions, all at the same time, then the partitions and their threads.
    ///
    /// The report counts partitions.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    pub fn stop(&self) -> impl Future<Output = Result<ShutdownReport, StopError>> + Send + use<> {
        self.0.parent.stop()
    }

    /// Like [`stop`](Self::stop), with a reason, and with a deadline at which what still lives is killed.
    ///
    /// # Errors
    ///
    /// [`StopError`].
    pub fn stop_with(
        &self,
        reason: ExitReason,
        deadline: impl Into<Option<Duration>>,
    ) -> Answer<Result<ShutdownReport, StopError>> {
        self.0.parent.stop_with(reason, deadline)
    }

    /// Answers how all of it ended, when it has: stopped, or partitions restarted too often.
    pub fn exited(&self) -> impl Future<Output = ExitReason> + Send + use<> {
        self.0.parent.exited()
    }
}

impl<F> fmt::Debug for PartitionSupervisor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionSupervisor").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("partitions", &self.partitions()).finish_non_exhaustive()
    }
}
