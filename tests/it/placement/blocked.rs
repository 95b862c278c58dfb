//! Threads that are blocked.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block, eventually, thread_of, SECOND};
use crate::support::{real_world, Ask, Do, Journal, Probe, Reports};

fn pool(arbiters: usize) -> Addr<DynamicSupervisor> {
    let builder = DynamicSupervisor::builder().placement(Placement::Pool(arbiters));
    builder.unresponsive_after(Duration::from_millis(50)).max_restarts(1_000_000).start().unwrap()
}

/// F10
#[test]
fn who_blocks_a_thread_is_reported_once() {
    real_world(async {
        let (journal, reports, supervisor) = (Journal::new(), Reports::capture(), pool(1));
        let _sibling = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let told = |reports: &Reports| {
            reports.lines().iter().filter(|line| line.message.starts_with("child blocks its thread")).cloned().collect()
        };
        for times in 1..=2 {
            let release = block(&child.addr).await;
            let lines = || -> Vec<_> { told(&reports) };
            eventually("it is reported", async || lines().len() == times).await;
            assert_eq!(lines()[0].field("child.id"), child.id.to_string());
            assert_eq!(lines()[0].field("children"), "2");
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(lines().len(), times, "once each time");
            drop(release);
            assert_eq!(child.addr.send(Ask).await.unwrap(), 1, "it was waited for");
            // The thread answers, so that the next time is told again.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// F10
#[test]
fn who_blocks_an_arbiter_that_its_spec_has_named_is_reported() {
    real_world(async {
        let (journal, reports, arbiter) = (Journal::new(), Reports::capture(), Arbiter::new());
        let builder = DynamicSupervisor::builder().unresponsive_after(Duration::from_millis(50));
        let supervisor = builder.start().unwrap();
        let _sibling = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        let child = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        let release = block(&child.addr).await;
        let told = || reports.lines().into_iter().find(|line| line.message.starts_with("child blocks its thread"));
        eventually("it is reported", async || told().is_some()).await;
        let line = told().unwrap();
        assert_eq!((line.field("child.id"), line.field("children")), (child.id.to_string().as_str(), "2"));
        drop(release);
        assert_eq!(supervisor.stop().await.unwrap().stopped, 2);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

/// F10
#[test]
fn a_child_that_may_be_taken_over_goes_on_elsewhere_with_its_queue_and_the_old_one_ends_when_it_can() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let spec = Probe::child(&journal).key("it").on_unresponsive(OnUnresponsive::TakeOver);
        let child = supervisor.start_child(spec).await.unwrap();
        let home = thread_of(&child.addr).await;
        let release = block(&child.addr).await;
        let answers: Vec<_> = (0..100).map(|_| child.addr.send(Ask)).collect();

        for answer in answers {
            assert_eq!(answer.await.unwrap(), 2);
        }
        assert_ne!(thread_of(&child.addr).await, home);
        assert_eq!(supervisor.whereis::<Probe>("it"), Some(child.addr.clone()));
        let info = &supervisor.which_children().await.unwrap()[0];
        assert!(matches!(info.last_exit, Some(ExitReason::Unresponsive)));
        assert!(!journal.has("stopped 1"), "the old one is there still");

        drop(release);
        journal.expect("dropped 1").await;
        assert!(journal.has("stopped 1"), "its hooks have run");
        assert_eq!(child.addr.send(Ask).await.unwrap(), 2, "the new one is not touched");
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
        assert!(!child.addr.connected());
        assert_eq!(supervisor.stop().await.unwrap().stopped, 0);
    });
}

/// F10
#[test]
fn those_that_share_a_blocked_thread_go_on_elsewhere_if_they_may_and_wait_if_not() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let culprit = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let moves = Probe::child(&journal).on_unresponsive(OnUnresponsive::TakeOver);
        let moves = supervisor.start_child(moves).await.unwrap();
        let stays = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let release = block(&culprit.addr).await;

        assert_eq!(moves.addr.send(Ask).await.unwrap(), 2);
        let fresh = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(fresh.addr.send(Ask).await.unwrap(), 1, "new children do not land on the blocked thread");
        let waits = stays.addr.send(Ask);
        drop(release);
        assert_eq!(waits.await.unwrap(), 1);
        assert_eq!(supervisor.stop().await.unwrap().stopped, 4);
    });
}

/// F10
#[test]
fn a_child_is_taken_over_again_and_again() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(2));
        let spec = Probe::child(&journal).on_unresponsive(OnUnresponsive::TakeOver);
        let child = supervisor.start_child(spec).await.unwrap();
        let mut releases = Vec::new();
        for life in 2..=4 {
            releases.push(block(&child.addr).await);
            assert_eq!(child.addr.send(Ask).await.unwrap(), life);
        }
        drop(releases);
        for life in 1..=3 {
            journal.expect(&format!("dropped {life}")).await;
        }
        assert_eq!(child.addr.send(Ask).await.unwrap(), 4);
    });
}

/// F10
#[test]
fn a_child_taken_over_as_often_as_it_may_be_is_one_too_many() {
    real_world(async {
        let journal = Journal::new();
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1)).max_restarts(0);
        let supervisor = builder.unresponsive_after(Duration::from_millis(50)).start().unwrap();
        let spec = Probe::child(&journal).on_unresponsive(OnUnresponsive::TakeOver);
        let child = supervisor.start_child(spec).await.unwrap();
        let exited = supervisor.exited();
        let release = block(&child.addr).await;
        let queued = child.addr.send(Ask);
        assert!(queued.await.is_err(), "its queue is closed, though its thread is blocked");
        drop(release);
        assert!(matches!(exited.await, ExitReason::Shutdown));
    });
}

/// F10
#[test]
fn new_children_do_not_land_on_a_blocked_thread_while_there_is_another() {
    real_world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        for placement in [Placement::Pool(2), Placement::LeastLoaded(2)] {
            let builder = DynamicSupervisor::builder().placement(placement);
            let supervisor = builder.unresponsive_after(Duration::from_millis(50)).start().unwrap();
            let told = || reports.lines().iter().filter(|line| line.message.contains("blocks its thread")).count();
            let blocked = supervisor.start_child(Probe::child(&journal)).await.unwrap();
            let (release, before) = (block(&blocked.addr).await, told());
            eventually("it is found", async || told() > before).await;
            for _ in 0..5 {
                let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
                assert_eq!(child.addr.send(Ask).await.unwrap(), 1, "{placement:?}");
            }
            drop(release);
            assert_eq!(supervisor.stop().await.unwrap().stopped, 6);
        }
    });
}

#[test]
fn a_thread_may_be_given_all_the_time_there_is() {
    real_world(async {
        let builder = DynamicSupervisor::builder().placement(Placement::Pool(1)).unresponsive_after(Duration::MAX);
        let supervisor = builder.start().unwrap();
        let spec = Probe::child(&Journal::new()).shutdown(Shutdown::Timeout(Duration::MAX));
        let child = supervisor.start_child(spec).await.unwrap();
        assert_eq!(child.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(supervisor.stop().await.unwrap().stopped, 1);
    });
}

/// F10
#[test]
fn a_temporary_child_is_not_taken_over() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let spec = Probe::child(&journal).restart(Restart::Temporary).on_unresponsive(OnUnresponsive::TakeOver);
        let child = supervisor.start_child(spec).await.unwrap();
        let reports = Reports::capture();
        let release = block(&child.addr).await;
        eventually("it is found", async || {
            reports.lines().iter().any(|line| line.message.contains("blocks its thread"))
        })
        .await;
        let queued = child.addr.send(Ask);
        drop(release);
        assert_eq!(queued.await.unwrap(), 1);
    });
}
