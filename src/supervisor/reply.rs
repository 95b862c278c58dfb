//! Answers that may come later, without a future in the supervisor's context.
//!
//! Actix walks all futures of a context on every wake, so a supervisor keeps the sending half of a reply instead.

use std::{cell::Cell, fmt, rc::Rc};

use actix::{
    dev::{MessageResponse, OneshotSender},
    Context, Message,
};

use super::{progress::Progress, DynamicSupervisor};
use crate::{runner::TaskDue, unwind};

/// The response of a handler: an answer, or the promise of one.
pub struct Reply<T> {
    answer: Answer<T>,
    /// Dropped when the answer is on its way.
    then: Option<TaskDue>,
}

enum Answer<T> {
    Now(T),
    /// Where the promise finds its sender.
    Later(Rc<Cell<Option<OneshotSender<T>>>>),
}

impl<T> Reply<T> {
    pub(super) fn now(answer: T) -> Self {
        Self { answer: Answer::Now(answer), then: None }
    }

    /// What is to be dropped when the answer is on its way.
    pub(super) fn and_then(self, then: TaskDue) -> Self {
        Self { then: Some(then), ..self }
    }

    /// The answer, if it is here already.
    pub(super) fn into_answer(self) -> Option<T> {
        match self.answer {
            Answer::Now(answer) => Some(answer),
            Answer::Later(_) => None,
        }
    }

    /// A promise to be kept elsewhere, and the response that waits for it.
    pub(super) fn later() -> (Promise<T>, Self) {
        let sender = Rc::new(Cell::new(None));
        (Promise(Owed::Reply(ReplyDue(Rc::clone(&sender)))), Self { answer: Answer::Later(sender), then: None })
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply(..)")
    }
}

impl<M: Message> MessageResponse<DynamicSupervisor, M> for Reply<M::Result> {
    fn handle(self, _: &mut Context<DynamicSupervisor>, sender: Option<OneshotSender<M::Result>>) {
        match (self.answer, sender) {
            (Answer::Now(answer), Some(sender)) => send(sender, answer),
            (Answer::Now(answer), None) => {
                let _ = unwind::dispose(answer);
            }
            (Answer::Later(promised), sender) => promised.set(sender),
        }
        drop(self.then);
    }
}

/// An answer owed. Dropped unkept, the asker finds the supervisor gone.
pub(super) struct Promise<T>(Owed<T>);

enum Owed<T> {
    Reply(ReplyDue<T>),
    Progress(Progress<T>),
}

/// Where a reply's sender lies until it is sent.
struct ReplyDue<T>(Rc<Cell<Option<OneshotSender<T>>>>);

impl<T> Promise<T> {
    pub(super) fn is_awaited(&self) -> bool {
        match &self.0 {
            Owed::Reply(ReplyDue(sender)) => {
                let taken = sender.take();
                let is_awaited = taken.as_ref().is_some_and(|sender| !sender.is_closed());
                sender.set(taken);
                is_awaited
            }
            Owed::Progress(progress) => progress.is_awaited(),
        }
    }

    /// Has its asker gone away? Not if nobody asked: a message that came by `do_send` is meant all the same.
    pub(super) fn is_withdrawn(&self) -> bool {
        match &self.0 {
            Owed::Reply(ReplyDue(sender)) => {
                let taken = sender.take();
                let is_withdrawn = taken.as_ref().is_some_and(OneshotSender::is_closed);
                sender.set(taken);
                is_withdrawn
            }
            // Carried out whether or not somebody waits.
            Owed::Progress(_) => false,
        }
    }

    pub(super) fn keep(self, answer: T) {
        match self.0 {
            Owed::Reply(due) => match due.0.take() {
                Some(sender) => send(sender, answer),
                // Nobody asked for the answer: the message came by `do_send`.
                None => {
                    let _ = unwind::dispose(answer);
                }
            },
            Owed::Progress(progress) => progress.done(answer),
        }
    }
}

impl<T> Drop for ReplyDue<T> {
    /// Wakes the asker, whose waker is user code: two that panic must not meet in one drop.
    fn drop(&mut self) {
        let _ = unwind::dispose(self.0.take());
    }
}

/// Adds a promise, after removing those that nobody waits for any more once they could make up half of the list: an asker
/// that gives up and asks again costs no memory.
pub(super) fn owe<T>(promises: &mut Vec<Promise<T>>, promise: Promise<T>) {
    if promises.len() == promises.capacity() {
        promises.retain(Promise::is_awaited);
    }
    promises.push(promise);
}

impl<T> From<Progress<T>> for Promise<T> {
    fn from(progress: Progress<T>) -> Self {
        Self(Owed::Progress(progress))
    }
}

/// An asker may be gone; the answer is then dropped here, and what it holds is user code, as is the asker's waker.
fn send<T>(sender: OneshotSender<T>, answer: T) {
    let _ = unwind::guard(move || drop(sender.send(answer)));
}
