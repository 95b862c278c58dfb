//! The pump, and what an incarnation is allowed to do: it feeds the mailbox to the actor.

use std::{
    cell::Cell,
    marker::PhantomData,
    pin::Pin,
    task::{self, Poll},
};

use actix::{dev::EnvelopeProxy, ActorContext, ActorFuture, AsyncContext, Context};

use super::{child::Runner, inbox::Inbox, seat};
use crate::{policy::ChildType, spec::ChildActor, unwind};

/// How many messages an incarnation handles before others on its arbiter have their turn.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Budget {
    /// As many as Tokio lets a task receive in one of its turns.
    Worker = 128,
    /// Few: each may be the start of a child, or the end of one and its restart.
    Supervisor = 16,
}

impl From<ChildType> for Budget {
    fn from(child_type: ChildType) -> Self {
        match child_type {
            ChildType::Worker => Self::Worker,
            ChildType::Supervisor => Self::Supervisor,
        }
    }
}

/// What the pump does when it is polled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Not polled yet: as long as this holds `started`, and what it waits for, has not got through its first poll.
    /// The pump is the first of the context's items, and a stopping context polls none.
    Untried,
    Open,
    /// Ends the context: a `Running::Continue` after a panic must not keep the actor alive.
    Shut,
}

/// Feeds the mailbox to the actor of one incarnation: the one that is seated whenever a context is polled or dropped.
/// Without a field it takes no memory.
pub(super) struct Pump<A> {
    feeds: PhantomData<fn(A)>,
}

impl<A> Pump<A> {
    pub(super) fn new() -> Self {
        Self { feeds: PhantomData }
    }
}

impl<A: ChildActor> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(runner) = seat::seated::<Runner<A>>() else { return Poll::Pending };
        let inbox = &runner.inbox;
        match inbox.door() {
            // The first poll belongs to the start, inside the supervisor's turn. Messages are handled in the child's
            // own: one of them that panics has not made the start fail, it has crashed a child that ran.
            Door::Untried => inbox.set_door(Door::Open),
            Door::Open => handle_messages(inbox, actor, ctx, cx),
            Door::Shut => ctx.terminate(),
        }
        Poll::Pending
    }
}

impl<A> Drop for Pump<A> {
    fn drop(&mut self) {
        seat::lose_pump();
    }
}

/// Handles messages under one guard for all of them.
///
/// A handler's panic is caught here and not where the incarnation is polled: the fewer frames it unwinds the less it costs,
/// and here it is known that it came out of a handler, and not out of a hook.
fn handle_messages<A: ChildActor>(inbox: &Inbox<A>, actor: &mut A, ctx: &mut Context<A>, cx: &mut task::Context<'_>) {
    let mut crash = None;
    let mut left = inbox.budget() as u8;
    inbox.with_receiver(|mailbox| {
        loop {
            let is_handling = Cell::new(false);
            let handled = unwind::guard(|| {
                // Checked before each message: a handler may have stopped the actor or put a future on `ctx.wait`.
                while !ctx.waiting() {
                    if left == 0 {
                        return cx.waker().wake_by_ref();
                    }
                    left -= 1;
                    match mailbox.poll_next(cx) {
                        Poll::Ready(Some(mut message)) => {
                            is_handling.set(true);
                            message.handle(actor, ctx);
                            is_handling.set(false);
                            // A request whose asker is gone is not handled; it is still whole, and dropped here.
                            drop(message);
                        }
                        _ => {
                            left += 1;
                            if inbox.ends_unreferenced(mailbox) {
                                ctx.stop();
                            }
                            return;
                        }
                    }
                }
            });
            match handled {
                Ok(()) => return,
                Err(panic) if is_handling.get() => return crash = Some(panic),
                // The destructor of a message, or the waker of a sender that waited for a place.
                Err(panic) => inbox.note_residue(Err(panic)),
            }
        }
    });
    inbox.add_handled(inbox.budget() as u8 - left);
    if let Some(panic) = crash {
        inbox.crash(panic, ctx);
    }
}
