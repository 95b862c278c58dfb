//! How many messages wait, and how many have been handled.

use std::{
    collections::VecDeque,
    mem,
    pin::Pin,
    task::{self, Poll},
};

use actix::dev::Envelope;
use futures::{task::noop_waker_ref, Stream};

use super::Inbox;
use crate::{spec::ChildActor, unwind};

/// How many messages of a queue are counted at most.
const COUNT_LIMIT: usize = 1_024;

impl<A: ChildActor> Inbox<A> {
    /// Messages that were laid aside.
    pub(in crate::runner) fn take_front(&self) -> VecDeque<Envelope<A>> {
        if !self.has_front.replace(false) {
            return VecDeque::new();
        }
        let Some(mut rare) = self.rare.take() else { return VecDeque::new() };
        let front = mem::take(&mut rare.front);
        self.rare.set(Some(rare));
        front
    }

    /// Lays messages aside, to be handled before all others.
    pub(in crate::runner) fn lay_aside(&self, front: VecDeque<Envelope<A>>) {
        if !front.is_empty() {
            self.has_front.set(true);
            self.rare(|rare| rare.front = front);
        }
    }

    /// How many messages wait, up to [`COUNT_LIMIT`]; `None` if that cannot be told.
    ///
    /// The only way is to take them out. Afterwards the runner's task has to be woken: the mailbox has forgotten it.
    pub(in crate::runner) fn count_queue(&self) -> Option<usize> {
        let mut receiver = self.receiver.take()?;
        let mut front = self.take_front();
        let mut cx = task::Context::from_waker(noop_waker_ref());
        while front.len() < COUNT_LIMIT {
            // It may wake a sender that waits for room, and its waker is user code.
            match unwind::guard(|| Pin::new(&mut receiver).poll_next(&mut cx)) {
                Ok(Poll::Ready(Some(message))) => front.push_back(message),
                Ok(Poll::Ready(None) | Poll::Pending) => break,
                Err(panic) => {
                    self.note_residue(Err(panic));
                    break;
                }
            }
        }
        self.receiver.set(Some(receiver));
        let waiting = front.len();
        self.lay_aside(front);
        Some(waiting)
    }

    /// So many more messages have been taken out to be handled.
    #[inline]
    pub(in crate::runner) fn add_handled(&self, messages: u8) {
        let (handled, is_full) = self.handled.get().overflowing_add(u32::from(messages));
        self.handled.set(handled);
        if is_full {
            self.rare(|rare| rare.handled_high += 1 << u32::BITS);
        }
    }

    /// How many messages have been taken out to be handled, by all incarnations. A request that nobody waits for any more
    /// is among them.
    pub(in crate::runner) fn handled(&self) -> u64 {
        match self.look(|rare| (rare.handled_high, rare.shared.clone())) {
            // Counted where it is locked: who takes it over cannot ask a thread that is blocked.
            Some((_, Some(shared))) => shared.handled(),
            Some((high, None)) => high + u64::from(self.handled.get()),
            None => u64::from(self.handled.get()),
        }
    }

    /// Goes on counting where another runner of the same child has left off.
    pub(in crate::runner) fn set_handled(&self, handled: u64) {
        let low = handled & u64::from(u32::MAX);
        self.handled.set(low as u32);
        if handled > low {
            self.rare(|rare| rare.handled_high = handled - low);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix::{dev::channel, Actor, Addr, Context, Supervised};

    use super::*;
    use crate::runner::pump::Budget;

    struct Nobody;

    impl Actor for Nobody {
        type Context = Context<Self>;
    }

    impl Supervised for Nobody {}

    fn inbox() -> (Inbox<Nobody>, Addr<Nobody>) {
        let (sender, receiver) = channel::channel(0);
        let addr = Addr::new(sender);
        (Inbox::new(receiver, &addr, Budget::Worker, false), addr)
    }

    #[test]
    fn what_was_handled_is_counted_beyond_32_bits() {
        const FULL: u64 = 1 << 32;
        for (before, more) in
            [(0, 5), (FULL - 1, 1), (FULL - 1, 128), (FULL, 7), (5 * FULL - 100, 128), (u64::MAX - 9, 9)]
        {
            let (inbox, _addr) = inbox();
            inbox.set_handled(before);
            assert_eq!(inbox.handled(), before);
            inbox.add_handled(more);
            assert_eq!(inbox.handled(), before + u64::from(more));
        }
    }

    #[test]
    fn the_count_goes_on_where_the_mailbox_is_shared_and_with_who_takes_it_over() {
        let (inbox, _addr) = inbox();
        inbox.set_handled((1 << 32) + 3);
        let shared = inbox.share().expect("it is open");
        assert_eq!((inbox.handled(), shared.handled()), ((1 << 32) + 3, (1 << 32) + 3));
        assert_eq!(inbox.count_queue(), None, "another thread may take it at any moment");
    }

    #[test]
    fn a_queue_without_messages_leaves_nothing_aside() {
        let (inbox, _addr) = inbox();
        assert_eq!(inbox.count_queue(), Some(0));
        assert!(!inbox.has_front.get(), "nothing to come back to");
        assert!(inbox.take_front().is_empty());
    }
}
