//! A child that lives on another arbiter than its supervisor.
//!
//! The runner is the same; only the way to it differs. Commands go through a channel that the runner's task reads, and
//! what they come to is reported.
//!
//! **Ends.** A child that was told to end closes its mailbox and drops its spec *before* it reports [`What::Gone`]: who
//! waits for that must find names and keys free. Until then its entry stays, and reports that cross on the way change
//! nothing.
//!
//! **The arbiter goes.** What is left of its children then, and where they go, is in [`estate`](super::estate).

use std::{
    any::Any,
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        atomic::{fence, AtomicU64, Ordering},
        Arc, Mutex, OnceLock, PoisonError,
    },
    task::{self, Poll},
    thread::{self, ThreadId},
    time::Duration,
};

use actix::{
    dev::channel::{self, AddressReceiver},
    Addr, ArbiterHandle, WeakAddr,
};
use tokio::sync::{
    mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender},
    oneshot,
};

use super::{
    child::Runner,
    estate::{Estate, Stranded},
    inbox::{self, addr_key, Inbox},
    launch::{first, Birth, First, Terms, MAILBOX_CAPACITY},
    protocol::{Begun, Leavings, Report, Run, RunnerHandle, StartFailure, Stopped, What},
    pump::Budget,
    shared::{Loot, Shared},
    vitals::{Examined, Vitals, Watched},
};
use crate::{
    exit::ExitReason,
    id,
    policy::Shutdown,
    spec::{ChildActor, ChildSpec},
    unwind,
};

/// What a supervisor tells a runner elsewhere.
pub(super) enum Command {
    Begin(id::Incarnation),
    Wait(id::Incarnation, Duration),
    Stop(Shutdown),
    Kill,
    End,
    Examine { queues: bool, vitals: oneshot::Sender<Vitals> },
}

/// Where a child lives.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) arbiter: ArbiterHandle,
    pub(crate) sign: Arc<Sign>,
}

/// What a thread says of itself to those who look from outside.
#[derive(Default)]
pub(crate) struct Sign {
    thread: OnceLock<ThreadId>,
    /// The number of the child that it is busy with, 0 if none.
    busy_with: AtomicU64,
}

impl Sign {
    /// Which thread it is; `None` before a child has got there.
    pub(crate) fn thread(&self) -> Option<ThreadId> {
        self.thread.get().copied()
    }

    pub(crate) fn busy_with(&self) -> u64 {
        self.busy_with.load(Ordering::Relaxed)
    }

    /// Until the guard is dropped the thread is busy with this child.
    fn busy(&self, number: u64) -> Busy<'_> {
        self.busy_with.store(number, Ordering::Relaxed);
        Busy(self)
    }
}

struct Busy<'a>(&'a Sign);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy_with.store(0, Ordering::Relaxed);
    }
}

/// The way to a runner elsewhere.
pub(super) struct Remote<A: ChildActor> {
    commands: UnboundedSender<Command>,
    weak_addr: WeakAddr<A>,
    /// Known still when its mailbox is gone.
    addr_key: usize,
    /// Of a child that can be taken over, once it has started.
    pub(super) shared: Arc<OnceLock<Arc<Shared<A>>>>,
    budget: Budget,
    /// For who takes it over.
    watched: Option<Watched>,
}

impl<A: ChildActor> Remote<A> {
    pub(super) fn new(
        commands: UnboundedSender<Command>,
        weak_addr: WeakAddr<A>,
        budget: Budget,
        watched: Option<Watched>,
    ) -> Self {
        let addr_key = weak_addr.upgrade().as_ref().map_or(0, addr_key);
        Self { commands, weak_addr, addr_key, shared: Arc::default(), budget, watched }
    }

    /// Where nobody reads it any more the arbiter is gone, and a report on its way tells so.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}

impl<A: ChildActor> Run for Remote<A> {
    /// It has one where it lives.
    fn spawn(self: Rc<Self>) {}

    fn is_here(&self) -> bool {
        false
    }

    fn take_over(&self, birth: Birth, last: id::Incarnation) -> Option<Box<dyn Stranded>> {
        let Loot { receiver, spec, handled } = self.shared.get()?.take_over()?;
        Some(Box::new(Estate {
            front: VecDeque::new(),
            handled,
            watched: self.watched.clone(),
            receiver: Some(receiver),
            weak_addr: Some(self.weak_addr.clone()),
            spec: Some(spec),
            birth: Some(birth),
            budget: self.budget,
            last_exit: Some(Box::new((last, ExitReason::Unresponsive))),
            takes_over: true,
        }))
    }

    fn begin(self: Rc<Self>, incarnation: id::Incarnation) -> Begun {
        self.tell(Command::Begin(incarnation));
        Begun::Starting
    }

    fn wait(self: Rc<Self>, next: id::Incarnation, delay: Duration) {
        self.tell(Command::Wait(next, delay));
    }

    fn stop(self: Rc<Self>, shutdown: Shutdown) -> Stopped {
        self.tell(Command::Stop(shutdown));
        Stopped::Stopping
    }

    fn kill(self: Rc<Self>) {
        self.tell(Command::Kill);
    }

    fn end(self: Rc<Self>) -> Option<Box<Leavings>> {
        self.tell(Command::End);
        None
    }

    fn examine(&self, queues: bool) -> Examined {
        let (vitals, answer) = oneshot::channel();
        self.tell(Command::Examine { queues, vitals });
        Examined::Later(answer)
    }

    fn weak_addr(&self) -> Box<dyn Any + Send + Sync> {
        Box::new(Some(self.weak_addr.clone()))
    }

    fn addr_key(&self) -> usize {
        self.addr_key
    }
}

/// A first start on its way to another arbiter.
pub(crate) struct Sent<A: ChildActor, I> {
    pub(crate) addr: Addr<A>,
    pub(crate) runner: RunnerHandle,
    /// Where what the start hands over lies when it is reported.
    pub(crate) info: Arc<Mutex<Option<I>>>,
}

/// Sends a spec to be started on `arbiter`. What that comes to, also if there is no such arbiter any more, is reported.
pub(crate) fn launch_on<S: ChildSpec>(home: Home, spec: S, terms: Terms, birth: Birth) -> Sent<S::Actor, S::Info> {
    let (sender, receiver) = channel::channel(MAILBOX_CAPACITY);
    let addr = Addr::new(sender);
    let (commands, orders) = unbounded_channel();
    let info = Arc::new(Mutex::new(None));
    let answered = Arc::clone(&info);
    let watched = terms.watched.as_deref().cloned();
    let remote = Remote::new(commands, addr.downgrade(), terms.child_type.into(), watched);
    let shared = Arc::clone(&remote.shared);

    let weak_addr = addr.downgrade();
    let passenger = Passenger { aboard: Some((spec, receiver, birth)) };
    let arbiter = home.arbiter.clone();
    send(&arbiter, move || {
        let Some((spec, receiver, birth)) = passenger.arrive() else { return };
        home.sign.thread.get_or_init(|| thread::current().id());
        let _busy = home.sign.busy(birth.id().number());
        let Some(addr) = weak_addr.upgrade() else { return };
        let runner = Runner::new(Inbox::new(receiver, &addr, terms.child_type.into(), false), Some(birth));
        runner.inbox.set_elsewhere();
        if let Some(watched) = &terms.watched {
            runner.watch_as(watched);
        }
        drop(addr);
        let keep = move |info| *answered.lock().unwrap_or_else(PoisonError::into_inner) = info;
        match first(&runner, spec, &terms) {
            First::Running(info, lived) => {
                keep(info);
                runner.report(What::Started);
                runner.tell_lived(lived);
            }
            First::Starting(future) => runner.await_start(future, terms.start_timeout, keep),
            First::Not(failure) => return runner.report(What::NotStarted(failure)),
        }
        if terms.takes_over {
            runner.share(&shared);
        }
        actix_rt::spawn(RemoteTask { runner, orders, home: home.clone() });
    });
    Sent { addr, runner: RunnerHandle::new(Rc::new(remote)), info }
}

/// Has an arbiter do a job. It is done there or dropped, in bounded time.
///
/// What is sent while an arbiter ends can stay in its channel, neither taken out nor dropped, until nobody can send any
/// more. A channel that is open still when all is sent is emptied in any case.
pub(super) fn send(arbiter: &ArbiterHandle, job: impl FnOnce() + Send + 'static) {
    let here = Arc::new(Mutex::new(Some(job)));
    let there = Arc::clone(&here);
    arbiter.spawn_fn(move || {
        let job = there.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job {
            job();
        }
    });
    fence(Ordering::SeqCst);
    if !arbiter.alive() {
        let job = here.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(job);
    }
}

/// A spec on its way. If it does not arrive, as the arbiter is gone, its start has failed.
struct Passenger<S: ChildSpec> {
    aboard: Option<(S, AddressReceiver<S::Actor>, Birth)>,
}

impl<S: ChildSpec> Passenger<S> {
    fn arrive(mut self) -> Option<(S, AddressReceiver<S::Actor>, Birth)> {
        self.aboard.take()
    }
}

impl<S: ChildSpec> Drop for Passenger<S> {
    fn drop(&mut self) {
        let Some((spec, receiver, birth)) = self.aboard.take() else { return };
        let (id, link) = (birth.id(), Arc::clone(&birth.link));
        let tell = |what| {
            // Where nobody takes the report it is dropped, and what it holds is user code.
            let _ = unwind::guard(|| {
                link.reports.report(Report { child: id, incarnation: id::Incarnation::FIRST, what });
            });
        };
        let (left, closed) = inbox::close(receiver);
        let undelivered = left.len();
        let disposed = left.into_iter().map(unwind::dispose);
        for panic in [closed, unwind::dispose(spec)].into_iter().chain(disposed).filter_map(Result::err) {
            tell(What::Residue(panic));
        }
        if undelivered > 0 {
            tell(What::Undelivered(undelivered));
        }
        tell(What::NotStarted(StartFailure::Exited(ExitReason::ArbiterGone)));
    }
}

/// A runner's task on an arbiter that is not its supervisor's.
pub(super) struct RemoteTask<A: ChildActor> {
    pub(super) runner: Rc<Runner<A>>,
    pub(super) orders: UnboundedReceiver<Command>,
    pub(super) home: Home,
}

impl<A: ChildActor> Future for RemoteTask<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Self { runner, orders, home } = self.get_mut();
        let _busy = home.sign.busy(runner.birth.as_ref().map_or(0, |birth| birth.id().number()));
        // An order is carried out where no incarnation is being polled, so the cell is never borrowed twice.
        while let Poll::Ready(order) = orders.poll_recv(cx) {
            let Some(order) = order else {
                // The handle is gone, and nobody can order any more.
                runner.carry_out(Command::End);
                break;
            };
            runner.carry_out(order);
        }
        unwind::guard(|| runner.turn(cx)).unwrap_or_else(|report| runner.panicked(report))
    }
}

impl<A: ChildActor> Runner<A> {
    fn carry_out(self: &Rc<Self>, order: Command) {
        match order {
            Command::Begin(next) => match self.try_to_begin(next) {
                (Begun::Running, lived) => {
                    self.report(What::Started);
                    self.tell_lived(lived);
                }
                (Begun::Starting, _) => {}
                (Begun::Not(failure), _) => self.report(What::NotStarted(failure)),
            },
            Command::Wait(next, delay) => Rc::clone(self).wait(next, delay),
            Command::Stop(shutdown) => {
                // From here on an end is for good.
                self.inbox.set_leaving();
                // Requests that are dropped with its mailbox are answered by what its last incarnation has left.
                let _seated = self.sit();
                let ended = match Rc::clone(self).stop(shutdown) {
                    Stopped::Stopping => return,
                    Stopped::Ended(ended) => Some(ended),
                    Stopped::NotAlive(_) => None,
                };
                self.leave(&mut self.life.borrow_mut());
                self.tell_undelivered();
                self.report(What::Gone(ended));
            }
            Command::Kill => Rc::clone(self).kill(),
            Command::End => {
                let Some(leavings) = Rc::clone(self).end() else { return };
                let Leavings { residue, undelivered, .. } = *leavings;
                if let Some(panic) = residue {
                    self.report(What::Residue(panic));
                }
                if undelivered > 0 {
                    self.report(What::Undelivered(undelivered));
                }
            }
            Command::Examine { queues, vitals } => {
                // Who asked may be gone, and on a thread that was blocked there are many of those.
                if !vitals.is_closed() {
                    let _ = vitals.send(self.vitals(queues));
                }
            }
        }
    }

    /// Lets others take the child over, from now on.
    pub(super) fn share(&self, with: &OnceLock<Arc<Shared<A>>>) {
        if let Some(shared) = self.inbox.share() {
            shared.put_spec(self.life.borrow_mut().spec.take());
            let _ = with.set(shared);
        }
    }
}

impl<A: ChildActor> Drop for RemoteTask<A> {
    fn drop(&mut self) {
        self.runner.strand();
    }
}
