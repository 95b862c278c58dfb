//! Events of supervisors below: they go up as far as somebody wants them, with the way they came.

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Started};
use futures::{FutureExt, StreamExt};

use super::{crash, pass, read, Scene};
use crate::support::{real_world, settle, world, Ask, Journal, Panic, Probe};

/// A nested supervisor of that name, permanent.
async fn nest(parent: &Addr<DynamicSupervisor>, name: &str) -> Started<DynamicSupervisor> {
    parent.start_child(DynamicSupervisor::builder().max_restarts(1000).name(name).into_child()).await.unwrap()
}

async fn probe(parent: &Addr<DynamicSupervisor>) -> Started<Probe> {
    parent.start_child(Probe::child(&Journal::new())).await.unwrap()
}

/// The ways of the events that wait.
fn ways(events: &mut EventStream) -> Vec<String> {
    let mut ways = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        ways.push(format!("{}: {}", event.supervisor.path, super::words(&event)));
    }
    ways
}

#[test]
fn from_any_depth_they_go_up_to_who_wants_them() {
    world(async {
        let root = DynamicSupervisor::builder().name("n1-root").start().unwrap();
        let mut events = root.events(Events::new().nested(true));
        let middle = nest(&root, "n1-middle").await;
        let leaf = nest(&middle.addr, "n1-leaf").await;
        probe(&leaf.addr).await;
        settle().await;
        assert_eq!(
            ways(&mut events),
            [
                "n1-root/n1-middle: begins",
                "n1-root: 1#1 started",
                "n1-root/n1-middle/n1-leaf: begins",
                "n1-root/n1-middle: 1#1 started",
                "n1-root/n1-middle/n1-leaf: 1#1 started",
            ]
        );
    });
}

#[test]
fn who_does_not_want_them_hears_of_its_own_supervisor_only() {
    world(async {
        let root = DynamicSupervisor::builder().name("n2-root").start().unwrap();
        let middle = nest(&root, "n2-middle").await;
        let leaf = nest(&middle.addr, "n2-leaf").await;
        let [mut at_root, mut at_middle] = [&root, &middle.addr].map(|supervisor| supervisor.events(Events::new()));
        let mut curious = middle.addr.events(Events::new().nested(true));
        let mut at_leaf = leaf.addr.events(Events::new());
        settle().await;
        crash(&probe(&leaf.addr).await.addr).await;
        settle().await;
        let told = ["1#1 started", "1#1 exited after 0: panicked: boom, back", "1#2 restarted after 0"];
        assert_eq!((read(&mut at_root), read(&mut at_middle)), (vec![], vec![]));
        assert_eq!(read(&mut curious), told);
        assert_eq!(read(&mut at_leaf), told);
    });
}

#[test]
fn a_stream_of_a_nested_one_goes_on_over_its_restarts_and_ends_with_it() {
    world(async {
        let scene = Scene::new();
        let nested = nest(&scene.supervisor, "n3").await;
        let mut events = nested.addr.events(Events::new());
        probe(&nested.addr).await;
        scene.supervisor.kill_child(nested.id).await.unwrap();
        probe(&nested.addr).await;
        settle().await;
        assert_eq!(
            read(&mut events),
            ["1#1 started", "1#1 exited after 0: shutdown, asked", "ends: killed", "begins", "1#1 started",]
        );
        scene.supervisor.terminate_child(nested.id).await.unwrap();
        assert_eq!(read(&mut events), ["closes 1", "1#1 exited after 0: shutdown, asked", "ends: shutdown", "."]);
    });
}

#[test]
fn each_of_its_lives_has_an_id_of_its_own_and_the_same_path() {
    world(async {
        let mut scene = Scene::new();
        let nested = nest(&scene.supervisor, "n4").await;
        let mut events = nested.addr.events(Events::new());
        scene.supervisor.kill_child(nested.id).await.unwrap();
        probe(&nested.addr).await;
        scene.told().await;
        let origins: Vec<_> =
            std::iter::from_fn(|| events.next().now_or_never()?).map(|event| event.supervisor).collect();
        assert_ne!(origins.first().unwrap().id, origins.last().unwrap().id);
        assert!(origins.iter().all(|origin| origin.path == origins[0].path && &*origin.name == "n4"));
    });
}

#[test]
fn a_stream_asked_for_while_it_is_down_is_that_of_its_next_life() {
    world(async {
        let scene = Scene::new();
        let spec = DynamicSupervisor::builder().name("n5").into_child().backoff(Backoff::fixed(super::SECOND));
        let nested = scene.supervisor.start_child(spec).await.unwrap();
        scene.supervisor.kill_child(nested.id).await.unwrap();
        settle().await;
        let mut events = nested.addr.events(Events::new());
        pass(1001).await;
        probe(&nested.addr).await;
        assert_eq!(read(&mut events), ["1#1 started"]);
    });
}

#[test]
fn of_a_temporary_one_the_stream_ends_with_its_only_life() {
    world(async {
        let scene = Scene::new();
        let spec = DynamicSupervisor::builder().into_child().restart(Restart::Temporary);
        let nested = scene.supervisor.start_child(spec).await.unwrap();
        let mut events = nested.addr.events(Events::new());
        settle().await;
        scene.supervisor.kill_child(nested.id).await.unwrap();
        settle().await;
        assert_eq!(read(&mut events), ["ends: killed", "."]);
    });
}

#[test]
fn a_root_that_has_ended_ends_its_stream_and_nested_ones_theirs_before() {
    world(async {
        let mut scene = Scene::new();
        let nested = nest(&scene.supervisor, "n6").await;
        let mut below = nested.addr.events(Events::new());
        scene.told().await;
        scene.supervisor.stop().await.unwrap();
        assert_eq!(read(&mut below), ["closes 0", "ends: shutdown", "."]);
        assert_eq!(
            scene.told().await,
            ["closes 1", "closes 0", "ends: shutdown", "1#1 exited after 0: shutdown, asked", "ends: normal", "."]
        );
    });
}

#[test]
fn one_on_another_thread_tells_the_way_up() {
    real_world(async {
        let root = DynamicSupervisor::builder().name("n7").placement(Placement::Pool(1)).start().unwrap();
        let mut events = root.events(Events::new().nested(true));
        let nested = nest(&root, "n7-below").await;
        let child = probe(&nested.addr).await;
        assert!(child.addr.send(Panic("boom")).await.is_err());
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        nested.addr.count_children().await.unwrap();
        let told = ways(&mut events);
        let below: Vec<_> = told.iter().filter_map(|told| told.strip_prefix("n7/n7-below: ")).collect();
        assert_eq!(below[..2], ["begins", "1#1 started"]);
        assert!(below[2].contains("panicked: boom, back") && below[3].starts_with("1#2 restarted"), "{below:?}");
        root.stop().await.unwrap();
    });
}
