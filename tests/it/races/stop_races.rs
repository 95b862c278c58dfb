//! A restart meets the shutdown of the supervisor.

use std::time::Duration;

use actix_dynamic_supervisor::prelude::*;

use crate::support::script::{gated, slow_to_stop, starts_once, Gate};
use crate::support::{settle, world, Journal, Panic, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

/// F22
#[test]
fn a_crash_whose_notice_is_behind_the_stop_is_not_followed_by_a_restart() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let report = supervisor.stop().await.unwrap();
        settle().await;

        assert_eq!((report.stopped, report.failed), (0, vec![child.id]));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(reports.kinds(), ["shutdown_error"]);
    });
}

/// F22
#[test]
fn a_stop_cuts_off_a_restart_under_way() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(gated(&journal, &gate, 2)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        journal.expect("starting 2").await;

        let report = supervisor.stop().await.unwrap();
        gate.admit(1);
        settle().await;

        assert_eq!(report, ShutdownReport::default(), "there was nothing to end");
        assert!(!journal.has("started 2"));
        assert!(!child.addr.connected());
    });
}

/// F22
#[test]
fn a_stop_between_two_tries_makes_the_next_one_void() {
    world(async {
        let (journal, sibling) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = Probe::scripted(&sibling, |probe| slow_to_stop(probe, SECOND));
        supervisor.start_child(slow).await.unwrap();
        // The first try sends it: it is in the supervisor's mailbox before the turn to try again is.
        let spec = starts_once(&journal, |cx| cx.supervisor().unwrap().do_send(Stop::default()));
        let child = supervisor.start_child(spec).await.unwrap();
        let ended = supervisor.exited();

        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Normal));
        assert!(journal.has("try 2"));
        assert!(!journal.has("try 3"));
        assert_eq!(sibling.entries(), ["started 1", "stopping 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

/// F22
#[test]
fn a_child_that_crashes_while_it_stops_does_not_come_back() {
    world(async {
        let (journal, sibling, reports) = (Journal::new(), Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = |journal| Probe::scripted(journal, |probe| slow_to_stop(probe, SECOND));
        let child = supervisor.start_child(slow(&journal)).await.unwrap();
        supervisor.start_child(slow(&sibling)).await.unwrap();

        let stopped = supervisor.stop();
        sibling.expect("stopping 1").await;
        child.addr.do_send(Panic("boom"));
        let report = stopped.await.unwrap();

        assert_eq!((report.stopped, report.failed), (1, vec![child.id]));
        assert!(!journal.has("started 2"));
        assert_eq!(journal.entries().last().unwrap(), "dropped 1");
        assert_eq!(reports.kinds(), ["shutdown_error"]);
    });
}

/// F22
#[test]
fn after_the_limit_nobody_is_restarted_however_many_crash_at_once() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().max_restarts(2).max_reports_per_second(100).start().unwrap();
        let mut children = Vec::new();
        for _ in 0..6 {
            children.push(supervisor.start_child(Probe::child(&journal)).await.unwrap());
        }
        let ended = supervisor.exited();

        for child in &children {
            child.addr.do_send(Panic("boom"));
        }

        assert!(matches!(ended.await, ExitReason::Shutdown));
        let count = |entry: &str| journal.entries().iter().filter(|written| *written == entry).count();
        assert_eq!((count("started 1"), count("started 2"), count("dropped 1"), count("dropped 2")), (6, 2, 6, 2));
        let kinds = reports.kinds();
        assert_eq!(kinds.iter().filter(|kind| *kind == "shutdown").count(), 1, "at most one end of the supervisor");
        assert!(children.iter().all(|child| !child.addr.connected()));
    });
}

/// F22
#[test]
fn no_child_is_started_any_more_while_the_supervisor_shuts_down() {
    world(async {
        let (journal, late) = (Journal::new(), Journal::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
        let child = supervisor.start_child(slow).await.unwrap();

        let stopped = supervisor.stop();
        journal.expect("stopping 1").await;

        let refused = supervisor.start_child(Probe::child(&late)).await;
        assert!(matches!(refused, Err(StartChildError::ShuttingDown)));
        assert_eq!(supervisor.which_children().await.unwrap()[0].state, ChildState::Stopping);
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()), "joins the end under way");
        stopped.await.unwrap();
        assert!(late.entries().is_empty());
    });
}

/// F22
#[test]
fn a_start_under_way_is_cut_off_by_the_shutdown_and_its_starter_told() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = supervisor.start_child(gated(&journal, &gate, 1));
        journal.expect("starting 1").await;

        supervisor.stop().await.unwrap();
        gate.admit(1);
        settle().await;

        assert!(matches!(start.await, Err(StartChildError::ShuttingDown)));
        assert!(!journal.has("started 1"));
    });
}
