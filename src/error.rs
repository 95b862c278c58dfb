//! What can go wrong: one type per operation. Starting a supervisor has its own, [`StartError`](crate::StartError).

use std::{any::Any, fmt, sync::Arc};

use actix::{Actor, Addr};
use thiserror::Error;

use crate::{
    exit::{BoxError, ExitReason},
    id::ChildId,
    unwind::PanicReport,
};

/// Why a child was not started. In every case there is no child, no place is taken, and nothing counts as a restart.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartChildError {
    /// There are as many children as allowed; the spec's start was not called, and the spec is dropped.
    #[error("the supervisor already has its {limit} children")]
    MaxChildren {
        /// The supervisor's `max_children`.
        limit: usize,
    },
    /// The start answered [`Start::Ignore`](crate::Start::Ignore): no child, and no fault.
    #[error("the start declined")]
    Ignored,
    /// The start answered this error.
    #[error("the start failed: {0}")]
    Failed(BoxError),
    /// The start or `Actor::started` panicked.
    #[error("the start panicked: {0}")]
    Panicked(PanicReport),
    /// The actor stopped in `Actor::started`.
    #[error("the child ended while it started: {0}")]
    Exited(ExitReason),
    /// An asynchronous start did not end within its `start_timeout`.
    #[error("the start took longer than allowed")]
    Timeout,
    /// The child was terminated while its start went on.
    #[error("the child was terminated while it started")]
    Terminated,
    /// The child's key is taken, or a name of its own.
    #[error("already started")]
    AlreadyStarted(AlreadyStarted),
    /// The supervisor is shutting down.
    #[error("the supervisor is shutting down")]
    ShuttingDown,
    /// There is no supervisor any more.
    #[error("the supervisor is gone")]
    SupervisorGone,
    /// The arbiter went away while the child started.
    #[error("the arbiter is gone")]
    ArbiterGone,
}

impl StartChildError {
    /// An error answered by a start, told apart if it says that a name is taken.
    pub(crate) fn from_start(error: BoxError) -> Self {
        match error.downcast::<AlreadyStarted>() {
            Ok(existing) => Self::AlreadyStarted(*existing),
            Err(error) => Self::Failed(error),
        }
    }
}

/// The one that has the name already. A start may answer it as its error, and gets
/// [`StartChildError::AlreadyStarted`] for it.
#[derive(Clone, Error)]
#[error("already started")]
pub struct AlreadyStarted {
    existing: Arc<dyn Any + Send + Sync>,
    id: Option<ChildId>,
}

impl AlreadyStarted {
    /// Names the actor that runs already.
    pub fn new<A: Actor>(existing: Addr<A>) -> Self {
        Self { existing: Arc::new(existing), id: None }
    }

    /// The child that has the key.
    pub(crate) fn child<A: Actor>(id: ChildId, addr: Addr<A>) -> Self {
        Self { existing: Arc::new(addr), id: Some(id) }
    }

    /// Its id, if it is a child of the same supervisor that has the [key](crate::Child::key).
    #[must_use]
    pub fn id(&self) -> Option<ChildId> {
        self.id
    }

    /// Its address, if it is an `A`.
    #[must_use]
    pub fn addr<A: Actor>(&self) -> Option<Addr<A>> {
        self.existing.downcast_ref::<Addr<A>>().cloned()
    }
}

impl fmt::Debug for AlreadyStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadyStarted(..)")
    }
}

/// Why a child was not terminated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminateChildError {
    /// The supervisor has no such child: it ended, or never was one of its own.
    #[error("no such child")]
    NotFound,
    /// The thread is blocked, so nobody can end the child now; or the supervisor asked is a nested one that waits to be
    /// restarted itself. The request holds and takes effect when it can.
    #[error("the thread is blocked past the deadline")]
    Unresponsive,
    /// There is no supervisor any more, and so none of its children.
    #[error("the supervisor is gone")]
    SupervisorGone,
}

/// Why a stop was not confirmed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopError {
    /// There is none any more: it was gone before it was asked.
    #[error("the supervisor is gone")]
    SupervisorGone,
    /// Its thread is blocked, so it cannot end now; or it is a nested one that waits to be restarted itself. The request holds
    /// and takes effect when it can.
    #[error("the thread is blocked past the deadline")]
    Unresponsive,
}

/// Why a child cannot be monitored.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorError {
    /// The supervisor has no such child: it is gone, or never was one of its own.
    #[error("no such child")]
    NotFound,
    /// There is no supervisor any more, and so none of its children.
    #[error("the supervisor is gone")]
    SupervisorGone,
}

/// Why there is no snapshot.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no supervisor any more.
    #[error("the supervisor is gone")]
    SupervisorGone,
    /// Its thread is blocked; or it is a nested one that waits to be restarted itself.
    #[error("the supervisor does not answer in time")]
    Unresponsive,
}

/// There is no supervisor to ask.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the supervisor is gone")]
pub struct SupervisorGone;

/// Why a supervisor kept its old flags.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReinitError {
    /// An option is out of order.
    #[error("option {option} is invalid: {problem}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `init` failed or panicked.
    #[error("init failed: {0}")]
    Init(BoxError),
    /// There is no supervisor any more.
    #[error("the supervisor is gone")]
    SupervisorGone,
}
