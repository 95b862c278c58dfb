//! Typed facts about one supervisor, and the events they become.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{EventChild, EventKind};
use crate::{
    children::Life,
    exit::ExitReason,
    id::{ChildId, Incarnation},
    key::ChildKey,
    policy::Usage,
    runner::StartFailure,
    snapshot::{self, ShutdownReport},
    spec::Rules,
    unwind::{self, PanicReport},
};

/// The child a fact is about: the *offender* of Elixir's reports.
#[derive(Clone, Copy)]
pub(crate) struct Offender<'a> {
    pub(crate) id: ChildId,
    pub(crate) incarnation: Incarnation,
    pub(crate) rules: &'a Rules,
    pub(crate) key: Option<&'a ChildKey>,
}

/// What a contained panic is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject<'a> {
    Child(Offender<'a>),
    /// A child that is out of the table already.
    Former(ChildId),
    /// What was to be a child.
    Request,
}

impl Subject<'_> {
    pub(super) fn id(self) -> Option<ChildId> {
        match self {
            Self::Child(child) => Some(child.id),
            Self::Former(id) => Some(id),
            Self::Request => None,
        }
    }

    fn child(self) -> Option<EventChild> {
        match self {
            Self::Child(child) => Some(child.into()),
            Self::Former(_) | Self::Request => None,
        }
    }
}

/// How an incarnation ended.
#[derive(Clone, Copy)]
pub(crate) struct Exit<'a> {
    pub(crate) reason: &'a ExitReason,
    /// When it began; `None` for a child that goes while it is away.
    pub(crate) began: Option<Instant>,
    pub(crate) asked: bool,
    pub(crate) comes_back: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Fact<'a> {
    /// A supervisor runs.
    SupervisorStarted,
    /// It has begun to end its children.
    ShutdownBegun { children: usize },
    /// It has ended.
    SupervisorEnded { reason: &'a ExitReason, report: &'a ShutdownReport },
    /// The crate was built with `panic = "abort"`: nothing can be contained.
    PanicsAbort,
    /// A child runs for the first time.
    Started { child: Offender<'a> },
    /// A first start came to nothing. Its caller is told.
    StartFailed { child: Offender<'a>, failure: &'a StartFailure },
    /// Report `child_terminated`: a child ended and that is worth a report.
    ChildTerminated { child: Offender<'a>, exit: Exit<'a> },
    /// A child ended, and that is in order.
    Ended { child: Offender<'a>, exit: Exit<'a> },
    /// A child ended of which a report follows, when all are down or at once; or ended with its supervisor.
    EndedOddly { child: Offender<'a>, exit: Exit<'a> },
    /// A child runs again.
    Restarted { child: Offender<'a>, since: Instant },
    /// A child declined to come back.
    Declined { child: Offender<'a> },
    /// A child is tried again after this time.
    Waits { child: Offender<'a>, delay: Duration, attempt: u32 },
    /// A child has used up the restarts that are its own, and is gone.
    GaveUp { child: Offender<'a>, lives: &'a [Life] },
    /// Report `start_error`: a try of a restart failed.
    StartError { child: Offender<'a>, failure: &'a StartFailure },
    /// Half, or four fifths, of the restart limit is used.
    LimitNear { usage: Usage },
    /// Report `shutdown`: the restart limit is exceeded, this child was the one too many.
    LimitReached { child: Offender<'a>, lives: &'a [Life] },
    /// Report `shutdown_error`: a child that was to end ended otherwise than expected.
    ShutdownError { child: Offender<'a>, reason: &'a ExitReason },
    /// A child that was asked to end took too long.
    KilledAtDeadline { child: Offender<'a> },
    /// A destructor, or a hook after a panic, panicked: contained, and nothing else comes of it.
    Residue { of: Subject<'a>, panic: &'a PanicReport },
    /// A child keeps its thread beyond its deadline; it is not waited for any longer.
    Abandoned { child: Offender<'a> },
    /// A thread that children live on is blocked, by this child if that is known.
    ThreadBlocked { by: Option<Offender<'a>>, children: usize },
    /// Threads of the supervisor's own have not ended in time.
    ThreadsLeft,
    /// A child kept its thread beyond its deadline, and has ended now.
    Overran { child: Offender<'a> },
    /// A child is gone with messages in its queue.
    QueueClosed { of: Subject<'a>, undelivered: usize },
}

impl Fact<'_> {
    /// Is it one of the reports whose number an outsider can drive up?
    pub(super) fn is_limited(&self) -> bool {
        matches!(
            self,
            Self::ChildTerminated { .. }
                | Self::StartError { .. }
                | Self::ShutdownError { .. }
                | Self::Residue { .. }
                | Self::GaveUp { .. }
        )
    }

    /// What subscribers hear of it.
    pub(super) fn event(&self, now: Instant) -> Option<EventKind> {
        let exited = |child: Offender<'_>, exit: Exit<'_>| {
            let (child, reason) = (child.into(), exit.reason.clone());
            let Exit { asked, comes_back, .. } = exit;
            match exit.began.map(|began| now.saturating_duration_since(began)) {
                Some(uptime) => EventKind::Exited { child, reason, uptime, asked, comes_back },
                None => EventKind::Removed { child, reason },
            }
        };
        Some(match *self {
            Self::SupervisorStarted => EventKind::SupervisorStarted,
            Self::ShutdownBegun { children } => EventKind::ShutdownBegun { children },
            Self::SupervisorEnded { reason, report } => {
                EventKind::ShutdownEnded { reason: reason.clone(), report: Arc::new(report.clone()) }
            }
            Self::Started { child } => EventKind::Started { child: child.into() },
            Self::StartFailed { child, failure } => {
                EventKind::StartFailed { child: child.into(), reason: failure.as_exit(), comes_back: false }
            }
            Self::StartError { child, failure } => {
                EventKind::StartFailed { child: child.into(), reason: failure.as_exit(), comes_back: true }
            }
            Self::ChildTerminated { child, exit } | Self::Ended { child, exit } | Self::EndedOddly { child, exit } => {
                exited(child, exit)
            }
            Self::Restarted { child, since } => {
                EventKind::Restarted { child: child.into(), downtime: now.saturating_duration_since(since) }
            }
            Self::Declined { child } => EventKind::Declined { child: child.into() },
            Self::Waits { child, delay, attempt } => {
                EventKind::RestartScheduled { child: child.into(), attempt, delay }
            }
            Self::GaveUp { child, lives } => EventKind::GaveUp { child: child.into(), lives: told(lives) },
            Self::LimitNear { usage } => EventKind::LimitNear { limit: usage.into() },
            Self::LimitReached { child, lives } => EventKind::LimitReached { child: child.into(), lives: told(lives) },
            Self::KilledAtDeadline { child } => EventKind::KilledAtDeadline { child: child.into() },
            Self::Abandoned { child } | Self::Overran { child } => {
                EventKind::Unresponsive { child: Some(child.into()), children: 1 }
            }
            Self::ThreadBlocked { by, children } => EventKind::Unresponsive { child: by.map(Into::into), children },
            Self::QueueClosed { of, undelivered } => {
                EventKind::QueueClosed { id: of.id()?, child: of.child(), undelivered }
            }
            Self::Residue { of, panic } => EventKind::PanicContained { child: of.child(), panic: panic.clone() },
            // The end itself has been told.
            Self::ShutdownError { .. } | Self::PanicsAbort | Self::ThreadsLeft => return None,
        })
    }
}

fn told(lives: &[Life]) -> Arc<[snapshot::Life]> {
    lives.iter().map(snapshot::Life::from).collect()
}

impl From<Offender<'_>> for EventChild {
    fn from(Offender { id, incarnation, rules, key }: Offender<'_>) -> Self {
        Self {
            id,
            incarnation: incarnation.number(),
            label: rules.label.clone(),
            key: key.map(|key| key.text().into()),
            module: rules.module,
            child_type: rules.child_type,
        }
    }
}

impl StartFailure {
    /// The same as the end of an incarnation that it did not come to. An error is kept as text: it is its caller's.
    pub(crate) fn as_exit(&self) -> ExitReason {
        match self {
            Self::Panicked(report) => ExitReason::Panicked(report.clone()),
            Self::Exited(reason) => reason.clone(),
            Self::Ignored | Self::Error(_) | Self::TimedOut => ExitReason::failed(unwind::text_of(self)),
        }
    }
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str("declined"),
            Self::Error(error) => write!(f, "{error}"),
            Self::Panicked(report) => write!(f, "panicked: {report}"),
            Self::Exited(reason) => write!(f, "ended while it started: {reason}"),
            Self::TimedOut => f.write_str("took longer than allowed"),
        }
    }
}
