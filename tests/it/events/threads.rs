//! Children on other threads, whose reports come late: what is told of them while their thread is blocked, when they are left
//! behind or taken over, and that nothing is told twice when it comes free.

use std::{sync::mpsc, thread, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder};

use super::{ends, of, Scene, PATIENCE, SECOND};
use crate::{
    placement::eventually,
    support::{real_world, script::block, Ask, Do, Panic, Probe},
};

/// One thread, which is found blocked after this long.
fn pool(unresponsive_after: Duration) -> Builder {
    let builder = DynamicSupervisor::builder().placement(Placement::Pool(1)).max_restarts(1000);
    builder.unresponsive_after(unresponsive_after)
}

const SOON: Duration = Duration::from_millis(50);

/// A probe whose start tells that it has begun and then blocks, in this incarnation.
fn halts_in(
    scene: &Scene,
    incarnation: usize,
) -> (impl ChildSpec<Actor = Probe, Info = ()>, tokio::sync::oneshot::Receiver<()>, mpsc::Sender<()>) {
    let (tell, begun) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let (journal, mut halt) = (scene.journal.clone(), Some((tell, released)));
    let spec = Child::with(move |cx: &mut StartContext<Probe>| {
        if let Some((tell, released)) = halt.take_if(|_| cx.incarnation() == incarnation) {
            let _ = tell.send(());
            let _ = released.recv();
        }
        Probe::new(&journal, cx.incarnation())
    });
    (spec, begun, release)
}

#[test]
fn who_blocks_a_thread_is_told_once_with_all_it_holds_up_and_each_of_them_ends_once() {
    real_world(async {
        let mut scene = Scene::of(pool(SOON));
        let (_sibling, _) = scene.watch(scene.probe()).await;
        let (child, _) = scene.watch(scene.probe()).await;
        let release = block(&child.addr).await;
        assert_eq!(
            scene.told_up_to("2#1 unresponsive with 2").await,
            ["1#1 started", "2#1 started", "2#1 unresponsive with 2"]
        );
        drop(release);
        scene.supervisor.stop().await.unwrap();
        let told = scene.told_up_to(".").await;
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(of("1#1 ", &told), ["exited: shutdown, asked"]);
        assert_eq!(of("2#1 ", &told), ["exited: shutdown, asked"]);
    });
}

#[test]
fn who_blocks_an_arbiter_that_its_spec_has_named_is_told() {
    real_world(async {
        let arbiter = Arbiter::new();
        let mut scene = Scene::of(DynamicSupervisor::builder().unresponsive_after(SOON));
        let (child, _) = scene.watch(scene.probe().on(arbiter.handle()).restart(Restart::Temporary)).await;
        let release = block(&child.addr).await;
        let crashing = child.addr.send(Panic("boom"));
        assert_eq!(scene.told_up_to("1#1 unresponsive with 1").await, ["1#1 started", "1#1 unresponsive with 1"]);
        drop(release);
        assert!(crashing.await.is_err());
        assert_eq!(scene.told_up_to("1#1 exited: panicked: boom").await, ["1#1 exited: panicked: boom"]);
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told_up_to(".").await, ["closes 0", "ends: normal", "."]);
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn terminated_while_its_thread_is_blocked_it_ends_as_asked_when_that_is_free() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        let (child, _) = scene.watch(scene.probe()).await;
        let release = block(&child.addr).await;
        let ended = scene.supervisor.terminate_child(child.id);
        scene.supervisor.count_children().await.unwrap();
        assert_eq!(scene.told().await.len(), 1, "it has not ended");
        drop(release);
        ended.await.unwrap();
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told_up_to(".").await, ["1#1 exited: shutdown, asked", "closes 0", "ends: normal", "."]);
    });
}

#[test]
fn terminated_between_its_end_and_the_notice_of_it_the_end_is_its_own() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        let (supervisor, id) = (scene.supervisor.clone(), child.id);
        // In its own turn it asks for its end, then crashes: the request lies before the notice.
        child.addr.do_send(Do::this(move |_, _| {
            supervisor.do_send(TerminateChild(id.into()));
            std::panic::panic_any("boom");
        }));
        assert_eq!(scene.told_up_to("1#1 exited: panicked: boom").await, ["1#1 started", "1#1 exited: panicked: boom"]);
        assert_eq!(ends(&mut monitor).len(), 2, "one end, and the last");
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told_up_to(".").await, ["closes 0", "ends: normal", "."]);
    });
}

#[test]
fn who_keeps_its_thread_in_its_own_end_for_longer_than_it_may_is_told_before_it_has_ended() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        // It may overrun its limit by a second.
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, _| {
                thread::sleep(SECOND + SOON);
                Running::Stop
            })
        });
        let (child, _) = scene.watch(spec.shutdown(Shutdown::Timeout(Duration::from_millis(1)))).await;
        assert_eq!(scene.supervisor.terminate_child(child.id).await, Err(TerminateChildError::Unresponsive));
        let told = scene.told_up_to("1#1 exited: shutdown, asked").await;
        assert_eq!(told, ["1#1 started", "1#1 unresponsive with 1", "1#1 exited: shutdown, asked"]);
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told_up_to(".").await, ["closes 0", "ends: normal", "."]);
    });
}

#[test]
fn left_behind_by_a_stop_a_child_has_ended_and_nothing_more_is_told_when_its_thread_is_free() {
    for deadline in [None, Some(Duration::from_millis(1))] {
        real_world(async {
            let mut scene = Scene::of(pool(PATIENCE));
            // Without a deadline of the stop it is the child's own that passes.
            let shutdown = if deadline.is_some() { Shutdown::Infinity } else { Shutdown::BrutalKill };
            let (child, mut monitor) = scene.watch(scene.probe().shutdown(shutdown)).await;
            let release = block(&child.addr).await;
            let stopped = scene.supervisor.stop_with(ExitReason::Normal, deadline);
            assert_eq!(
                scene.told_up_to("1#1 exited: unresponsive, asked").await,
                ["1#1 started", "closes 1", "1#1 unresponsive with 1", "1#1 exited: unresponsive, asked"]
            );
            assert_eq!(ends(&mut monitor).len(), 2, "one end, and the last");
            drop(release);
            // It waits for the thread, and what that still reports.
            assert_eq!(stopped.await.unwrap().unresponsive, [child.id]);
            assert!(scene.journal.has("dropped 1"));
            assert_eq!(scene.told_up_to(".").await, ["ends: normal", "."]);
        });
    }
}

#[test]
fn a_child_whose_end_is_awaited_is_left_behind_by_a_stop_too() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        let (child, _) = scene.watch(scene.probe().shutdown(Shutdown::BrutalKill)).await;
        let release = block(&child.addr).await;
        let ended = scene.supervisor.terminate_child(child.id);
        let stopped = scene.supervisor.stop();
        // Left behind, or not confirmed in time: whichever comes first.
        assert!(matches!(ended.await, Ok(()) | Err(TerminateChildError::Unresponsive)));
        let told = scene.told_up_to("1#1 exited: unresponsive, asked").await;
        drop(release);
        stopped.await.unwrap();
        assert_eq!(told, ["1#1 started", "closes 1", "1#1 unresponsive with 1", "1#1 exited: unresponsive, asked"]);
        assert_eq!(scene.told_up_to(".").await, ["ends: normal", "."]);
    });
}

#[test]
fn left_behind_on_its_way_back_it_is_removed() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        let (spec, begun, release) = halts_in(&scene, 2);
        let (child, _) = scene.watch(spec).await;
        child.addr.do_send(Panic("boom"));
        begun.await.unwrap();
        let stopped = scene.supervisor.stop();
        let told = scene.told_up_to("1#2 removed: unresponsive").await;
        drop(release);
        stopped.await.unwrap();
        assert_eq!(
            told,
            [
                "1#1 started",
                "1#1 exited: panicked: boom, back",
                "closes 1",
                "1#2 unresponsive with 1",
                "1#2 removed: unresponsive",
            ]
        );
        assert_eq!(scene.told_up_to(".").await, ["ends: normal", "."], "it began when nobody waited for it");
    });
}

#[test]
fn left_behind_in_its_first_start_it_never_was_a_child() {
    real_world(async {
        let mut scene = Scene::of(pool(PATIENCE));
        let (spec, begun, release) = halts_in(&scene, 1);
        let starting = scene.supervisor.start_child(spec);
        begun.await.unwrap();
        let stopped = scene.supervisor.stop();
        assert!(matches!(starting.await, Err(StartChildError::ShuttingDown)));
        let told = scene.told_up_to("1#1 unresponsive with 1").await;
        drop(release);
        stopped.await.unwrap();
        assert_eq!(told, ["closes 1", "1#1 unresponsive with 1"]);
        assert_eq!(scene.told_up_to(".").await, ["ends: normal", "."]);
    });
}

#[test]
fn taken_over_a_child_has_exited_and_is_restarted_and_its_old_incarnation_does_not_end_again() {
    real_world(async {
        let mut scene = Scene::of(pool(SOON));
        // As it stays, its thread is joined in the end, and all that it reports has come.
        let (sibling, _) = scene.watch(scene.probe()).await;
        let (child, mut monitor) = scene.watch(scene.probe().on_unresponsive(OnUnresponsive::TakeOver)).await;
        let release = block(&child.addr).await;
        assert_eq!(
            scene.told_up_to("2#2 restarted").await,
            [
                "1#1 started",
                "2#1 started",
                "2#1 unresponsive with 2",
                "2#1 exited: unresponsive, back",
                "2#2 restarted"
            ]
        );
        drop(release);
        scene.journal.expect("dropped 1").await;
        assert_eq!((sibling.addr.send(Ask).await, child.addr.send(Ask).await), (Ok(1), Ok(2)));
        scene.supervisor.stop().await.unwrap();
        let told = scene.told_up_to(".").await;
        assert_eq!(told.len(), 5, "{told:?}");
        assert_eq!(of("1#1 ", &told), ["exited: shutdown, asked"]);
        assert_eq!(of("2#2 ", &told), ["exited: shutdown, asked"]);
        assert_eq!(ends(&mut monitor).len(), 3, "one end of each, and the last");
    });
}

#[test]
fn taken_over_again_and_again_each_life_ends_once() {
    real_world(async {
        let mut scene = Scene::of(pool(SOON));
        let (child, _) = scene.watch(scene.probe().on_unresponsive(OnUnresponsive::TakeOver)).await;
        let mut releases = Vec::new();
        let mut told = Vec::new();
        for life in 2..=4 {
            releases.push(block(&child.addr).await);
            told.extend(scene.told_up_to(&format!("1#{life} restarted")).await);
        }
        drop(releases);
        for life in 1..=3 {
            scene.journal.expect(&format!("dropped {life}")).await;
        }
        scene.supervisor.stop().await.unwrap();
        told.extend(scene.told_up_to(".").await);
        let mut expected = vec!["1#1 started".to_owned()];
        for life in 1..=3 {
            expected.push(format!("1#{life} unresponsive with 1"));
            expected.push(format!("1#{life} exited: unresponsive, back"));
            expected.push(format!("1#{} restarted", life + 1));
        }
        expected.extend(["closes 1", "1#4 exited: shutdown, asked", "ends: normal", "."].map(String::from));
        assert_eq!(told, expected);
    });
}

#[test]
fn of_many_that_are_taken_over_what_the_old_ones_report_at_their_end_is_not_told() {
    real_world(async {
        let mut scene = Scene::of(pool(SOON));
        // More than a thread polls before it looks whether it is to end: those report that it has.
        let mut children = Vec::new();
        for _ in 0..200 {
            children.push(scene.watch(scene.probe().on_unresponsive(OnUnresponsive::TakeOver)).await.0.addr);
        }
        let release = block(&children[0]).await;
        for child in &children {
            assert_eq!(child.send(Ask).await, Ok(2));
        }
        drop(release);
        let dropped = || scene.journal.entries().iter().filter(|entry| *entry == "dropped 1").count();
        eventually("they have ended", async || dropped() == children.len()).await;
        scene.supervisor.stop().await.unwrap();
        let told = scene.told_up_to(".").await;
        let ended = ["1 started", "1 exited: unresponsive, back", "2 restarted", "2 exited: shutdown, asked"];
        for number in 1..=children.len() {
            let told: Vec<_> = told.iter().filter(|told| !told.contains("unresponsive with")).cloned().collect();
            assert_eq!(of(&format!("{number}#"), &told), ended, "{number}");
        }
    });
}

#[test]
fn taken_over_once_too_often_it_exits_for_good_and_the_limit_is_reached() {
    real_world(async {
        let mut scene = Scene::of(pool(SOON).max_restarts(0));
        let (child, _) = scene.watch(scene.probe().on_unresponsive(OnUnresponsive::TakeOver)).await;
        let release = block(&child.addr).await;
        let told = scene.told_up_to("closes 0").await;
        drop(release);
        assert_eq!(
            told,
            [
                "1#1 started",
                "1#1 unresponsive with 1",
                "1#1 exited: unresponsive",
                "1#1 limit reached with 1 lives",
                "closes 0"
            ]
        );
        assert_eq!(scene.told_up_to(".").await, ["ends: shutdown", "."]);
        eventually("the old one ends", async || scene.journal.has("dropped 1")).await;
    });
}
