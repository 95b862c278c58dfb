//! Ending a child: asked, or by force.

use std::time::Duration;

use actix::{Context, Handler};

use super::{
    listening::Follows,
    messages::{ChildHandle, Handle, KillChild, TerminateChild},
    now,
    reply::{owe, Promise, Reply},
    seat::{offender, Seat},
    watch::{Parts, Watched},
    DynamicSupervisor,
};
use crate::{
    children::{Entry, Phase},
    error::TerminateChildError,
    event::{Exit, Fact, Subject},
    exit::ExitReason,
    id::ChildId,
    policy::{is_expected_end, Asked},
    runner::{Ended, NotAlive, Stopped},
    unwind,
};

impl Handler<TerminateChild> for DynamicSupervisor {
    type Result = Reply<Result<(), TerminateChildError>>;

    fn handle(&mut self, TerminateChild(child): TerminateChild, ctx: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        match self.terminate(&child, ctx) {
            Terminated::Now(answer) => Reply::now(answer),
            Terminated::Later(id) => {
                self.await_end(id, promise);
                reply
            }
        }
    }
}

impl Handler<Watched<TerminateChild>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<TerminateChild>, ctx: &mut Context<Self>) {
        let Some(Parts { request: TerminateChild(child), progress }) = watched.take() else { return };
        let limit = self.find(&child).and_then(|id| self.children.get(id)).map(|entry| entry.rules.shutdown.limit());
        progress.begun(limit.unwrap_or_default());
        match self.terminate(&child, ctx) {
            Terminated::Now(answer) => progress.done(answer),
            Terminated::Later(id) => self.await_end(id, progress.into()),
        }
    }
}

enum Terminated {
    Now(Result<(), TerminateChildError>),
    Later(ChildId),
}

impl DynamicSupervisor {
    fn terminate(&mut self, child: &ChildHandle, ctx: &mut Context<Self>) -> Terminated {
        let Some(id) = self.find(child) else { return Terminated::Now(Err(TerminateChildError::NotFound)) };
        match self.tell_to_end(id) {
            Told::NotFound => Terminated::Now(Err(TerminateChildError::NotFound)),
            Told::Stopping => Terminated::Later(id),
            Told::Gone { entry, end } => {
                self.ended_as_told(id, entry, end, ctx);
                Terminated::Now(Ok(()))
            }
        }
    }

    fn await_end(&mut self, id: ChildId, promise: Promise<Result<(), TerminateChildError>>) {
        if let Some(seat) = self.children.seat_mut(id) {
            owe(&mut seat.rare().terminators, promise);
        }
    }

    /// Tells a child to end, as its shutdown says. A second time joins the first.
    pub(super) fn tell_to_end(&mut self, id: ChildId) -> Told {
        let Some(entry) = self.children.get(id) else { return Told::NotFound };
        if entry.phase().is_ending() {
            return Told::Stopping;
        }
        // Before it is asked: its hooks may take their time, and others look from their own threads.
        self.open_key(id, false);
        let shutdown = entry.rules.shutdown;
        let end = match entry.seat.runner.stop(shutdown) {
            Stopped::Stopping => {
                if entry.seat.runner.is_here() || entry.phase().is_active() {
                    self.note_start(id);
                    self.children.stopping(id, now());
                } else {
                    self.children.cancelling(id, now());
                }
                self.drop_starter(id);
                return Told::Stopping;
            }
            Stopped::Ended(ended) => {
                let is_noticed = entry.phase().is_active();
                if let Some(panic) = &ended.residue {
                    self.teller.tell(&Fact::Residue { of: Subject::Child(offender(id, entry)), panic }, now);
                }
                if !is_noticed {
                    self.note_start(id);
                }
                Some(End { asked: shutdown.into(), ended })
            }
            // The notice of its end is still in the mailbox; it will find the entry gone. Of an asynchronous start even the
            // notice that it began may be.
            Stopped::NotAlive(NotAlive::Dead(Some((ended, reason)))) if ended == entry.incarnation => {
                self.note_start(id);
                Some(End { asked: Asked::TooLate, ended: Ended::with(reason) })
            }
            Stopped::NotAlive(NotAlive::Starting | NotAlive::Dead(_)) => None,
        };
        match self.children.remove(id) {
            Some(entry) => Told::Gone { entry, end },
            None => Told::NotFound,
        }
    }

    /// A child that is told to end between its asynchronous start and the notice of it has run for all that.
    fn note_start(&mut self, id: ChildId) {
        let Some(entry) = self.children.get(id).filter(|entry| !entry.phase().is_active()) else { return };
        let (incarnation, phase, since) = (entry.incarnation, entry.phase(), entry.since());
        if self.children.started_unnoticed(id, incarnation, now()) {
            self.tell_listeners_of(id, |child| match phase {
                Phase::Starting => Fact::Started { child },
                _ => Fact::Restarted { child, since },
            });
        }
    }

    /// A child that is told to end between its asynchronous start and the notice of it never was one to its starter.
    fn drop_starter(&mut self, id: ChildId) {
        let starter = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut()?.starter.take());
        if let Some(answer) = starter {
            let error = self.cut_off();
            let _ = unwind::guard(|| answer(Err(error)));
        }
    }

    /// A child is gone that was told to go.
    pub(super) fn ended_as_told(
        &mut self,
        id: ChildId,
        mut entry: Entry<Seat>,
        end: Option<End>,
        ctx: &mut Context<Self>,
    ) {
        let incarnation = entry.incarnation;
        if let Some(End { asked, ended }) = &end {
            let child = offender(id, &entry);
            let is_expected = is_expected_end(*asked, entry.rules.restart, &ended.reason);
            if ended.overran {
                self.teller.tell(&Fact::Overran { child }, now);
            }
            if self.was_killed_at_deadline(*asked, ended) {
                self.teller.tell(&Fact::KilledAtDeadline { child }, now);
            }
            let exit = Exit {
                reason: &ended.reason,
                began: entry.began(),
                asked: *asked != Asked::TooLate,
                comes_back: false,
            };
            if is_expected {
                self.teller.tell(&Fact::Ended { child, exit }, now);
            } else {
                self.teller.tell(&Fact::EndedOddly { child, exit }, now);
                if self.is_open() {
                    self.teller.tell(&Fact::ShutdownError { child, reason: &ended.reason }, now);
                }
            }
            self.note_end(child, &entry.rules, ended, is_expected);
            self.tell_watchers_of(id, incarnation, &mut entry, exit, Follows::Nothing);
        } else if entry.last_exit().is_some() {
            let exit = Exit { reason: &ExitReason::Shutdown, began: None, asked: true, comes_back: false };
            self.teller.tell(&Fact::EndedOddly { child: offender(id, &entry), exit }, now);
        }
        self.forget(id, entry, Err(self.cut_off()), ctx);
        let _ = unwind::dispose(end);
        self.finish_if_done(ctx);
    }

    pub(super) fn find(&mut self, ChildHandle(handle): &ChildHandle) -> Option<ChildId> {
        match handle {
            Handle::Id(id) => Some(*id),
            Handle::Key { actor, key } => self.holder(*actor, key).map(|holder| holder.id),
            Handle::Addr { key, .. } => {
                let children = &self.children;
                let by_addr = self.by_addr.get_or_insert_with(|| {
                    children.iter().map(|(id, entry)| (entry.seat.runner.addr_key(), id)).collect()
                });
                by_addr.get(key).copied()
            }
        }
    }
}

impl Handler<KillChild> for DynamicSupervisor {
    type Result = Reply<Result<(), TerminateChildError>>;

    fn handle(&mut self, KillChild(child): KillChild, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.kill(&child))
    }
}

impl Handler<Watched<KillChild>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<KillChild>, _: &mut Context<Self>) {
        let Some(Parts { request: KillChild(child), progress }) = watched.take() else { return };
        progress.begun(Some(Duration::ZERO));
        progress.done(self.kill(&child));
    }
}

impl DynamicSupervisor {
    /// The end is reported like any other, behind what waits in the mailbox.
    fn kill(&mut self, child: &ChildHandle) -> Result<(), TerminateChildError> {
        let id = self.find(child).filter(|id| self.children.get(*id).is_some()).ok_or(TerminateChildError::NotFound)?;
        if let Some(entry) = self.children.get(id) {
            entry.seat.kill();
        }
        Ok(())
    }

    /// Had its time limit passed, or that of its supervisor's stop? Who killed it then does not matter.
    fn was_killed_at_deadline(&self, asked: Asked, ended: &Ended) -> bool {
        let is_overdue = ended.is_overdue || self.closing.as_ref().is_some_and(|closing| closing.is_overdue);
        is_overdue && asked == Asked::Stop && matches!(ended.reason, ExitReason::Killed)
    }
}

/// What became of a child that was told to end.
pub(super) enum Told {
    /// It is out of the table.
    Gone {
        entry: Entry<Seat>,
        end: Option<End>,
    },
    /// It takes its time; its limit runs.
    Stopping,
    NotFound,
}

/// How a child ended that was told to.
pub(super) struct End {
    pub(super) asked: Asked,
    pub(super) ended: Ended,
}
