//! Every way in which a child can end, told as events and to who monitors it: each incarnation's end once, in order.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Backoff};

use super::{crash, ends, pass, Scene, SECOND};
use crate::support::{
    script::{gated, slow_to_stop, starts_once, stubborn, Gate},
    settle, world, Ask, Do, Exit, Panic, Probe,
};

#[test]
fn a_crash_and_the_restart_are_told_with_the_time_it_ran() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        pass(7000).await;
        crash(&child.addr).await;
        pass(50).await;
        crash(&child.addr).await;
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 7000: panicked: boom, back",
                "1#2 restarted after 0",
                "1#2 exited after 50: panicked: boom, back",
                "1#3 restarted after 0",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 7000, back", "2 panicked: boom after 50, back"]);
    });
}

#[test]
fn an_end_by_itself_is_the_last_one_for_who_is_not_permanent() {
    for (restart, reason, text) in [
        (Restart::Transient, ExitReason::Normal, "normal"),
        (Restart::Transient, ExitReason::shutdown_with("done"), "shutdown: done"),
        (Restart::Temporary, ExitReason::failed("oh"), "failed: oh"),
        (Restart::Temporary, ExitReason::Killed, "killed"),
    ] {
        world(async {
            let mut scene = Scene::new();
            let (child, mut monitor) = scene.watch(scene.probe().restart(restart)).await;
            pass(10).await;
            child.addr.send(Exit(reason)).await.unwrap();
            assert_eq!(scene.told().await, ["1#1 started".to_owned(), format!("1#1 exited after 10: {text}")]);
            assert_eq!(ends(&mut monitor), [format!("1 {text} after 10"), ".".into()]);
        });
    }
}

#[test]
fn terminated_fast_it_was_asked_and_is_gone() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        pass(10).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 10: shutdown, asked"]);
        assert_eq!(ends(&mut monitor), ["1 shutdown after 10", "."]);
    });
}

#[test]
fn terminated_slowly_it_ran_until_it_had_ended() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) =
            scene.watch(Probe::scripted(&scene.journal, |probe| slow_to_stop(probe, 3 * SECOND))).await;
        pass(1000).await;
        let asked = scene.supervisor.terminate_child(child.id);
        settle().await;
        assert_eq!((scene.told().await, ends(&mut monitor)), (vec!["1#1 started".to_owned()], vec![]));
        asked.await.unwrap();
        assert_eq!(scene.told().await, ["1#1 exited after 4000: shutdown, asked"]);
        assert_eq!(ends(&mut monitor), ["1 shutdown after 4000", "."]);
    });
}

#[test]
fn killed_at_its_deadline_that_is_told_before_its_end() {
    world(async {
        let mut scene = Scene::new();
        let spec = Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Timeout(2 * SECOND));
        let (child, mut monitor) = scene.watch(spec).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(
            scene.told().await,
            ["1#1 started", "1#1 killed at deadline", "1#1 exited after 2000: killed, asked"]
        );
        assert_eq!(ends(&mut monitor), ["1 killed after 2000", "."]);
    });
}

#[test]
fn killed_brutally_no_deadline_has_passed() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe().shutdown(Shutdown::BrutalKill)).await;
        pass(10).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 10: killed, asked"]);
        assert_eq!(ends(&mut monitor), ["1 killed after 10", "."]);
    });
}

#[test]
fn killed_by_somebody_it_was_not_asked_and_comes_back() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        pass(10).await;
        scene.supervisor.kill_child(child.id).await.unwrap();
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 10: killed, back", "1#2 restarted after 0"]);
        assert_eq!(ends(&mut monitor), ["1 killed after 10, back"]);
    });
}

#[test]
fn killed_by_somebody_while_it_takes_its_time_to_end_that_is_no_deadline() {
    world(async {
        let mut scene = Scene::new();
        let spec = Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Timeout(2 * SECOND));
        let (child, mut monitor) = scene.watch(spec).await;
        let asked = scene.supervisor.terminate_child(child.id);
        pass(500).await;
        scene.supervisor.kill_child(child.id).await.unwrap();
        asked.await.unwrap();
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 500: killed, asked"]);
        assert_eq!(ends(&mut monitor), ["1 killed after 500", "."]);
    });
}

#[test]
fn killed_when_the_deadline_of_the_whole_stop_has_passed_that_is_a_deadline() {
    world(async {
        let mut scene = Scene::new();
        let spec = Probe::scripted(&scene.journal, stubborn).shutdown(Shutdown::Infinity);
        let (_child, mut monitor) = scene.watch(spec).await;
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
        assert_eq!(ends(&mut monitor), ["1 killed after 3000", "."]);
    });
}

#[test]
fn terminated_between_its_end_and_the_notice_of_it_the_end_is_its_own() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        pass(10).await;
        let (supervisor, id) = (scene.supervisor.clone(), child.id);
        // In its own turn it asks for its end, then crashes: the request lies before the notice.
        let crashing = child.addr.send(Do::this(move |_, _| {
            supervisor.do_send(TerminateChild(id.into()));
            std::panic::panic_any("boom");
        }));
        assert!(crashing.await.is_err());
        let told = scene.told().await;
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 10", "."]);
        assert_eq!(told, ["1#1 started", "1#1 exited after 10: panicked: boom"]);
    });
}

#[test]
fn tries_that_fail_are_no_ends() {
    world(async {
        let mut scene = Scene::new();
        let mut tries = 0;
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            tries += 1;
            match tries {
                1 | 4 => Ok(Start::Run(Probe::new(&journal, cx.incarnation()))),
                _ => Err("not yet"),
            }
        });
        let (child, mut monitor) = scene.watch(spec.backoff(Backoff::fixed(SECOND))).await;
        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(4));
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom, back",
                "1#2 try 1 in 1000",
                "1#2 start failed: failed: not yet, back",
                "1#3 try 2 in 1000",
                "1#3 start failed: failed: not yet, back",
                "1#4 try 3 in 1000",
                "1#4 restarted after 3000",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back"]);
    });
}

#[test]
fn who_declines_to_come_back_is_gone() {
    world(async {
        let mut scene = Scene::new();
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            Ok::<_, BoxError>(match cx.incarnation() {
                1 => Start::Run(Probe::new(&journal, 1)),
                _ => Start::Ignore,
            })
        });
        let (child, mut monitor) = scene.watch(spec).await;
        crash(&child.addr).await;
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 0: panicked: boom, back", "1#2 declined"]);
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back", "2 panicked: boom away", "."]);
    });
}

#[test]
fn terminated_while_it_waits_for_its_next_try_it_is_removed() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe().backoff(Backoff::fixed(9 * SECOND))).await;
        crash(&child.addr).await;
        pass(1000).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(
            scene.told().await,
            ["1#1 started", "1#1 exited after 0: panicked: boom, back", "1#2 try 1 in 9000", "1#2 removed: shutdown",]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back", "2 panicked: boom away", "."]);
    });
}

#[test]
fn terminated_while_its_restart_goes_on_it_is_removed() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(gated(&scene.journal, &Gate::shut(), 2)).await;
        crash(&child.addr).await;
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(
            scene.told().await,
            ["1#1 started", "1#1 exited after 0: panicked: boom, back", "1#2 removed: shutdown"]
        );
        assert_eq!(ends(&mut monitor).len(), 3);
    });
}

/// The supervisor is told to terminate a child in the very turn in which its asynchronous start comes to its end.
async fn terminated_behind_its_start(scene: &Scene, incarnation: usize) {
    let gate = Gate::shut();
    let (supervisor, passed) = (scene.supervisor.clone(), gate.clone());
    let (journal, slow) = (scene.journal.clone(), incarnation);
    let spec = Child::from_async(move |cx: StartContext<Probe>| {
        let (supervisor, gate, journal) = (supervisor.clone(), passed.clone(), journal.clone());
        async move {
            if cx.incarnation() == slow {
                gate.pass().await;
                // Before the notice that it runs.
                supervisor.do_send(TerminateChild(cx.id().into()));
            }
            Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
        }
    });
    let starting = scene.supervisor.start_child(spec);
    if incarnation == 1 {
        gate.admit(1);
        assert!(starting.await.is_err(), "never one to its starter");
    } else {
        crash(&starting.await.unwrap().addr).await;
        gate.admit(1);
    }
}

#[test]
fn terminated_between_its_asynchronous_start_and_the_notice_of_it_both_are_told() {
    world(async {
        let mut scene = Scene::new();
        terminated_behind_its_start(&scene, 1).await;
        assert_eq!(scene.told().await, ["1#1 started", "1#1 exited after 0: shutdown, asked"]);
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn terminated_between_its_asynchronous_restart_and_the_notice_of_it_both_are_told() {
    world(async {
        let mut scene = Scene::new();
        terminated_behind_its_start(&scene, 2).await;
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom, back",
                "1#2 restarted after 0",
                "1#2 exited after 0: shutdown, asked",
            ]
        );
        assert!(scene.journal.has("dropped 2"));
    });
}

#[test]
fn at_the_end_of_its_own_limit_a_child_exits_and_is_given_up() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(scene.probe().max_restarts(1, SECOND)).await;
        crash(&child.addr).await;
        crash(&child.addr).await;
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom, back",
                "1#2 restarted after 0",
                "1#2 exited after 0: panicked: boom",
                "1#2 given up with 2 lives",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back", "2 panicked: boom after 0", "."]);
    });
}

#[test]
fn given_up_by_a_try_that_failed_its_end_is_told_again() {
    world(async {
        let mut scene = Scene::new();
        let (child, mut monitor) = scene.watch(starts_once(&scene.journal, |_| {}).max_restarts(2, SECOND)).await;
        crash(&child.addr).await;
        let told = scene.told().await;
        assert_eq!(
            told[told.len() - 2..],
            ["1#3 start failed: failed: it does not come back, back", "1#3 given up with 3 lives"]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back", "3 panicked: boom away", "."]);
    });
}

#[test]
fn parked_a_child_is_not_gone() {
    world(async {
        let mut scene = Scene::new();
        let park = GiveUp::Park { every: 5 * SECOND };
        let (child, mut monitor) = scene.watch(scene.probe().max_restarts(0, SECOND).give_up(park)).await;
        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom, back",
                "1#2 try 1 in 5000",
                "1#2 restarted after 5000",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0, back"]);
    });
}

#[test]
fn escalated_it_exits_and_the_limit_is_reached() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(0));
        let spec = scene.probe().max_restarts(0, SECOND).give_up(GiveUp::Escalate);
        let (child, mut monitor) = scene.watch(spec).await;
        crash(&child.addr).await;
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "1#1 exited after 0: panicked: boom",
                "1#1 limit reached with 1 lives",
                "closes 0",
                "ends: shutdown",
                ".",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 0", "."]);
    });
}

#[test]
fn the_limit_reached_takes_all_with_it() {
    world(async {
        let mut scene = Scene::of(DynamicSupervisor::builder().max_restarts(0));
        let (_sibling, mut siblings) = scene.watch(scene.probe()).await;
        let (child, mut monitor) = scene.watch(scene.probe()).await;
        pass(10).await;
        crash(&child.addr).await;
        assert_eq!(
            scene.told().await,
            [
                "1#1 started",
                "2#1 started",
                "2#1 exited after 10: panicked: boom",
                "2#1 limit reached with 1 lives",
                "closes 1",
                "1#1 exited after 10: shutdown, asked",
                "ends: shutdown",
                ".",
            ]
        );
        assert_eq!(ends(&mut monitor), ["1 panicked: boom after 10", "."]);
        assert_eq!(ends(&mut siblings), ["1 shutdown after 10", "."]);
    });
}

#[test]
fn a_supervisor_that_is_stopped_tells_the_end_of_each_child() {
    world(async {
        let mut scene = Scene::new();
        let (_first, mut first) = scene.watch(scene.probe()).await;
        let (away, mut second) = scene.watch(scene.probe().backoff(Backoff::fixed(9 * SECOND))).await;
        crash(&away.addr).await;
        scene.told().await;
        scene.supervisor.stop().await.unwrap();
        assert_eq!(
            scene.told().await,
            ["closes 2", "1#1 exited after 0: shutdown, asked", "2#2 removed: shutdown", "ends: normal", "."]
        );
        assert_eq!(ends(&mut first), ["1 shutdown after 0", "."]);
        assert_eq!(ends(&mut second).last().unwrap(), ".");
    });
}

#[test]
fn a_message_left_in_the_queue_is_counted_when_it_is_closed() {
    world(async {
        let mut scene = Scene::new();
        let (child, _monitor) = scene.watch(scene.probe().restart(Restart::Temporary)).await;
        child.addr.do_send(Panic("boom"));
        for _ in 0..70_000 {
            child.addr.do_send(Do::this(|_, _| {}));
        }
        assert_eq!(
            scene.told().await,
            ["1#1 started", "1#1 exited after 0: panicked: boom", "1#1 left 65536"],
            "those beyond are not counted"
        );
        let (child, _monitor) = scene.watch(scene.probe()).await;
        child.addr.do_send(Do::this(|_, ctx| ctx.stop()));
        (0..3).for_each(|_| child.addr.do_send(Do::this(|_, _| {})));
        scene.supervisor.terminate_child(child.id).await.unwrap();
        assert_eq!(scene.told().await.last().unwrap(), "2#1 left 3");
    });
}
