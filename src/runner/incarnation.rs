//! One life: a fresh actor in a fresh context, and how it is buried.
//!
//! Whatever way it ends, the steps are the same, each under a guard of its own:
//!
//! 1. shut the pump: from now on it only ends the context, so `Running::Continue` cannot keep the actor alive;
//! 2. unless the end is a kill, run the stop hooks, which plain Actix does *while the panic unwinds*, where a second panic
//!    aborts the process. A panic of a handler is caught in the pump, which then calls `ctx.stop()`: the very poll goes on to
//!    the hooks. After any other panic it takes `ctx.stop()` and one poll from outside;
//! 3. `ctx.terminate()`, so that `ContextFut::drop` does not poll once more;
//! 4. drop actor, futures and timers.
//!
//! It is never polled after that; in step 2 futures of the actor's may be, where `stopping` answers `Continue`, and that
//! is guarded. Two destructors of one incarnation that both panic still abort: no code of ours
//! runs between them.

use std::{
    pin::Pin,
    task::{self, Poll},
};

use actix::{
    dev::{AsyncContextParts, ContextFut},
    ActorContext, ActorState, Context, SpawnHandle,
};
use futures::{task::noop_waker_ref, Future};

use super::{inbox::Inbox, protocol::Ended, pump::Door};
use crate::{
    exit::ExitReason,
    spec::ChildActor,
    unwind::{self, PanicReport},
};

/// Polled and buried only while its runner is seated.
pub(super) struct Incarnation<A: ChildActor> {
    future: ContextFut<A, Context<A>>,
}

/// What a poll came to when it did not leave the incarnation alive.
pub(super) enum Over {
    Finished,
    /// A message's handler panicked; the hooks have had their turn, and may have panicked, too.
    Crashed {
        in_hook: Option<PanicReport>,
    },
    /// Something else did.
    Panicked(PanicReport),
}

impl Over {
    /// What a poll came to that panicked.
    pub(super) fn by_panic<A: ChildActor>(report: PanicReport, inbox: &Inbox<A>) -> Self {
        match inbox.door() {
            Door::Shut => Self::Crashed { in_hook: Some(report) },
            Door::Untried | Door::Open => Self::Panicked(report),
        }
    }
}

impl<A: ChildActor> Incarnation<A> {
    pub(super) fn new(actor: A, ctx: Context<A>) -> Self {
        Self { future: ctx.into_future(actor) }
    }

    /// Polls it under a guard. Not to be called again once it is ready; [`end`](Self::end) is.
    pub(super) fn poll(&mut self, inbox: &Inbox<A>, cx: &mut task::Context<'_>) -> Poll<Over> {
        unwind::guard(|| self.poll_unguarded(inbox, cx))
            .unwrap_or_else(|report| Poll::Ready(Over::by_panic(report, inbox)))
    }

    /// Like [`poll`](Self::poll), for who has a guard; a panic is [`Over::by_panic`].
    #[inline]
    pub(super) fn poll_unguarded(&mut self, inbox: &Inbox<A>, cx: &mut task::Context<'_>) -> Poll<Over> {
        let polled = Pin::new(&mut self.future).poll(cx);
        match inbox.door() {
            // Even if it would go on: a future on `ctx.wait` keeps the pump from ending the context.
            Door::Shut => return Poll::Ready(Over::Crashed { in_hook: None }),
            // `started` is through even if a future on `ctx.wait` has kept the pump from being polled.
            Door::Untried if polled.is_pending() => inbox.set_door(Door::Open),
            Door::Untried | Door::Open => {}
        }
        if polled.is_ready() {
            return Poll::Ready(Over::Finished);
        }
        if inbox.is_pump_lost() {
            // A handler cancelled `ctx.handle()`, which in plain Actix does nothing.
            inbox.spawn_pump(self.future.ctx());
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Asks it to stop, as if it had called `ctx.stop()`; the next poll runs `stopping`.
    pub(super) fn ask_to_stop(&mut self, inbox: &Inbox<A>) {
        inbox.ask_to_end();
        self.future.ctx().stop();
    }

    /// Runs the hooks that are due after what a poll came to, and tells how it ended. What remains is to be dropped.
    pub(super) fn end(&mut self, over: Over, inbox: &Inbox<A>) -> Ended {
        match over {
            Over::Finished => {
                let unnamed = if inbox.is_asked_to_end() { ExitReason::Shutdown } else { ExitReason::Normal };
                let reason = inbox.exit().unwrap_or(unnamed);
                self.settle(reason, false, inbox)
            }
            Over::Crashed { in_hook } => {
                let reason = inbox.exit().unwrap_or(ExitReason::Unknown);
                Ended { residue: in_hook, ..self.settle(reason, false, inbox) }
            }
            Over::Panicked(report) => {
                let hooks_are_due = match self.future.ctx().state() {
                    ActorState::Running | ActorState::Started => true,
                    // It stopped itself and then panicked, in one go; or the panic came out of a stop hook.
                    ActorState::Stopping => !self.is_in_a_hook(),
                    // After `ctx.terminate()` a poll would call `started` again.
                    ActorState::Stopped => false,
                };
                self.settle(ExitReason::Panicked(report), hooks_are_due, inbox)
            }
        }
    }

    /// Did the panic of a stopping context come out of `stopping`?
    ///
    /// Not if it came out of an item (a timer, a future): the context has a current handle exactly while it polls one.
    /// And not if it came out of `started`: until that returns the pump is not among the context's own items, and a
    /// context that has started and has none is not alive.
    ///
    /// One case cannot be told from a hook: a future on `ctx.wait` that stops the actor and panics in the same poll. Its
    /// hooks are not run.
    fn is_in_a_hook(&mut self) -> bool {
        self.future.ctx().handle() == SpawnHandle::default() && self.future.alive()
    }

    /// Ends it without hooks.
    pub(super) fn kill(&mut self, inbox: &Inbox<A>) -> Ended {
        self.settle(ExitReason::Killed, false, inbox)
    }

    /// Ends it with hooks, but without asking twice: what holds it is going away.
    pub(super) fn dismiss(&mut self, reason: ExitReason, inbox: &Inbox<A>) -> Ended {
        inbox.set_exit(reason.clone());
        let hooks_are_due = self.future.ctx().state() != ActorState::Stopped;
        self.settle(reason, hooks_are_due, inbox)
    }

    fn settle(&mut self, reason: ExitReason, run_hooks: bool, inbox: &Inbox<A>) -> Ended {
        inbox.set_door(Door::Shut);
        inbox.set_exit(reason.clone());
        let mut ended = Ended::with(reason);
        if run_hooks {
            let future = &mut self.future;
            let hooks = unwind::guard(|| {
                future.ctx().stop();
                let _ = Pin::new(future).poll(&mut task::Context::from_waker(noop_waker_ref()));
            });
            ended.residue = hooks.err();
        }
        self.future.ctx().parts().terminate();
        ended
    }
}
