//! F16, F17: many crashes, one after another and all at once.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use super::{told, Scene, NEAR};
use crate::support::{settle, world, Ask, Journal, Panic, Probe, Reports};

/// F16
#[test]
fn a_child_that_crashes_once_too_often_ends_the_supervisor_and_all_others() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(3).max_seconds(5)).await;
        let child = scene.victim().await;
        let exited = scene.supervisor.exited();

        for incarnation in 1..=4 {
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            child.addr.do_send(Panic("boom"));
        }

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(!child.addr.connected());
        let crash = "child_terminated";
        assert_eq!(scene.told(), [crash, crash, NEAR, crash, NEAR, crash, "shutdown"]);
        assert_eq!(scene.bystanders_journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

/// F16
#[test]
fn a_child_that_crashes_slowly_enough_is_restarted_for_ever() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1).max_seconds(5)).await;
        let child = scene.victim().await;

        for incarnation in 1..=50 {
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            child.addr.do_send(Panic("boom"));
            settle().await;
            tokio::time::sleep(Duration::from_secs(6)).await;
        }

        assert_eq!(scene.info(child.id).await.restarts, 50);
        scene.expect_no_other_harm().await;
    });
}

/// F16
#[test]
fn a_child_that_crashes_in_its_first_own_turn_each_time_is_stopped_by_the_limit_and_not_by_the_stack() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().max_restarts(10_000).start().unwrap();
        let lives = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lives);
        let spec = Probe::scripted(&journal, move |probe| {
            counted.fetch_add(1, SeqCst);
            probe.on_started(|_, ctx| ctx.address().do_send(Panic("at once")))
        });
        let exited = supervisor.exited();

        supervisor.start_child(spec).await.unwrap();

        assert_eq!(exited.await.to_string(), "shutdown");
        assert_eq!(lives.load(SeqCst), 10_001);
        assert_eq!(reports.kinds().last().unwrap(), "shutdown");
        assert!(reports.all().len() <= 11, "crash reports are limited: {}", reports.all().len());
    });
}

async fn many(supervisor: &Addr<DynamicSupervisor>, number: usize, journal: &Journal) -> Vec<Started<Probe>> {
    join_all((0..number).map(|_| supervisor.start_child(Probe::child(journal))))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// F17
#[test]
fn crashes_of_many_children_at_once_are_each_counted_and_none_is_lost() {
    const MANY: u32 = 500;
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(MANY)).await;
        let children = many(&scene.supervisor, MANY as usize, &scene.journal).await;

        for child in &children {
            child.addr.do_send(Panic("boom"));
        }
        let answers = join_all(children.iter().map(|child| child.addr.send(Ask))).await;

        assert!(answers.iter().all(|answer| *answer == Ok(2)));
        let restarts: Vec<_> = scene.supervisor.which_children().await.unwrap().iter().map(|c| c.restarts).collect();
        assert_eq!((restarts[0], restarts[1..].iter().sum::<u64>()), (0, u64::from(MANY)));
        scene.expect_no_other_harm().await;

        // Each was counted: there is not one restart left.
        let exited = scene.supervisor.exited();
        children[0].addr.do_send(Panic("one too many"));
        assert_eq!(exited.await.to_string(), "shutdown");
    });
}

/// F17
#[test]
fn crashes_of_more_children_than_allowed_end_the_supervisor_once_and_every_child_with_it() {
    const MANY: usize = 200;
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(50).max_reports_per_second(u32::MAX)).await;
        let children = many(&scene.supervisor, MANY, &scene.journal).await;
        let exited = scene.supervisor.exited();

        for child in &children {
            child.addr.do_send(Panic("boom"));
        }
        let answers = join_all(children.iter().map(|child| child.addr.send(Ask))).await;

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(answers.iter().all(|answer| matches!(answer, Ok(2) | Err(MailboxError::Closed))));
        let told = scene.told();
        let count = |kind: &str| told.iter().filter(|line| *line == kind).count();
        assert_eq!(count("shutdown"), 1);
        assert!(count("child_terminated") >= 51, "{} crashes told", count("child_terminated"));
        let entries = scene.journal.entries();
        let of = |kind: &str| entries.iter().filter(|entry| entry.starts_with(kind)).count();
        assert_eq!(of("started"), MANY + 50, "as many restarts as allowed");
        assert_eq!(of("dropped"), MANY + 50, "no life goes on");
        assert!(children.iter().all(|child| !child.addr.connected()));
        assert!(scene.bystanders_journal.has("dropped 1"));
    });
}

/// F17
#[test]
fn a_mix_of_crashes_kills_stops_and_terminates_at_once_ends_in_the_right_numbers() {
    const EACH: usize = 25;
    world(async {
        let reports = Reports::capture();
        let journal = Journal::new();
        let supervisor =
            DynamicSupervisor::builder().max_restarts(1_000).max_reports_per_second(1_000).start().unwrap();
        let children = many(&supervisor, 4 * EACH, &journal).await;

        let mut terminations = Vec::new();
        for four in children.chunks(4) {
            four[0].addr.do_send(Panic("boom"));
            supervisor.do_send(KillChild(four[1].id.into()));
            four[2].addr.do_send(crate::support::Exit(ExitReason::Normal));
            terminations.push(supervisor.terminate_child(four[3].id));
        }
        assert!(join_all(terminations).await.iter().all(Result::is_ok));
        settle().await;

        let counts = supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active), (3 * EACH, 3 * EACH));
        for four in children.chunks(4) {
            let answers = join_all(four.iter().map(|child| child.addr.send(Ask))).await;
            assert_eq!(answers, [Ok(2), Ok(2), Ok(2), Err(MailboxError::Closed)]);
        }
        assert_eq!(told(&reports), vec!["child_terminated"; 3 * EACH]);
    });
}
