//! The restart limit, read before it is reached, and the warning that it comes near.

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, RestartLimit};
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::{crash, pass, Scene, SECOND};
use crate::support::{settle, world, Probe, Reports};

async fn near(scene: &mut Scene) -> Vec<String> {
    scene.told().await.into_iter().filter(|told| told.starts_with("near")).collect()
}

#[test]
fn the_limit_is_near_at_one_half_and_at_four_fifths_and_each_is_told_once() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(10));
        let (child, _) = scene.watch(scene.probe()).await;
        for restarts in 1..=10 {
            crash(&child.addr).await;
            let expected: &[&str] = match restarts {
                5 => &["near: 5/10"],
                8 => &["near: 8/10"],
                _ => &[],
            };
            assert_eq!(near(&mut scene).await, expected, "{restarts}");
        }
    });
}

#[test]
fn it_is_told_again_when_it_was_far_meanwhile() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(2).max_seconds(5));
        let (child, _) = scene.watch(scene.probe()).await;
        for _ in 0..3 {
            crash(&child.addr).await;
            assert_eq!(near(&mut scene).await, ["near: 1/2"]);
            crash(&child.addr).await;
            assert_eq!(near(&mut scene).await, ["near: 2/2"]);
            pass(5001).await;
        }
        crash(&child.addr).await;
        pass(5000).await;
        assert_eq!(near(&mut scene).await, ["near: 1/2"]);
        crash(&child.addr).await;
        assert_eq!(near(&mut scene).await, ["near: 2/2"], "exactly one period ago still counts");
    });
}

#[test]
fn of_a_limit_of_one_the_only_restart_is_all() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(1));
        let (child, _) = scene.watch(scene.probe()).await;
        crash(&child.addr).await;
        assert_eq!(near(&mut scene).await, ["near: 1/1"]);
    });
}

#[test]
fn one_restart_too_many_is_no_warning_any_more() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(0));
        let (child, _) = scene.watch(scene.probe()).await;
        crash(&child.addr).await;
        assert_eq!(near(&mut scene).await, [""; 0]);
    });
}

#[test]
fn tries_count_and_those_of_a_child_with_a_limit_of_its_own_do_not() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(4));
        let (child, _) = scene.watch(scene.probe().max_restarts(3, SECOND)).await;
        for _ in 0..3 {
            crash(&child.addr).await;
        }
        assert_eq!(near(&mut scene).await, [""; 0]);
        let own = scene.supervisor.which_children().await.unwrap()[0].limit.unwrap();
        assert_eq!((own.used, own.max_restarts), (3, 3));
    });
}

#[test]
fn what_is_used_and_when_the_next_is_free_can_be_read() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(9).max_seconds(5));
        let limit = async || scene.supervisor.snapshot(TakeSnapshot::new()).await.unwrap().limit;
        let free = |limit: &RestartLimit| limit.next_free.map(|at| at.duration_since(Instant::now()).as_millis());
        let (child, _) = scene.watch(scene.probe()).await;

        let none = limit().await;
        assert_eq!((none.used, none.max_restarts, none.period, free(&none)), (0, 9, 5 * SECOND, None));
        crash(&child.addr).await;
        pass(2000).await;
        crash(&child.addr).await;
        let two = limit().await;
        assert_eq!((two.used, free(&two)), (2, Some(3000)));
        pass(3001).await;
        let one = limit().await;
        assert_eq!((one.used, free(&one)), (1, Some(1999)));
        pass(2000).await;
        let none = limit().await;
        assert_eq!((none.used, free(&none)), (0, None));
    });
}

#[test]
fn the_warning_is_a_line_in_the_log_too() {
    world(async {
        let reports = Reports::capture();
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(2).max_seconds(5).name("rooms"));
        let (child, _) = scene.watch(scene.probe()).await;
        crash(&child.addr).await;
        settle().await;
        let line = reports.lines().into_iter().find(|line| line.message == "restart limit near").unwrap();
        let fields = ["supervisor", "restarts", "max_restarts", "period"].map(|field| line.field(field).to_owned());
        assert_eq!(fields, ["rooms", "1", "2", "5s"]);
        assert_eq!(line.level, tracing::Level::WARN);
    });
}

#[test]
fn a_child_without_a_limit_of_its_own_shows_none() {
    world(async {
        let scene = Scene::new();
        let (_child, _monitor) = scene.watch(scene.probe()).await;
        assert_eq!(scene.supervisor.which_children().await.unwrap()[0].limit, None);
    });
}
