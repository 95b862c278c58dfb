//! What users write: how a child is made ([`ChildSpec`], [`Child`]), what its start sees ([`StartContext`]) and answers
//! ([`Start`]), and a supervisor's options ([`Flags`]).

mod child;
mod flags;
mod placement;
mod start;

use std::{sync::Arc, time::Duration};

use actix::{Actor, ArbiterHandle, Context, Supervised};

pub use self::{
    child::{Child, OnceChild},
    flags::{Flags, Strategy},
    placement::{OnUnresponsive, Placement},
    start::{MissingExtra, Start, StartContext, StartResult, Starting},
};
pub(crate) use self::{
    flags::Extras,
    start::{Inherited, When},
};
use crate::{
    key::ChildKey,
    policy::{Backoff, Budget, ChildType, Restart, Shutdown},
    text,
};

/// A child's id is for people: what is kept of it is cut and escaped like all text from outside.
const MAX_LABEL_BYTES: usize = 255;

/// Any ordinary Actix actor that can be supervised: `Actor<Context = Context<Self>> + Supervised`.
///
/// There is nothing to implement: every such actor is a `ChildActor`. `impl Supervised for MyActor {}` is Actix's own
/// trait; its `restarting` is called on the fresh actor before each repeated start.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a supervised child",
    label = "needs `Actor<Context = Context<Self>>` and `Supervised`",
    note = "add `impl actix::Supervised for {Self} {{}}`; actors with a `SyncContext` cannot be supervised"
)]
pub trait ChildActor: Actor<Context = Context<Self>> + Supervised {}

impl<A: Actor<Context = Context<A>> + Supervised> ChildActor for A {}

/// The door for everything a child can be. [`Child`] is the builder for the ordinary cases.
///
/// A spec is moved into the supervisor once and asked to [`start`](Self::start) for the first start and for every
/// restart. The spec of a temporary child is dropped right after its start. The other methods are asked once, when
/// the child is first started.
///
/// Every method may panic: a first start then fails with
/// [`StartChildError::Panicked`](crate::StartChildError::Panicked), a restart is tried again by rule.
///
/// # Examples
///
/// ```
/// # use actix::prelude::*;
/// use actix_dynamic_supervisor::prelude::*;
/// # struct Session { user: String }
/// # impl Actor for Session { type Context = Context<Self>; }
/// # impl Supervised for Session {}
///
/// struct SessionSpec { user: String }
///
/// impl ChildSpec for SessionSpec {
///     type Actor = Session;
///     type Info = ();
///
///     fn start(&mut self, _: &mut StartContext<Session>) -> Starting<Session> {
///         Starting::now(Ok(Start::Run(Session { user: self.user.clone() })))
///     }
///
///     fn restart(&self) -> Restart {
///         Restart::Transient
///     }
/// }
/// ```
///
/// # In Elixir
///
/// A map with `id`, `start`, `restart`, `shutdown` and `type`, checked at run time. Here wrong values cannot be written.
pub trait ChildSpec: Send + 'static {
    /// The child.
    type Actor: ChildActor;
    /// What a start may hand to its caller beside the child; see [`Start::RunWith`].
    type Info: Send + 'static;

    /// Makes the actor, now or later.
    ///
    /// Runs on the arbiter that the child is to live on. Where that is the supervisor's, as it is unless told otherwise,
    /// it runs inside the supervisor's turn: what takes time belongs into [`Starting::later`].
    fn start(&mut self, cx: &mut StartContext<Self::Actor>) -> Starting<Self::Actor, Self::Info>;

    /// Which ends are followed by a restart. Default: [`Restart::Permanent`].
    fn restart(&self) -> Restart {
        Restart::Permanent
    }

    /// What the child is. Default: [`ChildType::Worker`].
    fn child_type(&self) -> ChildType {
        ChildType::Worker
    }

    /// How the child is ended. Default: [`Shutdown::default_for`] its type.
    fn shutdown(&self) -> Shutdown {
        Shutdown::default_for(self.child_type())
    }

    /// A name for people and logs; it need not be unique. Default: none.
    fn id(&self) -> Option<String> {
        None
    }

    /// How long a start that answers [`Starting::later`] may take. Default: no limit.
    fn start_timeout(&self) -> Option<Duration> {
        None
    }

    /// The delay before each try of a restart. Default: that of the supervisor.
    fn backoff(&self) -> Option<Backoff> {
        None
    }

    /// A restart limit of the child's own; its restarts then do not count in the supervisor's. Default: none.
    fn budget(&self) -> Option<Budget> {
        None
    }

    /// What the child is called by those who look for it. Default: nothing.
    ///
    /// Unique among the supervisor's children with the same type of actor.
    fn key(&self) -> Option<ChildKey> {
        None
    }

    /// The arbiter the child is to live on. Default: as the supervisor's [`Placement`] says.
    fn arbiter(&self) -> Option<ArbiterHandle> {
        None
    }

    /// What becomes of the child if its thread is found to be blocked. Default: it is waited for.
    fn on_unresponsive(&self) -> OnUnresponsive {
        OnUnresponsive::Wait
    }

    /// What is kept of a child that may be restarted. Options have been asked for by then and need not stay.
    #[doc(hidden)]
    fn into_start(
        mut self,
    ) -> impl FnMut(&mut StartContext<Self::Actor>) -> Starting<Self::Actor, Self::Info> + Send + 'static
    where
        Self: Sized,
    {
        move |cx| self.start(cx)
    }
}

/// What the supervisor keeps of a spec: everything but how to start it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) child_type: ChildType,
    pub(crate) label: Option<Arc<str>>,
    /// The actor's type name.
    pub(crate) module: &'static str,
    /// What most children have not.
    pub(crate) patience: Option<Box<Patience>>,
}

/// What a child has of its own where others share that of the supervisor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Patience {
    pub(crate) backoff: Option<Backoff>,
    pub(crate) budget: Option<Budget>,
    pub(crate) on_unresponsive: OnUnresponsive,
}

impl Rules {
    pub(crate) fn takes_over(&self) -> bool {
        self.patience.as_ref().is_some_and(|patience| patience.on_unresponsive == OnUnresponsive::TakeOver)
    }

    /// Asks the spec; user code, so to be called under a guard.
    pub(crate) fn of<S: ChildSpec>(spec: &S) -> Self {
        Self {
            restart: spec.restart(),
            shutdown: spec.shutdown(),
            child_type: spec.child_type(),
            label: spec.id().map(|id| text::clip_to(MAX_LABEL_BYTES, id).into()),
            module: std::any::type_name::<S::Actor>(),
            patience: match (spec.backoff(), spec.budget(), spec.on_unresponsive()) {
                (None, None, OnUnresponsive::Wait) => None,
                (backoff, budget, on_unresponsive) => Some(Box::new(Patience { backoff, budget, on_unresponsive })),
            },
        }
    }
}
