//! What is left of a child whose arbiter is gone, or blocked, and how it goes on elsewhere.
//!
//! The tasks of an arbiter that goes are dropped, a child's among them. What it needs to go on, its mailbox with all that
//! is queued and its spec, is then reported as [`What::Stranded`], after the end of its last incarnation, and the
//! supervisor [settles](Stranded::settle) it elsewhere, or lets it go. If the supervisor is gone as well, the report is
//! dropped and the mailbox with it.

use std::{collections::VecDeque, iter, mem, rc::Rc, sync::Arc};

use actix::{
    dev::{channel::AddressReceiver, Envelope},
    WeakAddr,
};
use tokio::sync::mpsc::unbounded_channel;

use super::{
    child::{Runner, State},
    inbox::{self, Inbox},
    launch::{Birth, Respawn},
    protocol::{Ended, Leavings, Report, RunnerHandle, StartFailure, What},
    pump::Budget,
    remote::{send, Home, Remote, RemoteTask},
    vitals::Watched,
};
use crate::{exit::ExitReason, id, spec::ChildActor, unwind};

impl<A: ChildActor> Runner<A> {
    /// The arbiter is gone: tells so, and what is left of the child.
    pub(super) fn strand(self: &Rc<Self>) {
        let Ok(mut life) = self.life.try_borrow_mut() else { return };
        let life = &mut *life;
        let _seated = self.sit();
        if matches!(life.state, State::Over) {
            // It has ended before.
        } else if self.inbox.is_leaving() {
            let told = self.finish(life, ExitReason::ArbiterGone);
            self.report(What::Gone(match told {
                Some(What::Exited(ended)) => Some(ended),
                _ => None,
            }));
        } else {
            match &life.state {
                State::Alive { .. } => {
                    let ended = life
                        .bury(&self.inbox, |incarnation, inbox| incarnation.dismiss(ExitReason::ArbiterGone, inbox));
                    if let Some(ended) = ended {
                        life.note_exit(self.inbox.incarnation(), &ended);
                        self.report(What::Exited(Ended { lost_arbiter: true, ..ended }));
                    }
                }
                State::Starting(_) => {
                    self.drop_start(life);
                    // A repeated one is begun elsewhere with what is left.
                    if self.inbox.incarnation() == id::Incarnation::FIRST {
                        self.not_started(life, StartFailure::Exited(ExitReason::ArbiterGone));
                    }
                }
                State::Waiting { .. } | State::Dead | State::Over => {}
            }
            life.state = State::Over;
            self.inbox.publish();
            let shared = self.inbox.shared();
            let estate = Estate {
                front: self.inbox.take_front(),
                handled: self.inbox.handled(),
                watched: self.inbox.is_watched().then(|| self.inbox.watched(|watched| watched.hand_over())),
                receiver: self.inbox.take_receiver(),
                weak_addr: self.inbox.weak_addr(),
                spec: life.spec.take().or_else(|| shared.as_ref()?.take_spec()),
                takes_over: shared.is_some(),
                birth: self.birth.as_ref().map(Birth::again),
                budget: self.inbox.budget(),
                last_exit: life.last_exit.take(),
            };
            // Without a mailbox it has been taken over.
            if estate.receiver.is_some() {
                self.report(What::Stranded(Box::new(estate)));
            }
        }
        self.inbox.drop_some(usize::MAX);
        self.tell_residue();
    }
}

/// What is left of a child whose arbiter is gone.
pub(crate) trait Stranded: Send {
    /// Settles the child at this home, where it waits for orders. If it does not get there it is reported again.
    fn settle(self: Box<Self>, home: Home) -> Option<RunnerHandle>;

    /// Nobody takes it: closes its mailbox, drops its spec, and tells what was left.
    fn close(&mut self) -> Leavings;
}

/// All that a child needs to go on.
pub(super) struct Estate<A: ChildActor> {
    /// Comes before what is in the mailbox.
    pub(super) front: VecDeque<Envelope<A>>,
    /// How many messages its incarnations have handled so far.
    pub(super) handled: u64,
    pub(super) watched: Option<Watched>,
    pub(super) receiver: Option<AddressReceiver<A>>,
    pub(super) weak_addr: Option<WeakAddr<A>>,
    pub(super) spec: Option<Box<dyn Respawn<A> + Send>>,
    pub(super) birth: Option<Birth>,
    pub(super) budget: Budget,
    pub(super) last_exit: Option<Box<(id::Incarnation, ExitReason)>>,
    pub(super) takes_over: bool,
}

impl<A: ChildActor> Stranded for Estate<A> {
    fn settle(self: Box<Self>, home: Home) -> Option<RunnerHandle> {
        let (commands, orders) = unbounded_channel();
        let remote = Remote::new(commands, self.weak_addr.clone()?, self.budget, self.watched.clone());
        let shared = Arc::clone(&remote.shared);
        let settler = Settler(Some(self));
        let arbiter = home.arbiter.clone();
        send(&arbiter, move || {
            let Some(estate) = settler.arrive() else { return };
            let takes_over = estate.takes_over;
            let Some(runner) = estate.runner() else { return };
            if takes_over {
                runner.share(&shared);
            }
            actix_rt::spawn(RemoteTask { runner, orders, home });
        });
        Some(RunnerHandle::new(Rc::new(remote)))
    }

    fn close(&mut self) -> Leavings {
        let mut leavings = Leavings { residue: None, undelivered: 0, last_exit: None };
        let Some(receiver) = self.receiver.take() else { return leavings };
        let (mut left, closed) = inbox::close(receiver);
        let mut messages = mem::take(&mut self.front);
        messages.append(&mut left);
        leavings.undelivered = messages.len();
        let disposed = messages.into_iter().map(unwind::dispose);
        let panics = iter::once(closed).chain(disposed).chain(iter::once_with(|| unwind::dispose(self.spec.take())));
        for panic in panics.filter_map(Result::err) {
            leavings.residue.get_or_insert(panic);
        }
        leavings
    }
}

impl<A: ChildActor> Estate<A> {
    fn runner(mut self) -> Option<Rc<Runner<A>>> {
        let (receiver, addr) = (self.receiver.take()?, self.weak_addr.as_ref()?.upgrade()?);
        let runner = Runner::new(Inbox::new(receiver, &addr, self.budget, false), self.birth.take());
        runner.inbox.set_elsewhere();
        runner.inbox.lay_aside(mem::take(&mut self.front));
        runner.inbox.set_handled(self.handled);
        if let Some(watched) = self.watched.take() {
            runner.inbox.watched(|own| *own = watched);
        }
        let mut life = runner.life.borrow_mut();
        life.spec = self.spec.take();
        life.last_exit = self.last_exit.take();
        drop(life);
        Some(runner)
    }
}

impl<A: ChildActor> Drop for Estate<A> {
    /// Its supervisor is gone as well, and nobody is told.
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// A stranded child on its way. If it does not arrive it is stranded still.
struct Settler<A: ChildActor>(Option<Box<Estate<A>>>);

impl<A: ChildActor> Settler<A> {
    fn arrive(mut self) -> Option<Box<Estate<A>>> {
        self.0.take()
    }
}

impl<A: ChildActor> Drop for Settler<A> {
    fn drop(&mut self) {
        let Some(estate) = self.0.take() else { return };
        let Some(birth) = &estate.birth else { return };
        let (child, link) = (birth.id(), Arc::clone(&birth.link));
        let incarnation = estate.last_exit.as_ref().map_or(id::Incarnation::FIRST, |last| last.0);
        let _ = unwind::guard(|| link.reports.report(Report { child, incarnation, what: What::Stranded(estate) }));
    }
}
