//! What a supervisor knows of its children. Pure: it decides, the shell acts.
//!
//! [`Children`] is the table and the rules that need it: places, restarts, the restart limit. It holds an opaque seat
//! `R` beside each entry; the shell keeps the runner there, tests keep nothing.

mod counts;
mod entry;
mod table;

use std::time::Instant;

pub(crate) use self::entry::{Entry, Phase};
use self::table::Table;
pub use self::{counts::ChildCounts, entry::ChildState};
use crate::{
    exit::ExitReason,
    id::{ChildId, Incarnation, SupervisorId},
    policy::{ChildType, RestartWindow},
    spec::Flags,
};

/// The table.
pub(crate) struct Children<R> {
    supervisor: SupervisorId,
    next: u64,
    entries: Table<Entry<R>>,
    /// Kept, not computed: a count is O(1) with a million children.
    inactive: usize,
    supervisors: usize,
    limit: Option<usize>,
    window: RestartWindow,
}

/// No place left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
}

/// What follows the end of an incarnation.
#[must_use]
pub(crate) enum AfterExit<R> {
    /// About an incarnation that is not the present one, or of a child that is no more.
    Stale,
    /// Begin this incarnation.
    Restart(Incarnation),
    /// It stays gone.
    Forget(Entry<R>),
    /// It was asked to end, and has.
    Stopped(Entry<R>),
    /// It would have to come back, once more than the limit allows: the supervisor must end.
    GiveUp(Entry<R>),
}

/// What follows a try of a restart that came to nothing.
#[must_use]
pub(crate) enum AfterTry<R> {
    Stale,
    /// It failed: try again, after whatever already waits in the mailbox.
    TryAgain(Incarnation),
    /// The first start failed, or a repeated one declined: the child is gone.
    Forget(Entry<R>),
}

/// What follows a turn to try again.
#[must_use]
pub(crate) enum AfterRetry<R> {
    Stale,
    Restart(Incarnation),
    GiveUp(Entry<R>),
}

impl<R> Children<R> {
    pub(crate) fn new(supervisor: SupervisorId, flags: &Flags) -> Self {
        Self {
            supervisor,
            next: 1,
            entries: Table::new(),
            inactive: 0,
            supervisors: 0,
            limit: flags.max_children,
            window: RestartWindow::new(flags.max_restarts, flags.period),
        }
    }

    pub(crate) fn supervisor(&self) -> SupervisorId {
        self.supervisor
    }

    /// New limits. Children and restart notes stay; a lower `max_children` refuses new ones.
    pub(crate) fn set_flags(&mut self, flags: &Flags) {
        self.limit = flags.max_children;
        self.window.set_limits(flags.max_restarts, flags.period);
    }

    /// Is there a place for one more? Then this is its id.
    ///
    /// Rule: every entry fills a place, running, starting, restarting or stopping. Zero places refuse always.
    pub(crate) fn admit(&mut self) -> Result<ChildId, Full> {
        match self.limit {
            Some(limit) if self.entries.len() >= limit => Err(Full { limit }),
            limit => {
                let limit = limit.unwrap_or(usize::MAX);
                let id = ChildId::new(self.supervisor, self.next, self.entries.vacancy().ok_or(Full { limit })?);
                self.next += 1;
                Ok(id)
            }
        }
    }

    /// Takes up an admitted child whose first start has succeeded, or goes on.
    pub(crate) fn insert(&mut self, id: ChildId, entry: Entry<R>) {
        debug_assert!(matches!(entry.phase(), Phase::Running | Phase::Starting));
        self.count_in(&entry);
        self.entries.insert(id.place(), id.number(), entry);
    }

    pub(crate) fn get(&self, id: ChildId) -> Option<&Entry<R>> {
        (id.supervisor() == self.supervisor).then_some(())?;
        self.entries.get(id.place(), id.number())
    }

    fn get_mut(&mut self, id: ChildId) -> Option<&mut Entry<R>> {
        (id.supervisor() == self.supervisor).then_some(())?;
        self.entries.get_mut(id.place(), id.number())
    }

    /// The present incarnation's entry; `None` if the report is stale.
    fn present(&mut self, id: ChildId, incarnation: Incarnation) -> Option<&mut Entry<R>> {
        self.get_mut(id).filter(|entry| entry.incarnation == incarnation)
    }

    pub(crate) fn seat_mut(&mut self, id: ChildId) -> Option<&mut R> {
        self.get_mut(id).map(|entry| &mut entry.seat)
    }

    /// In start order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChildId, &Entry<R>)> {
        let supervisor = self.supervisor;
        self.entries.iter().map(move |(place, number, entry)| (ChildId::new(supervisor, number, place), entry))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The child's incarnation runs. `false` if that is stale.
    #[must_use]
    pub(crate) fn started(&mut self, id: ChildId, incarnation: Incarnation, now: Instant) -> bool {
        let Some(entry) = self.present(id, incarnation) else { return false };
        if entry.phase() == Phase::Stopping {
            return false;
        }
        if entry.phase() == Phase::Restarting {
            entry.restarts = entry.restarts.saturating_add(1);
        }
        self.set_phase(id, Phase::Running, now);
        true
    }

    /// A start came to nothing; `declined` if it said so itself.
    pub(crate) fn not_started(&mut self, id: ChildId, incarnation: Incarnation, declined: bool) -> AfterTry<R> {
        match self.present(id, incarnation).map(|entry| entry.phase()) {
            None | Some(Phase::Running) => AfterTry::Stale,
            Some(Phase::Restarting) if !declined => AfterTry::TryAgain(incarnation),
            Some(Phase::Starting | Phase::Restarting | Phase::Stopping) => {
                self.remove(id).map_or(AfterTry::Stale, AfterTry::Forget)
            }
        }
    }

    /// An incarnation has ended. Rule: restart type × reason, then the restart limit.
    pub(crate) fn exited(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        reason: &ExitReason,
        now: Instant,
    ) -> AfterExit<R> {
        let Some(entry) = self.present(id, incarnation) else { return AfterExit::Stale };
        match &mut entry.last_exit {
            Some(last) => **last = reason.clone(),
            None => entry.last_exit = Some(Box::new(reason.clone())),
        }
        let (phase, restart) = (entry.phase(), entry.rules.restart);
        match phase {
            Phase::Stopping => self.remove(id).map_or(AfterExit::Stale, AfterExit::Stopped),
            Phase::Starting | Phase::Restarting => AfterExit::Stale,
            Phase::Running if !restart.applies_to(reason) => {
                self.remove(id).map_or(AfterExit::Stale, AfterExit::Forget)
            }
            Phase::Running => {
                self.set_phase(id, Phase::Restarting, now);
                match self.admit_restart(id, now) {
                    AfterRetry::Stale => AfterExit::Stale,
                    AfterRetry::Restart(next) => AfterExit::Restart(next),
                    AfterRetry::GiveUp(entry) => AfterExit::GiveUp(entry),
                }
            }
        }
    }

    /// The turn of a failed try has come again. Void if the child was terminated meanwhile.
    pub(crate) fn retry(&mut self, id: ChildId, incarnation: Incarnation, now: Instant) -> AfterRetry<R> {
        match self.present(id, incarnation).map(|entry| entry.phase()) {
            Some(Phase::Restarting) => self.admit_restart(id, now),
            _ => AfterRetry::Stale,
        }
    }

    /// Rule: each try is noted before it is made.
    fn admit_restart(&mut self, id: ChildId, now: Instant) -> AfterRetry<R> {
        if !self.window.admit(now) {
            return self.remove(id).map_or(AfterRetry::Stale, AfterRetry::GiveUp);
        }
        match self.get_mut(id) {
            Some(entry) => {
                entry.incarnation = entry.incarnation.next();
                AfterRetry::Restart(entry.incarnation)
            }
            None => AfterRetry::Stale,
        }
    }

    /// The child has been asked to end and takes its time.
    pub(crate) fn stopping(&mut self, id: ChildId, now: Instant) {
        self.set_phase(id, Phase::Stopping, now);
    }

    pub(crate) fn remove(&mut self, id: ChildId) -> Option<Entry<R>> {
        (id.supervisor() == self.supervisor).then_some(())?;
        let entry = self.entries.remove(id.place(), id.number())?;
        self.inactive -= usize::from(!entry.phase().is_active());
        self.supervisors -= usize::from(entry.rules.child_type == ChildType::Supervisor);
        Some(entry)
    }

    /// Rule: `specs` are all children, `active` those not being started or restarted, and always
    /// `specs` = `supervisors` + `workers`.
    pub(crate) fn counts(&self) -> ChildCounts {
        let specs = self.entries.len();
        ChildCounts {
            specs,
            active: specs - self.inactive,
            supervisors: self.supervisors,
            workers: specs - self.supervisors,
        }
    }

    fn count_in(&mut self, entry: &Entry<R>) {
        self.inactive += usize::from(!entry.phase().is_active());
        self.supervisors += usize::from(entry.rules.child_type == ChildType::Supervisor);
    }

    fn set_phase(&mut self, id: ChildId, phase: Phase, now: Instant) {
        let Some(entry) = self.get_mut(id) else { return };
        let was_active = entry.phase().is_active();
        entry.set_phase(phase, now);
        self.inactive = self.inactive + usize::from(!phase.is_active()) - usize::from(!was_active);
    }
}

#[cfg(test)]
mod tests;
