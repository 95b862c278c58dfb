//! What follows an end, or a try that came to nothing: does the child come back, and when?

use std::time::{Duration, Instant};

use super::{Children, Entry, Life, Phase};
use crate::{
    exit::ExitReason,
    id::{ChildId, Incarnation},
    policy::{Budget, GiveUp, RestartWindow},
    unwind::PanicReport,
};

/// What follows the end of an incarnation.
#[must_use]
pub(crate) enum AfterExit<R> {
    /// About an incarnation that is not the present one, or of a child that is no more.
    Stale,
    /// It has to come back.
    Again(Again<R>),
    /// It stays gone.
    Forget(Entry<R>),
    /// It was asked to end, and has.
    Stopped(Entry<R>),
}

/// Whether, and when, a child that has to come back does.
#[must_use]
pub(crate) enum Again<R> {
    /// Begin this incarnation.
    Restart(Incarnation),
    /// Begin it after a delay.
    Wait(Wait),
    /// Its own restarts are used up: it is gone, and nobody else is.
    GiveUpOn(Entry<R>),
    /// Once more than the limit allows: the supervisor must end.
    GiveUp(Entry<R>),
}

pub(crate) struct Wait {
    pub(crate) next: Incarnation,
    pub(crate) delay: Duration,
    /// Which try it is since the child last ran for long.
    pub(crate) tries: u32,
    /// The user's function that was to tell the delay panicked.
    pub(crate) panic: Option<PanicReport>,
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

impl<R> Children<R> {
    /// A start came to nothing; `declined` if it said so itself.
    pub(crate) fn not_started(&mut self, id: ChildId, incarnation: Incarnation, declined: bool) -> AfterTry<R> {
        match self.present(id, incarnation).map(|entry| entry.phase()) {
            None | Some(Phase::Running) => AfterTry::Stale,
            Some(Phase::Restarting) if !declined => AfterTry::TryAgain(incarnation),
            Some(Phase::Starting | Phase::Restarting | Phase::Stopping | Phase::Cancelling) => {
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
        let last_lives = self.last_lives;
        let Some(entry) = self.present(id, incarnation) else { return AfterExit::Stale };
        entry.note_end(reason, now, last_lives);
        let (phase, restart, ran_since) = (entry.phase(), entry.rules.restart, entry.since());
        match phase {
            Phase::Stopping | Phase::Cancelling => self.remove(id).map_or(AfterExit::Stale, AfterExit::Stopped),
            Phase::Starting | Phase::Restarting => AfterExit::Stale,
            Phase::Running if !restart.applies_to(reason) => {
                self.remove(id).map_or(AfterExit::Stale, AfterExit::Forget)
            }
            Phase::Running => {
                self.set_phase(id, Phase::Restarting, now);
                self.forget_tries(id, now.saturating_duration_since(ran_since));
                self.again(id, now).map_or(AfterExit::Stale, AfterExit::Again)
            }
        }
    }

    /// An incarnation has ended because its arbiter has gone, which is no fault of the child's.
    ///
    /// Rule: it counts in the supervisor's limit once for the arbiter, and not once for each child on it.
    pub(crate) fn lost_arbiter(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        is_counted: bool,
        now: Instant,
    ) -> AfterExit<R> {
        let is_running = self.present(id, incarnation).is_some_and(|entry| entry.phase() == Phase::Running);
        let comes_back = self.get(id).is_some_and(|entry| entry.rules.restart.applies_to(&ExitReason::ArbiterGone));
        if is_counted || !is_running || !comes_back {
            return self.exited(id, incarnation, &ExitReason::ArbiterGone, now);
        }
        let last_lives = self.last_lives;
        let Some(entry) = self.get_mut(id) else { return AfterExit::Stale };
        entry.note_end(&ExitReason::ArbiterGone, now, last_lives);
        self.set_phase(id, Phase::Restarting, now);
        let Some(entry) = self.get_mut(id) else { return AfterExit::Stale };
        entry.incarnation = entry.incarnation.next();
        AfterExit::Again(Again::Restart(entry.incarnation))
    }

    /// The turn of a failed try has come again. `None`, that is void, if the child was terminated meanwhile.
    pub(crate) fn retry(&mut self, id: ChildId, incarnation: Incarnation, now: Instant) -> Option<Again<R>> {
        match self.present(id, incarnation)?.phase() {
            Phase::Restarting => self.again(id, now),
            _ => None,
        }
    }

    /// The delay before this incarnation is over. `false` if that is stale.
    #[must_use]
    pub(crate) fn is_due(&mut self, id: ChildId, incarnation: Incarnation) -> bool {
        let entry = self.present(id, incarnation).filter(|entry| entry.phase() == Phase::Restarting);
        entry.and_then(Entry::trials).is_some_and(|trials| trials.due.take().is_some())
    }

    /// Rule: each try is noted before it is made, and before it is waited for: in the child's own limit if it has one,
    /// else in the supervisor's. `None` if there is no such child.
    fn again(&mut self, id: ChildId, now: Instant) -> Option<Again<R>> {
        let supervisors = self.backoff.clone();
        let entry = self.get_mut(id)?;
        let (budget, backoff) = match entry.patience() {
            Some(patience) => (patience.budget, patience.backoff.clone().or(supervisors)),
            None => (None, supervisors),
        };
        let parked = match budget {
            Some(budget) => match self.charge(id, budget, now)? {
                Charged::Admitted => None,
                Charged::Parked { every } => Some(every),
                Charged::UsedUp => return self.remove(id).map(Again::GiveUpOn),
                Charged::Escalated if self.admit_restart(now) => None,
                Charged::Escalated => return self.remove(id).map(Again::GiveUp),
            },
            None if self.admit_restart(now) => None,
            None => return self.remove(id).map(Again::GiveUp),
        };
        let entry = self.get_mut(id)?;
        entry.incarnation = entry.incarnation.next();
        let next = entry.incarnation;
        Some(match (parked, backoff) {
            (None, None) => Again::Restart(next),
            (Some(every), _) => Again::Wait(wait(entry, next, now, |_, _| Ok(every))),
            (None, Some(backoff)) => {
                let salt = id.number();
                Again::Wait(wait(entry, next, now, |tries, reason| backoff.delay(tries, reason, salt)))
            }
        })
    }

    /// Notes a try in the supervisor's limit.
    fn admit_restart(&mut self, now: Instant) -> bool {
        let is_admitted = self.window.admit(now);
        self.is_near |= is_admitted && self.window.has_come_near();
        is_admitted
    }

    /// A try of a restart has failed, which belongs to what is told of the child's last lives.
    pub(crate) fn note_failed_try(&mut self, id: ChildId, incarnation: Incarnation, reason: ExitReason, now: Instant) {
        let last_lives = self.last_lives;
        if let Some(entry) = self.present(id, incarnation) {
            let began = entry.past.as_mut().and_then(|past| past.tried.take()).unwrap_or(now);
            entry.note_life(Life { incarnation, began, ended: now, reason, has_started: false }, last_lives);
        }
    }

    /// Notes a try in the child's own limit.
    fn charge(
        &mut self,
        id: ChildId,
        Budget { max_restarts, within, give_up }: Budget,
        now: Instant,
    ) -> Option<Charged> {
        let trials = self.get_mut(id)?.trials()?;
        let window = trials.window.get_or_insert_with(|| RestartWindow::new(max_restarts, within));
        Some(match give_up {
            GiveUp::Park { every } if trials.is_parked => Charged::Parked { every },
            _ if window.admit(now) => Charged::Admitted,
            GiveUp::Park { every } => {
                trials.is_parked = true;
                Charged::Parked { every }
            }
            GiveUp::Remove => Charged::UsedUp,
            GiveUp::Escalate => {
                trials.window = None;
                Charged::Escalated
            }
        })
    }

    /// Rule: tries are forgotten when an incarnation has run for a stable time.
    fn forget_tries(&mut self, id: ChildId, ran_for: Duration) {
        let Some(entry) = self.entries.get_mut(id.place(), id.number()) else { return };
        let own = entry.patience().and_then(|patience| patience.backoff.as_ref());
        let forgets = own.or(self.backoff.as_ref()).is_some_and(|backoff| backoff.forgets(ran_for));
        if let (true, Some(trials)) = (forgets, entry.past.as_mut().and_then(|past| past.trials.as_mut())) {
            trials.tries = 0;
        }
    }
}

/// What came of a note in a child's own limit.
enum Charged {
    Admitted,
    Parked { every: Duration },
    UsedUp,
    Escalated,
}

/// Has a child wait for its next try, and says how long.
fn wait<R>(
    entry: &mut Entry<R>,
    next: Incarnation,
    now: Instant,
    delay: impl FnOnce(u32, &ExitReason) -> Result<Duration, PanicReport>,
) -> Wait {
    let no_delay = Wait { next, delay: Duration::ZERO, tries: 0, panic: None };
    let Some(past) = &mut entry.past else { return no_delay };
    let Some(last_exit) = &past.last_exit else { return no_delay };
    let trials = past.trials.get_or_insert_default();
    trials.tries = trials.tries.saturating_add(1);
    let (delay, panic) = match delay(trials.tries, last_exit) {
        Ok(delay) => (delay, None),
        Err(panic) => (Duration::ZERO, Some(panic)),
    };
    // Later than any clock can tell: it stays away until it is terminated.
    trials.due = (!delay.is_zero()).then(|| now.checked_add(delay).or(now.checked_add(A_CENTURY)).unwrap_or(now));
    Wait { next, delay, tries: trials.tries, panic }
}

const A_CENTURY: Duration = Duration::from_secs(3_155_760_000);
