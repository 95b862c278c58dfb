//! What a supervisor tells a runner, and what a runner reports.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use super::{estate::Stranded, gate::StartLimit, launch::Birth, vitals::Examined};
use crate::{
    exit::{BoxError, ExitReason},
    id::{ChildId, Incarnation, SupervisorId},
    policy::Shutdown,
    spec::Inherited,
    unwind::PanicReport,
};

/// Something a runner has to say. Past tense: it has happened.
pub(crate) struct Report {
    pub(crate) child: ChildId,
    pub(crate) incarnation: Incarnation,
    pub(crate) what: What,
}

pub(crate) enum What {
    /// An asynchronous start has succeeded.
    Started,
    /// An asynchronous start has not.
    NotStarted(StartFailure),
    /// The incarnation has ended; asked or not.
    Exited(Ended),
    /// A child elsewhere that was told to end is gone, mailbox and spec with it; `None` if no incarnation was alive.
    Gone(Option<Ended>),
    /// The queue of a child that is, or will be, gone was closed with so many messages in it.
    Undelivered(usize),
    /// A child's arbiter is gone; this is what is left of the child.
    Stranded(Box<dyn Stranded>),
    /// The delay before this incarnation is over.
    Due(Incarnation),
    /// A destructor or a hook panicked; nothing else comes of it.
    Residue(PanicReport),
}

/// Where reports go: the supervisor's mailbox. A runner knows no more of its supervisor.
pub(crate) trait Reports: Send + Sync {
    fn report(&self, report: Report);
}

/// What ties a child to its supervisor: weak, or it would keep the supervisor alive.
pub(crate) struct Link {
    pub(crate) supervisor: SupervisorId,
    pub(crate) reports: Box<dyn Reports>,
    pub(crate) inherited: Arc<Inherited>,
    pub(crate) starts: StartLimit,
    /// The supervisor's name, if incarnations run in spans.
    pub(crate) spans: Option<Arc<str>>,
}

/// What is left when a child is ended for good.
pub(crate) struct Leavings {
    /// A panic on its way out.
    pub(crate) residue: Option<PanicReport>,
    /// How many messages were in its queue.
    pub(crate) undelivered: usize,
    /// Which incarnation had ended before, and how.
    pub(crate) last_exit: Option<Box<(Incarnation, ExitReason)>>,
}

/// The end of one incarnation.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) reason: ExitReason,
    /// A panic on the way out that does not change the reason: in a stop hook after a panic, in a destructor.
    pub(crate) residue: Option<PanicReport>,
    /// It kept its thread beyond its time limit (and a second): nothing could be done meanwhile.
    pub(crate) overran: bool,
    /// It was ended by force, and its time limit had passed.
    pub(crate) is_overdue: bool,
    /// Its arbiter went away under it. A child may give that as its reason, too, and then this is not so.
    pub(crate) lost_arbiter: bool,
}

impl Ended {
    pub(crate) fn with(reason: ExitReason) -> Self {
        Self { reason, residue: None, overran: false, is_overdue: false, lost_arbiter: false }
    }
}

/// Why there is no new incarnation.
pub(crate) enum StartFailure {
    /// The start declined: no fault.
    Ignored,
    Error(BoxError),
    Panicked(PanicReport),
    /// It stopped in `started`.
    Exited(ExitReason),
    TimedOut,
}

/// What `begin` came to.
pub(crate) enum Begun {
    Running,
    /// The start goes on; a report will follow.
    Starting,
    Not(StartFailure),
}

/// What `stop` came to.
pub(crate) enum Stopped {
    /// It ended in this very call.
    Ended(Ended),
    /// There was no incarnation alive.
    NotAlive(NotAlive),
    /// It works on it; a report will follow.
    Stopping,
}

pub(crate) enum NotAlive {
    /// A start was under way and has been cut off.
    Starting,
    /// The last incarnation that began had ended; which one, and how.
    Dead(Option<(Incarnation, ExitReason)>),
}

/// The supervisor's end of a runner. Dropping it ends the child.
///
/// One handle, two insides: the runner itself, on the supervisor's arbiter, or the way to one elsewhere.
pub(crate) struct RunnerHandle(Rc<dyn Run>);

impl RunnerHandle {
    pub(super) fn new(runner: Rc<dyn Run>) -> Self {
        Self(runner)
    }

    /// Are commands carried out in the call? If not, reports tell what they came to.
    pub(crate) fn is_here(&self) -> bool {
        self.0.is_here()
    }

    /// Begins the next incarnation, as this number.
    pub(crate) fn begin(&self, incarnation: Incarnation) -> Begun {
        Rc::clone(&self.0).begin(incarnation)
    }

    /// Lets a child that is down wait, and reports when the next incarnation is due.
    pub(crate) fn wait(&self, next: Incarnation, delay: Duration) {
        Rc::clone(&self.0).wait(next, delay);
    }

    /// Asks the child to end, as `shutdown` says.
    pub(crate) fn stop(&self, shutdown: Shutdown) -> Stopped {
        Rc::clone(&self.0).stop(shutdown)
    }

    /// Ends the incarnation, or the start under way, without hooks and reports that like any other end.
    pub(crate) fn kill(&self) {
        Rc::clone(&self.0).kill();
    }

    /// What a child needs to go on elsewhere, taken away from a runner that does not move; `None` if it cannot be had.
    /// `last` is the incarnation that stays behind.
    pub(crate) fn take_over(&self, birth: Birth, last: Incarnation) -> Option<Box<dyn Stranded>> {
        self.0.take_over(birth, last)
    }

    /// How it does; with `queues` what waits in its queue is counted.
    pub(crate) fn examine(&self, queues: bool) -> Examined {
        self.0.examine(queues)
    }

    /// A `WeakAddr` of the child's, its type erased.
    pub(crate) fn weak_addr(&self) -> Box<dyn Any + Send + Sync> {
        self.0.weak_addr()
    }

    /// Tells this child's address from all others that exist now.
    pub(crate) fn addr_key(&self) -> usize {
        self.0.addr_key()
    }
}

impl RunnerHandle {
    /// Ends the child for good, as dropping the handle does, and tells what is left.
    pub(crate) fn end(&self) -> Option<Box<Leavings>> {
        Rc::clone(&self.0).end()
    }
}

impl Drop for RunnerHandle {
    fn drop(&mut self) {
        Rc::clone(&self.0).end();
    }
}

/// The runner behind a handle, its actor's type erased here and nowhere else.
pub(super) trait Run {
    /// Gives it the task that polls it.
    fn spawn(self: Rc<Self>);
    fn is_here(&self) -> bool;
    fn take_over(&self, birth: Birth, last: Incarnation) -> Option<Box<dyn Stranded>>;
    fn begin(self: Rc<Self>, incarnation: Incarnation) -> Begun;
    fn wait(self: Rc<Self>, next: Incarnation, delay: Duration);
    fn stop(self: Rc<Self>, shutdown: Shutdown) -> Stopped;
    fn kill(self: Rc<Self>);
    /// Ends for good; never panics. Mostly nothing is left.
    fn end(self: Rc<Self>) -> Option<Box<Leavings>>;
    fn examine(&self, queues: bool) -> Examined;
    fn weak_addr(&self) -> Box<dyn Any + Send + Sync>;
    fn addr_key(&self) -> usize;
}
