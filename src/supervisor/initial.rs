//! Children that a supervisor starts by itself whenever it is started.

use std::{fmt, sync::Arc};

use actix::{AsyncContext, Context, Handler, Message};

use super::{starting::Begin, DynamicSupervisor};
use crate::{
    error::StartChildError,
    exit::ExitReason,
    id::SupervisorId,
    spec::ChildSpec,
    unwind::{self, Contained},
};

/// Names the initial children, again at each start.
#[derive(Clone)]
pub(super) struct Initial(Arc<Contained<Name>>);

type Name = Box<dyn Fn(&mut InitialChildren) + Send + Sync>;

impl Initial {
    pub(super) fn new(name: impl Fn(&mut InitialChildren) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Contained::new(Box::new(name))))
    }

    /// These, and then those.
    pub(super) fn and(self, name: impl Fn(&mut InitialChildren) + Send + Sync + 'static) -> Self {
        Self::new(move |children| {
            if let Some(before) = self.0.get() {
                before(children);
            }
            name(children);
        })
    }
}

/// What a supervisor is to start before all else; see [`Builder::with_children`](crate::Builder::with_children).
pub struct InitialChildren {
    starts: Vec<Start>,
}

/// Starts one of them, in the supervisor's turn.
type Start = Box<dyn FnOnce(&mut DynamicSupervisor, &mut Context<DynamicSupervisor>)>;

impl InitialChildren {
    /// One more child, started after those before it.
    pub fn start_child(&mut self, spec: impl ChildSpec) {
        self.starts.push(Box::new(move |supervisor, ctx| match supervisor.start(spec, None, ctx) {
            Begin::Now(reply) => match reply.into_answer() {
                None | Some(Ok(_) | Err(StartChildError::Ignored)) => {}
                Some(Err(error)) => supervisor.fail_to_start(error, ctx),
            },
            Begin::Later(later) => {
                let (own, id) = (ctx.address().downgrade(), supervisor.children.supervisor());
                supervisor.await_start(later, move |outcome| {
                    if let (Err(error), Some(supervisor)) = (outcome, own.upgrade()) {
                        supervisor.do_send(NotStarted { supervisor: id, error });
                    }
                });
            }
        }));
    }
}

impl fmt::Debug for InitialChildren {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} initial children", self.starts.len())
    }
}

/// An initial child's asynchronous start has failed.
///
/// The address outlives the supervisor: its next life must not end for a start of the last one's.
struct NotStarted {
    supervisor: SupervisorId,
    error: StartChildError,
}

impl Message for NotStarted {
    type Result = ();
}

impl Handler<NotStarted> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, NotStarted { supervisor, error }: NotStarted, ctx: &mut Context<Self>) {
        match error {
            _ if supervisor != self.children.supervisor() => {}
            // It declined; or was terminated, by somebody who wanted that.
            StartChildError::Ignored | StartChildError::Terminated | StartChildError::ShuttingDown => {}
            error => self.fail_to_start(error, ctx),
        }
    }
}

impl DynamicSupervisor {
    pub(super) fn start_initial_children(&mut self, ctx: &mut Context<Self>) {
        let Some(Initial(name)) = self.flags.initial.clone() else { return };
        let mut children = InitialChildren { starts: Vec::new() };
        let named = unwind::guard(|| {
            if let Some(name) = name.get() {
                name(&mut children);
            }
        });
        if let Err(panic) = named {
            self.close(Some(ExitReason::Panicked(panic)), ctx);
        }
        for start in children.starts {
            if self.is_open() {
                start(self, ctx);
            } else {
                // One by one: each holds a spec, and two destructors that panic in one drop abort.
                let _ = unwind::dispose(start);
            }
        }
    }

    /// Without its initial children it is not what it was meant to be.
    fn fail_to_start(&mut self, error: StartChildError, ctx: &mut Context<Self>) {
        self.close(Some(ExitReason::failed(error)), ctx);
    }
}
