//! Starts that fail, decline or are cut off, told as events and to who monitors the child that was to be.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{crash, ends, pass, Scene, SECOND};
use crate::support::{
    real_world,
    script::{gated, Gate},
    settle, world, Ask, Journal, Probe,
};

fn fails() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Child::try_with(|_: &mut StartContext<Probe>| Err::<Start<Probe>, _>("no"))
}

fn panics() -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    Child::with(|_: &mut StartContext<Probe>| -> Probe { std::panic::panic_any("in start") })
}

#[test]
fn a_first_start_that_fails_is_told_and_there_is_no_child() {
    world(async {
        let mut scene = Scene::new();
        assert!(scene.supervisor.start_child(fails()).await.is_err());
        assert!(scene.supervisor.start_child(panics()).await.is_err());
        let stops = Probe::scripted(&scene.journal, |probe| probe.on_started(|_, ctx| ctx.stop()));
        assert!(scene.supervisor.start_child(stops).await.is_err());
        assert_eq!(
            scene.told().await,
            ["1#1 start failed: failed: no", "2#1 start failed: panicked: in start", "3#1 start failed: normal"]
        );
    });
}

#[test]
fn one_that_takes_time_and_fails_is_told_when_it_has_and_so_is_who_monitors_it() {
    world(async {
        let mut scene = Scene::new();
        let spec = Child::from_async(|_: StartContext<Probe>| async {
            pass(500).await;
            Err::<Start<Probe>, _>(BoxError::from("no"))
        });
        let starting = scene.supervisor.start_child(spec.key("a"));
        settle().await;
        let id = scene.supervisor.which_children().await.unwrap()[0].id;
        let mut monitor = scene.supervisor.monitor(id).await.unwrap();
        assert_eq!(scene.told().await, [""; 0]);
        assert!(starting.await.is_err());
        assert_eq!(scene.told().await, ["1#1 start failed: failed: no"]);
        assert_eq!(ends(&mut monitor), ["1 failed: no away", "."]);
    });
}

#[test]
fn one_that_takes_too_long_is_told() {
    world(async {
        let mut scene = Scene::new();
        let spec = gated(&scene.journal, &Gate::shut(), 1).start_timeout(2 * SECOND);
        assert!(matches!(scene.supervisor.start_child(spec).await, Err(StartChildError::Timeout)));
        assert_eq!(scene.told().await, ["1#1 start failed: failed: took longer than allowed"]);
    });
}

#[test]
fn one_that_is_killed_is_told() {
    world(async {
        let mut scene = Scene::new();
        let starting = scene.supervisor.start_child(gated(&scene.journal, &Gate::shut(), 1));
        settle().await;
        let id = scene.supervisor.which_children().await.unwrap()[0].id;
        let mut monitor = scene.supervisor.monitor(id).await.unwrap();
        scene.supervisor.kill_child(id).await.unwrap();
        assert!(starting.await.is_err());
        assert_eq!(scene.told().await, ["1#1 start failed: killed"]);
        assert_eq!(ends(&mut monitor), ["1 killed away", "."]);
    });
}

#[test]
fn one_that_is_terminated_never_was_a_child_and_nothing_failed() {
    world(async {
        let mut scene = Scene::new();
        let starting = scene.supervisor.start_child(gated(&scene.journal, &Gate::shut(), 1));
        settle().await;
        let id = scene.supervisor.which_children().await.unwrap()[0].id;
        let mut monitor = scene.supervisor.monitor(id).await.unwrap();
        scene.supervisor.terminate_child(id).await.unwrap();
        assert!(starting.await.is_err());
        assert_eq!(scene.told().await, [""; 0]);
        assert_eq!(ends(&mut monitor), ["1 shutdown away", "."]);
    });
}

#[test]
fn one_that_declines_is_no_failure() {
    world(async {
        let mut scene = Scene::new();
        let spec = Child::try_with(|_: &mut StartContext<Probe>| Ok::<Start<Probe>, BoxError>(Start::Ignore));
        assert!(matches!(scene.supervisor.start_child(spec).await, Err(StartChildError::Ignored)));
        assert_eq!(scene.told().await, [""; 0]);
    });
}

#[test]
fn refused_for_want_of_a_place_nothing_was_started() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_children(0));
        assert!(scene.supervisor.start_child(scene.probe()).await.is_err());
        assert_eq!(scene.told().await, [""; 0]);
    });
}

#[test]
fn a_restart_that_takes_time_is_told_with_how_long_the_child_was_away() {
    world(async {
        let (mut scene, gate) = (Scene::new(), Gate::shut());
        let (child, _monitor) = scene.watch(gated(&scene.journal, &gate, 2)).await;
        crash(&child.addr).await;
        pass(1234).await;
        gate.admit(1);
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.told().await.last().unwrap(), "1#2 restarted after 1234");
    });
}

#[test]
fn of_a_key_and_a_label_events_know() {
    world(async {
        let scene = Scene::new();
        let mut events = scene.supervisor.events(Events::new());
        let (child, _monitor) = scene.watch(scene.probe().key("lobby").id("room")).await;
        let event = futures::StreamExt::next(&mut events).await.unwrap();
        let told = event.child().unwrap();
        assert_eq!((told.id, told.key.as_deref(), told.label.as_deref()), (child.id, Some("lobby"), Some("room")));
        assert_eq!((told.module, told.child_type), (std::any::type_name::<Probe>(), ChildType::Worker));
        let line = event.to_string();
        assert!(line.contains("lobby") && line.contains("started"), "{line}");
    });
}

#[test]
fn what_fails_on_another_thread_is_told_once() {
    real_world(async {
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(1)).start().unwrap();
        let mut events = supervisor.events(Events::new());
        assert!(supervisor.start_child(fails()).await.is_err());
        assert!(supervisor.start_child(panics()).await.is_err());
        let slow = Child::from_async(|_: StartContext<Probe>| async {
            tokio::task::yield_now().await;
            Err::<Start<Probe>, _>(BoxError::from("later"))
        });
        assert!(supervisor.start_child(slow).await.is_err());
        let arbiter = Arbiter::new();
        arbiter.stop();
        let gone = Probe::child(&Journal::new()).on(arbiter.handle());
        arbiter.join().unwrap();
        assert!(supervisor.start_child(gone).await.is_err());
        settle().await;
        assert_eq!(
            super::read(&mut events),
            [
                "1#1 start failed: failed: no",
                "2#1 start failed: panicked: in start",
                "3#1 start failed: failed: later",
                "4#1 start failed: arbiter gone",
            ]
        );
    });
}
