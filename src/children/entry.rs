//! One child in the table.

use std::{collections::VecDeque, fmt, rc::Rc, time::Instant};

use crate::{
    exit::ExitReason,
    id::Incarnation,
    policy::{RestartWindow, Usage},
    spec::{Patience, Rules},
};

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its first start goes on.
    Starting,
    Running,
    /// Its last incarnation has ended and the next does not run yet.
    Restarting,
    /// It has been asked to end.
    Stopping,
    /// The same, with no incarnation alive.
    Cancelling,
}

impl Phase {
    /// Has it been asked to end?
    pub(crate) fn is_ending(self) -> bool {
        matches!(self, Self::Stopping | Self::Cancelling)
    }

    /// Is there an incarnation that has started?
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Stopping)
    }
}

/// What a child is doing, as [`which_children`](crate::SupervisorAddr::which_children) shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ChildState {
    /// Its first start goes on; only an asynchronous one is ever seen.
    Starting,
    /// It runs.
    Running,
    /// It ended and is on its way back: between two tries, or its asynchronous start goes on.
    Restarting,
    /// It has been asked to end and has not yet.
    Stopping,
}

impl fmt::Display for ChildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
        })
    }
}

impl From<Phase> for ChildState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Restarting => Self::Restarting,
            Phase::Stopping | Phase::Cancelling => Self::Stopping,
        }
    }
}

pub(crate) struct Entry<R> {
    /// Shared with other children that have the same.
    pub(crate) rules: Rc<Rules>,
    phase: Phase,
    /// When this phase began.
    since: Instant,
    /// The present one; while restarting, the last one tried.
    pub(crate) incarnation: Incarnation,
    /// Restarts that worked.
    pub(crate) restarts: u64,
    /// What there is to know once an incarnation has ended.
    pub(super) past: Option<Box<Past>>,
    pub(crate) seat: R,
}

#[derive(Default)]
pub(super) struct Past {
    pub(super) last_exit: Option<ExitReason>,
    /// When the phase began in which it was asked to end: running, or on its way back.
    before: Option<Instant>,
    /// When the try began that goes on.
    pub(super) tried: Option<Instant>,
    /// The last incarnations that have ended, and tries that failed, oldest first.
    lives: VecDeque<Life>,
    /// Only with a delay or a limit of its own.
    pub(super) trials: Option<Box<Trials>>,
}

/// One incarnation that is over, or a try that came to nothing.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) incarnation: Incarnation,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) reason: ExitReason,
    pub(crate) has_started: bool,
}

/// The tries of a child that has patience.
#[derive(Default)]
pub(super) struct Trials {
    /// How many there were since it last ran for long.
    pub(super) tries: u32,
    /// When the next one is due.
    pub(super) due: Option<Instant>,
    /// Its own notes, if it has a limit of its own.
    pub(super) window: Option<RestartWindow>,
    /// Its own restarts are used up, and it is tried again without a limit until a try works.
    pub(super) is_parked: bool,
}

impl<R> Entry<R> {
    pub(crate) fn new(rules: Rc<Rules>, phase: Phase, seat: R, now: Instant) -> Self {
        Self { rules, phase, since: now, incarnation: Incarnation::FIRST, restarts: 0, past: None, seat }
    }

    pub(crate) fn last_exit(&self) -> Option<&ExitReason> {
        self.past.as_ref()?.last_exit.as_ref()
    }

    /// When it is tried again, if it waits for that.
    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.past.as_ref()?.trials.as_ref()?.due
    }

    /// Are its own restarts used up, and is it tried without a limit?
    pub(crate) fn is_parked(&self) -> bool {
        self.past.as_ref().and_then(|past| past.trials.as_ref()).is_some_and(|trials| trials.is_parked)
    }

    pub(super) fn patience(&self) -> Option<&Patience> {
        self.rules.patience.as_deref()
    }

    /// Oldest first.
    pub(crate) fn lives(&self) -> impl ExactSizeIterator<Item = &Life> + DoubleEndedIterator {
        const NONE: &VecDeque<Life> = &VecDeque::new();
        self.past.as_ref().map_or(NONE, |past| &past.lives).iter()
    }

    /// When the incarnation that is alive began, if one is.
    pub(crate) fn began(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => Some(self.since),
            Phase::Stopping => self.past.as_ref()?.before,
            Phase::Starting | Phase::Restarting | Phase::Cancelling => None,
        }
    }

    /// How much of a restart limit of its own is used.
    pub(crate) fn usage(&self, now: Instant) -> Option<Usage> {
        let budget = self.patience()?.budget?;
        let window = self.past.as_ref().and_then(|past| past.trials.as_ref()?.window.as_ref());
        Some(match window {
            Some(window) => window.usage(now),
            None => RestartWindow::new(budget.max_restarts, budget.within).usage(now),
        })
    }

    /// Keeps at most so many of its last lives, and of those that are there already no more either.
    pub(super) fn note_life(&mut self, life: Life, most: usize) {
        let past = self.past.get_or_insert_default();
        past.lives.push_back(life);
        past.lives.drain(..past.lives.len().saturating_sub(most));
    }

    /// The present incarnation has ended.
    pub(super) fn note_end(&mut self, reason: &ExitReason, now: Instant, most: usize) {
        if let Some(began) = self.began() {
            let incarnation = self.incarnation;
            self.note_life(Life { incarnation, began, ended: now, reason: reason.clone(), has_started: true }, most);
        }
        self.past.get_or_insert_default().last_exit = Some(reason.clone());
    }

    pub(super) fn trials(&mut self) -> Option<&mut Trials> {
        Some(self.past.as_mut()?.trials.get_or_insert_default())
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Through the table only: it keeps the counts.
    pub(super) fn set_phase(&mut self, phase: Phase, now: Instant) {
        if let (Phase::Running | Phase::Restarting, Phase::Stopping | Phase::Cancelling) = (self.phase, phase) {
            self.past.get_or_insert_default().before = Some(self.since);
        }
        self.phase = phase;
        self.since = now;
    }

    /// It runs, and was asked to end before that was known. Since when it was away, if it had run before.
    pub(super) fn started_late(&mut self, now: Instant) -> Option<Instant> {
        self.phase = Phase::Stopping;
        self.past.get_or_insert_default().before.replace(now)
    }
}
