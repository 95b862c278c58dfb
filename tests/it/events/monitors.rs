//! Monitors: who asks, who reads, and who does not.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering::SeqCst},
        Arc,
    },
    task::{Context as Cx, Wake, Waker},
};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, MonitorError};
use futures::{FutureExt, StreamExt};

use super::{crash, ends, pass, Scene};
use crate::support::{real_world, settle, world, Ask, Journal, Panic, Probe};

#[test]
fn several_hear_the_same_each_from_when_it_asked() {
    world(async {
        let scene = Scene::new();
        let (child, mut first) = scene.watch(scene.probe().key("a")).await;
        crash(&child.addr).await;
        let mut by_key = scene.supervisor.monitor(ChildHandle::key::<Probe>("a")).await.unwrap();
        let mut by_addr = scene.supervisor.monitor(&child.addr).await.unwrap();
        crash(&child.addr).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();

        let all = ["1 panicked: boom after 0, back", "2 panicked: boom after 0, back", "3 shutdown after 0", "."];
        assert_eq!(ends(&mut first), all);
        assert_eq!(ends(&mut by_key), all[1..]);
        assert_eq!(ends(&mut by_addr), all[1..]);
    });
}

#[test]
fn of_a_child_that_is_gone_and_a_supervisor_that_is_there_is_nothing_to_monitor() {
    world(async {
        let scene = Scene::new();
        let (child, _monitor) = scene.watch(scene.probe()).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert!(matches!(scene.supervisor.monitor(child.id).await, Err(MonitorError::NotFound)));
        scene.supervisor.stop().await.unwrap();
        assert!(matches!(scene.supervisor.monitor(child.id).await, Err(MonitorError::SupervisorGone)));
    });
}

#[test]
fn none_is_lost_of_twenty_thousand_that_nobody_reads_meanwhile() {
    const ENDS: usize = 20_000;
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(u32::MAX));
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        for _ in 0..ENDS {
            child.addr.do_send(Panic("boom"));
        }
        assert_eq!(child.addr.send(Ask).await, Ok(ENDS + 1));
        scene.supervisor.terminate_child(child.id).await.unwrap();
        let told: Vec<usize> = (&mut monitor).map(|end| end.incarnation).collect().await;
        assert_eq!(told, (1..=ENDS + 1).collect::<Vec<_>>());
    });
}

#[test]
fn it_waits_for_an_end_that_comes_later() {
    world(async {
        let scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        let waits = actix::spawn(async move { (monitor.next().await, monitor.next().await.is_none()) });
        pass(1000).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        let (end, is_over) = waits.await.unwrap();
        assert_eq!(
            (end.unwrap().to_string(), is_over),
            (format!("{} incarnation 1 exited after 1.0 s: shutdown", child.id), true)
        );
    });
}

struct Grim(AtomicUsize);

impl Wake for Grim {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        std::panic::panic_any("in a waker");
    }
}

#[test]
fn wakers_that_panic_harm_nobody() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        let mut events = scene.supervisor.events(Events::new());
        settle().await;
        super::read(&mut events);
        let grim = Arc::new(Grim(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&grim));
        let mut cx = Cx::from_waker(&waker);
        assert!(monitor.poll_next_unpin(&mut cx).is_pending());
        assert!(events.poll_next_unpin(&mut cx).is_pending());

        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(grim.0.load(SeqCst), 2, "both were woken");
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back"]);
        assert_eq!(super::read(&mut events).len(), 2);
        assert!(monitor.poll_next_unpin(&mut cx).is_pending());
        assert!(events.poll_next_unpin(&mut cx).is_pending());
        scene.supervisor.stop().await.unwrap();
        assert_eq!(scene.told().await.last().unwrap(), ".", "at the end, too");
    });
}

#[test]
fn one_that_is_dropped_is_forgotten_and_others_are_not() {
    world(async {
        let scene = Scene::new();
        let (child, mut first) = scene.watch(scene.probe()).await;
        for _ in 0..1000 {
            drop(scene.supervisor.monitor(child.id).await.unwrap());
        }
        crash(&child.addr).await;
        assert_eq!(ends(&mut first), ["1 panicked: boom after 0, back"]);
    });
}

#[test]
fn a_nested_supervisor_as_the_child_tells_its_ends_like_any_other() {
    world(async {
        let scene = Scene::new();
        let nested = scene.supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let mut monitor = scene.supervisor.monitor(nested.id).await.unwrap();
        let (inner, journal) = (nested.addr.clone(), Journal::new());
        let child = inner.start_child(Probe::child(&journal)).await.unwrap();
        let mut childs = inner.monitor(child.id).await.unwrap();
        pass(10).await;
        scene.supervisor.kill_child(nested.id).await.unwrap();
        settle().await;
        assert_eq!(ends(&mut monitor), ["1 killed after 10, back"]);
        assert_eq!(ends(&mut childs), ["1 shutdown after 10", "."], "gone with its supervisor, which was dropped");
        inner.stop_with(ExitReason::failed("oh"), None).await.unwrap();
        settle().await;
        assert_eq!(ends(&mut monitor), ["2 failed: oh after 0, back"]);
    });
}

#[test]
fn an_end_whose_notice_the_supervisor_does_not_live_to_see_is_told_as_it_was() {
    world(async {
        let scene = Scene::new();
        let nested = scene.supervisor.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        let mut monitor = nested.addr.monitor(child.id).await.unwrap();
        let mut events = nested.addr.events(Events::new());
        settle().await;
        let (parent, id) = (scene.supervisor.clone(), nested.id);
        // In one turn: it has its supervisor killed, and crashes.
        let crashing = child.addr.send(crate::support::Do::this(move |_, _| {
            parent.do_send(KillChild(id.into()));
            std::panic::panic_any("boom");
        }));
        assert!(crashing.await.is_err());
        settle().await;
        let told = super::read(&mut events);
        assert_eq!(ends(&mut monitor)[1..], ["."]);
        assert!(
            told.contains(&"1#1 exited after 0: panicked: boom".to_owned())
                || told.iter().any(|told| told.contains("boom, back")),
            "{told:?}"
        );
    });
}

#[test]
fn when_the_arbiter_ends_the_end_is_told_all_the_same() {
    real_world(async {
        let arbiter = Arbiter::new();
        let (tell, told) = std::sync::mpsc::channel();
        arbiter.spawn_fn(move || {
            actix::spawn(async move {
                let supervisor = DynamicSupervisor::builder().start().unwrap();
                let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
                let monitor = supervisor.monitor(child.id).await.unwrap();
                let events = supervisor.events(Events::new());
                settle().await;
                tell.send((supervisor, child.addr, monitor, events)).unwrap();
            });
        });
        let (supervisor, _addr, mut monitor, mut events) = told.recv().unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
        let told = ends(&mut monitor);
        assert!(told[0].starts_with("1 arbiter gone after") || told[0].starts_with("1 shutdown after"), "{told:?}");
        assert_eq!(told[1..], ["."]);
        let told = super::read(&mut events);
        assert_eq!(told.iter().filter(|told| told.starts_with("1#1 exited")).count(), 1, "{told:?}");
        assert!(told[told.len() - 2].starts_with("ends: ") && told[told.len() - 1] == ".", "{told:?}");
        drop(supervisor);
    });
}
