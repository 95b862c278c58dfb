//! A mailbox is closed, and what was in it dropped.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{self, Poll},
};

use actix::dev::{channel::AddressReceiver, Envelope};
use futures::{task::noop_waker_ref, Stream};

use super::{Inbox, Marks};
use crate::{
    spec::ChildActor,
    unwind::{self, PanicReport},
};

/// How many messages of a closed mailbox are dropped in one go.
pub(in crate::runner) const FEW: usize = 128;

/// How many messages are taken out of a mailbox before it is closed.
const DRAIN_LIMIT: usize = 1 << 16;

/// Closes a mailbox; what was in it is to be dropped one by one, each under a guard.
pub(in crate::runner) fn close<A: ChildActor>(
    mut receiver: AddressReceiver<A>,
) -> (VecDeque<Envelope<A>>, Result<(), PanicReport>) {
    let mut cx = task::Context::from_waker(noop_waker_ref());
    let mut left = VecDeque::new();
    while left.len() < DRAIN_LIMIT {
        let Poll::Ready(Some(message)) = Pin::new(&mut receiver).poll_next(&mut cx) else { break };
        left.push_back(message);
    }
    let closed = unwind::dispose(receiver);
    (left, closed)
}

impl<A: ChildActor> Inbox<A> {
    /// Closes the mailbox for good. What is still queued is dropped, its senders get `Closed`.
    ///
    /// Taken out first, then closed, then dropped one by one and guarded: the channel's own `Drop` would stop at the
    /// first message with a panicking destructor and leave the senders behind it waiting for ever, and what a destructor
    /// sends must find the mailbox closed. Others may send faster than this takes out: what is left after
    /// [`DRAIN_LIMIT`] messages is left to the channel. A few messages are dropped at once, the rest by
    /// [`drop_some`](Self::drop_some): what a flood has left is not to be waited for.
    pub(in crate::runner) fn close(&self) {
        let Some(receiver) = self.take_receiver() else { return };
        self.mark(Marks::IS_CLOSED, true);
        let (mut left, closed) = close(receiver);
        if self.has_front.get() {
            let mut front = self.take_front();
            front.append(&mut left);
            left = front;
        }
        self.note_residue(closed);
        if !left.is_empty() {
            self.rare(|rare| {
                rare.undelivered = left.len();
                rare.left = left;
            });
            self.drop_some(FEW);
        }
    }

    /// Drops at most so many messages of the closed mailbox; are there more?
    pub(in crate::runner) fn drop_some(&self, most: usize) -> bool {
        let Some(mut rare) = self.rare.take() else { return false };
        let mut left = mem::take(&mut rare.left);
        self.rare.set(Some(rare));
        for message in left.drain(..most.min(left.len())) {
            self.note_residue(unwind::dispose(message));
        }
        let are_more = !left.is_empty();
        if are_more {
            self.rare(|rare| rare.left = left);
        }
        are_more
    }

    pub(in crate::runner) fn take_undelivered(&self) -> usize {
        let Some(mut rare) = self.rare.take() else { return 0 };
        let undelivered = mem::take(&mut rare.undelivered);
        self.rare.set(Some(rare));
        undelivered
    }

    /// A panic on its way out, and how many messages were left in the queue.
    pub(in crate::runner) fn take_leavings(&self) -> (Option<PanicReport>, usize) {
        let Some(mut rare) = self.rare.take() else { return (None, 0) };
        let leavings = (rare.residue.take(), mem::take(&mut rare.undelivered));
        self.rare.set(Some(rare));
        leavings
    }
}
