//! F12, F13: supervisors that crash, are killed or end, and what is below them.

use std::time::Duration;

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{fail, told, Scene};
use crate::support::{settle, world, Ask, Journal, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

/// A bug in the supervisor itself.
#[derive(Message)]
#[rtype(result = "()")]
struct Bug;

impl Handler<Bug> for DynamicSupervisor {
    type Result = ();

    fn handle(&mut self, _: Bug, _: &mut Context<Self>) {
        fail("a bug")
    }
}

/// Three supervisors below `root`, one in the other, the innermost with one child.
struct Nest {
    supervisors: Vec<Started<DynamicSupervisor>>,
    leaf: Started<Probe>,
}

impl Nest {
    async fn below(root: &Addr<DynamicSupervisor>, leaf: impl ChildSpec<Actor = Probe, Info = ()>) -> Self {
        let mut supervisors: Vec<Started<DynamicSupervisor>> = Vec::new();
        for _ in 0..3 {
            let parent = supervisors.last().map_or(root, |parent| &parent.addr);
            let child = parent.start_child(DynamicSupervisor::builder().into_child()).await.unwrap();
            supervisors.push(child);
        }
        let leaf = supervisors[2].addr.start_child(leaf).await.unwrap();
        Self { supervisors, leaf }
    }
}

/// F12
#[test]
fn a_supervisor_that_panics_ends_with_all_its_children_and_says_why() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let exited = supervisor.exited();

        let answer = supervisor.send(Bug).await;

        assert_eq!(answer, Err(MailboxError::Closed));
        assert_eq!(exited.await.to_string(), "panicked: a bug");
        assert!(!supervisor.connected());
        assert!(!child.addr.connected());
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(told(&reports), ["supervisor ended"]);
    });
}

/// F12
#[test]
fn requests_in_flight_and_later_ones_find_a_supervisor_that_panicked_gone() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let stubborn = Probe::scripted(&journal, |probe| probe.on_stopping(|_, _| Running::Continue));
        let child = supervisor.start_child(stubborn.shutdown(Shutdown::Infinity)).await.unwrap();
        let begun = (
            supervisor.start_child(Child::from_async(|_| std::future::pending::<Result<Start<Probe>, BoxError>>())),
            supervisor.terminate_child(child.id),
        );
        settle().await;

        supervisor.do_send(Bug);
        let queued = (supervisor.start_child(Probe::child(&journal)), supervisor.terminate_child(child.id));
        let queued_looks = (supervisor.count_children(), supervisor.which_children());

        // Its stop hook runs after the panic, and cuts off the start under way.
        let started = begun.0.await;
        let is_told = matches!(started, Err(StartChildError::SupervisorGone | StartChildError::ShuttingDown));
        assert!(is_told, "{started:?}");
        assert_eq!(begun.1.await, Err(TerminateChildError::SupervisorGone));
        let started = queued.0.await;
        assert!(matches!(started, Err(StartChildError::SupervisorGone)), "{started:?}");
        assert_eq!(queued.1.await, Err(TerminateChildError::SupervisorGone));
        assert!(queued_looks.0.await.is_err(), "look 0");
        assert!(queued_looks.1.await.is_err(), "look 1");
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::SupervisorGone));
        assert!(supervisor.stop().await.is_err(), "stop");
        assert_eq!(supervisor.exited().await.to_string(), "unknown");
        assert!(journal.has("dropped 1"), "{:?}", journal.entries());
    });
}

/// F12
#[test]
fn a_nested_supervisor_that_panics_comes_back_empty_under_its_old_address_and_name() {
    world(async {
        let scene = Scene::new().await;
        let spec = DynamicSupervisor::builder().name("subtree of F12").into_child();
        let nested = scene.supervisor.start_child(spec).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&scene.journal)).await.unwrap();

        nested.addr.do_send(Bug);
        let queued = nested.addr.count_children().await;

        assert_eq!(queued.unwrap().specs, 0, "queued behind the crash, answered by the next incarnation");
        assert_eq!(scene.last_exit(nested.id).await, "panicked: a bug");
        assert_eq!(DynamicSupervisor::whereis("subtree of F12"), Some(nested.addr.clone()));
        assert!(!child.addr.connected());
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        let again = nested.addr.start_child(Probe::child(&scene.journal)).await.unwrap();
        assert_eq!(again.addr.send(Ask).await, Ok(1));
        scene.expect_no_other_harm().await;
    });
}

/// F12
#[test]
fn a_subscriber_that_panics_at_every_line_harms_nobody() {
    struct Hostile;
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Hostile {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            if event.metadata().target() == "actix_dynamic_supervisor" {
                fail("in the subscriber")
            }
        }
    }
    world(async {
        use tracing_subscriber::layer::SubscriberExt;
        let _hostile = tracing::subscriber::set_default(tracing_subscriber::registry().with(Hostile));
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();

        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.do_send(crate::support::Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));
        assert_eq!(supervisor.stop().await.unwrap().stopped, 0);
    });
}

/// F13
#[test]
fn a_stop_of_the_root_ends_every_depth_below_with_hooks() {
    world(async {
        let scene = Scene::new().await;
        let nest = Nest::below(&scene.supervisor, Probe::child(&scene.journal)).await;

        let report = scene.supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (2, true));
        assert!(nest.supervisors.iter().all(|supervisor| !supervisor.addr.connected()));
        assert!(!nest.leaf.addr.connected());
        assert_eq!(scene.journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(scene.told(), [""; 0]);
    });
}

/// F13
#[test]
fn a_root_killed_at_its_deadline_leaves_no_orphan_at_any_depth() {
    world(async {
        let scene = Scene::new().await;
        let stubborn = Probe::scripted(&scene.journal, |probe| probe.on_stopping(|_, _| Running::Continue));
        let nest = Nest::below(&scene.supervisor, stubborn.shutdown(Shutdown::Infinity)).await;
        let began = tokio::time::Instant::now();

        let report = scene.supervisor.stop_with(ExitReason::Shutdown, 2 * SECOND).await.unwrap();
        settle().await;

        assert_eq!(began.elapsed().as_secs(), 2);
        assert_eq!((report.stopped, report.killed), (1, vec![nest.supervisors[0].id]));
        assert!(nest.supervisors.iter().all(|supervisor| !supervisor.addr.connected()));
        assert!(!nest.leaf.addr.connected());
        assert!(scene.journal.has("dropped 1"), "{:?}", scene.journal.entries());
    });
}

/// F13
#[test]
fn a_nested_supervisor_that_is_killed_takes_its_subtree_along_and_comes_back_empty() {
    world(async {
        let scene = Scene::new().await;
        let nest = Nest::below(&scene.supervisor, Probe::child(&scene.journal)).await;

        scene.supervisor.kill_child(nest.supervisors[0].id).await.unwrap();
        let counts = nest.supervisors[0].addr.count_children().await.unwrap();

        assert_eq!(counts.specs, 0);
        assert_eq!(scene.last_exit(nest.supervisors[0].id).await, "killed");
        assert!(!nest.supervisors[1].addr.connected());
        assert!(!nest.supervisors[2].addr.connected());
        assert!(!nest.leaf.addr.connected());
        assert!(scene.journal.has("dropped 1"));
        scene.expect_no_other_harm().await;
    });
}

/// F13
#[test]
fn a_nested_supervisor_that_reaches_its_limit_ends_its_children_and_is_restarted_by_its_parent() {
    world(async {
        let scene = Scene::new().await;
        let nested =
            scene.supervisor.start_child(DynamicSupervisor::builder().max_restarts(0).into_child()).await.unwrap();
        let sibling = nested.addr.start_child(Probe::child(&Journal::new())).await.unwrap();
        let child = nested.addr.start_child(Probe::child(&scene.journal)).await.unwrap();

        assert!(child.addr.send(crate::support::Panic("boom")).await.is_err());
        settle().await;

        assert!(!child.addr.connected());
        assert!(!sibling.addr.connected());
        assert_eq!(nested.addr.count_children().await.unwrap().specs, 0);
        assert_eq!(scene.last_exit(nested.id).await, "shutdown");
        scene.expect_no_other_harm().await;
    });
}

/// F13
#[test]
fn an_actor_that_goes_takes_the_supervisor_it_is_linked_to_along() {
    struct Owner(#[allow(dead_code)] Linked);
    impl Actor for Owner {
        type Context = Context<Self>;
    }
    impl Supervised for Owner {}
    world(async {
        let scene = Scene::new().await;
        let linked = DynamicSupervisor::builder().linked().unwrap();
        let (below, exited) = (linked.clone(), linked.exited());
        let child = below.start_child(Probe::child(&scene.journal)).await.unwrap();
        let owner = scene.supervisor.start_child(Child::once(move || Owner(linked))).await.unwrap();

        scene.supervisor.kill_child(owner.id).await.unwrap();

        assert_eq!(exited.await.to_string(), "shutdown");
        assert!(!child.addr.connected());
        assert!(scene.journal.has("dropped 1"));
        scene.expect_no_other_harm().await;
    });
}
