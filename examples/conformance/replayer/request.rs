//! Requests of a supervisor, and their answers in the words of traces.

use std::{future::Future, pin::Pin};

use actix::{Actor, Addr, Context, Supervised};
use actix_dynamic_supervisor::prelude::*;
use tokio::sync::oneshot;

use super::{
    child::spec,
    extras::TerminateInstance,
    journal::{Journal, Known},
    scenario::Handle,
    script::Script,
    trace::{Listed, Reply},
    words::Fault,
    Handles,
};

/// The answer of a request that has been sent.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Reply, Gone>>>>;

/// The supervisor has ended, or is about to.
pub(super) struct Gone;

impl From<SupervisorGone> for Gone {
    fn from(_: SupervisorGone) -> Self {
        Self
    }
}

pub(super) fn start(supervisor: &Addr<DynamicSupervisor>, script: &Script, journal: &Journal) -> Answer {
    let answer = supervisor.start_child(spec(script, journal));
    Box::pin(async move {
        Ok(match answer.await {
            Ok(started) if started.info.is_some() => Reply::OkInfo,
            Ok(_) => Reply::Ok,
            Err(StartChildError::Ignored) => Reply::Ignored,
            Err(StartChildError::MaxChildren { .. }) => Reply::MaxChildren,
            Err(StartChildError::SupervisorGone | StartChildError::ShuttingDown) => return Err(Gone),
            Err(error) => match Fault::of(&error) {
                Some(fault) => Reply::Failed(fault),
                None => Reply::Unexpected(format!("{error:?}")),
            },
        })
    })
}

pub(super) fn terminate(
    supervisor: &Addr<DynamicSupervisor>,
    label: &str,
    handle: Handle,
    handles: Handles,
    journal: &Journal,
) -> Answer {
    let known = match handle {
        Handle::Current => journal.notes().current(label),
        Handle::First => journal.notes().first(label),
        Handle::Stranger => None,
    };
    let answer = match (known, handles) {
        (Some(Known { id, restarts, .. }), Handles::Instance) => terminate_instance(supervisor, id, restarts),
        (Some(Known { id, .. }), Handles::Child) => Box::pin(supervisor.terminate_child(id)),
        (None, _) => Box::pin(supervisor.terminate_child(&Stranger.start())),
    };
    Box::pin(async move {
        match answer.await {
            Ok(()) => Ok(Reply::Ok),
            Err(TerminateChildError::NotFound) => Ok(Reply::NotFound),
            Err(TerminateChildError::SupervisorGone) => Err(Gone),
            Err(error) => Ok(Reply::Unexpected(format!("{error:?}"))),
        }
    })
}

fn terminate_instance(
    supervisor: &Addr<DynamicSupervisor>,
    child: ChildId,
    restarts: u64,
) -> actix_dynamic_supervisor::Answer<Result<(), TerminateChildError>> {
    let (answer, answered) = oneshot::channel();
    supervisor.do_send(TerminateInstance { child, restarts, answer });
    Box::pin(async move { answered.await.unwrap_or(Err(TerminateChildError::SupervisorGone)) })
}

/// Somebody who is nobody's child.
struct Stranger;

impl Actor for Stranger {
    type Context = Context<Self>;
}

impl Supervised for Stranger {}

pub(super) fn count(supervisor: &Addr<DynamicSupervisor>) -> Answer {
    let answer = supervisor.count_children();
    Box::pin(async move { Ok(Reply::Counts(answer.await?.into())) })
}

pub(super) fn which(supervisor: &Addr<DynamicSupervisor>, journal: &Journal) -> Answer {
    let (answer, journal) = (supervisor.which_children(), journal.clone());
    Box::pin(async move { Ok(Reply::Children(listed(answer.await?, &journal))) })
}

/// As Elixir lists them; sorted, as its order has no meaning.
pub(super) fn listed(children: Vec<ChildInfo>, journal: &Journal) -> Vec<Listed> {
    let notes = journal.notes();
    let name = |child: &ChildInfo| {
        let label = child.label.as_deref().unwrap_or_default();
        match (child.state, notes.instance(label, child.restarts)) {
            (ChildState::Restarting, _) => String::from("restarting"),
            (ChildState::Running | ChildState::Stopping, Some(instance)) => instance.to_string(),
            (state, _) => format!("{state:?}: {label}"),
        }
    };
    let mut listed: Vec<Listed> = children.iter().map(|child| (name(child), child.child_type.to_string())).collect();
    listed.sort();
    listed
}
