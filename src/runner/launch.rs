//! The first start of a child, and what is kept for the next ones.

use std::{cell::RefCell, future::Future, marker::PhantomData, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use actix::{
    dev::channel::{self, AddressReceiver},
    Addr,
};

use super::{
    child::{inline_context, Runner, State, Task},
    inbox::Inbox,
    incarnation::Incarnation,
    protocol::{Ended, Link, Run, RunnerHandle, StartFailure},
    pump::{Budget, Door},
    vitals::Watched,
};
use crate::{
    exit::ExitReason,
    id::{self, ChildId},
    policy::{ChildType, Restart},
    spec::{ChildActor, ChildSpec, Start, StartContext, StartResult, Starting, When},
    unwind,
};

/// Actix's own default; it says when a sender has to wait, not how much is kept.
pub(super) const MAILBOX_CAPACITY: usize = 16;

/// What a runner is born with.
///
/// Its id in parts: the supervisor's is in the link, and no room is wasted.
pub(crate) struct Birth {
    number: u64,
    pub(super) link: Arc<Link>,
    place: u32,
}

impl Birth {
    pub(crate) fn new(id: ChildId, link: Arc<Link>) -> Self {
        debug_assert_eq!(id.supervisor(), link.supervisor);
        Self { number: id.number(), place: id.place(), link }
    }

    /// The same child's, elsewhere.
    pub(super) fn again(&self) -> Self {
        Self { number: self.number, link: Arc::clone(&self.link), place: self.place }
    }

    pub(crate) fn id(&self) -> ChildId {
        ChildId::new(self.link.supervisor, self.number, self.place)
    }
}

/// What is asked of a spec before it starts anything.
pub(crate) struct Terms {
    pub(crate) restart: Restart,
    pub(crate) child_type: ChildType,
    pub(crate) start_timeout: Option<Duration>,
    /// It can be taken over if its thread is blocked.
    pub(crate) takes_over: bool,
    /// Its polls are watched, and this is kept of them.
    pub(crate) watched: Option<Box<Watched>>,
}

/// What a launch came to; `A` and `I` are known from here upwards only to the caller of `start_child`.
pub(crate) enum Launched<A: ChildActor, I> {
    Running {
        addr: Addr<A>,
        runner: RunnerHandle,
        info: Option<I>,
        task: TaskDue,
    },
    /// A report will follow; the info will lie in the cell.
    Starting {
        addr: Addr<A>,
        runner: RunnerHandle,
        info: Rc<RefCell<Option<I>>>,
    },
    Not(StartFailure),
}

/// Begins a child's first incarnation, inline.
pub(crate) fn launch<S: ChildSpec>(spec: S, terms: &Terms, birth: Birth) -> Launched<S::Actor, S::Info> {
    let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
    let addr = Addr::new(sender);
    let runner = Runner::new(Inbox::new(receiver, &addr, terms.child_type.into(), false), Some(birth));
    if let Some(watched) = &terms.watched {
        runner.watch_as(watched);
    }
    match first(&runner, spec, terms) {
        First::Running(info, lived) => {
            runner.tell_lived(lived);
            let task = TaskDue(Rc::clone(&runner) as Rc<dyn Run>);
            Launched::Running { addr, runner: RunnerHandle::new(runner), info, task }
        }
        First::Starting(future) => {
            let info = Rc::new(RefCell::new(None));
            let answered = Rc::clone(&info);
            runner.await_start(future, terms.start_timeout, move |info| *answered.borrow_mut() = info);
            drop(TaskDue(Rc::clone(&runner) as Rc<dyn Run>));
            Launched::Starting { addr, runner: RunnerHandle::new(runner), info }
        }
        First::Not(failure) => Launched::Not(failure),
    }
}

/// What the very first start came to.
pub(super) enum First<A, I> {
    /// And, with its end, has lived already.
    Running(Option<I>, Option<Ended>),
    /// It goes on; the runner is to [wait](Runner::await_start) for it.
    Starting(Pin<Box<dyn Future<Output = StartResult<A, I>>>>),
    /// The mailbox is closed.
    Not(StartFailure),
}

/// Begins a child's first incarnation on the thread it is to live on.
#[inline]
pub(super) fn first<S: ChildSpec>(
    runner: &Rc<Runner<S::Actor>>,
    mut spec: S,
    terms: &Terms,
) -> First<S::Actor, S::Info> {
    let Some(mut cx) = runner.start_context(id::Incarnation::FIRST, None) else {
        return First::Not(StartFailure::Exited(ExitReason::Unknown));
    };
    let starting = unwind::guard(|| spec.start(&mut cx));
    let life = &mut *runner.life.borrow_mut();
    let first = match starting {
        Err(report) => First::Not(StartFailure::Panicked(report)),
        Ok(Starting(When::Now(result))) => {
            let (result, info) = match result.map(Start::split) {
                Ok((start, info)) => (Ok(start), info),
                Err(error) => (Err(error), None),
            };
            match runner.conclude(life, result, &mut inline_context()) {
                Ok(lived) => First::Running(info, lived),
                Err(failure) => {
                    runner.note(unwind::dispose(info));
                    First::Not(failure)
                }
            }
        }
        Ok(Starting(When::Later(future))) => First::Starting(future),
    };

    // A temporary child's spec has done its work, and so has that of a start that failed.
    let is_kept = !matches!(first, First::Not(_)) && terms.restart != Restart::Temporary;
    if is_kept {
        life.spec = Some(Box::new(Starter {
            start: spec.into_start(),
            start_timeout: terms.start_timeout.map(Box::new),
            answers: PhantomData,
        }));
    } else {
        runner.note(unwind::dispose(spec));
    }
    if let First::Not(_) = first {
        let _seated = runner.sit();
        runner.inbox.close();
        runner.inbox.drop_some(usize::MAX);
        runner.tell_residue();
    }
    first
}

impl<A: ChildActor> Runner<A> {
    /// Waits for a first start that goes on; what it hands to its caller is kept by `keep`.
    pub(super) fn await_start<I: 'static>(
        &self,
        future: Pin<Box<dyn Future<Output = StartResult<A, I>>>>,
        limit: Option<Duration>,
        keep: impl FnOnce(Option<I>) + 'static,
    ) {
        let future = Box::pin(async move {
            let (start, info) = future.await?.split();
            keep(info);
            Ok(start)
        });
        self.life.borrow_mut().state = self.starting(future, limit);
    }
}

/// A child that runs and has no task yet: it gets one when this is dropped, at the latest at the end of its supervisor's
/// turn.
///
/// When the answer to who asked for it is on its way: what is sent to the child on that answer is there when its task
/// has its first turn, which else would be one for nothing.
#[must_use]
pub(crate) struct TaskDue(Rc<dyn Run>);

impl Drop for TaskDue {
    fn drop(&mut self) {
        Rc::clone(&self.0).spawn();
    }
}

/// Runs an actor that nobody supervises on the same machinery: its panics are contained, its mailbox is budgeted.
///
/// It ends like a plain actor, when it stops or nobody holds its address any more.
pub(crate) fn launch_root<A: ChildActor>(actor: A, receiver: AddressReceiver<A>) {
    let addr = Addr::new(receiver.sender());
    let runner = Runner::new(Inbox::new(receiver, &addr, Budget::Supervisor, true), None);
    drop(addr);
    let incarnation = Incarnation::new(actor, runner.inbox.context());
    // Nobody waits to hear that it has started, so the first poll is one like any other.
    runner.inbox.set_door(Door::Open);
    runner.life.borrow_mut().state = State::Alive { incarnation, deadline: None };
    actix_rt::spawn(Task(runner));
}

/// A spec that is asked again; what its starts hand to their caller has no taker then.
pub(super) trait Respawn<A: ChildActor> {
    fn respawn(&mut self, cx: &mut StartContext<A>, runner: &Rc<Runner<A>>) -> Starting<A>;
    fn start_timeout(&self) -> Option<Duration>;
}

/// How a child is started again, and no more: the rest of its spec is gone.
struct Starter<F, I> {
    start: F,
    start_timeout: Option<Box<Duration>>,
    answers: PhantomData<fn() -> I>,
}

impl<A, I, F> Respawn<A> for Starter<F, I>
where
    A: ChildActor,
    I: 'static,
    F: FnMut(&mut StartContext<A>) -> Starting<A, I>,
{
    fn respawn(&mut self, cx: &mut StartContext<A>, runner: &Rc<Runner<A>>) -> Starting<A> {
        // Weak: an asynchronous start lies in the runner that this would keep.
        let runner = Rc::downgrade(runner);
        let without_info = move |start: Start<A, I>| {
            let (start, info) = start.split();
            let disposed = unwind::dispose(info);
            if let Some(runner) = runner.upgrade() {
                runner.inbox.note_residue(disposed);
            }
            start
        };
        match (self.start)(cx).0 {
            When::Now(result) => Starting::now(result.map(without_info)),
            When::Later(future) => Starting::later(async move { future.await.map(without_info) }),
        }
    }

    fn start_timeout(&self) -> Option<Duration> {
        self.start_timeout.as_deref().copied()
    }
}
