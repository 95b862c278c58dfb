//! The last lives of a child, as `which_children` shows them.

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Backoff, Life};
use tokio::time::Instant;

use super::{crash, pass, Scene, SECOND};
use crate::support::{
    script::{gated, starts_once, Gate},
    settle, world, Ask, Exit, Journal, Panic, Probe,
};

async fn only(supervisor: &Addr<DynamicSupervisor>) -> ChildInfo {
    supervisor.which_children().await.unwrap().pop().unwrap()
}

fn incarnations(info: &ChildInfo) -> Vec<usize> {
    info.lives.iter().map(|life| life.incarnation).collect()
}

#[test]
fn the_last_eight_are_kept_the_oldest_first() {
    world(async {
        let scene = Scene::new();
        let (child, _) = scene.watch(scene.probe()).await;
        assert!(only(&scene.supervisor).await.lives.is_empty(), "none is over");
        for _ in 0..7 {
            crash(&child.addr).await;
        }
        assert_eq!(incarnations(&only(&scene.supervisor).await), [1, 2, 3, 4, 5, 6, 7]);
        crash(&child.addr).await;
        assert_eq!(incarnations(&only(&scene.supervisor).await), [1, 2, 3, 4, 5, 6, 7, 8]);
        crash(&child.addr).await;
        assert_eq!(incarnations(&only(&scene.supervisor).await), [2, 3, 4, 5, 6, 7, 8, 9]);
    });
}

#[test]
fn each_tells_when_it_began_and_ended_and_why() {
    world(async {
        let scene = Scene::new();
        let (child, _) = scene.watch(scene.probe()).await;
        let began = Instant::now();
        pass(7000).await;
        crash(&child.addr).await;
        pass(300).await;
        child.addr.send(Exit(ExitReason::failed("no"))).await.unwrap();

        let lives = only(&scene.supervisor).await.lives;
        let times = |life: &Life| {
            let since = |at: Instant| at.duration_since(began).as_millis();
            (since(life.began), since(life.ended), life.uptime.as_millis(), life.has_started, life.reason.to_string())
        };
        assert_eq!(times(&lives[0]), (0, 7000, 7000, true, "panicked: boom".into()));
        assert_eq!(times(&lives[1]), (7000, 7300, 300, true, "failed: no".into()));
    });
}

#[test]
fn tries_that_failed_are_among_them_with_the_time_they_took_and_no_uptime() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let (child, _) = scene.watch(gated(&scene.journal, &gate, 2).start_timeout(2 * SECOND)).await;
        let began = Instant::now();
        crash(&child.addr).await;
        pass(2500).await;
        gate.admit(1);
        assert_eq!(child.addr.send(Ask).await, Ok(3));

        let info = only(&scene.supervisor).await;
        assert_eq!(incarnations(&info), [1, 2]);
        let Life { began: from, ended, uptime, has_started, reason, .. } = &info.lives[1];
        assert_eq!(*from, began);
        assert_eq!(ended.duration_since(began), 2 * SECOND);
        assert_eq!((uptime.as_nanos(), *has_started), (0, false));
        assert_eq!(reason.to_string(), "failed: took longer than allowed");
        assert_eq!(info.last_exit.unwrap().to_string(), "panicked: boom", "that is how it ended last");
    });
}

#[test]
fn as_many_are_kept_as_are_asked_for() {
    for most in [0, 1, 2, 50] {
        world(async {
            let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1000).last_lives(most));
            let (child, _) = scene.watch(scene.probe()).await;
            for _ in 0..20 {
                crash(&child.addr).await;
            }
            let kept: Vec<usize> = (1..=20).collect();
            assert_eq!(incarnations(&only(&scene.supervisor).await), kept[20_usize.saturating_sub(most)..]);
        });
    }
}

#[test]
fn of_tries_that_fail_no_more_are_kept_either() {
    for most in [0, 1, 3] {
        world(async {
            let scene = Scene::of(DynamicSupervisor::builder().last_lives(most).max_restarts(1000));
            let spec = starts_once(&scene.journal, |_| {}).backoff(Backoff::fixed(SECOND));
            let (child, _) = scene.watch(spec).await;
            crash(&child.addr).await;
            pass(5500).await;
            let info = only(&scene.supervisor).await;
            assert_eq!(incarnations(&info), [4, 5, 6][3 - most..], "the supervisor lives, and keeps {most}");
        });
    }
}

#[test]
fn a_temporary_child_has_none() {
    world(async {
        let scene = Scene::new();
        let (child, _) = scene.watch(scene.probe().restart(Restart::Temporary)).await;
        assert!(only(&scene.supervisor).await.lives.is_empty());
        crash(&child.addr).await;
        assert!(scene.supervisor.which_children().await.unwrap().is_empty());
    });
}

#[test]
fn they_are_told_with_the_limit_that_they_reached() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(2));
        let mut events = scene.supervisor.events(Events::new());
        let (child, _) = scene.watch(scene.probe()).await;
        for uptime in [10, 20, 30] {
            pass(uptime).await;
            crash(&child.addr).await;
        }
        scene.told().await;
        let mut told = Vec::new();
        while let Some(Some(event)) = futures::FutureExt::now_or_never(futures::StreamExt::next(&mut events)) {
            if let EventKind::LimitReached { lives, .. } = event.kind {
                told.extend(lives.iter().map(|life| (life.incarnation, life.uptime.as_millis())));
            }
        }
        assert_eq!(told, [(1, 10), (2, 20), (3, 30)]);
    });
}

#[test]
fn a_child_killed_in_a_pool_keeps_its_lives() {
    crate::support::real_world(async {
        let builder = DynamicSupervisor::builder().max_restarts(1000).placement(Placement::Pool(2)).last_lives(2);
        let supervisor = builder.start().unwrap();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        for incarnation in 1..=4 {
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            assert!(child.addr.send(Panic("boom")).await.is_err());
        }
        assert_eq!(child.addr.send(Ask).await, Ok(5));
        settle().await;
        assert_eq!(incarnations(&only(&supervisor).await), [3, 4]);
    });
}
