//! An asynchronous start under way.

use std::{
    future::Future,
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    child::{deadline, has_passed, Deadline},
    gate::Turn,
    protocol::StartFailure,
};
use crate::{
    spec::{ChildActor, StartResult},
    unwind,
};

pub(super) type StartFuture<A> = Pin<Box<dyn Future<Output = StartResult<A>>>>;

/// The future of a start, its turn among others and its deadline.
pub(super) struct Beginning<A: ChildActor> {
    future: StartFuture<A>,
    /// `None`: it waits for nobody.
    turn: Option<Turn>,
    time: Time,
}

/// How long it may take. The wait for its turn does not count.
enum Time {
    NotBegun { limit: Option<Duration> },
    Running(Deadline),
}

impl<A: ChildActor> Beginning<A> {
    pub(super) fn new(future: StartFuture<A>, turn: Option<Turn>, limit: Option<Duration>) -> Self {
        let time = match turn {
            Some(_) => Time::NotBegun { limit },
            None => Time::Running(until(limit)),
        };
        Self { future, turn, time }
    }

    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<StartResult<A>, StartFailure>> {
        if let Some(turn) = &mut self.turn {
            std::task::ready!(turn.poll(cx));
        }
        if let Time::NotBegun { limit } = self.time {
            self.time = Time::Running(until(limit));
        }
        match unwind::guard(|| self.future.as_mut().poll(cx)) {
            Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
            Ok(Poll::Pending) => {
                let is_late = match &mut self.time {
                    Time::Running(deadline) => has_passed(deadline, cx),
                    Time::NotBegun { .. } => false,
                };
                if is_late {
                    Poll::Ready(Err(StartFailure::TimedOut))
                } else {
                    Poll::Pending
                }
            }
            Err(report) => Poll::Ready(Err(StartFailure::Panicked(report))),
        }
    }
}

fn until(limit: Option<Duration>) -> Deadline {
    limit.and_then(|limit| Instant::now().checked_add(limit)).and_then(deadline)
}
