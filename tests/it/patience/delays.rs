//! When a child that has to come back is tried.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{crash, ms, pass, Scene, SECOND};
use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe, Reports};

#[test]
fn tries_come_at_the_moments_that_the_backoff_says() {
    world(async {
        let scene = Scene::new();
        let spec = scene.never_back().backoff(Backoff::exponential(ms(100), SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        pass(Duration::from_secs(5)).await;

        assert_eq!(scene.moments(), [100, 300, 700, 1500, 2500, 3500, 4500]);
    });
}

#[test]
fn a_child_that_waits_is_restarting_and_says_when_it_is_tried_next() {
    world(async {
        let scene = Scene::new();
        let spec = scene.back_after(2..4).backoff(Backoff::exponential(ms(100), SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        assert_eq!(scene.state().await, (ChildState::Running, None));

        crash(&child.addr).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(100)));
        assert_eq!(scene.counts().await, (1, 0));
        assert_eq!(scene.only().await.last_exit.unwrap().to_string(), "panicked: boom");
        assert_eq!(scene.only().await.addr::<Probe>(), Some(child.addr.clone()));

        pass(ms(150)).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(300)), "a delayed try that failed");
        assert_eq!(scene.counts().await, (1, 0));
        pass(ms(200)).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(700)));
        pass(ms(400)).await;
        assert_eq!(scene.state().await, (ChildState::Running, None));
        assert_eq!((scene.counts().await, scene.only().await.restarts), ((1, 1), 1));
        assert_eq!(scene.moments(), [0, 100, 300, 700]);
    });
}

#[test]
fn a_delayed_try_that_takes_time_and_fails_leaves_the_child_restarting_too() {
    world(async {
        let scene = Scene::new();
        let (journal, began) = (scene.journal.clone(), scene.began);
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = journal.clone();
            async move {
                journal.note(format_args!("at {}", began.elapsed().as_millis()));
                match cx.incarnation() {
                    1 => {}
                    2..5 => {
                        tokio::time::sleep(ms(10)).await;
                        return Err("not yet");
                    }
                    _ => tokio::time::sleep(ms(10)).await,
                }
                Ok(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let spec = spec.backoff(Backoff::fixed(ms(100)));
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        for due in [100, 210, 320, 430] {
            assert_eq!(scene.state().await, (ChildState::Restarting, Some(due)));
            pass(ms(105)).await;
            assert_eq!(scene.state().await, (ChildState::Restarting, None), "it is tried just now");
            pass(ms(5)).await;
        }

        assert_eq!(scene.state().await, (ChildState::Running, None));
        assert_eq!(scene.moments(), [0, 100, 210, 320, 430]);
        assert_eq!(child.addr.send(Ask).await, Ok(5));
    });
}

#[test]
fn a_delayed_try_that_panics_or_stops_or_is_too_late_is_followed_by_the_next() {
    world(async {
        let scene = Scene::new();
        let (journal, began) = (scene.journal.clone(), scene.began);
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = journal.clone();
            let incarnation = cx.incarnation();
            journal.note(format_args!("at {}", began.elapsed().as_millis()));
            assert!(incarnation != 2, "in the factory");
            async move {
                assert!(incarnation != 3, "in the future");
                if incarnation == 4 {
                    std::future::pending::<()>().await;
                }
                let probe = Probe::new(&journal, incarnation);
                Ok::<_, BoxError>(Start::Run(match incarnation {
                    5 => probe.on_started(|_, ctx| ctx.stop()),
                    6 => probe.on_started(|_, _| panic!("in a hook")),
                    _ => probe,
                }))
            }
        });
        let spec = spec.backoff(Backoff::fixed(ms(100))).start_timeout(ms(50));
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(7), "asked while it waited");

        assert_eq!(scene.moments(), [0, 100, 200, 300, 450, 550, 650]);
        assert_eq!(scene.state().await, (ChildState::Running, None));
    });
}

#[test]
fn messages_sent_while_a_child_waits_are_handled_by_the_next_incarnation_in_order() {
    world(async {
        let scene = Scene::new();
        let spec = Probe::child(&scene.journal).backoff(Backoff::fixed(SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        crash(&child.addr).await;
        for number in 0..100 {
            child.addr.do_send(Do::this(move |probe, _| probe.note(&format!("message {number} in"))));
        }
        settle().await;
        assert!(!scene.journal.has("message 0 in 2"));

        pass(SECOND).await;

        let handled: Vec<_> = scene.journal.entries().into_iter().filter(|entry| entry.contains("message")).collect();
        assert_eq!(handled, (0..100).map(|number| format!("message {number} in 2")).collect::<Vec<_>>());
    });
}

#[test]
fn tries_are_forgotten_when_a_child_has_run_for_a_stable_time_and_not_before() {
    world(async {
        let scene = Scene::new();
        let backoff = Backoff::exponential(ms(100), SECOND).forget_after(ms(500));
        let child = scene.supervisor.start_child(Probe::child(&scene.journal).backoff(backoff)).await.unwrap();
        let mut delays = Vec::new();
        for ran_for in [0, 0, 499, 499, 500, 0] {
            pass(ms(ran_for)).await;
            let crashed = scene.elapsed();
            crash(&child.addr).await;
            delays.push(scene.state().await.1.unwrap() - crashed);
            pass(SECOND.min(ms(delays[delays.len() - 1] as u64))).await;
            assert_eq!(scene.state().await.0, ChildState::Running);
        }

        assert_eq!(delays, [100, 200, 400, 800, 100, 200]);
    });
}

#[test]
fn a_function_decides_by_the_try_and_by_how_the_last_incarnation_ended() {
    world(async {
        let scene = Scene::new();
        let seen = Journal::new();
        let told = seen.clone();
        let backoff = Backoff::with(move |tries, reason| {
            told.note(format_args!("{tries} {reason}"));
            if reason.is_abnormal() {
                ms(100 * u64::from(tries))
            } else {
                Duration::ZERO
            }
        });
        let child = scene.supervisor.start_child(scene.back_after(2..4).backoff(backoff)).await.unwrap();

        crash(&child.addr).await;
        pass(SECOND).await;
        child.addr.do_send(Exit(ExitReason::Normal));
        assert_eq!(child.addr.send(Ask).await, Ok(5));

        assert_eq!(scene.moments(), [0, 100, 300, 600, 1000]);
        assert_eq!(seen.entries(), ["1 panicked: boom", "2 panicked: boom", "3 panicked: boom", "4 normal"]);
    });
}

#[test]
fn a_function_that_panics_is_told_and_the_try_is_made_at_once() {
    world(async {
        let (scene, reports) = (Scene::new(), Reports::capture());
        let backoff = Backoff::with(|tries, _| if tries < 3 { panic!("no idea") } else { SECOND });
        let spec = scene.back_after(2..4).backoff(backoff);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(1000)));
        pass(SECOND).await;

        assert_eq!(scene.moments(), [0, 0, 0, 1000]);
        let told = reports.lines().iter().filter(|line| line.field("panic") == "no idea").count();
        assert_eq!(
            (told, reports.kinds()),
            (2, vec!["child_terminated".into(), "start_error".into(), "start_error".into()])
        );
        assert_eq!(child.addr.send(Ask).await, Ok(4));
    });
}

#[test]
fn a_delay_without_end_never_passes_and_can_be_terminated() {
    for delay in [Duration::MAX, A_CENTURY * 1000, A_CENTURY] {
        world(async move {
            let scene = Scene::new();
            let spec = Probe::child(&scene.journal).backoff(Backoff::fixed(delay));
            let child = scene.supervisor.start_child(spec).await.unwrap();
            crash(&child.addr).await;

            pass(Duration::from_secs(23 * 60 * 60)).await;

            let only = scene.only().await;
            assert_eq!(only.state, ChildState::Restarting);
            assert!(only.next_try.unwrap() >= scene.began + A_CENTURY);
            assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));
            assert_eq!(scene.counts().await, (0, 0));
            assert!(!scene.journal.has("started 2"));
        });
    }
}

const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[test]
fn the_shortest_of_delays_is_one_too() {
    world(async {
        let scene = Scene::new();
        let spec = Probe::child(&scene.journal).backoff(Backoff::fixed(Duration::from_nanos(1)));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        for incarnation in 2..20 {
            child.addr.do_send(Panic("again"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }
        assert!(scene.elapsed() < 100);
    });
}

#[test]
fn a_delay_of_the_supervisors_is_for_children_that_have_none_of_their_own() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1000).backoff(Backoff::fixed(ms(300))));
        let (plain, own, none) = (Journal::new(), Journal::new(), Journal::new());
        let fixed = Probe::child(&own).backoff(Backoff::fixed(ms(50)));
        let children = [
            scene.supervisor.start_child(Probe::child(&plain)).await.unwrap(),
            scene.supervisor.start_child(fixed).await.unwrap(),
            scene.supervisor.start_child(Probe::child(&none).backoff(Backoff::none())).await.unwrap(),
        ];

        for child in &children {
            child.addr.do_send(Panic("boom"));
        }
        settle().await;
        let back = || [&plain, &own, &none].map(|journal| journal.has("started 2"));
        assert_eq!(back(), [false, false, true]);
        pass(ms(50)).await;
        assert_eq!(back(), [false, true, true]);
        pass(ms(249)).await;
        assert_eq!(back(), [false, true, true]);
        pass(ms(1)).await;
        assert_eq!(back(), [true, true, true]);
    });
}

#[test]
fn a_new_delay_of_the_supervisors_is_for_the_next_wait() {
    static WANTED: std::sync::Mutex<Option<u64>> = std::sync::Mutex::new(Some(300));
    struct Patient;
    impl SupervisorModule for Patient {
        type Arg = ();
        fn init((): &()) -> Result<Init, BoxError> {
            let flags = Flags::new().max_restarts(1000);
            Ok(Init::Flags(match *WANTED.lock().unwrap() {
                Some(wanted) => flags.backoff(Backoff::fixed(ms(wanted))),
                None => flags,
            }))
        }
    }
    world(async {
        let scene = Scene::at(DynamicSupervisor::start_module::<Patient>(()).unwrap());
        let child = scene.supervisor.start_child(scene.back_after(0..0)).await.unwrap();
        crash(&child.addr).await;
        assert_eq!(scene.state().await.1, Some(300));

        *WANTED.lock().unwrap() = Some(50);
        scene.supervisor.reinit().await.unwrap();
        assert_eq!(scene.state().await.1, Some(300), "one that goes on is not changed");
        pass(ms(300)).await;
        crash(&child.addr).await;
        assert_eq!(scene.state().await.1, Some(350));

        pass(ms(50)).await;
        *WANTED.lock().unwrap() = None;
        scene.supervisor.reinit().await.unwrap();
        crash(&child.addr).await;
        assert_eq!(scene.state().await.0, ChildState::Running);
        assert_eq!(scene.moments(), [0, 300, 350, 350]);
    });
}

#[test]
fn a_limit_that_is_reached_ends_the_supervisor_at_once_and_not_after_the_delay() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(2).max_seconds(60));
        let spec = scene.never_back().backoff(Backoff::fixed(SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let ended = scene.supervisor.exited();

        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert_eq!((scene.moments(), scene.elapsed()), (vec![1000, 2000], 2000));
        assert!(!child.addr.connected());
    });
}

#[test]
fn a_delay_longer_than_the_period_never_reaches_the_limit() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1).max_seconds(5));
        let spec = scene.never_back().backoff(Backoff::fixed(Duration::from_secs(6)));
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        pass(Duration::from_secs(600)).await;

        assert_eq!(scene.moments().len(), 100);
        assert_eq!(scene.counts().await, (1, 0));
    });
}

#[test]
fn children_that_fell_together_do_not_come_back_together_and_the_same_seed_says_the_same() {
    let moments = |seed| {
        world(async move {
            let backoff = Backoff::fixed(SECOND).jitter(0.5, seed);
            let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1000).backoff(backoff));
            let mut children = Vec::new();
            for _ in 0..20 {
                children.push(scene.supervisor.start_child(scene.back_after(0..0)).await.unwrap());
            }
            scene.journal.take();
            for child in &children {
                child.addr.do_send(Panic("boom"));
            }
            pass(SECOND).await;
            scene.moments()
        })
    };
    let first = moments(7);

    assert_eq!(first.len(), 20);
    assert!(first.iter().all(|at| (500..=1000).contains(at)), "{first:?}");
    assert!(first.last().unwrap() - first[0] > 200, "{first:?}");
    assert_eq!(first, moments(7));
    assert_ne!(first, moments(8));
}

#[test]
fn a_child_that_waits_fills_its_place() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1000).max_children(1));
        let spec = Probe::child(&scene.journal).backoff(Backoff::fixed(SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        crash(&child.addr).await;

        let refused = scene.supervisor.start_child(Probe::child(&scene.journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 1 })));
        pass(SECOND).await;

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(scene.counts().await, (1, 1));
    });
}
