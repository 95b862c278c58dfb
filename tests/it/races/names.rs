//! One name, two who want it; and when it is free again.

use std::{
    sync::{mpsc, Arc, Barrier},
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::script::slow_to_stop;
use crate::support::{real_world, settle, world, Journal, Panic, Probe};

/// F24
#[test]
fn a_name_that_is_taken_is_answered_with_who_has_it() {
    world(async {
        let first = DynamicSupervisor::builder().name("rooms").start().unwrap();

        let second = DynamicSupervisor::builder().name("rooms").start();

        let Err(StartError::AlreadyStarted(existing)) = second else { panic!("{second:?}") };
        assert_eq!(existing, first);
        assert!(first.count_children().await.is_ok(), "the first is not harmed");
        first.stop().await.unwrap();
    });
}

/// F24
#[test]
fn of_two_threads_that_race_for_a_name_one_gets_it() {
    real_world(async {
        let arbiters = [Arbiter::new(), Arbiter::new()];
        for round in 0..50 {
            let (outcome_tx, outcome_rx) = mpsc::channel();
            let barrier = Arc::new(Barrier::new(2));
            for arbiter in &arbiters {
                let (outcome_tx, barrier) = (outcome_tx.clone(), Arc::clone(&barrier));
                arbiter.spawn_fn(move || {
                    let builder = DynamicSupervisor::builder().name(format!("race {round}"));
                    barrier.wait();
                    outcome_tx.send(builder.start()).unwrap();
                });
            }

            let outcomes = [outcome_rx.recv().unwrap(), outcome_rx.recv().unwrap()];

            let (winner, loser) = match outcomes {
                [Ok(winner), Err(loser)] | [Err(loser), Ok(winner)] => (winner, loser),
                outcomes => panic!("{outcomes:?}"),
            };
            let StartError::AlreadyStarted(existing) = loser else { panic!("{loser:?}") };
            assert_eq!(existing, winner);
            winner.stop().await.unwrap();
        }
        for arbiter in arbiters {
            arbiter.stop();
            arbiter.join().unwrap();
        }
    });
}

/// F24
#[test]
fn of_two_children_that_race_for_a_name_one_gets_it_and_the_other_learns_who() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let first = supervisor.start_child(DynamicSupervisor::builder().name("rooms").into_child());
        let second = supervisor.start_child(DynamicSupervisor::builder().name("rooms").into_child());

        let (first, second) = (first.await.unwrap(), second.await.unwrap_err());
        let StartChildError::AlreadyStarted(existing) = second else { panic!("{second:?}") };
        assert_eq!(existing.addr::<DynamicSupervisor>().unwrap(), first.addr);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
    });
}

/// F24
#[test]
fn a_name_is_free_when_the_stop_is_answered() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().name("rooms").start().unwrap();
        let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, Duration::from_secs(1)));
        supervisor.start_child(slow).await.unwrap();

        let stopped = supervisor.stop();
        journal.expect("stopping 1").await;
        assert_eq!(DynamicSupervisor::whereis("rooms"), Some(supervisor.clone()), "it is kept to the end");
        stopped.await.unwrap();

        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        DynamicSupervisor::builder().name("rooms").start().unwrap();
    });
}

/// F24
#[test]
fn a_name_is_free_when_the_end_is_told() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(0).name("rooms").start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let ended = supervisor.exited();

        child.addr.do_send(Panic("boom"));
        ended.await;

        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
        DynamicSupervisor::builder().name("rooms").start().unwrap();
    });
}

/// F24
#[test]
fn the_name_of_a_nested_supervisor_is_free_when_its_termination_is_answered() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        world(async {
            let parent = DynamicSupervisor::builder().start().unwrap();
            let spec = || DynamicSupervisor::builder().name("rooms").into_child().restart(restart);
            let nested = parent.start_child(spec()).await.unwrap();
            assert_eq!(DynamicSupervisor::whereis("rooms"), Some(nested.addr.clone()));

            parent.terminate_child(nested.id).await.unwrap();

            assert_eq!(DynamicSupervisor::whereis("rooms"), None);
            parent.start_child(spec()).await.unwrap();
        });
    }
}

/// F24
#[test]
fn the_name_of_a_nested_supervisor_that_stops_for_good_is_free_when_that_is_answered_and_told() {
    for restart in [Restart::Transient, Restart::Temporary] {
        world(async {
            let parent = DynamicSupervisor::builder().start().unwrap();
            let spec = DynamicSupervisor::builder().name("rooms").into_child().restart(restart);
            let nested = parent.start_child(spec).await.unwrap();
            let ended = nested.addr.exited();
            let told = tokio::task::spawn_local(async move {
                ended.await;
                DynamicSupervisor::whereis("rooms")
            });
            settle().await;

            nested.addr.stop().await.unwrap();

            assert_eq!(DynamicSupervisor::whereis("rooms"), None, "{restart}, answered");
            assert_eq!(told.await.unwrap(), None, "{restart}, told");
            DynamicSupervisor::builder().name("rooms").start().unwrap();
        });
    }
}

/// F24
#[test]
fn a_name_is_kept_over_restarts_without_a_gap() {
    for restart in [Restart::Permanent, Restart::Transient] {
        world(async {
            let parent = DynamicSupervisor::builder().max_restarts(100).start().unwrap();
            let spec = DynamicSupervisor::builder().max_restarts(0).name("rooms").into_child().restart(restart);
            let nested = parent.start_child(spec).await.unwrap().addr;

            for _ in 0..5 {
                // Who is told of the end finds the name taken, and cannot take it.
                let (ended, holder) = (nested.exited(), nested.clone());
                let between = tokio::task::spawn_local(async move {
                    ended.await;
                    assert_eq!(DynamicSupervisor::whereis("rooms"), Some(holder.clone()));
                    let rival = DynamicSupervisor::builder().name("rooms").start();
                    assert!(matches!(rival, Err(StartError::AlreadyStarted(existing)) if existing == holder));
                });
                settle().await;
                if restart == Restart::Permanent {
                    // The limit is exceeded: a quiet end, after which only a permanent one comes back.
                    let child = nested.start_child(Probe::child(&Journal::new())).await.unwrap();
                    child.addr.do_send(Panic("boom"));
                } else {
                    nested.do_send(Stop::with_reason(ExitReason::failed("a fault")));
                }
                between.await.unwrap();
                assert_eq!(nested.count_children().await.unwrap().specs, 0, "it is back");
                assert_eq!(DynamicSupervisor::whereis("rooms"), Some(nested.clone()));
            }

            assert_eq!(parent.which_children().await.unwrap()[0].restarts, 5);
        });
    }
}

/// F24
#[test]
fn the_name_of_a_nested_supervisor_goes_when_its_parent_is_killed() {
    world(async {
        let root = DynamicSupervisor::builder().start().unwrap();
        let middle = DynamicSupervisor::builder().into_child().restart(Restart::Temporary);
        let middle = root.start_child(middle).await.unwrap();
        middle.addr.start_child(DynamicSupervisor::builder().name("rooms").into_child()).await.unwrap();

        root.kill_child(middle.id).await.unwrap();

        assert_eq!(DynamicSupervisor::whereis("rooms"), None);
    });
}
