//! The tests of Elixir's `DynamicSupervisor`, the ones of Erlang's `simple_one_for_one` that it took over, and the rules
//! that neither tests. `tests/elixir_parity.md` says which test here stands for which one there.

mod decisions;
mod limit;
mod reports;
mod restarting;
mod shutdown;
mod simple_one_for_one;
mod start_child;
mod supervision;
mod table;
mod terminate_child;
mod upgrade;

use std::{future::pending, panic::panic_any, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::{Exit, Journal, Panic, Probe, Reports};

/// What one start of a [`Scripted`] child answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Run,
    RunWith(&'static str),
    Ignore,
    Fail(&'static str),
    Panic(&'static str),
    /// The actor panics in `started`.
    PanicInStarted(&'static str),
    /// The actor ends with this reason in `started`.
    ExitInStarted(ExitReason),
    /// The start goes on for ever.
    Hang,
}

type OnStart = Box<dyn FnMut(&mut StartContext<Probe>) + Send>;

/// A probe whose first start gives the first answer, and so on; the last one holds for all that follow.
///
/// Writes `start N` into the journal at each call of its start.
pub struct Scripted {
    journal: Journal,
    answers: Vec<Answer>,
    restart: Restart,
    shutdown: Shutdown,
    child_type: ChildType,
    on_start: OnStart,
    on_stopping: Option<Box<dyn Fn(Probe) -> Probe + Send>>,
}

impl Scripted {
    pub fn new(journal: &Journal, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self {
            journal: journal.clone(),
            answers: answers.into_iter().collect(),
            restart: Restart::Permanent,
            shutdown: Shutdown::default_for(ChildType::Worker),
            child_type: ChildType::Worker,
            on_start: Box::new(|_| ()),
            on_stopping: None,
        }
    }

    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    pub fn shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    pub fn child_type(mut self, child_type: ChildType) -> Self {
        self.child_type = child_type;
        self
    }

    /// Called by each start, before it answers.
    pub fn on_start(mut self, act: impl FnMut(&mut StartContext<Probe>) + Send + 'static) -> Self {
        self.on_start = Box::new(act);
        self
    }

    /// Each incarnation gets a clone.
    pub fn on_stopping(
        mut self,
        act: impl FnMut(&mut Probe, &mut Context<Probe>) -> Running + Clone + Send + 'static,
    ) -> Self {
        self.on_stopping = Some(Box::new(move |probe| probe.on_stopping(act.clone())));
        self
    }
}

impl ChildSpec for Scripted {
    type Actor = Probe;
    type Info = &'static str;

    fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe, &'static str> {
        let number = cx.incarnation();
        self.journal.note(format_args!("start {number}"));
        (self.on_start)(cx);
        let mut probe = Probe::new(&self.journal, number);
        if let Some(act) = &self.on_stopping {
            probe = act(probe);
        }
        Starting::now(match self.answers[(number - 1).min(self.answers.len() - 1)].clone() {
            Answer::Run => Ok(Start::Run(probe)),
            Answer::RunWith(info) => Ok(Start::RunWith(probe, info)),
            Answer::Ignore => Ok(Start::Ignore),
            Answer::Fail(error) => Err(error.into()),
            Answer::Panic(message) => panic_any(message),
            Answer::PanicInStarted(message) => Ok(Start::Run(probe.on_started(move |_, _| panic_any(message)))),
            Answer::ExitInStarted(reason) => Ok(Start::Run(probe.on_started(move |_, ctx| ctx.exit(reason.clone())))),
            Answer::Hang => {
                return Starting::later(async move {
                    let _held = probe;
                    pending().await
                })
            }
        })
    }

    fn restart(&self) -> Restart {
        self.restart
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown
    }

    fn child_type(&self) -> ChildType {
        self.child_type
    }

    fn id(&self) -> Option<String> {
        Some("scripted".into())
    }
}

/// `specs`, `active`, `supervisors`, `workers`.
pub async fn counts(supervisor: &Addr<DynamicSupervisor>) -> [usize; 4] {
    let counts = supervisor.count_children().await.unwrap();
    [counts.specs, counts.active, counts.supervisors, counts.workers]
}

/// What the children are doing, in start order.
pub async fn states(supervisor: &Addr<DynamicSupervisor>) -> Vec<ChildState> {
    supervisor.which_children().await.unwrap().iter().map(|info| info.state).collect()
}

/// The child ends by itself, and its supervisor has been told when this returns.
pub async fn ends_with(child: &Addr<Probe>, reason: ExitReason) {
    child.send(Exit(reason)).await.unwrap();
}

/// The child panics in a handler, and its supervisor has been told when this returns.
pub async fn crashes(child: &Addr<Probe>) {
    assert!(child.send(Panic("boom")).await.is_err(), "the message in flight is lost");
}

/// How children ended, in the order told.
pub fn ends(reports: &Reports) -> Vec<String> {
    const ENDS: [&str; 3] = ["child ended", "child terminated", "child shut down abnormally"];
    let lines = reports.lines();
    lines.iter().filter(|l| ENDS.contains(&l.message.as_str())).map(|l| l.field("reason").to_owned()).collect()
}

/// A stop hook that cleans up and ends with a note of its own.
pub fn cleans_up(_: &mut Probe, ctx: &mut Context<Probe>) -> Running {
    ctx.exit(ExitReason::shutdown_with("oops"));
    Running::Stop
}

/// A stop hook that ends with `Normal`, as if nobody had asked.
pub fn ends_normally(_: &mut Probe, ctx: &mut Context<Probe>) -> Running {
    ctx.exit(ExitReason::Normal);
    Running::Stop
}

/// A stop hook that does not obey: the nearest an actor comes to trapping exits and ignoring them.
pub fn ignores(_: &mut Probe, _: &mut Context<Probe>) -> Running {
    Running::Continue
}

/// A stop hook that works for a while before it obeys.
pub fn lingers(time: Duration) -> impl FnMut(&mut Probe, &mut Context<Probe>) -> Running + Clone + Send + 'static {
    let mut is_done = false;
    move |_, ctx| {
        if std::mem::replace(&mut is_done, true) {
            return Running::Stop;
        }
        ctx.run_later(time, |_, ctx| ctx.stop());
        Running::Continue
    }
}

/// A reason of every kind that counts as quiet.
pub fn quiet_reasons() -> [ExitReason; 3] {
    [ExitReason::Normal, ExitReason::Shutdown, ExitReason::shutdown_with("done")]
}
