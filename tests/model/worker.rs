//! The crate's side of a child: an actor that does what its spec says, and the book everything is written into.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{
    Backoff, BoxError, Budget, ChildId, ChildKey, ChildSpec, ExitContext, Restart, Shutdown, Start, StartContext,
    Starting,
};
use tokio::sync::Semaphore;
use tracing::{
    field::{Field, Visit},
    Event, Subscriber,
};
use tracing_subscriber::{layer::Context as LayerContext, Layer};

use crate::{
    terms::{self, ms, reason},
    words::{Label, Message as Told, OnStop, Plan, Spec},
};

/// What happened, as children and log lines tell it.
#[derive(Clone, Default)]
pub struct Book(Arc<Mutex<Pages>>);

#[derive(Default)]
pub struct Pages {
    /// By the supervisor's name.
    pub events: BTreeMap<String, Vec<String>>,
    pub handled: BTreeMap<Label, Vec<String>>,
    /// Made and not yet dropped: the census.
    pub alive: BTreeSet<(Label, usize)>,
    pub workers: BTreeMap<Label, (ChildId, Addr<Worker>)>,
    labels: HashMap<String, Label>,
    /// What must never happen.
    pub slips: Vec<String>,
    /// Grows with whatever happens.
    pub activity: usize,
}

impl Book {
    pub fn open(&self) -> MutexGuard<'_, Pages> {
        let mut pages = self.0.lock().unwrap();
        pages.activity += 1;
        pages
    }
}

impl Pages {
    fn tell(&mut self, supervisor: &str, line: String) {
        self.events.entry(supervisor.to_owned()).or_default().push(line);
    }

    /// Which worker has this id?
    pub fn label(&self, id: impl Display) -> Label {
        self.labels.get(&id.to_string()).copied().unwrap_or_default()
    }
}

/// How a worker is started.
pub struct Script {
    pub label: Label,
    /// The supervisor's name.
    pub supervisor: String,
    pub spec: Spec,
    pub gate: Arc<Semaphore>,
    pub book: Book,
}

impl ChildSpec for Script {
    type Actor = Worker;
    type Info = &'static str;

    fn start(&mut self, cx: &mut StartContext<Worker>) -> Starting<Worker, &'static str> {
        let (label, incarnation) = (self.label, cx.incarnation());
        {
            let mut book = self.book.open();
            book.tell(&self.supervisor, format!("start {label}#{incarnation}"));
            book.labels.insert(cx.id().to_string(), label);
            book.workers.insert(label, (cx.id(), cx.address()));
        }
        let (spec, book) = (self.spec.clone(), self.book.clone());
        let plan = spec.plan(incarnation);
        let make = move || match plan {
            Plan::Ignore => Ok(Start::Ignore),
            Plan::Fail => Err(BoxError::from("no luck")),
            Plan::Panic => panic!("boom"),
            Plan::RunWith => Ok(Start::RunWith(Worker::new(label, incarnation, spec, book), "info")),
            _ => Ok(Start::Run(Worker::new(label, incarnation, spec, book))),
        };
        if !self.spec.is_async {
            return Starting::now(make());
        }
        let gate = Arc::clone(&self.gate);
        Starting::later(async move {
            gate.acquire().await.expect("never closed").forget();
            make()
        })
    }

    fn restart(&self) -> Restart {
        terms::restart(self.spec.restart)
    }

    fn shutdown(&self) -> Shutdown {
        terms::shutdown(self.spec.shutdown)
    }

    fn id(&self) -> Option<String> {
        Some(self.label.to_string())
    }

    fn start_timeout(&self) -> Option<Duration> {
        self.spec.start_timeout.map(ms)
    }

    fn backoff(&self) -> Option<Backoff> {
        self.spec.backoff.map(terms::backoff)
    }

    fn budget(&self) -> Option<Budget> {
        self.spec.budget.map(terms::budget)
    }

    fn key(&self) -> Option<ChildKey> {
        self.spec.key.map(terms::key)
    }
}

pub struct Worker {
    label: Label,
    incarnation: usize,
    spec: Spec,
    book: Book,
    /// It may go: it ends by itself, or has taken its time.
    lets_go: bool,
    asked: bool,
}

impl Worker {
    fn new(label: Label, incarnation: usize, spec: Spec, book: Book) -> Self {
        {
            let mut pages = book.open();
            if let Some((_, other)) = pages.alive.iter().find(|(other, _)| *other == label) {
                let slip = format!("{label}#{incarnation} is made while #{other} lives");
                pages.slips.push(slip);
            }
            pages.alive.insert((label, incarnation));
        }
        Self { label, incarnation, spec, book, lets_go: false, asked: false }
    }

    /// One panic at a time: its stop hook, which runs once more then, is quiet.
    fn crash(&mut self) {
        self.lets_go = true;
        panic!("boom");
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match self.spec.plan(self.incarnation) {
            Plan::PanicInStarted => self.crash(),
            Plan::ExitInStarted(why) => {
                self.lets_go = true;
                ctx.exit(reason(why));
            }
            Plan::CrashAtOnce => ctx.notify(Tell { request: 0, told: Told::Panic }),
            _ => {}
        }
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        if self.lets_go {
            return Running::Stop;
        }
        let is_first = !std::mem::replace(&mut self.asked, true);
        match self.spec.on_stop {
            OnStop::Obey => Running::Stop,
            OnStop::Exit(why) => {
                ctx.exit(reason(why));
                Running::Stop
            }
            OnStop::Panic => panic!("boom"),
            OnStop::Refuse => Running::Continue,
            OnStop::Slow(time) => {
                if is_first {
                    ctx.run_later(ms(time), |worker, ctx| {
                        worker.lets_go = true;
                        ctx.stop();
                    });
                }
                Running::Continue
            }
        }
    }
}

impl Supervised for Worker {}

impl Drop for Worker {
    fn drop(&mut self) {
        self.book.open().alive.remove(&(self.label, self.incarnation));
    }
}

/// Answered with the number of the incarnation that handled it.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct Tell {
    pub request: usize,
    pub told: Told,
}

impl Handler<Tell> for Worker {
    type Result = usize;

    fn handle(&mut self, Tell { request, told }: Tell, ctx: &mut Context<Self>) -> usize {
        if request > 0 {
            let line = format!("{request} by #{}", self.incarnation);
            self.book.open().handled.entry(self.label).or_default().push(line);
        }
        match told {
            Told::Work => {}
            Told::Panic => self.crash(),
            Told::Exit(why) => {
                self.lets_go = true;
                ctx.exit(reason(why));
            }
        }
        self.incarnation
    }
}

/// Writes what supervisors tell into the book.
pub struct Capture(pub Book);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let field = |name: &str| fields.0.get(name).map_or("", String::as_str);
        let (message, why) = (field("message"), field("reason"));
        let child = match field("child.label") {
            "" => String::new(),
            label => format!(" {label}#{}", field("child.incarnation")),
        };
        // What happened to each of them is seen by who sent it.
        if message == "child is gone with messages undelivered" {
            return;
        }
        let mut pages = self.0.open();
        let line = match message {
            "child caused shutdown" | "child given up" | "child declined to restart" => format!("{message}{child}"),
            "restart limit near" => format!("{message}: {} of {}", field("restarts"), field("max_restarts")),
            "child waits for its next try" => format!("{message}{child}: {}", field("delay")),
            "a panic on the way out was contained" => format!("{message} {}", pages.label(field("child.id"))),
            _ if why.is_empty() => format!("{message}{child}"),
            _ => format!("{message}{child}: {why}"),
        };
        pages.tell(field("supervisor"), line);
    }
}

#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Display) {
        self.0.insert(field.name(), value.to_string());
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}
