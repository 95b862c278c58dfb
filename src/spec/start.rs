//! One start: what it sees ([`StartContext`]) and what it may answer ([`Start`], [`Starting`]).

use std::{
    any::{type_name, Any},
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use actix::{dev::channel, Addr, WeakAddr};
use thiserror::Error;

use super::{ChildActor, Extras};
use crate::{
    exit::{BoxError, ExitReason},
    id::{ChildId, Incarnation},
    unwind,
};

/// The good answers of a start.
///
/// # In Elixir
///
/// `{:ok, pid}`, `{:ok, pid, info}` and `:ignore`; an `Err` beside it is `{:error, reason}`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Start<A, I = ()> {
    /// Run this actor.
    Run(A),
    /// Run this actor and hand `I` to the caller of this start. At restarts nobody asks for it and it is dropped.
    RunWith(A, I),
    /// No child, and no fault: a first start is answered `Ignored`, a restart removes the child.
    Ignore,
}

impl<A, I> Start<A, I> {
    pub(crate) fn split(self) -> (Start<A>, Option<I>) {
        match self {
            Self::Run(actor) => (Start::Run(actor), None),
            Self::RunWith(actor, info) => (Start::Run(actor), Some(info)),
            Self::Ignore => (Start::Ignore, None),
        }
    }
}

/// What a start comes to.
pub type StartResult<A, I = ()> = Result<Start<A, I>, BoxError>;

/// The answer of [`ChildSpec::start`](super::ChildSpec::start): at once, or after asynchronous work.
#[must_use]
pub struct Starting<A, I = ()>(pub(crate) When<A, I>);

pub(crate) enum When<A, I> {
    Now(StartResult<A, I>),
    Later(Pin<Box<dyn Future<Output = StartResult<A, I>>>>),
}

impl<A, I> Starting<A, I> {
    /// The start is done. The child begins inside the supervisor's turn, and what is sent next sees it.
    pub fn now(result: StartResult<A, I>) -> Self {
        Self(When::Now(result))
    }

    /// The start goes on in the background; the supervisor answers others meanwhile.
    ///
    /// The future runs on the child's arbiter and need not be `Send`.
    pub fn later(future: impl Future<Output = StartResult<A, I>> + 'static) -> Self {
        Self(When::Later(Box::pin(future)))
    }
}

impl<A, I> fmt::Debug for Starting<A, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            When::Now(_) => "Starting::now(..)",
            When::Later(_) => "Starting::later(..)",
        })
    }
}

/// What a start can know: who the child is, how it ended last, and what the supervisor hands to all its children.
///
/// A clone is the same start; an asynchronous one keeps it.
pub struct StartContext<A: ChildActor> {
    pub(crate) addr: WeakAddr<A>,
    pub(crate) id: ChildId,
    pub(crate) incarnation: Incarnation,
    pub(crate) last_exit: Option<ExitReason>,
    pub(crate) inherited: Arc<Inherited>,
}

impl<A: ChildActor> StartContext<A> {
    /// The child's address: the same in every incarnation, valid already. Messages sent to it now are handled after
    /// `started`.
    #[must_use]
    pub fn address(&self) -> Addr<A> {
        // Only an asynchronous start that outlived its child finds no mailbox; it gets an address that is closed.
        self.addr.upgrade().unwrap_or_else(|| Addr::new(channel::channel(1).0))
    }

    /// The child's id.
    #[must_use]
    pub fn id(&self) -> ChildId {
        self.id
    }

    /// Which start of this child this is: 1 for the first, one more for each try of a restart, failed ones included.
    #[must_use]
    pub fn incarnation(&self) -> usize {
        self.incarnation.number()
    }

    /// How the last incarnation ended; `None` at the first start.
    #[must_use]
    pub fn last_exit(&self) -> Option<&ExitReason> {
        self.last_exit.as_ref()
    }

    /// A clone of the supervisor's [`extra_argument`](crate::Builder::extra_argument) of type `T`.
    ///
    /// # Errors
    ///
    /// [`MissingExtra`] if the supervisor has none of this type.
    pub fn extra<T: Clone + Send + Sync + 'static>(&self) -> Result<T, MissingExtra> {
        self.inherited.extra::<T>().ok_or(MissingExtra { type_name: type_name::<T>() })
    }
}

impl<A: ChildActor> Clone for StartContext<A> {
    fn clone(&self) -> Self {
        Self {
            addr: self.addr.clone(),
            id: self.id,
            incarnation: self.incarnation,
            last_exit: self.last_exit.clone(),
            inherited: Arc::clone(&self.inherited),
        }
    }
}

impl<A: ChildActor> fmt::Debug for StartContext<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartContext")
            .field("id", &self.id)
            .field("incarnation", &self.incarnation())
            .field("last_exit", &self.last_exit)
            .finish_non_exhaustive()
    }
}

/// What every child of a supervisor gets from it.
pub(crate) struct Inherited {
    /// Replaced when the supervisor is initialised anew; restarts then get the new ones.
    extras: RwLock<Extras>,
    /// The supervisor's weak address, of a type that is not known down here.
    pub(crate) supervisor: Box<dyn Any + Send + Sync>,
}

impl Inherited {
    pub(crate) fn new(extras: Extras, supervisor: Box<dyn Any + Send + Sync>) -> Self {
        Self { extras: RwLock::new(extras), supervisor }
    }

    pub(crate) fn set_extras(&self, extras: Extras) {
        let old = mem::replace(&mut *self.extras.write().unwrap_or_else(PoisonError::into_inner), extras);
        let _ = unwind::dispose(old);
    }

    /// A clone, made outside of the lock: cloning is user code.
    fn extra<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let value = self.extras.read().unwrap_or_else(PoisonError::into_inner).get::<T>();
        value.as_deref().cloned()
    }
}

/// The supervisor has no extra argument of the type asked for.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the supervisor has no extra argument of type {type_name}")]
pub struct MissingExtra {
    type_name: &'static str,
}
