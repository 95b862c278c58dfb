//! The supervisor: an actor that turns messages and reports into calls on the table of children, and the table's
//! answers into commands for runners, facts and replies.
//!
//! It decides nothing itself. The one thing it must keep right is order: the table first, then replies, so that a query
//! sent after an answer sees what the answer said.

mod builder;
mod closing;
mod elsewhere;
mod ending;
mod error;
mod handlers;
mod hosts;
mod initial;
mod keyed;
mod listening;
#[cfg(feature = "metrics")]
mod measuring;
mod messages;
mod methods;
mod module;
mod naming;
mod progress;
mod reply;
mod reports;
mod returning;
mod seat;
mod starting;
mod survey;
mod watch;

use std::{collections::HashMap, mem, num::NonZeroUsize, rc::Rc, sync::Arc, time::Duration};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Running, Supervised, WeakAddr};
use tokio::time::Instant;

pub use self::{
    builder::{Builder, Linked, Module},
    error::StartError,
    initial::InitialChildren,
    messages::{
        AwaitExit, ChildHandle, CountChildren, GetOrStart, KillChild, MonitorChild, Reinit, StartChild, Started, Stop,
        Subscribe, TerminateChild, WhichChildren,
    },
    methods::{Answer, SupervisorAddr, Termination},
    module::{Init, SupervisorModule},
    naming::SupervisorRegistry,
};
use self::{
    closing::Closing,
    hosts::Hosts,
    module::FlagSource,
    reply::Promise,
    seat::{offender, Seat},
};
use crate::{
    children::Children,
    directory::Listed,
    error::StartChildError,
    event::{Fact, Hub, OpenHub, Origin, Teller},
    exit::ExitReason,
    id::{ChildId, SupervisorId},
    registry::Lease,
    runner::{self, Link, Report, Reports, StartLimit},
    snapshot::ShutdownReport,
    spec::{ChildActor, Extras, Flags, Inherited, Placement, Rules, StartContext},
    unwind,
};

/// How long a count of left-out reports may wait for a report that mentions it.
const SUMMARY_DELAY: Duration = Duration::from_secs(2);

/// The actor that starts children on demand, watches them, and restarts them by rule.
///
/// Made by [`DynamicSupervisor::builder`]; used through its address, with messages or with the methods of
/// [`SupervisorAddr`].
///
/// It guarantees: at most `max_children` children at any time, those being started or restarted included; at most one
/// incarnation of a child at a time; an end of the supervisor, in whatever way, is the end of all its children.
/// It does not guarantee an order between children, and it cannot end what blocks its thread.
pub struct DynamicSupervisor {
    children: Children<Seat>,
    /// Who has which key; made for the first child with a key.
    keys: Option<Listed>,
    /// Where children are found by address; made when first asked for, kept from then on.
    by_addr: Option<HashMap<usize, ChildId>>,
    flags: FlagSource,
    /// `None`: open.
    closing: Option<Box<Closing>>,
    /// Who asked how it ends.
    exits: Vec<Promise<ExitReason>>,
    teller: Teller,
    /// Handed to children; made when it has an address.
    link: Option<Arc<Link>>,
    /// Those of the children started last, each once, the latest first.
    recent_rules: Vec<Rc<Rules>>,
    extras: Extras,
    max_concurrent_starts: Option<NonZeroUsize>,
    /// Arbiters of its own, or that its children live on; most have none.
    hosts: Option<Box<Hosts>>,
    unresponsive_after: Duration,
    lease: Option<Arc<Lease>>,
    has_started: bool,
    /// A summary of the reports left out is due in a while.
    summary_is_due: bool,
    is_measured: bool,
    has_spans: bool,
    since: Instant,
    /// The use of the restart limit is looked at again in a while.
    #[cfg(feature = "metrics")]
    glance: Option<measuring::Glance>,
}

impl DynamicSupervisor {
    fn new(
        flags: &Flags,
        source: FlagSource,
        name: Option<&str>,
        lease: Option<Arc<Lease>>,
        hub: Arc<OpenHub>,
    ) -> Self {
        let id = SupervisorId::fresh();
        #[cfg(feature = "metrics")]
        let is_named = name.is_some();
        let name: Arc<str> = match name {
            Some(name) => unwind::text_of(name).into(),
            None => format!("{}#{id}", source.label).into(),
        };
        let path = hub.path_of(&name);
        let teller = Teller::new(Origin { id, name, path }, hub, flags.max_reports_per_second);
        // An id would make a new series of each, for ever.
        #[cfg(feature = "metrics")]
        let teller = if is_named { teller } else { teller.measured_as(source.label) };
        let children = Children::new(id, flags);
        #[cfg(feature = "metrics")]
        let children = children.counted_by(Box::new(teller.meter().population()));
        Self {
            children,
            keys: None,
            by_addr: None,
            flags: source,
            closing: None,
            exits: Vec::new(),
            teller,
            link: None,
            recent_rules: Vec::new(),
            extras: flags.extras.clone(),
            max_concurrent_starts: flags.max_concurrent_starts,
            hosts: (flags.placement != Placement::Same)
                .then(|| Box::new(Hosts::new(flags.placement, flags.unresponsive_after))),
            unresponsive_after: flags.unresponsive_after,
            lease,
            has_started: false,
            summary_is_due: false,
            is_measured: flags.is_measured,
            has_spans: flags.has_spans,
            since: Instant::now(),
            #[cfg(feature = "metrics")]
            glance: None,
        }
    }

    fn link(&mut self, ctx: &Context<Self>) -> Arc<Link> {
        let link = self.link.get_or_insert_with(|| {
            let weak = ctx.address().downgrade();
            let parent = Parent { addr: weak.clone(), hub: Arc::clone(self.teller.hub()) };
            Arc::new(Link {
                supervisor: self.children.supervisor(),
                reports: Box::new(Mailbox(weak.clone())),
                starts: StartLimit::new(self.max_concurrent_starts),
                inherited: Arc::new(Inherited::new(mem::take(&mut self.extras), Box::new(parent))),
                spans: self.has_spans.then(|| Arc::clone(&self.teller.origin().name)),
            })
        });
        Arc::clone(link)
    }

    /// What a starter hears whose child is ended while it starts.
    fn cut_off(&self) -> StartChildError {
        if self.is_open() {
            StartChildError::Terminated
        } else {
            StartChildError::ShuttingDown
        }
    }

    fn is_open(&self) -> bool {
        self.closing.is_none()
    }

    /// A storm that ends must not leave its last reports untold: one timer, however many there were.
    fn summarise_later(&mut self, ctx: &mut Context<Self>) {
        if self.teller.owes_summary() && !self.summary_is_due {
            self.summary_is_due = true;
            ctx.run_later(SUMMARY_DELAY, |supervisor, _| {
                supervisor.summary_is_due = false;
                supervisor.teller.summarise();
            });
        }
    }

    fn tell(&mut self, fact: &Fact<'_>) {
        self.teller.tell(fact, now);
    }
}

/// What a child knows of its supervisor: weak, as children must not keep it alive.
struct Parent {
    addr: WeakAddr<DynamicSupervisor>,
    hub: Arc<Hub>,
}

impl<A: ChildActor> StartContext<A> {
    fn parent(&self) -> Option<&Parent> {
        self.inherited.supervisor.downcast_ref()
    }
}

/// All time comes from Tokio, so that a test can pause it; the core sees only instants.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Reports go to the supervisor's own mailbox: their order with requests is that of Elixir.
struct Mailbox(WeakAddr<DynamicSupervisor>);

impl Reports for Mailbox {
    fn report(&self, report: Report) {
        match self.0.upgrade() {
            Some(supervisor) => supervisor.do_send(report),
            // The supervisor is gone and has dropped its handles; nobody waits for this.
            None => drop(report),
        }
    }
}

impl Actor for DynamicSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Without limit: nobody is kept waiting, and requests have one order, that in which they were sent.
        ctx.set_mailbox_capacity(0);
        self.has_started = true;
        self.tell(&Fact::SupervisorStarted);
        if cfg!(panic = "abort") {
            self.tell(&Fact::PanicsAbort);
        }
        self.watch_threads(ctx);
        self.start_initial_children(ctx);
    }

    /// Asked to stop, by whomever: first the children, then itself.
    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        if self.is_open() {
            self.close(None, ctx);
        }
        if self.children.is_empty() && !self.is_joining() {
            Running::Stop
        } else {
            Running::Continue
        }
    }
}

impl Supervised for DynamicSupervisor {}

impl Drop for DynamicSupervisor {
    /// However it ends: no child is found any more, children, then the name, then who waits is told.
    fn drop(&mut self) {
        // Its runner knows; run by `Actor::start` it has none, and only what it ends itself for is known.
        let meant = self.closing.as_ref().and_then(|closing| closing.reason());
        let reason = runner::ending_reason().or(meant).unwrap_or(ExitReason::Normal);
        self.keys = None;
        let report = self.drop_children();
        self.lease = None;
        if self.has_started {
            self.tell(&Fact::SupervisorEnded { reason: &reason, report: &report });
        }
        self.teller.summarise();
        runner::leave_words(report.clone());
        let (closing, exits) = (self.closing.take(), mem::take(&mut self.exits));
        runner::after_burial(Box::new(move || {
            if let Some(closing) = closing {
                closing.answer(&report);
            }
            for exit in exits {
                exit.keep(reason.clone());
            }
        }));
    }
}

impl DynamicSupervisor {
    /// Ends what still lives, by dropping it (invariant 6), and sums up.
    fn drop_children(&mut self) -> ShutdownReport {
        let mut report = self.closing.as_mut().map(|closing| closing.take_report()).unwrap_or_default();
        let left: Vec<ChildId> = self.children.iter().map(|(id, _)| id).collect();
        for id in left {
            if let Some(mut entry) = self.children.remove(id) {
                if entry.phase().is_active() {
                    report.killed.push(id);
                }
                let leavings = entry.seat.end();
                self.tell_dropped(id, &mut entry, leavings.as_deref());
                if let Some(leavings) = leavings {
                    self.tell_leavings(offender(id, &entry), *leavings);
                }
                let rare = entry.seat.rare.take();
                let _ = unwind::dispose(entry);
                if let Some(rare) = rare {
                    rare.dispose();
                }
            }
        }
        report
    }
}

impl<A: ChildActor> StartContext<A> {
    /// The supervisor of this child; weak, as children must not keep it alive.
    #[must_use]
    pub fn supervisor(&self) -> Option<Addr<DynamicSupervisor>> {
        self.parent()?.addr.upgrade()
    }
}

impl std::fmt::Debug for DynamicSupervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamicSupervisor").field("children", &self.children.counts()).finish_non_exhaustive()
    }
}

/// Ends the context of a supervisor whose work is done.
fn leave(reason: Option<ExitReason>, ctx: &mut Context<DynamicSupervisor>) {
    match reason {
        Some(reason) => crate::ExitContext::exit(ctx, reason),
        None => ctx.stop(),
    }
}
