//! How many asynchronous starts of one supervisor's children go on at a time.

use std::{
    future::Future,
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A supervisor's limit, shared by its children wherever they live.
pub(crate) struct StartLimit(Mutex<Option<(NonZeroUsize, Arc<Semaphore>)>>);

impl StartLimit {
    pub(crate) fn new(max_starts: Option<NonZeroUsize>) -> Self {
        Self(Mutex::new(max_starts.map(places)))
    }

    /// A new limit counts from zero; starts that wait for their turn already keep it.
    pub(crate) fn set(&self, max_starts: Option<NonZeroUsize>) {
        let mut limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if limit.as_ref().map(|(max_starts, _)| *max_starts) != max_starts {
            *limit = max_starts.map(places);
        }
    }

    /// A place in the queue; `None` without a limit.
    pub(super) fn queue(&self) -> Option<Turn> {
        let limit = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, places) = limit.as_ref()?;
        Some(Turn::Awaited(Box::pin(Arc::clone(places).acquire_owned())))
    }
}

fn places(max_starts: NonZeroUsize) -> (NonZeroUsize, Arc<Semaphore>) {
    (max_starts, Arc::new(Semaphore::new(max_starts.get().min(Semaphore::MAX_PERMITS))))
}

/// The turn of one start. Dropping it lets the next one begin.
pub(super) enum Turn {
    Awaited(Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, tokio::sync::AcquireError>> + Send>>),
    /// `None`: nobody counts any more.
    Come {
        _place: Option<OwnedSemaphorePermit>,
    },
}

impl Turn {
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Self::Awaited(place) = self else { return Poll::Ready(()) };
        place.as_mut().poll(cx).map(|place| *self = Self::Come { _place: place.ok() })
    }
}
