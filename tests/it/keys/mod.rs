//! Children by key: who has it, who gets it, and when it is free again.

mod freed;
mod kept;
mod lookup;
mod spite;
mod threads;
mod waiting;

use std::fmt;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, AlreadyStarted};

use crate::support::{Journal, Probe};

/// A key of a type of the test's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seat(char, u8);

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

/// Another type of actor.
struct Desk;

impl Actor for Desk {
    type Context = Context<Self>;
}

impl Supervised for Desk {}

/// A supervisor and the journal of its probes.
struct Scene {
    supervisor: Addr<DynamicSupervisor>,
    journal: Journal,
}

impl Scene {
    fn new() -> Self {
        Self { supervisor: DynamicSupervisor::builder().start().unwrap(), journal: Journal::new() }
    }

    /// Starts a permanent probe with this key.
    async fn start(&self, key: impl Into<ChildKey>) -> Result<Started<Probe>, StartChildError> {
        self.supervisor.start_child(Probe::child(&self.journal).key(key)).await
    }

    /// Has this key been given back, so that another child gets it?
    async fn expect_free(&self, key: &'static str) {
        assert!(self.supervisor.whereis::<Probe>(key).is_none(), "{key:?} is found");
        let next = self.start(key).await.expect("the key is free");
        assert_eq!(self.supervisor.terminate_child(next.id).await, Ok(()));
    }

    async fn children(&self) -> usize {
        self.supervisor.count_children().await.unwrap().specs
    }

    fn has(&self, key: &str) -> bool {
        self.supervisor.whereis::<Probe>(key).is_some()
    }
}

/// The one that had the key, as a refused start tells.
fn holder<T: fmt::Debug>(refused: Result<T, StartChildError>) -> AlreadyStarted {
    match refused {
        Err(StartChildError::AlreadyStarted(existing)) => existing,
        other => panic!("not AlreadyStarted: {other:?}"),
    }
}
