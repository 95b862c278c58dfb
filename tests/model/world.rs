//! The crate beside the model: the same steps, and what came of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{Debug, Display},
    future::Future,
    sync::Arc,
    task::{Context as Cx, Poll},
    time::Duration,
};

use actix::{prelude::*, SystemRunner};
use actix_dynamic_supervisor::{
    Builder, ChildHandle, ChildInfo, DynamicSupervisor, StartChildError, StartError, SupervisorAddr,
    TerminateChildError,
};
use futures::{
    future::{FutureExt, LocalBoxFuture},
    task::noop_waker_ref,
};
use tokio::sync::{oneshot, Semaphore};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::{layer::SubscriberExt, Registry};

use crate::{
    dice::DEFAULT_INTENSITY,
    reference::{Life, Reference, Request},
    steps::{Op, Step},
    words::{Ask, Kind, Label, Limits, Reason, Restart, Shutdown, Spec},
    worker::{self, Book, Capture, Script, Tell},
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
    /// Since the beginning, in milliseconds.
    now: u64,
}

struct Answer {
    text: String,
    /// A supervisor that has started.
    started: Option<(Label, Addr<DynamicSupervisor>)>,
}

/// What can be seen after a step, of the model or of the crate.
#[derive(Debug, PartialEq)]
pub struct Seen {
    replies: BTreeMap<Request, String>,
    events: BTreeMap<String, Vec<String>>,
    handled: BTreeMap<Label, Vec<String>>,
    /// Living supervisors that take messages: their counts, and their children.
    supervisors: BTreeMap<Label, (String, String)>,
    names: BTreeSet<String>,
    alive: BTreeSet<(Label, usize)>,
    awaited: BTreeSet<Request>,
}

impl Seen {
    /// What the model says.
    pub fn expected(model: &Reference) -> Self {
        let living = model.nodes.iter().filter(|(label, node)| node.sup.is_some() && !model.is_frozen(**label));
        let workers = model.nodes.iter().filter(|(_, node)| !node.spec.is_supervisor() && node.life == Life::Alive);
        Self {
            replies: model.replies.clone(),
            events: model.events.iter().map(|(name, lines)| (name_of(*name), lines.clone())).collect(),
            handled: model.handled.clone(),
            supervisors: living.map(|(label, _)| (*label, (model.counts(*label), model.list(*label)))).collect(),
            names: model.names.keys().map(|name| name_of(*name)).collect(),
            alive: workers.map(|(label, node)| (*label, node.incarnation)).collect(),
            awaited: model.open.clone(),
        }
    }
}

impl Seen {
    /// What is not equal, in words.
    pub fn difference(&self, other: &Self) -> String {
        let Self { replies, events, handled, supervisors, names, alive, awaited } = self;
        [
            unequal("replies", replies, &other.replies),
            unequal("events", events, &other.events),
            unequal("handled", handled, &other.handled),
            unequal("supervisors", supervisors, &other.supervisors),
            unequal("names", names, &other.names),
            unequal("alive", alive, &other.alive),
            unequal("awaited", awaited, &other.awaited),
        ]
        .concat()
    }
}

fn unequal<T: PartialEq + Debug>(what: &str, expected: &T, seen: &T) -> String {
    if expected == seen {
        String::new()
    } else {
        format!("\n{what}\n  expected {expected:?}\n  seen     {seen:?}")
    }
}

/// So often something may have happened while all that is ready runs.
const MANY_ROUNDS: usize = 1000;

pub fn name_of(name: Label) -> String {
    format!("s{name}")
}

impl World {
    pub fn new() -> Self {
        let book = Book::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(Capture(book.clone())));
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
        });
        let inside = Inside {
            book,
            supervisors: BTreeMap::new(),
            names: BTreeMap::new(),
            gates: BTreeMap::new(),
            pending: BTreeMap::new(),
            requests: 0,
            thaw: None,
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
                        tokio::time::advance(Duration::from_millis(moment - inside.now)).await;
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
                .map(|supervisor| supervisor.stop_with(reason(Reason::Shutdown), Duration::from_secs(1)))
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
            Op::Start(supervisor, label, spec) => self.start(*supervisor, *label, spec),
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
        let request = self.request();
        let parent = &self.supervisors[&supervisor];
        let future = if let Kind::Supervisor(limits) = spec.kind {
            self.names.insert(label, name_of(limits.name));
            let mut child = builder(limits).into_child().id(label.to_string());
            // The defaults are left to the crate.
            if spec.restart != Restart::Permanent {
                child = child.restart(worker::restart(spec.restart));
            }
            if spec.shutdown != Shutdown::Infinity {
                child = child.shutdown(worker::shutdown(spec.shutdown));
            }
            let answer = parent.start_child(child);
            async move {
                match answer.await {
                    Ok(started) => Answer { text: "started".into(), started: Some((label, started.addr)) },
                    Err(error) => Answer::from(refused(error)),
                }
            }
            .boxed_local()
        } else {
            let gate = Arc::new(Semaphore::new(0));
            self.gates.insert(label, Arc::clone(&gate));
            let (supervisor, book) = (self.names[&supervisor].clone(), self.book.clone());
            let answer = parent.start_child(Script { label, supervisor, spec: spec.clone(), gate, book });
            async move {
                Answer::from(match answer.await {
                    Ok(started) => if started.info.is_some() { "started, with info" } else { "started" }.into(),
                    Err(error) => refused(error),
                })
            }
            .boxed_local()
        };
        self.pending.insert(request, future);
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
                Ask::Count => text(supervisor.count_children(), or_gone),
                Ask::Which => text(supervisor.which_children(), |answer| or_gone(answer.map(list))),
                Ask::Stop { reason: why, deadline } => {
                    let deadline = deadline.map(Duration::from_millis);
                    text(supervisor.stop_with(reason(why), deadline), or_gone)
                }
                Ask::AwaitExit => text(supervisor.exited(), |reason| reason.to_string()),
                Ask::Start(_) | Ask::Tell(_) => unreachable!("has an operation of its own"),
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
                    supervisors.insert(*label, (counts.to_string(), list(children).to_string()));
                }
            }
        }
        let mut book = self.book.open();
        assert!(book.slips.is_empty(), "{:?}", book.slips);
        let is_taken = |name: &&String| DynamicSupervisor::whereis(name).is_some();
        Seen {
            replies,
            events: std::mem::take(&mut book.events),
            handled: std::mem::take(&mut book.handled),
            supervisors,
            names: self.names.values().filter(is_taken).cloned().collect(),
            alive: book.alive.clone(),
            awaited: self.pending.keys().copied().collect(),
        }
    }
}

fn builder(limits: Limits) -> Builder {
    let Limits { max_restarts, period, max_children, name } = limits;
    let mut builder = DynamicSupervisor::builder().max_reports_per_second(u32::MAX).name(name_of(name));
    if (max_restarts, period) != DEFAULT_INTENSITY {
        builder = builder.max_restarts(u32::try_from(max_restarts).unwrap()).period(Duration::from_millis(period));
    }
    match max_children {
        Some(max_children) => builder.max_children(max_children),
        None => builder,
    }
}

fn text<T: 'static>(
    answer: impl Future<Output = T> + 'static,
    text: impl FnOnce(T) -> String + 'static,
) -> LocalBoxFuture<'static, Answer> {
    answer.map(|answer| Answer::from(text(answer))).boxed_local()
}

impl<T: Into<String>> From<T> for Answer {
    fn from(text: T) -> Self {
        Self { text: text.into(), started: None }
    }
}

fn reason(reason: Reason) -> actix_dynamic_supervisor::ExitReason {
    worker::reason(reason)
}

fn or_gone<T: Display, E>(answer: Result<T, E>) -> String {
    answer.map_or("gone".into(), |answer| answer.to_string())
}

fn ended(answer: Result<(), TerminateChildError>) -> String {
    match answer {
        Ok(()) => "ok".into(),
        Err(TerminateChildError::NotFound) => "not found".into(),
        Err(TerminateChildError::SupervisorGone) => "gone".into(),
        Err(error) => format!("unexpected: {error}"),
    }
}

fn refused(error: StartChildError) -> String {
    match error {
        StartChildError::MaxChildren { .. } => "full".into(),
        StartChildError::Ignored => "declined".into(),
        StartChildError::Failed(error) => error.to_string(),
        StartChildError::Panicked(panic) => format!("panicked: {panic}"),
        StartChildError::Exited(reason) => format!("ended while it started: {reason}"),
        StartChildError::Timeout => "took longer than allowed".into(),
        StartChildError::AlreadyStarted(_) => "name taken".into(),
        StartChildError::Terminated => "terminated".into(),
        StartChildError::ShuttingDown => "shutting down".into(),
        StartChildError::SupervisorGone => "gone".into(),
        error => format!("unexpected: {error}"),
    }
}

/// As the model lists children.
struct List(String);

impl Display for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn list(children: Vec<ChildInfo>) -> List {
    let line = |child: &ChildInfo| {
        let label = child.label.as_deref().unwrap_or("?");
        let last = child.last_exit.as_ref().map_or("-".into(), ToString::to_string);
        format!("{label} {:?} {} {last}", child.state, child.restarts)
    };
    List(children.iter().map(line).collect::<Vec<_>>().join(", "))
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
