//! Children on other arbiters, which tell for themselves.

use std::{sync::mpsc, time::Duration};

use actix::prelude::*;
use actix_dynamic_supervisor::{prelude::*, OnUnresponsive};
use futures::future::join_all;

use super::{all, block, by, child, eventually, handled, hold, look, queued, send, PATIENCE};
use crate::support::{real_world, Ask, Do, Journal, Panic, Probe};

fn pool(arbiters: usize) -> Addr<DynamicSupervisor> {
    let builder = DynamicSupervisor::builder().placement(Placement::Pool(arbiters)).max_reports_per_second(0);
    builder.unresponsive_after(Duration::from_millis(50)).max_restarts(1_000_000).measure(true).start().unwrap()
}

fn end_arbiter() -> Do {
    Do::this(|_, _| {
        Arbiter::current().stop();
    })
}

#[test]
fn a_queue_elsewhere_is_counted_and_keeps_its_order() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let gate = hold(&probe.addr).await;
        for round in 0..150 {
            send(&probe.addr, round * 10..round * 10 + 10);
            assert_eq!(queued(&supervisor, probe.id).await, Some((round * 10 + 10).min(1_024)));
        }
        gate.admit(1);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(handled(&journal), by(1, 0..1_500));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_child_elsewhere_is_woken_by_what_comes_while_it_is_counted() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(2));
        let probes =
            join_all((0..4).map(|_| supervisor.start_child(Probe::child(&journal)))).await.into_iter().flatten();
        let probes: Vec<_> = probes.collect();
        for _ in 0..200 {
            let asked: Vec<_> = (0..4).map(|_| supervisor.snapshot(all())).collect();
            for probe in &probes {
                let answer = tokio::time::timeout(PATIENCE, probe.addr.send(Ask)).await;
                assert_eq!(answer.expect("it is woken").unwrap(), 1);
            }
            assert!(join_all(asked).await.into_iter().all(|told| told.is_ok()));
        }
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_child_whose_arbiter_ends_takes_along_what_was_counted_and_how_much_it_has_handled() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let other = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        send(&probe.addr, 0..100);
        let _gate = hold(&probe.addr).await;
        send(&probe.addr, 100..150);
        assert_eq!(queued(&supervisor, probe.id).await, Some(50));
        send(&probe.addr, 150..200);
        other.addr.do_send(end_arbiter());
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 2, "it goes on, on another arbiter");
        assert_eq!(handled(&journal), [by(1, 0..100), by(2, 100..200)].concat());
        let of = async || child(&supervisor, probe.id).await.handled;
        eventually("all of it is counted", async || of().await == Some(202)).await;
        // And again, as a child that waits for nothing.
        other.addr.do_send(end_arbiter());
        eventually("it is restarted", async || probe.addr.send(Ask).await == Ok(3)).await;
        assert!(of().await >= Some(203));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_child_that_waits_to_be_restarted_when_its_arbiter_ends_keeps_what_was_counted() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let other = supervisor.start_child(Probe::child(&Journal::new())).await.unwrap();
        let spec = Probe::child(&journal).backoff(Backoff::fixed(Duration::from_millis(300)));
        let probe = supervisor.start_child(spec).await.unwrap();
        probe.addr.do_send(Panic("boom"));
        send(&probe.addr, 0..20);
        eventually("it is down", async || child(&supervisor, probe.id).await.state == ChildState::Restarting).await;
        assert_eq!(queued(&supervisor, probe.id).await, Some(20));
        other.addr.do_send(end_arbiter());
        send(&probe.addr, 20..30);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 2);
        assert_eq!(handled(&journal), by(2, 0..30));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_child_that_is_taken_over_keeps_its_count_and_its_longest_poll_and_its_queue_is_not_counted() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let spec = Probe::child(&journal).on_unresponsive(OnUnresponsive::TakeOver);
        let probe = supervisor.start_child(spec).await.unwrap();
        send(&probe.addr, 0..100);
        probe.addr.send(Ask).await.unwrap();
        let info = child(&supervisor, probe.id).await;
        assert_eq!((info.handled, info.queued), (Some(101), None));
        let release = block(&probe.addr).await;
        send(&probe.addr, 100..200);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 2);
        assert_eq!(handled(&journal), [by(1, 0..100), by(2, 100..200)].concat());
        assert_eq!(child(&supervisor, probe.id).await.handled, Some(203), "that which blocks is one of them");
        drop(release);
        journal.expect("dropped 1").await;
        let longest = async || child(&supervisor, probe.id).await.longest_poll;
        eventually("the blocked poll is its longest", async || longest().await >= Some(Duration::from_millis(50)))
            .await;
        assert_eq!(child(&supervisor, probe.id).await.handled, Some(203));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn a_child_on_a_blocked_thread_is_shown_without_what_it_alone_can_tell() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(2));
        let blocked = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let free = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        free.addr.send(Ask).await.unwrap();
        let release = block(&blocked.addr).await;
        let request = all().in_start_order(None).deadline(Duration::from_millis(100));
        let snapshot = look(&supervisor, request).await;
        let told: Vec<_> = snapshot.children.iter().map(|child| (child.id, child.handled, child.queued)).collect();
        assert_eq!(told, [(blocked.id, None, None), (free.id, Some(1), Some(0))]);
        assert!(snapshot.children[0].state == ChildState::Running, "what its supervisor knows is there");
        drop(release);
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn what_a_child_elsewhere_has_handled_tells_a_snapshot_only() {
    real_world(async {
        let (journal, supervisor) = (Journal::new(), pool(1));
        let probe = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        probe.addr.send(Ask).await.unwrap();
        assert_eq!(supervisor.which_children().await.unwrap()[0].handled, None);
        assert_eq!(look(&supervisor, TakeSnapshot::new()).await.children[0].handled, Some(1));
        supervisor.stop().await.unwrap();
    });
}

#[test]
fn where_a_child_lives_is_told_by_the_place_of_the_pool_or_by_its_thread() {
    real_world(async {
        let (journal, arbiter) = (Journal::new(), Arbiter::new());
        let supervisor = pool(2);
        let mut threads = Vec::new();
        for _ in 0..2 {
            supervisor.start_child(Probe::child(&journal)).await.unwrap();
        }
        let guest = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        guest.addr.do_send(Do::this(move |_, _| {
            let _ = tell.send(std::thread::current().id());
        }));
        threads.push(format!("{:?}", told.await.unwrap()));
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        let mut arbiters: Vec<_> = snapshot.children.iter().map(|child| child.arbiter.clone().unwrap()).collect();
        arbiters.sort();
        assert_eq!(arbiters, [threads[0].clone(), "pool 0".into(), "pool 1".into()]);
        let here = super::patient();
        here.start_child(Probe::child(&journal)).await.unwrap();
        assert_eq!(look(&here, TakeSnapshot::new()).await.children[0].arbiter, None);
        supervisor.stop().await.unwrap();
        arbiter.stop();
        arbiter.join().unwrap();
    });
}

#[test]
fn a_snapshot_of_children_whose_arbiter_has_ended_is_answered() {
    real_world(async {
        let (journal, arbiter) = (Journal::new(), Arbiter::new());
        let supervisor = super::patient();
        for _ in 0..3 {
            let spec = Probe::child(&journal).restart(Restart::Temporary).on(arbiter.handle());
            supervisor.start_child(spec).await.unwrap();
        }
        let asked: Vec<_> = (0..3).map(|_| supervisor.snapshot(all())).collect();
        arbiter.stop();
        let after = supervisor.snapshot(all());
        arbiter.join().unwrap();
        for snapshot in join_all(asked).await {
            assert_eq!(snapshot.unwrap().children.len(), 3);
        }
        assert!(after.await.unwrap().children.len() <= 3);
        eventually("they are gone", async || look(&supervisor, all()).await.children.is_empty()).await;
    });
}

#[test]
fn a_child_that_can_go_nowhere_when_its_arbiter_ends_answers_those_whose_messages_were_counted() {
    real_world(async {
        let (journal, arbiter, supervisor) = (Journal::new(), Arbiter::new(), super::patient());
        let probe = supervisor.start_child(Probe::child(&journal).on(arbiter.handle())).await.unwrap();
        let _gate = hold(&probe.addr).await;
        let asked: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(queued(&supervisor, probe.id).await, Some(5));
        let late: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        arbiter.stop();
        arbiter.join().unwrap();
        let answers = join_all(asked).await.into_iter().chain(join_all(late).await);
        assert!(answers.into_iter().all(|answer| answer.is_err()));
        eventually("it is gone", async || look(&supervisor, all()).await.children.is_empty()).await;
    });
}
