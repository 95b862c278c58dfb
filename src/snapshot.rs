//! What a supervisor tells about its children: [`ChildInfo`], [`ShutdownReport`].

use std::{any::Any, fmt};

use actix::{Addr, WeakAddr};
use tokio::time::Instant;

use crate::{
    children::ChildState,
    exit::ExitReason,
    id::ChildId,
    policy::{ChildType, Restart},
    spec::ChildActor,
};

/// One child, as it was when [`which_children`](crate::SupervisorAddr::which_children) was answered.
///
/// # In Elixir
///
/// `{:undefined, pid | :restarting, type, modules}`. Here a child that is being restarted still shows its address,
/// which stays the same.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its id.
    pub id: ChildId,
    /// The id its spec gave for people and logs.
    pub label: Option<String>,
    /// Its key, as text.
    pub key: Option<String>,
    /// What it is doing.
    pub state: ChildState,
    /// What it is.
    pub child_type: ChildType,
    /// The type name of its actor.
    pub module: &'static str,
    /// Its restart type.
    pub restart: Restart,
    /// How often it was restarted; tries that failed are not counted.
    pub restarts: u64,
    /// How its last incarnation ended, if one has.
    pub last_exit: Option<ExitReason>,
    /// Since when it is in this state.
    pub since: Instant,
    /// When it is tried again, if it waits for that: [`Backoff`](crate::Backoff), [`GiveUp::Park`](crate::GiveUp::Park).
    pub next_try: Option<Instant>,
    pub(crate) addr: ErasedAddr,
}

impl ChildInfo {
    /// Its address; `None` if it is no `A`, or has gone meanwhile.
    #[must_use]
    pub fn addr<A: ChildActor>(&self) -> Option<Addr<A>> {
        self.addr.0.downcast_ref::<Option<WeakAddr<A>>>()?.as_ref()?.upgrade()
    }
}

/// A weak address whose type has been forgotten.
pub(crate) struct ErasedAddr(pub(crate) Box<dyn Any + Send + Sync>);

impl fmt::Debug for ErasedAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakAddr(..)")
    }
}

/// How the children of a supervisor ended when it stopped.
///
/// Children that were being restarted are in none of the lists: there was nothing to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How many ended when they were asked.
    pub stopped: usize,
    /// Those ended by force: `BrutalKill`, or a deadline passed.
    pub killed: Vec<ChildId>,
    /// Those that panicked or gave an error on their way out.
    pub failed: Vec<ChildId>,
    /// Those that kept their thread blocked for longer than their deadline and a second. On the supervisor's own thread
    /// they have ended, but late; on another they are left behind, and end when they give it back.
    pub unresponsive: Vec<ChildId>,
}

impl ShutdownReport {
    /// Did every child end when it was asked?
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.killed.is_empty() && self.failed.is_empty() && self.unresponsive.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stopped, killed, failed, unresponsive } = self;
        let (killed, failed, unresponsive) = (killed.len(), failed.len(), unresponsive.len());
        write!(f, "stopped: {stopped}, killed: {killed}, failed: {failed}, unresponsive: {unresponsive}")
    }
}
