//! The options of a spec, and specs of one's own.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::{
    support::script::stubborn,
    support::{settle, world, Ask, Exit, Journal, Panic, Probe},
};

#[test]
fn a_child_is_a_permanent_worker_without_a_label_unless_it_says_otherwise() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let journal = Journal::new();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let spec = Probe::child(&journal).restart(Restart::Transient).child_type(ChildType::Supervisor).id("counter-7");
        supervisor.start_child(spec).await.unwrap();

        let children = supervisor.which_children().await.unwrap();

        assert_eq!((children[0].restart, children[0].child_type), (Restart::Permanent, ChildType::Worker));
        assert_eq!(children[0].label, None);
        assert_eq!((children[1].restart, children[1].child_type), (Restart::Transient, ChildType::Supervisor));
        assert_eq!(children[1].label.as_deref(), Some("counter-7"));
        assert!(children.iter().all(|child| child.module == std::any::type_name::<Probe>()));
    });
}

#[test]
fn ids_need_not_differ_and_may_be_of_any_length() {
    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let journal = Journal::new();
        supervisor.start_child(Probe::child(&journal).id("same")).await.unwrap();
        supervisor.start_child(Probe::child(&journal).id("same")).await.unwrap();
        supervisor.start_child(Probe::child(&journal).id("x".repeat(100_000))).await.unwrap();

        let children = supervisor.which_children().await.unwrap();

        assert_eq!(children[0].label, children[1].label);
        assert_ne!(children[0].id, children[1].id);
        assert!(children[2].label.as_ref().unwrap().len() < 300, "what is kept of it is cut");
    });
}

#[test]
fn the_time_to_stop_is_five_seconds_for_workers_or_as_the_spec_says() {
    let given = [
        (None, Duration::from_secs(5)),
        (Some(Shutdown::Timeout(Duration::from_millis(200))), Duration::from_millis(200)),
        (Some(Shutdown::Timeout(Duration::ZERO)), Duration::ZERO),
        (Some(Shutdown::BrutalKill), Duration::ZERO),
    ];
    for (shutdown, time) in given {
        world(async {
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let mut spec = Probe::scripted(&journal, stubborn);
            if let Some(shutdown) = shutdown {
                spec = spec.shutdown(shutdown);
            }
            let child = supervisor.start_child(spec).await.unwrap();
            let began = tokio::time::Instant::now();

            supervisor.terminate_child(child.id).await.unwrap();

            let took = began.elapsed();
            assert!(took >= time && took < time + Duration::from_millis(100), "{shutdown:?} took {took:?}");
            assert_eq!(journal.has("stopping 1"), shutdown != Some(Shutdown::BrutalKill));
        });
    }
}

#[test]
fn a_child_of_type_supervisor_has_all_the_time_it_needs_unless_its_spec_says_otherwise() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let endless = Probe::scripted(&journal, stubborn).child_type(ChildType::Supervisor);
        let endless = supervisor.start_child(endless).await.unwrap();
        let limited = Probe::scripted(&journal, stubborn)
            .shutdown(Shutdown::Timeout(Duration::from_secs(1)))
            .child_type(ChildType::Supervisor);
        let limited = supervisor.start_child(limited).await.unwrap();

        let terminated = supervisor.terminate_child(endless.id);
        supervisor.terminate_child(limited.id).await.unwrap();
        tokio::time::advance(Duration::from_secs(3600)).await;
        settle().await;

        assert!(endless.addr.connected());
        supervisor.kill_child(endless.id).await.unwrap();
        assert_eq!(terminated.await, Ok(()));
    });
}

#[test]
fn a_start_timeout_holds_for_the_first_start_and_for_each_restart() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(3).start().unwrap();
        let own = journal.clone();
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            let journal = own.clone();
            async move {
                journal.note(format_args!("try {}", cx.incarnation()));
                if matches!(cx.incarnation(), 2 | 3) {
                    std::future::pending::<()>().await;
                }
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let child = supervisor.start_child(spec.start_timeout(Duration::from_secs(1))).await.unwrap();
        let began = tokio::time::Instant::now();

        child.addr.do_send(Panic("boom"));

        assert_eq!(child.addr.send(Ask).await, Ok(4));
        assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_millis(2_100));
        let hanging =
            Child::from_async(|_: StartContext<Probe>| std::future::pending::<Result<Start<Probe>, BoxError>>());
        let started = supervisor.start_child(hanging.start_timeout(Duration::from_secs(1))).await;
        assert!(matches!(started, Err(StartChildError::Timeout)));
    });
}

/// A spec of one's own: all its answers differ from the defaults.
struct OwnSpec {
    journal: Journal,
}

impl ChildSpec for OwnSpec {
    type Actor = Probe;
    type Info = &'static str;

    fn start(&mut self, cx: &mut StartContext<Probe>) -> Starting<Probe, &'static str> {
        let (journal, incarnation) = (self.journal.clone(), cx.incarnation());
        if incarnation % 2 == 1 {
            return Starting::now(Ok(Start::RunWith(Probe::new(&journal, incarnation), "at once")));
        }
        Starting::later(async move {
            tokio::task::yield_now().await;
            Ok(Start::RunWith(stubborn(Probe::new(&journal, incarnation)), "later"))
        })
    }

    fn restart(&self) -> Restart {
        Restart::Transient
    }

    fn child_type(&self) -> ChildType {
        ChildType::Supervisor
    }

    fn shutdown(&self) -> Shutdown {
        Shutdown::Timeout(Duration::from_secs(2))
    }

    fn id(&self) -> Option<String> {
        Some("own\nspec".into())
    }
}

#[test]
fn a_spec_of_ones_own_decides_everything() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let child = supervisor.start_child(OwnSpec { journal: journal.clone() }).await.unwrap();
        assert_eq!(child.info, Some("at once"));
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.restart, info.child_type), (Restart::Transient, ChildType::Supervisor));
        assert_eq!(info.label.as_deref(), Some("own\\nspec"));

        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2), "restarted asynchronously");
        let began = tokio::time::Instant::now();
        supervisor.terminate_child(child.id).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(2) && began.elapsed() < Duration::from_millis(2_100));
    });
}

#[test]
fn a_spec_of_ones_own_with_nothing_but_a_start_has_the_defaults() {
    struct Least(Journal);
    impl ChildSpec for Least {
        type Actor = Probe;
        type Info = ();
        fn start(&mut self, _: &mut StartContext<Probe>) -> Starting<Probe> {
            Starting::now(Ok(Start::Run(stubborn(Probe::new(&self.0, 1)))))
        }
    }

    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Least(Journal::new())).await.unwrap();
        let info = &supervisor.which_children().await.unwrap()[0];
        assert_eq!((info.restart, info.child_type, &info.label), (Restart::Permanent, ChildType::Worker, &None));
        let began = tokio::time::Instant::now();
        supervisor.terminate_child(child.id).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(5) && began.elapsed() < Duration::from_millis(5_100));
    });
}

#[test]
fn a_transient_child_that_ends_quietly_is_forgotten_and_an_abnormal_end_brings_it_back() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal).restart(Restart::Transient)).await.unwrap();

        child.addr.do_send(Exit(ExitReason::failed("no")));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        child.addr.do_send(Exit(ExitReason::shutdown_with("done")));
        settle().await;

        assert!(!child.addr.connected());
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn any_actor_with_a_plain_context_can_be_a_child() {
    struct Plain;
    impl Actor for Plain {
        type Context = Context<Self>;
    }
    impl Supervised for Plain {}

    world(async {
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Child::new(|| Plain)).await.unwrap();
        assert!(child.addr.connected());
        supervisor.terminate_child(&child.addr).await.unwrap();
        assert!(!child.addr.connected());
    });
}
