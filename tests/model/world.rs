//! The crate beside the model: the same steps, and what came of them.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context as Cx, Poll},
    time::Duration,
};

use actix::{prelude::*, SystemRunner};
use actix_dynamic_supervisor::{Builder, ChildHandle, DynamicSupervisor, StartError, SupervisorAddr};
use futures::{
    future::{FutureExt, LocalBoxFuture},
    task::noop_waker_ref,
};
use tokio::{
    sync::{oneshot, Semaphore},
    time::Instant,
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{layer::SubscriberExt, Registry};

use crate::{
    answers::{ended, list, or_gone, refused, started, text, Answer},
    dice::{DEFAULT_INTENSITY, KEYS},
    reference::{Reference, Request},
    seen::{name_of, Seen},
    steps::{Op, Step},
    terms::{self, ms},
    words::{Ask, Budget, Kind, Label, Limits, Reason, Restart, Shutdown, Spec},
    worker::{Book, Capture, Script, Tell},
};

/// A System with a paused clock of its own, and what is known of it from outside.
pub struct World {
    system: SystemRunner,
    inside: Inside,
    _guard: DefaultGuard,
}

struct Inside {
    book: Book,
    supervisors: BTreeMap<Label, Addr<DynamicSupervisor>>,
    names: BTreeMap<Label, String>,
    gates: BTreeMap<Label, Arc<Semaphore>>,
    pending: BTreeMap<Request, LocalBoxFuture<'static, Answer>>,
    requests: Request,
    thaw: Option<oneshot::Sender<()>>,
    began: Instant,
    /// Since then, in milliseconds.
    now: u64,
}

/// So often something may have happened while all that is ready runs.
const MANY_ROUNDS: usize = 1000;

impl World {
    pub fn new() -> Self {
        let book = Book::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(Capture(book.clone())));
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
        });
        let began = system.block_on(async { Instant::now() });
        let inside = Inside {
            book,
            supervisors: BTreeMap::new(),
            names: BTreeMap::new(),
            gates: BTreeMap::new(),
            pending: BTreeMap::new(),
            requests: 0,
            thaw: None,
            began,
            now: 0,
        };
        Self { system, inside, _guard: guard }
    }

    /// Does what the model did in its last step; answers what came of it.
    pub fn step(&mut self, step: &Step, model: &Reference) -> Seen {
        let inside = &mut self.inside;
        self.system.block_on(async {
            match step {
                Step::Do(ops) => ops.iter().for_each(|op| inside.op(op)),
                Step::InTurn(ops) => {
                    for op in ops {
                        inside.op(op);
                        inside.settle().await;
                    }
                }
                Step::Advance(_) => {
                    for moment in &model.moments {
                        tokio::time::advance(ms(moment - inside.now)).await;
                        inside.now = *moment;
                        inside.settle().await;
                    }
                }
            }
            inside.settle().await;
            inside.look(model).await
        })
    }

    /// Ends everything, without the model: nothing may be left.
    pub fn end(mut self) {
        let inside = &mut self.inside;
        self.system.block_on(async {
            inside.thaw = None;
            inside.settle().await;
            let stops: Vec<_> = inside
                .supervisors
                .values()
                .map(|supervisor| supervisor.stop_with(terms::reason(Reason::Shutdown), Duration::from_secs(1)))
                .collect();
            futures::future::join_all(stops).await;
            // A parent may have started a nested supervisor again; it has been told to stop as well by now.
            inside.settle().await;
            inside.poll_pending();
            let awaited: Vec<_> = inside.pending.keys().collect();
            assert!(awaited.is_empty(), "never answered: {awaited:?}");
            let book = inside.book.open();
            assert!(book.alive.is_empty(), "alive after the end of all supervisors: {:?}", book.alive);
            assert!(book.slips.is_empty(), "{:?}", book.slips);
            for name in inside.names.values() {
                assert!(DynamicSupervisor::whereis(name).is_none(), "{name} is not free");
            }
        });
    }
}

impl Inside {
    fn op(&mut self, op: &Op) {
        match op {
            Op::Root(label, limits) => {
                let name = name_of(limits.name);
                self.names.insert(*label, name.clone());
                let request = self.request();
                let answer = match builder(*limits).start() {
                    Ok(addr) => Answer { text: "started".into(), started: Some((*label, addr)) },
                    Err(StartError::AlreadyStarted(_)) => Answer::from("name taken"),
                    Err(error) => Answer::from(format!("unexpected: {error}")),
                };
                self.pending.insert(request, async { answer }.boxed_local());
            }
            Op::Start(supervisor, label, spec) => match spec.kind {
                Kind::Worker => self.start(*supervisor, *label, spec),
                Kind::Supervisor(limits) => self.start_supervisor(*supervisor, *label, spec, limits),
            },
            Op::GetOrStart(supervisor, label, spec) => self.get_or_start(*supervisor, *label, spec),
            Op::Send(to, ask) => self.send(*to, *ask),
            Op::OpenGate(child) => self.gates[child].add_permits(1),
            Op::Abandon(request) => drop(self.pending.remove(request)),
            Op::Freeze(supervisor) => {
                let (thaw, thawed) = oneshot::channel();
                self.supervisors[supervisor].do_send(Freeze(thawed));
                self.thaw = Some(thaw);
            }
            Op::Thaw(_) => self.thaw = None,
        }
    }

    fn start(&mut self, supervisor: Label, label: Label, spec: &Spec) {
        let script = self.script(supervisor, label, spec.clone());
        let (answer, book) = (self.supervisors[&supervisor].start_child(script), self.book.clone());
        self.expect(text(answer, move |answer| started(answer, &book)));
    }

    fn get_or_start(&mut self, supervisor: Label, label: Label, spec: &Spec) {
        let key = spec.key.expect("it is for a key");
        // A key of the spec's own is overruled.
        let other = label.is_multiple_of(2).then_some((key + 1) % KEYS);
        let script = self.script(supervisor, label, Spec { key: other, ..spec.clone() });
        let answer = self.supervisors[&supervisor].get_or_start(terms::key(key), script);
        let book = self.book.clone();
        self.expect(text(answer, move |answer| started(answer, &book)));
    }

    fn script(&mut self, supervisor: Label, label: Label, spec: Spec) -> Script {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.insert(label, Arc::clone(&gate));
        Script { label, supervisor: self.names[&supervisor].clone(), spec, gate, book: self.book.clone() }
    }

    fn start_supervisor(&mut self, parent: Label, label: Label, spec: &Spec, limits: Limits) {
        self.names.insert(label, name_of(limits.name));
        let mut child = builder(limits).into_child().id(label.to_string());
        // The defaults are left to the crate.
        if spec.restart != Restart::Permanent {
            child = child.restart(terms::restart(spec.restart));
        }
        if spec.shutdown != Shutdown::Infinity {
            child = child.shutdown(terms::shutdown(spec.shutdown));
        }
        if let Some(backoff) = spec.backoff {
            child = child.backoff(terms::backoff(backoff));
        }
        if let Some(Budget { max_restarts, within, give_up }) = spec.budget {
            child = child.max_restarts(max_restarts.try_into().unwrap(), ms(within)).give_up(terms::give_up(give_up));
        }
        let (answer, book) = (self.supervisors[&parent].start_child(child), self.book.clone());
        let answer = async move {
            match answer.await {
                Ok(started) => Answer { text: format!("{label} started"), started: Some((label, started.addr)) },
                Err(error) => Answer::from(refused(error, &book)),
            }
        };
        self.expect(answer.boxed_local());
    }

    fn expect(&mut self, answer: LocalBoxFuture<'static, Answer>) {
        let request = self.request();
        self.pending.insert(request, answer);
    }

    fn send(&mut self, to: Label, ask: Ask) {
        let request = self.request();
        let future = if let Ask::Tell(told) = ask {
            let answer = self.book.open().workers[&to].1.send(Tell { request, told });
            text(answer, |answer| answer.map_or("closed".into(), |by| format!("by #{by}")))
        } else {
            let supervisor = &self.supervisors[&to];
            match ask {
                Ask::Terminate(child) => text(supervisor.terminate_child(self.handle(request, child)), ended),
                Ask::Kill(child) => text(supervisor.kill_child(self.handle(request, child)), ended),
                Ask::TerminateKey(key) => text(supervisor.terminate_child(terms::handle(key)), ended),
                Ask::KillKey(key) => text(supervisor.kill_child(terms::handle(key)), ended),
                Ask::Count => text(supervisor.count_children(), or_gone),
                Ask::Which => {
                    let began = self.began;
                    text(supervisor.which_children(), move |answer| {
                        or_gone(answer.map(|children| list(children, began)))
                    })
                }
                Ask::Stop { reason: why, deadline } => {
                    text(supervisor.stop_with(terms::reason(why), deadline.map(ms)), or_gone)
                }
                Ask::AwaitExit => text(supervisor.exited(), |reason| reason.to_string()),
                Ask::Start(_) | Ask::GetOrStart(_) | Ask::Tell(_) => unreachable!("has an operation of its own"),
            }
        };
        self.pending.insert(request, future);
    }

    /// By id or by address.
    fn handle(&self, request: Request, child: Label) -> ChildHandle {
        let is_by_id = request.is_multiple_of(2);
        match (self.book.open().workers.get(&child), self.supervisors.get(&child)) {
            (Some((id, _)), _) if is_by_id => (*id).into(),
            (Some((_, addr)), _) => addr.into(),
            (None, Some(addr)) => addr.into(),
            (None, None) => panic!("{child} is not known"),
        }
    }

    fn request(&mut self) -> Request {
        self.requests += 1;
        self.requests
    }

    /// Lets everything that is ready run; no time passes.
    async fn settle(&self) {
        for _ in 0..MANY_ROUNDS {
            let before = self.book.open().activity;
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            // Looking counts as well.
            if self.book.open().activity == before + 1 {
                return;
            }
        }
        panic!("never comes to rest");
    }

    fn poll_pending(&mut self) -> BTreeMap<Request, String> {
        let mut replies = BTreeMap::new();
        let mut cx = Cx::from_waker(noop_waker_ref());
        let (supervisors, pending) = (&mut self.supervisors, &mut self.pending);
        pending.retain(|request, future| match future.as_mut().poll(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(Answer { text, started }) => {
                replies.insert(*request, text);
                supervisors.extend(started);
                false
            }
        });
        replies
    }

    async fn look(&mut self, model: &Reference) -> Seen {
        let replies = self.poll_pending();
        let mut supervisors = BTreeMap::new();
        for (label, node) in &model.nodes {
            if node.sup.is_some() && !model.is_frozen(*label) {
                let Some(supervisor) = self.supervisors.get(label) else { continue };
                let (counts, children) = (supervisor.count_children(), supervisor.which_children());
                if let (Ok(counts), Ok(children)) = (counts.await, children.await) {
                    supervisors.insert(*label, (counts.to_string(), list(children, self.began).to_string()));
                }
            }
        }
        let mut book = self.book.open();
        assert!(book.slips.is_empty(), "{:?}", book.slips);
        let mut found = BTreeMap::new();
        for (label, supervisor) in &self.supervisors {
            for key in 0..KEYS {
                let whom = terms::whereis(supervisor, key);
                let whose = |addr| book.workers.iter().find(|(_, (_, other))| *other == addr).map(|(label, _)| *label);
                found.extend(whom.and_then(whose).map(|child| ((*label, key), child)));
            }
        }
        let is_taken = |name: &&String| DynamicSupervisor::whereis(name).is_some();
        Seen {
            replies,
            events: std::mem::take(&mut book.events),
            handled: std::mem::take(&mut book.handled),
            supervisors,
            found,
            names: self.names.values().filter(is_taken).cloned().collect(),
            alive: book.alive.clone(),
            awaited: self.pending.keys().copied().collect(),
        }
    }
}

fn builder(limits: Limits) -> Builder {
    let Limits { max_restarts, period, max_children, backoff, max_starts, name } = limits;
    let mut builder = DynamicSupervisor::builder().max_reports_per_second(u32::MAX).name(name_of(name));
    if (max_restarts, period) != DEFAULT_INTENSITY {
        builder = builder.max_restarts(u32::try_from(max_restarts).unwrap()).period(ms(period));
    }
    if let Some(backoff) = backoff {
        builder = builder.backoff(terms::backoff(backoff));
    }
    if let Some(max_starts) = max_starts.and_then(NonZeroUsize::new) {
        builder = builder.max_concurrent_starts(max_starts);
    }
    match max_children {
        Some(max_children) => builder.max_children(max_children),
        None => builder,
    }
}

/// The supervisor takes no more messages until the other end is dropped.
#[derive(Message)]
#[rtype(result = "()")]
struct Freeze(oneshot::Receiver<()>);

impl Handler<Freeze> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Freeze(thawed): Freeze, ctx: &mut Context<Self>) {
        ctx.wait(async { drop(thawed.await) }.into_actor(self));
    }
}
