//! The life of a runner: start, run, report, await the decision, again.

use std::{
    any::Any,
    cell::RefCell,
    future::Future,
    mem,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{self, Poll, Waker},
    time::Duration,
};

use futures::task::noop_waker_ref;
use tokio::time::{sleep_until, Instant, Sleep};

use super::{
    beginning::{Beginning, StartFuture},
    inbox::{Inbox, FEW},
    incarnation::{Incarnation, Over},
    launch::{Birth, Respawn},
    protocol::{Ended, Report, StartFailure, What},
    pump::Door,
    seat::{self, Obituary, Seat, Seated},
};
use crate::{
    exit::ExitReason,
    id,
    spec::{ChildActor, Start, StartContext, StartResult},
    unwind::{self, PanicReport},
};

/// How much longer than its limit a child may keep its thread before it is called unresponsive.
const OVERRUN: Duration = Duration::from_secs(1);

/// What stays of a child from its first start to its end.
pub(super) struct Runner<A: ChildActor> {
    pub(super) inbox: Inbox<A>,
    /// `None` for a root: there is nobody to report to, and nobody who starts it again.
    pub(super) birth: Option<Birth>,
    pub(super) life: RefCell<Life<A>>,
}

pub(super) struct Life<A: ChildActor> {
    pub(super) state: State<A>,
    /// Which incarnation ended last, and how.
    pub(super) last_exit: Option<Box<(id::Incarnation, ExitReason)>>,
    /// How to make the actor again; `None` for temporary children and roots.
    pub(super) spec: Option<Box<dyn Respawn<A> + Send>>,
    /// Wakes the runner's task.
    waker: Option<Waker>,
}

// Nearly all are alive nearly always: a box would cost an allocation per incarnation and save nothing.
#[allow(clippy::large_enum_variant)]
pub(super) enum State<A: ChildActor> {
    /// The start goes on.
    Starting(Beginning<A>),
    /// The actor lives. With a deadline it has been asked to stop.
    Alive { incarnation: Incarnation<A>, deadline: Deadline },
    /// Between two incarnations; the mailbox is open, the supervisor decides.
    Dead,
    /// Dead, and told to say when the next is due.
    Waiting { timer: Deadline, next: id::Incarnation },
    /// For good.
    Over,
}

pub(super) type Deadline = Option<Pin<Box<Sleep>>>;

impl<A: ChildActor> Runner<A> {
    // Made where it is put: inlined, it is copied twice.
    #[inline(never)]
    pub(super) fn new(inbox: Inbox<A>, birth: Option<Birth>) -> Rc<Self> {
        let life = Life { state: State::Dead, last_exit: None, spec: None, waker: None };
        Rc::new(Self { inbox, birth, life: RefCell::new(life) })
    }

    /// Makes this the runner whose incarnation is being polled, or ends, until the guard is dropped.
    // At each poll, and in most commands: calling it costs as much as it does.
    #[inline(always)]
    pub(super) fn sit(self: &Rc<Self>) -> Seated {
        let watch = if self.inbox.is_watched() { Some(self.watch()) } else { None };
        seat::take(Rc::clone(self) as Rc<dyn Seat>, watch)
    }

    pub(super) fn start_context(
        &self,
        incarnation: id::Incarnation,
        last_exit: Option<ExitReason>,
    ) -> Option<StartContext<A>> {
        let birth = self.birth.as_ref()?;
        Some(StartContext {
            addr: self.inbox.weak_addr()?,
            id: birth.id(),
            incarnation,
            last_exit,
            inherited: Arc::clone(&birth.link.inherited),
        })
    }

    /// A start that goes on, when its turn has come.
    pub(super) fn starting(&self, future: StartFuture<A>, limit: Option<Duration>) -> State<A> {
        let turn = self.birth.as_ref().and_then(|birth| birth.link.starts.queue());
        State::Starting(Beginning::new(future, turn, limit))
    }

    /// Turns the good answer of a start into an incarnation and polls it for the first time: runs `started`.
    ///
    /// `Ok(Some(_))`: it started and then ended, in one poll.
    pub(super) fn conclude(
        self: &Rc<Self>,
        life: &mut Life<A>,
        result: StartResult<A>,
        cx: &mut task::Context<'_>,
    ) -> Result<Option<Ended>, StartFailure> {
        let mut actor = match result {
            Ok(Start::Run(actor)) => actor,
            // What was to be handed to a caller has been split off before.
            Ok(Start::RunWith(actor, ())) => actor,
            Ok(Start::Ignore) => return Err(StartFailure::Ignored),
            Err(error) => return Err(StartFailure::Error(error)),
        };
        self.new_span();
        let _seated = self.sit();
        let mut ctx = self.inbox.context();
        if self.inbox.incarnation() > id::Incarnation::FIRST {
            if let Err(report) = unwind::guard(|| actor.restarting(&mut ctx)) {
                // One by one: two panicking destructors in one drop abort.
                self.note(unwind::dispose(actor));
                self.note(unwind::dispose(ctx));
                return Err(StartFailure::Panicked(report));
            }
        }
        life.state = State::Alive { incarnation: Incarnation::new(actor, ctx), deadline: None };
        let State::Alive { incarnation, .. } = &mut life.state else { return Ok(None) };
        let Poll::Ready(over) = incarnation.poll(&self.inbox, cx) else { return Ok(None) };
        let has_started = self.inbox.door() != Door::Untried;
        match life.bury(&self.inbox, |incarnation, inbox| incarnation.end(over, inbox)) {
            Some(ended) if has_started => {
                life.note_exit(self.inbox.incarnation(), &ended);
                Ok(Some(ended))
            }
            Some(Ended { reason, residue, .. }) => {
                self.note(residue.map_or(Ok(()), Err));
                Err(match reason {
                    ExitReason::Panicked(report) => StartFailure::Panicked(report),
                    reason => StartFailure::Exited(reason),
                })
            }
            None => Ok(None),
        }
    }

    /// One poll of the runner's task.
    ///
    /// User code is called without a guard of its own only where an incarnation is polled: a panic out of here is one of
    /// that incarnation's, see [`panicked`](Self::panicked).
    pub(super) fn turn(self: &Rc<Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let life = &mut *self.life.borrow_mut();
        // Once: the waker of a task is the same for all its life.
        life.waker.get_or_insert_with(|| cx.waker().clone());
        loop {
            match &mut life.state {
                State::Alive { incarnation, deadline } => {
                    let _seated = self.sit();
                    // The deadline first: a child that keeps itself busy must not outrun it.
                    let over = if has_passed(deadline, cx) {
                        None
                    } else {
                        let polled = incarnation.poll_unguarded(&self.inbox, cx);
                        self.tell_residue();
                        match polled {
                            Poll::Pending => return Poll::Pending,
                            Poll::Ready(over) => Some(over),
                        }
                    };
                    self.exited(life, over);
                }
                State::Starting(beginning) => {
                    let Poll::Ready(answer) = beginning.poll(cx) else { return Poll::Pending };
                    self.drop_start(life);
                    self.tell_residue();
                    match answer.and_then(|result| self.conclude(life, result, cx)) {
                        Ok(lived) => {
                            self.report(What::Started);
                            self.tell_lived(lived);
                        }
                        Err(failure) => self.not_started(life, failure),
                    }
                }
                State::Waiting { timer, next } => {
                    if !has_passed(timer, cx) {
                        return Poll::Pending;
                    }
                    let next = *next;
                    life.state = State::Dead;
                    self.report(What::Due(next));
                }
                State::Dead => return Poll::Pending,
                State::Over => {
                    let _seated = self.sit();
                    let are_more = self.inbox.drop_some(FEW);
                    self.tell_residue();
                    if are_more {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    return Poll::Ready(());
                }
            }
        }
    }

    /// What follows a turn that panicked: the incarnation being polled did. Should it ever be the runner itself, its end
    /// must be told all the same, or its supervisor would take it for alive for ever.
    #[cold]
    pub(super) fn panicked(self: &Rc<Self>, report: PanicReport) -> Poll<()> {
        let life = &mut *self.life.borrow_mut();
        let _seated = self.sit();
        self.tell_residue();
        match life.state {
            State::Alive { .. } => self.exited(life, Some(Over::by_panic(report, &self.inbox))),
            State::Starting(_) | State::Waiting { .. } | State::Dead => {
                self.drop_start(life);
                self.tell_exit(life, Ended::with(ExitReason::Panicked(report)));
            }
            State::Over => {}
        }
        life.wake();
        Poll::Pending
    }

    /// A start that took its time has come to nothing.
    ///
    /// Its supervisor ends a child in the turn in which it answers that its first start failed. One elsewhere has to have
    /// ended before.
    pub(super) fn not_started(self: &Rc<Self>, life: &mut Life<A>, failure: StartFailure) {
        if self.inbox.is_elsewhere() && self.inbox.incarnation() == id::Incarnation::FIRST {
            let _seated = self.sit();
            self.leave(life);
            self.tell_undelivered();
        }
        self.report(What::NotStarted(failure));
    }

    /// The incarnation has ended outside of any command, `None` by force: the supervisor is told, a root is over.
    pub(super) fn exited(&self, life: &mut Life<A>, over: Option<Over>) {
        let limit = match &life.state {
            State::Alive { deadline, .. } => deadline.as_ref().map(|sleep| sleep.deadline()),
            _ => None,
        };
        // Before its destructors take their time.
        let is_overdue = over.is_none() && limit.is_some_and(|limit| Instant::now() >= limit);
        let ended = life.bury(&self.inbox, |incarnation, inbox| match over {
            Some(over) => incarnation.end(over, inbox),
            None => incarnation.kill(inbox),
        });
        if let Some(ended) = ended {
            self.tell_exit(life, Ended { overran: limit.is_some_and(has_overrun), is_overdue, ..ended });
        }
    }

    fn tell_exit(&self, life: &mut Life<A>, ended: Ended) {
        if self.inbox.is_leaving() {
            self.leave(life);
            self.tell_undelivered();
            self.report(What::Gone(Some(ended)));
        } else if self.birth.is_some() {
            life.note_exit(self.inbox.incarnation(), &ended);
            self.report(What::Exited(ended));
        } else {
            life.state = State::Over;
            self.inbox.close();
            self.inbox.publish();
        }
    }

    pub(super) fn drop_start(&self, life: &mut Life<A>) {
        let start = mem::replace(&mut life.state, State::Dead);
        self.note(unwind::dispose(start));
    }

    /// Ends for good, with hooks if an actor lives, and tells how it ended.
    pub(super) fn finish(self: &Rc<Self>, life: &mut Life<A>, reason: ExitReason) -> Option<What> {
        let _seated = self.sit();
        let told = match &life.state {
            State::Alive { .. } => {
                life.bury(&self.inbox, |incarnation, inbox| incarnation.dismiss(reason, inbox)).map(What::Exited)
            }
            State::Starting(_) => {
                let _ = unwind::guard(|| life.state = State::Dead);
                Some(What::NotStarted(StartFailure::Exited(reason)))
            }
            State::Waiting { .. } | State::Dead | State::Over => None,
        };
        self.leave(life);
        told
    }

    /// Closes the mailbox and drops the spec: nothing comes any more.
    pub(super) fn leave(&self, life: &mut Life<A>) {
        life.state = State::Over;
        let spec = life.spec.take().or_else(|| self.inbox.shared()?.take_spec());
        self.inbox.note_residue(unwind::dispose(spec));
        self.inbox.close();
        self.inbox.publish();
        life.wake();
    }

    /// Tells the end of an incarnation that ended in its first poll.
    pub(super) fn tell_lived(&self, lived: Option<Ended>) {
        if let Some(ended) = lived {
            self.report(What::Exited(ended));
        }
    }

    pub(super) fn report(&self, what: What) {
        if let Some(birth) = &self.birth {
            // Where nobody takes the report it is dropped, and what it holds is user code.
            let incarnation = self.inbox.incarnation();
            let _ = unwind::guard(|| birth.link.reports.report(Report { child: birth.id(), incarnation, what }));
        }
    }

    /// Tells what was left in the queue, if something was.
    pub(super) fn tell_undelivered(&self) {
        match self.inbox.take_undelivered() {
            0 => {}
            undelivered => self.report(What::Undelivered(undelivered)),
        }
    }

    /// Tells of a panic that was contained deeper down.
    pub(super) fn tell_residue(&self) {
        if let Some(residue) = self.inbox.take_residue() {
            self.report(What::Residue(residue));
        }
    }

    /// Tells of a panic that changes nothing else.
    pub(super) fn note(&self, disposed: Result<(), PanicReport>) {
        if let Err(residue) = disposed {
            self.report(What::Residue(residue));
        }
    }
}

impl<A: ChildActor> Seat for Runner<A> {
    fn lose_pump(&self) {
        self.inbox.lose_pump();
    }

    fn name_exit(&self, address: &dyn Any, reason: ExitReason) {
        self.inbox.name_exit(address, reason);
    }

    fn ending(&self) -> Option<ExitReason> {
        (self.inbox.door() == Door::Shut).then(|| self.inbox.exit()).flatten()
    }

    fn after_burial(&self, tell: Obituary) {
        self.inbox.after_burial(tell);
    }

    fn leave_words(&self, words: Rc<dyn Any>) {
        self.inbox.leave_words(words);
    }

    fn last_words(&self) -> Option<Rc<dyn Any>> {
        self.inbox.last_words()
    }
}

impl<A: ChildActor> Life<A> {
    /// Ends the incarnation, if there is one, and drops it where it lies; the state is then `Dead`.
    pub(super) fn bury(
        &mut self,
        inbox: &Inbox<A>,
        end: impl FnOnce(&mut Incarnation<A>, &Inbox<A>) -> Ended,
    ) -> Option<Ended> {
        let State::Alive { incarnation, .. } = &mut self.state else { return None };
        let mut ended = end(incarnation, inbox);
        if let Err(panic) = unwind::guard(|| self.state = State::Dead) {
            ended.residue.get_or_insert(panic);
        }
        Some(ended)
    }

    pub(super) fn note_exit(&mut self, incarnation: id::Incarnation, ended: &Ended) {
        let exit = (incarnation, ended.reason.clone());
        match &mut self.last_exit {
            Some(last) => **last = exit,
            None => self.last_exit = Some(Box::new(exit)),
        }
    }

    /// After an inline poll, whose waker wakes nobody, the task has to look for itself.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// The runner as a task on its arbiter. Dropped before its time when the arbiter goes.
pub(super) struct Task<A: ChildActor>(pub(super) Rc<Runner<A>>);

impl<A: ChildActor> Future for Task<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        unwind::guard(|| self.0.turn(cx)).unwrap_or_else(|report| self.0.panicked(report))
    }
}

impl<A: ChildActor> Drop for Task<A> {
    fn drop(&mut self) {
        if let Ok(mut life) = self.0.life.try_borrow_mut() {
            if !matches!(life.state, State::Over) {
                if let Some(what) = self.0.finish(&mut life, ExitReason::ArbiterGone) {
                    if let What::Exited(ended) = &what {
                        // Its supervisor may come to its own end before it comes to the report.
                        life.note_exit(self.0.inbox.incarnation(), ended);
                    }
                    self.0.report(what);
                }
            }
            let _seated = self.0.sit();
            self.0.inbox.drop_some(usize::MAX);
            self.0.tell_residue();
        }
    }
}

/// For polls inside somebody else's turn. What they leave pending is polled again by the runner's own task.
pub(super) fn inline_context() -> task::Context<'static> {
    task::Context::from_waker(noop_waker_ref())
}

pub(super) fn has_passed(deadline: &mut Deadline, cx: &mut task::Context<'_>) -> bool {
    deadline.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready())
}

/// None without a runtime, that is while the arbiter is being torn down: then there is nothing to wait for either.
pub(super) fn deadline(at: Instant) -> Deadline {
    tokio::runtime::Handle::try_current().ok().map(|_| Box::pin(sleep_until(at)))
}

/// Is it so late that the thread must have been blocked?
pub(super) fn has_overrun(limit: Instant) -> bool {
    Instant::now().saturating_duration_since(limit) > OVERRUN
}
