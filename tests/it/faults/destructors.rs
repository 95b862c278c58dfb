//! F06: panics in destructors. Contained, told once, and nothing else comes of them.

use std::{convert::Infallible, panic::panic_any, time::Duration};

use actix::{fut::wrap_future, prelude::*};
use actix_dynamic_supervisor::prelude::*;

use super::{fail, Bomb, Scene, CONTAINED};
use crate::support::{settle, world, Ask, Do, Panic, Probe};

/// Its first incarnation panics when it is dropped.
fn explosive(probe: Probe) -> Probe {
    match probe.incarnation {
        1 => probe.on_drop(|| fail("bomb")),
        _ => probe,
    }
}

/// Leaves a bomb in a future that never ends.
fn arm(_: &mut Probe, ctx: &mut Context<Probe>) {
    let bomb = Bomb;
    ctx.spawn(wrap_future(async move {
        let _bomb = bomb;
        std::future::pending().await
    }));
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

// ---- the actor's

/// F06
#[test]
fn a_destructor_of_the_actor_that_panics_after_a_crash_changes_neither_reason_nor_queue() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.supervisor.start_child(Probe::scripted(&scene.journal, explosive)).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "panicked: boom");
        assert_eq!(sorted(scene.told()), ["child_terminated", CONTAINED]);
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_destructor_of_the_actor_that_panics_leaves_a_quiet_end_quiet() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, explosive).restart(Restart::Transient);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.send(Do::this(|_, ctx| ctx.stop())).await.unwrap();

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0), "not restarted");
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn a_destructor_of_the_actor_that_panics_does_not_disturb_a_terminate_or_a_brutal_kill() {
    for shutdown in [Shutdown::Infinity, Shutdown::BrutalKill] {
        world(async {
            let scene = Scene::new().await;
            let spec = Probe::scripted(&scene.journal, explosive).shutdown(shutdown);
            let child = scene.supervisor.start_child(spec).await.unwrap();

            assert_eq!(scene.supervisor.terminate_child(&child.addr).await, Ok(()));

            scene.expect_no_other_harm().await;
            assert_eq!(scene.others().await, (0, 0));
            assert_eq!(scene.told(), [CONTAINED]);
        });
    }
}

/// F06
#[test]
fn a_destructor_of_the_actor_that_panics_as_it_is_killed_leaves_the_reason_killed() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.supervisor.start_child(Probe::scripted(&scene.journal, explosive)).await.unwrap();

        scene.supervisor.kill_child(child.id).await.unwrap();

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "killed");
        assert_eq!(sorted(scene.told()), ["child_terminated", CONTAINED]);
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_destructor_of_an_actor_that_did_not_start_leaves_the_answer_as_it_is() {
    world(async {
        let scene = Scene::new().await;
        let spec = Probe::scripted(&scene.journal, |probe| explosive(probe).on_started(|_, _| fail("too early")));

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Panicked(report)) if report.message() == "too early"));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn a_stop_of_the_supervisor_is_answered_though_every_destructor_panics() {
    world(async {
        let scene = Scene::new().await;
        for _ in 0..3 {
            scene.supervisor.start_child(Probe::scripted(&scene.journal, explosive)).await.unwrap();
        }

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!(report.stopped, 4);
        assert_eq!(scene.told(), [CONTAINED; 3]);
        assert!(!scene.supervisor.connected());
    });
}

// ---- what the context holds

/// F06
#[test]
fn a_destructor_of_a_spawned_future_that_panics_is_contained_on_crash_terminate_and_kill() {
    for end in ["crash", "terminate", "kill"] {
        world(async {
            let scene = Scene::new().await;
            let child = scene.victim().await;
            child.addr.send(Do::this(arm)).await.unwrap();

            match end {
                "crash" => assert!(child.addr.send(Panic("boom")).await.is_err()),
                "kill" => scene.supervisor.kill_child(child.id).await.unwrap(),
                _ => scene.supervisor.terminate_child(child.id).await.unwrap(),
            }

            scene.expect_no_other_harm().await;
            let told = sorted(scene.told());
            if end == "terminate" {
                assert_eq!((scene.others().await, told), ((0, 0), vec![CONTAINED.to_owned()]));
            } else {
                assert_eq!(told, ["child_terminated", CONTAINED], "{end}");
                assert_eq!(child.addr.send(Ask).await, Ok(2), "{end}");
                let reason = if end == "kill" { "killed" } else { "panicked: boom" };
                assert_eq!(scene.last_exit(child.id).await, reason);
            }
        });
    }
}

/// F06
#[test]
fn a_destructor_of_a_timer_that_panics_is_contained() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;
        let arm_timer = Do::this(|_, ctx| {
            let bomb = Bomb;
            ctx.run_later(Duration::from_secs(3600), move |_, _| drop(bomb));
        });
        child.addr.send(arm_timer).await.unwrap();

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));

        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn a_destructor_of_an_unfinished_asynchronous_start_is_contained() {
    world(async {
        let scene = Scene::new().await;
        let spec = Child::from_async(|_| {
            let bomb = Bomb;
            async move {
                let _bomb = bomb;
                std::future::pending::<Result<Start<Probe>, Infallible>>().await
            }
        })
        .start_timeout(Duration::from_secs(1));

        let started = scene.supervisor.start_child(spec).await;

        assert!(matches!(started, Err(StartChildError::Timeout)));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

// ---- the payload's

/// F06
#[test]
fn a_panic_whose_payload_panics_when_it_is_dropped_is_an_ordinary_crash() {
    world(async {
        let scene = Scene::new().await;
        let child = scene.victim().await;

        child.addr.do_send(Do::this(|_, _| panic_any(Bomb)));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.last_exit(child.id).await, "panicked: (a payload that is not text)");
        assert_eq!(scene.told(), ["child_terminated"]);
        scene.expect_no_other_harm().await;
    });
}

/// F06
#[test]
fn a_start_that_panics_with_a_payload_that_panics_when_it_is_dropped_is_answered() {
    world(async {
        let scene = Scene::new().await;

        let started = scene.supervisor.start_child(Child::new(|| -> Probe { panic_any(Bomb) })).await;

        assert!(matches!(started, Err(StartChildError::Panicked(_))));
        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (0, 0));
    });
}

// ---- what starts hold and hand over

/// F06
#[test]
fn the_info_of_a_start_that_nobody_takes_may_panic_when_it_is_dropped() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with_info(move |cx| {
            Ok::<_, Infallible>(Start::RunWith(Probe::new(&journal, cx.incarnation()), Bomb))
        });

        scene.supervisor.do_send(StartChild(spec));
        scene.journal.expect("started 1").await;

        scene.expect_no_other_harm().await;
        assert_eq!(scene.others().await, (1, 1));
        assert_eq!(scene.journal.entries(), ["started 1"]);
    });
}

/// F06
#[test]
fn the_info_of_a_failed_start_may_panic_when_it_is_dropped() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with_info(move |cx| {
            let probe = Probe::new(&journal, cx.incarnation()).on_started(|_, _| fail("too early"));
            Ok::<_, Infallible>(Start::RunWith(probe, Bomb))
        });

        let started = scene.supervisor.start_child(spec).await;

        let Err(StartChildError::Panicked(report)) = started else { panic!("not a panic") };
        assert_eq!(report.message(), "too early");
        scene.expect_no_other_harm().await;
        assert_eq!(scene.told(), [CONTAINED]);
    });
}

/// F06
#[test]
fn the_info_of_a_restart_may_panic_when_it_is_dropped_and_the_child_comes_back() {
    world(async {
        let scene = Scene::new().await;
        let journal = scene.journal.clone();
        let spec = Child::try_with_info(move |cx| {
            let bomb = (cx.incarnation() > 1).then(|| Bomb);
            Ok::<_, Infallible>(Start::RunWith(Probe::new(&journal, cx.incarnation()), bomb))
        });
        let child = scene.supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        scene.expect_no_other_harm().await;
        assert_eq!(sorted(scene.told()), ["child_terminated", CONTAINED]);
    });
}

/// F06
#[test]
fn an_extra_argument_may_panic_when_the_supervisor_drops_it() {
    #[derive(Clone)]
    struct Handed(std::sync::Arc<Bomb>);
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().extra_argument(Handed(std::sync::Arc::new(Bomb)))).await;
        let child = scene.victim().await;

        let report = scene.supervisor.stop().await.unwrap();
        settle().await;

        assert_eq!(report.stopped, 2);
        assert!(!child.addr.connected());
        assert!(scene.journal.has("dropped 1") && scene.bystanders_journal.has("dropped 1"));
    });
}
