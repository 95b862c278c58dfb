//! What ends a child, or its supervisor, while the child waits for its next try.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{crash, ms, pass, Scene, SECOND};
use crate::support::{settle, world, Ask, Journal, Panic, Probe, Reports};

/// A child that waits, keyed "a".
async fn waiting(scene: &Scene) -> Started<Probe> {
    let spec = scene.back_after(0..0).backoff(Backoff::fixed(SECOND)).key("a");
    let child = scene.supervisor.start_child(spec).await.unwrap();
    crash(&child.addr).await;
    assert_eq!(scene.only().await.state, ChildState::Restarting);
    child
}

#[test]
fn a_terminate_is_answered_at_once_and_no_try_follows() {
    world(async {
        for how in 0..3 {
            let (scene, reports) = (Scene::new(), Reports::capture());
            let child = waiting(&scene).await;
            let queued = child.addr.send(Ask);
            pass(ms(500)).await;

            let terminated = match how {
                0 => scene.supervisor.terminate_child(child.id),
                1 => scene.supervisor.terminate_child(&child.addr),
                _ => scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a")),
            };

            assert_eq!((terminated.await, scene.elapsed()), (Ok(()), 500));
            assert!(queued.await.is_err(), "who waited in its queue is told");
            assert!(!child.addr.connected());
            assert_eq!(scene.counts().await, (0, 0));
            assert_eq!(scene.supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
            pass(Duration::from_secs(10)).await;
            assert_eq!(scene.moments(), [0], "no try");
            assert_eq!(reports.kinds(), ["child_terminated"], "nothing to tell of the terminate");
        }
    });
}

#[test]
fn a_terminate_at_the_very_moment_of_a_try_leaves_nothing_behind() {
    world(async {
        // From before it is due until long after it has come back.
        for turns in 0..12 {
            let scene = Scene::new();
            let child = waiting(&scene).await;
            tokio::time::advance(SECOND).await;
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }

            assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

            pass(Duration::from_secs(10)).await;
            assert_eq!(scene.counts().await, (0, 0));
            let count = |entry: &str| scene.journal.entries().iter().filter(|written| *written == entry).count();
            assert_eq!(count("started 2"), count("stopped 2"), "after {turns} turns");
            assert!(!scene.journal.has("started 3"));
        }
    });
}

#[test]
fn a_kill_changes_nothing() {
    world(async {
        let (scene, reports) = (Scene::new(), Reports::capture());
        let child = waiting(&scene).await;
        pass(ms(500)).await;

        assert_eq!(scene.supervisor.kill_child(child.id).await, Ok(()));
        assert_eq!(scene.supervisor.kill_child(ChildHandle::key::<Probe>("a")).await, Ok(()));

        assert_eq!(scene.state().await, (ChildState::Restarting, Some(1000)));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!((scene.moments(), scene.elapsed()), (vec![0, 1000], 1000));
        assert_eq!(reports.kinds(), ["child_terminated"]);
    });
}

#[test]
fn a_stop_of_the_supervisor_does_not_wait_for_it() {
    world(async {
        let scene = Scene::new();
        let child = waiting(&scene).await;
        scene.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean(), scene.elapsed()), (1, true, 0));
        assert!(!child.addr.connected());
        pass(Duration::from_secs(10)).await;
        assert_eq!(scene.moments(), [0]);
    });
}

#[test]
fn a_supervisor_that_nobody_holds_any_more_ends_though_a_child_of_its_waits() {
    world(async {
        let scene = Scene::new();
        let child = waiting(&scene).await;
        let Scene { supervisor, journal, .. } = scene;
        let ended = supervisor.exited();

        drop(supervisor);

        ended.await;
        assert!(!child.addr.connected());
        pass(Duration::from_secs(10)).await;
        assert!(!journal.has("started 2"));
    });
}

#[test]
fn a_supervisor_that_is_killed_takes_a_child_that_waits_along() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene::at(nested.addr.clone());
        let child = waiting(&scene).await;

        parent.kill_child(nested.id).await.unwrap();

        pass(Duration::from_secs(10)).await;
        assert!(!child.addr.connected());
        assert_eq!((scene.moments(), scene.counts().await), (vec![0], (0, 0)));
    });
}

#[test]
fn a_child_that_nobody_has_the_address_of_is_tried_all_the_same() {
    world(async {
        let scene = Scene::new();
        drop(waiting(&scene).await);

        pass(SECOND).await;

        assert_eq!(scene.state().await, (ChildState::Running, None));
    });
}

#[test]
fn siblings_do_not_wait_with_it() {
    world(async {
        let scene = Scene::new();
        waiting(&scene).await;
        let sibling = scene.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();

        for incarnation in 2..10 {
            sibling.addr.do_send(Panic("boom"));
            assert_eq!(sibling.addr.send(Ask).await, Ok(incarnation));
        }

        assert_eq!((scene.elapsed(), scene.counts().await), (0, (2, 1)));
    });
}

#[test]
fn a_try_under_way_after_a_delay_can_be_terminated_and_killed() {
    world(async {
        let scene = Scene::new();
        let (journal, began) = (scene.journal.clone(), scene.began);
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = journal.clone();
            async move {
                journal.note(format_args!("at {}", began.elapsed().as_millis()));
                if cx.incarnation() > 1 {
                    std::future::pending::<()>().await;
                }
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, 1)))
            }
        });
        let child = scene.supervisor.start_child(spec.backoff(Backoff::fixed(ms(100)))).await.unwrap();
        crash(&child.addr).await;
        pass(ms(150)).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, None));

        assert_eq!(scene.supervisor.kill_child(child.id).await, Ok(()));
        settle().await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(250)), "it counts as failed");
        pass(ms(150)).await;
        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        pass(SECOND).await;
        assert_eq!((scene.moments(), scene.counts().await), (vec![0, 100, 250], (0, 0)));
    });
}

#[test]
fn a_system_that_ends_while_a_child_waits_ends_in_order() {
    for by_arbiter in [false, true] {
        let journal = Journal::new();
        let own = journal.clone();
        crate::support::real_world(async move {
            let start = async move {
                let supervisor = DynamicSupervisor::builder().start().unwrap();
                let spec = Probe::child(&own).backoff(Backoff::fixed(Duration::from_secs(3600)));
                let child = supervisor.start_child(spec).await.unwrap();
                crash(&child.addr).await;
                assert_eq!(supervisor.which_children().await.unwrap()[0].state, ChildState::Restarting);
                child.addr
            };
            if by_arbiter {
                let (arbiter, (tx, rx)) = (Arbiter::new(), tokio::sync::oneshot::channel());
                arbiter.spawn(async move {
                    let _ = tx.send(start.await);
                });
                let child = rx.await.unwrap();
                arbiter.stop();
                arbiter.join().unwrap();
                assert!(child.send(Ask).await.is_err());
            } else {
                start.await;
            }
        });
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    }
}

/// A nested supervisor that comes back ten seconds after it has ended, with one child.
async fn slow_to_return(parent: &Addr<DynamicSupervisor>) -> Started<DynamicSupervisor> {
    let spec = DynamicSupervisor::builder().into_child().backoff(Backoff::fixed(SECOND * 10));
    let nested = parent.start_child(spec).await.unwrap();
    nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
    nested
}

#[test]
fn a_nested_supervisor_that_waits_to_come_back_has_ended_and_says_so_at_once() {
    world(async {
        let scene = Scene::new();
        let nested = slow_to_return(&scene.supervisor).await;
        let ended = nested.addr.exited();

        let report = nested.addr.stop().await;

        assert_eq!(report.map(|report| report.stopped), Ok(1));
        assert_eq!((ended.await.to_string(), scene.elapsed()), ("normal".to_owned(), 0));
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(10_000)));

        pass(SECOND * 10).await;
        let ended = nested.addr.exited();
        scene.supervisor.kill_child(nested.id).await.unwrap();
        assert_eq!((ended.await.to_string(), scene.elapsed()), ("killed".to_owned(), 10_000));
    });
}

#[test]
fn what_is_asked_of_a_nested_supervisor_that_waits_is_answered_when_it_is_back() {
    world(async {
        let scene = Scene::new();
        let nested = slow_to_return(&scene.supervisor).await;
        scene.supervisor.kill_child(nested.id).await.unwrap();
        let got = nested.addr.get_or_start("a", Probe::child(&scene.journal));

        assert_eq!(nested.addr.count_children().await.unwrap().specs, 1);
        assert_eq!(scene.elapsed(), 10_000);
        assert_eq!(nested.addr.whereis("a"), Some(got.await.unwrap().addr));

        scene.supervisor.kill_child(nested.id).await.unwrap();
        let cut_off = nested.addr.start_child(Probe::child(&scene.journal));
        assert_eq!(scene.supervisor.terminate_child(nested.id).await, Ok(()));
        assert!(matches!(cut_off.await, Err(StartChildError::SupervisorGone)));
        assert_eq!(scene.elapsed(), 10_000);
    });
}
