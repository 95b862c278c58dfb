//! What a task owes to who awaits it, and what both must agree on: whether it begins at all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{
    exit::ExitReason,
    id::ChildId,
    unwind::{self, Contained},
};

/// Held by all who could still bring a result about: the spec, the living incarnation, the notice of its end. Dropped by the
/// last of them it is settled with the last reason known.
///
/// Nothing of a user's runs while it is locked.
pub(super) struct Pledge<T>(Mutex<State<T>>);

struct State<T> {
    /// `None` once settled.
    asker: Option<Asker<T>>,
    /// The result, until the end of the incarnation that brought it is over.
    result: Option<T>,
    last_exit: Option<ExitReason>,
    /// Known when the supervisor has begun with it.
    child: Option<ChildId>,
    is_cancelled: bool,
}

type Asker<T> = oneshot::Sender<Settled<T>>;

/// The result, or how the last incarnation ended without one.
pub(super) type Settled<T> = Result<T, ExitReason>;

impl<T> Pledge<T> {
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<Settled<T>>) {
        let (asker, settled) = oneshot::channel();
        let state = State { asker: Some(asker), result: None, last_exit: None, child: None, is_cancelled: false };
        (Arc::new(Self(Mutex::new(state))), settled)
    }

    /// A start begins. One that was cancelled before does not go on; who cancels later finds the child named here, and a
    /// `TerminateChild` comes behind this start in the supervisor's mailbox. So no cancelled task is left behind.
    pub(super) fn lets_begin(&self, child: ChildId) -> bool {
        let mut state = self.lock();
        state.child = Some(child);
        !state.is_cancelled
    }

    /// From now on it does not begin (again). Names the child that is to be terminated, if there was a start.
    pub(super) fn cancel(&self) -> Option<ChildId> {
        let mut state = self.lock();
        state.is_cancelled = true;
        state.child
    }

    pub(super) fn child(&self) -> Option<ChildId> {
        self.lock().child
    }

    /// Keeps the first result, if somebody waits for it.
    pub(super) fn keep(&self, value: T) {
        let mut state = self.lock();
        let is_due = state.result.is_none() && state.asker.as_ref().is_some_and(|asker| !asker.is_closed());
        if is_due {
            state.result = Some(value);
        } else {
            drop(state);
            discard(value);
        }
    }

    /// An incarnation's end is over.
    pub(super) fn ended(&self, reason: Option<ExitReason>) {
        let mut state = self.lock();
        let before = reason.and_then(|reason| state.last_exit.replace(reason));
        let (asker, result) = match state.result.take() {
            Some(result) => (state.asker.take(), Some(result)),
            None => (None, None),
        };
        drop(state);
        drop(before);
        if let (Some(asker), Some(result)) = (asker, result) {
            answer(asker, Ok(result));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Pledge<T> {
    fn drop(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(asker) = state.asker.take() else { return };
        let settled = match state.result.take() {
            Some(result) => Ok(result),
            None => Err(state.last_exit.take().unwrap_or(ExitReason::Unknown)),
        };
        answer(asker, settled);
    }
}

/// The asker's waker is user code, and if it is gone, so is the destructor of the result.
fn answer<T>(asker: Asker<T>, settled: Settled<T>) {
    let unwanted = unwind::guard(|| asker.send(settled));
    if let Ok(Err(Ok(value))) = unwanted {
        discard(value);
    }
}

/// Drops a result that nobody takes. Whoever does that may be anybody, so a panic ends and is told here.
pub(super) fn discard<T>(value: T) {
    drop(Contained::new(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shutdown() -> Option<ExitReason> {
        Some(ExitReason::Shutdown)
    }

    #[test]
    fn a_result_is_given_when_the_end_of_its_incarnation_is_over() {
        let (pledge, mut settled) = Pledge::new();
        pledge.keep(7);
        assert!(settled.try_recv().is_err());
        pledge.ended(Some(ExitReason::Normal));
        assert!(matches!(settled.try_recv(), Ok(Ok(7))));
    }

    #[test]
    fn the_first_result_is_the_one() {
        let (pledge, mut settled) = Pledge::new();
        pledge.keep(1);
        pledge.keep(2);
        pledge.ended(None);
        pledge.keep(3);
        pledge.ended(None);
        drop(pledge);
        assert!(matches!(settled.try_recv(), Ok(Ok(1))));
    }

    #[test]
    fn without_a_result_the_last_reason_is_told_when_all_is_dropped() {
        let (pledge, mut settled) = Pledge::<()>::new();
        pledge.ended(Some(ExitReason::Killed));
        pledge.ended(shutdown());
        assert!(settled.try_recv().is_err(), "it may be restarted");
        drop(pledge);
        assert!(matches!(settled.try_recv(), Ok(Err(ExitReason::Shutdown))));
    }

    #[test]
    fn what_never_lived_ends_for_reasons_unknown() {
        let (pledge, mut settled) = Pledge::<()>::new();
        drop(pledge);
        assert!(matches!(settled.try_recv(), Ok(Err(ExitReason::Unknown))));
    }

    #[test]
    fn a_result_that_nobody_takes_is_dropped_and_its_panic_contained() {
        struct Spite;
        impl Drop for Spite {
            fn drop(&mut self) {
                std::panic::panic_any("spite");
            }
        }
        let (pledge, settled) = Pledge::new();
        pledge.keep(Spite);
        drop(settled);
        pledge.ended(shutdown());
        pledge.keep(Spite);

        let (pledge, settled) = Pledge::new();
        pledge.keep(Spite);
        drop(settled);
        drop(pledge);
    }
}
