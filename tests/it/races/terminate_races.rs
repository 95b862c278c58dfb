//! A terminate meets a crash, a restart, a start; and its caller goes away.

use std::time::Duration;

use actix_dynamic_supervisor::prelude::*;

use crate::support::script::{gated, slow_to_stop, starts_once, stubborn, Gate};
use crate::support::{settle, world, Ask, Journal, Panic, Probe, Reports};

const SECOND: Duration = Duration::from_secs(1);

/// F20
#[test]
fn a_crash_just_before_a_terminate_is_the_one_end() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        child.addr.do_send(Panic("boom"));
        let terminated = supervisor.terminate_child(child.id);

        assert_eq!(terminated.await, Ok(()));
        settle().await;
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert!(!child.addr.connected());
        assert_eq!(reports.kinds(), ["shutdown_error"], "the crash was still unnoticed and is told once");
        assert_eq!(reports.all()[0].field("reason"), "panicked: boom");
    });
}

/// F20
#[test]
fn a_crash_just_after_a_terminate_never_happens() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        let terminated = supervisor.terminate_child(child.id);
        let crash = child.addr.send(Panic("boom"));

        assert_eq!(terminated.await, Ok(()));
        assert!(crash.await.is_err(), "its sender is told");
        settle().await;
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert!(reports.kinds().is_empty());
    });
}

/// F20
#[test]
fn a_crash_while_the_child_takes_its_time_to_stop_ends_it_for_good() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
        let child = supervisor.start_child(spec).await.unwrap();

        let terminated = supervisor.terminate_child(child.id);
        journal.expect("stopping 1").await;
        child.addr.do_send(Panic("boom"));

        assert_eq!(terminated.await, Ok(()));
        settle().await;
        assert!(!journal.has("started 2"));
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 1);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert_eq!(reports.kinds(), ["shutdown_error"]);
    });
}

/// F20
#[test]
fn a_quiet_end_and_a_kill_at_the_same_time_as_a_terminate_are_one_end_too() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let quiet = supervisor.start_child(Probe::child(&journal)).await.unwrap();
        let killed = supervisor.start_child(Probe::child(&journal)).await.unwrap();

        quiet.addr.do_send(crate::support::Exit(ExitReason::Normal));
        let quiet_end = supervisor.terminate_child(quiet.id);
        let kill = supervisor.kill_child(killed.id);
        let killed_end = supervisor.terminate_child(killed.id);

        assert_eq!((quiet_end.await, kill.await, killed_end.await), (Ok(()), Ok(()), Ok(())));
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert_eq!(journal.entries().iter().filter(|entry| *entry == "dropped 1").count(), 2);
        assert!(!journal.has("started 2"));
    });
}

/// F21
#[test]
fn a_terminate_cuts_off_a_restart_under_way() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(gated(&journal, &gate, 2)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        journal.expect("starting 2").await;
        assert_eq!(supervisor.which_children().await.unwrap()[0].state, ChildState::Restarting);
        let queued = child.addr.send(Ask);

        assert_eq!(supervisor.terminate_child(child.id).await, Ok(()));

        gate.admit(1);
        settle().await;
        assert!(!journal.has("started 2"));
        assert!(queued.await.is_err(), "who waited in its queue is told");
        assert!(!child.addr.connected());
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert_eq!(supervisor.terminate_child(child.id).await, Err(TerminateChildError::NotFound));
    });
}

/// F21
#[test]
fn a_child_that_is_being_restarted_is_found_by_its_address_too() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let child = supervisor.start_child(gated(&journal, &gate, 2)).await.unwrap();
        child.addr.do_send(Panic("boom"));
        journal.expect("starting 2").await;

        assert_eq!(supervisor.terminate_child(&child.addr).await, Ok(()));

        gate.admit(1);
        settle().await;
        assert!(!journal.has("started 2"));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F21
#[test]
fn a_terminate_between_two_tries_makes_the_next_one_void() {
    world(async {
        let (journal, reports) = (Journal::new(), Reports::capture());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let terminated = std::sync::Arc::new(std::sync::Mutex::new(None));
        let asked = std::sync::Arc::clone(&terminated);
        // The first try sends it: it is in the supervisor's mailbox before the turn to try again is.
        let spec = starts_once(&journal, move |cx| {
            let supervisor = cx.supervisor().unwrap();
            let id = cx.id();
            let answer = tokio::task::spawn_local(supervisor.send(TerminateChild(id.into())));
            *asked.lock().unwrap() = Some(answer);
        });
        let child = supervisor.start_child(spec).await.unwrap();

        child.addr.do_send(Panic("boom"));
        journal.expect("try 2").await;
        let answer = terminated.lock().unwrap().take().unwrap();

        assert_eq!(answer.await.unwrap(), Ok(Ok(())));
        settle().await;
        assert!(!journal.has("try 3"));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
        assert_eq!(reports.kinds(), ["child_terminated", "start_error"], "nothing to tell of the terminate");
    });
}

/// F21
#[test]
fn the_starter_of_a_child_that_is_terminated_meanwhile_gets_terminated() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = supervisor.start_child(gated(&journal, &gate, 1));
        journal.expect("starting 1").await;
        let starting = &supervisor.which_children().await.unwrap()[0];
        assert_eq!(starting.state, ChildState::Starting);

        let (first, second) = (supervisor.terminate_child(starting.id), supervisor.terminate_child(starting.id));

        assert_eq!((first.await, second.await), (Ok(()), Err(TerminateChildError::NotFound)));
        assert!(matches!(start.await, Err(StartChildError::Terminated)));
        gate.admit(1);
        settle().await;
        assert!(!journal.has("started 1"));
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F21
#[test]
fn a_terminate_that_overtakes_the_notice_of_a_start_ends_the_child_with_its_hooks() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = supervisor.start_child(gated(&journal, &gate, 1));
        journal.expect("starting 1").await;
        let id = supervisor.which_children().await.unwrap()[0].id;

        // The child's turn comes first; its notice is then behind the terminate.
        gate.admit(1);
        let terminated = supervisor.terminate_child(id);

        assert_eq!(terminated.await, Ok(()));
        assert!(matches!(start.await, Err(StartChildError::Terminated)));
        settle().await;
        assert_eq!(journal.entries(), ["starting 1", "started 1", "stopping 1", "stopped 1", "dropped 1"]);
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F21
#[test]
fn a_terminate_while_a_freshly_started_child_takes_its_time_answers_both_the_starter_and_the_asker() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let (own, passing) = (journal.clone(), gate.clone());
        let start = supervisor.start_child(Child::from_async(move |cx: StartContext<Probe>| {
            let (journal, gate) = (own.clone(), passing.clone());
            async move {
                gate.pass().await;
                let probe = stubborn(Probe::new(&journal, cx.incarnation()));
                Ok::<_, BoxError>(Start::Run(probe))
            }
        }));
        settle().await;
        let id = supervisor.which_children().await.unwrap()[0].id;

        let began = tokio::time::Instant::now();
        gate.admit(1);
        let terminated = supervisor.terminate_child(id);

        assert!(matches!(start.await, Err(StartChildError::Terminated)));
        assert_eq!(began.elapsed(), Duration::ZERO, "it need not wait for the end");
        assert_eq!(terminated.await, Ok(()));
        assert_eq!(journal.entries(), ["started 1", "stopping 1", "dropped 1"], "killed at the deadline");
        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F23
#[test]
fn a_start_goes_on_to_its_end_without_the_one_who_asked_for_it() {
    world(async {
        let (journal, gate) = (Journal::new(), Gate::shut());
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let start = supervisor.start_child(gated(&journal, &gate, 1));
        journal.expect("starting 1").await;

        drop(start);
        gate.admit(1);

        journal.expect("started 1").await;
        settle().await;
        let children = supervisor.which_children().await.unwrap();
        assert_eq!(children[0].state, ChildState::Running);
        assert_eq!(children[0].addr::<Probe>().unwrap().send(Ask).await, Ok(1));
    });
}

/// F23
#[test]
fn a_start_that_fails_with_nobody_waiting_leaves_nothing_behind() {
    world(async {
        let gate = Gate::shut();
        let supervisor = DynamicSupervisor::builder().max_children(1).start().unwrap();
        let passing = gate.clone();
        let start = supervisor.start_child(Child::from_async(move |_: StartContext<Probe>| {
            let gate = passing.clone();
            async move {
                gate.pass().await;
                Err::<Start<Probe>, _>("no")
            }
        }));
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1);

        drop(start);
        gate.admit(1);
        settle().await;

        assert_eq!(supervisor.count_children().await.unwrap().specs, 0);
    });
}

/// F23
#[test]
fn a_terminate_goes_on_to_its_end_without_the_one_who_asked_for_it() {
    world(async {
        let journal = Journal::new();
        let supervisor = DynamicSupervisor::builder().start().unwrap();
        let slow = |journal: &Journal| Probe::scripted(journal, |probe| slow_to_stop(probe, SECOND));
        let (sent, begun) = (Journal::new(), Journal::new());
        let first = supervisor.start_child(slow(&sent)).await.unwrap();
        let second = supervisor.start_child(slow(&begun)).await.unwrap();
        supervisor.start_child(Probe::child(&journal)).await.unwrap();

        drop(supervisor.terminate_child(first.id));
        let terminated = supervisor.terminate_child(second.id);
        begun.expect("stopping 1").await;
        drop(terminated);

        sent.expect("dropped 1").await;
        begun.expect("dropped 1").await;
        settle().await;
        assert_eq!(supervisor.count_children().await.unwrap().specs, 1, "and only those two");
    });
}

/// F23
#[test]
fn a_stop_goes_on_to_its_end_without_the_one_who_asked_for_it() {
    world(async {
        for begun in [false, true] {
            let journal = Journal::new();
            let supervisor = DynamicSupervisor::builder().start().unwrap();
            let spec = Probe::scripted(&journal, |probe| slow_to_stop(probe, SECOND));
            supervisor.start_child(spec).await.unwrap();
            let ended = supervisor.exited();

            let stop = supervisor.stop_with(ExitReason::shutdown_with("enough"), None);
            if begun {
                journal.expect("stopping 1").await;
            }
            drop(stop);

            assert_eq!(ended.await.to_string(), "shutdown: enough");
            assert!(journal.has("stopped 1"));
        }
    });
}
