//! Faults F01 to F17: what breaks, and what must not break with it.

mod arbiters;
mod blocked;
mod crashes;
mod destructors;
mod errors;
mod floods;
mod hooks;
mod queues;
mod restarts;
mod specs;
mod starts;
mod stops;
mod storms;
mod subtrees;

use std::panic::panic_any;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};
use tracing::Level;

use crate::support::{settle, Ask, Journal, Probe, Reports};

/// A supervisor with one child that no fault may touch, and everything it tells.
struct Scene {
    supervisor: Addr<DynamicSupervisor>,
    /// For the children that faults are done to.
    journal: Journal,
    bystander: Started<Probe>,
    bystanders_journal: Journal,
    reports: Reports,
}

impl Scene {
    async fn new() -> Self {
        Self::of(DynamicSupervisor::builder()).await
    }

    async fn of(builder: Builder) -> Self {
        let (journal, bystanders_journal, reports) = (Journal::new(), Journal::new(), Reports::capture());
        let supervisor = builder.start().unwrap();
        let bystander = supervisor.start_child(Probe::child(&bystanders_journal)).await.unwrap();
        Self { supervisor, journal, bystander, bystanders_journal, reports }
    }

    /// A permanent probe that writes to this scene's journal.
    async fn victim(&self) -> Started<Probe> {
        self.supervisor.start_child(Probe::child(&self.journal)).await.unwrap()
    }

    /// How many children there are beside the bystander, and how many of them are active.
    async fn others(&self) -> (usize, usize) {
        let counts = self.supervisor.count_children().await.unwrap();
        (counts.specs - 1, counts.active - 1)
    }

    async fn info(&self, id: ChildId) -> ChildInfo {
        let mut children = self.supervisor.which_children().await.unwrap();
        let at = children.iter().position(|child| child.id == id).expect("the supervisor has this child");
        children.swap_remove(at)
    }

    async fn last_exit(&self, id: ChildId) -> String {
        self.info(id).await.last_exit.expect("it has ended once").to_string()
    }

    /// All that was told as a warning or an error: the kind of the report, or the panic that was contained.
    fn told(&self) -> Vec<String> {
        told(&self.reports)
    }

    /// The supervisor answers, the bystander lives its first life.
    async fn expect_no_other_harm(&self) {
        settle().await;
        assert!(self.supervisor.connected(), "the supervisor has ended; told: {:?}", self.told());
        assert!(self.supervisor.count_children().await.is_ok());
        assert_eq!(self.bystander.addr.send(Ask).await, Ok(1));
        assert_eq!(self.bystanders_journal.entries(), ["started 1"]);
    }
}

/// What is told when half, or four fifths, of the restart limit is used.
const NEAR: &str = "restart limit near";

fn told(reports: &Reports) -> Vec<String> {
    let loud = reports.lines().into_iter().filter(|line| line.level <= Level::WARN);
    loud.map(|line| match (line.field("report"), line.field("panic")) {
        ("", "") => line.message,
        ("", panic) => format!("contained: {panic}"),
        (report, _) => report.to_owned(),
    })
    .collect()
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("bomb");
    }
}

const CONTAINED: &str = "contained: bomb";

/// A panic on purpose, of any type.
fn fail<T>(message: &'static str) -> T {
    panic_any(message)
}
