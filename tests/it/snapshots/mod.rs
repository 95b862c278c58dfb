//! Snapshots: the tree, which children are listed, what is counted.

mod elsewhere;
mod handled;
mod listing;
mod queues;
mod spite;
mod storm;
mod tree;

use std::{sync::mpsc, time::Duration};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::{prelude::*, Snapshot};

use crate::support::{script::Gate, Do, Journal, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A supervisor that bears whatever happens here.
fn patient() -> Addr<DynamicSupervisor> {
    DynamicSupervisor::builder().max_restarts(1_000_000).max_reports_per_second(0).start().unwrap()
}

async fn look(supervisor: &Addr<DynamicSupervisor>, request: TakeSnapshot) -> Snapshot {
    supervisor.snapshot(request).await.expect("it runs")
}

/// All there is, and how much waits in the queues.
fn all() -> TakeSnapshot {
    TakeSnapshot::new().queues(true).limit(usize::MAX).deadline(PATIENCE)
}

async fn child(supervisor: &Addr<DynamicSupervisor>, id: ChildId) -> ChildInfo {
    let mut snapshot = look(supervisor, all().only(id)).await;
    assert_eq!((snapshot.matched, snapshot.children.len()), (1, 1));
    snapshot.children.remove(0)
}

/// How many messages wait in a child's queue.
async fn queued(supervisor: &Addr<DynamicSupervisor>, id: ChildId) -> Option<usize> {
    child(supervisor, id).await.queued
}

/// Has a child handle nothing until it is let through.
async fn hold(probe: &Addr<Probe>) -> Gate {
    let gate = Gate::shut();
    let waits = gate.clone();
    let wait = Do::this(move |_, ctx| ctx.wait(wrap_future(async move { waits.pass().await })));
    probe.send(wait).await.expect("it lives");
    gate
}

/// Sends what notes `m N` when it is handled.
/// Blocks a child's thread until the returned sender is used or dropped.
async fn block(probe: &Addr<Probe>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (tell, blocked) = tokio::sync::oneshot::channel();
    probe.do_send(Do::this(move |_, _| {
        let _ = tell.send(());
        let _ = released.recv();
    }));
    blocked.await.expect("it blocks");
    release
}

fn send(probe: &Addr<Probe>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        probe.do_send(Do::this(move |probe, _| probe.note(&format!("m {number}"))));
    }
}

/// Which of these were handled, in this order, each with the incarnation that did.
fn handled(journal: &Journal) -> Vec<(usize, usize)> {
    let entries = journal.entries();
    let told = entries.iter().filter_map(|entry| entry.strip_prefix("m ")?.split_once(' '));
    told.map(|(number, incarnation)| (number.parse().unwrap(), incarnation.parse().unwrap())).collect()
}

/// All of these, by this incarnation.
fn by(incarnation: usize, numbers: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    numbers.map(|number| (number, incarnation)).collect()
}

/// Waits for what other threads do.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Names of the children listed.
fn keys(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.children.iter().map(|child| child.key.as_deref().unwrap_or("-")).collect()
}
