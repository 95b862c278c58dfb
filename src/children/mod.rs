//! What a supervisor knows of its children. Pure: it decides, the shell acts.
//!
//! [`Children`] is the table and the rules that need it: places, restarts, the restart limit. It holds an opaque seat
//! `R` beside each entry; the shell keeps the runner there, tests keep nothing.

#[cfg(feature = "metrics")]
mod census;
mod counts;
mod deciding;
mod entry;
mod table;

use std::{mem, time::Instant};

#[cfg(feature = "metrics")]
pub(crate) use self::census::Census;
use self::table::Table;
pub use self::{counts::ChildCounts, entry::ChildState};
pub(crate) use self::{
    deciding::{AfterExit, AfterTry, Again, Wait},
    entry::{Entry, Life, Phase},
};
use crate::{
    id::{ChildId, Incarnation, SupervisorId},
    policy::{Backoff, ChildType, RestartWindow, Usage},
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
    /// For children that have none of their own.
    backoff: Option<Backoff>,
    /// How many lives of a child are kept.
    last_lives: usize,
    /// The limit has come nearer than has been told.
    is_near: bool,
    #[cfg(feature = "metrics")]
    census: Option<Box<dyn Census>>,
}

/// No place left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) limit: usize,
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
            backoff: flags.backoff.clone(),
            last_lives: flags.last_lives,
            is_near: false,
            #[cfg(feature = "metrics")]
            census: None,
        }
    }

    /// From now on each child is counted there, too.
    #[cfg(feature = "metrics")]
    pub(crate) fn counted_by(mut self, census: Box<dyn Census>) -> Self {
        self.census = Some(census);
        self
    }

    pub(crate) fn supervisor(&self) -> SupervisorId {
        self.supervisor
    }

    /// New limits. Children and restart notes stay; a lower `max_children` refuses new ones.
    pub(crate) fn set_flags(&mut self, flags: &Flags) {
        self.limit = flags.max_children;
        self.window.set_limits(flags.max_restarts, flags.period);
        self.backoff = flags.backoff.clone();
        self.last_lives = flags.last_lives;
    }

    pub(crate) fn max_children(&self) -> Option<usize> {
        self.limit
    }

    /// How much of the restart limit is used.
    pub(crate) fn usage(&self, now: Instant) -> Usage {
        self.window.usage(now)
    }

    /// Has the limit come so near that it is to be told? Asked once.
    pub(crate) fn has_come_near(&mut self) -> bool {
        mem::take(&mut self.is_near)
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

    /// In no order that means anything, and without the work that an order takes.
    pub(crate) fn in_places(&self) -> impl Iterator<Item = (ChildId, &Entry<R>)> {
        let supervisor = self.supervisor;
        self.entries.in_places().map(move |(place, number, entry)| (ChildId::new(supervisor, number, place), entry))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The child's incarnation runs. `false` if that is stale.
    #[must_use]
    pub(crate) fn started(&mut self, id: ChildId, incarnation: Incarnation, now: Instant) -> bool {
        let Some(entry) = self.present(id, incarnation) else { return false };
        if entry.phase().is_ending() {
            return false;
        }
        if entry.phase() == Phase::Restarting {
            entry.restarts = entry.restarts.saturating_add(1);
            if let Some(trials) = entry.past.as_mut().and_then(|past| past.trials.as_mut()) {
                trials.is_parked = false;
            }
        }
        self.set_phase(id, Phase::Running, now);
        true
    }

    /// The child's incarnation runs, which was asked to end before that was known: it ends as one that ran. Since when it was
    /// away if it had run before; `None` if all that is stale.
    pub(crate) fn started_late(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        now: Instant,
    ) -> Option<Option<Instant>> {
        let entry = self.present(id, incarnation).filter(|entry| entry.phase() == Phase::Cancelling)?;
        let away_since = entry.started_late(now);
        self.inactive -= 1;
        Some(away_since)
    }

    /// The incarnation runs of a child that is told to end before that was noticed. It counts as no restart.
    #[must_use]
    pub(crate) fn started_unnoticed(&mut self, id: ChildId, incarnation: Incarnation, now: Instant) -> bool {
        let is_away = self.present(id, incarnation).is_some_and(|entry| !entry.phase().is_active());
        if is_away {
            self.set_phase(id, Phase::Running, now);
        }
        is_away
    }

    /// A try of a restart goes on.
    pub(crate) fn note_try(&mut self, id: ChildId, now: Instant) {
        if let Some(past) = self.get_mut(id).and_then(|entry| entry.past.as_mut()) {
            past.tried = Some(now);
        }
    }

    /// The child has been asked to end and takes its time.
    pub(crate) fn stopping(&mut self, id: ChildId, now: Instant) {
        self.set_phase(id, Phase::Stopping, now);
    }

    /// The child has been asked to end while it had no incarnation that is known of.
    pub(crate) fn cancelling(&mut self, id: ChildId, now: Instant) {
        self.set_phase(id, Phase::Cancelling, now);
    }

    pub(crate) fn remove(&mut self, id: ChildId) -> Option<Entry<R>> {
        (id.supervisor() == self.supervisor).then_some(())?;
        let entry = self.entries.remove(id.place(), id.number())?;
        self.inactive -= usize::from(!entry.phase().is_active());
        self.supervisors -= usize::from(entry.rules.child_type == ChildType::Supervisor);
        #[cfg(feature = "metrics")]
        self.moved(entry.rules.module, Some(entry.phase()), None);
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
        #[cfg(feature = "metrics")]
        self.moved(entry.rules.module, None, Some(entry.phase()));
    }

    fn set_phase(&mut self, id: ChildId, phase: Phase, now: Instant) {
        let Some(entry) = self.get_mut(id) else { return };
        let before = entry.phase();
        #[cfg(feature = "metrics")]
        let module = entry.rules.module;
        entry.set_phase(phase, now);
        self.inactive = self.inactive + usize::from(!phase.is_active()) - usize::from(!before.is_active());
        #[cfg(feature = "metrics")]
        self.moved(module, Some(before), Some(phase));
    }

    #[cfg(feature = "metrics")]
    fn moved(&self, module: &'static str, from: Option<Phase>, to: Option<Phase>) {
        if let Some(census) = &self.census {
            census.moved(module, from.map(Into::into), to.map(Into::into));
        }
    }
}

#[cfg(test)]
mod tests;
