//! A child that does what it is told and writes down what happens to it.

use std::panic::panic_any;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::Journal;

/// Writes `started N`, `restarting N`, `stopping N`, `stopped N` and `dropped N`, N being its incarnation.
///
/// `restarting` is written only by a probe made with [`Probe::tells_restarting`].
pub struct Probe {
    journal: Journal,
    pub incarnation: usize,
    tells_restarting: bool,
    #[allow(clippy::type_complexity)]
    on_started: Option<Box<dyn FnMut(&mut Probe, &mut Context<Probe>)>>,
    #[allow(clippy::type_complexity)]
    on_stopping: Option<Box<dyn FnMut(&mut Probe, &mut Context<Probe>) -> Running>>,
    #[allow(clippy::type_complexity)]
    on_stopped: Option<Box<dyn FnMut(&mut Probe, &mut Context<Probe>)>>,
    on_drop: Option<Box<dyn FnMut()>>,
}

impl Probe {
    pub fn new(journal: &Journal, incarnation: usize) -> Self {
        Self {
            journal: journal.clone(),
            incarnation,
            tells_restarting: false,
            on_started: None,
            on_stopping: None,
            on_stopped: None,
            on_drop: None,
        }
    }

    /// The spec of a permanent probe.
    pub fn child(
        journal: &Journal,
    ) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        Self::scripted(journal, |probe| probe)
    }

    /// The spec of a permanent probe with a script, applied to every incarnation.
    pub fn scripted(
        journal: &Journal,
        mut script: impl FnMut(Probe) -> Probe + Send + 'static,
    ) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        let journal = journal.clone();
        Child::with(move |cx: &mut StartContext<Probe>| script(Probe::new(&journal, cx.incarnation())))
    }

    pub fn tells_restarting(mut self) -> Self {
        self.tells_restarting = true;
        self
    }

    pub fn on_started(mut self, act: impl FnMut(&mut Probe, &mut Context<Probe>) + 'static) -> Self {
        self.on_started = Some(Box::new(act));
        self
    }

    pub fn on_stopping(mut self, act: impl FnMut(&mut Probe, &mut Context<Probe>) -> Running + 'static) -> Self {
        self.on_stopping = Some(Box::new(act));
        self
    }

    pub fn on_stopped(mut self, act: impl FnMut(&mut Probe, &mut Context<Probe>) + 'static) -> Self {
        self.on_stopped = Some(Box::new(act));
        self
    }

    pub fn on_drop(mut self, act: impl FnMut() + 'static) -> Self {
        self.on_drop = Some(Box::new(act));
        self
    }

    pub fn note(&self, what: &str) {
        self.journal.note(format_args!("{what} {}", self.incarnation));
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.note("started");
        if let Some(mut act) = self.on_started.take() {
            act(self, ctx);
        }
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        self.note("stopping");
        match self.on_stopping.take() {
            Some(mut act) => {
                let running = act(self, ctx);
                self.on_stopping = Some(act);
                running
            }
            None => Running::Stop,
        }
    }

    fn stopped(&mut self, ctx: &mut Context<Self>) {
        self.note("stopped");
        if let Some(mut act) = self.on_stopped.take() {
            act(self, ctx);
        }
    }
}

impl Supervised for Probe {
    fn restarting(&mut self, _: &mut Context<Self>) {
        if self.tells_restarting {
            self.note("restarting");
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.note("dropped");
        if let Some(mut act) = self.on_drop.take() {
            act();
        }
    }
}

/// Answers the number of the incarnation that handled it.
pub struct Ask;

impl Message for Ask {
    type Result = usize;
}

impl Handler<Ask> for Probe {
    type Result = usize;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> usize {
        self.incarnation
    }
}

/// Panics in the handler.
pub struct Panic(pub &'static str);

impl Message for Panic {
    type Result = ();
}

impl Handler<Panic> for Probe {
    type Result = ();

    fn handle(&mut self, Panic(message): Panic, _: &mut Context<Self>) {
        panic_any(message)
    }
}

/// Ends with this reason, by itself.
pub struct Exit(pub ExitReason);

impl Message for Exit {
    type Result = ();
}

impl Handler<Exit> for Probe {
    type Result = ();

    fn handle(&mut self, Exit(reason): Exit, ctx: &mut Context<Self>) {
        ctx.exit(reason);
    }
}

/// Does anything, inside the handler.
#[allow(clippy::type_complexity)]
pub struct Do(pub Box<dyn FnOnce(&mut Probe, &mut Context<Probe>) + Send>);

impl Do {
    pub fn this(act: impl FnOnce(&mut Probe, &mut Context<Probe>) + Send + 'static) -> Self {
        Self(Box::new(act))
    }
}

impl Message for Do {
    type Result = ();
}

impl Handler<Do> for Probe {
    type Result = ();

    fn handle(&mut self, Do(act): Do, ctx: &mut Context<Self>) {
        act(self, ctx);
    }
}
