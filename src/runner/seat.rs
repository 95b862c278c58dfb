//! Which incarnation is being polled: what user code says about an end finds its runner here, and so does the pump.
//!
//! Actix's `Context` has no place for a word to its runner, so each poll and each burial of an incarnation is done with its
//! runner *seated* on the thread.

use std::{any::Any, cell::Cell, mem, rc::Rc};

use actix::{Actor, ActorContext, AsyncContext, Context};

use super::vitals::Watch;
use crate::exit::ExitReason;

thread_local! {
    static SEAT: Cell<Option<Rc<dyn Seat>>> = const { Cell::new(None) };
}

/// What can be said to a runner while its incarnation is polled, or ends.
pub(super) trait Seat: Any {
    fn lose_pump(&self);
    fn name_exit(&self, address: &dyn Any, reason: ExitReason);
    /// How the incarnation ends, once that is settled.
    fn ending(&self) -> Option<ExitReason>;
    fn after_burial(&self, tell: Obituary);
    fn leave_words(&self, words: Rc<dyn Any>);
    fn last_words(&self) -> Option<Rc<dyn Any>>;
}

/// Tells somebody of an end.
pub(crate) type Obituary = Box<dyn FnOnce()>;

/// Seats a runner until the guard is dropped.
#[inline]
pub(super) fn take(seat: Rc<dyn Seat>, watch: Option<Box<Watch>>) -> Seated {
    Seated { before: SEAT.try_with(|current| current.replace(Some(seat))).unwrap_or_default(), _watch: watch }
}

/// Gives the seat back to who had it: a start inside a supervisor's turn is nested in the supervisor's poll.
pub(super) struct Seated {
    before: Option<Rc<dyn Seat>>,
    /// Ends when the seat is given back.
    _watch: Option<Box<Watch>>,
}

impl Drop for Seated {
    #[inline]
    fn drop(&mut self) {
        let left = SEAT.try_with(|current| current.replace(mem::take(&mut self.before)));
        // Last, when the seat is in order again: it may be the last hold on a runner.
        drop(left);
    }
}

#[inline]
fn current() -> Option<Rc<dyn Seat>> {
    SEAT.try_with(|seat| {
        let current = seat.take();
        seat.set(current.clone());
        current
    })
    .ok()
    .flatten()
}

/// The runner that is seated, if it is of this type.
#[inline]
pub(super) fn seated<R: Seat>() -> Option<Rc<R>> {
    let seat: Rc<dyn Any> = current()?;
    seat.downcast().ok()
}

/// The pump of the incarnation being polled was dropped.
pub(super) fn lose_pump() {
    if let Some(seat) = current() {
        seat.lose_pump();
    }
}

/// How the incarnation that is being dropped right now ends, if one is: for destructors that must tell.
pub(crate) fn ending_reason() -> Option<ExitReason> {
    current()?.ending()
}

/// Leaves something for requests that the incarnation being dropped right now has not come to.
pub(crate) fn leave_words(words: impl Any) {
    if let Some(seat) = current() {
        seat.leave_words(Rc::new(words));
    }
}

/// What was left by the one whose mailbox is being closed right now.
pub(crate) fn last_words<T: Clone + 'static>() -> Option<T> {
    current()?.last_words()?.downcast_ref().cloned()
}

/// Has somebody told of the end of the incarnation that is being dropped right now, when it is over: its mailbox and
/// its spec, with the names they hold, are gone then, or it has begun anew. At once if no runner runs it.
pub(crate) fn after_burial(tell: Obituary) {
    match current() {
        Some(seat) => seat.after_burial(tell),
        None => tell(),
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
        if let Some(seat) = current() {
            seat.name_exit(&address, reason);
        }
        self.stop();
    }
}
