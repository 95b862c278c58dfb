//! What runners report, decided by the table and acted on.

use actix::{Context, Handler, Message};

use super::{ending::End, now, DynamicSupervisor};
use crate::{
    children::{AfterExit, Again},
    event::{Fact, Offender, Subject},
    exit::ExitReason,
    id::{ChildId, Incarnation},
    runner::{Ended, Report, What},
    spec::Rules,
    unwind,
};

impl Message for Report {
    type Result = ();
}

impl Handler<Report> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Report { child, incarnation, what }: Report, ctx: &mut Context<Self>) {
        match what {
            What::Started => self.started_later(child, incarnation, ctx),
            What::NotStarted(failure) => self.not_started_later(child, incarnation, failure, ctx),
            What::Due(next) => self.due(child, next, ctx),
            What::Exited(ended) => self.exited(child, incarnation, ended, ctx),
            What::Gone(ended) => self.gone(child, incarnation, ended, ctx),
            What::Stranded(estate) => self.stranded(child, estate, ctx),
            What::Residue(panic) => self.teller.tell(&Fact::Residue { of: Subject::Former(child), panic: &panic }, now),
        }
        self.summarise_later(ctx);
    }
}

impl DynamicSupervisor {
    pub(super) fn exited(&mut self, id: ChildId, incarnation: Incarnation, ended: Ended, ctx: &mut Context<Self>) {
        // Told even of a child that is out of the table: it was terminated between its end and this notice of it.
        if let Some(panic) = &ended.residue {
            let of = self
                .children
                .get(id)
                .map_or(Subject::Former(id), |entry| Subject::Child(Offender { id, incarnation, rules: &entry.rules }));
            self.teller.tell(&Fact::Residue { of, panic }, now);
        }
        if self.has_crossed(id, incarnation, &ended) {
            return;
        }
        match self.after_exit(id, incarnation, &ended) {
            AfterExit::Stale => {}
            AfterExit::Again(again) => {
                let entry = match &again {
                    Again::GiveUpOn(entry) | Again::GiveUp(entry) => Some(entry),
                    Again::Restart(_) | Again::Wait(_) => self.children.get(id),
                };
                if let Some(entry) = entry {
                    tell_ended(&mut self.teller, id, incarnation, &entry.rules, &ended.reason);
                }
                self.again(id, again, ctx);
            }
            AfterExit::Forget(entry) => {
                tell_ended(&mut self.teller, id, incarnation, &entry.rules, &ended.reason);
                self.forget(id, entry, Ok(()), ctx);
            }
            AfterExit::Stopped(entry) => {
                let asked = entry.rules.shutdown.into();
                self.ended_as_told(id, entry, Some(End { asked, ended: ended.clone() }), ctx);
            }
        }
        let _ = unwind::dispose(ended);
    }
}

impl DynamicSupervisor {
    pub(super) fn tell_of(&mut self, id: ChildId, fact: impl for<'a> FnOnce(Offender<'a>) -> Fact<'a>) {
        if let Some(entry) = self.children.get(id) {
            let child = Offender { id, incarnation: entry.incarnation, rules: &entry.rules };
            self.teller.tell(&fact(child), now);
        }
    }
}

fn tell_ended(
    teller: &mut crate::event::Teller,
    id: ChildId,
    incarnation: Incarnation,
    rules: &Rules,
    reason: &ExitReason,
) {
    let child = Offender { id, incarnation, rules };
    let fact = if rules.restart.reports(reason) {
        Fact::ChildTerminated { child, reason }
    } else {
        Fact::Ended { child, reason }
    };
    teller.tell(&fact, now);
}
