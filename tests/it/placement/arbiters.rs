//! Arbiters that go.

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;

use super::{block, eventually, thread_of};
use crate::support::{real_world, Ask, Do, Exit, Journal, Probe, Reports};

/// F11
#[test]
fn a_start_on_an_arbiter_that_has_gone_is_answered() {
    real_world(async {
        let arbiter = Arbiter::new();
        let handle = arbiter.handle();
        arbiter.stop();
        arbiter.join().unwrap();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::child(&Journal::new()).key("it").on(handle);
        assert!(matches!(supervisor.start_child(spec).await, Err(StartChildError::ArbiterGone)));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert!(supervisor.start_child(Probe::child(&Journal::new()).key("it")).await.is_ok(), "the key is free");
    });
}

/// F11
#[test]
fn a_child_whose_own_arbiter_goes_is_removed_and_its_senders_are_told() {
    real_world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().max_restarts(0).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        let release = block(&child.addr).await;
        let waiting = child.addr.send(Ask);
        arbiter.stop();
        drop(release);
        // Handled before the arbiter has gone, or answered that it has.
        let _ = waiting.await;
        eventually("it is removed", async || supervisor.count_children().await.unwrap().specs == 0).await;
        eventually("its mailbox is closed", async || !child.addr.connected()).await;
        assert!(journal.has("stopped 1") && journal.has("dropped 1"), "its hooks have run");
        assert_eq!(reports.kinds(), ["child_terminated"]);
        assert_eq!(reports.all()[0].field("reason"), "arbiter gone");
        arbiter.join().unwrap();
    });
}

/// F11
#[test]
fn a_child_of_a_pool_goes_on_elsewhere_with_its_queue() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(1).start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal).key("it")).await.unwrap();
        let home = thread_of(&child.addr).await;

        let release = block(&child.addr).await;
        child.addr.do_send(Do::this(|_, _| Arbiter::current().stop().then_some(()).unwrap()));
        // More than a child handles in one turn, so that some are still queued when its arbiter goes.
        let answers: Vec<_> = (0..1000).map(|_| child.addr.send(Ask)).collect();
        drop(release);

        let mut lives = Vec::new();
        for answer in answers {
            lives.push(answer.await.expect("no message of the queue is lost"));
        }
        assert!(lives.is_sorted(), "in order");
        assert_eq!(lives.last(), Some(&2), "some were left for the next life");
        assert_ne!(thread_of(&child.addr).await, home);
        assert!(supervisor.whereis::<Probe>("it").is_some());
        let info = &supervisor.which_children().await.unwrap()[0];
        assert!(matches!(info.last_exit, Some(ExitReason::ArbiterGone)), "{info:?}");
    });
}

#[test]
fn a_child_that_only_says_that_its_arbiter_has_gone_is_restarted_where_it_was() {
    real_world(async {
        let (journal, arbiter) = (Journal::new(), Arbiter::new());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        child.addr.do_send(Exit(ExitReason::ArbiterGone));
        assert_eq!(child.addr.send(Ask).await.unwrap(), 2);
        let info = &supervisor.which_children().await.unwrap()[0];
        assert!(matches!(info.last_exit, Some(ExitReason::ArbiterGone)));
        supervisor.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

/// F11
#[test]
fn an_arbiter_that_goes_counts_once_however_many_children_it_takes_along() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(1).start().unwrap();
        let mut children = Vec::new();
        for _ in 0..200 {
            children.push(supervisor.start_child(Probe::child(&journal)).await.unwrap());
        }
        children[0].addr.do_send(Do::this(|_, _| {
            Arbiter::current().stop();
        }));
        for child in &children {
            assert!(child.addr.send(Ask).await.is_ok(), "it has survived, or lives again");
        }
        eventually("half of them have moved", async || {
            let moved = supervisor.which_children().await.unwrap().iter().filter(|info| info.restarts == 1).count();
            moved == 100
        })
        .await;
        assert_eq!(supervisor.count_children().await.unwrap().active, 200);
    });
}

/// F11
#[test]
fn a_child_that_ends_every_arbiter_it_gets_is_too_much_in_the_end() {
    real_world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().placement(Placement::Pool(2)).max_restarts(3).start().unwrap();
        let spec = Probe::scripted(&journal, |probe| {
            probe.on_started(|_, _| {
                Arbiter::current().stop();
            })
        });
        let _ = supervisor.start_child(spec).await;
        assert!(matches!(supervisor.exited().await, ExitReason::Shutdown));
        assert!(journal.entries().iter().filter(|entry| entry.starts_with("started")).count() <= 4);
    });
}

/// F11
#[test]
fn a_start_under_way_when_its_arbiter_goes_is_answered() {
    real_world(async {
        let arbiter = Arbiter::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (tell, begun) = tokio::sync::oneshot::channel();
        let mut tell = Some(tell);
        let spec = Child::from_async(move |_: StartContext<Probe>| {
            tell.take().map(|tell| tell.send(()));
            std::future::pending::<Result<Start<Probe>, BoxError>>()
        });
        let started = supervisor.start_child(spec.on(arbiter.handle()));
        begun.await.unwrap();
        arbiter.stop();
        assert!(matches!(started.await, Err(StartChildError::ArbiterGone)));
        arbiter.join().unwrap();
    });
}
