//! Children on other threads whose arbiter goes, or never was, and what is left in their queues.

use std::{env, process::Command};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Backoff};

use super::{ends, of, Scene, SECOND};
use crate::support::{real_world, script::block, Ask, Do, Journal, Panic, Probe};

fn pool(arbiters: usize) -> Scene {
    Scene::of(DynamicSupervisor::builder().placement(Placement::Pool(arbiters)).max_restarts(1000))
}

fn end_arbiter(child: &Addr<Probe>) {
    child.do_send(Do::this(|_, _| {
        Arbiter::current().stop();
    }));
}

/// A probe that, as it stops, sends itself so many messages: nobody handles them in this life.
fn leaves(
    messages: usize,
    journal: &Journal,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send> {
    Probe::scripted(journal, move |probe| {
        probe.on_stopped(move |_, ctx| (0..messages).for_each(|_| ctx.address().do_send(Do::this(|_, _| {}))))
    })
}

#[test]
fn with_the_arbiter_that_its_spec_has_named_a_child_is_gone_whatever_its_restart_type() {
    for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
        real_world(async {
            let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
            let (_child, mut monitor) = scene.watch(scene.probe().restart(restart).on(arbiter.handle())).await;
            arbiter.stop();
            arbiter.join().unwrap();
            assert_eq!(
                scene.told_up_to("1#1 exited: arbiter gone").await,
                ["1#1 started", "1#1 exited: arbiter gone"],
                "{restart:?}"
            );
            assert_eq!(ends(&mut monitor).len(), 2, "one end, and the last");
            scene.supervisor.stop().await.unwrap();
            assert_eq!(scene.told_up_to(".").await, ["closes 0", "ends: normal", "."], "{restart:?}");
        });
    }
}

#[test]
fn on_its_way_back_to_an_arbiter_that_goes_a_child_is_removed() {
    real_world(async {
        let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
        let spec = scene.probe().backoff(Backoff::fixed(1000 * SECOND)).on(arbiter.handle());
        let (child, _) = scene.watch(spec).await;
        child.addr.do_send(Panic("boom"));
        let waits = scene.told_up_to("1#2 try 1 in 1000000").await;
        arbiter.stop();
        arbiter.join().unwrap();
        assert_eq!(waits[1..], ["1#1 exited: panicked: boom, back", "1#2 try 1 in 1000000"]);
        assert_eq!(scene.told_up_to("1#2 removed: arbiter gone").await.len(), 1);
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told_up_to(".").await, ["closes 0", "ends: normal", "."]);
    });
}

#[test]
fn in_a_pool_a_permanent_child_comes_back_and_a_temporary_one_does_not() {
    real_world(async {
        let mut scene = pool(1);
        // Two, as the first to say that the arbiter has gone counts for all.
        let (_first, mut first) = scene.watch(scene.probe().restart(Restart::Temporary)).await;
        let (_second, mut second) = scene.watch(scene.probe().restart(Restart::Temporary)).await;
        let (permanent, mut monitor) = scene.watch(scene.probe()).await;
        end_arbiter(&permanent.addr);
        let mut told = scene.told_up_to("3#2 restarted").await;
        scene.supervisor.stop().await.unwrap();
        told.extend(scene.told_up_to(".").await);
        assert_eq!(of("1#", &told), ["1 started", "1 exited: arbiter gone"]);
        assert_eq!(of("2#", &told), ["1 started", "1 exited: arbiter gone"]);
        assert_eq!(
            of("3#", &told),
            ["1 started", "1 exited: arbiter gone, back", "2 restarted", "2 exited: shutdown, asked"]
        );
        assert_eq!((ends(&mut first).len(), ends(&mut second).len()), (2, 2), "one end, and the last");
        assert_eq!(ends(&mut monitor).len(), 3, "one end of each life, and the last");
    });
}

#[test]
fn in_a_pool_an_arbiter_that_goes_once_too_often_takes_all_with_it() {
    real_world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().placement(Placement::Pool(1)).max_restarts(0));
        let (child, _) = scene.watch(scene.probe()).await;
        end_arbiter(&child.addr);
        assert_eq!(
            scene.told_up_to(".").await,
            [
                "1#1 started",
                "1#1 exited: arbiter gone",
                "1#1 limit reached with 1 lives",
                "closes 0",
                "ends: shutdown",
                "."
            ]
        );
    });
}

/// Set in the inner process.
const INNER: &str = "ACTIX_DYNAMIC_SUPERVISOR_NO_THREAD";

/// In a process of its own, where no thread can be had: each would need a stack that does not fit into memory.
#[cfg(target_os = "linux")]
#[test]
fn where_a_pool_gets_no_thread_the_start_has_failed_and_that_is_told() {
    if env::var_os(INNER).is_none() {
        let test = "events::arbiters::where_a_pool_gets_no_thread_the_start_has_failed_and_that_is_told";
        let mut again = Command::new(env::current_exe().unwrap());
        // One test at a time has no thread of its own.
        again
            .args(["--exact", test, "--test-threads=1"])
            .env(INNER, "1")
            .env("RUST_MIN_STACK", (1_u64 << 60).to_string());
        let inner = again.output().unwrap();
        assert!(
            inner.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&inner.stdout),
            String::from_utf8_lossy(&inner.stderr)
        );
        return;
    }
    real_world(async {
        let mut scene = pool(1);
        let refused = scene.supervisor.start_child(scene.probe().key("it")).await;
        assert!(matches!(refused, Err(StartChildError::ArbiterGone)));
        assert_eq!(scene.told().await, ["1#1 start failed: arbiter gone"]);
        assert!(scene.supervisor.which_children().await.unwrap().is_empty());
    });
}

#[test]
fn messages_left_by_a_child_that_was_terminated_are_counted() {
    real_world(async {
        let mut scene = pool(1);
        let (child, _) = scene.watch(leaves(3, &scene.journal)).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        scene.supervisor.stop().await.unwrap();
        let mut told = scene.told_up_to(".").await;
        // Its queue may be closed before its end is told.
        told[1..3].sort();
        assert_eq!(told, ["1#1 started", "1#1 exited: shutdown, asked", "1#1 left 3", "closes 0", "ends: normal", "."]);
    });
}

/// The number of the child whose queue was closed, whether it was still known, and how many messages were left.
async fn left(scene: &mut Scene) -> (String, bool, usize) {
    loop {
        let event = tokio::time::timeout(super::PATIENCE, futures::StreamExt::next(&mut scene.events)).await;
        if let EventKind::QueueClosed { id, child, undelivered } = event.unwrap().unwrap().kind {
            return (id.to_string().rsplit_once('.').unwrap().1.to_owned(), child.is_some(), undelivered);
        }
    }
}

#[test]
fn messages_left_by_a_child_that_ended_by_itself_are_counted_when_it_is_forgotten() {
    real_world(async {
        let mut scene = pool(1);
        let (child, _) = scene.watch(scene.probe().restart(Restart::Temporary)).await;
        let release = block(&child.addr).await;
        child.addr.do_send(Panic("boom"));
        let answers: Vec<_> = (0..5).map(|_| child.addr.send(Ask)).collect();
        drop(release);
        for answer in answers {
            assert!(answer.await.is_err());
        }
        assert_eq!(left(&mut scene).await, ("1".into(), false, 5));
    });
}

#[test]
fn messages_left_by_a_child_whose_named_arbiter_has_gone_are_counted() {
    for restart in [Restart::Permanent, Restart::Temporary] {
        real_world(async {
            let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
            let spec = leaves(4, &scene.journal).restart(restart).on(arbiter.handle());
            let (_child, _) = scene.watch(spec).await;
            arbiter.stop();
            arbiter.join().unwrap();
            assert_eq!(left(&mut scene).await, ("1".into(), false, 4));
        });
    }
}

/// A child that has crashed there, and waits for its next try.
async fn one_that_waits_on(arbiter: &Arbiter, scene: &mut Scene) -> Started<Probe> {
    let spec = scene.probe().backoff(Backoff::fixed(1000 * SECOND)).on(arbiter.handle());
    let (child, _) = scene.watch(spec).await;
    child.addr.do_send(Panic("boom"));
    scene.told_up_to("1#2 try 1 in 1000000").await;
    child
}

#[test]
fn messages_that_come_while_a_child_waits_for_an_arbiter_that_goes_are_counted() {
    real_world(async {
        let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
        let child = one_that_waits_on(&arbiter, &mut scene).await;
        let answers: Vec<_> = (0..7).map(|_| child.addr.send(Ask)).collect();
        arbiter.stop();
        arbiter.join().unwrap();
        for answer in answers {
            assert!(answer.await.is_err());
        }
        assert_eq!(left(&mut scene).await, ("1".into(), true, 7), "it is known as long as it is not removed");
    });
}

#[test]
fn messages_to_a_child_that_never_got_to_its_arbiter_are_counted() {
    real_world(async {
        let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
        let (first, _) = scene.watch(scene.probe().on(arbiter.handle())).await;
        let release = block(&first.addr).await;
        arbiter.stop();
        let starting = scene.supervisor.start_child(scene.probe().on(arbiter.handle()));
        let addr = scene.supervisor.which_children().await.unwrap()[1].addr::<Probe>().unwrap();
        let answers: Vec<_> = (0..2).map(|_| addr.send(Ask)).collect();
        drop(release);
        assert!(matches!(starting.await, Err(StartChildError::ArbiterGone)));
        for answer in answers {
            assert!(answer.await.is_err());
        }
        assert_eq!(left(&mut scene).await, ("2".into(), true, 2));
        arbiter.join().unwrap();
    });
}

/// A message whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any("bomb");
    }
}

#[test]
fn a_message_left_with_an_arbiter_that_has_gone_whose_destructor_panics_is_contained_and_told() {
    real_world(async {
        let (mut scene, arbiter) = (Scene::new(), Arbiter::new());
        let child = one_that_waits_on(&arbiter, &mut scene).await;
        let bomb = Bomb;
        child.addr.do_send(Do::this(move |_, _| drop(bomb)));
        arbiter.stop();
        arbiter.join().unwrap();
        assert_eq!(
            scene.told_up_to("1#2 removed: arbiter gone").await,
            ["1#2 contained bomb", "1#2 left 1", "1#2 removed: arbiter gone"]
        );
    });
}

#[test]
fn messages_that_a_child_takes_along_to_another_arbiter_are_not_left() {
    real_world(async {
        let mut scene = pool(1);
        let (child, _) = scene.watch(leaves(4, &scene.journal)).await;
        end_arbiter(&child.addr);
        assert_eq!(
            scene.told_up_to("1#2 restarted").await,
            ["1#1 started", "1#1 exited: arbiter gone, back", "1#2 restarted"]
        );
        assert_eq!(child.addr.send(Ask).await, Ok(2), "behind those");
        scene.supervisor.stop().await.unwrap();
        let mut told = scene.told_up_to(".").await;
        told[1..3].sort();
        assert_eq!(told, ["closes 1", "1#2 exited: shutdown, asked", "1#2 left 4", "ends: normal", "."]);
    });
}
