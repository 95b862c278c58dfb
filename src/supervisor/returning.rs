//! Starting a child again, and what a start has come to that took time.

use std::mem;

use actix::{AsyncContext, Context, Handler, Message};

use super::{
    listening::Follows,
    now,
    seat::{offender, Seat},
    DynamicSupervisor,
};
use crate::{
    children::{AfterTry, Again, Entry, Phase, Wait},
    error::StartChildError,
    event::{Fact, Offender, Subject},
    exit::ExitReason,
    id::{ChildId, Incarnation},
    runner::{Begun, StartFailure},
    unwind,
};

/// A turn to try a failed restart again, sent by the supervisor to itself: after whatever waits already.
struct Retry {
    child: ChildId,
    incarnation: Incarnation,
}

impl Message for Retry {
    type Result = ();
}

impl Handler<Retry> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Retry { child, incarnation }: Retry, ctx: &mut Context<Self>) {
        if !self.is_open() {
            return;
        }
        if let Some(again) = self.children.retry(child, incarnation, now()) {
            self.again(child, again, ctx);
        }
        self.summarise_later(ctx);
    }
}

impl DynamicSupervisor {
    /// A child has to come back.
    pub(super) fn again(&mut self, id: ChildId, again: Again<Seat>, ctx: &mut Context<Self>) {
        #[cfg(feature = "metrics")]
        self.measure_limit(ctx);
        if self.children.has_come_near() {
            let usage = self.children.usage(now());
            self.tell(&Fact::LimitNear { usage });
        }
        match again {
            Again::Restart(next) => self.begin(id, next, ctx),
            Again::Wait(wait) => self.wait(id, wait, ctx),
            Again::GiveUpOn(entry) => {
                let lives: Vec<_> = entry.lives().cloned().collect();
                self.teller.tell(&Fact::GaveUp { child: offender(id, &entry), lives: &lives }, now);
                self.forget(id, entry, Err(StartChildError::Terminated), ctx);
            }
            Again::GiveUp(entry) => self.give_up(id, entry, ctx),
        }
    }

    /// A child waits before it is tried again. The runner has the timer: Actix walks all of a context's on every wake.
    fn wait(&mut self, id: ChildId, Wait { next, delay, tries, panic }: Wait, ctx: &mut Context<Self>) {
        if let (Some(panic), Some(entry)) = (&panic, self.children.get(id)) {
            let child = Offender { incarnation: next, ..offender(id, entry) };
            self.teller.tell(&Fact::Residue { of: Subject::Child(child), panic }, now);
        }
        if delay.is_zero() {
            return self.begin(id, next, ctx);
        }
        self.tell_of(id, |child| Fact::Waits { child, delay, attempt: tries });
        if let Some(entry) = self.children.get(id) {
            entry.seat.runner.wait(next, delay);
        }
    }

    /// A child has waited.
    pub(super) fn due(&mut self, id: ChildId, next: Incarnation, ctx: &mut Context<Self>) {
        if self.is_open() && self.children.is_due(id, next) {
            self.begin(id, next, ctx);
        }
    }

    /// Begins the next incarnation of a child, inline if it can be.
    fn begin(&mut self, id: ChildId, incarnation: Incarnation, ctx: &mut Context<Self>) {
        let Some(entry) = self.children.get(id) else { return };
        match entry.seat.runner.begin(incarnation) {
            Begun::Running => {
                let since = entry.since();
                if self.children.started(id, incarnation, now()) {
                    self.tell_of(id, |child| Fact::Restarted { child, since });
                }
            }
            Begun::Starting => {
                self.children.note_try(id, now());
                self.note_beginning(id);
            }
            Begun::Not(failure) => self.not_started(id, incarnation, failure, ctx),
        }
    }

    /// An asynchronous start has succeeded, the first or a repeated one.
    pub(super) fn started_later(&mut self, id: ChildId, incarnation: Incarnation, ctx: &mut Context<Self>) {
        let since = self.children.get(id).map_or_else(now, Entry::since);
        if !self.children.started(id, incarnation, now()) {
            match self.children.started_late(id, incarnation, now()) {
                None => {}
                Some(None) => self.tell_listeners_of(id, |child| Fact::Started { child }),
                Some(Some(since)) => self.tell_listeners_of(id, |child| Fact::Restarted { child, since }),
            }
            return;
        }
        self.note_thread(id);
        self.open_key(id, true);
        let rare = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut());
        let (starter, waiters) = match rare {
            Some(rare) => {
                rare.is_beginning = false;
                (rare.starter.take(), mem::take(&mut rare.waiters))
            }
            None => (None, Vec::new()),
        };
        match starter {
            Some(answer) => {
                self.tell_of(id, |child| Fact::Started { child });
                let _ = unwind::guard(|| answer(Ok(())));
            }
            None => self.tell_of(id, |child| Fact::Restarted { child, since }),
        }
        self.serve(waiters, ctx);
    }

    pub(super) fn not_started_later(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        failure: StartFailure,
        ctx: &mut Context<Self>,
    ) {
        let is_ending = |entry: &Entry<Seat>| entry.phase().is_ending() && !entry.seat.runner.is_here();
        if incarnation > Incarnation::FIRST && self.children.get(id).is_some_and(is_ending) {
            // This and the order to end have crossed: that it is gone will be reported. Of a first start this is that report.
            let _ = unwind::dispose(failure);
        } else {
            self.not_started(id, incarnation, failure, ctx);
        }
    }

    fn not_started(&mut self, id: ChildId, incarnation: Incarnation, failure: StartFailure, ctx: &mut Context<Self>) {
        match self.children.not_started(id, incarnation, matches!(failure, StartFailure::Ignored)) {
            AfterTry::Stale => drop(unwind::dispose(failure)),
            AfterTry::TryAgain(incarnation) => {
                if let Some(entry) = self.children.get(id) {
                    let child = Offender { incarnation, ..offender(id, entry) };
                    self.teller.tell(&Fact::StartError { child, failure: &failure }, now);
                }
                self.children.note_failed_try(id, incarnation, failure.as_exit(), now());
                let _ = unwind::dispose(failure);
                if let Some(rare) = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut()) {
                    rare.is_beginning = false;
                }
                ctx.address().do_send(Retry { child: id, incarnation });
            }
            AfterTry::Forget(entry) if entry.phase().is_ending() => {
                let _ = unwind::dispose(failure);
                self.ended_as_told(id, entry, None, ctx);
            }
            AfterTry::Forget(mut entry) => {
                let child = Offender { incarnation, ..offender(id, &entry) };
                if entry.phase() == Phase::Restarting {
                    self.teller.tell(&Fact::Declined { child }, now);
                } else {
                    // One that declines is no failure.
                    if !matches!(failure, StartFailure::Ignored) {
                        self.teller.tell(&Fact::StartFailed { child, failure: &failure }, now);
                    }
                    self.tell_watchers(id, &mut entry, failure.as_exit(), Follows::Nothing);
                }
                self.forget(id, entry, Err(failure.into()), ctx);
            }
        }
    }

    /// The restart limit is exceeded: that child is dropped, the supervisor ends.
    pub(super) fn give_up(&mut self, id: ChildId, entry: Entry<Seat>, ctx: &mut Context<Self>) {
        let lives: Vec<_> = entry.lives().cloned().collect();
        self.teller.tell(&Fact::LimitReached { child: offender(id, &entry), lives: &lives }, now);
        self.forget(id, entry, Err(StartChildError::ShuttingDown), ctx);
        self.close(Some(ExitReason::Shutdown), ctx);
    }
}
