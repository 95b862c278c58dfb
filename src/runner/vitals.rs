//! How a child does, for who looks: what it has handled, what waits, how long it keeps its thread, and in which span it runs.
//!
//! Counting messages costs an addition a turn and is always done. All else is done for children that are *watched*: while
//! such a one is [seated](super::seat) the clock runs and its span is entered.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};
use tracing::{span::EnteredSpan, Span};

use super::{child::Runner, launch::Terms};
use crate::{spec::ChildActor, unwind};

/// What a child tells of itself when it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    /// Messages handled, in all its incarnations.
    pub(crate) handled: u64,
    /// How many wait in its queue, if that was asked and can be told.
    pub(crate) queued: Option<usize>,
    pub(crate) longest_poll: Option<Duration>,
}

/// The answer of a child that is asked.
pub(crate) enum Examined {
    Now(Vitals),
    /// It lives elsewhere, and may be long about it. Closed if it is gone.
    Later(oneshot::Receiver<Vitals>),
}

/// What is kept for who watches a child.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    /// What the span of its incarnations says beside what its runner knows.
    pub(crate) names: Option<Arc<Names>>,
    /// That of the present incarnation.
    span: Option<Span>,
    is_measured: bool,
    longest_poll: Duration,
}

/// What people call a child.
pub(crate) struct Names {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) key: Option<String>,
}

impl Watched {
    pub(crate) fn new(is_measured: bool, names: Option<Names>) -> Self {
        Self { names: names.map(Arc::new), is_measured, ..Self::default() }
    }

    /// For its next runner.
    pub(super) fn hand_over(&mut self) -> Self {
        Self { span: None, ..self.clone() }
    }
}

/// A poll, or an end, that is watched until this is dropped.
pub(super) struct Watch {
    entered: Option<EnteredSpan>,
    clock: Option<Clock>,
}

struct Clock {
    began: Instant,
    note: Box<dyn Fn(Duration)>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(Clock { began, note }) = &self.clock {
            note(began.elapsed());
        }
        // A subscriber is user code.
        let _ = unwind::dispose(self.entered.take());
    }
}

impl<A: ChildActor> Runner<A> {
    pub(super) fn watch_as(&self, terms: &Terms) {
        if let Some(watched) = &terms.watched {
            self.inbox.watched(|own| *own = Watched::clone(watched));
        }
    }

    pub(super) fn vitals(&self, queues: bool) -> Vitals {
        let queued = if queues { self.inbox.count_queue() } else { None };
        if queues {
            // The mailbox has forgotten whom to wake.
            if let Ok(life) = self.life.try_borrow() {
                life.wake();
            }
        }
        let is_watched = self.inbox.is_watched();
        let longest_poll = is_watched.then(|| self.inbox.watched(|own| own.is_measured.then_some(own.longest_poll)));
        Vitals { handled: self.inbox.handled(), queued, longest_poll: longest_poll.flatten() }
    }

    /// A new incarnation has a new span.
    pub(super) fn new_span(&self) {
        let Some(birth) = self.birth.as_ref().filter(|_| self.inbox.is_watched()) else { return };
        let Some(supervisor) = &birth.link.spans else { return };
        let names = self.inbox.watched(|own| own.names.clone());
        let (label, key) = names.as_ref().map_or((None, None), |names| (names.label.as_deref(), names.key.as_deref()));
        let span = unwind::guard(|| {
            tracing::info_span!(
                target: "actix_dynamic_supervisor",
                "child",
                supervisor = &**supervisor,
                id = %birth.id(),
                module = std::any::type_name::<A>(),
                label,
                key,
                incarnation = self.inbox.incarnation().number(),
            )
        });
        let before = self.inbox.watched(|own| std::mem::replace(&mut own.span, span.ok()));
        let _ = unwind::dispose(before);
    }

    #[cold]
    pub(super) fn watch(self: &Rc<Self>) -> Box<Watch> {
        let (span, is_measured) = self.inbox.watched(|own| (own.span.clone(), own.is_measured));
        let entered = span.and_then(|span| unwind::guard(|| span.entered()).ok());
        let clock = is_measured.then(|| {
            let runner = Rc::clone(self);
            let note: Box<dyn Fn(Duration)> =
                Box::new(move |took| runner.inbox.watched(|own| own.longest_poll = own.longest_poll.max(took)));
            Clock { began: Instant::now(), note }
        });
        Box::new(Watch { entered, clock })
    }
}
