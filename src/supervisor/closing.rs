//! The end of a supervisor: all children at the same time, then itself.
//!
//! Every child is told to end first, then all are waited for; the total time is that of the slowest. Reports about ends
//! that were not in order follow when all are down, in no particular order of the children.

use std::{mem, rc::Rc, time::Duration};

use actix::{AsyncContext, Context, SpawnHandle};
use tokio::time::Instant;

use super::{
    ending::Told,
    messages::Stop,
    now,
    reply::{owe, Promise},
    DynamicSupervisor,
};
use crate::{
    event::{Fact, Offender},
    exit::ExitReason,
    id::{ChildId, Incarnation},
    key::ChildKey,
    runner::Ended,
    snapshot::ShutdownReport,
    spec::Rules,
};

/// A shutdown under way.
pub(super) struct Closing {
    /// What it will end with; `None`: what its runner makes of it.
    reason: Option<ExitReason>,
    report: ShutdownReport,
    /// Ends to be reported when all are down.
    odd: Vec<OddEnd>,
    askers: Vec<Promise<ShutdownReport>>,
    /// When what still lives is killed, and the timer for that: one, however often it was asked.
    deadline: Option<(Instant, SpawnHandle)>,
    /// It has passed, and what still lived has been killed.
    pub(super) is_overdue: bool,
    /// All children are gone, and the threads of its own are waited for.
    pub(super) is_joining: bool,
}

struct OddEnd {
    id: ChildId,
    incarnation: Incarnation,
    rules: Rc<Rules>,
    key: Option<ChildKey>,
    reason: ExitReason,
}

impl Closing {
    pub(super) fn reason(&self) -> Option<ExitReason> {
        self.reason.clone()
    }

    pub(super) fn take_report(&mut self) -> ShutdownReport {
        mem::take(&mut self.report)
    }

    pub(super) fn answer(self, report: &ShutdownReport) {
        for asker in self.askers {
            asker.keep(report.clone());
        }
    }
}

impl DynamicSupervisor {
    /// Stops, or joins a stop under way; the first reason stands.
    pub(super) fn stop(&mut self, stop: Stop, asker: Promise<ShutdownReport>, ctx: &mut Context<Self>) {
        let Stop { reason, deadline } = stop;
        let was_open = self.is_open();
        let closing = self.begin_closing(Some(reason));
        owe(&mut closing.askers, asker);
        if was_open {
            self.tell_all_to_end(ctx);
        }
        if let (Some(deadline), false) = (deadline, self.children.is_empty()) {
            self.set_deadline(deadline, ctx);
        }
    }

    /// The earliest deadline counts.
    fn set_deadline(&mut self, within: Duration, ctx: &mut Context<Self>) {
        let (Some(closing), Some(at)) = (&mut self.closing, Instant::now().checked_add(within)) else { return };
        if let Some((earlier, timer)) = closing.deadline {
            if earlier <= at {
                return;
            }
            ctx.cancel_future(timer);
        }
        closing.deadline = Some((at, ctx.run_later(within, |supervisor, ctx| supervisor.kill_the_rest(ctx))));
    }

    /// Begins to shut down, unless that has begun.
    pub(super) fn close(&mut self, reason: Option<ExitReason>, ctx: &mut Context<Self>) {
        if self.is_open() {
            self.begin_closing(reason);
            self.tell_all_to_end(ctx);
        }
    }

    fn begin_closing(&mut self, reason: Option<ExitReason>) -> &mut Closing {
        if self.is_open() {
            let children = self.children.counts().specs;
            self.tell(&Fact::ShutdownBegun { children });
        }
        self.closing.get_or_insert_with(|| {
            Box::new(Closing {
                reason,
                report: ShutdownReport::default(),
                odd: Vec::new(),
                askers: Vec::new(),
                deadline: None,
                is_overdue: false,
                is_joining: false,
            })
        })
    }

    fn tell_all_to_end(&mut self, ctx: &mut Context<Self>) {
        let ids: Vec<ChildId> = self.children.iter().map(|(id, _)| id).collect();
        for id in ids {
            // Those that are stopping already, or take their time, are reported when they are down.
            if let Told::Gone { entry, end } = self.tell_to_end(id) {
                self.ended_as_told(id, entry, end, ctx);
            }
        }
        self.watch_the_blocked(ctx);
        self.finish_if_done(ctx);
    }

    /// The deadline has passed: what still lives is killed. Their ends are reported like any other.
    fn kill_the_rest(&mut self, ctx: &mut Context<Self>) {
        if let Some(closing) = &mut self.closing {
            closing.is_overdue = true;
        }
        self.abandon_all_later(ctx);
        for (_, entry) in self.children.iter() {
            debug_assert!(entry.phase().is_ending());
            entry.seat.kill();
        }
    }

    /// Notes a child whose thread is blocked, and which is left behind.
    pub(super) fn note_unresponsive(&mut self, id: ChildId) {
        if let Some(closing) = &mut self.closing {
            closing.report.unresponsive.push(id);
        }
    }

    /// Counts an end while closing.
    pub(super) fn note_end(
        &mut self,
        Offender { id, incarnation, key, .. }: Offender<'_>,
        rules: &Rc<Rules>,
        ended: &Ended,
        is_expected: bool,
    ) {
        let Some(closing) = &mut self.closing else { return };
        if ended.overran {
            closing.report.unresponsive.push(id);
        } else if matches!(ended.reason, ExitReason::Killed) {
            closing.report.killed.push(id);
        } else if ended.reason.is_abnormal() {
            closing.report.failed.push(id);
        } else {
            closing.report.stopped += 1;
        }
        if !is_expected {
            let (rules, key, reason) = (Rc::clone(rules), key.cloned(), ended.reason.clone());
            closing.odd.push(OddEnd { id, incarnation, rules, key, reason });
        }
    }

    /// All children are down: reports, then its own end.
    pub(super) fn finish_if_done(&mut self, ctx: &mut Context<Self>) {
        if !self.children.is_empty() || self.is_joining() {
            return;
        }
        let Some(closing) = &mut self.closing else { return };
        let reason = closing.reason.clone();
        for OddEnd { id, incarnation, rules, key, reason } in mem::take(&mut closing.odd) {
            let child = Offender { id, incarnation, rules: &rules, key: key.as_ref() };
            self.teller.tell(&Fact::ShutdownError { child, reason: &reason }, now);
        }
        self.join_or_leave(reason, ctx);
    }
}
