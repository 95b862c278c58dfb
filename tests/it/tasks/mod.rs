//! Futures as children.

mod cancelling;
mod destructors;
mod ends;
mod results;
mod streams;

use std::{
    future::{pending, Future},
    panic::panic_any,
    pin::pin,
    sync::Arc,
    task::{Context as Cx, Poll, Wake, Waker},
    thread::{self, Thread},
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::Journal;

fn supervisor() -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().start().unwrap()
}

async fn children(supervisor: &Addr<DynamicSupervisor>) -> usize {
    supervisor.count_children().await.unwrap().specs
}

/// Writes `name` when it is dropped.
struct Note(Journal, &'static str);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// A task that never ends by itself. It writes `begun`, and `dropped` when its future is.
fn endless(journal: &Journal) -> Task<()> {
    let journal = journal.clone();
    Task::new(move || {
        let note = Note(journal.clone(), "dropped");
        async move {
            note.0.note("begun");
            pending().await
        }
    })
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("bomb");
    }
}

/// Waits without any runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Cx::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}
