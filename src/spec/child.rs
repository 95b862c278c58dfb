//! [`Child`], the builder of ordinary child specs.

use std::{fmt, future::Future, marker::PhantomData, time::Duration};

use actix::ArbiterHandle;

use super::{ChildActor, ChildSpec, OnUnresponsive, Start, StartContext, Starting};
use crate::{
    exit::BoxError,
    key::ChildKey,
    policy::{Backoff, Budget, ChildType, GiveUp, Restart, Shutdown},
};

/// A child spec made of a closure and options.
///
/// | made by | the closure | can fail | can be restarted |
/// |---|---|---|---|
/// | [`Child::new`] | `FnMut() -> A` | no | yes |
/// | [`Child::with`] | `FnMut(&mut StartContext<A>) -> A` | no | yes |
/// | [`Child::try_with`] | `… -> Result<Start<A>, E>` | yes, may ignore | yes |
/// | [`Child::try_with_info`] | `… -> Result<Start<A, I>, E>` | yes, and answers a value to the caller | yes |
/// | [`Child::from_async`] | `FnMut(StartContext<A>) -> Future<…>` | yes, takes its time | yes |
/// | [`Child::once`], [`Child::once_with`] | `FnOnce` | no | never, by type |
///
/// Options and their defaults: [`restart`](Self::restart) permanent, [`child_type`](Self::child_type) worker,
/// [`shutdown`](Self::shutdown) 5 s for workers and infinity for supervisors, [`id`](Self::id) none,
/// [`start_timeout`](Self::start_timeout) none.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use actix::prelude::*;
/// use actix_dynamic_supervisor::prelude::*;
/// # #[derive(Default)] struct Counter(usize);
/// # impl Actor for Counter { type Context = Context<Self>; }
/// # impl Supervised for Counter {}
///
/// let plain = Child::new(Counter::default);
/// let careful = Child::try_with(|cx| {
///     let first = cx.extra::<usize>()?;
///     Ok::<_, MissingExtra>(Start::Run(Counter(first)))
/// })
/// .restart(Restart::Transient)
/// .shutdown(Shutdown::Timeout(Duration::from_secs(1)))
/// .id("counter-7");
/// # let _ = (plain, careful);
/// ```
#[must_use = "a spec does nothing until it is given to `start_child`"]
pub struct Child<A = (), I = (), F = ()> {
    start: F,
    restart: Restart,
    options: Options,
    makes: PhantomData<fn() -> (A, I)>,
}

/// What both builders have: everything but the restart type.
#[derive(Default)]
struct Options {
    child_type: ChildType,
    shutdown: Option<Shutdown>,
    id: Option<String>,
    start_timeout: Option<Duration>,
    rare: Option<Box<Rare>>,
}

/// What few children have, so that the others are not moved about with room for it.
#[derive(Default)]
struct Rare {
    backoff: Option<Backoff>,
    max_restarts: Option<(u32, Duration)>,
    give_up: GiveUp,
    key: Option<ChildKey>,
    arbiter: Option<ArbiterHandle>,
    on_unresponsive: OnUnresponsive,
}

impl Options {
    fn shutdown(&self) -> Shutdown {
        self.shutdown.unwrap_or(Shutdown::default_for(self.child_type))
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn key(&self) -> Option<ChildKey> {
        self.rare.as_ref()?.key.clone()
    }

    fn arbiter(&self) -> Option<ArbiterHandle> {
        self.rare.as_ref()?.arbiter.clone()
    }

    fn budget(&self) -> Option<Budget> {
        let rare = self.rare.as_ref()?;
        let (max_restarts, within) = rare.max_restarts?;
        Some(Budget { max_restarts, within, give_up: rare.give_up })
    }
}

impl Child {
    /// A child whose start cannot fail.
    pub fn new<A: ChildActor>(
        mut make: impl FnMut() -> A + Send + 'static,
    ) -> Child<A, (), impl FnMut(&mut StartContext<A>) -> Starting<A> + Send + 'static> {
        Child::from_start(move |_| Starting::now(Ok(Start::Run(make()))))
    }

    /// A child whose start cannot fail and sees its [`StartContext`].
    pub fn with<A: ChildActor>(
        mut make: impl FnMut(&mut StartContext<A>) -> A + Send + 'static,
    ) -> Child<A, (), impl FnMut(&mut StartContext<A>) -> Starting<A> + Send + 'static> {
        Child::from_start(move |cx| Starting::now(Ok(Start::Run(make(cx)))))
    }

    /// A child whose start can fail, or decline with [`Start::Ignore`].
    pub fn try_with<A: ChildActor, E: Into<BoxError>>(
        mut make: impl FnMut(&mut StartContext<A>) -> Result<Start<A>, E> + Send + 'static,
    ) -> Child<A, (), impl FnMut(&mut StartContext<A>) -> Starting<A> + Send + 'static> {
        Child::from_start(move |cx| Starting::now(make(cx).map_err(Into::into)))
    }

    /// Like [`try_with`](Self::try_with), and can hand a value to the caller with [`Start::RunWith`].
    pub fn try_with_info<A: ChildActor, I: Send + 'static, E: Into<BoxError>>(
        mut make: impl FnMut(&mut StartContext<A>) -> Result<Start<A, I>, E> + Send + 'static,
    ) -> Child<A, I, impl FnMut(&mut StartContext<A>) -> Starting<A, I> + Send + 'static> {
        Child::from_start(move |cx| Starting::now(make(cx).map_err(Into::into)))
    }

    /// A child whose start takes time. The supervisor goes on meanwhile.
    ///
    /// The future need not be `Send`. Give it a [`start_timeout`](Self::start_timeout) if it may hang.
    pub fn from_async<A: ChildActor, E: Into<BoxError>, Fut>(
        make: impl FnMut(StartContext<A>) -> Fut + Send + 'static,
    ) -> Child<A, (), impl FnMut(&mut StartContext<A>) -> Starting<A> + Send + 'static>
    where
        Fut: Future<Output = Result<Start<A>, E>> + 'static,
    {
        Self::from_async_with_info(make)
    }

    /// Like [`from_async`](Self::from_async), and can hand a value to the caller with [`Start::RunWith`].
    pub fn from_async_with_info<A: ChildActor, I: Send + 'static, E: Into<BoxError>, Fut>(
        mut make: impl FnMut(StartContext<A>) -> Fut + Send + 'static,
    ) -> Child<A, I, impl FnMut(&mut StartContext<A>) -> Starting<A, I> + Send + 'static>
    where
        Fut: Future<Output = Result<Start<A, I>, E>> + 'static,
    {
        Child::from_start(move |cx| {
            let future = make(cx.clone());
            Starting::later(async move { future.await.map_err(Into::into) })
        })
    }

    /// A child made of what cannot be made twice: a connection, a file. Always temporary.
    ///
    /// A start that is refused drops the closure and what it holds. To tell a client that there is no place, keep a way
    /// to tell it, or let a guard inside the closure do so when it is dropped.
    pub fn once<A: ChildActor>(
        make: impl FnOnce() -> A + Send + 'static,
    ) -> OnceChild<A, impl FnOnce(&mut StartContext<A>) -> A + Send + 'static> {
        Self::once_with(move |_| make())
    }

    /// Like [`once`](Self::once), and sees its [`StartContext`].
    pub fn once_with<A: ChildActor, F>(make: F) -> OnceChild<A, F>
    where
        F: FnOnce(&mut StartContext<A>) -> A + Send + 'static,
    {
        OnceChild { make: Some(make), options: Options::default(), makes: PhantomData }
    }
}

impl<A, I, F> Child<A, I, F>
where
    A: ChildActor,
    F: FnMut(&mut StartContext<A>) -> Starting<A, I> + Send + 'static,
{
    fn from_start(start: F) -> Self {
        Self { start, restart: Restart::default(), options: Options::default(), makes: PhantomData }
    }
}

impl<A, I, F> Child<A, I, F> {
    /// Which ends are followed by a restart. Default: [`Restart::Permanent`].
    ///
    /// Most children that are started on demand finish some day: they want [`Restart::Transient`]. A *first* start that
    /// fails is never tried again, whatever the type: its caller is told. What may fail and is worth another try belongs
    /// into the running child.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
}

/// The options that [`Child`] and [`OnceChild`] share.
macro_rules! shared_options {
    () => {
        /// How the child is ended. Default: 5 seconds for workers, [`Shutdown::Infinity`] for supervisors.
        pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
            self.options.shutdown = Some(shutdown);
            self
        }

        /// What the child is. Default: [`ChildType::Worker`].
        pub fn child_type(mut self, child_type: ChildType) -> Self {
            self.options.child_type = child_type;
            self
        }

        /// A name for people and logs. It need not be unique. Default: none.
        ///
        /// # In Elixir
        ///
        /// Required there, and ignored by a dynamic supervisor.
        pub fn id(mut self, id: impl Into<String>) -> Self {
            self.options.id = Some(id.into());
            self
        }

        /// What the child is called by those who look for it: strings, integers, any [`Key`](crate::Key). Default: nothing.
        ///
        /// Unique among the supervisor's children with the same type of actor: a start with a key that is taken is
        /// answered [`AlreadyStarted`](crate::StartChildError::AlreadyStarted), with the one who has it. The child keeps
        /// the key over restarts, and it is free again before the child's end is answered.
        ///
        /// See [`whereis`](crate::SupervisorAddr::whereis), [`get_or_start`](crate::SupervisorAddr::get_or_start) and
        /// [`ChildHandle::key`](crate::ChildHandle::key).
        ///
        /// # In Elixir
        ///
        /// A child registers itself, in a `Registry`.
        pub fn key(mut self, key: impl Into<ChildKey>) -> Self {
            self.options.rare().key = Some(key.into());
            self
        }

        /// The arbiter the child lives on, in all its incarnations. Default: as the supervisor's
        /// [`Placement`](crate::Placement) says.
        ///
        /// If that arbiter has gone, a start is answered [`ArbiterGone`](crate::StartChildError::ArbiterGone); if it goes
        /// under the child, the child ends with [`ExitReason::ArbiterGone`](crate::ExitReason::ArbiterGone) and is removed,
        /// as there is nowhere to restart it.
        pub fn on(mut self, arbiter: ArbiterHandle) -> Self {
            self.options.rare().arbiter = Some(arbiter);
            self
        }
    };
}

impl<A, I, F> Child<A, I, F> {
    shared_options!();

    /// How long an asynchronous start may take, in every incarnation. Default: no limit.
    ///
    /// When it has passed the start is dropped and has failed with `Timeout`. A synchronous start cannot be
    /// interrupted and is not measured.
    pub fn start_timeout(mut self, limit: Duration) -> Self {
        self.options.start_timeout = Some(limit);
        self
    }

    /// The delay before each try of a restart. Default: that of the supervisor, which by default has none.
    ///
    /// [`Backoff::none`] for a child that is not to wait where others do.
    ///
    /// # In Elixir
    ///
    /// There is none: a child that fails its restarts uses up the limit within microseconds.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.rare().backoff = Some(backoff);
        self
    }

    /// A restart limit of the child's own: its restarts do not count in the supervisor's. Default: none.
    ///
    /// Rule: `max_restarts` + 1 restarts within this time use it up, the last of them is not made any more; what happens
    /// then says [`give_up`](Self::give_up). Tries that fail count, as in the supervisor's limit.
    ///
    /// # In Elixir
    ///
    /// Takes a supervisor for each child.
    pub fn max_restarts(mut self, max_restarts: u32, within: Duration) -> Self {
        self.options.rare().max_restarts = Some((max_restarts, within));
        self
    }

    /// What happens when the child's own restarts are used up. Default: [`GiveUp::Remove`]. Without
    /// [`max_restarts`](Self::max_restarts) it has no effect.
    pub fn give_up(mut self, give_up: GiveUp) -> Self {
        self.options.rare().give_up = give_up;
        self
    }

    /// What becomes of the child if its thread is found to be blocked, by itself or by another child there. Default:
    /// [`OnUnresponsive::Wait`].
    ///
    /// It has an effect only on an arbiter of the supervisor's own [`Placement`](crate::Placement).
    pub fn on_unresponsive(mut self, on_unresponsive: OnUnresponsive) -> Self {
        self.options.rare().on_unresponsive = on_unresponsive;
        self
    }
}

impl<A, I, F> ChildSpec for Child<A, I, F>
where
    A: ChildActor,
    I: Send + 'static,
    F: FnMut(&mut StartContext<A>) -> Starting<A, I> + Send + 'static,
{
    type Actor = A;
    type Info = I;

    fn start(&mut self, cx: &mut StartContext<A>) -> Starting<A, I> {
        (self.start)(cx)
    }

    fn restart(&self) -> Restart {
        self.restart
    }

    fn child_type(&self) -> ChildType {
        self.options.child_type
    }

    fn shutdown(&self) -> Shutdown {
        self.options.shutdown()
    }

    fn id(&self) -> Option<String> {
        self.options.id.clone()
    }

    fn key(&self) -> Option<ChildKey> {
        self.options.key()
    }

    fn arbiter(&self) -> Option<ArbiterHandle> {
        self.options.arbiter()
    }

    fn start_timeout(&self) -> Option<Duration> {
        self.options.start_timeout
    }

    fn backoff(&self) -> Option<Backoff> {
        self.options.rare.as_ref()?.backoff.clone()
    }

    fn budget(&self) -> Option<Budget> {
        self.options.budget()
    }

    fn on_unresponsive(&self) -> OnUnresponsive {
        self.options.rare.as_ref().map_or(OnUnresponsive::Wait, |rare| rare.on_unresponsive)
    }

    fn into_start(self) -> impl FnMut(&mut StartContext<A>) -> Starting<A, I> + Send + 'static {
        self.start
    }
}

impl<A, I, F> fmt::Debug for Child<A, I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("actor", &std::any::type_name::<A>())
            .field("restart", &self.restart)
            .field("child_type", &self.options.child_type)
            .field("shutdown", &self.options.shutdown())
            .field("id", &self.options.id)
            .finish_non_exhaustive()
    }
}

/// A child that can be started once: made by [`Child::once`], temporary by type.
#[must_use = "a spec does nothing until it is given to `start_child`"]
pub struct OnceChild<A, F> {
    make: Option<F>,
    options: Options,
    makes: PhantomData<fn() -> A>,
}

impl<A, F> OnceChild<A, F> {
    shared_options!();
}

impl<A, F> ChildSpec for OnceChild<A, F>
where
    A: ChildActor,
    F: FnOnce(&mut StartContext<A>) -> A + Send + 'static,
{
    type Actor = A;
    type Info = ();

    fn start(&mut self, cx: &mut StartContext<A>) -> Starting<A> {
        // A temporary child is started once; a second call could only come from outside the crate.
        Starting::now(match self.make.take() {
            Some(make) => Ok(Start::Run(make(cx))),
            None => Err("this child can be started only once".into()),
        })
    }

    fn restart(&self) -> Restart {
        Restart::Temporary
    }

    fn child_type(&self) -> ChildType {
        self.options.child_type
    }

    fn shutdown(&self) -> Shutdown {
        self.options.shutdown()
    }

    fn id(&self) -> Option<String> {
        self.options.id.clone()
    }

    fn key(&self) -> Option<ChildKey> {
        self.options.key()
    }

    fn arbiter(&self) -> Option<ArbiterHandle> {
        self.options.arbiter()
    }
}

impl<A, F> fmt::Debug for OnceChild<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceChild").field("actor", &std::any::type_name::<A>()).finish_non_exhaustive()
    }
}
