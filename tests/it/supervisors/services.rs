//! Supervisors that Actix itself starts: as services, and as a plain actor.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use crate::support::{real_world, settle, world, Ask, Journal, Panic, Probe};

#[test]
fn there_is_one_supervisor_for_the_system_on_whatever_arbiter_one_asks() {
    real_world(async {
        let journal = Journal::new();
        let here = <DynamicSupervisor as SystemService>::from_registry();
        let child = here.start_child(Probe::child(&journal)).await.unwrap();
        let arbiter = Arbiter::new();
        let (addr_tx, addr_rx) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || {
            let _ = addr_tx.send(<DynamicSupervisor as SystemService>::from_registry());
        });

        let there = addr_rx.await.unwrap();

        assert_eq!(there, here);
        assert_eq!(there.count_children().await.unwrap().specs, 1);
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        here.stop().await.unwrap();
        assert_eq!(journal.entries().last().unwrap(), "dropped 2");
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn there_is_one_supervisor_for_each_arbiter() {
    real_world(async {
        let journal = Journal::new();
        let here = <DynamicSupervisor as ArbiterService>::from_registry();
        assert_eq!(<DynamicSupervisor as ArbiterService>::from_registry(), here);
        here.start_child(Probe::child(&journal)).await.unwrap();
        let arbiter = Arbiter::new();
        let (addr_tx, addr_rx) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || {
            let _ = addr_tx.send(<DynamicSupervisor as ArbiterService>::from_registry());
        });

        let there = addr_rx.await.unwrap();

        assert_ne!(there, here);
        assert_eq!(there.count_children().await.unwrap().specs, 0);
        assert_eq!(here.count_children().await.unwrap().specs, 1);
        here.stop().await.unwrap();
        there.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_service_that_has_stopped_is_gone_and_says_so() {
    real_world(async {
        let service = <DynamicSupervisor as ArbiterService>::from_registry();

        service.stop().await.unwrap();

        let again = <DynamicSupervisor as ArbiterService>::from_registry();
        let refused = again.start_child(Probe::child(&Journal::new())).await;
        assert!(matches!(refused, Err(StartChildError::SupervisorGone)));
    });
}

#[test]
fn a_default_supervisor_can_be_started_as_a_plain_actor() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::default().start();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        assert_eq!(child.addr.send(Ask).await, Ok(2));
        let ended = supervisor.exited();
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);

        let report = supervisor.stop().await.unwrap();

        assert_eq!((report.stopped, report.is_clean()), (1, true));
        assert!(!ended.await.is_abnormal());
        assert_eq!(journal.entries().last().unwrap(), "dropped 2");
    });
}

#[test]
fn a_plain_supervisor_ends_with_its_last_address_like_any_plain_actor() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::default().start();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(supervisor);
        settle().await;

        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
    });
}

#[test]
fn a_plain_supervisor_gives_up_at_its_limit() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::default().start();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let ended = supervisor.exited();

        for _ in 0..4 {
            child.addr.do_send(Panic("boom"));
        }
        ended.await;

        assert!(!supervisor.connected() && !child.addr.connected());
        assert_eq!(journal.entries().last().unwrap(), "dropped 4");
    });
}
