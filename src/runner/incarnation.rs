//! One life: a fresh actor in a fresh context, and how it is buried.
//!
//! Whatever way it ends, the steps are the same, each under a guard of its own:
//!
//! 1. shut the pump: from now on it only ends the context, so `Running::Continue` cannot keep the actor alive;
//! 2. unless they ran already or the end is a kill, run the stop hooks: `ctx.stop()` and one poll from outside, which
//!    is what plain Actix does *while the panic unwinds*, where a second panic aborts the process;
//! 3. `ctx.terminate()`, so that `ContextFut::drop` does not poll once more;
//! 4. drop actor, futures and timers.
//!
//! It is never polled after that; in step 2 futures of the actor's may be, where `stopping` answers `Continue`, and that
//! is guarded. Two destructors of one incarnation that both panic still abort: no code of ours
//! runs between them.

use std::{
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
};

use actix::{
    dev::{AsyncContextParts, ContextFut},
    ActorContext, ActorState, Context, SpawnHandle,
};
use futures::{task::noop_waker_ref, Future};

use super::{
    inbox::{Door, Inbox},
    protocol::Ended,
};
use crate::{
    exit::ExitReason,
    spec::ChildActor,
    unwind::{self, PanicReport},
};

pub(super) struct Incarnation<A: ChildActor> {
    future: ContextFut<A, Context<A>>,
    inbox: Rc<Inbox<A>>,
    /// It was asked to stop: an end that gives no reason is then a shutdown.
    asked: bool,
}

/// What a poll came to when it did not leave the incarnation alive.
pub(super) enum Over {
    Finished,
    Panicked(PanicReport),
}

/// What a first poll came to.
// Matched at once, never stored.
#[allow(clippy::large_enum_variant)]
pub(super) enum FirstPoll<A: ChildActor> {
    Alive(Incarnation<A>),
    /// It started and then ended, in one poll.
    Lived(Ended),
    /// It ended before `started` was through.
    NotStarted(Ended),
}

impl<A: ChildActor> Incarnation<A> {
    pub(super) fn new(actor: A, ctx: Context<A>, inbox: Rc<Inbox<A>>) -> Self {
        Self { future: ctx.into_future(actor), inbox, asked: false }
    }

    /// Polls for the first time: runs `started`.
    pub(super) fn first_poll(mut self, cx: &mut task::Context<'_>) -> FirstPoll<A> {
        match self.poll(cx) {
            Poll::Pending => FirstPoll::Alive(self),
            Poll::Ready(over) => {
                let started = self.inbox.door() != Door::Untried;
                let ended = self.bury(over);
                if started {
                    FirstPoll::Lived(ended)
                } else {
                    FirstPoll::NotStarted(ended)
                }
            }
        }
    }

    /// Not to be called again once it is ready; [`bury`](Self::bury) is.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Over> {
        let seated = self.inbox.enter();
        let polled = unwind::guard(|| Pin::new(&mut self.future).poll(cx));
        drop(seated);
        match polled {
            Ok(Poll::Pending) => {
                // `started` is through even if a future on `ctx.wait` has kept the pump from being polled.
                if self.inbox.door() == Door::Untried {
                    self.inbox.set_door(Door::Open);
                }
                if self.inbox.is_pump_lost() {
                    // A handler cancelled `ctx.handle()`, which in plain Actix does nothing.
                    self.inbox.spawn_pump(self.future.ctx());
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            Ok(Poll::Ready(())) => Poll::Ready(Over::Finished),
            Err(report) => Poll::Ready(Over::Panicked(report)),
        }
    }

    /// Asks it to stop, as if it had called `ctx.stop()`; the next poll runs `stopping`.
    pub(super) fn ask_to_stop(&mut self) {
        self.asked = true;
        self.inbox.clear_exit();
        self.future.ctx().stop();
    }

    /// Buries what has ended in a poll.
    pub(super) fn bury(mut self, over: Over) -> Ended {
        match over {
            Over::Finished => {
                let unnamed = if self.asked { ExitReason::Shutdown } else { ExitReason::Normal };
                let reason = self.inbox.exit().unwrap_or(unnamed);
                self.end(reason, false)
            }
            Over::Panicked(report) => {
                let hooks_are_due = match self.future.ctx().state() {
                    ActorState::Running | ActorState::Started => true,
                    // It stopped itself and then panicked, in one go; or the panic came out of a stop hook.
                    ActorState::Stopping => !self.is_in_a_hook(),
                    // After `ctx.terminate()` a poll would call `started` again.
                    ActorState::Stopped => false,
                };
                self.end(ExitReason::Panicked(report), hooks_are_due)
            }
        }
    }

    /// Did the panic of a stopping context come out of `stopping`?
    ///
    /// Not if it came out of an item (a message, a timer, a future): the context has a current handle exactly while it
    /// polls one. And not if it came out of `started`: until that returns the pump is not among the context's own
    /// items, and a context that has started and has none is not alive.
    ///
    /// One case cannot be told from a hook: a future on `ctx.wait` that stops the actor and panics in the same poll. Its
    /// hooks are not run.
    fn is_in_a_hook(&mut self) -> bool {
        self.future.ctx().handle() == SpawnHandle::default() && self.future.alive()
    }

    /// Ends it without hooks.
    pub(super) fn kill(self) -> Ended {
        self.end(ExitReason::Killed, false)
    }

    /// Ends it with hooks, but without asking twice: what holds it is going away.
    pub(super) fn dismiss(mut self, reason: ExitReason) -> Ended {
        self.inbox.set_exit(reason.clone());
        let hooks_are_due = self.future.ctx().state() != ActorState::Stopped;
        self.end(reason, hooks_are_due)
    }

    fn end(mut self, reason: ExitReason, run_hooks: bool) -> Ended {
        let _seated = self.inbox.enter();
        self.inbox.set_door(Door::Shut);
        self.inbox.set_exit(reason.clone());

        let mut residue = None;
        let mut note = |result: Result<(), PanicReport>| {
            if let Err(report) = result {
                residue.get_or_insert(report);
            }
        };
        if run_hooks {
            let future = &mut self.future;
            note(unwind::guard(|| {
                future.ctx().stop();
                let _ = Pin::new(future).poll(&mut task::Context::from_waker(noop_waker_ref()));
            }));
        }
        self.future.ctx().parts().terminate();
        let Self { future, inbox: _inbox, .. } = self;
        note(unwind::dispose(future));

        Ended { reason, residue, overran: false }
    }
}
