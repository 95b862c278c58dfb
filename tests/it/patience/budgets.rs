//! A restart limit of a child's own, and what happens at its end.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{crash, ms, pass, Scene, SECOND};
use crate::support::{settle, world, Ask, Exit, Journal, Panic, Probe, Reports};

/// A supervisor that bears no restart at all, so that each that counts in its limit ends it.
fn strict() -> Scene {
    Scene::of(DynamicSupervisor::builder().max_restarts(0))
}

#[test]
fn restarts_of_a_child_with_a_limit_of_its_own_do_not_count_in_the_supervisors() {
    world(async {
        let scene = strict();
        let child = scene.supervisor.start_child(Probe::child(&scene.journal).max_restarts(3, SECOND)).await.unwrap();

        for incarnation in 2..=4 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }
        pass(ms(1001)).await;
        child.addr.do_send(Panic("the others are longer ago"));
        assert_eq!(child.addr.send(Ask).await, Ok(5));

        assert_eq!(scene.only().await.restarts, 4);
    });
}

#[test]
fn at_the_end_of_its_own_limit_a_child_is_removed_and_its_siblings_do_not_notice() {
    world(async {
        let (scene, reports, bystander) = (strict(), Reports::capture(), Journal::new());
        scene.supervisor.start_child(Probe::child(&bystander)).await.unwrap();
        let spec = Probe::child(&scene.journal).max_restarts(2, SECOND).key("a").id("victim");
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        crash(&child.addr).await;
        let crashing = child.addr.send(Panic("boom"));
        let queued = child.addr.send(Ask);

        assert!(crashing.await.is_err());
        assert!(queued.await.is_err(), "who waited in its queue is told");
        settle().await;
        assert_eq!(reports.kinds(), ["child_terminated", "child_terminated", "child_terminated", "gave_up"]);
        let told = reports.all().pop().unwrap();
        assert_eq!((told.field("child.label"), told.level), ("victim", tracing::Level::ERROR));
        assert!(!told.field("reason").is_empty());
        assert!(!child.addr.connected() && !scene.journal.has("started 4"));
        assert_eq!((bystander.entries(), scene.counts().await), (vec!["started 1".to_owned()], (1, 1)));
    });
}

#[test]
fn the_key_and_the_place_of_a_child_that_was_given_up_are_free() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(0).max_children(1));
        let spec = || Probe::child(&scene.journal).max_restarts(0, SECOND).key("a");
        for _ in 0..5 {
            let child = scene.supervisor.start_child(spec()).await.unwrap();
            assert_eq!(scene.supervisor.whereis("a"), Some(child.addr.clone()));
            crash(&child.addr).await;
            assert_eq!(scene.supervisor.whereis::<Probe>("a"), None);
            assert_eq!(scene.supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
        }
        assert_eq!(scene.counts().await, (0, 0));
    });
}

#[test]
fn tries_that_fail_count_in_it_too() {
    world(async {
        let (scene, reports) = (strict(), Reports::capture());
        let child = scene.supervisor.start_child(scene.never_back().max_restarts(3, SECOND)).await.unwrap();

        crash(&child.addr).await;

        assert_eq!(scene.moments(), [0, 0, 0]);
        let told = ["child_terminated", "start_error", "start_error", "start_error", "gave_up"];
        assert_eq!((reports.kinds(), scene.counts().await), (told.map(String::from).to_vec(), (0, 0)));
    });
}

#[test]
fn a_child_is_given_up_at_once_and_not_after_the_delay() {
    world(async {
        let scene = strict();
        let spec = scene.never_back().max_restarts(2, Duration::from_secs(60)).backoff(Backoff::fixed(SECOND));
        let child = scene.supervisor.start_child(spec).await.unwrap();
        crash(&child.addr).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(1000)));

        pass(ms(2000)).await;

        assert_eq!((scene.moments(), scene.counts().await), (vec![1000, 2000], (0, 0)));
        assert!(!child.addr.connected());
    });
}

#[test]
fn each_child_has_a_limit_of_its_own_though_their_specs_say_the_same() {
    world(async {
        let scene = strict();
        let mut children = Vec::new();
        for _ in 0..10 {
            let spec = Probe::child(&scene.journal).max_restarts(1, SECOND);
            children.push(scene.supervisor.start_child(spec).await.unwrap());
        }

        for child in &children {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(2));
        }
        crash(&children[3].addr).await;

        assert_eq!(scene.counts().await, (9, 9));
    });
}

#[test]
fn what_is_to_happen_at_the_end_of_a_limit_has_no_effect_without_one() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1));
        let spec = Probe::child(&scene.journal).give_up(GiveUp::Park { every: SECOND });
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let ended = scene.supervisor.exited();

        crash(&child.addr).await;
        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
    });
}

#[test]
fn a_spec_of_ones_own_has_a_limit_of_its_own() {
    struct Own(Journal);
    impl ChildSpec for Own {
        type Actor = Probe;
        type Info = ();
        fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe> {
            Starting::now(Ok(Start::Run(Probe::new(&self.0, cx.incarnation()))))
        }
        fn budget(&self) -> Option<Budget> {
            Some(Budget::new(1, SECOND).give_up(GiveUp::Park { every: ms(200) }))
        }
        fn backoff(&self) -> Option<Backoff> {
            Some(Backoff::fixed(ms(10)))
        }
    }
    world(async {
        let scene = strict();
        let child = scene.supervisor.start_child(Own(scene.journal.clone())).await.unwrap();

        crash(&child.addr).await;
        assert_eq!(scene.state().await.1, Some(10));
        pass(ms(10)).await;
        crash(&child.addr).await;
        assert_eq!(scene.state().await.1, Some(210));
    });
}

#[test]
fn quiet_ends_of_a_permanent_child_use_it_up_too_and_those_of_a_transient_one_do_not() {
    world(async {
        let scene = strict();
        let spec = Probe::child(&scene.journal).max_restarts(1, SECOND);
        let permanent = scene.supervisor.start_child(spec).await.unwrap();
        permanent.addr.do_send(Exit(ExitReason::Normal));
        assert_eq!(permanent.addr.send(Ask).await, Ok(2));
        permanent.addr.do_send(Exit(ExitReason::Normal));
        settle().await;
        assert_eq!(scene.counts().await, (0, 0));

        let reports = Reports::capture();
        let spec = Probe::child(&scene.journal).max_restarts(0, SECOND).restart(Restart::Transient);
        let transient = scene.supervisor.start_child(spec).await.unwrap();
        transient.addr.do_send(Exit(ExitReason::Normal));
        settle().await;
        assert_eq!((scene.counts().await, reports.kinds()), ((0, 0), vec![]));
    });
}

#[test]
fn a_child_with_a_limit_of_its_own_waits_as_long_as_its_supervisor_says() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(0).backoff(Backoff::fixed(ms(100))));
        let spec = scene.never_back().max_restarts(3, SECOND);
        let child = scene.supervisor.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        pass(SECOND).await;

        assert_eq!((scene.moments(), scene.counts().await), (vec![100, 200, 300], (0, 0)));
    });
}

// ---- escalated

#[test]
fn an_escalated_end_counts_once_in_the_supervisors_limit() {
    world(async {
        let scene = Scene::of(DynamicSupervisor::builder().max_restarts(1).max_seconds(60));
        let spec = Probe::child(&scene.journal).max_restarts(2, Duration::from_secs(60)).give_up(GiveUp::Escalate);
        let child = scene.supervisor.start_child(spec).await.unwrap();
        let (ended, reports) = (scene.supervisor.exited(), Reports::capture());

        // Two of its own, one of the supervisor's, and two of its own again.
        for incarnation in 2..=6 {
            child.addr.do_send(Panic("boom"));
            assert_eq!(child.addr.send(Ask).await, Ok(incarnation));
        }
        child.addr.do_send(Panic("boom"));

        assert!(matches!(ended.await, ExitReason::Shutdown));
        assert_eq!(reports.kinds().last().unwrap(), "shutdown");
        assert!(!scene.journal.has("started 7"));
    });
}

#[test]
fn an_escalated_end_under_a_nested_supervisor_is_the_parents_matter() {
    world(async {
        let parent = DynamicSupervisor::builder().start().unwrap();
        let nested = parent.start_child(DynamicSupervisor::builder().max_restarts(0).into_child()).await.unwrap();
        let journal = Journal::new();
        let spec = Probe::child(&journal).max_restarts(1, SECOND).give_up(GiveUp::Escalate).key("a");
        let child = nested.addr.start_child(spec).await.unwrap();

        crash(&child.addr).await;
        crash(&child.addr).await;

        assert!(!child.addr.connected());
        let info = parent.which_children().await.unwrap().remove(0);
        assert_eq!((info.state, info.restarts), (ChildState::Running, 1));
        assert_eq!(nested.addr.count_children().await.unwrap().specs, 0, "it came back empty");
        assert!(nested.addr.whereis::<Probe>("a").is_none());
    });
}

// ---- parked

/// A child whose second restart within the second is one too many.
fn parked<F>(spec: Child<Probe, (), F>) -> Child<Probe, (), F> {
    spec.max_restarts(1, SECOND).give_up(GiveUp::Park { every: ms(300) })
}

#[test]
fn a_parked_child_is_tried_every_so_often_until_a_try_works() {
    world(async {
        let (scene, reports) = (strict(), Reports::capture());
        let child = scene.supervisor.start_child(parked(scene.back_after(2..40)).key("a")).await.unwrap();

        crash(&child.addr).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(300)), "the first try was made at once");
        assert_eq!(scene.supervisor.whereis("a"), Some(child.addr.clone()), "it keeps its key");
        assert_eq!(child.addr.send(Ask).await, Ok(40), "and its queue");

        let expected: Vec<u64> = [0, 0].into_iter().chain((1..39).map(|nth| 300 * nth)).collect();
        assert_eq!(scene.moments(), expected);
        assert_eq!(scene.state().await, (ChildState::Running, None));
        assert!(!reports.kinds().contains(&"gave_up".to_owned()), "it was not given up");
    });
}

#[test]
fn a_parked_child_that_has_come_back_has_its_limit_again() {
    world(async {
        let scene = strict();
        let child = scene.supervisor.start_child(parked(scene.back_after(2..4))).await.unwrap();
        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(4));
        assert_eq!(scene.moments(), [0, 0, 300, 600]);

        crash(&child.addr).await;
        assert_eq!(scene.state().await, (ChildState::Restarting, Some(900)), "all in one second");
        pass(ms(2000)).await;
        crash(&child.addr).await;

        assert_eq!(scene.state().await, (ChildState::Running, None), "the others are longer ago");
        assert_eq!(scene.moments(), [0, 0, 300, 600, 900, 2600]);
    });
}

#[test]
fn a_parked_child_can_be_terminated_and_its_supervisor_stopped() {
    world(async {
        let scene = strict();
        let child = scene.supervisor.start_child(parked(scene.never_back())).await.unwrap();
        crash(&child.addr).await;
        pass(ms(10_000)).await;
        assert_eq!(scene.supervisor.terminate_child(&child.addr).await, Ok(()));
        let tries = scene.moments().len();

        let another = scene.supervisor.start_child(parked(scene.never_back())).await.unwrap();
        crash(&another.addr).await;
        assert_eq!(scene.moments().len(), tries + 1);
        assert_eq!(scene.supervisor.stop().await.unwrap().stopped, 0);

        pass(ms(10_000)).await;
        assert_eq!((scene.moments().len(), scene.elapsed()), (tries + 1, 20_000));
    });
}

#[test]
fn a_parked_child_whose_start_takes_time_is_tried_that_much_later() {
    world(async {
        let scene = strict();
        let (journal, began) = (scene.journal.clone(), scene.began);
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = journal.clone();
            async move {
                journal.note(format_args!("at {}", began.elapsed().as_millis()));
                if cx.incarnation() > 1 {
                    tokio::time::sleep(ms(50)).await;
                }
                if (2..6).contains(&cx.incarnation()) {
                    return Err("not yet");
                }
                Ok(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let child = scene.supervisor.start_child(parked(spec)).await.unwrap();

        crash(&child.addr).await;
        assert_eq!(child.addr.send(Ask).await, Ok(6));

        assert_eq!(scene.moments(), [0, 0, 350, 700, 1050, 1400]);
    });
}

#[test]
fn a_child_parked_for_no_time_at_all_does_not_lock_others_out() {
    world(async {
        let scene = strict();
        let spec = scene.never_back().max_restarts(0, SECOND).give_up(GiveUp::Park { every: Duration::ZERO });
        let child = scene.supervisor.start_child(spec).await.unwrap();
        child.addr.do_send(Panic("boom"));
        while scene.moments().len() < 100 {
            assert_eq!(scene.counts().await.0, 1);
        }

        assert_eq!(scene.supervisor.terminate_child(child.id).await, Ok(()));
        assert_eq!((scene.counts().await, scene.elapsed()), ((0, 0), 0));
    });
}
