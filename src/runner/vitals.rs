//! How a child does, for who looks: what it has handled, what waits, how long it keeps its thread, and in which span it runs.
//!
//! Counting messages costs an addition a turn and is always done. All else is done for children that are *watched*: while
//! such a one is [seated](super::seat) the clock runs and its span is entered.

use std::{
    rc::Rc,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tracing::Span;

use super::child::Runner;
use crate::{
    spec::ChildActor,
    unwind::{self, Contained},
};

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
    /// That of the present incarnation. What a subscriber does when it goes is user code, and so it would be if it were
    /// cloned.
    span: Option<Arc<Contained<Span>>>,
    /// Of all its runners, also of one that is left behind on a blocked thread: that poll is its longest.
    longest_poll: Option<Arc<LongestPoll>>,
}

/// In nanoseconds.
#[derive(Default)]
struct LongestPoll(AtomicU64);

impl LongestPoll {
    fn note(&self, took: Duration) {
        self.0.fetch_max(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// What people call a child.
pub(crate) struct Names {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) key: Option<String>,
}

impl Watched {
    pub(crate) fn new(is_measured: bool, names: Option<Names>) -> Self {
        let longest_poll = is_measured.then(Arc::default);
        Self { names: names.map(Arc::new), span: None, longest_poll }
    }

    /// For its next runner.
    pub(super) fn hand_over(&mut self) -> Self {
        Self { span: None, ..self.clone() }
    }
}

/// A poll, or an end, that is watched until this is dropped.
pub(super) struct Watch {
    /// It has been entered.
    span: Option<Arc<Contained<Span>>>,
    clock: Option<Clock>,
}

struct Clock {
    began: Instant,
    longest_poll: Arc<LongestPoll>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(Clock { began, longest_poll }) = &self.clock {
            longest_poll.note(began.elapsed());
        }
        if let Some(span) = self.span.as_ref().and_then(|span| span.get()) {
            // A subscriber is user code. One thing at a time: one that panics in all it does would panic twice in a guard of
            // the span's own.
            let _ = unwind::guard(|| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)));
        }
    }
}

impl<A: ChildActor> Runner<A> {
    #[cold]
    pub(super) fn watch_as(&self, watched: &Watched) {
        self.inbox.watched(|own| *own = watched.clone());
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
        let longest_poll = if is_watched { self.inbox.watched(|own| own.longest_poll.clone()) } else { None };
        Vitals { handled: self.inbox.handled(), queued, longest_poll: longest_poll.map(|longest| longest.get()) }
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
        let span = span.ok().map(|span| Arc::new(Contained::new(span)));
        let before = self.inbox.watched(|own| std::mem::replace(&mut own.span, span));
        drop(before);
    }

    #[cold]
    pub(super) fn watch(self: &Rc<Self>) -> Box<Watch> {
        let (span, longest_poll) = self.inbox.watched(|own| (own.span.clone(), own.longest_poll.clone()));
        let span = span.filter(|span| {
            let enter = |span: &Span| span.with_subscriber(|(id, subscriber)| subscriber.enter(id)).is_some();
            span.get().is_some_and(|span| unwind::guard(|| enter(span)) == Ok(true))
        });
        let clock = longest_poll.map(|longest_poll| Clock { began: Instant::now(), longest_poll });
        Box::new(Watch { span, clock })
    }
}
