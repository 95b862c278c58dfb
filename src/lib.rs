//! Elixir's `DynamicSupervisor` for Actix 0.13: start children on demand, watch them, restart them by rule, give up by
//! rule.
//!
//! Children stay ordinary Actix actors; nothing in their type changes. Their addresses and queues survive a crash: the
//! [`Addr`](actix::Addr) stays valid over restarts and panics, and messages queued behind a crash are handled by the next
//! incarnation.
//!
//! ```
//! use actix::prelude::*;
//! use actix_dynamic_supervisor::prelude::*;
//!
//! #[derive(Default)]
//! struct Counter(usize);
//!
//! impl Actor for Counter {
//!     type Context = Context<Self>;
//! }
//!
//! impl Supervised for Counter {}
//!
//! #[derive(Message)]
//! #[rtype(result = "usize")]
//! struct Add(usize);
//!
//! impl Handler<Add> for Counter {
//!     type Result = usize;
//!
//!     fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> usize {
//!         self.0 = self.0.checked_add(n).expect("room for more");
//!         self.0
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { actix::System::new().block_on(async {
//! let supervisor = DynamicSupervisor::builder().start()?;
//! let counter = supervisor.start_child(Child::new(Counter::default)).await?;
//!
//! assert_eq!(counter.addr.send(Add(1)).await?, 1);
//! assert!(counter.addr.send(Add(usize::MAX)).await.is_err()); // panics: this request is lost ...
//! assert_eq!(counter.addr.send(Add(1)).await?, 1); // ... the next finds a fresh counter at the same address
//!
//! supervisor.stop().await?;
//! # Ok(()) }) }
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | make a supervisor | [`DynamicSupervisor::builder`], [`SupervisorModule`], [`Builder::into_child`] |
//! | describe a child | [`Child`], [`ChildSpec`], [`Restart`], [`Shutdown`] |
//! | find children by key | [`Child::key`], [`SupervisorAddr::whereis`], [`SupervisorAddr::get_or_start`], [`ChildHandle::key`] |
//! | wait between tries, give up on one child only | [`Backoff`], [`Child::max_restarts`], [`GiveUp`] |
//! | use more threads | [`Child::on`], [`Placement`], [`OnUnresponsive`], [`PartitionSupervisor`] |
//! | start, end, count, list | [`SupervisorAddr`], the methods of `Addr<DynamicSupervisor>`; each is a message too |
//! | run a future as a child, await its result, run many with a bound | [`Task`], [`TaskSupervisor`] |
//! | say why an actor stops | [`ExitContext::exit`], [`ExitReason`] |
//! | see what happens | the `tracing` (or `log`) target `actix_dynamic_supervisor`; [`SupervisorAddr::events`], [`SupervisorAddr::monitor`] |
//! | see what runs, what fell, and why | [`SupervisorAddr::snapshot`], [`ChildInfo::lives`], [`RestartLimit`], [`PanicHook`] |
//! | look at it in a browser | `dashboard::scope`, with the feature `dashboard` |
//! | come from `actix::Supervisor`, a map of addresses, or services | `docs/migration.md` in the repository |
//! | see it in an application with actix-web | `examples/rooms.rs`, `examples/prometheus.rs` |
//! | know why it is so, and what differs from Elixir | `DESIGN.md` in the repository |
//!
//! # Features
//!
//! None is on unless it is asked for.
//!
//! | feature | with it |
//! |---|---|
//! | `serde` | snapshots and events can be written as JSON, or whatever else `serde` writes |
//! | `metrics` | figures for whatever recorder of the `metrics` facade is installed; `docs/observing.md` in the repository lists them |
//!
//! # What it cannot do
//!
//! End what blocks its thread (callers elsewhere get `Unresponsive`), contain anything under `panic = "abort"`, or contain
//! two destructors of one incarnation that both panic. A panic inside a `ResponseFuture` is not a crash of the child: Actix
//! runs it as a task of its own.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod children;
#[cfg(feature = "dashboard")]
#[cfg_attr(docsrs, doc(cfg(feature = "dashboard")))]
pub mod dashboard;
mod directory;
mod error;
mod event;
mod exit;
mod id;
mod key;
mod panics;
mod partition;
mod policy;
mod registry;
mod runner;
mod snapshot;
mod spec;
mod supervisor;
mod task;
mod text;
mod unwind;
#[cfg(feature = "serde")]
mod wire;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use crate::event::describe_metrics;
pub use crate::{
    children::{ChildCounts, ChildState},
    error::{
        AlreadyStarted, MonitorError, ReinitError, SnapshotError, StartChildError, StopError, SupervisorGone,
        TerminateChildError,
    },
    event::{ChildEnd, Event, EventChild, EventKind, EventStream, Events, Monitor, Origin, Subscription},
    exit::{BoxError, ExitReason, Failure},
    id::{ChildId, SupervisorId},
    key::{ChildKey, Key},
    panics::PanicHook,
    partition::{PartitionSupervisor, Partitions},
    policy::{Backoff, Budget, ChildType, GiveUp, Restart, Shutdown},
    runner::ExitContext,
    snapshot::{
        Branch, ChildFilter, ChildInfo, Life, RestartLimit, ShutdownReport, Snapshot, Sum, SupervisorState,
        TakeSnapshot, Told,
    },
    spec::{
        Child, ChildActor, ChildSpec, Flags, MissingExtra, OnUnresponsive, OnceChild, Placement, Start, StartContext,
        StartResult, Starting, Strategy,
    },
    supervisor::{
        Answer, AwaitExit, Builder, ChildHandle, CountChildren, DynamicSupervisor, GetOrStart, Init, InitialChildren,
        KillChild, Linked, Module, MonitorChild, Reinit, StartChild, StartError, Started, Stop, Subscribe,
        SupervisorAddr, SupervisorModule, SupervisorRegistry, TerminateChild, Termination, WhichChildren,
    },
    task::{IntoTask, OnceTask, RunningTask, Task, TaskActor, TaskError, TaskStream, TaskSupervisor},
    unwind::PanicReport,
};

/// What most users need, to be imported beside `actix::prelude::*`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{
        unwind::PanicReport, Backoff, BoxError, Budget, Child, ChildActor, ChildCounts, ChildFilter, ChildHandle,
        ChildId, ChildInfo, ChildKey, ChildSpec, ChildState, ChildType, CountChildren, DynamicSupervisor, Event,
        EventKind, EventStream, Events, ExitContext, ExitReason, Flags, GetOrStart, GiveUp, Init, KillChild, Linked,
        MissingExtra, OnUnresponsive, PartitionSupervisor, Partitions, Placement, Restart, Shutdown, ShutdownReport,
        Start, StartChild, StartChildError, StartContext, StartError, Started, Starting, Stop, Subscribe,
        SupervisorAddr, SupervisorGone, SupervisorModule, TakeSnapshot, Task, TaskError, TaskSupervisor,
        TerminateChild, TerminateChildError, WhichChildren,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/migration.md")]
struct Migration;

#[cfg(doctest)]
#[doc = include_str!("../docs/observing.md")]
struct Observing;
