//! The shortest way through everything, so that a broken mechanism shows here first.

use std::time::Duration;

use actix::Running;
use actix_dynamic_supervisor::prelude::*;

use crate::support::{world, Ask, Journal, Panic, Probe, Reports};

#[test]
fn a_child_is_started_crashes_comes_back_and_is_terminated() {
    world(async {
        let journal = Journal::new();
        let reports = Reports::capture();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(child.addr.send(Ask).await, Ok(1), "handled by the first incarnation");
        assert!(child.addr.send(Panic("boom")).await.is_err());
        assert_eq!(child.addr.send(Ask).await, Ok(2), "handled by the second");

        supervisor.terminate_child(child.id).await.unwrap();
        assert!(!child.addr.connected());
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert_eq!(
            journal.entries(),
            ["started 1", "stopping 1", "stopped 1", "dropped 1", "started 2", "stopping 2", "stopped 2", "dropped 2"]
        );
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_supervisor_whose_last_address_is_dropped_waits_for_a_slow_child_without_spinning() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, |probe| probe.on_stopping(|_, _| Running::Continue))
            .shutdown(Shutdown::Timeout(Duration::from_secs(60)));
        let child = supervisor.start_child(spec).await.unwrap();

        let exited = supervisor.exited();
        drop(supervisor);

        assert!(matches!(exited.await, ExitReason::Normal));
        assert!(!child.addr.connected());
        assert_eq!(
            journal.entries(),
            ["started 1", "stopping 1", "dropped 1"],
            "killed at its deadline, without hooks"
        );
    });
}
