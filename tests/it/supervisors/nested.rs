//! Supervisors under supervisors.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::{
    support::script::{slow_to_stop, stubborn},
    support::{settle, world, Ask, Journal, Panic, Probe, Reports},
};

/// A chain of supervisors of this depth below `root`, with a probe at each level.
async fn chain(root: &Addr<DynamicSupervisor>, depth: usize, journal: &Journal) -> Vec<Addr<DynamicSupervisor>> {
    let mut levels = vec![root.clone()];
    for _ in 0..depth {
        let level = levels.last().unwrap();
        let below = level.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        below.start_child(Probe::child(journal)).await.unwrap();
        levels.push(below);
    }
    levels
}

#[test]
fn a_nested_supervisor_is_a_permanent_child_of_type_supervisor_called_by_its_name() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        parent.start_child(DynamicSupervisor::builder().name("rooms").into_child()).await.unwrap();
        parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        parent.start_child(DynamicSupervisor::builder().into_child().id("mine")).await.unwrap();
        parent.start_child(Probe::child(&Journal::new())).await.unwrap();

        let children = parent.which_children().await.unwrap();

        assert_eq!(children[0].child_type, ChildType::Supervisor);
        assert_eq!(children[0].restart, Restart::Permanent);
        assert_eq!(children[0].module, std::any::type_name::<DynamicSupervisor>());
        let labels: Vec<_> = children.iter().map(|child| child.label.as_deref()).collect();
        assert_eq!(labels, [Some("rooms"), Some("DynamicSupervisor"), Some("mine"), None]);
        assert_eq!(
            parent.count_children().await.unwrap().to_string(),
            "specs: 4, active: 4, supervisors: 3, workers: 1"
        );
    });
}

#[test]
fn a_whole_tree_ends_with_its_root_level_by_level_from_below() {
    world(async {
        let journal = Journal::new();
        let root = DynamicSupervisor::builder().start().unwrap();
        let levels = chain(&root, 10, &journal).await;

        let report = root.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (1, true), "of its own children");
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "stopped 1").count(), 10);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 10);
        assert!(levels.iter().all(|level| !level.connected()));
    });
}

#[test]
fn a_parent_waits_for_the_slow_child_of_its_grandchild() {
    world(async {
        let journal = Journal::new();
        let root = DynamicSupervisor::builder().start().unwrap();
        let levels = chain(&root, 3, &journal).await;
        let slow = Journal::new();
        let spec = Probe::scripted(&slow, |probe| slow_to_stop(probe, Duration::from_secs(3)));
        levels[3].start_child(spec).await.unwrap();
        let began = tokio::time::Instant::now();

        root.stop().await.unwrap();

        assert!(began.elapsed() >= Duration::from_secs(3) && began.elapsed() < Duration::from_millis(3_100));
        assert!(slow.has("stopped 1"));
    });
}

#[test]
fn a_tree_ends_when_one_of_its_branches_is_killed_without_leaving_an_orphan() {
    world(async {
        let journal = Journal::new();
        let root = DynamicSupervisor::builder().start().unwrap();
        let levels = chain(&root, 4, &journal).await;
        let branch = root.which_children().await.unwrap()[0].id;

        root.kill_child(branch).await.unwrap();

        let count = |entry: &str| journal.entries().iter().filter(|written| *written == entry).count();
        assert_eq!((count("stopped 1"), count("dropped 1")), (4, 4), "all below end in order");
        assert!(levels[2..].iter().all(|level| !level.connected()));
        assert_eq!(levels[1].count_children().await.unwrap().specs, 0, "it came back, empty");
    });
}

#[test]
fn a_nested_supervisor_killed_at_a_deadline_takes_its_children_along() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let spec = DynamicSupervisor::builder().into_child().shutdown(Shutdown::Timeout(Duration::from_secs(1)));
        let nested = parent.start_child(spec).await.unwrap();
        let never = Probe::scripted(&journal, stubborn).shutdown(Shutdown::Infinity);
        nested.addr.start_child(never).await.unwrap();
        let began = tokio::time::Instant::now();

        let report = parent.stop().await.unwrap();

        assert_eq!((report.stopped, &report.killed[..]), (0, &[nested.id][..]));
        assert!(began.elapsed() < Duration::from_millis(1_100));
        assert_eq!(journal.entries().last().unwrap(), "dropped 1");
    });
}

#[test]
fn a_permanent_nested_supervisor_that_exceeds_its_limit_comes_back_empty_at_the_same_address() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().max_restarts(0).into_child()).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        nested.addr.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        journal.expect("dropped 1").await;
        settle().await;

        assert_eq!(nested.addr.count_children().await.unwrap().specs, 0);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 2);
        let own = &parent.which_children().await.unwrap()[0];
        assert_eq!((own.id, own.restarts, own.state), (nested.id, 1, ChildState::Running));
        assert!(matches!(own.last_exit, Some(ExitReason::Shutdown)));
        assert_eq!(own.addr::<DynamicSupervisor>().unwrap(), nested.addr);
        assert_eq!(reports.kinds(), ["child_terminated", "shutdown", "child_terminated"]);
        let again = nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        assert_eq!(again.addr.send(Ask).await, Ok(1));
    });
}

#[test]
fn a_transient_nested_supervisor_that_exceeds_its_limit_stays_down() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let spec = DynamicSupervisor::builder().max_restarts(0).into_child().restart(Restart::Transient);
        let nested = parent.start_child(spec).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        settle().await;

        assert_eq!(parent.count_children().await.unwrap().specs, 0);
        assert!(!nested.addr.connected());
        assert!(matches!(nested.addr.exited().await, ExitReason::Unknown));
    });
}

#[test]
fn limits_that_are_exceeded_level_by_level_end_the_whole_tree() {
    world(async {
        let journal = Journal::new();
        let root = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let middle = root.start_child(DynamicSupervisor::builder().max_restarts(0).into_child()).await.unwrap().addr;
        let inner = middle.start_child(DynamicSupervisor::builder().max_restarts(0).into_child()).await.unwrap().addr;
        let child = inner.start_child(Probe::child(&journal)).await.unwrap();
        let ended = root.exited();

        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert!([&root, &middle, &inner].iter().all(|level| !level.connected()));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn requests_in_the_queue_of_a_nested_supervisor_are_answered_by_its_next_incarnation() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        nested.start_child(Probe::child(&Journal::new())).await.unwrap();

        nested.do_send(Stop::with_reason(ExitReason::failed("a fault")));
        let count = nested.count_children();
        let start = nested.start_child(Probe::child(&Journal::new()));

        assert_eq!(count.await.unwrap().specs, 0);
        assert_eq!(start.await.unwrap().addr.send(Ask).await, Ok(1));
    });
}

#[test]
fn a_stop_of_a_permanent_nested_supervisor_is_answered_and_it_comes_back() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        nested.start_child(Probe::child(&journal)).await.unwrap();

        let report = nested.stop().await.unwrap();

        assert_eq!(report.stopped, 1);
        assert!(journal.has("dropped 1"));
        assert_eq!(nested.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_nested_supervisor_lives_on_when_nobody_holds_its_address() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        nested.addr.start_child(Probe::child(&journal)).await.unwrap();

        drop(nested);
        settle().await;

        assert_eq!(journal.entries(), ["started 1"]);
        let nested = parent.which_children().await.unwrap()[0].addr::<DynamicSupervisor>().unwrap();
        assert_eq!(nested.count_children().await.unwrap().specs, 1);
    });
}

#[test]
fn a_child_of_a_nested_supervisor_is_none_of_the_parents_business() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap().addr;
        let child = nested.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(parent.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(parent.count_children().await.unwrap().specs, 1);
    });
}
