//! One request's progress, from the supervisor to its asker: begun, then done.
//!
//! A channel for two messages in one allocation. Two of Tokio's would do the same and cost a child's end a twentieth more.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::unwind;

/// The supervisor's end. Dropped before it is done, the asker hears that nobody will answer.
pub(super) struct Progress<T>(Arc<Mutex<State<T>>>);

/// The asker's end.
pub(super) struct Asked<T>(Arc<Mutex<State<T>>>);

/// How far a request has come.
pub(super) enum SoFar<T> {
    Begun {
        /// How long it may take at most, if there is a limit.
        limit: Option<Duration>,
    },
    Done(T),
    /// Nobody will answer.
    Gone,
}

struct State<T> {
    /// What the asker has not heard yet.
    news: Option<SoFar<T>>,
    /// Woken by the next news.
    asker: Option<Waker>,
}

pub(super) fn channel<T>() -> (Progress<T>, Asked<T>) {
    let state = Arc::new(Mutex::new(State { news: None, asker: None }));
    (Progress(Arc::clone(&state)), Asked(state))
}

impl<T> Progress<T> {
    pub(super) fn begun(&self, limit: Option<Duration>) {
        self.tell(SoFar::Begun { limit });
    }

    pub(super) fn done(self, answer: T) {
        self.tell(SoFar::Done(answer));
    }

    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn tell(&self, news: SoFar<T>) {
        let mut state = lock(&self.0);
        state.news = Some(news);
        wake(state);
    }
}

impl<T> Drop for Progress<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        if !matches!(state.news, Some(SoFar::Done(_))) {
            state.news = Some(SoFar::Gone);
            wake(state);
        }
    }
}

impl<T> Asked<T> {
    /// The news there are, without waiting for more.
    pub(super) fn news(&self) -> Option<SoFar<T>> {
        lock(&self.0).news.take()
    }

    pub(super) fn poll_news(&self, cx: &mut Context<'_>) -> Poll<SoFar<T>> {
        let mut state = lock(&self.0);
        match state.news.take() {
            Some(news) => Poll::Ready(news),
            None => {
                if !state.asker.as_ref().is_some_and(|asker| asker.will_wake(cx.waker())) {
                    let before = state.asker.replace(cx.waker().clone());
                    drop(state);
                    drop(before);
                }
                Poll::Pending
            }
        }
    }
}

/// Nothing of a user's runs while it is locked.
fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the asker, whose waker is user code, when the lock is free.
fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    let asker = mem::take(&mut state.asker);
    drop(state);
    if let Some(asker) = asker {
        let _ = unwind::guard(|| asker.wake());
    }
}

#[cfg(test)]
mod tests {
    use futures::task::{noop_waker_ref, waker, ArcWake};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn poll<T>(asked: &Asked<T>) -> Poll<SoFar<T>> {
        asked.poll_news(&mut Context::from_waker(noop_waker_ref()))
    }

    #[test]
    fn the_asker_hears_that_it_has_begun_and_then_the_answer() {
        let (progress, asked) = channel();
        assert!(asked.news().is_none() && poll(&asked).is_pending());
        progress.begun(Some(Duration::from_secs(1)));
        assert!(matches!(poll(&asked), Poll::Ready(SoFar::Begun { limit: Some(limit) }) if limit.as_secs() == 1));
        assert!(poll(&asked).is_pending());
        progress.done(7);
        assert!(matches!(poll(&asked), Poll::Ready(SoFar::Done(7))));
    }

    #[test]
    fn an_asker_who_comes_late_hears_the_answer_only() {
        let (progress, asked) = channel();
        progress.begun(None);
        progress.done(7);
        assert!(matches!(asked.news(), Some(SoFar::Done(7))));
    }

    #[test]
    fn who_is_not_answered_hears_that_nobody_is_there() {
        let (progress, asked) = channel::<()>();
        progress.begun(None);
        drop(progress);
        assert!(matches!(poll(&asked), Poll::Ready(SoFar::Gone)));
    }

    #[test]
    fn it_is_known_whether_somebody_waits() {
        let (progress, asked) = channel::<()>();
        assert!(progress.is_awaited());
        drop(asked);
        assert!(!progress.is_awaited());
    }

    #[test]
    fn each_news_wakes_the_asker_that_polled_last() {
        struct Count(AtomicUsize);
        impl ArcWake for Count {
            fn wake_by_ref(count: &Arc<Self>) {
                count.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let (first, last) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let (progress, asked) = channel();
        for count in [&first, &last] {
            assert!(asked.poll_news(&mut Context::from_waker(&waker(Arc::clone(count)))).is_pending());
        }
        progress.begun(None);
        assert!(asked.news().is_some());
        assert!(asked.poll_news(&mut Context::from_waker(&waker(Arc::clone(&last)))).is_pending());
        progress.done(());
        assert_eq!((first.0.load(Ordering::SeqCst), last.0.load(Ordering::SeqCst)), (0, 2));
    }

    #[test]
    fn a_waker_that_panics_harms_nobody() {
        struct Spiteful;
        impl ArcWake for Spiteful {
            fn wake_by_ref(_: &Arc<Self>) {
                std::panic::panic_any("woken");
            }
        }
        let (progress, asked) = channel();
        assert!(asked.poll_news(&mut Context::from_waker(&waker(Arc::new(Spiteful)))).is_pending());
        progress.done(7);
        assert!(matches!(asked.news(), Some(SoFar::Done(7))));
    }
}
