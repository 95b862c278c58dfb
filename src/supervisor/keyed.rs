//! Children by key.
//!
//! The supervisor's turn is the only place where a key is taken or freed, so of two that race one is first. Who asks for
//! a child that is still starting, or is on its way out, waits beside its entry and is served when that is settled.

use std::{any::TypeId, mem};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, WeakAddr};

use super::{
    messages::{GetOrStart, Started},
    reply::{Promise, Reply},
    starting::{Begin, Later, Outcome},
    DynamicSupervisor,
};
use crate::{
    directory::{self, Held, Holder, Keys, Listed},
    error::{AlreadyStarted, StartChildError},
    event::{Fact, Subject},
    id::ChildId,
    key::{ChildKey, Key},
    runner,
    spec::{ChildActor, ChildSpec},
    unwind,
};

/// Who asked for a child by key and has to wait.
pub(super) type Waiter = Box<dyn Wait>;

pub(super) trait Wait {
    /// Has the asker gone away?
    fn is_withdrawn(&self) -> bool;
    /// Asks again, in the supervisor's turn, unless the asker has gone away.
    fn ask_again(self: Box<Self>, supervisor: &mut DynamicSupervisor, ctx: &mut Context<DynamicSupervisor>);
}

struct Asking<S: ChildSpec> {
    key: ChildKey,
    spec: S,
    promise: Promise<Outcome<S>>,
}

impl<S: ChildSpec> Wait for Asking<S> {
    fn is_withdrawn(&self) -> bool {
        self.promise.is_withdrawn()
    }

    fn ask_again(self: Box<Self>, supervisor: &mut DynamicSupervisor, ctx: &mut Context<DynamicSupervisor>) {
        let Self { key, spec, promise } = *self;
        if promise.is_withdrawn() {
            return supervisor.drop_spec(spec);
        }
        match supervisor.get_or_start(key, spec, ctx) {
            Got::Now(outcome) => promise.keep(outcome),
            Got::Later(pending) => supervisor.await_pending(pending, promise),
        }
    }
}

/// Who is found without asking the supervisor.
pub(super) fn whereis<A: ChildActor>(
    supervisor: &Addr<DynamicSupervisor>,
    key: &(impl Key + ?Sized),
) -> Option<Addr<A>> {
    let keys = directory::keys_of(runner::addr_key(supervisor))?;
    keys.find(TypeId::of::<A>(), key).filter(|holder| holder.is_open)?.addr()
}

impl Holder {
    /// `None` once its mailbox is gone.
    fn addr<A: Actor>(&self) -> Option<Addr<A>> {
        self.addr.downcast_ref::<Option<WeakAddr<A>>>()?.as_ref()?.upgrade()
    }

    fn already_started<A: ChildActor>(&self) -> AlreadyStarted {
        AlreadyStarted::child(self.id, self.addr::<A>().unwrap_or_else(runner::closed_addr))
    }
}

impl DynamicSupervisor {
    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_ref().map(Listed::keys)
    }

    /// Prepares the key of a child to be. Refused if somebody has it.
    pub(super) fn prepare_key<A: ChildActor>(
        &mut self,
        key: ChildKey,
        ctx: &Context<Self>,
    ) -> Result<Held, StartChildError> {
        let keys = self.keys.get_or_insert_with(|| Listed::new(runner::addr_key(&ctx.address()))).keys();
        let prepared = unwind::guard(|| {
            let held = keys.prepare(TypeId::of::<A>(), key);
            let holder = keys.holder(&held);
            (held, holder)
        });
        match prepared {
            Ok((held, None)) => Ok(held),
            Ok((_, Some(holder))) => Err(StartChildError::AlreadyStarted(holder.already_started::<A>())),
            Err(panic) => Err(StartChildError::Panicked(panic)),
        }
    }

    /// Who has this key; nobody if its own code panics.
    pub(super) fn holder(&self, actor: TypeId, key: &ChildKey) -> Option<Holder> {
        let keys = self.keys()?;
        unwind::guard(|| keys.holder(&keys.prepare(actor, key.clone()))).ok()?
    }

    /// Lets a keyed child be found, or not any more.
    pub(super) fn open_key(&self, id: ChildId, is_open: bool) {
        let held = self.children.get(id).and_then(|entry| entry.seat.rare.as_ref()?.key.as_ref());
        if let (Some(held), Some(keys)) = (held, self.keys()) {
            keys.set_open(held, is_open);
        }
    }
}

impl<S: ChildSpec> Handler<GetOrStart<S>> for DynamicSupervisor {
    type Result = Reply<Outcome<S>>;

    fn handle(&mut self, GetOrStart { key, spec }: GetOrStart<S>, ctx: &mut Context<Self>) -> Self::Result {
        match self.get_or_start(key, spec, ctx) {
            Got::Now(outcome) => Reply::now(outcome),
            Got::Later(pending) => {
                let (promise, reply) = Reply::later();
                self.await_pending(pending, promise);
                reply
            }
        }
    }
}

/// What became of a request for a child by key.
enum Got<S: ChildSpec> {
    Now(Outcome<S>),
    Later(Pending<S>),
}

/// What is to be waited for.
enum Pending<S: ChildSpec> {
    /// Its own start goes on.
    Start(Later<S>),
    /// This child has the key, and cannot be had.
    Other { id: ChildId, key: ChildKey, spec: S },
}

impl DynamicSupervisor {
    fn get_or_start<S: ChildSpec>(&mut self, key: ChildKey, spec: S, ctx: &mut Context<Self>) -> Got<S> {
        let Some(holder) = self.holder(TypeId::of::<S::Actor>(), &key) else {
            return match self.start(spec, Some(key), ctx) {
                Begin::Now(reply) => Got::Now(reply.into_answer().unwrap_or(Err(StartChildError::SupervisorGone))),
                Begin::Later(later) => Got::Later(Pending::Start(later)),
            };
        };
        if !self.is_open() {
            self.drop_spec(spec);
            return Got::Now(Err(StartChildError::ShuttingDown));
        }
        match holder.addr::<S::Actor>() {
            Some(addr) if holder.is_open => {
                self.drop_spec(spec);
                Got::Now(Ok(Started::new(holder.id, addr, None)))
            }
            _ => Got::Later(Pending::Other { id: holder.id, key, spec }),
        }
    }

    fn await_pending<S: ChildSpec>(&mut self, pending: Pending<S>, promise: Promise<Outcome<S>>) {
        match pending {
            Pending::Start(later) => self.await_start(later, |outcome| promise.keep(outcome)),
            Pending::Other { id, key, spec } => self.await_key(id, key, spec, promise),
        }
    }

    /// Asks again when the child that has the key has started, or is gone.
    fn await_key<S: ChildSpec>(&mut self, id: ChildId, key: ChildKey, spec: S, promise: Promise<Outcome<S>>) {
        let Some(seat) = self.children.seat_mut(id) else { return self.drop_spec(spec) };
        let waiters = &mut seat.rare().waiters;
        // As with promises: who gives up and asks again costs no memory.
        let withdrawn = if waiters.len() == waiters.capacity() {
            let (withdrawn, waiting) = mem::take(waiters).into_iter().partition(|waiter| waiter.is_withdrawn());
            *waiters = waiting;
            withdrawn
        } else {
            Vec::new()
        };
        waiters.push(Box::new(Asking { key, spec, promise }));
        for waiter in withdrawn {
            self.drop_unneeded(waiter);
        }
    }

    /// What is settled now is what they waited for.
    pub(super) fn serve(&mut self, waiters: Vec<Waiter>, ctx: &mut Context<Self>) {
        for waiter in waiters {
            waiter.ask_again(self, ctx);
        }
    }

    /// Drops a spec that is not needed.
    pub(super) fn drop_spec(&mut self, spec: impl ChildSpec) {
        self.drop_unneeded(spec);
    }

    fn drop_unneeded(&mut self, request: impl Sized) {
        if let Err(panic) = unwind::dispose(request) {
            self.tell(&Fact::Residue { of: Subject::Request, panic: &panic });
        }
    }
}

impl<S: ChildSpec> Message for GetOrStart<S> {
    type Result = Outcome<S>;
}
