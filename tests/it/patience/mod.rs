//! Children that wait before they are tried again, have a limit of their own, start in turn; and those that a supervisor
//! starts by itself.

mod budgets;
mod delays;
mod ends;
mod initial;
mod turns;
mod unstartable;
mod yard;

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};
use tokio::time::Instant;

use crate::support::script::starts_once;
use crate::support::{settle, Journal, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A supervisor, the journal of its probes, and when the test began.
struct Scene {
    supervisor: Addr<DynamicSupervisor>,
    journal: Journal,
    began: Instant,
}

impl Scene {
    /// With a limit that is not reached.
    fn new() -> Self {
        Self::of(DynamicSupervisor::builder().max_restarts(1000))
    }

    fn of(builder: Builder) -> Self {
        Self::at(builder.start().unwrap())
    }

    fn at(supervisor: Addr<DynamicSupervisor>) -> Self {
        Self { supervisor, journal: Journal::new(), began: Instant::now() }
    }

    /// The only child, as it is listed.
    async fn only(&self) -> ChildInfo {
        let mut children = self.supervisor.which_children().await.unwrap();
        assert_eq!(children.len(), 1);
        children.remove(0)
    }

    /// State of the only child, and when it is tried next, in milliseconds since the test began.
    async fn state(&self) -> (ChildState, Option<u128>) {
        let only = self.only().await;
        (only.state, only.next_try.map(|at| at.duration_since(self.began).as_millis()))
    }

    async fn counts(&self) -> (usize, usize) {
        let counts = self.supervisor.count_children().await.unwrap();
        (counts.specs, counts.active)
    }

    fn elapsed(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    /// A child that starts once; each of its tries fails and is noted with its moment.
    fn never_back(&self) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        let (journal, began) = (self.journal.clone(), self.began);
        starts_once(&self.journal, move |_| journal.note(format_args!("at {}", began.elapsed().as_millis())))
    }

    /// A child that starts, notes when, and whose starts of these incarnations fail.
    fn back_after(
        &self,
        fails: std::ops::Range<usize>,
    ) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
        let (journal, began) = (self.journal.clone(), self.began);
        Child::try_with(move |cx: &mut StartContext<Probe>| {
            journal.note(format_args!("at {}", began.elapsed().as_millis()));
            if fails.contains(&cx.incarnation()) {
                return Err("not yet");
            }
            Ok(Start::Run(Probe::new(&journal, cx.incarnation())))
        })
    }

    /// The moments noted so far.
    fn moments(&self) -> Vec<u64> {
        self.journal.entries().iter().filter_map(|entry| entry.strip_prefix("at ")?.parse().ok()).collect()
    }
}

/// Ends the present incarnation, and lets the supervisor hear of it.
async fn crash(child: &Addr<Probe>) {
    assert!(child.send(Panic("boom")).await.is_err());
    settle().await;
}

/// Lets time pass in steps as short as the clock's.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}
