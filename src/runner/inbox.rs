//! The child's mailbox, the pump that feeds it to an incarnation, and [`ExitContext::exit`].

use std::{
    any::Any,
    cell::{Cell, RefCell, RefMut},
    hash::{Hash, Hasher},
    marker::PhantomData,
    mem,
    pin::Pin,
    rc::Rc,
    task::{self, Poll},
};

use actix::{
    dev::{channel::AddressReceiver, AsyncContextParts, ContextParts, EnvelopeProxy},
    Actor, ActorContext, ActorFuture, Addr, AsyncContext, Context, WeakAddr,
};
use futures::{task::noop_waker_ref, Stream};

use crate::{
    exit::ExitReason,
    spec::ChildActor,
    unwind::{self, PanicReport},
};

/// How many messages an incarnation handles before others on its arbiter have their turn.
pub(crate) const BUDGET: usize = 64;

/// How many messages are taken out of a mailbox before it is closed.
const DRAIN_LIMIT: usize = 1 << 16;

/// What outlives incarnations: the queue, and what the present one has said about its end.
pub(super) struct Inbox<A: ChildActor> {
    /// `None` once closed.
    receiver: RefCell<Option<AddressReceiver<A>>>,
    /// Kept, as making an address takes an allocation.
    weak_addr: WeakAddr<A>,
    door: Cell<Door>,
    /// What most children never have.
    rare: RefCell<Option<Box<Rare>>>,
    /// The pump was dropped by its context: somebody cancelled the handle under which messages are handled.
    is_pump_lost: Cell<bool>,
    exit: Cell<Option<ExitReason>>,
    /// Ends when nobody holds an address any more, as a plain actor does. Only for supervisors without a parent. Asked
    /// once: one that takes its time (`Running::Continue`) would else be asked again within the same poll, for ever.
    ends_unreferenced: Cell<bool>,
}

#[derive(Default)]
struct Rare {
    /// A panic in a destructor that nobody has told yet.
    residue: Option<PanicReport>,
    /// Who is to be told of the present incarnation's end, when it is over and decided what follows.
    obituaries: Vec<Obituary>,
    /// What the last incarnation left for requests that come too late.
    last_words: Option<Rc<dyn Any>>,
}

/// Tells somebody of an end.
pub(crate) type Obituary = Box<dyn FnOnce()>;

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

impl<A: ChildActor> Inbox<A> {
    /// `addr` is one of the mailbox's.
    pub(super) fn new(receiver: AddressReceiver<A>, addr: &Addr<A>, ends_unreferenced: bool) -> Self {
        Self {
            receiver: RefCell::new(Some(receiver)),
            weak_addr: addr.downgrade(),
            door: Cell::new(Door::Untried),
            rare: RefCell::new(None),
            is_pump_lost: Cell::new(false),
            exit: Cell::new(None),
            ends_unreferenced: Cell::new(ends_unreferenced),
        }
    }

    /// A fresh context whose address is this mailbox's and whose first item is the pump.
    pub(super) fn context(self: &Rc<Self>) -> Context<A> {
        self.door.set(Door::Untried);
        self.clear_exit();
        let mut ctx = Context::new();
        if let Some(receiver) = &*self.receiver.borrow() {
            *ctx.parts() = ContextParts::new(receiver.sender_producer());
        }
        self.spawn_pump(&mut ctx);
        ctx
    }

    pub(super) fn spawn_pump(self: &Rc<Self>, ctx: &mut Context<A>) {
        self.is_pump_lost.set(false);
        ctx.spawn(Pump { feeds: PhantomData });
    }

    /// Must a pump be put back, for the child not to be deaf?
    pub(super) fn is_pump_lost(&self) -> bool {
        self.is_pump_lost.get()
    }

    pub(super) fn door(&self) -> Door {
        self.door.get()
    }

    pub(super) fn set_door(&self, door: Door) {
        self.door.set(door);
    }

    /// The end as it will be told. From here on `ctx.exit` does not change it.
    pub(super) fn set_exit(&self, reason: ExitReason) {
        self.exit.set(Some(reason));
    }

    /// Forgets a reason given by `ctx.exit` that was not followed by an end.
    pub(super) fn clear_exit(&self) {
        self.exit.take();
    }

    /// Keeps a panic on the way out, to be told by the runner.
    pub(super) fn note_residue(&self, disposed: Result<(), PanicReport>) {
        if let Err(panic) = disposed {
            self.rare().residue.get_or_insert(panic);
        }
    }

    pub(super) fn take_residue(&self) -> Option<PanicReport> {
        self.rare.borrow_mut().as_mut()?.residue.take()
    }

    pub(super) fn exit(&self) -> Option<ExitReason> {
        let exit = self.exit.take();
        self.exit.set(exit.clone());
        exit
    }

    fn rare(&self) -> RefMut<'_, Rare> {
        RefMut::map(self.rare.borrow_mut(), |rare| &mut **rare.get_or_insert_default())
    }

    /// Tells of the last incarnation's end: its child begins anew, or is over, its mailbox closed and its spec dropped.
    pub(super) fn publish(&self) {
        let obituaries = self.rare.borrow_mut().as_mut().map(|rare| mem::take(&mut rare.obituaries));
        for tell in obituaries.into_iter().flatten() {
            let _ = unwind::guard(tell);
        }
    }

    /// `None` once closed.
    pub(super) fn weak_addr(&self) -> Option<WeakAddr<A>> {
        self.receiver.borrow().is_some().then(|| self.weak_addr.clone())
    }

    pub(super) fn addr(&self) -> Option<Addr<A>> {
        self.receiver.borrow().as_ref().map(|receiver| Addr::new(receiver.sender()))
    }

    /// Closes the mailbox for good. What is still queued is dropped, its senders get `Closed`.
    ///
    /// Taken out first, then closed, then dropped one by one and guarded: the channel's own `Drop` would stop at the
    /// first message with a panicking destructor and leave the senders behind it waiting for ever, and what a destructor
    /// sends must find the mailbox closed. Others may send faster than this takes out: what is left after
    /// [`DRAIN_LIMIT`] messages is left to the channel.
    pub(super) fn close(self: &Rc<Self>) {
        let Some(mut receiver) = self.receiver.take() else { return };
        let _seated = self.enter();
        let mut cx = task::Context::from_waker(noop_waker_ref());
        let mut left = Vec::new();
        while left.len() < DRAIN_LIMIT {
            let Poll::Ready(Some(message)) = Pin::new(&mut receiver).poll_next(&mut cx) else { break };
            left.push(message);
        }
        self.note_residue(unwind::dispose(receiver));
        for message in left {
            self.note_residue(unwind::dispose(message));
        }
    }

    /// Makes this the incarnation that `ctx.exit` speaks for, until the guard is dropped.
    pub(super) fn enter(self: &Rc<Self>) -> Seated {
        let seat: Rc<dyn Seat> = Rc::clone(self) as Rc<dyn Seat>;
        Seated { before: SEAT.try_with(|current| current.replace(Some(seat))).unwrap_or_default() }
    }

    fn next_message(&self, cx: &mut task::Context<'_>) -> Next<A> {
        match &mut *self.receiver.borrow_mut() {
            Some(receiver) => match Pin::new(&mut *receiver).poll_next(cx) {
                Poll::Ready(Some(message)) => Next::Message(message),
                // An address may be made from a weak one later; it finds a supervisor that is on its way out.
                _ if !receiver.connected() && self.ends_unreferenced.take() => Next::Unreferenced,
                _ => Next::Nothing,
            },
            None => Next::Nothing,
        }
    }
}

enum Next<A: ChildActor> {
    Message(actix::dev::Envelope<A>),
    Nothing,
    Unreferenced,
}

/// Feeds the mailbox to the actor of one incarnation: the one that is seated whenever a context is polled or dropped.
/// Without a field it takes no memory.
struct Pump<A> {
    feeds: PhantomData<fn(A)>,
}

impl<A: ChildActor> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(inbox) = seated::<A>() else { return Poll::Pending };
        match inbox.door.get() {
            // The first poll belongs to the start, inside the supervisor's turn. Messages are handled in the child's
            // own: one of them that panics has not made the start fail, it has crashed a child that ran.
            Door::Untried => inbox.door.set(Door::Open),
            Door::Open => inbox.handle_messages(actor, ctx, cx),
            Door::Shut => ctx.terminate(),
        }
        Poll::Pending
    }
}

impl<A> Drop for Pump<A> {
    fn drop(&mut self) {
        if let Some(seat) = SEAT.try_with(|current| current.borrow().clone()).ok().flatten() {
            seat.lose_pump();
        }
    }
}

impl<A: ChildActor> Inbox<A> {
    fn handle_messages(&self, actor: &mut A, ctx: &mut Context<A>, cx: &mut task::Context<'_>) {
        for _ in 0..BUDGET {
            // Checked before each message: a handler may have stopped the actor or put a future on `ctx.wait`.
            if ctx.waiting() {
                return;
            }
            match self.next_message(cx) {
                Next::Message(mut message) => {
                    message.handle(actor, ctx);
                    // A request whose asker is gone is not handled; it is still whole, and dropped here.
                    self.note_residue(unwind::dispose(message));
                }
                Next::Nothing => return,
                Next::Unreferenced => return ctx.stop(),
            }
        }
        cx.waker().wake_by_ref();
    }
}

thread_local! {
    /// The incarnation being polled on this thread. Set around every poll and drop of one, so that what it says about
    /// its end finds its runner: Actix's `Context` has no place for it.
    static SEAT: RefCell<Option<Rc<dyn Seat>>> = const { RefCell::new(None) };
}

trait Seat: Any {
    fn lose_pump(&self);
    fn name_exit(&self, address: &dyn Any, reason: ExitReason);
    fn exit(&self) -> Option<ExitReason>;
    fn after_burial(&self, tell: Obituary);
    fn leave_words(&self, words: Rc<dyn Any>);
    fn last_words(&self) -> Option<Rc<dyn Any>>;
}

impl<A: ChildActor> Seat for Inbox<A> {
    fn lose_pump(&self) {
        self.is_pump_lost.set(true);
    }

    fn name_exit(&self, address: &dyn Any, reason: ExitReason) {
        // Another actor's context can be at hand here (inside `Actor::create`): its exit is not ours.
        let is_own = self.addr().is_some_and(|own| address.downcast_ref::<Addr<A>>() == Some(&own));
        if is_own && self.door.get() != Door::Shut {
            self.exit.set(Some(reason));
        }
    }

    fn exit(&self) -> Option<ExitReason> {
        Inbox::exit(self)
    }

    fn after_burial(&self, tell: Obituary) {
        self.rare().obituaries.push(tell);
    }

    fn leave_words(&self, words: Rc<dyn Any>) {
        self.rare().last_words = Some(words);
    }

    fn last_words(&self) -> Option<Rc<dyn Any>> {
        self.rare.borrow().as_ref()?.last_words.clone()
    }
}

/// The inbox of the incarnation that is seated, if it is of this type.
fn seated<A: ChildActor>() -> Option<Rc<Inbox<A>>> {
    let seat: Rc<dyn Any> = SEAT.try_with(|current| current.borrow().clone()).ok().flatten()?;
    seat.downcast().ok()
}

/// Gives the seat back to who had it: a start inside a supervisor's turn is nested in the supervisor's poll.
pub(super) struct Seated {
    before: Option<Rc<dyn Seat>>,
}

impl Drop for Seated {
    fn drop(&mut self) {
        let _ = SEAT.try_with(|current| mem::swap(&mut *current.borrow_mut(), &mut self.before));
    }
}

/// How the incarnation that is being dropped right now ends, if that is known: for destructors that must tell.
pub(crate) fn ending_reason() -> Option<ExitReason> {
    SEAT.try_with(|current| current.borrow().clone()).ok().flatten()?.exit()
}

/// Leaves something for requests that the incarnation being dropped right now has not come to.
pub(crate) fn leave_words(words: impl Any) {
    if let Ok(Some(seat)) = SEAT.try_with(|current| current.borrow().clone()) {
        seat.leave_words(Rc::new(words));
    }
}

/// What was left by the one whose mailbox is being closed right now.
pub(crate) fn last_words<T: Clone + 'static>() -> Option<T> {
    let seat = SEAT.try_with(|current| current.borrow().clone()).ok().flatten()?;
    seat.last_words()?.downcast_ref().cloned()
}

/// Has somebody told of the end of the incarnation that is being dropped right now, when it is over: its mailbox and
/// its spec, with the names they hold, are gone then, or it has begun anew. At once if no runner runs it.
pub(crate) fn after_burial(tell: Obituary) {
    match SEAT.try_with(|current| current.borrow().clone()) {
        Ok(Some(seat)) => seat.after_burial(tell),
        Ok(None) | Err(_) => tell(),
    }
}

/// Lets a supervised actor say why it stops. In the prelude.
pub trait ExitContext {
    /// Stops the actor like `ctx.stop()` and says why.
    ///
    /// The reason decides, by the child's [`Restart`](crate::Restart) type, whether it is restarted, and stands in
    /// reports. The last reason given counts; a panic overrules it. `stopping` may still answer `Continue`.
    ///
    /// In an actor that is not supervised by this crate this is `ctx.stop()`, and the reason is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use actix::prelude::*;
    /// use actix_dynamic_supervisor::prelude::*;
    /// # struct Worker;
    /// # impl Actor for Worker { type Context = Context<Self>; }
    ///
    /// fn give_up(ctx: &mut Context<Worker>, error: std::io::Error) {
    ///     ctx.exit(ExitReason::failed(error));
    /// }
    /// ```
    fn exit(&mut self, reason: ExitReason);
}

impl<A: Actor<Context = Self>> ExitContext for Context<A> {
    fn exit(&mut self, reason: ExitReason) {
        let address = self.address();
        // The seat is cloned out first: what replacing a reason drops may be user code that comes back here.
        let seat = SEAT.try_with(|current| current.borrow().clone());
        if let Ok(Some(seat)) = seat {
            seat.name_exit(&address, reason);
        }
        self.stop();
    }
}

/// The identity of a mailbox that exists: where it lies in memory, read through `Hash`, the one way Actix gives.
pub(crate) fn addr_key<A: ChildActor>(addr: &Addr<A>) -> usize {
    #[derive(Default)]
    struct Pointer(usize);
    impl Hasher for Pointer {
        fn write(&mut self, bytes: &[u8]) {
            for &byte in bytes {
                self.0 = self.0.rotate_left(8) ^ usize::from(byte);
            }
        }
        fn write_usize(&mut self, pointer: usize) {
            self.0 = pointer;
        }
        fn finish(&self) -> u64 {
            self.0 as u64
        }
    }
    let mut pointer = Pointer::default();
    addr.hash(&mut pointer);
    pointer.0
}
