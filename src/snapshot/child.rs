//! One child, as its supervisor knows it.

use std::{any::Any, fmt, time::Duration};

use actix::{Addr, WeakAddr};
use tokio::time::Instant;

#[cfg(feature = "serde")]
use crate::wire;
use crate::{
    children::{self, ChildState},
    exit::ExitReason,
    id::ChildId,
    policy::{ChildType, Restart, Usage},
    spec::ChildActor,
    text, unwind,
};

/// One child, as it was when [`which_children`](crate::SupervisorAddr::which_children) or
/// [`snapshot`](crate::SupervisorAddr::snapshot) was answered.
///
/// # In Elixir
///
/// `{:undefined, pid | :restarting, type, modules}`. Here a child that is being restarted still shows its address,
/// which stays the same.
#[derive(Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    /// Which incarnation is the present one, counted from 1; while it is being restarted, the one that is tried.
    pub incarnation: usize,
    /// How its last incarnation ended, if one has.
    pub last_exit: Option<ExitReason>,
    /// Since when it is in this state.
    #[cfg_attr(feature = "serde", serde(rename = "state_ms", serialize_with = "wire::ago"))]
    pub since: Instant,
    /// When it is tried again, if it waits for that: [`Backoff`](crate::Backoff), or [parked](Self::is_parked).
    #[cfg_attr(feature = "serde", serde(rename = "next_try_ms", serialize_with = "wire::until"))]
    pub next_try: Option<Instant>,
    /// Are its own restarts used up, and is it tried only every so often: [`GiveUp::Park`](crate::GiveUp::Park)?
    #[cfg_attr(feature = "serde", serde(rename = "parked"))]
    pub is_parked: bool,
    /// Its last incarnations, oldest first, at most [`Flags::last_lives`](crate::Flags::last_lives). Tries of a restart that
    /// failed are among them. A temporary child has none: its first is its only one.
    pub lives: Vec<Life>,
    /// How much of a restart limit of its own is used, if it has one.
    pub limit: Option<RestartLimit>,
    /// Where it lives, if not on its supervisor's own thread: which of the pool's arbiters, or which thread.
    pub arbiter: Option<String>,
    /// How many messages it has handled, in all its incarnations; one on a thread of its own tells only a snapshot.
    pub handled: Option<u64>,
    /// How many messages wait in its queue; only in a [snapshot that asks for it](crate::TakeSnapshot::queues).
    pub queued: Option<usize>,
    /// For how long it kept its thread at most, in one go; only where that is [measured](crate::Flags::measure).
    #[cfg_attr(feature = "serde", serde(rename = "longest_poll_ms", serialize_with = "wire::fine_millis"))]
    pub longest_poll: Option<Duration>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) addr: ErasedAddr,
}

impl ChildInfo {
    /// Its address; `None` if it is no `A`, or has gone meanwhile.
    #[must_use]
    pub fn addr<A: ChildActor>(&self) -> Option<Addr<A>> {
        self.addr.get()
    }

    /// What people call it: its key, else the id its spec gave.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.key.as_deref().or(self.label.as_deref())
    }
}

/// One line, for the pager: which child, what it does, and how it fell.
impl fmt::Display for ChildInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        self.tell(f)
    }
}

impl ChildInfo {
    /// Which child it is.
    pub(super) fn head(&self) -> String {
        let name = self.name().map(|name| format!(" {}", text::clip(name))).unwrap_or_default();
        format!("{}{name} ({})", self.id, text::short(self.module))
    }

    /// What there is to know of it.
    pub(super) fn tell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state, self.is_parked) {
            (ChildState::Restarting, true) => f.write_str(" parked")?,
            (state, _) => write!(f, " {state}")?,
        }
        match self.next_try {
            Some(at) => write!(f, ", next try in {}", text::brief(at.saturating_duration_since(Instant::now())))?,
            None => write!(f, " for {}", text::brief(self.since.elapsed()))?,
        }
        if let Some(arbiter) = &self.arbiter {
            write!(f, " on {}", text::clip(arbiter))?;
        }
        // Tasks never do, and what a supervisor has handled tells nothing of how it does.
        if let (Some(handled @ 1..), ChildType::Worker) = (self.handled, self.child_type) {
            write!(f, ", handled: {handled}")?;
        }
        if let Some(queued) = self.queued {
            write!(f, ", queued: {queued}")?;
        }
        if let Some(longest) = self.longest_poll {
            write!(f, ", longest poll: {}", text::brief(longest))?;
        }
        self.tell_past(f)
    }

    /// How it fell.
    pub(super) fn tell_past(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.restarts > 0 {
            write!(f, ", restarts: {}", self.restarts)?;
        }
        if let Some(limit) = &self.limit {
            write!(f, ", own limit: {limit}")?;
        }
        match (self.lives.last(), &self.last_exit) {
            (Some(life), _) => write!(f, ", last: {life}"),
            (None, Some(reason)) => write!(f, ", last: exited: {}", unwind::text_of(reason)),
            (None, None) => Ok(()),
        }
    }
}

/// One incarnation of a child that is over, or a try of a restart that failed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Life {
    /// Which one, counted from 1; failed tries are counted, too.
    pub incarnation: usize,
    /// When it began.
    #[cfg_attr(feature = "serde", serde(rename = "began_ms_ago", serialize_with = "wire::ago"))]
    pub began: Instant,
    /// When it ended.
    #[cfg_attr(feature = "serde", serde(rename = "ended_ms_ago", serialize_with = "wire::ago"))]
    pub ended: Instant,
    /// For how long it ran; zero for a try that failed, however long it took.
    #[cfg_attr(feature = "serde", serde(rename = "uptime_ms", serialize_with = "wire::millis"))]
    pub uptime: Duration,
    /// How it ended. With a [`PanicHook`](crate::PanicHook) a panic tells where.
    pub reason: ExitReason,
    /// Did it run at all? If not, its start failed.
    pub has_started: bool,
}

impl From<&children::Life> for Life {
    fn from(life: &children::Life) -> Self {
        Self {
            incarnation: life.incarnation.number(),
            began: Instant::from_std(life.began),
            ended: Instant::from_std(life.ended),
            uptime: if life.has_started { life.ended.saturating_duration_since(life.began) } else { Duration::ZERO },
            reason: life.reason.clone(),
            has_started: life.has_started,
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_started {
            write!(f, "exited after {}: {}", text::brief(self.uptime), unwind::text_of(&self.reason))
        } else {
            write!(f, "failed to start: {}", why_not(&self.reason))
        }
    }
}

/// Why a start came to nothing; that it failed has been said.
pub(crate) fn why_not(reason: &ExitReason) -> String {
    match reason {
        ExitReason::Failed(error) => unwind::text_of(error),
        reason => unwind::text_of(reason),
    }
}

/// How much of a restart limit is used, before it is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RestartLimit {
    /// Restarts and failed tries within the period.
    pub used: usize,
    /// How many are borne; one more is too many.
    pub max_restarts: u32,
    /// The period.
    #[cfg_attr(feature = "serde", serde(rename = "period_ms", serialize_with = "wire::millis"))]
    pub period: Duration,
    /// When the oldest of them will not count any more.
    #[cfg_attr(feature = "serde", serde(rename = "next_free_ms", serialize_with = "wire::until"))]
    pub next_free: Option<Instant>,
}

impl From<Usage> for RestartLimit {
    fn from(Usage { used, max_restarts, period, next_free }: Usage) -> Self {
        Self { used, max_restarts, period, next_free: next_free.map(Instant::from_std) }
    }
}

impl RestartLimit {
    /// Is the next one, if it comes before [`next_free`](Self::next_free), one too many?
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.used as u64 >= u64::from(self.max_restarts)
    }
}

impl fmt::Display for RestartLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} restarts in {}", self.used, self.max_restarts, text::set(self.period))
    }
}

/// A weak address whose type has been forgotten.
pub(crate) struct ErasedAddr(pub(crate) Box<dyn Any + Send + Sync>);

impl ErasedAddr {
    pub(super) fn get<A: ChildActor>(&self) -> Option<Addr<A>> {
        self.0.downcast_ref::<Option<WeakAddr<A>>>()?.as_ref()?.upgrade()
    }
}

impl fmt::Debug for ErasedAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakAddr(..)")
    }
}
