//! Children that a supervisor starts by itself, whenever it is started.

use std::num::NonZeroUsize;

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, Builder, InitialChildren};

use super::crash;
use crate::support::script::{gated, Gate};
use crate::support::{settle, world, Ask, Journal, Panic, Probe};

/// A supervisor whose initial children are probes with these keys; each notes its key when it starts.
pub(super) fn with_probes(journal: &Journal, keys: &'static [&'static str]) -> Builder {
    let journal = journal.clone();
    DynamicSupervisor::builder().with_children(move |sup| {
        for key in keys {
            start_noted(sup, &journal, key);
        }
    })
}

pub(super) fn start_noted(sup: &mut InitialChildren, journal: &Journal, key: &'static str) {
    let own = journal.clone();
    let spec = Probe::scripted(journal, move |probe| {
        own.note(key);
        probe
    });
    sup.start_child(spec.key(key));
}

#[test]
fn they_are_started_in_order_and_before_all_else() {
    world(async {
        let journal = Journal::new();
        let supervisor = with_probes(&journal, &["a", "b", "c"]).start().unwrap();
        let later = supervisor.start_child(Probe::child(&Journal::new()).key("a"));

        assert!(matches!(later.await, Err(StartChildError::AlreadyStarted(_))), "it came after them");
        assert_eq!(journal.entries(), ["a", "started 1", "b", "started 1", "c", "started 1"]);
        let children = supervisor.which_children().await.unwrap();
        assert_eq!(children.iter().map(|child| child.key.as_deref().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(children.windows(2).all(|pair| pair[0].id < pair[1].id));
    });
}

#[test]
fn those_named_later_are_started_after_those_named_before() {
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let builder = with_probes(&journal, &["a"]).with_children(move |sup| start_noted(sup, &own, "b"));
        let supervisor = builder.start().unwrap();
        assert_eq!(supervisor.count_children().await.unwrap().active, 2);
        assert_eq!(journal.entries(), ["a", "started 1", "b", "started 1"]);
    });
}

#[test]
fn once_started_they_are_children_like_all_others() {
    world(async {
        let journal = Journal::new();
        let supervisor = with_probes(&journal, &["a", "b"]).start().unwrap();
        assert_eq!(supervisor.count_children().await.unwrap().active, 2);
        let child = supervisor.whereis::<Probe>("a").unwrap();

        child.do_send(Panic("boom"));
        assert_eq!(child.send(Ask).await, Ok(2));
        assert_eq!(supervisor.terminate_child(ChildHandle::key::<Probe>("b")).await, Ok(()));

        assert_eq!(supervisor.count_children().await.unwrap().specs, 1, "it does not come back");
        assert_eq!(supervisor.stop().await.unwrap().stopped, 1);
    });
}

#[test]
fn a_nested_supervisor_that_is_restarted_starts_them_again_and_no_others() {
    world(async {
        let (parent, journal) = (DynamicSupervisor::builder().start().unwrap(), Journal::new());
        let nested = parent.start_child(with_probes(&journal, &["a", "b"]).into_child()).await.unwrap();
        nested.addr.start_child(Probe::child(&Journal::new()).key("later")).await.unwrap();
        nested.addr.terminate_child(ChildHandle::key::<Probe>("b")).await.unwrap();
        let old = nested.addr.whereis::<Probe>("a").unwrap();
        journal.take();

        parent.kill_child(nested.id).await.unwrap();

        assert_eq!(nested.addr.count_children().await.unwrap().active, 2);
        assert!(nested.addr.whereis::<Probe>("later").is_none());
        let fresh = nested.addr.whereis::<Probe>("a").unwrap();
        assert!(fresh != old && !old.connected());
        assert_eq!(fresh.send(Ask).await, Ok(1));
        assert_eq!(journal.entries(), ["stopping 1", "stopped 1", "dropped 1", "a", "started 1", "b", "started 1"]);
    });
}

#[test]
fn a_nested_supervisor_that_gives_up_comes_back_with_them() {
    world(async {
        let (parent, journal) = (DynamicSupervisor::builder().start().unwrap(), Journal::new());
        let builder = with_probes(&journal, &["a", "b"]).max_restarts(0);
        let nested = parent.start_child(builder.into_child()).await.unwrap();

        crash(&nested.addr.whereis::<Probe>("a").unwrap()).await;

        assert_eq!(nested.addr.count_children().await.unwrap().active, 2);
        assert_eq!(parent.which_children().await.unwrap()[0].restarts, 1);
        assert_eq!(nested.addr.whereis::<Probe>("a").unwrap().send(Ask).await, Ok(1));
    });
}

#[test]
fn one_that_declines_is_left_out() {
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let builder = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(Child::try_with(|_| Ok::<_, BoxError>(Start::<Probe>::Ignore)).key("declines"));
            let later = |_: StartContext<Probe>| async { Ok::<_, BoxError>(Start::<Probe>::Ignore) };
            sup.start_child(Child::from_async(later).key("declines later"));
            sup.start_child(Probe::child(&own).key("a"));
        });
        let supervisor = builder.start().unwrap();
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);
        assert!(supervisor.whereis::<Probe>("a").is_some());
    });
}

#[test]
fn one_that_takes_time_does_not_hold_up_the_others_nor_the_supervisor() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let (own, passing) = (journal.clone(), gate.clone());
        let supervisor = DynamicSupervisor::builder().with_children(move |sup| {
            sup.start_child(gated(&own, &passing, 1).key("slow"));
            start_noted(sup, &own, "quick");
        });
        let supervisor = supervisor.start().unwrap();

        let counts = supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active), (2, 1));
        gate.admit(1);
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().active, 2);
        assert!(supervisor.whereis::<Probe>("slow").is_some());
        assert_eq!(journal.entries(), ["quick", "started 1", "starting 1", "started 1"]);
    });
}

#[test]
fn one_that_takes_time_and_is_terminated_meanwhile_is_left_out_and_killed_it_has_failed() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let builder = || {
            let (own, passing) = (journal.clone(), gate.clone());
            DynamicSupervisor::builder().with_children(move |sup| sup.start_child(gated(&own, &passing, 1).key("a")))
        };
        let key = || ChildHandle::key::<Probe>("a");

        let supervisor = builder().start().unwrap();
        assert_eq!(supervisor.terminate_child(key()).await, Ok(()));
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);

        let supervisor = builder().start().unwrap();
        let ended = supervisor.exited();
        assert_eq!(supervisor.kill_child(key()).await, Ok(()));
        assert_eq!(ended.await.to_string(), "failed: the child ended while it started: killed");
    });
}

#[test]
fn a_supervisor_asked_to_stop_while_they_start_ends_as_it_was_asked() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let (own, passing) = (journal.clone(), gate.clone());
        let supervisor = DynamicSupervisor::builder()
            .max_concurrent_starts(NonZeroUsize::MIN)
            .with_children(move |sup| (0..3).for_each(|_| sup.start_child(gated(&own, &passing, 1))))
            .start()
            .unwrap();
        let ended = supervisor.exited();

        let report = supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, ended.await.to_string()), (0, "normal".to_owned()));
    });
}

#[test]
fn a_supervisor_with_a_module_has_them_too_and_a_reinit_starts_none() {
    struct Rooms;
    impl SupervisorModule for Rooms {
        type Arg = usize;
        fn init(max: &usize) -> Result<Init, BoxError> {
            Ok(Init::Flags(Flags::new().max_children(*max)))
        }
    }
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let builder = DynamicSupervisor::module::<Rooms>(2).with_children(move |sup| start_noted(sup, &own, "a"));
        let supervisor = builder.start().unwrap();
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);

        supervisor.reinit().await.unwrap();

        assert_eq!(supervisor.count_children().await.unwrap().active, 1);
        assert_eq!(journal.entries(), ["a", "started 1"]);
    });
}

#[test]
fn they_may_be_supervisors_with_initial_children_of_their_own() {
    world(async {
        let journal = Journal::new();
        let own = journal.clone();
        let root = DynamicSupervisor::builder().with_children(move |sup| {
            let journal = own.clone();
            let inner = DynamicSupervisor::builder().with_children(move |sup| start_noted(sup, &journal, "leaf"));
            sup.start_child(inner.into_child().key("inner"));
        });
        let root = root.start().unwrap();
        settle().await;
        let inner = root.whereis::<DynamicSupervisor>("inner").unwrap();

        for _ in 0..3 {
            root.kill_child(ChildHandle::key::<DynamicSupervisor>("inner")).await.unwrap();
            settle().await;
            assert_eq!(inner.whereis::<Probe>("leaf").unwrap().send(Ask).await, Ok(1));
        }
        assert_eq!(root.stop().await.unwrap().stopped, 1);
    });
}
