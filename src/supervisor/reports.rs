//! What runners report, decided by the table and acted on.

use actix::{Context, Handler, Message};

use super::{
    ending::End,
    listening::{self, Follows},
    now,
    seat::{offender, Seat},
    DynamicSupervisor,
};
use crate::{
    children::{AfterExit, Again, Entry},
    event::{Exit, Fact, Offender, Subject},
    id::{ChildId, Incarnation},
    runner::{Ended, Report, What},
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
            What::Undelivered(undelivered) => self.tell_undelivered(child, undelivered),
            What::Residue(panic) => self.teller.tell(&Fact::Residue { of: Subject::Former(child), panic: &panic }, now),
        }
        self.summarise_later(ctx);
    }
}

impl DynamicSupervisor {
    pub(super) fn exited(&mut self, id: ChildId, incarnation: Incarnation, ended: Ended, ctx: &mut Context<Self>) {
        // Told even of a child that is out of the table: it was terminated between its end and this notice of it.
        if let Some(panic) = &ended.residue {
            let child = |entry| Subject::Child(Offender { incarnation, ..offender(id, entry) });
            let of = self.children.get(id).map_or(Subject::Former(id), child);
            self.teller.tell(&Fact::Residue { of, panic }, now);
        }
        if self.has_crossed(id, incarnation, &ended) {
            return;
        }
        // Asked before: what follows changes it.
        let began = self.children.get(id).and_then(Entry::began);
        let exit = |comes_back| Exit { reason: &ended.reason, began, asked: false, comes_back };
        match self.after_exit(id, incarnation, &ended) {
            AfterExit::Stale => {}
            AfterExit::Again(mut again) => {
                match &mut again {
                    Again::GiveUpOn(entry) | Again::GiveUp(entry) => {
                        self.tell_ended(id, incarnation, entry, exit(false));
                    }
                    Again::Restart(_) | Again::Wait(_) => self.tell_ended_but_back(id, incarnation, exit(true)),
                }
                self.again(id, again, ctx);
            }
            AfterExit::Forget(mut entry) => {
                self.tell_ended(id, incarnation, &mut entry, exit(false));
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
            self.teller.tell(&fact(offender(id, entry)), now);
        }
    }

    /// The same for all but the log, where a start that was noticed too late is not worth a line.
    pub(super) fn tell_listeners_of(&mut self, id: ChildId, fact: impl for<'a> FnOnce(Offender<'a>) -> Fact<'a>) {
        if let Some(entry) = self.children.get(id) {
            self.teller.tell_listeners(&fact(offender(id, entry)), now);
        }
    }

    /// An incarnation has ended, unasked, and its child with it.
    fn tell_ended(&mut self, id: ChildId, incarnation: Incarnation, entry: &mut Entry<Seat>, exit: Exit<'_>) {
        let child = Offender { incarnation, ..offender(id, entry) };
        self.teller.tell(&ended_fact(child, exit), now);
        self.tell_watchers_of(id, incarnation, entry, exit, Follows::Nothing);
    }

    /// An incarnation has ended, unasked, and is to be followed by another.
    fn tell_ended_but_back(&mut self, id: ChildId, incarnation: Incarnation, exit: Exit<'_>) {
        let Some(entry) = self.children.get(id) else { return };
        let child = Offender { incarnation, ..offender(id, entry) };
        self.teller.tell(&ended_fact(child, exit), now);
        let watchers = self.children.seat_mut(id).and_then(|seat| seat.rare.as_mut()).map(|rare| &mut rare.watchers);
        if let Some(watchers) = watchers {
            listening::tell(watchers, id, incarnation, exit, Follows::Restart);
        }
    }
}

fn ended_fact<'a>(child: Offender<'a>, exit: Exit<'a>) -> Fact<'a> {
    if child.rules.restart.reports(exit.reason) {
        Fact::ChildTerminated { child, exit }
    } else {
        Fact::Ended { child, exit }
    }
}
