//! Initial children that cannot be started: the end of their supervisor.

use std::sync::{
    atomic::{AtomicUsize, Ordering::SeqCst},
    Arc,
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder, InitialChildren};

use super::{
    initial::{start_noted, with_probes},
    ms, pass, SECOND,
};
use crate::support::script::slow_to_stop;
use crate::support::{settle, world, Journal, Probe, Reports};

fn failing() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Child::try_with(|_| Err::<Start<Probe>, _>("no room"))
}

/// A nested supervisor under a parent that bears no restart.
async fn nested(builder: Builder) -> (Addr<DynamicSupervisor>, Result<Started<DynamicSupervisor>, StartChildError>) {
    let parent = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
    let started = parent.start_child(builder.into_child()).await;
    (parent, started)
}

#[test]
fn one_that_cannot_be_started_ends_the_supervisor_with_that_reason_and_those_before_it_in_order() {
    world(async {
        let (journal, after) = (Journal::new(), Journal::new());
        let (own, others) = (journal.clone(), after.clone());
        let supervisor = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(Probe::child(&own));
            sup.start_child(failing());
            sup.start_child(Probe::child(&others));
        });
        let supervisor = supervisor.start().unwrap();
        let (ended, started) = (supervisor.exited(), supervisor.start_child(Probe::child(&after)));

        let reason = ended.await;

        assert_eq!(reason.to_string(), "failed: the start failed: no room");
        let ExitReason::Failed(failure) = &reason else { panic!("{reason:?}") };
        assert!(matches!(failure.downcast_ref(), Some(StartChildError::Failed(_))));
        assert!(matches!(started.await, Err(StartChildError::SupervisorGone)));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert!(after.entries().is_empty());
    });
}

#[test]
fn a_supervisor_with_a_name_that_cannot_start_its_children_leaves_the_name_free() {
    world(async {
        let builder = || DynamicSupervisor::builder().name("initial").with_children(|sup| sup.start_child(failing()));
        for _ in 0..3 {
            let supervisor = builder().start().unwrap();
            assert!(supervisor.exited().await.is_abnormal());
            assert!(DynamicSupervisor::whereis("initial").is_none());
        }
    });
}

#[test]
fn under_a_parent_one_that_cannot_be_started_is_a_start_that_failed() {
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let builder = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(Probe::child(&own));
            sup.start_child(failing());
        });

        let (parent, started) = nested(builder).await;

        let error = started.unwrap_err();
        assert!(matches!(&error, StartChildError::Exited(ExitReason::Failed(_))), "{error:?}");
        assert!(error.to_string().contains("no room"), "{error}");
        assert_eq!(parent.count_children().await.unwrap().specs, 0);
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn a_restart_in_which_one_cannot_be_started_is_a_try_that_failed() {
    world(async {
        let (journal, starts) = (Journal::new(), Arc::new(AtomicUsize::new(0)));
        let (own, counted) = (journal.clone(), Arc::clone(&starts));
        let builder = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(Probe::child(&own));
            if (1..3).contains(&counted.fetch_add(1, SeqCst)) {
                sup.start_child(failing());
            }
        });
        let reports = Reports::capture();
        let parent = DynamicSupervisor::builder().max_restarts(10).start().unwrap();
        let nested = parent.start_child(builder.into_child().backoff(Backoff::fixed(SECOND))).await.unwrap();

        parent.kill_child(nested.id).await.unwrap();
        pass(ms(3500)).await;

        assert_eq!(nested.addr.count_children().await.unwrap().active, 1);
        assert_eq!((parent.which_children().await.unwrap()[0].restarts, starts.load(SeqCst)), (1, 4));
        assert_eq!(reports.kinds(), ["child_terminated", "start_error", "start_error"]);
        assert_eq!(reports.all()[1].field("reason"), "ended while it started: failed: the start failed: no room");
    });
}

#[test]
fn a_panic_in_the_closure_ends_the_supervisor_with_it() {
    world(async {
        let journal = Journal::new();
        let builder = || {
            let own = journal.clone();
            DynamicSupervisor::builder().with_children(move |sup| {
                sup.start_child(Probe::child(&own));
                panic!("no list");
            })
        };

        let root = builder().start().unwrap();
        assert_eq!(root.exited().await.to_string(), "panicked: no list");
        let (parent, started) = nested(builder()).await;

        assert!(matches!(started, Err(StartChildError::Panicked(panic)) if panic.message() == "no list"));
        assert_eq!(parent.count_children().await.unwrap().specs, 0);
        assert!(journal.entries().is_empty(), "none is started");
    });
}

#[test]
fn specs_that_are_left_over_may_panic_when_they_are_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any("bomb");
        }
    }
    fn explosive(sup: &mut InitialChildren) {
        let bomb = Bomb;
        sup.start_child(Child::new(move || {
            let _ = &bomb;
            Probe::new(&Journal::new(), 1)
        }));
    }
    world(async {
        let fails = DynamicSupervisor::builder().with_children(|sup| {
            sup.start_child(failing());
            (0..3).for_each(|_| explosive(sup));
        });
        let panics = DynamicSupervisor::builder().with_children(|sup| {
            (0..3).for_each(|_| explosive(sup));
            std::panic::panic_any("no list");
        });

        assert!(fails.start().unwrap().exited().await.to_string().contains("no room"));
        assert_eq!(panics.start().unwrap().exited().await.to_string(), "panicked: no list");
    });
}

#[test]
fn more_of_them_than_there_are_places_end_the_supervisor() {
    world(async {
        for (limit, runs) in [(0, false), (1, false), (2, true)] {
            let journal = Journal::new();
            let supervisor = with_probes(&journal, &["a", "b"]).max_children(limit).start().unwrap();
            let ended = supervisor.exited();
            settle().await;
            assert_eq!(supervisor.connected(), runs);
            if !runs {
                let expected = format!("failed: the supervisor already has its {limit} children");
                assert_eq!(ended.await.to_string(), expected);
            }
        }
    });
}

#[test]
fn two_of_them_with_the_same_key_end_the_supervisor() {
    world(async {
        let journal = Journal::new();
        let supervisor = with_probes(&journal, &["a", "a"]).start().unwrap();
        assert_eq!(supervisor.exited().await.to_string(), "failed: already started");
    });
}

#[test]
fn one_that_takes_time_and_fails_ends_the_supervisor_later_and_a_parent_restarts_it() {
    world(async {
        let (journal, starts) = (Journal::new(), Arc::new(AtomicUsize::new(0)));
        let (own, counted) = (journal.clone(), Arc::clone(&starts));
        let builder = DynamicSupervisor::builder().with_children(move |sup| {
            start_noted(sup, &own, "quick");
            let fails = counted.fetch_add(1, SeqCst) == 0;
            let journal = own.clone();
            sup.start_child(Child::from_async(move |cx: StartContext<Probe>| {
                let journal = journal.clone();
                async move {
                    tokio::time::sleep(SECOND).await;
                    if fails {
                        return Err("no room");
                    }
                    Ok(Start::Run(Probe::new(&journal, cx.incarnation())))
                }
            }));
        });
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(builder.into_child()).await.unwrap();
        let ended = nested.addr.exited();

        assert_eq!(ended.await.to_string(), "failed: the start failed: no room");
        pass(SECOND).await;

        assert_eq!(nested.addr.count_children().await.unwrap().active, 2);
        let info = parent.which_children().await.unwrap().remove(0);
        assert_eq!((info.restarts, starts.load(SeqCst)), (1, 2));
        assert_eq!(info.last_exit.unwrap().to_string(), "failed: the start failed: no room");
    });
}

/// How the lives of a nested supervisor ended whose initial child fails to start, and who is killed at that time; so many
/// requests are in its mailbox before it hears of the failure.
fn ends_of_lives(requests: usize) -> Vec<String> {
    world(async move {
        let (reports, starts) = (Reports::capture(), Arc::new(AtomicUsize::new(0)));
        let parent = DynamicSupervisor::builder().start().unwrap();
        let owner = parent.clone();
        let builder = DynamicSupervisor::builder().with_children(move |sup| {
            let (parent, is_first) = (owner.clone(), starts.fetch_add(1, SeqCst) == 0);
            sup.start_child(Child::from_async(move |cx: StartContext<Probe>| {
                let (parent, supervisor) = (parent.clone(), cx.supervisor().unwrap());
                async move {
                    if is_first {
                        (0..requests).for_each(|_| supervisor.do_send(CountChildren));
                        drop(parent.kill_child(ChildHandle::key::<DynamicSupervisor>("nested")));
                        return Err("no room");
                    }
                    Ok(Start::Run(Probe::new(&Journal::new(), 1)))
                }
            }));
        });
        let nested = parent.start_child(builder.into_child().key("nested")).await.unwrap();
        settle().await;

        assert_eq!(nested.addr.count_children().await.unwrap().active, 1);
        parent.stop().await.unwrap();
        let ended = reports.all().into_iter().filter(|told| told.field("report") == "child_terminated");
        ended.map(|told| told.field("reason").to_owned()).collect()
    })
}

#[test]
fn a_failed_start_of_the_supervisors_last_life_does_not_end_its_present_one() {
    let failed = "failed: the start failed: no room";
    let seen: Vec<_> = (0..40).map(ends_of_lives).collect();

    assert!(seen.iter().all(|ends| ends[..] == ["killed"] || ends[..] == [failed]), "{seen:?}");
    assert!(seen.iter().any(|ends| ends[..] == ["killed"]), "{seen:?}");
}

#[test]
fn a_supervisor_whose_child_cannot_be_started_waits_for_those_that_take_their_time_to_end() {
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let supervisor = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(Probe::scripted(&own, |probe| slow_to_stop(probe, SECOND)));
            sup.start_child(failing());
        });
        let began = tokio::time::Instant::now();

        let reason = supervisor.start().unwrap().exited().await;

        assert!(reason.to_string().contains("no room") && began.elapsed() >= SECOND);
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}
