//! Elixir's `DynamicSupervisor` for Actix.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod children;
mod error;
mod event;
mod exit;
mod id;
mod policy;
mod registry;
mod runner;
mod snapshot;
mod spec;
mod supervisor;
mod text;
mod unwind;

pub use crate::{
    children::{ChildCounts, ChildState},
    error::{AlreadyStarted, ReinitError, StartChildError, StopError, SupervisorGone, TerminateChildError},
    exit::{BoxError, ExitReason, PanicReport},
    id::ChildId,
    policy::{ChildType, Restart, Shutdown},
    runner::ExitContext,
    snapshot::{ChildInfo, ShutdownReport},
    spec::{
        Child, ChildActor, ChildSpec, Flags, MissingExtra, OnceChild, Start, StartContext, StartResult, Starting,
        Strategy,
    },
    supervisor::{
        AwaitExit, Builder, ChildHandle, CountChildren, DynamicSupervisor, Init, KillChild, Linked, Module, Reinit,
        StartChild, StartError, Started, Stop, SupervisorAddr, SupervisorModule, SupervisorRegistry, TerminateChild,
        WhichChildren,
    },
};

/// What most users need, to be imported beside `actix::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{
        BoxError, Child, ChildActor, ChildCounts, ChildHandle, ChildId, ChildInfo, ChildSpec, ChildState, ChildType,
        CountChildren, DynamicSupervisor, ExitContext, ExitReason, Flags, Init, KillChild, Linked, MissingExtra,
        Restart, Shutdown, ShutdownReport, Start, StartChild, StartChildError, StartContext, StartError, Started,
        Starting, Stop, SupervisorAddr, SupervisorGone, SupervisorModule, TerminateChild, TerminateChildError,
        WhichChildren,
    };
}
