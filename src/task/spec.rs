//! [`Task`], the spec of a child that is a future.

use std::{fmt, future::Future, sync::Arc};

use super::{
    life::{Life, TaskActor, Work},
    pledge::Pledge,
};
use crate::{
    exit::BoxError,
    policy::{ChildType, Restart, Shutdown},
    spec::{ChildSpec, Start, StartContext, Starting},
};

/// A child that is a future and ends with it.
///
/// | made by | the closure | the future | can be restarted |
/// |---|---|---|---|
/// | [`Task::new`] | `FnMut() -> Fut` | answers `T` | yes |
/// | [`Task::try_new`] | `FnMut() -> Fut` | answers `Result<T, E>` | yes |
/// | [`Task::once`], [`Task::try_once`] | `FnOnce() -> Fut` | the same | never, by type |
///
/// Options and their defaults: [`restart`](Self::restart) temporary, [`shutdown`](Self::shutdown) 5 s, [`id`](Self::id)
/// none.
///
/// # What it guarantees
///
/// * The closure runs in the supervisor's turn and should only make the future; the future is polled on the supervisor's
///   arbiter, need not be `Send`, and is polled for the first time after its start has been answered.
/// * A task whose future is through ends with [`ExitReason::Normal`](crate::ExitReason::Normal); with
///   [`ExitReason::Failed`](crate::ExitReason::Failed) if it answered an `Err`; a panic of the future is a crash like any
///   other. Its restart type decides what follows.
/// * A task that is told to end is cancelled: its future is dropped at once, between two polls, and runs no further. What
///   must be done at the end belongs into a destructor; what takes time to end is better an actor.
/// * A panic in a destructor, of the future or of a result that nobody takes, is contained and told, and changes nothing.
///
/// It does not guarantee to end a future that blocks its thread.
///
/// # Examples
///
/// Started and forgotten:
///
/// ```
/// # use actix::prelude::*;
/// use actix_dynamic_supervisor::prelude::*;
/// # async fn send_mail(_: &str) -> Result<(), std::io::Error> { Ok(()) }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { actix::System::new().block_on(async {
/// let supervisor = DynamicSupervisor::builder().start()?;
/// let mail = Task::try_new(|| send_mail("hello")).restart(Restart::Transient).id("mail");
/// supervisor.start_child(mail).await?;
/// # supervisor.stop().await?;
/// # Ok(()) }) }
/// ```
///
/// Awaited: see [`TaskSupervisor`](crate::TaskSupervisor).
#[must_use = "a task does nothing until it is given to `start_child` or `run_task`"]
pub struct Task<T> {
    make: Make<T>,
    restart: Restart,
    shutdown: Shutdown,
    id: Option<String>,
    /// What it owes to who awaits it, if somebody does.
    pledge: Option<Arc<Pledge<T>>>,
}

/// `None`: it can be made only once, and was.
type Make<T> = Box<dyn FnMut() -> Option<Work<T>> + Send>;

impl<T: Send + 'static> Task<T> {
    /// A task whose future cannot fail.
    pub fn new<Fut>(mut make: impl FnMut() -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = T> + 'static,
    {
        Self::made_by(move || Some(sure(make())))
    }

    /// A task whose future can fail: an `Err` ends it with [`ExitReason::Failed`](crate::ExitReason::Failed), so that a
    /// transient one is tried again.
    pub fn try_new<Fut, E>(mut make: impl FnMut() -> Fut + Send + 'static) -> Self
    where
        Fut: Future<Output = Result<T, E>> + 'static,
        E: Into<BoxError>,
    {
        Self::made_by(move || Some(unsure(make())))
    }

    /// A task made of what cannot be made twice. Always temporary.
    pub fn once<Fut>(make: impl FnOnce() -> Fut + Send + 'static) -> OnceTask<T>
    where
        Fut: Future<Output = T> + 'static,
    {
        let mut make = Some(make);
        OnceTask(Self::made_by(move || make.take().map(|make| sure(make()))))
    }

    /// Like [`once`](Self::once), and its future can fail.
    pub fn try_once<Fut, E>(make: impl FnOnce() -> Fut + Send + 'static) -> OnceTask<T>
    where
        Fut: Future<Output = Result<T, E>> + 'static,
        E: Into<BoxError>,
    {
        let mut make = Some(make);
        OnceTask(Self::made_by(move || make.take().map(|make| unsure(make()))))
    }

    fn made_by(make: impl FnMut() -> Option<Work<T>> + Send + 'static) -> Self {
        Self {
            make: Box::new(make),
            restart: Restart::Temporary,
            shutdown: Shutdown::default_for(ChildType::Worker),
            id: None,
            pledge: None,
        }
    }
}

// Not by an `async` block: that drops the future when it is through or panics, where a second panic is a crash of what is
// done, or aborts the process.
fn sure<T>(future: impl Future<Output = T> + 'static) -> Work<T> {
    let mut future = Box::pin(future);
    Box::new(move |cx| future.as_mut().poll(cx).map(Ok))
}

fn unsure<T, E: Into<BoxError>>(future: impl Future<Output = Result<T, E>> + 'static) -> Work<T> {
    let mut future = Box::pin(future);
    Box::new(move |cx| future.as_mut().poll(cx).map_err(Into::into))
}

impl<T> Task<T> {
    /// Which ends are followed by a restart. Default: [`Restart::Temporary`].
    ///
    /// A [`Permanent`](Restart::Permanent) task is begun again when it is through, for ever; who awaits it gets the first
    /// result.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// How the task is ended. Default: 5 seconds, which it never needs.
    ///
    /// A task obeys at once, so it only matters what it ends with: [`Killed`](crate::ExitReason::Killed) after
    /// [`Shutdown::BrutalKill`], else [`Shutdown`](crate::ExitReason::Shutdown).
    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// A name for people and logs. It need not be unique. Default: none.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    pub(super) fn owing(self, pledge: Arc<Pledge<T>>) -> Self {
        Self { pledge: Some(pledge), ..self }
    }
}

impl<T: Send + 'static> ChildSpec for Task<T> {
    type Actor = TaskActor;
    type Info = ();

    fn start(&mut self, cx: &mut StartContext<TaskActor>) -> Starting<TaskActor> {
        if self.pledge.as_ref().is_some_and(|pledge| !pledge.lets_begin(cx.id())) {
            return Starting::now(Ok(Start::Ignore));
        }
        Starting::now(match (self.make)() {
            Some(work) => Ok(Start::Run(TaskActor::new(Life::new(work, self.pledge.clone())))),
            // A temporary child is started once; a second call could only come from outside the crate.
            None => Err("this task can be started only once".into()),
        })
    }

    fn restart(&self) -> Restart {
        self.restart
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown
    }

    fn id(&self) -> Option<String> {
        self.id.clone()
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("result", &std::any::type_name::<T>())
            .field("restart", &self.restart)
            .field("shutdown", &self.shutdown)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A task that can be started once: made by [`Task::once`] and [`Task::try_once`], temporary by type.
#[must_use = "a task does nothing until it is given to `start_child` or `run_task`"]
pub struct OnceTask<T>(Task<T>);

impl<T> OnceTask<T> {
    /// How the task is ended: see [`Task::shutdown`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self(self.0.shutdown(shutdown))
    }

    /// A name for people and logs. It need not be unique. Default: none.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self(self.0.id(id))
    }
}

impl<T: Send + 'static> ChildSpec for OnceTask<T> {
    type Actor = TaskActor;
    type Info = ();

    fn start(&mut self, cx: &mut StartContext<TaskActor>) -> Starting<TaskActor> {
        self.0.start(cx)
    }

    fn restart(&self) -> Restart {
        Restart::Temporary
    }

    fn shutdown(&self) -> Shutdown {
        self.0.shutdown
    }

    fn id(&self) -> Option<String> {
        self.0.id.clone()
    }
}

impl<T> fmt::Debug for OnceTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceTask").field(&self.0).finish()
    }
}

/// What can be run as a task: a [`Task`] of either kind, or a type of your own that makes one.
///
/// # Examples
///
/// ```
/// use actix_dynamic_supervisor::{prelude::*, IntoTask};
///
/// struct Fetch {
///     url: String,
/// }
///
/// impl IntoTask for Fetch {
///     type Output = usize;
///
///     fn into_task(self) -> Task<usize> {
///         Task::new(move || {
///             let url = self.url.clone();
///             async move { url.len() }
///         })
///     }
/// }
/// ```
pub trait IntoTask {
    /// What it answers.
    type Output: Send + 'static;

    /// Makes the task.
    fn into_task(self) -> Task<Self::Output>;
}

impl<T: Send + 'static> IntoTask for Task<T> {
    type Output = T;

    fn into_task(self) -> Self {
        self
    }
}

impl<T: Send + 'static> IntoTask for OnceTask<T> {
    type Output = T;

    fn into_task(self) -> Task<T> {
        self.0
    }
}
