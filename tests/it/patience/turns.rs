//! Asynchronous starts: how many go on at a time, and for how long each may.

use std::{num::NonZeroUsize, sync::Mutex, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::future::join_all;

use super::{
    crash, ms, pass,
    yard::{Site, Yard},
    Scene, SECOND,
};
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

fn at_most(starts: usize) -> Scene {
    let starts = NonZeroUsize::new(starts).unwrap();
    Scene::of(DynamicSupervisor::builder().max_restarts(1000).max_concurrent_starts(starts))
}

#[test]
fn no_more_starts_go_on_at_a_time_than_allowed_and_they_come_in_order() {
    world(async {
        let yard = Yard::new(at_most(2));
        let starts = ["a", "b", "c", "d", "e"].map(|key| yard.begin(key));
        settle().await;

        assert_eq!(yard.scene.counts().await, (5, 0), "all fill their places");
        let children = yard.scene.supervisor.which_children().await.unwrap();
        assert!(children.iter().all(|child| child.state == ChildState::Starting));
        for expected in [&["a", "b"][..], &["b", "c"], &["c", "d"], &["d", "e"], &["e"]] {
            assert_eq!(yard.site.under_way(), expected);
            yard.admit(1).await;
        }

        assert_eq!((yard.site.most(), yard.site.under_way().len()), (2, 0));
        assert!(join_all(starts).await.into_iter().all(|started| started.unwrap().is_ok()));
        assert_eq!(yard.scene.counts().await, (5, 5));
    });
}

#[test]
fn without_a_limit_all_starts_go_on_at_a_time() {
    world(async {
        let yard = Yard::new(Scene::new());
        let starts = ["a", "b", "c", "d", "e"].map(|key| yard.begin(key));
        settle().await;
        assert_eq!(yard.site.under_way().len(), 5);
        yard.admit(5).await;
        assert!(join_all(starts).await.into_iter().all(|started| started.unwrap().is_ok()));
    });
}

#[test]
fn restarts_take_their_turns_among_first_starts() {
    world(async {
        let yard = Yard::new(at_most(1));
        yard.gate.admit(3);
        let children = join_all(["a", "b", "c"].map(|key| yard.begin(key))).await;
        let children: Vec<_> = children.into_iter().map(|started| started.unwrap().unwrap()).collect();
        for child in &children {
            child.addr.do_send(Panic("boom"));
            settle().await;
        }
        let first = yard.begin("d");
        settle().await;

        for expected in ["a2", "b2", "c2", "d"] {
            assert_eq!(yard.site.under_way(), [expected]);
            yard.admit(1).await;
        }

        assert!(first.await.unwrap().is_ok());
        for child in &children {
            assert_eq!(child.addr.send(Ask).await, Ok(2));
        }
        assert_eq!(yard.site.most(), 1);
    });
}

#[test]
fn a_start_that_takes_no_time_never_waits() {
    world(async {
        let yard = Yard::new(at_most(1));
        let _first = yard.begin("a");
        let _second = yard.begin("b");
        settle().await;

        let child = yard.scene.supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(yard.site.under_way(), ["a"]);
    });
}

#[test]
fn one_that_waits_for_its_turn_can_be_terminated_and_killed_and_never_begins() {
    world(async {
        let yard = Yard::new(at_most(1));
        let [first, terminated, killed, last] = ["a", "b", "c", "d"].map(|key| yard.begin(key));
        settle().await;

        let handle = |key: &'static str| ChildHandle::key::<Probe>(key);
        assert_eq!(yard.scene.supervisor.terminate_child(handle("b")).await, Ok(()));
        assert_eq!(yard.scene.supervisor.kill_child(handle("c")).await, Ok(()));

        assert!(matches!(terminated.await.unwrap(), Err(StartChildError::Terminated)));
        assert!(matches!(killed.await.unwrap(), Err(StartChildError::Exited(ExitReason::Killed))));
        assert_eq!(yard.site.under_way(), ["a"]);
        yard.admit(1).await;
        assert_eq!(yard.site.under_way(), ["d"]);
        yard.admit(1).await;
        assert!(first.await.unwrap().is_ok() && last.await.unwrap().is_ok());
        assert_eq!((yard.site.most(), yard.scene.counts().await), (1, (2, 2)));
    });
}

#[test]
fn one_that_is_terminated_or_killed_in_its_turn_gives_its_place_to_the_next() {
    world(async {
        let yard = Yard::new(at_most(1));
        let _starts = ["a", "b", "c"].map(|key| yard.begin(key));
        settle().await;
        let handle = |key: &'static str| ChildHandle::key::<Probe>(key);

        assert_eq!(yard.site.under_way(), ["a"]);
        assert_eq!(yard.scene.supervisor.terminate_child(handle("a")).await, Ok(()));
        settle().await;
        assert_eq!(yard.site.under_way(), ["b"]);
        assert_eq!(yard.scene.supervisor.kill_child(handle("b")).await, Ok(()));
        settle().await;

        assert_eq!((yard.site.under_way(), yard.site.most()), (vec!["c".to_owned()], 1));
    });
}

#[test]
fn a_start_that_fails_panics_declines_or_is_too_late_gives_its_place_to_the_next() {
    world(async {
        let scene = at_most(1);
        let (journal, began) = (scene.journal.clone(), scene.began);
        let start = |how: &'static str| {
            let journal = journal.clone();
            let spec = Child::from_async(move |_: StartContext<Probe>| {
                let journal = journal.clone();
                async move {
                    journal.note(format_args!("{how} at {}", began.elapsed().as_millis()));
                    match how {
                        "late" => std::future::pending().await,
                        "panics" => std::panic::panic_any("in the future"),
                        "stops" => Ok(Start::Run(Probe::new(&Journal::new(), 1).on_started(|_, ctx| ctx.stop()))),
                        "declines" => Ok(Start::Ignore),
                        _ => Err("no"),
                    }
                }
            });
            tokio::task::spawn_local(scene.supervisor.start_child(spec.start_timeout(SECOND)))
        };

        let starts = ["fails", "late", "panics", "stops", "late", "declines", "fails"].map(start);
        let refused: Vec<_> = join_all(starts).await.into_iter().map(|answer| answer.unwrap().unwrap_err()).collect();

        assert!(matches!(
            refused[..],
            [
                StartChildError::Failed(_),
                StartChildError::Timeout,
                StartChildError::Panicked(_),
                StartChildError::Exited(_),
                StartChildError::Timeout,
                StartChildError::Ignored,
                StartChildError::Failed(_)
            ]
        ));
        assert_eq!(
            scene.journal.entries(),
            [
                "fails at 0",
                "late at 0",
                "panics at 1000",
                "stops at 1000",
                "late at 1000",
                "declines at 2000",
                "fails at 2000"
            ]
        );
        assert_eq!(scene.counts().await, (0, 0));
    });
}

#[test]
fn the_wait_for_its_turn_does_not_count_in_a_starts_time() {
    world(async {
        let yard = Yard::new(at_most(1));
        let start =
            |key| tokio::task::spawn_local(yard.scene.supervisor.start_child(yard.spec(key).start_timeout(SECOND)));
        let [first, second, third] = ["a", "b", "c"].map(start);
        pass(ms(900)).await;
        yard.admit(1).await;
        pass(ms(900)).await;
        assert_eq!(yard.site.under_way(), ["b"], "asked for 1800 ms ago");
        assert!(first.await.unwrap().is_ok() && !second.is_finished());

        assert!(matches!(second.await.unwrap(), Err(StartChildError::Timeout)));
        assert_eq!(yard.scene.elapsed(), 1900);
        assert!(matches!(third.await.unwrap(), Err(StartChildError::Timeout)));
        assert_eq!(yard.scene.elapsed(), 2900);
    });
}

#[test]
fn a_deadline_holds_for_every_incarnation() {
    world(async {
        let yard = Yard::new(Scene::new());
        yard.gate.admit(1);
        let spec = yard.spec("a").start_timeout(SECOND).backoff(Backoff::fixed(ms(500)));
        let child = yard.scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        pass(ms(4100)).await;
        assert_eq!(yard.site.under_way(), ["a4"], "at 500, 2000 and 3500 ms");
        yard.admit(1).await;

        assert_eq!(child.addr.send(Ask).await, Ok(4));
    });
}

#[test]
fn who_gives_up_waiting_for_a_start_leaves_it_its_turn() {
    world(async {
        let yard = Yard::new(at_most(1));
        let [first, second, third] = ["a", "b", "c"].map(|key| yard.begin(key));
        settle().await;
        first.abort();
        second.abort();

        yard.admit(2).await;

        assert!(yard.has("a") && yard.has("b"), "they are the supervisor's");
        assert_eq!(yard.site.under_way(), ["c"]);
        yard.admit(1).await;
        assert!(third.await.unwrap().is_ok());
    });
}

#[test]
fn a_supervisor_is_stopped_though_starts_wait_for_their_turn() {
    world(async {
        let yard = Yard::new(at_most(1));
        let starts = ["a", "b", "c"].map(|key| yard.begin(key));
        settle().await;

        let report = yard.scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (0, true));
        for start in starts {
            assert!(matches!(start.await.unwrap(), Err(StartChildError::ShuttingDown)));
        }
        yard.admit(3).await;
        assert!(yard.site.under_way().is_empty() && yard.scene.journal.entries().is_empty());
    });
}

#[test]
fn each_supervisor_counts_its_own_starts() {
    world(async {
        let outer = Yard::new(at_most(1));
        let nested = DynamicSupervisor::builder().max_concurrent_starts(NonZeroUsize::MIN).into_child();
        let nested = outer.scene.supervisor.start_child(nested).await.unwrap();
        let inner = Yard { scene: Scene::at(nested.addr), site: outer.site.clone(), gate: outer.gate.clone() };
        let _starts = [outer.begin("a"), outer.begin("b"), inner.begin("c"), inner.begin("d")];
        settle().await;

        assert_eq!(outer.site.under_way(), ["a", "c"]);
    });
}

#[test]
fn a_new_limit_is_for_the_starts_that_come_after_it() {
    static LIMIT: Mutex<usize> = Mutex::new(1);
    struct Limited;
    impl SupervisorModule for Limited {
        type Arg = ();
        fn init((): &()) -> Result<Init, BoxError> {
            let flags = Flags::new();
            Ok(Init::Flags(match NonZeroUsize::new(*LIMIT.lock().unwrap()) {
                Some(limit) => flags.max_concurrent_starts(limit),
                None => flags,
            }))
        }
    }
    world(async {
        let yard = Yard::new(Scene::at(DynamicSupervisor::start_module::<Limited>(()).unwrap()));
        let set = |limit| {
            *LIMIT.lock().unwrap() = limit;
            yard.scene.supervisor.reinit()
        };
        // Before there is any child, and again when there are some.
        set(2).await.unwrap();
        let _starts = ["a", "b", "c"].map(|key| yard.begin(key));
        settle().await;
        assert_eq!(yard.site.under_way(), ["a", "b"]);

        set(1).await.unwrap();
        let _starts = ["d", "e"].map(|key| yard.begin(key));
        settle().await;
        assert_eq!(yard.site.under_way(), ["a", "b", "d"], "counted from zero");
        set(0).await.unwrap();
        let _starts = ["f", "g", "h"].map(|key| yard.begin(key));
        settle().await;
        assert_eq!(yard.site.under_way(), ["a", "b", "d", "f", "g", "h"]);

        yard.admit(3).await;
        assert_eq!(yard.site.under_way(), ["f", "g", "h", "c", "e"], "who waits keeps the limit it came under");
    });
}

#[test]
fn who_asks_by_key_waits_for_one_that_has_not_begun() {
    world(async {
        let yard = Yard::new(at_most(1));
        let _first = yard.begin("a");
        let second = yard.begin("b");
        let joining = yard.scene.supervisor.get_or_start("b", Probe::child(&Journal::new()));
        settle().await;
        assert!(!yard.has("b"));

        yard.admit(2).await;

        assert_eq!(joining.await.unwrap().id, second.await.unwrap().unwrap().id);
    });
}

#[test]
fn many_starts_with_a_limit_all_come_to_their_end() {
    world(async {
        let scene = at_most(7);
        let site = Site::default();
        let start = |nth: u64| {
            let (site, journal) = (site.clone(), scene.journal.clone());
            let spec = Child::from_async(move |cx: StartContext<Probe>| {
                let (site, journal) = (site.clone(), journal.clone());
                async move {
                    let _under_way = site.enter(format!("{nth}"));
                    tokio::time::sleep(ms(nth % 13)).await;
                    if nth.is_multiple_of(5) {
                        return Err("no");
                    }
                    Ok(Start::Run(Probe::new(&journal, cx.incarnation())))
                }
            });
            scene.supervisor.start_child(spec)
        };

        let started = join_all((0..500).map(start)).await;

        assert_eq!(started.iter().filter(|started| started.is_ok()).count(), 400);
        assert_eq!((site.most(), site.under_way().len(), scene.counts().await), (7, 0, (400, 400)));
    });
}
