//! F11: the arbiter goes away under the supervisor and its children.

use std::{sync::mpsc, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{fail, Bomb};
use crate::support::{real_world, Ask, Do, Journal, Probe};

/// A supervisor on a thread of its own.
fn elsewhere() -> (Arbiter, Addr<DynamicSupervisor>) {
    let (arbiter, (tx, rx)) = (Arbiter::new(), mpsc::channel());
    arbiter.spawn_fn(move || tx.send(DynamicSupervisor::builder().start().unwrap()).unwrap());
    (arbiter, rx.recv().unwrap())
}

/// F11
#[test]
fn an_arbiter_that_is_stopped_ends_supervisor_and_children_with_hooks_and_says_so() {
    real_world(async {
        let (arbiter, supervisor) = elsewhere();
        let journal = Journal::new();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(child.addr.send(Ask).await, Ok(1));
        let exited = supervisor.exited();
        // Answered behind `exited`, so that one has been begun.
        assert_eq!(supervisor.count_children().await.unwrap().active, 1);

        arbiter.stop();
        let exited = exited.await;
        arbiter.join().unwrap();

        assert_eq!(exited.to_string(), "arbiter gone");
        assert!(exited.is_abnormal());
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert!(!supervisor.connected() && !child.addr.connected());
    });
}

/// F11
#[test]
fn whoever_asks_a_supervisor_whose_arbiter_is_gone_gets_an_error_and_never_hangs() {
    real_world(async {
        let (arbiter, supervisor) = elsewhere();
        let journal = Journal::new();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let hanging =
            supervisor.start_child(Child::from_async(|_| std::future::pending::<Result<Start<Probe>, BoxError>>()));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 2);

        arbiter.stop();
        arbiter.join().unwrap();

        let cut_off = hanging.await;
        assert!(cut_off.is_err(), "{cut_off:?}");
        assert_eq!(child.addr.send(Ask).await, Err(MailboxError::Closed));
        let refused = supervisor.start_child(Probe::child(&journal)).await;
        assert!(matches!(refused, Err(StartChildError::SupervisorGone)), "{refused:?}");
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::SupervisorGone));
        assert_eq!(supervisor.kill_child(child.id).await, Err(TerminateChildError::SupervisorGone));
        assert!(supervisor.count_children().await.is_err(), "count");
        assert!(supervisor.which_children().await.is_err(), "list");
        assert_eq!(supervisor.stop().await, Err(actix_dynamic_supervisor::StopError::SupervisorGone));
        assert_eq!(supervisor.exited().await.to_string(), "unknown");
    });
}

/// F11
#[test]
fn an_arbiter_can_be_stopped_while_a_child_refuses_to_stop() {
    real_world(async {
        let (arbiter, supervisor) = elsewhere();
        let journal = Journal::new();
        let stubborn = Probe::scripted(&journal, |probe| probe.on_stopping(|_, _| Running::Continue));
        let child = supervisor.start_child(stubborn.shutdown(Shutdown::Infinity)).await.unwrap();

        arbiter.stop();
        arbiter.join().unwrap();

        assert!(!child.addr.connected());
        assert_eq!(journal.entries().last().unwrap(), "dropped 1");
    });
}

/// F11, F05, F06
#[test]
fn an_arbiter_can_be_stopped_though_hooks_and_destructors_on_it_panic_or_use_the_runtime() {
    real_world(async {
        let (arbiter, supervisor) = elsewhere();
        let journal = Journal::new();
        let scripts: [fn(Probe) -> Probe; 5] = [
            |probe| probe.on_stopping(|_, _| fail("in stopping")),
            |probe| probe.on_stopped(|_, _| fail("in stopped")),
            |probe| probe.on_drop(|| fail("in drop")),
            |probe| {
                probe.on_stopping(|_, ctx| {
                    ctx.run_later(Duration::from_secs(1), |_, _| ());
                    Running::Continue
                })
            },
            |probe| {
                probe.on_stopped(|_, _| {
                    actix::spawn(async {});
                })
            },
        ];
        let mut children = Vec::new();
        for script in scripts {
            let bomb = Bomb;
            let spec = Probe::scripted(&journal, move |probe| {
                let _ = &bomb;
                script(probe)
            });
            children.push(supervisor.start_child(spec).await.unwrap());
        }
        children[4].addr.do_send(Do::this(|_, _| fail("boom")));

        arbiter.stop();
        arbiter.join().unwrap();

        assert!(children.iter().all(|child| !child.addr.connected()));
        let dropped = journal.entries().iter().filter(|entry| entry.starts_with("dropped")).count();
        let started = journal.entries().iter().filter(|entry| entry.starts_with("started")).count();
        assert_eq!(dropped, started, "{:?}", journal.entries());
    });
}

/// F11
#[test]
fn a_supervisor_is_not_started_on_an_arbiter_that_is_gone() {
    real_world(async {
        let arbiter = Arbiter::new();
        arbiter.stop();
        let handle = arbiter.handle();
        arbiter.join().unwrap();
        let (tx, rx) = mpsc::channel::<()>();

        handle.spawn_fn(move || {
            let _ = DynamicSupervisor::builder().start();
            let _ = tx.send(());
        });

        assert!(rx.recv().is_err(), "the closure is dropped");
        let service = <DynamicSupervisor as SystemService>::start_service(&handle);
        assert!(service.count_children().await.is_err());
    });
}
