//! Starting a child for the first time.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use actix::{Addr, ArbiterHandle, Context, Handler};

use super::{
    hosts::Site,
    messages::{StartChild, Started},
    now,
    reply::Reply,
    seat::Seat,
    DynamicSupervisor,
};
use crate::{
    children::{Entry, Full, Phase},
    directory::{Held, Holder},
    error::StartChildError,
    event::{Fact, Offender},
    exit::ExitReason,
    id::{ChildId, Incarnation},
    key::ChildKey,
    runner::{self, Birth, Launched, Names, RunnerHandle, Sent, StartFailure, Terms, Watched},
    spec::{ChildSpec, Rules},
    unwind,
};

/// How many kinds of children are remembered, for the next of a kind to share its rules.
const RECENT_RULES: usize = 8;

/// What a `StartChild` is answered.
pub(super) type Outcome<S> = Result<Started<<S as ChildSpec>::Actor, <S as ChildSpec>::Info>, StartChildError>;

impl<S: ChildSpec> Handler<StartChild<S>> for DynamicSupervisor {
    type Result = Reply<Outcome<S>>;

    fn handle(&mut self, StartChild(spec): StartChild<S>, ctx: &mut Context<Self>) -> Self::Result {
        match self.start(spec, None, ctx) {
            Begin::Now(reply) => reply,
            Begin::Later(later) => {
                let (promise, reply) = Reply::later();
                self.await_start(later, |outcome| promise.keep(outcome));
                reply
            }
        }
    }
}

/// What a start came to in the supervisor's turn.
pub(super) enum Begin<S: ChildSpec> {
    Now(Reply<Outcome<S>>),
    /// It goes on; who asked is to [wait](DynamicSupervisor::await_start).
    Later(Later<S>),
}

pub(super) struct Later<S: ChildSpec> {
    id: ChildId,
    addr: Addr<S::Actor>,
    info: Slot<S::Info>,
}

/// Where what a start hands over lies until its caller is answered.
enum Slot<I> {
    Here(Rc<RefCell<Option<I>>>),
    There(Arc<Mutex<Option<I>>>),
}

impl<I> Slot<I> {
    fn take(self) -> Option<I> {
        match self {
            Self::Here(info) => info.borrow_mut().take(),
            Self::There(info) => info.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }
}

/// What is settled before a child is launched.
struct Admitted {
    id: ChildId,
    rules: Rc<Rules>,
    start_timeout: Option<Duration>,
    special: Option<Box<Special>>,
}

/// What few children have.
struct Special {
    key: Option<Held>,
    arbiter: Option<ArbiterHandle>,
}

impl DynamicSupervisor {
    /// Starts a child; `key` overrules that of its spec.
    pub(super) fn start<S: ChildSpec>(&mut self, spec: S, key: Option<ChildKey>, ctx: &mut Context<Self>) -> Begin<S> {
        match self.admit(&spec, key, ctx) {
            Ok(admitted) => self.launch(spec, admitted, ctx),
            Err(error) => {
                self.drop_spec(spec);
                Begin::Now(Reply::now(Err(error)))
            }
        }
    }

    fn admit<S: ChildSpec>(
        &mut self,
        spec: &S,
        key: Option<ChildKey>,
        ctx: &Context<Self>,
    ) -> Result<Admitted, StartChildError> {
        if !self.is_open() {
            return Err(StartChildError::ShuttingDown);
        }
        let id = self.children.admit().map_err(|Full { limit }| StartChildError::MaxChildren { limit })?;
        let asked = unwind::guard(|| {
            let special = match (key.or_else(|| spec.key()), spec.arbiter()) {
                (None, None) => None,
                special => Some(Box::new(special)),
            };
            // Shared here already, as rules are large.
            (self.shared(Rules::of(spec)), spec.start_timeout(), special)
        });
        let (rules, start_timeout, special) = asked.map_err(StartChildError::Panicked)?;
        let special = match special.map(|special| *special) {
            None => None,
            Some((key, arbiter)) => {
                let key = key.map(|key| self.prepare_key::<S::Actor>(key, ctx)).transpose()?;
                Some(Box::new(Special { key, arbiter }))
            }
        };
        Ok(Admitted { id, rules, start_timeout, special })
    }

    /// Most children of a supervisor have the same rules as one of those started before: they are kept once. That also
    /// makes a walk over many children quick.
    #[inline]
    fn shared(&mut self, rules: Rules) -> Rc<Rules> {
        match self.recent_rules.first() {
            Some(last) if **last == rules => Rc::clone(last),
            _ => self.shared_with_earlier(rules),
        }
    }

    fn shared_with_earlier(&mut self, rules: Rules) -> Rc<Rules> {
        let recent = &mut self.recent_rules;
        let rules = match recent.iter().position(|known| **known == rules) {
            Some(at) => recent.remove(at),
            None => {
                if recent.len() >= RECENT_RULES {
                    // A delay may be a function of the user's.
                    let _ = unwind::dispose(recent.pop());
                }
                Rc::new(rules)
            }
        };
        recent.insert(0, Rc::clone(&rules));
        rules
    }

    fn launch<S: ChildSpec>(&mut self, spec: S, admitted: Admitted, ctx: &mut Context<Self>) -> Begin<S> {
        let Admitted { id, rules, start_timeout, special } = admitted;
        let link = self.link(ctx);
        let birth = Birth::new(id, link);
        let terms = Terms {
            restart: rules.restart,
            child_type: rules.child_type,
            start_timeout,
            takes_over: rules.takes_over(),
            watched: self.watched(&rules, special.as_deref()),
        };
        if self.is_elsewhere(special.as_deref()) {
            return self.launch_elsewhere(spec, rules, terms, birth, special, ctx);
        }
        match runner::launch(spec, &terms, birth) {
            Launched::Running { addr, runner, info, task } => {
                let seat = self.seat(id, runner, special, true);
                self.insert(id, Entry::new(rules, Phase::Running, seat, now()));
                self.tell_of(id, |child| Fact::Started { child });
                Begin::Now(Reply::now(Ok(Started::new(id, addr, info))).and_then(task))
            }
            Launched::Starting { addr, runner, info } => {
                let seat = self.seat(id, runner, special, false);
                self.insert(id, Entry::new(rules, Phase::Starting, seat, now()));
                Begin::Later(Later { id, addr, info: Slot::Here(info) })
            }
            Launched::Not(failure) => {
                self.tell_start_failed(id, &rules, special.as_deref(), &failure);
                Begin::Now(Reply::now(Err(failure.into())))
            }
        }
    }

    fn is_elsewhere(&self, special: Option<&Special>) -> bool {
        special.is_some_and(|special| special.arbiter.is_some())
            || self.hosts.as_ref().is_some_and(|hosts| hosts.is_pool())
    }

    #[cold]
    fn launch_elsewhere<S: ChildSpec>(
        &mut self,
        spec: S,
        rules: Rc<Rules>,
        terms: Terms,
        birth: Birth,
        mut special: Option<Box<Special>>,
        ctx: &mut Context<Self>,
    ) -> Begin<S> {
        let id = birth.id();
        let arbiter = special.as_mut().and_then(|special| special.arbiter.take());
        let Some((site, home)) = self.site(arbiter, ctx) else {
            self.drop_spec(spec);
            let failure = StartFailure::Exited(ExitReason::ArbiterGone);
            self.tell_start_failed(id, &rules, special.as_deref(), &failure);
            return Begin::Now(Reply::now(Err(failure.into())));
        };
        let kept = matches!(site, Site::Fixed(_)).then(|| home.clone());
        let Sent { addr, runner, info } = runner::launch_on(home, spec, terms, birth);
        let mut seat = self.seat(id, runner, special, false);
        seat.rare().site = Some(site);
        seat.rare().home = kept;
        self.insert(id, Entry::new(rules, Phase::Starting, seat, now()));
        Begin::Later(Later { id, addr, info: Slot::There(info) })
    }

    /// What is kept of a child's polls, where somebody wants to know.
    #[inline]
    fn watched(&self, rules: &Rules, special: Option<&Special>) -> Option<Box<Watched>> {
        if self.is_measured || self.has_spans {
            Some(self.to_be_watched(rules, special))
        } else {
            None
        }
    }

    #[cold]
    fn to_be_watched(&self, rules: &Rules, special: Option<&Special>) -> Box<Watched> {
        let key = special.and_then(|special| special.key.as_ref()).map(|held| held.key().text());
        let names = self.has_spans.then(|| Names { label: rules.label.clone(), key });
        Box::new(Watched::new(self.is_measured, names))
    }

    #[cold]
    fn tell_start_failed(&mut self, id: ChildId, rules: &Rules, special: Option<&Special>, failure: &StartFailure) {
        // One that declines is no failure.
        if !matches!(failure, StartFailure::Ignored) {
            let key = special.and_then(|special| special.key.as_ref()).map(Held::key);
            let child = Offender { id, incarnation: Incarnation::FIRST, rules, key };
            self.teller.tell(&Fact::StartFailed { child, failure }, now);
        }
    }

    /// A seat for a new child, which from now on has its key.
    #[inline]
    fn seat(&self, id: ChildId, runner: RunnerHandle, special: Option<Box<Special>>, is_open: bool) -> Seat {
        let mut seat = Seat::new(runner);
        if let Some(held) = special.and_then(|special| special.key) {
            self.hold(id, &mut seat, held, is_open);
        }
        seat
    }

    #[cold]
    fn hold(&self, id: ChildId, seat: &mut Seat, held: Held, is_open: bool) {
        if let Some(keys) = self.keys() {
            keys.insert(&held, Holder { id, addr: Arc::from(seat.runner.weak_addr()), is_open });
            seat.rare().key = Some(held);
        }
    }

    /// Has somebody told what a start that goes on came to.
    pub(super) fn await_start<S: ChildSpec>(
        &mut self,
        Later { id, addr, info }: Later<S>,
        tell: impl FnOnce(Outcome<S>) + 'static,
    ) {
        if let Some(seat) = self.children.seat_mut(id) {
            seat.rare().starter = Some(Box::new(move |result: Result<(), StartChildError>| {
                tell(result.map(|()| Started::new(id, addr, info.take())));
            }));
        }
    }

    fn insert(&mut self, id: ChildId, entry: Entry<Seat>) {
        if let Some(by_addr) = &mut self.by_addr {
            by_addr.insert(entry.seat.runner.addr_key(), id);
        }
        self.children.insert(id, entry);
    }
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
