//! What a child that can be taken over keeps where others can take it: its mailbox and its spec.
//!
//! A runner whose thread is blocked cannot hand over anything. So the mailbox of such a child is locked for each message
//! anew, and free while the actor handles it; the spec is free while no start goes on.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll},
};

use actix::dev::{channel::AddressReceiver, Envelope};
use futures::Stream;

use super::launch::Respawn;
use crate::{spec::ChildActor, unwind};

pub(super) type Spec<A> = Box<dyn Respawn<A> + Send>;

pub(super) struct Shared<A: ChildActor>(Mutex<Parts<A>>);

struct Parts<A: ChildActor> {
    /// `None` once closed, or taken over.
    receiver: Option<AddressReceiver<A>>,
    /// `None` while it is asked to start, and of a temporary child.
    spec: Option<Spec<A>>,
    /// How many messages have been taken out, by all incarnations.
    handled: u64,
}

/// What is taken over from a runner whose thread is blocked.
pub(super) struct Loot<A: ChildActor> {
    pub(super) receiver: AddressReceiver<A>,
    pub(super) spec: Spec<A>,
    pub(super) handled: u64,
}

impl<A: ChildActor> Shared<A> {
    pub(super) fn new(receiver: AddressReceiver<A>, spec: Option<Spec<A>>, handled: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Parts { receiver: Some(receiver), spec, handled })))
    }

    /// No user code runs while it is locked.
    fn lock(&self) -> MutexGuard<'_, Parts<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll_next(&self, cx: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        let parts = &mut *self.lock();
        let Some(receiver) = &mut parts.receiver else { return Poll::Ready(None) };
        let polled = Pin::new(receiver).poll_next(cx);
        if let Poll::Ready(Some(_)) = polled {
            parts.handled += 1;
        }
        polled
    }

    pub(super) fn handled(&self) -> u64 {
        self.lock().handled
    }

    pub(super) fn with_receiver<T>(&self, look: impl FnOnce(&AddressReceiver<A>) -> T) -> Option<T> {
        self.lock().receiver.as_ref().map(look)
    }

    pub(super) fn take_receiver(&self) -> Option<AddressReceiver<A>> {
        self.lock().receiver.take()
    }

    pub(super) fn take_spec(&self) -> Option<Spec<A>> {
        self.lock().spec.take()
    }

    /// Back, or for the first time. One that comes back after its child was taken over is of no use any more.
    pub(super) fn put_spec(&self, spec: Option<Spec<A>>) {
        let mut parts = self.lock();
        if parts.receiver.is_some() {
            parts.spec = spec;
        } else {
            drop(parts);
            let _ = unwind::dispose(spec);
        }
    }

    /// Mailbox and spec, or nothing.
    pub(super) fn take_over(&self) -> Option<Loot<A>> {
        let mut parts = self.lock();
        let spec = parts.spec.take()?;
        match parts.receiver.take() {
            Some(receiver) => Some(Loot { receiver, spec, handled: parts.handled }),
            None => {
                drop(parts);
                let _ = unwind::dispose(spec);
                None
            }
        }
    }
}

/// A mailbox lent to who handles its messages.
pub(super) enum Lent<'a, A: ChildActor> {
    Own(&'a mut AddressReceiver<A>),
    /// With messages that were laid aside when the queue was counted, and come first.
    Counted(&'a mut VecDeque<Envelope<A>>, &'a mut AddressReceiver<A>),
    Shared(&'a Shared<A>),
}

impl<A: ChildActor> Lent<'_, A> {
    #[inline]
    pub(super) fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<Envelope<A>>> {
        match self {
            Self::Own(receiver) => Pin::new(&mut **receiver).poll_next(cx),
            Self::Counted(front, receiver) => match front.pop_front() {
                Some(message) => Poll::Ready(Some(message)),
                None => Pin::new(&mut **receiver).poll_next(cx),
            },
            Self::Shared(shared) => shared.poll_next(cx),
        }
    }

    /// Does anybody hold an address of it?
    pub(super) fn is_referenced(&self) -> bool {
        match self {
            Self::Own(receiver) | Self::Counted(_, receiver) => receiver.connected(),
            Self::Shared(_) => true,
        }
    }
}
