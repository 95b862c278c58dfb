//! Ids that are stale or somebody else's, requests made twice, addresses that nobody holds.

use std::time::Duration;

use actix_dynamic_supervisor::prelude::*;

use crate::support::script::slow_to_stop;
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// F25
#[test]
fn the_id_of_a_child_that_ended_is_not_found_and_never_means_another() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let old = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        supervisor.terminate_child(old.id).await.unwrap();
        let new = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        assert_ne!(old.id, new.id);
        assert_eq!(supervisor.terminate_child(old.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.kill_child(old.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&old.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(new.addr.send(Ask).await, Ok(1));
    });
}

/// F25
#[test]
fn a_child_that_ended_by_itself_is_not_found() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = || Probe::child(&journal).restart(Restart::Temporary);
        let by_id = supervisor.start_child(spec()).await.unwrap();
        let by_addr = supervisor.start_child(spec()).await.unwrap();

        by_id.addr.do_send(Panic("boom"));
        by_addr.addr.do_send(Panic("boom"));
        settle().await;

        assert_eq!(supervisor.terminate_child(by_id.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(supervisor.terminate_child(&by_addr.addr).await, Err(TerminateChildError::NotFound));
    });
}

/// F25
#[test]
fn the_child_of_another_supervisor_is_not_found_by_id_or_by_address() {
    world(async {
        let journal = Journal::new();
        let (here, there) =
            (DynamicSupervisor::builder().start().unwrap(), DynamicSupervisor::builder().start().unwrap());
        let own = here.start_child(Probe::child(&journal)).await.unwrap();
        let foreign = there.start_child(Probe::child(&journal)).await.unwrap();

        assert_ne!(own.id, foreign.id);
        assert_eq!(here.terminate_child(foreign.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(here.terminate_child(&foreign.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(here.kill_child(foreign.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(here.kill_child(&foreign.addr).await, Err(TerminateChildError::NotFound));

        assert_eq!(own.addr.send(Ask).await, Ok(1));
        assert_eq!(foreign.addr.send(Ask).await, Ok(1));
    });
}

/// F25
#[test]
fn ids_from_before_the_restart_of_their_supervisor_are_stale() {
    world(async {
        let journal = Journal::new();
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let old = nested.addr.start_child(Probe::child(&journal)).await.unwrap();

        parent.kill_child(nested.id).await.unwrap();
        let new = nested.addr.start_child(Probe::child(&journal)).await.unwrap();

        assert_ne!(old.id, new.id);
        assert!(!old.addr.connected());
        assert_eq!(nested.addr.terminate_child(old.id).await, Err(TerminateChildError::NotFound));
        assert_eq!(nested.addr.terminate_child(&old.addr).await, Err(TerminateChildError::NotFound));
        assert_eq!(new.addr.send(Ask).await, Ok(1));
    });
}

/// F25
#[test]
fn an_id_and_an_address_stay_good_over_restarts() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let by_id = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let by_addr = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        for child in [&by_id, &by_addr] {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(2));
        }

        assert_eq!(supervisor.terminate_child(by_id.id).await, Ok(()));
        assert_eq!(supervisor.terminate_child(&by_addr.addr).await, Ok(()));

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F26
#[test]
fn a_second_terminate_of_a_child_that_takes_its_time_joins_the_first() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
        let child = supervisor.start_child(spec).await.unwrap();
        let began = tokio::time::Instant::now();

        let (first, second) = (supervisor.terminate_child(child.id), supervisor.terminate_child(&child.addr));

        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert!(began.elapsed() < 2 * SECOND, "together, not one after the other");
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
    });
}

/// F26
#[test]
fn of_two_terminates_of_a_child_that_ends_at_once_the_second_finds_it_gone() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        let (first, second) = (supervisor.terminate_child(child.id), supervisor.terminate_child(child.id));

        assert_eq!((first.await, second.await), (Ok(()), Err(TerminateChildError::NotFound)));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

/// F26
#[test]
fn a_second_stop_gets_the_result_of_the_first_and_a_third_finds_the_supervisor_gone() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
        supervisor.start_child(spec).await.unwrap();
        let ended = supervisor.exited();

        let first = supervisor.stop();
        let second = supervisor.stop_with(ExitReason::failed("too late to say"), None);

        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(first, second);
        assert_eq!(first.stopped, 1);
        assert!(matches!(ended.await, ExitReason::Normal), "the first reason stands");
        assert!(supervisor.stop().await.is_err());
    });
}

/// F26
#[test]
fn a_second_stop_of_a_supervisor_that_ends_at_once_is_answered_too() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let (first, second) = (supervisor.stop(), supervisor.stop());

        assert_eq!(first.await.unwrap(), ShutdownReport::default());
        assert_eq!(second.await.unwrap(), ShutdownReport::default());
    });
}

/// F27
#[test]
fn a_child_lives_on_when_nobody_holds_its_address() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(child);
        settle().await;

        let children = supervisor.which_children().await.unwrap();
        assert_eq!(children[0].state, ChildState::Running);
        assert_eq!(children[0].addr::<Probe>().unwrap().send(Ask).await, Ok(1));
        assert_eq!(journal.entries(), ["started 1"]);
    });
}

/// F27
#[test]
fn a_child_without_addresses_crashes_and_comes_back_like_any_other() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        drop(child);

        journal.expect("started 2").await;
        settle().await;
        assert_eq!(supervisor.which_children().await.unwrap()[0].state, ChildState::Running);
        supervisor.stop().await.unwrap();
        assert_eq!(journal.entries().last().unwrap(), "dropped 2");
    });
}
