//! A supervisor and all that is below it.

use std::time::Duration;

use actix::Addr;
use tokio::time::Instant;

use super::{ChildInfo, ErasedAddr, RestartLimit};
#[cfg(feature = "serde")]
use crate::wire;
use crate::{
    children::{ChildCounts, ChildState},
    id::{ChildId, SupervisorId},
    spec::ChildActor,
};

/// A supervisor, its children and all that is below it, each as it was when it was asked.
///
/// It prints itself as a tree; [`to_dot`](Self::to_dot) draws one, and with the feature `serde` it is JSON.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Its id, the first part of its children's. A nested supervisor that is restarted has a new one.
    pub id: SupervisorId,
    /// Its name in reports.
    pub name: String,
    /// The names from the root down to it, with `/` between, as in its events.
    pub path: String,
    /// What it is doing.
    pub state: SupervisorState,
    /// Since when it runs.
    #[cfg_attr(feature = "serde", serde(rename = "age_ms", serialize_with = "wire::ago"))]
    pub started: Instant,
    /// Its children, counted.
    pub counts: ChildCounts,
    /// How many it may have.
    pub max_children: Option<usize>,
    /// How near it is to giving up.
    pub limit: RestartLimit,
    /// All its children, by type and state.
    pub sums: Vec<Sum>,
    /// Those that are listed: the worst first, or a page in start order.
    pub children: Vec<ChildInfo>,
    /// How many there are to be listed; more than are listed, where there is a limit.
    pub matched: usize,
    /// The supervisors among its children, at most the first 1,000.
    pub nested: Vec<Branch>,
    /// How many more there are.
    pub nested_left_out: usize,
}

/// What a supervisor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SupervisorState {
    /// It runs.
    Running,
    /// It ends its children, and then itself.
    Closing,
}

/// Children of one type in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Sum {
    /// The type name of their actor.
    pub module: &'static str,
    /// What they are doing.
    pub state: ChildState,
    /// How many.
    pub children: usize,
    /// How often they were restarted, all together.
    pub restarts: u64,
}

/// A supervisor among the children of another.
#[derive(Debug)]
#[non_exhaustive]
pub struct Branch {
    /// Its id as a child.
    pub child: ChildId,
    /// What its parent calls it.
    pub name: String,
    /// What its parent sees it do.
    pub state: ChildState,
    /// What it told.
    pub told: Told,
    pub(crate) addr: ErasedAddr,
}

/// What a nested supervisor told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told {
    /// How it does.
    Snapshot(Box<Snapshot>),
    /// It was not asked: it is deeper down than was asked for, or no supervisor of this crate.
    NotAsked,
    /// It does not run, so it was not asked: its first start goes on, or it waits for its own restart.
    Down,
    /// It did not answer in this time: its thread is blocked, or it has ended meanwhile and waits for its restart.
    Silent {
        /// How long was waited.
        within: Duration,
    },
    /// It was gone before it could answer.
    Gone,
}

impl Branch {
    /// Its address: `addr::<DynamicSupervisor>()`.
    #[must_use]
    pub fn addr<A: ChildActor>(&self) -> Option<Addr<A>> {
        self.addr.get()
    }

    /// What it told.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match &self.told {
            Told::Snapshot(snapshot) => Some(snapshot),
            Told::NotAsked | Told::Down | Told::Silent { .. } | Told::Gone => None,
        }
    }

    /// Has it been asked, and did not answer in time?
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self.told, Told::Silent { .. })
    }
}

impl Snapshot {
    /// This supervisor and all below it that have told.
    pub fn supervisors(&self) -> impl Iterator<Item = &Snapshot> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let next = left.pop()?;
            left.extend(next.nested.iter().rev().filter_map(Branch::snapshot));
            Some(next)
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Branch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let silent = match &self.told {
            Told::Silent { within } => Some(format!("no answer within {} ms", within.as_millis())),
            Told::Down => Some("not running".to_owned()),
            Told::Gone => Some("gone".to_owned()),
            Told::Snapshot(_) | Told::NotAsked => None,
        };
        let mut branch = serializer.serialize_struct("Branch", 5)?;
        branch.serialize_field("child", &self.child)?;
        branch.serialize_field("name", &self.name)?;
        branch.serialize_field("state", &self.state)?;
        branch.serialize_field("snapshot", &self.snapshot())?;
        branch.serialize_field("silent", &silent)?;
        branch.end()
    }
}
