//! The child's mailbox, and what is kept of an end until it is told.

mod closing;
mod counting;

use std::{
    any::Any,
    cell::Cell,
    collections::VecDeque,
    hash::{Hash, Hasher},
    mem,
    rc::Rc,
    sync::Arc,
};

use actix::{
    dev::{
        channel::{self, AddressReceiver},
        AsyncContextParts, ContextParts, Envelope,
    },
    ActorContext, Addr, AsyncContext, Context, WeakAddr,
};

pub(super) use self::closing::{close, FEW};
use super::{
    pump::{Budget, Door, Pump},
    seat::Obituary,
    shared::{Lent, Shared},
    vitals::Watched,
};
use crate::{
    exit::ExitReason,
    id::Incarnation,
    spec::ChildActor,
    unwind::{self, PanicReport},
};

/// What outlives incarnations: the queue, and what the present one has said about its end.
pub(super) struct Inbox<A: ChildActor> {
    /// `None` once closed, and while the pump has it.
    receiver: Cell<Option<AddressReceiver<A>>>,
    /// Kept, as making an address takes an allocation.
    weak_addr: WeakAddr<A>,
    /// What most children never have.
    rare: Cell<Option<Box<Rare<A>>>>,
    exit: Cell<Option<ExitReason>>,
    door: Cell<Door>,
    /// The pump was dropped by its context: somebody cancelled the handle under which messages are handled.
    is_pump_lost: Cell<bool>,
    /// Messages have been laid aside, and are to be handled first.
    has_front: Cell<bool>,
    /// Somebody wants to know when it is polled: see [`vitals`](super::vitals).
    is_watched: Cell<bool>,
    budget: Budget,
    marks: Cell<Marks>,
    /// The present one, or the last. Here where there is room for it.
    incarnation: Cell<Incarnation>,
    /// How many messages have been taken out of the queue, but for what goes beyond 32 bits.
    handled: Cell<u32>,
}

/// What is seldom asked, a bit each.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Marks(u8);

impl Marks {
    /// Ends when nobody holds an address any more, as a plain actor does. Only for supervisors without a parent. Asked
    /// once: one that takes its time (`Running::Continue`) would else be asked again within the same poll, for ever.
    const ENDS_UNREFERENCED: Self = Self(1);
    const IS_CLOSED: Self = Self(1 << 1);
    /// It is not on its supervisor's arbiter.
    const IS_ELSEWHERE: Self = Self(1 << 2);
    /// Its end, when it comes, is for good. Only of a child on an arbiter of its own.
    const IS_LEAVING: Self = Self(1 << 3);
    /// The incarnation was asked to stop: an end that gives no reason is then a shutdown.
    const IS_ASKED_TO_END: Self = Self(1 << 4);
}

struct Rare<A: ChildActor> {
    /// A panic in a destructor that nobody has told yet.
    residue: Option<PanicReport>,
    /// Who is to be told of the present incarnation's end, when it is over and decided what follows.
    obituaries: Vec<Obituary>,
    /// What the last incarnation left for requests that come too late.
    last_words: Option<Rc<dyn Any>>,
    /// The mailbox and the spec of a child that can be taken over.
    shared: Option<Arc<Shared<A>>>,
    /// Messages of the closed mailbox that have not been dropped yet.
    left: VecDeque<Envelope<A>>,
    /// How many there were.
    undelivered: usize,
    /// Messages that were laid aside when the queue was counted.
    front: VecDeque<Envelope<A>>,
    /// What goes beyond 32 bits of how many messages were handled.
    handled_high: u64,
    /// What is kept for who watches.
    watched: Watched,
}

impl<A: ChildActor> Default for Rare<A> {
    fn default() -> Self {
        Self {
            residue: None,
            obituaries: Vec::new(),
            last_words: None,
            shared: None,
            left: VecDeque::new(),
            undelivered: 0,
            front: VecDeque::new(),
            handled_high: 0,
            watched: Watched::default(),
        }
    }
}

/// An address of nobody's: what is sent to it is answered `Closed`.
pub(crate) fn closed_addr<A: ChildActor>() -> Addr<A> {
    Addr::new(channel::channel(1).0)
}

impl<A: ChildActor> Inbox<A> {
    /// `addr` is one of the mailbox's.
    pub(super) fn new(receiver: AddressReceiver<A>, addr: &Addr<A>, budget: Budget, ends_unreferenced: bool) -> Self {
        Self {
            receiver: Cell::new(Some(receiver)),
            weak_addr: addr.downgrade(),
            rare: Cell::new(None),
            exit: Cell::new(None),
            door: Cell::new(Door::Untried),
            is_pump_lost: Cell::new(false),
            has_front: Cell::new(false),
            is_watched: Cell::new(false),
            budget,
            marks: Cell::new(if ends_unreferenced { Marks::ENDS_UNREFERENCED } else { Marks(0) }),
            incarnation: Cell::new(Incarnation::FIRST),
            handled: Cell::new(0),
        }
    }

    /// A fresh context whose address is this mailbox's and whose first item is the pump.
    pub(super) fn context(&self) -> Context<A> {
        self.door.set(Door::Untried);
        self.exit.take();
        self.mark(Marks::IS_ASKED_TO_END, false);
        let mut ctx = Context::new();
        if let Some(receiver) = self.receiver.take() {
            *ctx.parts() = ContextParts::new(receiver.sender_producer());
            self.receiver.set(Some(receiver));
        } else if let Some(producer) =
            self.shared().and_then(|shared| shared.with_receiver(|own| own.sender_producer()))
        {
            *ctx.parts() = ContextParts::new(producer);
        }
        self.spawn_pump(&mut ctx);
        ctx
    }

    pub(super) fn spawn_pump(&self, ctx: &mut Context<A>) {
        self.is_pump_lost.set(false);
        ctx.spawn(Pump::new());
    }

    /// Must a pump be put back, for the child not to be deaf?
    pub(super) fn is_pump_lost(&self) -> bool {
        self.is_pump_lost.get()
    }

    pub(super) fn lose_pump(&self) {
        self.is_pump_lost.set(true);
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    pub(super) fn door(&self) -> Door {
        self.door.get()
    }

    pub(super) fn set_door(&self, door: Door) {
        self.door.set(door);
    }

    /// A message handler has panicked: the context is to end, with its hooks, in this very poll.
    pub(super) fn crash(&self, panic: PanicReport, ctx: &mut Context<A>) {
        self.door.set(Door::Shut);
        self.set_exit(ExitReason::Panicked(panic));
        ctx.stop();
    }

    /// The end as it will be told. From here on `ctx.exit` does not change it.
    pub(super) fn set_exit(&self, reason: ExitReason) {
        self.exit.set(Some(reason));
    }

    /// The end as the actor gives it by `ctx.exit`.
    pub(super) fn name_exit(&self, address: &dyn Any, reason: ExitReason) {
        // Another actor's context can be at hand here (inside `Actor::create`): its exit is not ours.
        let is_own = self.weak_addr.upgrade().is_some_and(|own| address.downcast_ref::<Addr<A>>() == Some(&own));
        if is_own && self.door.get() != Door::Shut {
            self.set_exit(reason);
        }
    }

    /// From here on an end has been asked for; a reason given before, that was not followed by an end, is forgotten.
    pub(super) fn ask_to_end(&self) {
        self.mark(Marks::IS_ASKED_TO_END, true);
        self.exit.take();
    }

    pub(super) fn is_asked_to_end(&self) -> bool {
        self.is_marked(Marks::IS_ASKED_TO_END)
    }

    pub(super) fn set_elsewhere(&self) {
        self.mark(Marks::IS_ELSEWHERE, true);
    }

    pub(super) fn is_elsewhere(&self) -> bool {
        self.is_marked(Marks::IS_ELSEWHERE)
    }

    pub(super) fn set_leaving(&self) {
        self.mark(Marks::IS_LEAVING, true);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_marked(Marks::IS_LEAVING)
    }

    fn is_marked(&self, Marks(bit): Marks) -> bool {
        self.marks.get().0 & bit != 0
    }

    fn mark(&self, Marks(bit): Marks, is_so: bool) {
        let marks = self.marks.get().0;
        self.marks.set(Marks(if is_so { marks | bit } else { marks & !bit }));
    }

    /// The mailbox, for a runner elsewhere; `None` once closed. What was [laid aside](Self::take_front) comes before it.
    pub(super) fn take_receiver(&self) -> Option<AddressReceiver<A>> {
        self.receiver.take().or_else(|| self.shared()?.take_receiver())
    }

    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched.get()
    }

    pub(super) fn watched<T>(&self, change: impl FnOnce(&mut Watched) -> T) -> T {
        self.is_watched.set(true);
        let mut rare = self.rare.take().unwrap_or_default();
        let changed = change(&mut rare.watched);
        self.rare.set(Some(rare));
        changed
    }

    fn look<T>(&self, look: impl FnOnce(&Rare<A>) -> T) -> Option<T> {
        let rare = self.rare.take()?;
        let seen = look(&rare);
        self.rare.set(Some(rare));
        Some(seen)
    }

    /// Lets others take the mailbox over.
    pub(super) fn share(&self) -> Option<Arc<Shared<A>>> {
        let shared = Shared::new(self.receiver.take()?, None, self.handled());
        self.rare(|rare| rare.shared = Some(Arc::clone(&shared)));
        Some(shared)
    }

    pub(super) fn shared(&self) -> Option<Arc<Shared<A>>> {
        let rare = self.rare.take()?;
        let shared = rare.shared.clone();
        self.rare.set(Some(rare));
        shared
    }

    pub(super) fn incarnation(&self) -> Incarnation {
        self.incarnation.get()
    }

    pub(super) fn set_incarnation(&self, incarnation: Incarnation) {
        self.incarnation.set(incarnation);
    }

    pub(super) fn exit(&self) -> Option<ExitReason> {
        let exit = self.exit.take();
        self.exit.set(exit.clone());
        exit
    }

    /// Keeps a panic on the way out, to be told by the runner.
    pub(super) fn note_residue(&self, disposed: Result<(), PanicReport>) {
        if let Err(panic) = disposed {
            self.rare(|rare| {
                rare.residue.get_or_insert(panic);
            });
        }
    }

    pub(super) fn take_residue(&self) -> Option<PanicReport> {
        let mut rare = self.rare.take()?;
        let residue = rare.residue.take();
        self.rare.set(Some(rare));
        residue
    }

    pub(super) fn after_burial(&self, tell: Obituary) {
        self.rare(|rare| rare.obituaries.push(tell));
    }

    pub(super) fn leave_words(&self, words: Rc<dyn Any>) {
        self.rare(|rare| rare.last_words = Some(words));
    }

    pub(super) fn last_words(&self) -> Option<Rc<dyn Any>> {
        let rare = self.rare.take()?;
        let words = rare.last_words.clone();
        self.rare.set(Some(rare));
        words
    }

    fn rare(&self, change: impl FnOnce(&mut Rare<A>)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare.set(Some(rare));
    }

    /// Tells of the last incarnation's end: its child begins anew, or waits to, or is over, its mailbox closed and its spec
    /// dropped.
    pub(super) fn publish(&self) {
        let Some(mut rare) = self.rare.take() else { return };
        let obituaries = mem::take(&mut rare.obituaries);
        self.rare.set(Some(rare));
        for tell in obituaries {
            let _ = unwind::guard(tell);
        }
    }

    /// `None` once closed.
    pub(super) fn weak_addr(&self) -> Option<WeakAddr<A>> {
        (!self.is_marked(Marks::IS_CLOSED)).then(|| self.weak_addr.clone())
    }

    pub(super) fn addr(&self) -> Option<Addr<A>> {
        self.weak_addr()?.upgrade()
    }

    /// Lends the receiver, unless the mailbox is closed. A panic in `work` must not get here: it would close it.
    #[inline]
    pub(super) fn with_receiver(&self, work: impl FnOnce(&mut Lent<'_, A>)) {
        if let Some(mut receiver) = self.receiver.take() {
            if self.has_front.get() {
                let mut front = self.take_front();
                work(&mut Lent::Counted(&mut front, &mut receiver));
                self.receiver.set(Some(receiver));
                self.lay_aside(front);
            } else {
                work(&mut Lent::Own(&mut receiver));
                self.receiver.set(Some(receiver));
            }
        } else if let Some(shared) = self.shared() {
            work(&mut Lent::Shared(&shared));
        }
    }

    /// Is this the end of one that ends when nobody holds an address? Then it is that once.
    pub(super) fn ends_unreferenced(&self, mailbox: &Lent<'_, A>) -> bool {
        // An address may be made from a weak one later; it finds a supervisor that is on its way out.
        let ends = self.is_marked(Marks::ENDS_UNREFERENCED) && !mailbox.is_referenced();
        if ends {
            self.mark(Marks::ENDS_UNREFERENCED, false);
        }
        ends
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
