//! A child that does what its [`Script`] says and notes what happens to it.

use std::panic::resume_unwind;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use actix_dynamic_supervisor::BoxError;

use super::{
    journal::Journal,
    script::{Life, OnShutdown, Outcome, Script},
    trace::Instance,
    words::{Fault, Reason, OOPS},
};

/// The spec of a scripted child.
pub(super) fn spec(
    script: &Script,
    journal: &Journal,
) -> Child<Scripted, (), impl FnMut(&mut StartContext<Scripted>) -> Starting<Scripted> + Send + 'static> {
    let (starts, journal) = (script.clone(), journal.clone());
    let mut child =
        Child::try_with_info(move |cx: &mut StartContext<Scripted>| start(&starts, &journal, cx)).id(&script.child);
    if let Some(restart) = script.restart {
        child = child.restart(restart.into());
    }
    if let Some(child_type) = script.child_type {
        child = child.child_type(child_type.into());
    }
    if let Some(patience) = script.shutdown {
        child = child.shutdown(patience.into());
    }
    child
}

/// Far more calls than the limits of restarts in scenarios allow: without an end nothing would come to rest.
const ENOUGH: usize = 1_000;

fn start(script: &Script, journal: &Journal, cx: &StartContext<Scripted>) -> Result<Start<Scripted>, BoxError> {
    let mut notes = journal.notes();
    let call = notes.call(&script.child, cx);
    if call == ENOUGH {
        notes.slip(format!("{} is started again and again", script.child));
        return Ok(Start::Ignore);
    }
    let outcome = script.outcome(call);
    let instance = Instance { label: script.child.clone(), call };
    notes.started(&instance, outcome, cx.extra().unwrap_or_default());
    let mut child = Scripted {
        journal: journal.clone(),
        instance,
        first_act: FirstAct::Live(script.life(call)),
        on_shutdown: script.on_shutdown,
        end: End::Open,
        has_stopped: false,
    };
    match outcome {
        Outcome::Ok | Outcome::OkInfo => notes.born(&child.instance),
        _ => child.first_act = FirstAct::EndAtOnce,
    }
    drop(notes);
    match outcome {
        Outcome::Ok | Outcome::Exit => Ok(Start::Run(child)),
        Outcome::OkInfo => Ok(Start::RunWith(child, ())),
        Outcome::Ignore => Ok(Start::Ignore),
        Outcome::Error => Err(Fault::Found.error().into()),
        Outcome::Bad => Err(Fault::Bad.error().into()),
        // As `panic!` does, but without the panic hook, which would tell each of them on standard error.
        Outcome::Raise => resume_unwind(Box::new(OOPS)),
        Outcome::Throw => resume_unwind(Box::new(Thrown)),
    }
}

/// The payload of a panic that says nothing.
struct Thrown;

pub(crate) struct Scripted {
    journal: Journal,
    instance: Instance,
    first_act: FirstAct,
    on_shutdown: OnShutdown,
    end: End,
    /// Its hooks have run: it was not ended by force.
    has_stopped: bool,
}

#[derive(Clone, Copy)]
enum FirstAct {
    Live(Life),
    /// In `started`: it never becomes an instance.
    EndAtOnce,
}

#[derive(Clone, Copy)]
enum End {
    Open,
    Asked,
    With(Reason),
}

impl Actor for Scripted {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        match self.first_act {
            FirstAct::Live(Life::Run) => {}
            // Behind the start, which has succeeded then.
            FirstAct::Live(Life::Ends(reason)) => ctx.notify(Exit(reason)),
            FirstAct::EndAtOnce => ctx.exit(ExitReason::failed(Fault::Exited.error())),
        }
    }

    fn stopping(&mut self, ctx: &mut Context<Self>) -> Running {
        if let (End::With(_), _) | (_, FirstAct::EndAtOnce) = (self.end, self.first_act) {
            return Running::Stop;
        }
        let is_first = matches!(self.end, End::Open);
        self.end = End::Asked;
        self.journal.notes().leaving(&self.instance);
        match self.on_shutdown {
            OnShutdown::Die => {
                self.end = End::With(Reason::Shutdown);
                Running::Stop
            }
            OnShutdown::Exit(reason) => {
                self.end = End::With(reason);
                ctx.exit(reason.into());
                Running::Stop
            }
            OnShutdown::Ignore => Running::Continue,
            OnShutdown::Slow(time) => {
                if is_first {
                    ctx.run_later(time, |child, ctx| {
                        child.end = End::With(Reason::Shutdown);
                        ctx.stop();
                    });
                }
                Running::Continue
            }
        }
    }

    fn stopped(&mut self, _: &mut Context<Self>) {
        self.has_stopped = true;
    }
}

impl Supervised for Scripted {}

impl Drop for Scripted {
    fn drop(&mut self) {
        if let FirstAct::EndAtOnce = self.first_act {
            return;
        }
        let reason = match self.end {
            _ if !self.has_stopped => Reason::Killed,
            End::With(reason) => reason,
            End::Open | End::Asked => {
                self.journal.notes().slip(format!("{} ends unasked", self.instance));
                Reason::Normal
            }
        };
        self.journal.notes().ended(&self.instance, reason);
    }
}

/// Ends with this reason, by itself.
pub(super) struct Exit(pub(super) Reason);

impl Message for Exit {
    type Result = ();
}

impl Handler<Exit> for Scripted {
    type Result = ();

    fn handle(&mut self, Exit(reason): Exit, ctx: &mut Context<Self>) {
        self.end = End::With(reason);
        ctx.exit(reason.into());
    }
}
