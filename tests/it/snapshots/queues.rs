//! Queues are counted by taking them out; nobody may notice.

use std::sync::{
    atomic::{AtomicUsize, Ordering},
    Arc,
};

use actix::prelude::*;
use actix_dynamic_supervisor::prelude::*;
use futures::{future::join_all, StreamExt};

use super::{all, by, child, handled, hold, look, patient, queued, send, SECOND};
use crate::support::{
    script::{gated, Gate},
    settle, world, Ask, Do, Exit, Journal, Panic, Probe,
};

async fn start(supervisor: &Addr<DynamicSupervisor>, journal: &Journal) -> actix_dynamic_supervisor::Started<Probe> {
    supervisor.start_child(Probe::child(journal)).await.unwrap()
}

#[test]
fn what_waits_in_a_queue_is_counted_exactly_up_to_1024() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        for (sent, expected) in [(0, 0), (1, 1), (16, 16), (17, 17), (1_023, 1_023), (1_024, 1_024), (3_000, 1_024)] {
            let probe = start(&supervisor, &journal).await;
            let gate = hold(&probe.addr).await;
            send(&probe.addr, 0..sent);
            assert_eq!(queued(&supervisor, probe.id).await, Some(expected), "{sent} sent");
            gate.admit(1);
        }
    });
}

#[test]
fn no_queue_is_counted_unless_that_is_asked() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let _gate = hold(&probe.addr).await;
        send(&probe.addr, 0..5);
        let snapshot = look(&supervisor, TakeSnapshot::new()).await;
        assert_eq!(snapshot.children[0].queued, None);
        assert_eq!(supervisor.which_children().await.unwrap()[0].queued, None);
        assert_eq!(queued(&supervisor, probe.id).await, Some(5));
    });
}

#[test]
fn messages_keep_their_order_however_often_they_are_counted_in_between() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let gate = hold(&probe.addr).await;
        for round in 0..300 {
            send(&probe.addr, round * 10..round * 10 + 10);
            assert_eq!(queued(&supervisor, probe.id).await, Some((round * 10 + 10).min(1_024)));
        }
        gate.admit(1);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 1, "handled last");
        assert_eq!(handled(&journal), by(1, 0..3_000));
    });
}

#[test]
fn messages_keep_their_order_while_they_flow_and_are_counted() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        for round in 0..100 {
            // The supervisor has its turn before the child has.
            let asked = supervisor.snapshot(all());
            send(&probe.addr, round * 300..round * 300 + 300);
            tokio::task::yield_now().await;
            let again = look(&supervisor, all()).await;
            assert!(again.children[0].queued.is_some());
            assert!(asked.await.unwrap().children[0].queued.is_some());
        }
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(handled(&journal), by(1, 0..30_000));
    });
}

#[test]
fn an_idle_child_whose_queue_was_counted_hears_what_comes_after() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        for _ in 0..3 {
            settle().await;
            assert_eq!(queued(&supervisor, probe.id).await, Some(0));
            settle().await;
            assert_eq!(probe.addr.send(Ask).await.unwrap(), 1);
        }
    });
}

#[test]
fn a_child_that_waits_on_its_context_hears_what_was_counted_and_what_comes_after() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let gate = hold(&probe.addr).await;
        send(&probe.addr, 0..3);
        assert_eq!(queued(&supervisor, probe.id).await, Some(3));
        settle().await;
        gate.admit(1);
        settle().await;
        assert_eq!(handled(&journal), by(1, 0..3), "woken by what it waited for");
        send(&probe.addr, 3..5);
        settle().await;
        assert_eq!(handled(&journal), by(1, 0..5));
    });
}

#[test]
fn a_child_that_waits_to_be_restarted_keeps_what_was_counted() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::child(&journal).backoff(Backoff::fixed(10 * SECOND));
        let probe = supervisor.start_child(spec).await.unwrap();
        probe.addr.do_send(Panic("boom"));
        send(&probe.addr, 0..20);
        settle().await;
        for _ in 0..3 {
            let info = child(&supervisor, probe.id).await;
            assert_eq!((info.state, info.queued), (ChildState::Restarting, Some(20)));
        }
        send(&probe.addr, 20..30);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 2);
        assert_eq!(handled(&journal), by(2, 0..30));
    });
}

#[test]
fn a_child_whose_restart_takes_time_keeps_what_was_counted() {
    world(async {
        let (journal, supervisor, gate) = (Journal::new(), patient(), Gate::shut());
        let probe = supervisor.start_child(gated(&journal, &gate, 2)).await.unwrap();
        probe.addr.do_send(Panic("boom"));
        send(&probe.addr, 0..20);
        journal.expect("starting 2").await;
        assert_eq!(queued(&supervisor, probe.id).await, Some(20));
        send(&probe.addr, 20..30);
        assert_eq!(queued(&supervisor, probe.id).await, Some(30));
        gate.admit(1);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 2);
        assert_eq!(handled(&journal), by(2, 0..30));
    });
}

#[test]
fn a_child_that_starts_and_sends_itself_something_meanwhile_keeps_what_was_counted() {
    world(async {
        let (journal, supervisor, gate) = (Journal::new(), patient(), Gate::shut());
        let (its_journal, its_gate) = (journal.clone(), gate.clone());
        let spec = Child::from_async(move |cx: StartContext<Probe>| {
            send(&cx.address(), 0..7);
            let (journal, gate) = (its_journal.clone(), its_gate.clone());
            async move {
                journal.note("starting");
                gate.pass().await;
                Ok::<_, BoxError>(Start::Run(Probe::new(&journal, cx.incarnation())))
            }
        });
        let started = actix::spawn(supervisor.start_child(spec));
        journal.expect("starting").await;
        let snapshot = look(&supervisor, all()).await;
        let info = &snapshot.children[0];
        assert_eq!((info.state, info.queued), (ChildState::Starting, Some(7)));
        gate.admit(1);
        let probe = started.await.unwrap().unwrap();
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 1);
        assert_eq!(handled(&journal), by(1, 0..7));
    });
}

#[test]
fn a_crash_in_the_midst_of_what_was_counted_leaves_the_rest_to_the_next_incarnation() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let gate = hold(&probe.addr).await;
        send(&probe.addr, 0..3);
        probe.addr.do_send(Panic("boom"));
        send(&probe.addr, 3..6);
        assert_eq!(queued(&supervisor, probe.id).await, Some(7));
        probe.addr.do_send(Exit(ExitReason::Normal));
        send(&probe.addr, 6..9);
        gate.admit(1);
        assert_eq!(probe.addr.send(Ask).await.unwrap(), 3);
        assert_eq!(handled(&journal), [by(1, 0..3), by(2, 3..6), by(3, 6..9)].concat());
    });
}

#[test]
fn a_child_that_stops_amid_what_was_counted_and_stays_gone_answers_those_who_wait() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::child(&journal).restart(Restart::Temporary);
        let probe = supervisor.start_child(spec).await.unwrap();
        let gate = hold(&probe.addr).await;
        let before = probe.addr.send(Ask);
        probe.addr.do_send(Do::this(|_, ctx| ctx.stop()));
        let after: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(queued(&supervisor, probe.id).await, Some(7));
        gate.admit(1);
        assert_eq!(before.await, Ok(1));
        assert!(join_all(after).await.iter().all(Result::is_err));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

#[test]
fn a_child_that_is_terminated_answers_those_whose_messages_were_counted() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let mut events = supervisor.events(Events::new());
        let _gate = hold(&probe.addr).await;
        let asked: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(queued(&supervisor, probe.id).await, Some(5));
        let late: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        supervisor.kill_child(probe.id).await.unwrap();
        // The next incarnation answers: they were still there.
        assert_eq!(join_all(asked).await, vec![Ok(2); 5]);
        assert_eq!(join_all(late).await, vec![Ok(2); 5]);

        let _gate = hold(&probe.addr).await;
        let asked: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(queued(&supervisor, probe.id).await, Some(5));
        let late: Vec<_> = (0..3).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(supervisor.terminate_child(probe.id).await, Ok(()));
        assert!(join_all(asked).await.iter().chain(&join_all(late).await).all(Result::is_err));
        loop {
            let event = events.next().await.expect("it is told");
            if let EventKind::QueueClosed { undelivered, .. } = event.kind {
                assert_eq!(undelivered, 8);
                break;
            }
        }
    });
}

#[test]
fn a_supervisor_that_is_dropped_answers_those_whose_messages_were_counted() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let _gate = hold(&probe.addr).await;
        let asked: Vec<_> = (0..5).map(|_| probe.addr.send(Ask)).collect();
        assert_eq!(queued(&supervisor, probe.id).await, Some(5));
        drop(supervisor);
        assert!(join_all(asked).await.iter().all(Result::is_err));
        assert!(journal.has("dropped 1"));
    });
}

#[test]
fn who_waits_for_room_in_a_full_mailbox_gets_it_and_is_answered_once() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let gate = hold(&probe.addr).await;
        let answered = Arc::new(AtomicUsize::new(0));
        let asking: Vec<_> = (0..200)
            .map(|number| {
                let (addr, answered) = (probe.addr.clone(), Arc::clone(&answered));
                actix::spawn(async move {
                    for turn in 0..3 {
                        let number = number * 3 + turn;
                        addr.send(Do::this(move |probe, _| probe.note(&format!("m {number}")))).await.unwrap();
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            settle().await;
            assert!(queued(&supervisor, probe.id).await.is_some_and(|queued| queued > 0));
        }
        assert_eq!(answered.load(Ordering::SeqCst), 0);
        gate.admit(1);
        for asker in asking {
            asker.await.unwrap();
        }
        assert_eq!(answered.load(Ordering::SeqCst), 600);
        let mut told: Vec<usize> = handled(&journal).into_iter().map(|(number, _)| number).collect();
        told.sort();
        assert_eq!(told, (0..600).collect::<Vec<_>>(), "each once");
    });
}

#[test]
fn a_count_makes_room_in_a_full_mailbox() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let probe = start(&supervisor, &journal).await;
        let gate = hold(&probe.addr).await;
        let fill = || (0..100).take_while(|_| probe.addr.try_send(Ask).is_ok()).count();
        assert_eq!(fill(), 16, "as many as Actix lets in");
        assert_eq!(queued(&supervisor, probe.id).await, Some(16));
        assert_eq!(fill(), 16, "there was room again");
        assert_eq!(queued(&supervisor, probe.id).await, Some(32));
        gate.admit(1);
        assert_eq!(probe.addr.send(Ask).await, Ok(1));
        assert_eq!(child(&supervisor, probe.id).await.handled, Some(34));
    });
}

#[test]
fn what_was_counted_in_a_nested_supervisors_queue_is_carried_out() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let nested = DynamicSupervisor::builder().max_restarts(0).into_child().backoff(Backoff::fixed(10 * SECOND));
        let nested = supervisor.start_child(nested).await.unwrap();
        let fatal = nested.addr.start_child(Probe::child(&journal)).await.unwrap();
        fatal.addr.do_send(Panic("one too many"));
        settle().await;
        let starts: Vec<_> =
            (0..3_u8).map(|key| actix::spawn(nested.addr.start_child(Probe::child(&journal).key(key)))).collect();
        settle().await;
        let info = look(&supervisor, all().depth(0).only(nested.id)).await.children.remove(0);
        assert_eq!((info.state, info.queued), (ChildState::Restarting, Some(3)));
        tokio::time::sleep(11 * SECOND).await;
        for start in starts {
            assert!(start.await.unwrap().is_ok());
        }
        assert_eq!(nested.addr.count_children().await.unwrap().active, 3);
    });
}

#[test]
fn a_count_in_which_a_childs_time_to_stop_runs_does_not_outlast_it() {
    world(async {
        let (journal, supervisor) = (Journal::new(), patient());
        let spec = Probe::scripted(&journal, |probe| probe.on_stopping(|_, _| Running::Continue));
        let probe = supervisor.start_child(spec.shutdown(Shutdown::Timeout(5 * SECOND))).await.unwrap();
        let gate = hold(&probe.addr).await;
        send(&probe.addr, 0..4);
        let ended = actix::spawn(supervisor.terminate_child(probe.id));
        settle().await;
        let info = child(&supervisor, probe.id).await;
        assert_eq!((info.state, info.queued), (ChildState::Stopping, Some(4)));
        assert_eq!(ended.await.unwrap(), Ok(()), "killed at its deadline");
        gate.admit(1);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}
