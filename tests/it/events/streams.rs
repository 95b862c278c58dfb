//! Streams of events: bounded, never in the way, readable anywhere.

use std::{thread, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{FutureExt, StreamExt};

use super::{crash, read, Scene};
use crate::support::{real_world, settle, world, Ask, Journal, Panic, Probe};

/// A child that crashes so many times, of which each is two events.
async fn crashes(scene: &Scene, times: usize) {
    let (child, _monitor) = scene.watch(scene.probe()).await;
    for _ in 0..times {
        crash(&child.addr).await;
    }
    scene.supervisor.terminate_child(child.id).await.unwrap();
}

#[test]
fn the_oldest_are_dropped_first_and_how_many_is_told_before_the_rest() {
    world(async {
        let scene = Scene::new();
        let mut events = scene.supervisor.events(Events::new().capacity(3));
        crashes(&scene, 4).await;
        assert_eq!(
            read(&mut events),
            [
                "missed 7",
                "1#4 exited after 0: panicked: boom, back",
                "1#5 restarted after 0",
                "1#5 exited after 0: shutdown, asked",
            ]
        );
        crashes(&scene, 0).await;
        assert_eq!(read(&mut events), ["2#1 started", "2#1 exited after 0: shutdown, asked"], "none was missed again");
    });
}

#[test]
fn exactly_as_many_as_there_is_room_for_are_kept() {
    world(async {
        let scene = Scene::new();
        let mut exact = scene.supervisor.events(Events::new().capacity(4));
        let mut short = scene.supervisor.events(Events::new().capacity(3));
        crashes(&scene, 1).await;
        assert_eq!(read(&mut exact).len(), 4);
        assert_eq!(read(&mut short)[..2], ["missed 1", "1#1 exited after 0: panicked: boom, back"]);
    });
}

#[test]
fn without_room_there_is_room_for_one() {
    world(async {
        let scene = Scene::new();
        let mut events = scene.supervisor.events(Events::new().capacity(0));
        crashes(&scene, 0).await;
        assert_eq!(read(&mut events), ["missed 1", "1#1 exited after 0: shutdown, asked"]);
    });
}

#[test]
fn by_default_there_is_room_for_1024() {
    world(async {
        let scene = Scene::new();
        let mut events = scene.supervisor.events(Events::new());
        crashes(&scene, 600).await;
        let told = read(&mut events);
        assert_eq!(
            (told.len(), told[0].as_str()),
            (1025, "missed 179"),
            "1,203 were told: a start, two for each crash, half the limit, an end"
        );
    });
}

#[test]
fn what_waits_can_be_read_when_the_supervisor_has_ended() {
    world(async {
        let scene = Scene::new();
        let mut events = scene.supervisor.events(Events::new().capacity(2));
        let report = scene.supervisor.stop().await.unwrap();
        assert!(report.is_clean());
        assert_eq!(read(&mut events), ["closes 0", "ends: normal", "."]);
        assert_eq!(read(&mut events), ["."], "and it stays so");
    });
}

#[test]
fn of_a_supervisor_that_is_gone_the_stream_is_at_its_end() {
    world(async {
        let scene = Scene::new();
        scene.supervisor.stop().await.unwrap();
        assert!(scene.supervisor.events(Events::new()).next().await.is_none());
    });
}

#[test]
fn a_stream_that_was_asked_for_when_the_supervisor_ends_ends_too() {
    world(async {
        let scene = Scene::new();
        let stopping = scene.supervisor.stop();
        let mut events = scene.supervisor.events(Events::new());
        stopping.await.unwrap();
        settle().await;
        assert_eq!(read(&mut events).last().unwrap(), ".");
    });
}

#[test]
fn streams_that_are_dropped_are_forgotten_and_others_go_on() {
    world(async {
        let mut scene = Scene::new();
        for _ in 0..1000 {
            drop(scene.supervisor.events(Events::new()));
        }
        crashes(&scene, 0).await;
        assert_eq!(scene.told().await.len(), 2);
    });
}

#[test]
fn a_stream_does_not_keep_its_supervisor_alive() {
    world(async {
        let Scene { supervisor, mut events, .. } = Scene::new();
        drop(supervisor);
        assert_eq!(events.next().await.map(|event| super::words(&event)).unwrap(), "closes 0");
        assert_eq!(events.map(|event| super::words(&event)).collect::<Vec<_>>().await, ["ends: normal"]);
    });
}

#[test]
fn on_another_thread_none_is_lost_that_is_not_told_as_missed() {
    const CRASHES: usize = 3_000;
    real_world(async {
        let supervisor = DynamicSupervisor::builder().max_restarts(u32::MAX).start().unwrap();
        let readers: Vec<_> = [1, 7, 100_000]
            .map(|capacity| supervisor.events(Events::new().capacity(capacity)))
            .into_iter()
            .map(|mut events| {
                thread::spawn(move || {
                    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    let (mut read, mut missed, mut last) = (0, 0, 0);
                    while let Some(event) = other.block_on(events.next()) {
                        match event.kind {
                            EventKind::Missed { events } => missed += events,
                            EventKind::Exited { child, .. } => {
                                assert!(child.incarnation > last, "in order");
                                last = child.incarnation;
                                read += 1;
                            }
                            _ => read += 1,
                        }
                    }
                    (read, missed)
                })
            })
            .collect();
        let child = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        for _ in 0..CRASHES {
            child.addr.do_send(Panic("boom"));
        }
        assert_eq!(child.addr.send(Ask).await, Ok(CRASHES + 1));
        supervisor.stop().await.unwrap();
        // Started, two for each crash, the end; closes, ends.
        let all = 2 * CRASHES as u64 + 4;
        let told: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert!(told.iter().all(|(read, missed)| read + missed == all), "{told:?}");
        assert_eq!(told[2], (all, 0));
    });
}

#[test]
fn an_event_prints_itself_as_one_line_whatever_users_texts_hold() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().name("a\nb"));
        let events = scene.supervisor.events(Events::new());
        let (child, _monitor) = scene.watch(scene.probe().id("c\u{1b}[31md").restart(Restart::Temporary)).await;
        child.addr.send(crate::support::Exit(ExitReason::failed("no\r\nway"))).await.unwrap();
        scene.supervisor.stop().await.unwrap();
        let lines: Vec<_> = events.map(|event| event.to_string()).collect().await;
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
        assert!(lines[1].contains("no\\r\\nway") && lines[1].starts_with("a\\nb: "), "{lines:?}");
    });
}
