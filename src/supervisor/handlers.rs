//! Messages and reports, each turned into a call on the table, and the answer acted on.

use std::{cell::RefCell, mem, rc::Rc, time::Duration};

use actix::{AsyncContext, Context, Handler, Message};
use tokio::time::Instant;

use super::{
    messages::{
        AwaitExit, ChildHandle, CountChildren, Handle, KillChild, Parts, Reinit, StartChild, Started, Stop,
        TerminateChild, Watched, WhichChildren,
    },
    now,
    reply::{self, owe, Promise, Reply},
    DynamicSupervisor,
};
use crate::{
    children::{AfterExit, AfterRetry, AfterTry, ChildCounts, Entry, Full, Phase},
    error::{ReinitError, StartChildError, TerminateChildError},
    event::{Fact, Offender, Subject},
    exit::ExitReason,
    id::{ChildId, Incarnation},
    policy::{is_expected_end, Asked},
    runner::{self, Begun, Birth, Ended, Launched, NotAlive, Report, RunnerHandle, StartFailure, Stopped, What},
    snapshot::{ChildInfo, ErasedAddr, ShutdownReport},
    spec::{ChildSpec, Rules},
    unwind::{self, PanicReport},
};

/// What the supervisor keeps beside an entry of the table.
pub(super) struct Seat {
    runner: RunnerHandle,
    /// Who waits for this child; most have nobody.
    waiting: Option<Box<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// Who asked for its first start, while that goes on.
    starter: Option<Starter>,
    terminators: Vec<Promise<Result<(), TerminateChildError>>>,
}

/// What a `StartChild` is answered.
type Outcome<S> = Result<Started<<S as ChildSpec>::Actor, <S as ChildSpec>::Info>, StartChildError>;

type Starter = Box<dyn FnOnce(Result<(), StartChildError>)>;

impl Seat {
    fn new(runner: RunnerHandle) -> Self {
        Self { runner, waiting: None }
    }

    pub(super) fn kill(&self) {
        self.runner.kill();
    }

    /// Ends it for good, whatever it is doing, and tells of a panic on its way out.
    pub(super) fn end(&self) -> Option<PanicReport> {
        self.runner.end()
    }

    fn waiting(&mut self) -> &mut Waiting {
        self.waiting.get_or_insert_default()
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

/// A turn to try a failed restart again, sent by the supervisor to itself: after whatever waits already.
struct Retry {
    child: ChildId,
    incarnation: Incarnation,
}

impl Message for Retry {
    type Result = ();
}

impl Message for Report {
    type Result = ();
}

// ---- starting

impl<S: ChildSpec> Handler<StartChild<S>> for DynamicSupervisor {
    type Result = Reply<Outcome<S>>;

    fn handle(&mut self, StartChild(spec): StartChild<S>, ctx: &mut Context<Self>) -> Self::Result {
        match self.admit(&spec) {
            Ok((id, rules, start_timeout)) => self.launch(spec, id, rules, start_timeout, ctx),
            Err(error) => {
                if let Err(panic) = unwind::dispose(spec) {
                    self.tell(&Fact::Residue { of: Subject::Request, panic: &panic });
                }
                Reply::now(Err(error))
            }
        }
    }
}

impl DynamicSupervisor {
    fn admit<S: ChildSpec>(&mut self, spec: &S) -> Result<(ChildId, Rules, Option<Duration>), StartChildError> {
        if !self.is_open() {
            return Err(StartChildError::ShuttingDown);
        }
        let id = self.children.admit().map_err(|Full { limit }| StartChildError::MaxChildren { limit })?;
        let (rules, start_timeout) =
            unwind::guard(|| (Rules::of(spec), spec.start_timeout())).map_err(StartChildError::Panicked)?;
        Ok((id, rules, start_timeout))
    }

    fn launch<S: ChildSpec>(
        &mut self,
        spec: S,
        id: ChildId,
        rules: Rules,
        start_timeout: Option<Duration>,
        ctx: &mut Context<Self>,
    ) -> Reply<Outcome<S>> {
        let link = self.link(ctx);
        let birth =
            Birth { id, restart: rules.restart, start_timeout, inherited: link.inherited, reports: link.reports };
        match runner::launch(spec, birth) {
            Launched::Running { addr, runner, info } => {
                self.insert(id, Entry::new(rules, Phase::Running, Seat::new(runner), now()));
                self.tell_of(id, |child| Fact::Started { child });
                Reply::now(Ok(Started::new(id, addr, info)))
            }
            Launched::Starting { addr, runner, info } => {
                let (promise, reply) = Reply::later();
                let mut seat = Seat::new(runner);
                seat.waiting().starter = Some(Box::new(move |result: Result<(), StartChildError>| {
                    promise.keep(result.map(|()| Started::new(id, addr, taken(&info))));
                }));
                self.insert(id, Entry::new(rules, Phase::Starting, seat, now()));
                reply
            }
            Launched::Not(failure) => Reply::now(Err(failure.into())),
        }
    }

    fn insert(&mut self, id: ChildId, entry: Entry<Seat>) {
        if let Some(by_addr) = &mut self.by_addr {
            by_addr.insert(entry.seat.runner.addr_key(), id);
        }
        self.children.insert(id, entry);
    }
}

fn taken<I>(info: &Rc<RefCell<Option<I>>>) -> Option<I> {
    info.borrow_mut().take()
}

impl From<StartFailure> for StartChildError {
    fn from(failure: StartFailure) -> Self {
        match failure {
            StartFailure::Ignored => Self::Ignored,
            StartFailure::Error(error) => Self::from_start(error),
            StartFailure::Panicked(report) => Self::Panicked(report),
            StartFailure::Exited(ExitReason::ArbiterGone) => Self::ArbiterGone,
            StartFailure::Exited(reason) => Self::Exited(reason),
            StartFailure::TimedOut => Self::Timeout,
        }
    }
}

// ---- what runners report

impl Handler<Report> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Report { child, incarnation, what }: Report, ctx: &mut Context<Self>) {
        match what {
            What::Started => self.started_later(child, incarnation),
            What::NotStarted(failure) => self.not_started_later(child, incarnation, failure, ctx),
            What::Exited(ended) => self.exited(child, incarnation, ended, ctx),
            What::Residue(panic) => {
                self.teller.tell(&Fact::Residue { of: Subject::Former(child), panic: &panic }, now())
            }
        }
        self.summarise_later(ctx);
    }
}

impl Handler<Retry> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Retry { child, incarnation }: Retry, ctx: &mut Context<Self>) {
        if !self.is_open() {
            return;
        }
        match self.children.retry(child, incarnation, now()) {
            AfterRetry::Stale => {}
            AfterRetry::Restart(next) => self.begin(child, next, ctx),
            AfterRetry::GiveUp(entry) => self.give_up(child, entry, ctx),
        }
        self.summarise_later(ctx);
    }
}

impl DynamicSupervisor {
    fn exited(&mut self, id: ChildId, incarnation: Incarnation, ended: Ended, ctx: &mut Context<Self>) {
        // Told even of a child that is out of the table: it was terminated between its end and this notice of it.
        if let Some(panic) = &ended.residue {
            let of = self
                .children
                .get(id)
                .map_or(Subject::Former(id), |entry| Subject::Child(Offender { id, incarnation, rules: &entry.rules }));
            self.teller.tell(&Fact::Residue { of, panic }, now());
        }
        match self.children.exited(id, incarnation, &ended.reason, now()) {
            AfterExit::Stale => {}
            AfterExit::Restart(next) => {
                self.tell_ended(id, incarnation, &ended.reason);
                self.begin(id, next, ctx);
            }
            AfterExit::Forget(entry) => {
                tell_ended(&mut self.teller, id, incarnation, &entry.rules, &ended.reason);
                self.forget(id, entry, Ok(()));
            }
            AfterExit::Stopped(entry) => {
                let asked = entry.rules.shutdown.into();
                self.ended_as_told(id, entry, Some(End { asked, ended: ended.clone() }), ctx);
            }
            AfterExit::GiveUp(entry) => {
                tell_ended(&mut self.teller, id, incarnation, &entry.rules, &ended.reason);
                self.give_up(id, entry, ctx);
            }
        }
        let _ = unwind::dispose(ended);
    }

    /// Begins the next incarnation of a child, inline if it can be.
    fn begin(&mut self, id: ChildId, incarnation: Incarnation, ctx: &mut Context<Self>) {
        let Some(entry) = self.children.get(id) else { return };
        match entry.seat.runner.begin(incarnation) {
            Begun::Running => {
                if self.children.started(id, incarnation, now()) {
                    self.tell_of(id, |child| Fact::Restarted { child });
                }
            }
            Begun::Starting => {}
            Begun::Not(failure) => self.not_started(id, incarnation, failure, ctx),
        }
    }

    /// An asynchronous start has succeeded, the first or a repeated one.
    fn started_later(&mut self, id: ChildId, incarnation: Incarnation) {
        if !self.children.started(id, incarnation, now()) {
            return;
        }
        let starter = self.children.seat_mut(id).and_then(|seat| seat.waiting.take()).and_then(|w| w.starter);
        match starter {
            Some(answer) => {
                self.tell_of(id, |child| Fact::Started { child });
                let _ = unwind::guard(|| answer(Ok(())));
            }
            None => self.tell_of(id, |child| Fact::Restarted { child }),
        }
    }

    fn not_started_later(
        &mut self,
        id: ChildId,
        incarnation: Incarnation,
        failure: StartFailure,
        ctx: &mut Context<Self>,
    ) {
        if self.is_open() {
            self.not_started(id, incarnation, failure, ctx);
        } else {
            // Its entry went when the shutdown began.
            let _ = unwind::dispose(failure);
        }
    }

    fn not_started(&mut self, id: ChildId, incarnation: Incarnation, failure: StartFailure, ctx: &mut Context<Self>) {
        match self.children.not_started(id, incarnation, matches!(failure, StartFailure::Ignored)) {
            AfterTry::Stale => drop(unwind::dispose(failure)),
            AfterTry::TryAgain(incarnation) => {
                if let Some(entry) = self.children.get(id) {
                    let child = Offender { id, incarnation, rules: &entry.rules };
                    self.teller.tell(&Fact::StartError { child, failure: &failure }, now());
                }
                let _ = unwind::dispose(failure);
                ctx.address().do_send(Retry { child: id, incarnation });
            }
            AfterTry::Forget(entry) => {
                if entry.phase() == Phase::Restarting {
                    let child = Offender { id, incarnation, rules: &entry.rules };
                    self.teller.tell(&Fact::Declined { child }, now());
                }
                self.forget(id, entry, Err(failure.into()));
            }
        }
    }

    /// The restart limit is exceeded: that child is dropped, the supervisor ends.
    fn give_up(&mut self, id: ChildId, entry: Entry<Seat>, ctx: &mut Context<Self>) {
        let child = Offender { id, incarnation: entry.incarnation, rules: &entry.rules };
        self.teller.tell(&Fact::LimitReached { child }, now());
        self.forget(id, entry, Err(StartChildError::ShuttingDown));
        self.close(Some(ExitReason::Shutdown), ctx);
    }

    /// Drops what is left of a child that is out of the table, then answers who waited for it.
    ///
    /// In this order: its mailbox is closed and names that its spec held are free when the answer arrives.
    pub(super) fn forget(&mut self, id: ChildId, mut entry: Entry<Seat>, started: Result<(), StartChildError>) {
        if let Some(by_addr) = &mut self.by_addr {
            by_addr.remove(&entry.seat.runner.addr_key());
        }
        let waiting = entry.seat.waiting.take();
        if let Some(panic) = entry.seat.runner.end() {
            let child = Offender { id, incarnation: entry.incarnation, rules: &entry.rules };
            self.teller.tell(&Fact::Residue { of: Subject::Child(child), panic: &panic }, now());
        }
        let _ = unwind::dispose(entry);
        if let Some(waiting) = waiting {
            match waiting.starter {
                Some(answer) => drop(unwind::guard(|| answer(started))),
                None => drop(unwind::dispose(started)),
            }
            for terminator in waiting.terminators {
                terminator.keep(Ok(()));
            }
        }
    }
}

// ---- ending children

impl Handler<TerminateChild> for DynamicSupervisor {
    type Result = Reply<Result<(), TerminateChildError>>;

    fn handle(&mut self, TerminateChild(child): TerminateChild, ctx: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        // Kept before the sender is known if the child ends at once: so it is asked, not assumed.
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
        let Some(Parts { request: TerminateChild(child), begun, done }) = watched.take() else { return };
        let limit = self.find(&child).and_then(|id| self.children.get(id)).map(|entry| entry.rules.shutdown.limit());
        reply::send(begun, limit.unwrap_or_default());
        match self.terminate(&child, ctx) {
            Terminated::Now(answer) => Promise::from(done).keep(answer),
            Terminated::Later(id) => self.await_end(id, done.into()),
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
            owe(&mut seat.waiting().terminators, promise);
        }
    }

    /// Tells a child to end, as its shutdown says. A second time joins the first.
    pub(super) fn tell_to_end(&mut self, id: ChildId) -> Told {
        let Some(entry) = self.children.get(id) else { return Told::NotFound };
        if entry.phase() == Phase::Stopping {
            return Told::Stopping;
        }
        let shutdown = entry.rules.shutdown;
        let end = match entry.seat.runner.stop(shutdown) {
            Stopped::Stopping => {
                self.children.stopping(id, now());
                self.drop_starter(id);
                return Told::Stopping;
            }
            Stopped::Ended(ended) => {
                if let Some(panic) = &ended.residue {
                    let child = Offender { id, incarnation: entry.incarnation, rules: &entry.rules };
                    self.teller.tell(&Fact::Residue { of: Subject::Child(child), panic }, now());
                }
                Some(End { asked: shutdown.into(), ended })
            }
            // The notice of its end is still in the mailbox; it will find the entry gone. Of an asynchronous start even the
            // notice that it began may be.
            Stopped::NotAlive(NotAlive::Dead(Some((ended, reason)))) if ended == entry.incarnation => {
                Some(End { asked: Asked::TooLate, ended: Ended::with(reason) })
            }
            Stopped::NotAlive(NotAlive::Starting | NotAlive::Dead(_)) => None,
        };
        match self.children.remove(id) {
            Some(entry) => Told::Gone { entry, end },
            None => Told::NotFound,
        }
    }

    /// A child that is told to end between its asynchronous start and the notice of it never was one to its starter.
    fn drop_starter(&mut self, id: ChildId) {
        let starter = self.children.seat_mut(id).and_then(|seat| seat.waiting.as_mut()?.starter.take());
        if let Some(answer) = starter {
            let error = self.cut_off();
            let _ = unwind::guard(|| answer(Err(error)));
        }
    }

    /// A child is gone that was told to go.
    pub(super) fn ended_as_told(&mut self, id: ChildId, entry: Entry<Seat>, end: Option<End>, ctx: &mut Context<Self>) {
        let incarnation = entry.incarnation;
        if let Some(End { asked, ended }) = &end {
            let child = Offender { id, incarnation, rules: &entry.rules };
            let is_expected = is_expected_end(*asked, entry.rules.restart, &ended.reason);
            let now = now();
            if ended.overran {
                self.teller.tell(&Fact::Overran { child }, now);
            }
            if is_expected {
                self.teller.tell(&Fact::Ended { child, reason: &ended.reason }, now);
            } else if self.is_open() {
                self.teller.tell(&Fact::ShutdownError { child, reason: &ended.reason }, now);
            }
            self.note_end(id, incarnation, &entry.rules, ended, is_expected);
        }
        self.forget(id, entry, Err(self.cut_off()));
        let _ = unwind::dispose(end);
        self.finish_if_done(ctx);
    }

    pub(super) fn find(&mut self, ChildHandle(handle): &ChildHandle) -> Option<ChildId> {
        match handle {
            Handle::Id(id) => Some(*id),
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
        let Some(Parts { request: KillChild(child), begun, done }) = watched.take() else { return };
        reply::send(begun, Some(Duration::ZERO));
        Promise::from(done).keep(self.kill(&child));
    }
}

impl DynamicSupervisor {
    /// The end is reported like any other, behind what waits in the mailbox.
    fn kill(&mut self, child: &ChildHandle) -> Result<(), TerminateChildError> {
        let entry = self.find(child).and_then(|id| self.children.get(id)).ok_or(TerminateChildError::NotFound)?;
        entry.seat.kill();
        Ok(())
    }
}

// ---- the supervisor's own end

impl Handler<Stop> for DynamicSupervisor {
    type Result = Reply<ShutdownReport>;

    fn handle(&mut self, stop: Stop, ctx: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        self.stop(stop, promise, ctx);
        reply
    }
}

impl Handler<Watched<Stop>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<Stop>, ctx: &mut Context<Self>) {
        let Some(Parts { request, begun, done }) = watched.take() else { return };
        let slowest = self.children.iter().try_fold(Duration::ZERO, |slowest, (_, entry)| {
            entry.rules.shutdown.limit().map(|limit| slowest.max(limit))
        });
        let limit = match (slowest, request.deadline) {
            (Some(slowest), Some(deadline)) => Some(slowest.min(deadline)),
            (slowest, deadline) => slowest.or(deadline),
        };
        reply::send(begun, limit);
        self.stop(request, done.into(), ctx);
    }
}

impl Handler<AwaitExit> for DynamicSupervisor {
    type Result = Reply<ExitReason>;

    fn handle(&mut self, _: AwaitExit, _: &mut Context<Self>) -> Self::Result {
        let (promise, reply) = Reply::later();
        owe(&mut self.exits, promise);
        reply
    }
}

impl Handler<Watched<AwaitExit>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<AwaitExit>, _: &mut Context<Self>) {
        let Some(Parts { begun, done, .. }) = watched.take() else { return };
        reply::send(begun, None);
        owe(&mut self.exits, done.into());
    }
}

// ---- looking

impl Handler<CountChildren> for DynamicSupervisor {
    type Result = Reply<ChildCounts>;

    fn handle(&mut self, _: CountChildren, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.children.counts())
    }
}

impl Handler<WhichChildren> for DynamicSupervisor {
    type Result = Reply<Vec<ChildInfo>>;

    fn handle(&mut self, _: WhichChildren, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.children.iter().map(|(id, entry)| info(id, entry)).collect())
    }
}

fn info(id: ChildId, entry: &Entry<Seat>) -> ChildInfo {
    ChildInfo {
        id,
        label: entry.rules.label.as_deref().map(str::to_owned),
        state: entry.phase().into(),
        child_type: entry.rules.child_type,
        module: entry.rules.module,
        restart: entry.rules.restart,
        restarts: entry.restarts,
        last_exit: entry.last_exit.clone(),
        since: Instant::from_std(entry.since()),
        addr: ErasedAddr(entry.seat.runner.weak_addr()),
    }
}

// ---- options at run time

impl Handler<Reinit> for DynamicSupervisor {
    type Result = Reply<Result<(), ReinitError>>;

    fn handle(&mut self, _: Reinit, _: &mut Context<Self>) -> Self::Result {
        Reply::now(self.reinit())
    }
}

impl Handler<Watched<Reinit>> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, watched: Watched<Reinit>, _: &mut Context<Self>) {
        let Some(Parts { begun, done, .. }) = watched.take() else { return };
        reply::send(begun, None);
        Promise::from(done).keep(self.reinit());
    }
}

impl DynamicSupervisor {
    fn reinit(&mut self) -> Result<(), ReinitError> {
        if let Some(flags) = self.flags.flags()? {
            self.children.set_flags(&flags);
            self.teller.set_max_reports_per_second(flags.max_reports_per_second);
            match &self.link {
                Some(link) => link.inherited.set_extras(flags.extras),
                None => drop(unwind::dispose(mem::replace(&mut self.extras, flags.extras))),
            }
        }
        Ok(())
    }
}

// ---- telling

impl DynamicSupervisor {
    fn tell_of(&mut self, id: ChildId, fact: impl for<'a> FnOnce(Offender<'a>) -> Fact<'a>) {
        if let Some(entry) = self.children.get(id) {
            let child = Offender { id, incarnation: entry.incarnation, rules: &entry.rules };
            self.teller.tell(&fact(child), now());
        }
    }

    fn tell_ended(&mut self, id: ChildId, incarnation: Incarnation, reason: &ExitReason) {
        if let Some(entry) = self.children.get(id) {
            tell_ended(&mut self.teller, id, incarnation, &entry.rules, reason);
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
    teller.tell(&fact, now());
}
