//! `get_or_start`: one child for all who ask, also where its start or the end of the one before takes time.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{future::join_all, FutureExt};

use super::{Desk, Scene};
use crate::support::script::{gated, slow_to_stop, Gate};
use crate::support::{settle, world, Ask, Journal, Probe};

const SECOND: Duration = Duration::from_secs(1);

/// A probe that is long in ending, under the key "a", and is asked to end.
async fn on_its_way_out(scene: &Scene) -> (Started<Probe>, actix_dynamic_supervisor::Termination) {
    let journal = Journal::new();
    let slow = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
    let child = scene.supervisor.start_child(slow.key("a")).await.unwrap();
    let terminated = scene.supervisor.terminate_child(child.id);
    journal.expect("stopping 1").await;
    (child, terminated)
}

/// A start that fails when it has passed the gate.
fn failing(gate: &Gate) -> Child<Probe, (), impl FnMut(&mut StartContext<Probe>) -> Starting<Probe> + Send + 'static> {
    let gate = gate.clone();
    Child::from_async(move |_: StartContext<Probe>| {
        let gate = gate.clone();
        async move {
            gate.pass().await;
            Err("no")
        }
    })
}

#[test]
fn who_asks_first_has_it_started_and_who_asks_next_gets_the_same() {
    world(async {
        let scene = Scene::new();
        let journal = scene.journal.clone();
        let spec = || {
            let journal = journal.clone();
            Child::try_with_info(move |cx| {
                Ok::<_, BoxError>(Start::RunWith(Probe::new(&journal, cx.incarnation()), "welcome"))
            })
        };

        let first = scene.supervisor.get_or_start("a", spec()).await.unwrap();
        let second = scene.supervisor.get_or_start(String::from("a"), spec()).await.unwrap();
        let by_message = scene.supervisor.send(GetOrStart::new("a", spec())).await.unwrap().unwrap();

        assert_eq!((second.id, by_message.id), (first.id, first.id));
        assert_eq!(second.addr, first.addr);
        assert_eq!((first.info, second.info), (Some("welcome"), None));
        assert_eq!(scene.supervisor.whereis("a"), Some(first.addr));
        assert_eq!(scene.journal.entries(), ["started 1"]);
    });
}

#[test]
fn who_asks_while_the_start_goes_on_gets_the_same_child_when_it_runs() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let ask = || scene.supervisor.get_or_start("a", gated(&scene.journal, &gate, 1));
        let asked = [ask(), ask(), ask(), ask()].map(tokio::task::spawn_local);
        settle().await;
        assert!(asked.iter().all(|answer| !answer.is_finished()));
        assert_eq!(scene.children().await, 1);
        assert!(!scene.has("a"), "it has not started");

        gate.admit(4);
        let got = join_all(asked).await;

        let ids: Vec<_> = got.into_iter().map(|answer| answer.unwrap().unwrap().id).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(scene.journal.entries(), ["starting 1", "started 1"]);
    });
}

#[test]
fn who_asks_while_a_plain_start_with_that_key_goes_on_gets_that_child() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let started = scene.supervisor.start_child(gated(&scene.journal, &gate, 1).key("a"));
        let got = scene.supervisor.get_or_start("a", Probe::child(&Journal::new()));
        settle().await;

        gate.admit(1);

        assert_eq!(got.await.unwrap().id, started.await.unwrap().id);
        assert_eq!(scene.children().await, 1);
    });
}

#[test]
fn if_the_start_fails_its_caller_is_told_and_the_next_ones_spec_is_tried() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let first = scene.supervisor.get_or_start("a", failing(&gate));
        let second = scene.supervisor.get_or_start("a", failing(&gate));
        let third = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        let fourth = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        settle().await;
        gate.admit(1);
        assert!(matches!(first.await, Err(StartChildError::Failed(_))));
        settle().await;
        assert!(!scene.has("a") && scene.journal.entries().is_empty(), "the second is under way");

        gate.admit(1);

        assert!(matches!(second.await, Err(StartChildError::Failed(_))));
        assert_eq!(third.await.unwrap().id, fourth.await.unwrap().id);
        assert_eq!(scene.journal.entries(), ["started 1"]);
    });
}

#[test]
fn if_all_starts_fail_each_hears_of_its_own() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let first = scene.supervisor.get_or_start("a", failing(&gate));
        let spec = |text: &'static str| Child::try_with(move |_| Err::<Start<Probe>, _>(text));
        let others = [spec("one"), spec("two"), spec("three")].map(|spec| scene.supervisor.get_or_start("a", spec));
        let declined = Child::try_with(|_| Ok::<_, BoxError>(Start::<Probe>::Ignore));
        let declined = scene.supervisor.get_or_start("a", declined);
        settle().await;

        gate.admit(1);

        assert!(first.await.is_err());
        let told: Vec<_> = join_all(others).await.into_iter().map(|told| told.unwrap_err().to_string()).collect();
        assert_eq!(told, ["the start failed: one", "the start failed: two", "the start failed: three"]);
        assert!(matches!(declined.await, Err(StartChildError::Ignored)));
        assert_eq!(scene.children().await, 0);
        scene.expect_free("a").await;
    });
}

#[test]
fn a_start_that_is_terminated_makes_room_for_who_waits() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let first = scene.supervisor.get_or_start("a", gated(&scene.journal, &gate, 1));
        let second = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        settle().await;

        assert_eq!(scene.supervisor.terminate_child(ChildHandle::key::<Probe>("a")).await, Ok(()));

        assert!(matches!(first.await, Err(StartChildError::Terminated)));
        let second = second.await.unwrap();
        assert_eq!(scene.supervisor.whereis("a"), Some(second.addr));
        assert_eq!(scene.children().await, 1);
    });
}

#[test]
fn who_asks_for_a_child_on_its_way_out_waits_and_all_who_do_get_one_new_one() {
    world(async {
        let scene = Scene::new();
        let (old, terminated) = on_its_way_out(&scene).await;
        let began = tokio::time::Instant::now();

        let ask = || scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        let got = join_all([ask(), ask(), ask(), ask(), ask()]).await;

        assert!(began.elapsed() >= SECOND, "not while the old one lives");
        let ids: Vec<_> = got.into_iter().map(|started| started.unwrap().id).collect();
        assert!(ids.iter().all(|id| *id == ids[0] && *id != old.id), "{ids:?}");
        assert_eq!(scene.journal.entries(), ["started 1"]);
        assert_eq!((terminated.await, scene.children().await), (Ok(()), 1));
    });
}

#[test]
fn who_waits_does_not_hold_up_others() {
    world(async {
        let scene = Scene::new();
        let (_, terminated) = on_its_way_out(&scene).await;
        let waiting = tokio::task::spawn_local(scene.supervisor.get_or_start("a", Probe::child(&scene.journal)));
        let began = tokio::time::Instant::now();

        scene.supervisor.get_or_start("b", Probe::child(&scene.journal)).await.unwrap();
        scene.supervisor.get_or_start("a", Child::new(|| Desk)).await.unwrap();

        assert_eq!((began.elapsed(), waiting.is_finished()), (Duration::ZERO, false));
        assert!(waiting.await.unwrap().is_ok() && terminated.await.is_ok());
    });
}

#[test]
fn a_place_that_is_freed_is_for_who_waited() {
    world(async {
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let scene = Scene { supervisor, ..Scene::new() };
        let (_, terminated) = on_its_way_out(&scene).await;
        let waiting = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        let refused = scene.supervisor.get_or_start("b", Probe::child(&scene.journal)).await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { limit: 1 })));

        let got = waiting.await.unwrap();

        assert_eq!(terminated.await, Ok(()));
        let again = scene.supervisor.get_or_start("a", Probe::child(&scene.journal)).await.unwrap();
        assert_eq!(again.id, got.id, "who is there needs no place");
        let refused = scene.start("a").await;
        assert!(matches!(refused, Err(StartChildError::MaxChildren { .. })), "there is none, whoever has the key");
    });
}

#[test]
fn a_key_of_the_specs_own_is_overruled() {
    world(async {
        let scene = Scene::new();
        let mine = scene.start("mine").await.unwrap();

        let got = scene.supervisor.get_or_start("a", Probe::child(&scene.journal).key("mine")).await.unwrap();

        assert_ne!(got.id, mine.id);
        assert_eq!(scene.supervisor.whereis("a"), Some(got.addr));
        assert_eq!(scene.supervisor.whereis("mine"), Some(mine.addr));
        assert_eq!(scene.supervisor.which_children().await.unwrap()[1].key.as_deref(), Some("a"));
    });
}

#[test]
fn a_spec_whose_asker_went_away_while_it_waited_is_not_started() {
    world(async {
        let scene = Scene::new();
        let (_, terminated) = on_its_way_out(&scene).await;
        let held = Arc::new(());
        let kept = Arc::clone(&held);
        let spec = Child::new(move || -> Probe {
            let _ = &kept;
            unreachable!("nobody waits for it")
        });
        let given_up = tokio::task::spawn_local(scene.supervisor.get_or_start("a", spec));
        settle().await;

        given_up.abort();

        assert_eq!(terminated.await, Ok(()));
        settle().await;
        assert_eq!((scene.children().await, Arc::strong_count(&held)), (0, 1));
        scene.expect_free("a").await;
    });
}

#[test]
fn of_those_who_wait_the_first_who_still_does_has_its_spec_started() {
    world(async {
        let scene = Scene::new();
        let (_, terminated) = on_its_way_out(&scene).await;
        let (first, second) = (Journal::new(), Journal::new());
        let given_up = tokio::task::spawn_local(scene.supervisor.get_or_start("a", Probe::child(&first)));
        let waiting = scene.supervisor.get_or_start("a", Probe::child(&second));
        settle().await;
        given_up.abort();

        let got = waiting.await.unwrap();

        assert_eq!(terminated.await, Ok(()));
        assert!(first.entries().is_empty());
        assert_eq!(second.entries(), ["started 1"]);
        assert_eq!(scene.supervisor.whereis("a"), Some(got.addr));
    });
}

#[test]
fn a_request_that_nobody_wants_answered_is_carried_out_all_the_same() {
    world(async {
        let scene = Scene::new();
        let (_, terminated) = on_its_way_out(&scene).await;

        scene.supervisor.do_send(GetOrStart::new("a", Probe::child(&scene.journal)));

        assert_eq!(terminated.await, Ok(()));
        settle().await;
        assert_eq!(scene.journal.entries(), ["started 1"]);
        assert!(scene.has("a"));
    });
}

#[test]
fn who_gives_up_and_asks_again_costs_no_memory() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let starting = scene.supervisor.get_or_start("a", gated(&scene.journal, &gate, 1));
        let held = Arc::new(());
        for _ in 0..1000 {
            let (kept, journal) = (Arc::clone(&held), scene.journal.clone());
            let spec = Child::with(move |cx: &mut StartContext<Probe>| {
                let _ = &kept;
                Probe::new(&journal, cx.incarnation())
            });
            let asked = scene.supervisor.get_or_start("a", spec);
            assert!(tokio::time::timeout(Duration::from_millis(1), asked).await.is_err());
        }

        assert!(Arc::strong_count(&held) < 100, "{} specs are kept", Arc::strong_count(&held));

        gate.admit(1);
        assert!(starting.await.is_ok());
        settle().await;
        assert_eq!((Arc::strong_count(&held), scene.children().await), (1, 1));
    });
}

#[test]
fn who_waits_while_the_supervisor_shuts_down_is_told_so() {
    world(async {
        let (scene, gate) = (Scene::new(), Gate::shut());
        let (_, terminated) = on_its_way_out(&scene).await;
        let ending = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        let starting = scene.supervisor.get_or_start("b", gated(&scene.journal, &gate, 1));
        let joining = scene.supervisor.get_or_start("b", Probe::child(&scene.journal));
        settle().await;

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, terminated.await), (1, Ok(())));
        for answer in [ending.await, starting.await, joining.await] {
            assert!(matches!(answer, Err(StartChildError::ShuttingDown)), "{answer:?}");
        }
        assert_eq!(scene.journal.entries(), ["starting 1"]);
    });
}

#[test]
fn who_waits_for_a_supervisor_that_is_gone_is_told_so() {
    world(async {
        let (parent, gate, journal) = (DynamicSupervisor::builder().start().unwrap(), Gate::shut(), Journal::new());
        let nested = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
        let scene = Scene { supervisor: nested.addr.clone(), journal };
        let (_, terminated) = on_its_way_out(&scene).await;
        let ending = scene.supervisor.get_or_start("a", Probe::child(&scene.journal));
        let starting = scene.supervisor.get_or_start("b", gated(&scene.journal, &gate, 1));
        let joining = scene.supervisor.get_or_start("b", Probe::child(&scene.journal));
        settle().await;

        parent.kill_child(nested.id).await.unwrap();

        for answer in [ending.await, starting.await, joining.await] {
            assert!(matches!(answer, Err(StartChildError::SupervisorGone)), "{answer:?}");
        }
        assert_eq!(terminated.await, Err(TerminateChildError::SupervisorGone));
        settle().await;
        assert_eq!((scene.children().await, scene.journal.entries()), (0, vec!["starting 1".to_owned()]));
    });
}

#[test]
fn a_child_may_ask_for_itself_and_for_others_while_it_starts() {
    world(async {
        let scene = Scene::new();
        let spec = Child::from_async(|cx: StartContext<Probe>| async move {
            let (journal, supervisor) = (Journal::new(), cx.supervisor().unwrap());
            let below = supervisor.get_or_start("below", Probe::child(&journal)).await?;
            let own = supervisor.get_or_start("above", Probe::child(&journal)).now_or_never();
            assert!(own.is_none(), "it would wait for itself");
            assert_eq!(below.addr.send(Ask).await?, 1);
            Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
        });

        let above = scene.supervisor.get_or_start("above", spec).await.unwrap();

        assert_eq!(scene.supervisor.whereis("above"), Some(above.addr));
        assert!(scene.has("below"));
        assert_eq!(scene.children().await, 2);
    });
}

#[test]
fn each_of_many_keys_has_one_child_however_often_it_is_asked_for() {
    world(async {
        let (scene, starts) = (Scene::new(), Arc::new(AtomicUsize::new(0)));
        let ask = |number: usize| {
            let (starts, journal) = (Arc::clone(&starts), scene.journal.clone());
            let spec = Child::from_async(move |cx: StartContext<Probe>| {
                starts.fetch_add(1, Ordering::SeqCst);
                let journal = journal.clone();
                async move {
                    tokio::task::yield_now().await;
                    Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
                }
            });
            scene.supervisor.get_or_start(number % 50, spec)
        };

        let got = join_all((0..1000).map(ask)).await;

        let got: Vec<_> = got.into_iter().map(|started| started.unwrap().id).collect();
        assert!((50..1000).all(|nth| got[nth] == got[nth % 50]));
        assert_eq!((starts.load(Ordering::SeqCst), scene.children().await), (50, 50));
    });
}
