//! Two messages of the replayer's own that a supervisor is taught to handle, by its public API alone: a message that is
//! local may be handled by any actor.

use std::{
    future::Future,
    pin::{pin, Pin},
    task::{Context as Cx, Poll},
};

use actix::{
    dev::{MessageResponse, OneshotSender},
    fut::ActorFuture,
    prelude::*,
};
use actix_dynamic_supervisor::prelude::*;
use tokio::sync::{mpsc, oneshot};

/// Take nothing from the mailbox any more, until the sender of the channel is dropped.
///
/// Ends of children go on meanwhile, and notices of them queue up with the requests. What comes by the channel is
/// killed at once, as only the supervisor can do that.
pub(super) struct Freeze(pub(super) mpsc::UnboundedReceiver<ToKill>);

/// A child, and where the answer goes.
pub(super) struct ToKill(pub(super) ChildId, pub(super) OneshotSender<Result<(), TerminateChildError>>);

impl Message for Freeze {
    type Result = ();
}

impl Handler<Freeze> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, Freeze(to_kill): Freeze, ctx: &mut Context<Self>) {
        ctx.wait(Frozen(to_kill));
    }
}

struct Frozen(mpsc::UnboundedReceiver<ToKill>);

impl ActorFuture<DynamicSupervisor> for Frozen {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        supervisor: &mut DynamicSupervisor,
        ctx: &mut Context<DynamicSupervisor>,
        cx: &mut Cx<'_>,
    ) -> Poll<()> {
        while let Poll::Ready(next) = pin!(self.0.recv()).poll(cx) {
            let Some(ToKill(child, answer)) = next else { return Poll::Ready(()) };
            let reply = Handler::<KillChild>::handle(supervisor, KillChild(child.into()), ctx);
            MessageResponse::<_, KillChild>::handle(reply, ctx, Some(answer));
        }
        Poll::Pending
    }
}

/// Terminate a child by a handle that is stale after a restart, as Elixir's are: an instance of it.
///
/// The crate's own handle is the child (decision D5). This one says what a scenario says: `NotFound` if the child has
/// been restarted since, else it is `TerminateChild`.
pub(super) struct TerminateInstance {
    pub(super) child: ChildId,
    /// How often the child had been restarted when the instance started.
    pub(super) restarts: u64,
    pub(super) answer: OneshotSender<Result<(), TerminateChildError>>,
}

impl Message for TerminateInstance {
    type Result = ();
}

impl Handler<TerminateInstance> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, message: TerminateInstance, ctx: &mut Context<Self>) {
        let TerminateInstance { child, restarts, answer } = message;
        let is_present =
            which_children(self, ctx).iter().any(|present| present.id == child && present.restarts == restarts);
        if is_present {
            let reply = Handler::<TerminateChild>::handle(self, TerminateChild(child.into()), ctx);
            MessageResponse::<_, TerminateChild>::handle(reply, ctx, Some(answer));
        } else {
            // An asker that is gone needs no answer.
            let _ = answer.send(Err(TerminateChildError::NotFound));
        }
    }
}

/// The children, within the supervisor's turn: a `WhichChildren` is answered at once.
fn which_children(supervisor: &mut DynamicSupervisor, ctx: &mut Context<DynamicSupervisor>) -> Vec<ChildInfo> {
    let (sender, mut receiver) = oneshot::channel();
    let reply = Handler::<WhichChildren>::handle(supervisor, WhichChildren, ctx);
    MessageResponse::<_, WhichChildren>::handle(reply, ctx, Some(sender));
    receiver.try_recv().unwrap_or_default()
}
