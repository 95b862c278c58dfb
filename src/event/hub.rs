//! Who listens to a supervisor, and what waits for them.
//!
//! Each subscriber has a *ring*: a queue of bounded length between the supervisor, which never waits, and its reader, which
//! may be on another thread. When it is full the oldest event makes room, and how many did so is told before the next.
//!
//! A *hub* has the rings of one supervisor, in all its incarnations, and knows that of its parent: events go up as far as
//! somebody listens who wants them. No user code runs while a ring is locked, but for the clone of its reader's own waker,
//! and no waker panics into who tells.

use std::{
    collections::VecDeque,
    fmt,
    ops::Deref,
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    task::{Context, Poll, Waker},
};

use futures::Stream;
use tokio::time::Instant;

use super::{Event, EventKind, Origin};
use crate::unwind;

/// What a subscriber wants. Default: the last 1,024 events, of this supervisor alone.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Events {
    capacity: usize,
    nested: bool,
}

impl Default for Events {
    fn default() -> Self {
        Self { capacity: 1_024, nested: false }
    }
}

impl Events {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events may wait to be read before the oldest are dropped. Default 1,024; at least one.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events.max(1);
        self
    }

    /// Also those of all supervisors nested below, at whatever depth. Default: no.
    pub fn nested(mut self, are_wanted: bool) -> Self {
        self.nested = are_wanted;
        self
    }
}

/// All that listen to one supervisor.
pub(crate) struct Hub {
    parent: Option<Arc<Hub>>,
    /// How many there are; read at each fact, so without a lock.
    rings: AtomicUsize,
    /// How many of them want what comes from below.
    curious: AtomicUsize,
    audience: Mutex<Audience>,
}

#[derive(Default)]
struct Audience {
    /// And whether it wants what comes from below.
    rings: Vec<(Arc<Ring>, bool)>,
    /// The present incarnation.
    origin: Option<Arc<Origin>>,
}

impl Hub {
    fn new(parent: Option<Arc<Self>>) -> Arc<Self> {
        let (rings, curious) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { parent, rings, curious, audience: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Audience> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An incarnation begins.
    pub(super) fn open(&self, origin: &Arc<Origin>) {
        self.lock().origin = Some(Arc::clone(origin));
    }

    /// The names from the root down to one called `name`.
    pub(crate) fn path_of(&self, name: &Arc<str>) -> Arc<str> {
        let above = self.parent.as_ref().and_then(|parent| parent.lock().origin.clone());
        above.map_or_else(|| Arc::clone(name), |parent| format!("{}/{name}", parent.path).into())
    }

    /// Would anybody hear it?
    #[inline]
    pub(super) fn is_heard(&self) -> bool {
        self.rings.load(Ordering::Relaxed) > 0 || (self.parent.is_some() && self.is_heard_above())
    }

    #[cold]
    fn is_heard_above(&self) -> bool {
        let mut above = &self.parent;
        while let Some(hub) = above {
            if hub.curious.load(Ordering::Relaxed) > 0 {
                return true;
            }
            above = &hub.parent;
        }
        false
    }

    pub(crate) fn add(&self, ring: Arc<Ring>, events: Events) {
        let mut audience = self.lock();
        audience.rings.push((ring, events.nested));
        self.count(&audience);
    }

    /// While the audience is locked: a nested supervisor may tell, and forget who has gone, on a thread of its own.
    fn count(&self, audience: &Audience) {
        self.rings.store(audience.rings.len(), Ordering::Relaxed);
        self.curious.store(audience.rings.iter().filter(|(_, nested)| *nested).count(), Ordering::Relaxed);
    }

    /// Tells all who listen, here and above.
    ///
    /// An event is large: it stays where it is until it is in a ring.
    pub(super) fn publish(&self, event: &mut Option<Event>) {
        let mut above = &self.parent;
        while let Some(hub) = above {
            if hub.curious.load(Ordering::Relaxed) > 0 {
                hub.publish_here(&mut event.clone(), true);
            }
            above = &hub.parent;
        }
        self.publish_here(event, false);
    }

    fn publish_here(&self, event: &mut Option<Event>, is_from_below: bool) {
        let mut after = Afterwards::default();
        let mut is_one_gone = false;
        let mut audience = self.lock();
        // Mostly there is one, which gets the event itself.
        let is_alone = audience.rings.len() == 1;
        for (ring, nested) in &audience.rings {
            if *nested || !is_from_below {
                let is_read =
                    if is_alone { ring.push(event, &mut after) } else { ring.push(&mut event.clone(), &mut after) };
                is_one_gone |= !is_read;
            }
        }
        if is_one_gone {
            audience.rings.retain(|(ring, _)| ring.is_read());
            self.count(&audience);
        }
        drop(audience);
        after.act();
    }

    /// Nothing comes any more.
    fn close(&self) {
        let mut audience = self.lock();
        let rings = std::mem::take(&mut audience.rings);
        self.count(&audience);
        drop(audience);
        for (ring, _) in rings {
            ring.close();
        }
    }
}

/// A hub as its supervisor has it. The incarnations and their spec have one together: with them the streams end, whoever
/// else still knows the hub, as children do that are left behind on blocked threads.
pub(crate) struct OpenHub(Arc<Hub>);

impl OpenHub {
    pub(crate) fn new(parent: Option<Arc<Hub>>) -> Arc<Self> {
        Arc::new(Self(Hub::new(parent)))
    }
}

impl Deref for OpenHub {
    type Target = Arc<Hub>;

    fn deref(&self) -> &Arc<Hub> {
        &self.0
    }
}

impl Drop for OpenHub {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What is done when nothing is locked any more: all of it is, or may be, user code.
#[derive(Default)]
struct Afterwards {
    /// Mostly there is one, or none.
    waker: Option<Waker>,
    others: Vec<Waker>,
    /// What an event holds may be the last of a user's error.
    dropped: Vec<Event>,
}

impl Afterwards {
    fn wake(&mut self, waker: Waker) {
        if self.waker.is_none() {
            self.waker = Some(waker);
        } else {
            self.others.push(waker);
        }
    }

    fn act(self) {
        let Self { waker, others, dropped } = self;
        if !dropped.is_empty() {
            for event in dropped {
                let _ = unwind::dispose(event);
            }
        }
        if let Some(waker) = waker {
            let _ = unwind::guard(|| waker.wake());
        }
        if !others.is_empty() {
            for waker in others {
                let _ = unwind::guard(|| waker.wake());
            }
        }
    }
}

/// What waits for one subscriber.
pub(crate) struct Ring {
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    /// How many were dropped, and where the last of them was from.
    missed: Option<(u64, Arc<Origin>)>,
    waker: Option<Waker>,
    /// Nothing comes any more, or nobody reads.
    is_closed: bool,
}

impl Ring {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, queue: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the event, unless nobody reads: then this is `false`.
    fn push(&self, event: &mut Option<Event>, after: &mut Afterwards) -> bool {
        let mut queue = self.lock();
        if queue.is_closed {
            return false;
        }
        if queue.events.len() >= self.capacity {
            if let Some(oldest) = queue.events.pop_front() {
                let before = queue.missed.as_ref().map_or(0, |(events, _)| *events);
                queue.missed = Some((before + 1, Arc::clone(&oldest.supervisor)));
                after.dropped.push(oldest);
            }
        }
        if let Some(event) = event.take() {
            queue.events.push_back(event);
        }
        if let Some(waker) = queue.waker.take() {
            after.wake(waker);
        }
        true
    }

    fn is_read(&self) -> bool {
        !self.lock().is_closed
    }

    /// Nothing comes any more; what waits can still be read.
    pub(crate) fn close(&self) {
        let waker = {
            let mut queue = self.lock();
            queue.is_closed = true;
            queue.waker.take()
        };
        let _ = unwind::guard(|| waker.map(Waker::wake));
    }

    /// Nobody reads any more: drops what waits.
    fn abandon(&self) {
        // In this order: what came in between would stay.
        self.close();
        let mut queue = self.lock();
        let (left, _) = (std::mem::take(&mut queue.events), queue.missed.take());
        drop(queue);
        for event in left {
            let _ = unwind::dispose(event);
        }
    }

    fn take(&self, cx: &Context<'_>) -> Poll<Option<Event>> {
        let mut queue = self.lock();
        if let Some((events, origin)) = queue.missed.take() {
            return Poll::Ready(Some(Event::new(&origin, Instant::now(), EventKind::Missed { events })));
        }
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.is_closed => Poll::Ready(None),
            None => {
                let before = queue.waker.replace(cx.waker().clone());
                drop(queue);
                if before.is_some() {
                    let _ = unwind::dispose(before);
                }
                Poll::Pending
            }
        }
    }
}

/// The events of a supervisor, in their order, until it has ended. It can be read on any thread, and by any executor.
///
/// Events that are not read wait here, as many as [`Events::capacity`] says; [`EventKind::Missed`] tells how many were
/// dropped. It outlives restarts of a nested supervisor. Dropping it ends the subscription.
#[must_use = "events that nobody reads are dropped"]
pub struct EventStream(Arc<Ring>);

impl EventStream {
    pub(crate) fn new(events: Events) -> Self {
        Self(Ring::new(events.capacity))
    }

    pub(crate) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0)
    }
}

/// The subscription of an actor. Dropping this does not end it.
#[must_use = "it goes on as long as the actor lives; this ends it earlier"]
pub struct Subscription(Arc<Ring>);

impl Subscription {
    pub(crate) fn new(stream: &EventStream) -> Self {
        Self(stream.ring())
    }

    /// Ends it: what waits is dropped, what is on its way arrives.
    pub fn cancel(self) {
        self.0.abandon();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(..)")
    }
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.take(cx)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("waiting", &self.0.lock().events.len()).finish_non_exhaustive()
    }
}
