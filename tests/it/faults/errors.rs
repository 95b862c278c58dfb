//! F06 for errors: what a child fails with is user code too. Its `Display`, `Debug` and `Drop` may panic.

use std::{error::Error, fmt, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{fail, Bomb, Scene};
use crate::support::{settle, world, Ask, Do, Exit, Panic, Probe};

/// Cannot be printed in any way.
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        fail("in Display")
    }
}

impl fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        fail("in Debug")
    }
}

impl Error for Unspeakable {}

/// Panics when its last owner drops it.
#[derive(Debug)]
struct Undroppable(#[allow(dead_code)] Armed);

struct Armed(#[allow(dead_code)] Bomb);

impl fmt::Debug for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Armed")
    }
}

impl fmt::Display for Undroppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("undroppable")
    }
}

impl Error for Undroppable {}

fn undroppable() -> Undroppable {
    Undroppable(Armed(Bomb))
}

// ---- Display and Debug

/// F06
#[test]
fn an_exit_with_an_error_that_cannot_be_printed_is_reported_once_and_restarted() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        child.addr.send(Exit(ExitReason::failed(Unspeakable))).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.told(), ["child_terminated"]);
        assert!(scene.reports.all()[0].field("reason").contains("Display panicked"));
        assert!(matches!(scene.info(child.id).await.last_exit, Some(ExitReason::Failed(_))));
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_restart_that_fails_with_an_error_that_cannot_be_printed_is_tried_again() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx| match cx.incarnation() {
            2 => Err(Unspeakable),
            n => Ok(Start::Run(Probe::new(&journal, n))),
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        assert_eq!(scene.told(), ["child_terminated", "start_error", super::NEAR]);
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_first_start_that_fails_with_an_error_that_cannot_be_printed_hands_it_to_its_caller() {
    world(async {
        let scene = Scene::new().await;

        let started = scene.supervisor.start_child(Child::try_with(|_| Err::<Start<Probe>, _>(Unspeakable))).await;

        let Err(StartChildError::Failed(error)) = started else { panic!("it fails") };
        assert!(error.is::<Unspeakable>());
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_supervisor_may_be_stopped_with_a_reason_that_cannot_be_printed() {
    world(async {
        let scene = Scene::new().await;
        let exited = scene.supervisor.exited();

        let report = scene.supervisor.stop_with(ExitReason::failed(Unspeakable), None).await.unwrap();

        assert_eq!(report.stopped, 1);
        assert!(matches!(exited.await, ExitReason::Failed(_)));
    });
}

// ---- Drop

/// F06
#[test]
fn a_reason_that_panics_when_the_next_one_replaces_it_ends_neither_child_nor_supervisor() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        // Nobody but supervisor and runner hold the first error when the second takes its place as the last exit.
        for incarnation in 1..=3 {
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
            child.addr.send(Exit(ExitReason::failed(undroppable()))).await.unwrap();
        }

        assert_eq!(child.addr.send(Ask).await, Ok(4));
        assert_eq!(scene.last_exit(child.id).await, "failed: undroppable");
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_reason_that_panics_when_dropped_may_be_the_last_of_a_child_that_is_forgotten() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::child(&scene.journal).restart(Restart::Temporary);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.send(Exit(ExitReason::failed(undroppable()))).await.unwrap();

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert!(!child.addr.connected());
    });
}

/// F06
#[test]
fn a_reason_that_panics_when_dropped_may_be_overruled_by_a_panic_in_a_hook() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| match probe.incarnation {
            1 => probe.on_stopping(|_, _| fail("in stopping")),
            _ => probe,
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.send(Exit(ExitReason::failed(undroppable()))).await.unwrap();
        settle().await;

        assert_eq!(scene.others().await, (1, 1));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "panicked: in stopping");
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_reason_that_panics_when_dropped_may_be_overruled_by_a_kill() {
    for brutal in [false, true] {
        world(async {
            let scene = Scene::new().await;
            let spec = Probe::scripted(&scene.journal, |probe| probe.on_stopping(|_, _| Running::Continue))
                .shutdown(if brutal { Shutdown::BrutalKill } else { Shutdown::Timeout(Duration::from_secs(1)) });
            let child = scene.supervisor.start_child(spec).await.unwrap();
            child.addr.send(Exit(ExitReason::failed(undroppable()))).await.unwrap();

            let terminated = scene.supervisor.terminate_child(child.id).await;

            assert_eq!(terminated, Ok(()), "brutal: {brutal}");
            scene.expect_no_other_harm().await;
            assert_eq!(scene.others().await, (0, 0));
            assert!(scene.journal.has("dropped 1"));
        });
    }
}

/// F06
#[test]
fn an_error_of_a_failed_restart_may_panic_when_dropped() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx| match cx.incarnation() {
            2 => Err(undroppable()),
            n => Ok(Start::Run(Probe::new(&journal, n))),
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(3));
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn an_error_of_a_first_start_that_nobody_waits_for_may_panic_when_dropped() {
    world(async {
        let scene = Scene::new().await;

        scene.supervisor.do_send(StartChild(Child::try_with(|_| Err::<Start<Probe>, _>(undroppable()))));

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
    });
}

/// F06
#[test]
fn an_error_of_a_start_that_comes_while_the_supervisor_closes_may_panic_when_dropped() {
    world(async {
        let scene = Scene::new().await;
        let slow = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|probe, ctx| {
                probe.note("stopping for a while");
                ctx.run_later(Duration::from_secs(1), |_, ctx| ctx.terminate());
                Running::Continue
            })
        });
        scene.supervisor.start_child(slow).await.unwrap();
        let supervisor = scene.supervisor.clone();
        // The failure is reported into a mailbox in which the stop waits already.
        let failing = Child::from_async(move |_| {
            let supervisor = supervisor.clone();
            async move {
                supervisor.do_send(Stop::default());
                Err::<Start<Probe>, _>(undroppable())
            }
        });
        let exited = scene.supervisor.exited();

        let started = scene.supervisor.start_child(failing).await;

        assert!(started.is_err());
        assert_eq!(exited.await.to_string(), "normal");
        assert!(scene.journal.has("stopped 1"), "the slow one was waited for: {:?}", scene.journal.entries());
    });
}

/// F06
#[test]
fn a_second_reason_to_stop_may_panic_when_dropped() {
    world(async {
        let scene = Scene::new().await;
        let slow = Probe::scripted(&scene.journal, |probe| {
            probe.on_stopping(|_, ctx| {
                ctx.run_later(Duration::from_secs(1), |_, ctx| ctx.terminate());
                Running::Continue
            })
        });
        scene.supervisor.start_child(slow).await.unwrap();
        let exited = scene.supervisor.exited();

        let first = scene.supervisor.stop();
        let second = scene.supervisor.stop_with(ExitReason::failed(undroppable()), None);

        assert_eq!(first.await.unwrap().stopped, 2);
        assert_eq!(second.await.unwrap().stopped, 2);
        assert!(matches!(exited.await, ExitReason::Normal), "the first reason stands");
    });
}

/// F06
#[test]
fn an_error_given_up_for_another_may_panic_when_it_is_dropped() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        child.addr.do_send(Do::this(|_, ctx| {
            ctx.exit(ExitReason::failed(undroppable()));
            ctx.exit(ExitReason::Normal);
        }));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "normal");
        assert_eq!(scene.told(), [super::CONTAINED, "child_terminated"]);
        scene.expect_no_other_harm().await;
    });
}
