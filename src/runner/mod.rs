//! One child, alive.
//!
//! **Words.** A *child* is what its supervisor knows under one [`ChildId`]: one address, one queue. It lives in one
//! *incarnation* after another, each a fresh actor in a fresh context. The *runner* is what stays: it owns the child's
//! mailbox ([`Inbox`]) and runs the incarnations inside it, one at a time.
//!
//! **The mechanism**, on the public API of Actix:
//!
//! 1. `dev::channel` gives the sending and the receiving half of a mailbox. The runner keeps the receiving half for
//!    as long as the child lives; `Addr::new(sending half)` is the child's address for all its incarnations.
//! 2. Each incarnation has a context of its own whose parts are replaced by ones made of that mailbox, so
//!    `ctx.address()` is that very address.
//! 3. A *pump*, an actor future in the context, takes messages from the mailbox and lets the actor handle them,
//!    a limited number a poll, so that no flood starves the siblings: see [`pump`].
//! 4. All user code runs inside the one `catch_unwind`. A handler that panics is caught in the pump, and the context ends
//!    with its hooks in the same poll; after any other panic they are run from outside: see [`incarnation`].
//! 5. While an incarnation is polled, and while it ends, its runner is *seated* on the thread, so that the pump and
//!    `ctx.exit` find it: see [`seat`].
//!
//! **The protocol.** The supervisor commands (`begin`, `stop`, `kill`, drop the handle), the runner reports
//! ([`Report`]) into the supervisor's mailbox, so that reports keep their order with requests.
//!
//! * On the supervisor's own arbiter a command is carried out *inline*, in the supervisor's turn: a synchronous start
//!   has its answer, and a child that obeys at once is gone, when the call returns. Only what takes time is reported
//!   later. No child's task is ever polled from within another's, so the cell is never borrowed twice.
//! * An end that nobody asked for is reported as [`What::Exited`] and the runner waits, mailbox open, for the decision:
//!   `begin` (again) or the drop of its handle.
//! * A child's task is spawned when its starter has been answered ([`TaskDue`]): what is sent on that answer is there for
//!   the task's first turn.
//! * Dropping the [`RunnerHandle`] ends the child and closes its mailbox (invariants 4 and 6).

mod beginning;
mod child;
mod commands;
mod estate;
mod gate;
mod inbox;
mod incarnation;
mod launch;
mod protocol;
mod pump;
mod remote;
mod seat;
mod shared;
mod vitals;

pub use self::seat::ExitContext;
pub(crate) use self::{
    estate::Stranded,
    gate::StartLimit,
    inbox::{addr_key, closed_addr},
    launch::{launch, launch_root, Birth, Launched, TaskDue, Terms},
    protocol::{Begun, Ended, Leavings, Link, NotAlive, Report, Reports, RunnerHandle, StartFailure, Stopped, What},
    remote::{launch_on, Home, Sent, Sign},
    seat::{after_burial, ending_reason, last_words, leave_words},
    vitals::{Examined, Names, Vitals, Watched},
};
