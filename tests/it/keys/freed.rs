//! When a key is free again: before the end of its child is answered.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{holder, Desk, Scene};
use crate::support::script::{gated, slow_to_stop, starts_once, Gate};
use crate::support::{settle, world, Ask, Do, Exit, Journal, Panic, Probe};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_key_is_free_when_the_end_of_its_child_is_answered() {
    world(async {
        let scene = Scene::new();
        for round in 0..20 {
            let child = scene.start("a").await.unwrap();
            let terminated = match round % 4 {
                0 => scene.supervisor.terminate_child(child.id),
                1 => scene.supervisor.terminate_child(&child.addr),
                _ => scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a")),
            };
            assert_eq!(terminated.await, Ok(()));
            scene.expect_free("a").await;
        }
    });
}

#[test]
fn a_start_sent_right_behind_a_terminate_gets_the_key() {
    world(async {
        let scene = Scene::new();
        let first = scene.start("a").await.unwrap();

        let terminated = scene.supervisor.terminate_child(first.id);
        let second = scene.start("a");

        let second = second.await.expect("it is free");
        assert_eq!(terminated.await, Ok(()));
        assert_eq!(scene.supervisor.whereis("a"), Some(second.addr));
    });
}

#[test]
fn a_child_that_takes_its_time_to_end_has_its_key_till_then_and_is_not_found_by_it() {
    world(async {
        let scene = Scene::new();
        let slow = Probe::scripted(&scene.journal, |probe| slow_to_stop(probe, SECOND)).key("a");
        let child = scene.supervisor.start_child(slow).await.unwrap();

        let terminated = scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a"));
        scene.journal.expect("stopping 1").await;

        assert!(!scene.has("a"));
        let existing = holder(scene.start("a").await);
        assert_eq!((existing.id(), existing.addr()), (Some(child.id), Some(child.addr.clone())));
        let joined = scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a"));
        assert_eq!((terminated.await, joined.await), (Ok(()), Ok(())));
        scene.expect_free("a").await;
    });
}

#[test]
fn a_kill_by_key_cuts_the_wait_short() {
    world(async {
        let scene = Scene::new();
        let began = tokio::time::Instant::now();
        let slow = Probe::scripted(&scene.journal, |probe| slow_to_stop(probe, SECOND)).key("a");
        scene.supervisor.start_child(slow).await.unwrap();
        let terminated = scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a"));
        scene.journal.expect("stopping 1").await;

        assert_eq!(scene.supervisor.kill_child(ChildHandle::key::<Probe>("a")).await, Ok(()));

        assert_eq!(terminated.await, Ok(()));
        assert_eq!(began.elapsed(), Duration::ZERO);
        scene.expect_free("a").await;
    });
}

#[test]
fn a_first_start_that_fails_leaves_its_key_free() {
    world(async {
        let scene = Scene::new();
        let failing = || Child::try_with(|_| Err::<Start<Probe>, _>("no"));
        let declining = || Child::try_with(|_| Ok::<_, BoxError>(Start::<Probe>::Ignore));
        let panicking = || Child::new(|| -> Probe { std::panic::panic_any("no") });
        let stopping = Probe::scripted(&scene.journal, |probe| probe.on_started(|_, ctx| ctx.stop()));

        assert!(matches!(scene.supervisor.start_child(failing().key("a")).await, Err(StartChildError::Failed(_))));
        scene.expect_free("a").await;
        assert!(matches!(scene.supervisor.start_child(declining().key("a")).await, Err(StartChildError::Ignored)));
        scene.expect_free("a").await;
        let panicked = scene.supervisor.start_child(panicking().key("a")).await;
        assert!(matches!(panicked, Err(StartChildError::Panicked(_))));
        scene.expect_free("a").await;
        let exited = scene.supervisor.start_child(stopping.key("a")).await;
        assert!(matches!(exited, Err(StartChildError::Exited(_))));
        scene.expect_free("a").await;
        assert!(matches!(scene.supervisor.get_or_start("a", failing()).await, Err(StartChildError::Failed(_))));
        scene.expect_free("a").await;
        assert_eq!(scene.children().await, 0);
    });
}

#[test]
fn a_first_asynchronous_start_that_fails_leaves_its_key_free_and_has_it_till_then() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        for result in [Err("no"), Ok(false)] {
            let passing = gate.clone();
            let spec = Child::from_async(move |_: StartContext<Probe>| {
                let gate = passing.clone();
                async move {
                    gate.pass().await;
                    result.map(|_| Start::Ignore)
                }
            });
            let started = scene.supervisor.start_child(spec.key("a"));
            settle().await;
            assert!(!scene.has("a"), "it has not started");
            holder(scene.start("a").await);

            gate.admit(1);

            let started = started.await;
            assert!(matches!(started, Err(StartChildError::Failed(_) | StartChildError::Ignored)), "{started:?}");
            scene.expect_free("a").await;
        }
    });
}

#[test]
fn an_asynchronous_start_that_is_terminated_killed_or_too_late_leaves_its_key_free() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let start = || scene.supervisor.start_child(gated(&scene.journal, &gate, 1).key("a").start_timeout(SECOND));
        let key = || ChildHandle::key::<Probe>("a");

        let terminated = start();
        settle().await;
        assert_eq!(scene.supervisor.terminate_child(key()).await, Ok(()));
        assert!(matches!(terminated.await, Err(StartChildError::Terminated)));
        scene.expect_free("a").await;

        let killed = start();
        settle().await;
        assert_eq!(scene.supervisor.kill_child(key()).await, Ok(()));
        assert!(matches!(killed.await, Err(StartChildError::Exited(ExitReason::Killed))));
        scene.expect_free("a").await;

        assert!(matches!(start().await, Err(StartChildError::Timeout)));
        scene.expect_free("a").await;
    });
}

#[test]
fn a_key_is_free_after_an_end_that_is_not_followed_by_a_restart() {
    world(async {
        let scene = Scene::new();
        let spec = |restart| Probe::child(&scene.journal).key("a").restart(restart);

        let temporary = scene.supervisor.start_child(spec(Restart::Temporary)).await.unwrap();
        assert!(temporary.addr.send(Panic("boom")).await.is_err());
        settle().await;
        scene.expect_free("a").await;

        let transient = scene.supervisor.start_child(spec(Restart::Transient)).await.unwrap();
        transient.addr.do_send(Exit(ExitReason::Shutdown));
        settle().await;
        scene.expect_free("a").await;

        let once = scene.supervisor.start_child(Child::once(|| Desk).key("a")).await.unwrap();
        scene.supervisor.kill_child(&once.addr).await.unwrap();
        settle().await;
        assert!(scene.supervisor.whereis::<Desk>("a").is_none());
    });
}

#[test]
fn a_child_that_declines_to_come_back_leaves_its_key_free() {
    world(async {
        let scene = Scene::new();
        let journal = scene.journal.clone();
        let spec = Child::try_with(move |cx: &mut StartContext<Probe>| {
            Ok::<_, BoxError>(match cx.incarnation() {
                1 => Start::Run(Probe::new(&journal, 1)),
                _ => Start::Ignore,
            })
        });
        let child = scene.supervisor.start_child(spec.key("a")).await.unwrap();

        child.addr.do_send(Panic("boom"));
        settle().await;

        scene.expect_free("a").await;
    });
}

#[test]
fn a_supervisor_that_has_ended_has_no_keys() {
    world(async {
        let stopped = Scene::new();
        stopped.start("a").await.unwrap();
        stopped.supervisor.stop().await.unwrap();
        assert!(!stopped.has("a"));
        assert!(matches!(stopped.start("a").await, Err(StartChildError::SupervisorGone)));

        let gave_up = Scene::new();
        let child = gave_up.supervisor.start_child(starts_once(&gave_up.journal, |_| {}).key("a")).await.unwrap();
        gave_up.start("b").await.unwrap();
        let ended = gave_up.supervisor.exited();
        child.addr.do_send(Panic("boom"));
        ended.await;
        assert!(!gave_up.has("a") && !gave_up.has("b"));
    });
}

#[test]
fn while_a_supervisor_closes_its_children_are_found_no_more() {
    world(async {
        let scene = Scene::new();
        let slow = Probe::scripted(&scene.journal, |probe| slow_to_stop(probe, SECOND));
        scene.supervisor.start_child(slow.key("slow")).await.unwrap();
        scene.start("quick").await.unwrap();

        let stopped = scene.supervisor.stop();
        scene.journal.expect("stopping 1").await;
        settle().await;

        assert!(!scene.has("slow") && !scene.has("quick"));
        assert!(matches!(scene.start("quick").await, Err(StartChildError::ShuttingDown)));
        let got = scene.supervisor.get_or_start("slow", Probe::child(&scene.journal)).await;
        assert!(matches!(got, Err(StartChildError::ShuttingDown)));
        assert_eq!(stopped.await.unwrap().stopped, 2);
    });
}

#[test]
fn a_nested_supervisor_that_is_restarted_has_lost_its_keys_and_gets_new_ones_at_the_same_address() {
    world(async {
        let (parent, journal) = (DynamicSupervisor::builder().start().unwrap(), Journal::new());
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene { supervisor: nested.addr.clone(), journal };
        let first = scene.start("a").await.unwrap();
        scene.start("b").await.unwrap();

        for _ in 0..3 {
            parent.kill_child(nested.id).await.unwrap();
            settle().await;

            assert!(!first.addr.connected());
            assert!(!scene.has("a") && !scene.has("b"));
            let second = scene.start("a").await.unwrap();
            assert_eq!(scene.supervisor.whereis("a"), Some(second.addr.clone()));
            assert_eq!(second.addr.send(Ask).await, Ok(1));
        }
    });
}

#[test]
fn a_key_that_a_child_had_is_free_though_somebody_keeps_its_address() {
    world(async {
        let scene = Scene::new();
        let kept: Addr<Probe> = scene.start("a").await.unwrap().addr;
        kept.send(Do::this(|_, ctx| ctx.terminate())).await.unwrap();
        assert_eq!(kept.send(Ask).await, Ok(2), "permanent");
        assert_eq!(scene.supervisor.whereis("a"), Some(kept.clone()));

        scene.supervisor.terminate_child(&kept).await.unwrap();

        scene.expect_free("a").await;
    });
}

/// Writes whether the key is found, when its probe is asked to stop and when it has.
fn looking(scene: &Scene, key: &'static str, slow: bool) -> impl ChildSpec<Actor = Probe, Info = ()> {
    let (supervisor, journal) = (scene.supervisor.downgrade(), scene.journal.clone());
    Probe::scripted(&scene.journal, move |probe| {
        let look = {
            let (supervisor, journal) = (supervisor.clone(), journal.clone());
            move |when: &str| {
                let is_found = supervisor.upgrade().is_some_and(|sup| sup.whereis::<Probe>(key).is_some());
                journal.note(format_args!("{key} {when}: {is_found}"));
            }
        };
        let (stopping, mut is_asked) = (look.clone(), false);
        let probe = probe.on_stopped(move |_, _| look("stopped"));
        probe.on_stopping(move |_, ctx| {
            stopping("stopping");
            if slow && !std::mem::replace(&mut is_asked, true) {
                ctx.run_later(SECOND, |_, ctx| ctx.stop());
                return Running::Continue;
            }
            Running::Stop
        })
    })
    .key(key)
}

#[test]
fn a_child_that_is_asked_to_end_is_not_found_even_by_its_own_hooks() {
    world(async {
        for slow in [false, true] {
            let scene = Scene::new();
            let child = scene.supervisor.start_child(looking(&scene, "a", slow)).await.unwrap();

            scene.supervisor.terminate_child(child.id).await.unwrap();

            let found: Vec<_> = scene.journal.entries().into_iter().filter(|entry| entry.contains(": true")).collect();
            assert!(found.is_empty() && scene.journal.has("a stopped: false"), "{found:?}");
        }
    });
}

#[test]
fn children_of_a_supervisor_that_is_dropped_are_not_found_while_they_end() {
    world(async {
        let (parent, journal) = (DynamicSupervisor::builder().start().unwrap(), Journal::new());
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene { supervisor: nested.addr.clone(), journal };
        for key in ["a", "b"] {
            scene.supervisor.start_child(looking(&scene, key, false)).await.unwrap();
        }

        parent.kill_child(nested.id).await.unwrap();

        assert!(scene.journal.has("a stopped: false") && scene.journal.has("b stopped: false"));
    });
}

#[test]
fn a_key_that_its_spec_cannot_tell_fails_the_start_and_takes_no_place() {
    struct Silent;
    impl ChildSpec for Silent {
        type Actor = Desk;
        type Info = ();
        fn start(&mut self, _: &mut StartContext<Desk>) -> Starting<Desk> {
            Starting::now(Ok(Start::Run(Desk)))
        }
        fn key(&self) -> Option<ChildKey> {
            std::panic::panic_any("no key")
        }
    }
    world(async {
        let scene = Scene { supervisor: DynamicSupervisor::builder().max_children(1).start().unwrap(), ..Scene::new() };

        let started = scene.supervisor.start_child(Silent).await;
        assert!(matches!(started, Err(StartChildError::Panicked(panic)) if panic.message() == "no key"));

        assert!(scene.supervisor.get_or_start("a", Silent).await.is_ok(), "it is overruled, and not asked for");
    });
}
