//! What a supervisor tells: typed [`Event`]s for who subscribes, reports for the log.
//!
//! The core decides and returns; the supervisor turns that into a [`Fact`] and tells it to its [`Teller`], once. The log is
//! one reader of facts, the events are another: see [`log`] and [`Hub`].

mod fact;
mod forward;
mod hub;
#[cfg(feature = "serde")]
mod json;
mod log;
#[cfg(feature = "metrics")]
mod metrics;
mod monitor;

use std::{fmt, sync::Arc, time::Duration};

use actix::Message;
use tokio::time::Instant;

#[cfg(feature = "metrics")]
pub use self::metrics::describe_metrics;
pub(crate) use self::{
    fact::{Exit, Fact, Offender, Subject},
    forward::forward,
    hub::{Hub, OpenHub, Ring},
    log::{tell_unresponsive, Teller},
    monitor::{watch_child, Watcher},
};
pub use self::{
    hub::{EventStream, Events, Subscription},
    monitor::{ChildEnd, Monitor},
};
use crate::{
    exit::ExitReason,
    id::{ChildId, SupervisorId},
    policy::ChildType,
    snapshot::{why_not, Life, RestartLimit, ShutdownReport},
    text,
    unwind::{self, PanicReport},
};

/// Something that happened in a supervisor, or in one nested below it.
///
/// It comes by [`SupervisorAddr::events`](crate::SupervisorAddr::events) as a stream, or by
/// [`Subscribe`](crate::Subscribe) to an actor. It prints itself as one line, whatever users' texts hold; a clone is cheap.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Where.
    pub supervisor: Arc<Origin>,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: EventKind,
}

/// The supervisor that an [`Event`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Its id, the first part of its children's. A nested supervisor that is restarted has a new one.
    pub id: SupervisorId,
    /// Its name in reports.
    pub name: Arc<str>,
    /// The names from the root down, with `/` between.
    pub path: Arc<str>,
}

/// The child that an [`Event`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventChild {
    /// Its id.
    pub id: ChildId,
    /// Which of its incarnations, counted from 1.
    pub incarnation: usize,
    /// The id its spec gave for people and logs.
    pub label: Option<Arc<str>>,
    /// Its key, as text.
    pub key: Option<Arc<str>>,
    /// The type name of its actor.
    pub module: &'static str,
    /// What it is.
    pub child_type: ChildType,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The supervisor runs, for the first time or again.
    SupervisorStarted,
    /// A child has started.
    Started {
        /// Which.
        child: EventChild,
    },
    /// A start came to nothing: the first one, after which there is no child, or a repeated one, which is tried again.
    StartFailed {
        /// Which.
        child: EventChild,
        /// Why. An error that the start answered is here as text.
        reason: ExitReason,
        /// Is it tried again?
        comes_back: bool,
    },
    /// An incarnation has ended.
    Exited {
        /// Which.
        child: EventChild,
        /// Why.
        reason: ExitReason,
        /// For how long it ran.
        uptime: Duration,
        /// Had it been asked to end?
        asked: bool,
        /// Is it restarted, unless what follows says otherwise (`GaveUp`, `LimitReached`, `Declined`, `Removed`)? If not,
        /// the child is gone.
        comes_back: bool,
    },
    /// A child waits for its next start.
    RestartScheduled {
        /// Which.
        child: EventChild,
        /// Which try it will be since the child last ran for long.
        attempt: u32,
        /// How long it waits.
        delay: Duration,
    },
    /// A child runs again.
    Restarted {
        /// Which, in its new incarnation.
        child: EventChild,
        /// For how long it was away.
        downtime: Duration,
    },
    /// A child that was on its way back is gone: it was asked to end, or the arbiter it was to live on is no more.
    Removed {
        /// Which.
        child: EventChild,
        /// Why.
        reason: ExitReason,
    },
    /// A child declined to come back, and is gone.
    Declined {
        /// Which.
        child: EventChild,
    },
    /// A child has used up a restart limit of its own, and is gone.
    GaveUp {
        /// Which.
        child: EventChild,
        /// How it ended, the last few times; oldest first.
        lives: Arc<[Life]>,
    },
    /// Half, or four fifths, of what the supervisor's restart limit allows is used.
    LimitNear {
        /// How much of it.
        limit: RestartLimit,
    },
    /// A child had to be restarted once more than the limit allows: the supervisor ends.
    LimitReached {
        /// The one that was one too many.
        child: EventChild,
        /// How it ended, the last few times; oldest first.
        lives: Arc<[Life]>,
    },
    /// The supervisor has begun to end its children.
    ShutdownBegun {
        /// How many there are.
        children: usize,
    },
    /// The supervisor has ended.
    ShutdownEnded {
        /// Why.
        reason: ExitReason,
        /// How its children did.
        report: Arc<ShutdownReport>,
    },
    /// A child that was asked to end took too long and was ended by force. [`Exited`](Self::Exited) follows.
    KilledAtDeadline {
        /// Which.
        child: EventChild,
    },
    /// A thread is, or was, blocked for longer than it may be.
    Unresponsive {
        /// The child that blocks it, if that is known.
        child: Option<EventChild>,
        /// How many children it holds up.
        children: usize,
    },
    /// A child is gone, and messages that were sent to it will not be handled.
    ///
    /// It follows the child's end; of a child on another arbiter it may come before that.
    QueueClosed {
        /// Which.
        id: ChildId,
        /// The same, if it is still known: one that lived on another thread may have been forgotten.
        child: Option<EventChild>,
        /// How many; those beyond 65,536 are not counted.
        undelivered: usize,
    },
    /// A destructor, or a hook after a panic, panicked. It was contained, and nothing else comes of it.
    PanicContained {
        /// Whose, if that is known.
        child: Option<EventChild>,
        /// What it said.
        panic: PanicReport,
    },
    /// The subscriber was too slow: so many events before the next one were dropped, the oldest first.
    Missed {
        /// How many.
        events: u64,
    },
}

impl Message for Event {
    type Result = ();
}

impl Event {
    fn new(supervisor: &Arc<Origin>, at: Instant, kind: EventKind) -> Self {
        Self { supervisor: Arc::clone(supervisor), at, kind }
    }

    /// The child it is about, if it is about one.
    #[must_use]
    pub fn child(&self) -> Option<&EventChild> {
        match &self.kind {
            EventKind::Started { child }
            | EventKind::StartFailed { child, .. }
            | EventKind::Exited { child, .. }
            | EventKind::RestartScheduled { child, .. }
            | EventKind::Restarted { child, .. }
            | EventKind::Removed { child, .. }
            | EventKind::Declined { child }
            | EventKind::GaveUp { child, .. }
            | EventKind::LimitReached { child, .. }
            | EventKind::KilledAtDeadline { child } => Some(child),
            EventKind::Unresponsive { child, .. }
            | EventKind::PanicContained { child, .. }
            | EventKind::QueueClosed { child, .. } => child.as_ref(),
            EventKind::SupervisorStarted
            | EventKind::LimitNear { .. }
            | EventKind::ShutdownBegun { .. }
            | EventKind::ShutdownEnded { .. }
            | EventKind::Missed { .. } => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", text::clip(&self.supervisor.path), self.kind)
    }
}

impl fmt::Display for EventChild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = self.key.as_ref().or(self.label.as_ref()) {
            write!(f, " {}", text::clip(name))?;
        }
        write!(f, " ({})", text::short(self.module))
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error's `Display` is user code.
        let why = |reason: &ExitReason| unwind::text_of(reason);
        let time = |duration: &Duration| text::brief(*duration);
        match self {
            Self::SupervisorStarted => f.write_str("supervisor started"),
            Self::Started { child } => write!(f, "{child} started"),
            // What follows stands before the reason, which may be long.
            Self::StartFailed { child, reason, comes_back: true } => {
                write!(f, "{child} failed to restart, is tried again: {}", why_not(reason))
            }
            Self::StartFailed { child, reason, comes_back: false } => {
                write!(f, "{child} failed to start: {}", why_not(reason))
            }
            Self::Exited { child, reason, uptime, asked, comes_back } => {
                let asked = if *asked { " as asked" } else { "" };
                let follows = if *comes_back { ", comes back" } else { "" };
                write!(f, "{child} exited{asked} after {}{follows}: {}", time(uptime), why(reason))
            }
            Self::RestartScheduled { child, attempt, delay } => {
                write!(f, "{child} restarts in {} (try {attempt})", time(delay))
            }
            Self::Restarted { child, downtime } => {
                write!(f, "{child} restarted as incarnation {} after {}", child.incarnation, time(downtime))
            }
            Self::Removed { child, reason } => write!(f, "{child} removed on its way back: {}", why(reason)),
            Self::Declined { child } => write!(f, "{child} declined to restart"),
            Self::GaveUp { child, lives } => {
                write!(f, "{child} given up{}", last_of(lives))
            }
            Self::LimitNear { limit } => write!(f, "restart limit near: {limit}"),
            Self::LimitReached { child, lives } => {
                write!(f, "restart limit reached, the supervisor ends; one too many: {child}{}", last_of(lives))
            }
            Self::ShutdownBegun { children } => write!(f, "shutdown begun, children: {children}"),
            Self::ShutdownEnded { reason, report } => write!(f, "supervisor ended: {}; {report}", why(reason)),
            Self::KilledAtDeadline { child } => write!(f, "{child} killed at its deadline"),
            Self::Unresponsive { child: Some(child), children } => {
                write!(f, "{child} blocks its thread, children held up: {children}")
            }
            Self::Unresponsive { child: None, children } => {
                write!(f, "a thread is blocked, children held up: {children}")
            }
            Self::QueueClosed { id, child, undelivered } => {
                match child {
                    Some(child) => write!(f, "{child}")?,
                    None => write!(f, "{id}")?,
                }
                write!(f, " is gone, messages undelivered: {undelivered}")
            }
            Self::PanicContained { child: Some(child), panic } => write!(f, "{child}, a panic was contained: {panic}"),
            Self::PanicContained { child: None, panic } => write!(f, "a panic was contained: {panic}"),
            Self::Missed { events } => write!(f, "events missed: {events}"),
        }
    }
}

fn last_of(lives: &[Life]) -> String {
    lives.last().map(|life| format!(", last: {life}")).unwrap_or_default()
}
