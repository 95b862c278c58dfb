//! Who is killed at a deadline, and who only looks like it.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{of, pass, Scene, SECOND};
use crate::support::{
    real_world,
    script::{block, stubborn},
    settle, world, Probe,
};

/// A probe that never stops when asked. As it is dropped, which is before that is noticed, it has itself killed.
fn has_itself_killed(
    scene: &Scene,
) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send> {
    let (supervisor, journal) = (scene.supervisor.downgrade(), scene.journal.clone());
    Child::with(move |cx: &mut StartContext<Probe>| {
        let (supervisor, id) = (supervisor.clone(), cx.id());
        stubborn(Probe::new(&journal, cx.incarnation())).on_drop(move || {
            if let Some(supervisor) = supervisor.upgrade() {
                supervisor.do_send(KillChild(id.into()));
            }
        })
    })
}

#[test]
fn killed_by_somebody_when_its_deadline_had_passed_that_was_the_deadline() {
    world(async {
        let mut scene = Scene::new();
        let spec = has_itself_killed(&scene).shutdown(Shutdown::Timeout(2 * SECOND));
        let (child, _) = scene.watch(spec).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(
            scene.told().await,
            ["1#1 started", "1#1 killed at deadline", "1#1 exited after 2000: killed, asked"]
        );
    });
}

#[test]
fn killed_by_somebody_when_the_deadline_of_the_stop_had_passed_that_was_the_deadline() {
    world(async {
        let mut scene = Scene::new();
        let (_child, _) = scene.watch(has_itself_killed(&scene).shutdown(Shutdown::Infinity)).await;
        scene.supervisor.stop_with(ExitReason::Normal, 3 * SECOND).await.unwrap();
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "closes 1",
                "1#1 killed at deadline",
                "1#1 exited after 3000: killed, asked",
                "ends: normal",
                ".",
            ]
        );
    });
}

#[test]
fn killed_by_somebody_before_the_deadline_of_the_stop_that_was_no_deadline() {
    world(async {
        let mut scene = Scene::new();
        let spec = || Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Infinity);
        let (child, _) = scene.watch(spec()).await;
        let (_other, _) = scene.watch(spec()).await;
        let stopped = scene.supervisor.stop_with(ExitReason::Normal, 3 * SECOND);
        pass(1000).await;
        scene.supervisor.kill_child(child.id).await.unwrap();
        stopped.await.unwrap();
        assert_eq!(
            scene.told().await[3..],
            [
                "1#1 exited after 1000: killed, asked",
                "2#1 killed at deadline",
                "2#1 exited after 3000: killed, asked",
                "ends: normal",
                ".",
            ]
        );
    });
}

#[test]
fn who_gives_killed_as_its_own_reason_was_not_killed_at_its_deadline() {
    world(async {
        let mut scene = Scene::new();
        let spec = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, ctx| {
                ctx.exit(ExitReason::Killed);
                Running::Stop
            })
        });
        let (child, _) = scene.watch(spec).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 0: killed, asked"]);
    });
}

/// A supervisor whose children live on another thread.
fn elsewhere() -> Scene {
    Scene::of(DynamicSupervisor::builder().placement(Placement::Pool(1)).max_restarts(1000))
}

#[test]
fn on_another_thread_a_deadline_is_told_as_here() {
    real_world(async {
        let mut scene = elsewhere();
        let limit = Shutdown::Timeout(Duration::from_millis(20));
        let (child, _) = scene.watch(Probe::scripted(&scene.journal, stubborn).shutdown(limit)).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        let (second, _) = scene.watch(has_itself_killed(&scene).shutdown(limit)).await;
        scene.supervisor.terminate_child(second.id).await.unwrap();
        let (third, _) = scene.watch(scene.probe().shutdown(Shutdown::BrutalKill)).await;
        scene.supervisor.terminate_child(third.id).await.unwrap();
        assert_eq!(
            scene.told_up_to("3#1 exited: killed, asked").await,
            [
                "1#1 started",
                "1#1 killed at deadline",
                "1#1 exited: killed, asked",
                "2#1 started",
                "2#1 killed at deadline",
                "2#1 exited: killed, asked",
                "3#1 started",
                "3#1 exited: killed, asked",
            ]
        );
    });
}

#[test]
fn on_another_thread_the_deadline_of_a_whole_stop_is_told_as_here() {
    real_world(async {
        let mut scene = elsewhere();
        let spec = Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Infinity);
        let (_child, _) = scene.watch(spec).await;
        let (_second, _) = scene.watch(has_itself_killed(&scene).shutdown(Shutdown::Infinity)).await;
        scene.supervisor.stop_with(ExitReason::Normal, Duration::from_millis(20)).await.unwrap();
        let told = scene.told_up_to(".").await;
        for child in ["1#1 ", "2#1 "] {
            assert_eq!(of(child, &told), ["started", "killed at deadline", "exited: killed, asked"]);
        }
    });
}

#[test]
fn on_another_thread_killed_by_somebody_in_time_that_is_no_deadline() {
    real_world(async {
        let mut scene = elsewhere();
        let spec = Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Timeout(1000 * SECOND));
        let (child, _) = scene.watch(spec).await;
        let release = block(&child.addr).await;
        let ended = scene.supervisor.terminate_child(child.id);
        settle().await;
        scene.supervisor.kill_child(child.id).await.unwrap();
        drop(release);
        ended.await.unwrap();
        assert_eq!(scene.told_up_to("1#1 exited: killed, asked").await, ["1#1 started", "1#1 exited: killed, asked"]);
    });
}
